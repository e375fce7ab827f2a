package adapters_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters"
	"hosterbot/bot"
)

func TestTruncate(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		most int
		want string
	}{
		"what fits stays":                      {"short", 5, "short"},
		"says how much was cut":                {strings.Repeat("a", 50), 40, strings.Repeat("a", 18) + " … (32 characters cut)"},
		"counts characters, not bytes":         {strings.Repeat("ü", 40), 40, strings.Repeat("ü", 40)},
		"cuts between characters":              {strings.Repeat("日", 50), 40, strings.Repeat("日", 18) + " … (32 characters cut)"},
		"cuts before a code span":              {"see `" + strings.Repeat("x", 40) + "`", 40, "see … (43 characters cut)"},
		"cuts after a code span":               {"`4001` " + strings.Repeat("y", 60), 40, "`4001` yyyyyyyyyyy … (49 characters cut)"},
		"a span alone is shortened and closed": {"`" + strings.Repeat("x", 60) + "`", 40, "`" + strings.Repeat("x", 16) + "` … (44 characters cut)"},
		"a mark without partner is a letter":   {"`" + strings.Repeat("x", 60), 40, "`" + strings.Repeat("x", 17) + " … (43 characters cut)"},
		"a moment is never cut":                {strings.Repeat("z", 14) + bot.At(time.Unix(1700000000, 0)) + strings.Repeat("z", 20), 40, strings.Repeat("z", 14) + " … (32 characters cut)"},
		"no room for the notice":               {"abcdefgh", 3, " … "},
	} {
		t.Run(name, func(t *testing.T) {
			got := adapters.Truncate(c.text, c.most)
			require.Equal(t, c.want, got)
			require.LessOrEqual(t, utf8.RuneCountInString(got), c.most)
		})
	}
}

// TestFit: markup grows, so less of the text is taken until it fits.
func TestFit(t *testing.T) {
	twice := func(text string) string { return strings.Repeat(text, 2) }
	for text, want := range map[string]string{
		"short":                 "shortshort",
		strings.Repeat("a", 90): twice(strings.Repeat("a", 4) + " … (86 characters cut)"),
	} {
		require.Equal(t, want, adapters.Fit(text, 60, utf8.RuneCountInString, twice))
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nc\u2028d": "a b c d", "\x1b[31mred\r": "[31mred", "\u202egnp.exe\u200b": "gnp.exe", "日本\ufffd": "日本",
	} {
		require.Equal(t, want, adapters.Printable(text))
	}
}

func TestSplit(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		most int
		want []string
	}{
		"what fits stays":               {"one two", 20, []string{"one two"}},
		"nothing is one empty piece":    {"", 20, []string{""}},
		"at the end of a line":          {"first line\nsecond line", 18, []string{"first line", "second line"}},
		"between words":                 {"alpha beta gamma delta", 16, []string{"alpha beta gamma", "delta"}},
		"between characters if need be": {strings.Repeat("ü", 20), 16, []string{strings.Repeat("ü", 16), "üüüü"}},
		"a span goes whole to the next": {"delete the VM `web 1 a`", 20, []string{"delete the VM", "`web 1 a`"}},
		"a long span is opened again":   {"`" + strings.Repeat("x", 20) + "`", 16, []string{"`" + strings.Repeat("x", 14) + "`", "`xxxxxx`"}},
		"a long block is opened again":  {"```" + strings.Repeat("x", 12) + "```", 16, []string{"```xxxxxxxxxx```", "```xx```"}},
		"a blank in a span is no break": {"`aaaa bbbb cccc dd` ee", 20, []string{"`aaaa bbbb cccc dd`", "ee"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, adapters.Split(c.text, c.most)) })
	}
}

func TestColumnsAreAligned(t *testing.T) {
	table := &bot.Table{
		Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}, {Name: "Cores", Right: true}},
		Rows:    [][]string{{"`4001`", "web-1", "16"}, {"`7`", "a\x1b[31m\nb", "2"}, {"short"}},
	}
	require.Equal(t, []string{
		"ID     Name     Cores",
		"4001   web-1       16",
		"7      a[31m b      2",
		"short",
	}, adapters.Columns(table, time.Time{}, utf8.RuneCountInString))
}

// FuzzSplit: nothing but white space is lost, no piece is too long, no span is
// torn.
func FuzzSplit(f *testing.F) {
	f.Add("delete `web 1` now", 20)
	f.Add("``` block ``` `a`", 16)
	f.Add("\x01170\x01 `"+strings.Repeat("x", 90)+"`", 17)
	f.Fuzz(func(t *testing.T, text string, most int) {
		if !utf8.ValidString(text) || most < 0 || most > 1000 || len(text) > 5000 {
			return
		}
		for _, piece := range adapters.Split(text, most) {
			require.LessOrEqual(t, utf8.RuneCountInString(piece), max(most, 16))
		}
		cut := adapters.Truncate(text, most)
		require.LessOrEqual(t, utf8.RuneCountInString(cut), most)
		if !strings.ContainsAny(text, "`\x01") {
			bare := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
			require.Equal(t, bare(text), bare(strings.Join(adapters.Split(text, most), "")))
		}
	})
}
