package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// page is a window of a real browser on the page of a demo.
type page struct {
	t        *testing.T
	ctx      context.Context
	link     string
	wire     *wire
	problems *shared // what the browser complained about
	asked    *shared // the address of every request
}

// wire is what a browser reaches the page by. It can be cut.
type wire struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	down  bool
}

// Accept implements net.Listener.
func (w *wire) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		_ = c.Close()
	}
	w.conns = append(w.conns, c)
	return c, nil
}

// cut ends every connection, and each new one until it is mended.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// browserFor bounds one step in the browser: a machine that runs many tests is
// slow to start one.
const browserFor = 60 * time.Second

// openPage starts a demo and a browser on its page. It tells false where there
// is no browser: CI has one, elsewhere a line says what was left out.
func openPage(t *testing.T, policy string, set func(*demo)) (*page, *scene, bool) {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		require.NotEqual(t, "true", os.Getenv("CI"), "no Chromium, and CI needs one: .ci/run installs it")
		t.Log("left out: there is no Chromium here; install it, such as by apt-get install chromium")
		return nil, nil, false
	}
	s := newLive(t, policy, set)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serving, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	wire := &wire{Listener: l}
	go func() { served <- s.web.Serve(serving, wire) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1440, 900), chromedp.WSURLReadTimeout(browserFor),
	)
	allocator, endAllocator := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(endAllocator)
	p := &page{t: t, link: s.web.Link(l.Addr().String()), wire: wire}
	p.window(allocator)
	return p, s, true
}

// window opens a window on the link.
func (p *page) window(parent context.Context) {
	ctx, end := chromedp.NewContext(parent)
	p.t.Cleanup(end)
	p.ctx, p.problems, p.asked = ctx, &shared{}, &shared{}
	problems, asked := p.problems, p.asked
	require.NoError(p.t, chromedp.Listen(ctx, func(e any) { // it starts the browser, which outlives a step
		switch e := e.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				_, _ = problems.Write([]byte(e.Entry.Text + "\n"))
			}
		case *runtime.EventExceptionThrown:
			_, _ = problems.Write([]byte(e.ExceptionDetails.Text + "\n"))
		case *network.EventRequestWillBeSent:
			_, _ = asked.Write([]byte(e.Request.URL + "\n"))
		}
	}))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(p.t, err)
	p.do(chromedp.Navigate(p.link))
	p.see("#state", "Connected")
}

// second opens another window of the same browser.
func (p *page) second() *page {
	other := *p
	other.window(p.ctx)
	return &other
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserFor)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, actions...), p.problems.String())
}

// eval runs a script and returns what it gives.
func eval[T any](p *page, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserFor)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	require.NoError(p.t, err, script)
	return out
}

// see waits until an element shows a text.
func (p *page) see(selector, text string) {
	p.t.Helper()
	p.until(`[...document.querySelectorAll(` + quote(selector) + `)].some(e => e.innerText.includes(` + quote(text) + `))`)
}

// until waits until a script gives true.
func (p *page) until(script string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserFor)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](script, chromedp.WithPollingTimeout(0), chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		require.NoError(p.t, err, "%s\nproblems: %s\nthe page: %s", script, p.problems.String(), eval[string](p, `document.body.innerText`))
	}
}

func quote(text string) string { return "`" + strings.ReplaceAll(text, "`", "\\`") + "`" }

// pane is the selector of one of the panes, from 0.
func pane(i int) string {
	return []string{"#panes > .pane:nth-child(1)", "#panes > .pane:nth-child(2)"}[i]
}

// keys presses keys, wherever the focus is.
func (p *page) keys(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// enter presses Enter as a keyboard does: what the page makes of the key itself
// takes its usual effect away.
func (p *page) enter() {
	p.t.Helper()
	down := input.DispatchKeyEventParams{Type: kb.KeyDown, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: '\r', Text: "\r"}
	up := down
	up.Type, up.Text = kb.KeyUp, ""
	for _, e := range []input.DispatchKeyEventParams{down, up} {
		_, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, e)
		require.NoError(p.t, err)
	}
}

// focus puts the focus on an element once it is there.
func (p *page) focus(selector string) {
	p.t.Helper()
	p.until(`document.querySelector(` + quote(selector) + `) !== null`)
	eval[bool](p, `(document.querySelector(`+quote(selector)+`).focus(), true)`)
}

// types types a command into a pane.
func (p *page) types(i int, line string) {
	p.t.Helper()
	p.focus(pane(i) + " .box input")
	eval[bool](p, `(document.activeElement.select(), true)`)
	p.keys(line + kb.Enter)
	p.until(`document.querySelector(` + quote(pane(i)+" .box input") + `).value === ""`)
}

// press clicks the last button of a pane with a label.
func (p *page) press(i int, label string) {
	p.t.Helper()
	find := `[...document.querySelectorAll(` + quote(pane(i)+" .buttons button") + `)].filter(b => b.innerText === ` + quote(label) + `).pop()`
	p.until(find + ` !== undefined`)
	eval[bool](p, `(`+find+`.click(), true)`)
}

// fills types a value into a field of the open form.
func (p *page) fills(i int, name, value string) {
	p.t.Helper()
	p.focus(pane(i) + ` .ask [id$="-` + name + `"]`)
	p.keys(value)
}

// asksToDelete asks for the delete of VM 4003 in the first pane, until the
// second shows it.
func (p *page) asksToDelete(reason string) {
	p.t.Helper()
	p.types(0, "vm delete 4003 --force")
	p.press(0, "Confirm")
	p.fills(0, "reason", reason)
	p.fills(0, "target", "4003")
	p.press(0, "Confirm")
	p.see(pane(1), "Approve")
	p.focus(pane(0) + " .box input")
}

// size makes the window as large as a screen, in a theme.
func (p *page) size(width, height int64, theme string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
	require.NoError(p.t, err)
	_, err = chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	require.NoError(p.t, err)
}

// picture writes what the window shows into a file of the README, if the test
// is to rewrite its files. Before it is committed,
// pngquant --force --ext .png --strip makes it a third as large.
func (p *page) picture(name string) {
	p.t.Helper()
	if *update {
		p.shot(name)
	}
}

// tabTo presses Tab, or Shift and Tab, until the focus is on what has a name,
// and shows that it is there.
func (p *page) tabTo(back bool, name string) {
	p.t.Helper()
	var seen []string
	for range 80 {
		if back {
			p.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
		} else {
			p.keys(kb.Tab)
		}
		at := eval[string](p, `(e => e.value && e.type === "radio" ? e.value : e.innerText || "")(document.activeElement)`)
		seen = append(seen, at)
		if at != name {
			continue
		}
		require.True(p.t, eval[bool](p, `(e => getComputedStyle(e.type === "radio" ? e.nextElementSibling : e).outlineStyle !== "none")(document.activeElement)`), "nobody sees that the focus is on %s", name)
		return
	}
	require.Failf(p.t, "not reached", "%s is not among %q", name, seen)
}
