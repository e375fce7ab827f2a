package policy

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// number reads a whole number in plain decimal digits.
func (l *loader) number(n node, what string, least int64) (int64, bool) {
	if n.absent() {
		return 0, false
	}
	if !n.is("!!int") || !digits(n.y.Value) || len(n.y.Value) > 1 && n.y.Value[0] == '0' {
		hint := ""
		if !n.is("!!int") && digits(n.y.Value) {
			hint = " without quotes"
		}
		l.errorf(n.pos(), "%s must be a whole number%s, and is %s", what, hint, n.shape())
		return 0, false
	}
	v, err := strconv.ParseInt(n.y.Value, 10, 64)
	if err != nil || v < least {
		l.errorf(n.pos(), "%s must be a whole number of at least %d, and is %s", what, least, n.shape())
		return 0, false
	}
	return v, true
}

// price reads an amount of money above 0.
func (l *loader) price(n node, what string) (float64, bool) {
	if n.absent() {
		return 0, false
	}
	whole, cents, dotted := strings.Cut(n.y.Value, ".")
	v, err := strconv.ParseFloat(n.y.Value, 64)
	if !n.is("!!int", "!!float") || !digits(whole) || dotted && !digits(cents) || err != nil || v <= 0 || math.IsInf(v, 0) {
		l.errorf(n.pos(), "%s must be an amount above 0, such as 150 or 99.50, and is %s", what, n.shape())
		return 0, false
	}
	return v, true
}

// size reads an amount of memory or disk, in units of the first suffix. bare
// tells whether a number without suffix counts as that unit.
func (l *loader) size(n node, what, suffixes string, bare bool) (int64, bool) {
	if n.absent() {
		return 0, false
	}
	example := "200G"
	if bare {
		example = "16G, or 2048 for MiB"
	}
	wrong := func() (int64, bool) {
		l.errorf(n.pos(), "%s must be a size such as %s, and is %s", what, example, n.shape())
		return 0, false
	}
	s := n.y.Value
	if !n.isText() && !n.is("!!int") || s == "" {
		return wrong()
	}
	factor := int64(1)
	if i := strings.IndexByte(suffixes, s[len(s)-1]); i >= 0 {
		factor <<= 10 * i
		s = s[:len(s)-1]
	} else if !bare {
		return wrong()
	}
	v, ok := parseID(s)
	if !ok || v > math.MaxInt64/factor {
		return wrong()
	}
	return v * factor, true
}

// maxDuration keeps a slip of the keyboard from asking for a century.
const maxDuration = 366 * 24 * time.Hour

// duration reads "30m", "24h", "7d", "1h30m".
func (l *loader) duration(n node, what string) time.Duration {
	if n.absent() {
		return 0
	}
	if n.isText() {
		if d, ok := parseDuration(n.y.Value); ok && d <= maxDuration {
			return d
		} else if ok {
			l.errorf(n.pos(), "%s is longer than a year", what)
			return 0
		}
	}
	l.errorf(n.pos(), "%s must be a duration above 0, such as 30m, 24h or 7d, and is %s", what, n.shape())
	return 0
}

// parseDuration reads numbers with the units d, h, m and s, each once and in
// this order. Zero is none.
func parseDuration(s string) (time.Duration, bool) {
	units := []struct {
		suffix byte
		length time.Duration
	}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
	var total time.Duration
	for _, unit := range units {
		i := strings.IndexByte(s, unit.suffix)
		if i < 0 {
			continue
		}
		v, err := strconv.ParseUint(s[:i], 10, 32)
		if err != nil || !digits(s[:i]) || v > 100_000 { // days that a Duration can hold
			return 0, false
		}
		total += time.Duration(v) * unit.length
		s = s[i+1:]
	}
	return total, s == "" && total > 0
}

// formatDuration prints "30m" where time.Duration prints "30m0s".
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// moment reads a time with its zone.
func (l *loader) moment(n node, what string) time.Time {
	if n.absent() {
		return time.Time{}
	}
	if n.isText() || n.is("!!timestamp") {
		if t, err := time.Parse(time.RFC3339, n.y.Value); err == nil && !t.IsZero() {
			return t
		}
	}
	l.errorf(n.pos(), "%s must be a time with its zone (RFC 3339), such as 2026-12-24T00:00:00+01:00, and is `%s`", what, clip(n.y.Value))
	return time.Time{}
}

// formatTime prints a time for people, in UTC.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// choice reads one of a few words.
func (l *loader) choice(n node, what string, words ...string) (string, bool) {
	s, ok := l.text(n, what)
	if !ok {
		return "", false
	}
	if !contains(words, s) {
		l.errorf(n.pos(), "%s must be %s, and is `%s`%s", what, enumerate(words, "or"), clip(s), didYouMean(s, words))
		return "", false
	}
	return s, true
}
