package bot_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestCleanTakesOutWhatMakesTextLie(t *testing.T) {
	for _, tc := range []struct{ rule, in, want string }{
		{"control characters", "a\x00\x1b\x7f\u0085b", "ab"},
		{"marks of the bot's own", "a\x01b`c", "ab'c"},
		{"lines", "a\nb\r\nc\td\u2028e", "a b  c d e"},
		{"direction overrides", "\u202eabc\u2066", "abc"},
		{"invisible characters", "a\u200bb\ufeff", "ab"},
		{"spaces around", "  a  ", "a"},
		{"ordinary text stays", "Übung <b> & 🚀", "Übung <b> & 🚀"},
	} {
		require.Equal(t, tc.want, bot.Clean(tc.in), tc.rule)
	}
	require.Equal(t, "aaa… (cut)", bot.CleanMax("aaaa", 3), "nothing is cut without saying so")
	require.Equal(t, "aaa", bot.CleanMax("aaa", 3))
}

func TestCodeAndTimesAreTakenApart(t *testing.T) {
	at := noon.Add(time.Minute)
	text := "Delete " + bot.Code("vm`4001") + " until " + bot.At(at) + "."
	require.Equal(t, []bot.Span{{Text: "Delete "}, {Text: "vm'4001", Code: true}, {Text: " until "}, {Time: at}, {Text: "."}}, slices.Collect(bot.Spans(text)))
	require.Equal(t, "Delete vm'4001 until 12:01 UTC (in 1 min).", bot.Flat(text, noon))
	require.Equal(t, "until 2026-03-02 12:01 UTC (26 h ago)", bot.Flat("until "+bot.At(at), noon.Add(26*time.Hour)))
	require.Equal(t, []bot.Span{{Text: "a"}, {Text: "`b"}}, slices.Collect(bot.Spans("a`b")), "a mark alone is text")
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 45 * time.Second: "45 s", 125 * time.Second: "2 min 5 s", 3 * time.Minute: "3 min", 59*time.Minute + 59*time.Second: "60 min",
		3 * time.Hour: "3 h", 3*time.Hour + 5*time.Minute: "3 h 5 min", 26 * time.Hour: "26 h", 9 * 24 * time.Hour: "9 days",
	} {
		require.Equal(t, want, bot.Duration(d), d.String())
	}
	require.Equal(t, "now", bot.Ago(noon, noon))
	require.Equal(t, "5 s ago", bot.Ago(noon, noon.Add(5*time.Second)))
	require.Equal(t, "in 5 s", bot.Ago(noon.Add(5*time.Second), noon))
}

func TestBars(t *testing.T) {
	for _, tc := range []struct {
		bar  bot.Bar
		want string
	}{
		{bot.Bar{Fraction: -1, Elapsed: 3 * time.Second}, "3 s"},
		{bot.Bar{Fraction: 0}, "░░░░░░░░░░ 0 % · 0 s"},
		{bot.Bar{Fraction: 0.6, Word: "executing", Elapsed: 54 * time.Second, Expected: 90 * time.Second}, "██████░░░░ 60 % · executing · 54 s of about 1 min 30 s"},
		{bot.Bar{Fraction: 1.5}, "██████████ 150 % · 0 s"},
	} {
		require.Equal(t, tc.want, tc.bar.String())
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a`\x01\u202eb")
	f.Add(" " + strings.Repeat("x", 1100)) // cut once, however often it is cleaned
	f.Fuzz(func(t *testing.T, text string) {
		c := bot.Clean(text)
		require.True(t, utf8.ValidString(c))
		require.Equal(t, c, bot.Clean(c))
		require.False(t, strings.ContainsAny(c, "`\x01\n\x1b"))
		require.LessOrEqual(t, utf8.RuneCountInString(c), 1007)
		spans := slices.Collect(bot.Spans(bot.Code(text)))
		require.LessOrEqual(t, len(spans), 1, "code cannot be ended from inside")
	})
}
