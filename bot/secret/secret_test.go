package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/secret"
)

const canary = "canary-7f3a"

func TestNoFormatPrintsTheValue(t *testing.T) {
	s := secret.New(canary)
	holder := struct {
		Name   string
		Secret secret.Secret
		Ptr    *secret.Secret
	}{"x", s, &s}

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%08.3f"} {
		require.NotContains(t, fmt.Sprintf(verb, s), canary, verb)
		require.NotContains(t, fmt.Sprintf(verb, holder), canary, verb)
		require.NotContains(t, fmt.Sprintf(verb, &holder), canary, verb)
		require.NotContains(t, fmt.Sprintf(verb, s), fmt.Sprintf("%x", canary), verb)
	}
	out, err := json.Marshal(holder)
	require.NoError(t, err)
	require.JSONEq(t, `{"Name":"x","Secret":"•••","Ptr":"•••"}`, string(out))

	out, err = json.Marshal(map[secret.Secret]int{s: 1})
	require.NoError(t, err)
	require.NotContains(t, string(out), canary)

	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("x", "secret", s, "holder", holder, "err", fmt.Errorf("with %w and %v", fmt.Errorf("x"), s))
		require.NotContains(t, b.String(), canary, name)
	}
}

func TestRevealGivesTheValueBack(t *testing.T) {
	require.Equal(t, canary, secret.New(canary).Reveal())
	require.False(t, secret.New(canary).IsZero())
	require.Equal(t, "", secret.Secret{}.Reveal())
	require.True(t, secret.New("").IsZero())
}

func TestScrubber(t *testing.T) {
	var s secret.Scrubber
	require.Equal(t, "pass hunter22 on", s.Scrub("pass hunter22 on"))

	s.Know(secret.New("hunter22"))
	s.Know(secret.New("hunter22-long"))
	s.Know(secret.New("abc")) // too short to be looked for
	require.Equal(t, "a ••• b ••• abc", s.Scrub("a hunter22 b hunter22-long abc"))

	s.Know(secret.New("hunter22"))
	s.Forget(secret.New("hunter22"))
	require.Equal(t, "•••", s.Scrub("hunter22"), "known twice, forgotten once")
	s.Forget(secret.New("hunter22"))
	require.Equal(t, "hunter22", s.Scrub("hunter22"))
}

// php spells a value as PHP's json_encode does.
func php(v string) string {
	var b strings.Builder
	for _, r := range v {
		switch i := strings.IndexRune("\"\\/\t\n", r); {
		case i >= 0:
			b.WriteString(`\` + `"\/tn`[i:i+1])
		case r < 0x80:
			b.WriteRune(r)
		default:
			for _, c := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, c)
			}
		}
	}
	return b.String()
}

// Who refuses a request often tells what was in it, in a spelling of his own.
func TestScrubberKnowsHowOthersSpellIt(t *testing.T) {
	for _, value := range []string{`pa"ss/wo\rd`, "Käse & <brot>'s 50%", "plain-hunter2", "key😀+=", "a b\tc\nd"} {
		var s secret.Scrubber
		s.Know(secret.New(value))
		inJSON := func(html bool) func(string) string {
			return func(v string) string {
				var b bytes.Buffer
				e := json.NewEncoder(&b)
				e.SetEscapeHTML(html)
				require.NoError(t, e.Encode(v))
				return strings.Trim(strings.TrimSpace(b.String()), `"`)
			}
		}
		for name, spell := range map[string]func(string) string{
			"as it is":           func(v string) string { return v },
			"JSON":               inJSON(false),
			"JSON for HTML":      inJSON(true),
			"JSON in JSON":       func(v string) string { return inJSON(true)(inJSON(true)(v)) },
			"PHP's JSON":         php,
			"PHP's JSON in JSON": func(v string) string { return inJSON(false)(php(v)) },
			"HTML":               html.EscapeString,
			"PHP's HTML":         strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;").Replace,
			"HTML twice":         func(v string) string { return html.EscapeString(html.EscapeString(v)) },
			"a query":            url.QueryEscape,
			"a path":             url.PathEscape,
			"a path, low":        func(v string) string { return strings.ToLower(url.PathEscape(strings.ToLower(v))) },
			"base64":             func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) },
			"base64 for URLs":    func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) },
		} {
			if name == "a path, low" && value != strings.ToLower(value) {
				continue // another value
			}
			text := s.Scrub("The password " + spell(value) + ". is refused")
			require.Regexp(t, `^The password •••=*\. is refused$`, text, "%s: %s", name, spell(value))
		}
		require.Equal(t, "nothing of it \\ & % +", s.Scrub("nothing of it \\ & % +"))
	}
}

func BenchmarkScrub(b *testing.B) {
	var s secret.Scrubber
	s.Know(secret.New("1|qpVodrZ3edt0DV4Q81dxQekTAessUHcH0Zjqv4t6"))
	for name, text := range map[string]string{
		"plain":   strings.Repeat("The selected template is invalid. ", 20),
		"escaped": strings.Repeat(`{"message": "The \"template\" is 100% invalid"} `, 20),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Scrub(text)
			}
		})
	}
}
