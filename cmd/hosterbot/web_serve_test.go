package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// link finds the page's link in what the demo printed.
var link = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)/#[A-Z2-7]{26,}`)

// servePage serves the page of a demo as a command line asks for, and returns
// what is printed.
func servePage(t *testing.T, asked string) (string, servedWeb, error) {
	t.Helper()
	s := newLive(t, "", nil)
	out := &shared{}
	served, err := (&demoCmd{Web: asked}).serveWeb(context.WithoutCancel(t.Context()), s.demo, out)
	if err == nil {
		t.Cleanup(served.end)
	}
	return out.String(), served, err
}

// take listens on an address, so that nobody else can.
func take(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil { // somebody else has it: that is as good
		return address
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// TestWebFindsAPort: where the usual address is taken, the page has another one
// and says so.
func TestWebFindsAPort(t *testing.T) {
	take(t, webAddress)
	out, _, err := servePage(t, "")
	require.NoError(t, err)
	require.Contains(t, out, webAddress+" is taken, so the page has another port.")
	address := link.FindStringSubmatch(out)
	require.NotNil(t, address, out)
	require.NotEqual(t, webAddress, address[1])
	answer, err := http.Get("http://" + address[1] + "/")
	require.NoError(t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Contains(t, string(page), "<title>hosterbot demo</title>")
}

// TestWebInsists on an address that was said, and serves on loopback alone.
func TestWebInsists(t *testing.T) {
	for address, why := range map[string]string{
		take(t, "127.0.0.1:0"): "address already in use",
		"0.0.0.0:8090":         "an address on loopback",
		"example.com:8090":     "an address on loopback",
		"8090":                 "--web",
	} {
		_, _, err := servePage(t, address)
		require.ErrorContains(t, err, why, address)
		var code *exitError
		require.ErrorAs(t, err, &code)
		require.Equal(t, exitConfig, code.code, address)
	}
}

// TestWebOff: no page, and no link.
func TestWebOff(t *testing.T) {
	out, code := command(t, nil, "demo", "--web", "off")
	require.Equal(t, exitFine, code, out)
	require.Contains(t, out, "This is #ops")
	require.NotRegexp(t, link, out)
	out, code = command(t, nil, "demo")
	require.Equal(t, exitFine, code, out)
	require.Regexp(t, link, out)
}

// TestBrowserOwnPolicy: the page of a team's own policy has its people, and
// says what that file says.
func TestBrowserOwnPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "team.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`version: 1
people:
  xan: {slack: T01TEAM/U01XAN}
  yen: {slack: T01TEAM/U02YEN}
groups:
  all: [xan, yen]
roles:
  viewer: {allow: [all reads]}
grants:
  - {id: everybody-looks, to: [all], role: viewer}
`), 0o600))
	p, _, ok := openPage(t, file, nil)
	if !ok {
		return
	}
	require.Equal(t, []string{"xan", "yen", "eve"}, eval[[]string](p, `[...document.querySelectorAll("#panes .pane:first-child .who input")].map(e => e.value)`))
	p.focus(pane(0) + " .box input")
	p.keys("vm list")
	p.see("#policy .big-verdict", "allowed")
	p.see("#policy .why", "grant everybody-looks")
	p.see("#policy .why", "team.yaml:10")
	p.clear(0)
	p.keys("vm stop 4001")
	p.see("#policy .big-verdict", "denied")
	p.keys(kb.Enter)
	p.see(pane(0)+" .card", "Not allowed: vm stop")
}

// TestBrowserHostilePage: a page of another origin, which even knows the link,
// reads nothing and changes nothing.
func TestBrowserHostilePage(t *testing.T) {
	p, s, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>evil</title>")
	}))
	defer evil.Close()
	before := len(s.sim.Calls())
	p.do(chromedp.Navigate(evil.URL))
	address, token, _ := strings.Cut(p.link, "#")
	body := `JSON.stringify({as: "ana", line: "vm stop 4001"})`
	for name, script := range map[string]string{
		"a command as the page sends it": `fetch("` + address + `api/command", {method: "POST", headers: {"Content-Type": "application/json", "X-Hosterbot-Token": "` + token + `"}, body: ` + body + `})`,
		"a command that needs no leave":  `fetch("` + address + `api/command", {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain", "X-Hosterbot-Token": "` + token + `"}, body: ` + body + `})`,
		"the stream":                     `fetch("` + address + `api/events?as=ana", {headers: {"X-Hosterbot-Token": "` + token + `"}})`,
		"the page":                       `fetch("` + address + `")`,
		"a script of the page":           `new Promise((yes, no) => { const e = document.createElement("script"); e.onload = yes; e.onerror = no; e.src = "` + address + `page.js"; document.head.append(e); })`,
	} {
		eval[bool](p, `(window.came = null, `+script+`.then(r => r && r.type === "opaque" ? "nothing that can be read" : "read: " + name, e => "refused").then(r => { window.came = r; }), true)`)
		p.until(`window.came !== null`)
		require.Contains(t, []string{"refused", "nothing that can be read"}, eval[string](p, `window.came`), name)
	}
	eval[bool](p, `(e => (e.src = "`+address+`", document.body.append(e), window.framed = new Promise(r => { e.onload = r; }), window.framed.then(() => { window.came = "framed"; }), true))(document.createElement("iframe"))`)
	p.until(`window.came === "framed"`)
	require.Zero(t, eval[int](p, `(() => { try { return frames[0].document.body.children.length; } catch { return 0; } })()`))
	require.Len(t, s.sim.Calls(), before, "the provider was not called")
	ops, err := s.now().store.Operations(t.Context(), bot.OperationFilter{})
	require.NoError(t, err)
	require.Empty(t, ops)
}

func TestNoColor(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"a usual terminal":         {map[string]string{"TERM": "xterm"}, true},
		"NO_COLOR":                 {map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		"NO_COLOR without a value": {map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true},
		"a terminal that has none": {map[string]string{"TERM": "dumb"}, false},
	} {
		require.Equal(t, tt.want, colored(func(key string) string { return tt.env[key] }), name)
	}
}
