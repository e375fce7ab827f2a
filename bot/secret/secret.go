// Package secret holds values that must never be printed.
//
// A Secret hides its value from every way Go has of turning a value into
// text: fmt, encoding/json, encoding.TextMarshaler, log/slog. The one way out
// is Reveal, which a test allows only in commands/hoster and adapters.
//
// It is a leaf: it imports nothing of ours and may be imported everywhere.
package secret

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"regexp"
	"sort"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
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

// Scrubber replaces the values it was told of wherever they turn up in text,
// also as JSON, HTML, a URL or base64 spells them: who refuses a request often
// tells what was in it. It is safe for concurrent use. The zero Scrubber is
// ready.
type Scrubber struct {
	mu     sync.RWMutex
	values map[string]*known
}

// known is a value that is looked for.
type known struct {
	times   int               // Know less Forget
	encoded *strings.Replacer // the value as it is, and in base64
	escaped *regexp.Regexp    // the value with some of its characters escaped
}

// minScrub is the shortest value that is looked for: anything shorter would
// blank out ordinary words.
const minScrub = 4

// Know makes Scrub hide the value until Forget was called as often as Know.
func (s *Scrubber) Know(v Secret) {
	value := v.Reveal()
	if len(value) < minScrub {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = make(map[string]*known)
	}
	k := s.values[value]
	if k == nil {
		std, url := base64.RawStdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value))
		k = &known{encoded: strings.NewReplacer(value, Mask, std, Mask, url, Mask), escaped: escaped(value)}
		s.values[value] = k
	}
	k.times++
}

// Forget takes back one Know.
func (s *Scrubber) Forget(v Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.values[v.Reveal()]; k != nil {
		if k.times--; k.times <= 0 {
			delete(s.values, v.Reveal())
		}
	}
}

// Scrub returns text with every known value replaced by Mask.
func (s *Scrubber) Scrub(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.values) == 0 {
		return text
	}
	values := make([]string, 0, len(s.values))
	for v := range s.values {
		values = append(values, v)
	}
	// Longest first, so that a value inside another leaves no tail behind.
	sort.Slice(values, func(i, j int) bool { return len(values[i]) > len(values[j]) })
	for _, v := range values {
		k := s.values[v]
		text = k.encoded.Replace(text)
		if strings.ContainsAny(text, escapes) {
			text = k.escaped.ReplaceAllLiteralString(text, Mask)
		}
	}
	return text
}

// escapes are what every escaped character has in it.
const escapes = `\&%+`

// escaped matches a value however its characters are escaped, each for itself:
// encoders differ in which they leave alone, and one may come after another.
func escaped(value string) *regexp.Regexp {
	var b strings.Builder
	for _, r := range value {
		b.WriteString("(?:")
		b.WriteString(`\\*`) // JSON: \" and \/, and both again inside a text
		b.WriteString(regexp.QuoteMeta(string(r)))
		b.WriteString(`|\\+`)
		if hi, lo := utf16.EncodeRune(r); hi != unicode.ReplacementChar {
			fmt.Fprintf(&b, `(?i:u%04x\\+u%04x)`, hi, lo)
		} else {
			fmt.Fprintf(&b, `(?i:u%04x)`, r)
		}
		b.WriteString("|(?i:")
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(&b, "%%(?:25)*%02x", c)
		}
		fmt.Fprintf(&b, `|&(?:amp;)*#0*%d;|&(?:amp;)*#x0*%x;`, r, r)
		for _, name := range entities[r] {
			b.WriteString("|&(?:amp;)*" + name + ";")
		}
		b.WriteString(")")
		if i := strings.IndexRune("\t\n\r\b\f", r); i >= 0 {
			b.WriteString(`|\\+` + "tnrbf"[i:i+1])
		}
		if r == ' ' {
			b.WriteString(`|\+`) // in the query of a URL
		}
		b.WriteString(")")
	}
	re := regexp.MustCompile(b.String())
	re.Longest() // of "%" in "%25" the rest would be left
	return re
}

// entities are the names that HTML has for what it must not hold as it is.
var entities = map[rune][]string{'"': {"quot"}, '&': {"amp"}, '\'': {"apos"}, '<': {"lt"}, '>': {"gt"}}
