package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// TestBrowser: ana asks, dia approves beside her, the page is loaded again in
// the middle, a second window sees the same, and a job comes to its end.
func TestBrowser(t *testing.T) {
	p, _, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	p.size(1440, 900, "light")
	p.types(0, "vm list")
	p.see(pane(0), "As a file")
	require.NotContains(t, eval[string](p, `document.querySelector("`+pane(1)+`").textContent`), "As a file", "what ana was told is not in dia's pane")
	p.asksToDelete("INC-42")
	p.keys("vm delete 4009")
	p.see("#policy", "needs approval")
	p.do(chromedp.Reload())
	p.see(pane(1), "Approve")
	other := p.second()
	other.see(pane(1), "Approve")
	p.press(1, "Approve")
	for _, w := range []*page{p, other} {
		w.see(pane(0), "Done: Delete VM")
		w.see(pane(1), "dia approved")
		w.see("#calls .changes", "server/4003/delete")
	}
	p.types(0, "backup create 4001")
	p.see(pane(0)+" .bar-text", "%")
	p.size(390, 844, "dark")
	p.until(`document.querySelector(` + quote(pane(1)) + `) === null`)
	require.True(t, eval[bool](p, `document.activeElement === document.querySelector(`+quote(pane(0)+" .box input")+`)`), "who types goes on where one pane is taken away")
	p.size(1440, 900, "light")
	p.see(pane(1), "Done: Back up VM")
	require.Empty(t, p.problems.String(), "nothing breaks the page's own rules")
	for _, address := range []*shared{p.asked, other.asked} {
		for line := range strings.Lines(address.String()) {
			require.True(t, strings.HasPrefix(line, "http://127.0.0.1:"), "%s leaves this machine", line)
		}
	}
}

// TestBrowserByKeyboard: ana runs a command with what the box offers, confirms,
// fills the form, and becomes dia, who approves and hears of the end. No key
// but letters, Tab, Enter and the arrows is touched, and no mouse.
func TestBrowserByKeyboard(t *testing.T) {
	p, _, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	p.size(900, 900, "light")
	p.until(`document.activeElement === document.querySelector(` + quote(pane(0)+" .box input") + `)`)
	p.keys("vm de")
	p.see(pane(0)+" .options", "delete")
	p.keys(kb.ArrowDown)
	p.enter()
	p.see(pane(0)+" .options", "4003")
	p.keys("4003 --force")
	p.see(pane(0)+" .hint", "vm delete VM [--force]")
	p.enter()
	p.see(pane(0)+" .buttons", "Confirm")
	p.tabTo(true, "Confirm")
	p.enter()
	p.until(`document.activeElement.id.endsWith("-reason")`)
	p.keys("INC-42" + kb.Tab + "4003")
	p.tabTo(false, "Confirm")
	p.enter()
	p.see(pane(0)+" .card .buttons", "Approve")
	p.tabTo(true, "Cancel")
	p.tabTo(true, "ana")
	p.keys(kb.ArrowRight + kb.ArrowRight + kb.ArrowRight)
	p.see(pane(0)+" .card", "ana asks")
	p.until(`document.querySelector(` + quote(pane(0)) + `).getAttribute("aria-label") === "What dia sees"`)
	p.tabTo(false, "Approve")
	p.enter()
	p.see(pane(0), "Done: Delete VM")
	p.until(`[...document.querySelectorAll("[role=status]")].some(e => e.textContent.includes("ana: done"))`)
	p.tabTo(false, "Send")
	require.Empty(t, p.problems.String())
}

// TestBrowserManyWindows: more windows than a browser has connections for. The
// newest work, the oldest say that they wait, and go on when they are used.
func TestBrowserManyWindows(t *testing.T) {
	first, _, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	windows := []*page{first}
	for range 7 {
		windows = append(windows, first.second())
	}
	last := windows[7]
	first.see("#state", "Waits")
	first.see(pane(0)+" .waits", "Use this one, and it goes on")
	last.size(1440, 900, "light")
	last.types(0, "backup create 4001")
	last.see(pane(1), "Back up VM")
	require.NotContains(t, eval[string](first, `document.body.innerText`), "Back up VM")
	first.focus(pane(0) + " .box input")
	first.keys("vm")
	first.see(pane(0), "Back up VM")
	first.see("#state", "Connected")
	first.until(`[...document.querySelectorAll(".waits")].every(e => e.hidden)`)
	first.types(0, "whoami")
	first.see(pane(0), "You are ana")
	require.Empty(t, first.problems.String()+last.problems.String())
}

// TestBrowserReconnects: a page that was cut off says so, and is told once what
// it has missed.
func TestBrowserReconnects(t *testing.T) {
	p, s, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	s.play("ana: backup create 4001", "wait 1")
	p.see(pane(0), "Done: Back up VM 4001")
	eval[bool](p, `(document.querySelector(".messages > .msg").dataset.stays = "yes", true)`)
	p.wire.cut(true)
	p.see("#state", "Reconnecting")
	s.play("ana: backup create 4002", "wait 2")
	require.NotContains(t, eval[string](p, `document.body.innerText`), "Back up VM 4002")
	p.focus(pane(0) + " .box input")
	p.keys("vm")
	p.see(pane(0)+" .error", "The demo does not answer")
	p.wire.cut(false)
	p.see("#state", "Connected")
	p.until(`document.querySelector(` + quote(pane(0)+" .error") + `).hidden`)
	p.see(pane(0), "Done: Back up VM 4002")
	require.True(t, eval[bool](p, `document.querySelector(".messages > .msg").dataset.stays === "yes"`), "what it knows it is not told again")
	require.Equal(t, []string{"✓Done: Back up VM 4001 (web-1)", "✓Done: Back up VM 4002"}, eval[[]string](p, `[...document.querySelectorAll(`+quote(pane(0)+" .messages > .msg > .main > .card > .title")+`)].map(e => e.innerText)`))
}
