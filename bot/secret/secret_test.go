package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

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
