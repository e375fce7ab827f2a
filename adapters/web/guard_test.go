package web_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/web"
	"hosterbot/bot"
)

// TestHostileRequestsAreRefused: each is a good request with one thing wrong.
func TestHostileRequestsAreRefused(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, tt := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"as the page sends it":               {nil, http.StatusOK},
		"no token":                           {func(r *http.Request) { r.Header.Del("X-Hosterbot-Token") }, http.StatusUnauthorized},
		"a wrong token":                      {set("X-Hosterbot-Token", "AAAA"), http.StatusUnauthorized},
		"a token as a cookie is none":        {func(r *http.Request) { r.Header.Del("X-Hosterbot-Token"); r.Header.Set("Cookie", "token=x") }, http.StatusUnauthorized},
		"another origin":                     {set("Origin", "https://evil.example"), http.StatusForbidden},
		"the same host at another port":      {set("Origin", "http://127.0.0.1:1"), http.StatusForbidden},
		"an opaque origin":                   {set("Origin", "null"), http.StatusForbidden},
		"no origin":                          {func(r *http.Request) { r.Header.Del("Origin") }, http.StatusForbidden},
		"the browser says cross-site":        {set("Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		"the browser says same-site":         {set("Sec-Fetch-Site", "same-site"), http.StatusForbidden},
		"a name that points at loopback":     {func(r *http.Request) { r.Host = "evil.example" }, http.StatusMisdirectedRequest},
		"a name that looks like loopback":    {func(r *http.Request) { r.Host = "127.0.0.1.evil.example" }, http.StatusMisdirectedRequest},
		"another address of this machine":    {func(r *http.Request) { r.Host = "192.168.1.2:8090" }, http.StatusMisdirectedRequest},
		"a form of another page":             {set("Content-Type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType},
		"a body that needs no leave to send": {set("Content-Type", "text/plain"), http.StatusUnsupportedMediaType},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, options())
			ran := make(chan string, 1)
			s.run(t, &stub{OnHandle: func(_ context.Context, r bot.Request) { ran <- r.Line }})
			answer := s.request(t, http.MethodPost, "/api/command", map[string]string{"as": "ana", "line": "vm list"}, tt.change)
			require.Equal(t, tt.status, answer.StatusCode)
			s.w.Quiet()
			require.Equal(t, tt.status == http.StatusOK, len(ran) == 1)
			require.Empty(t, answer.Header.Get("Access-Control-Allow-Origin"), "no other page gets leave")
		})
	}
}

func TestStreamsAreGuarded(t *testing.T) {
	s := serve(t, options())
	for name, change := range map[string]func(*http.Request){
		"no token":     func(r *http.Request) { r.Header.Del("X-Hosterbot-Token") },
		"cross-site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"other origin": func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		answer := s.request(t, http.MethodGet, "/api/events?as=ana", nil, change)
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, answer.StatusCode, name)
	}
	require.Zero(t, s.w.Streams())
}

// TestPageIsStrict: no script, style or address but its own.
func TestPageIsStrict(t *testing.T) {
	s := serve(t, options())
	for path, kind := range map[string]string{"/": "text/html", "/page.js": "text/javascript", "/show.js": "text/javascript", "/page.css": "text/css", "/icon.svg": "image/svg+xml"} {
		answer := s.request(t, http.MethodGet, path, nil, func(r *http.Request) { r.Header.Del("X-Hosterbot-Token") })
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
		require.True(t, strings.HasPrefix(answer.Header.Get("Content-Type"), kind), path)
		csp := answer.Header.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'")
		require.Contains(t, csp, "frame-ancestors 'none'")
		require.NotContains(t, csp, "unsafe")
		require.NotContains(t, csp, "http")
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
		var body bytes.Buffer
		_, err := body.ReadFrom(answer.Body)
		require.NoError(t, err)
		require.NotContains(t, body.String(), s.w.Token(), "who has only the address is not let in")
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=\"", "https://"} {
			require.NotContains(t, body.String(), bad, path)
		}
	}
}

func TestBounds(t *testing.T) {
	s := serve(t, options())
	s.run(t, &stub{})
	for name, tt := range map[string]struct {
		body   any
		status int
	}{
		"a stranger's name":    {map[string]string{"as": "mallory", "line": "vm list"}, http.StatusBadRequest},
		"nothing typed":        {map[string]string{"as": "ana", "line": "  "}, http.StatusBadRequest},
		"a line without end":   {map[string]string{"as": "ana", "line": strings.Repeat("x", 5000)}, http.StatusRequestEntityTooLarge},
		"a body without end":   {[]byte(`{"as":"ana","line":"` + strings.Repeat("x", 1<<20) + `"}`), http.StatusRequestEntityTooLarge},
		"a field that is none": {map[string]string{"as": "ana", "line": "vm list", "admin": "yes"}, http.StatusBadRequest},
		"no JSON":              {[]byte("vm list"), http.StatusBadRequest},
		"something behind it":  {[]byte(`{"as":"ana","line":"vm list"}{}`), http.StatusBadRequest},
	} {
		status, text := s.post(t, "command", tt.body)
		require.Equal(t, tt.status, status, name)
		require.Contains(t, text, `"error"`, name)
	}
}

func TestTooManyPagesAreTurnedAway(t *testing.T) {
	s := serve(t, options())
	var all []*window
	for range web.MaxStreams {
		all = append(all, s.open(t, "ana", 0))
	}
	answer := s.request(t, http.MethodGet, "/api/events?as=ana", nil, nil)
	require.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
	for _, w := range all {
		w.close()
	}
}

func TestTokensDiffer(t *testing.T) {
	a, b := serve(t, options()), serve(t, options())
	require.NotEqual(t, a.w.Token(), b.w.Token())
	require.GreaterOrEqual(t, len(a.w.Token()), 26, "128 bits in base 32")
	require.Equal(t, "http://127.0.0.1:8090/#"+a.w.Token(), a.w.Link("127.0.0.1:8090"))
}
