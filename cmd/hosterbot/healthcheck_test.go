package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestHealthcheckAsksTheBot(t *testing.T) {
	parts := []bot.Health{{Name: "store", OK: true, Fatal: true}}
	s := httptest.NewServer(health(func(context.Context) []bot.Health { return parts }))
	at := strings.TrimPrefix(s.URL, "http://")
	_, port, _ := strings.Cut(at, ":")
	for _, listen := range []string{at, ":" + port, "0.0.0.0:" + port} {
		out, code := command(t, map[string]string{"HOSTERBOT_LISTEN": listen}, "healthcheck")
		require.Equal(t, exitFine, code, out)
		require.Equal(t, "ok\n", out)
	}
	out, code := command(t, nil, "healthcheck", "--ready", "--listen", at)
	require.Equal(t, exitFine, code, out)
	parts[0].OK, parts[0].Text = false, "full"
	out, code = command(t, nil, "healthcheck", "--listen", at)
	require.Equal(t, exitFine, code, "it lives, though it is not ready: %s", out)
	out, code = command(t, nil, "healthcheck", "--ready", "--listen", at)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "full")

	s.Close()
	out, code = command(t, nil, "healthcheck", "--listen", at)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "is it running?")
	out, code = command(t, map[string]string{"HOSTERBOT_LISTEN": "off"}, "healthcheck")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "no health is served")
}
