// Package secret holds values that must never be printed.
//
// A Secret hides its value from every way Go has of turning a value into
// text: fmt, encoding/json, encoding.TextMarshaler, log/slog. The one way out
// is Reveal, which a test allows only in commands/hoster and adapters.
//
// It is a leaf: it imports nothing of ours and may be imported everywhere.
package secret

import (
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
)

// Mask is what a Secret prints as.
const Mask = "•••"

// Secret is a value that never prints. The zero Secret is empty. Copies share
// the value; two Secrets are never equal by ==, unless one was copied from the
// other, so compare with crypto/subtle on what Reveal returns.
type Secret struct{ value *string }

// New wraps a value. An empty value gives the zero Secret.
func New(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value itself, "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero tells whether there is no value.
func (s Secret) IsZero() bool { return s.value == nil }

// String implements fmt.Stringer with Mask.
func (s Secret) String() string { return Mask }

// GoString implements fmt.GoStringer with Mask.
func (s Secret) GoString() string { return Mask }

// Format implements fmt.Formatter with Mask for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Mask)) }

// MarshalJSON implements json.Marshaler with Mask.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }

// MarshalText implements encoding.TextMarshaler with Mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// LogValue implements slog.LogValuer with Mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Mask) }

// Scrubber replaces the values it was told of wherever they turn up in text.
// It is safe for concurrent use. The zero Scrubber is ready.
type Scrubber struct {
	mu     sync.RWMutex
	values map[string]int
}

// minScrub is the shortest value that is looked for: anything shorter would
// blank out ordinary words.
const minScrub = 4

// Know makes Scrub hide the value until Forget was called as often as Know.
func (s *Scrubber) Know(v Secret) {
	if len(v.Reveal()) < minScrub {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = make(map[string]int)
	}
	s.values[v.Reveal()]++
}

// Forget takes back one Know.
func (s *Scrubber) Forget(v Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[v.Reveal()]--; s.values[v.Reveal()] <= 0 {
		delete(s.values, v.Reveal())
	}
}

// Scrub returns text with every known value replaced by Mask.
func (s *Scrubber) Scrub(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.values) == 0 {
		return text
	}
	known := make([]string, 0, len(s.values))
	for v := range s.values {
		known = append(known, v)
	}
	// Longest first, so that a value inside another leaves no tail behind.
	sort.Slice(known, func(i, j int) bool { return len(known[i]) > len(known[j]) })
	for _, v := range known {
		text = strings.ReplaceAll(text, v, Mask)
	}
	return text
}
