package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestBrowserWideTables: on a phone a table says how much of it is to the
// right, goes there, keeps its first column in sight, and comes back. Where all
// of it fits, it says nothing.
func TestBrowserWideTables(t *testing.T) {
	p, _, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	p.size(390, 844, "light")
	p.types(0, "vm list")
	further := func() { eval[bool](p, `(document.querySelector(".further").click(), true)`) }
	p.see(".further", "6 more columns →")
	p.until(`(l => l.scrollHeight - l.scrollTop - l.clientHeight < 2)(document.querySelector(".log"))`) // the hint pushed nothing out of sight
	further()
	p.until(`document.querySelector(".further").innerText.match(/^[1-5] more/) !== null`)
	require.InDelta(t, 0, eval[float64](p, `document.querySelector("td").getBoundingClientRect().left - document.querySelector(".scroll").getBoundingClientRect().left`), 2, "the VM's number went out of sight")
	p.until(`((b, at) => {
		if (at === window.restedAt && !b.innerText.startsWith("←")) b.click();
		window.restedAt = at;
		return b.innerText === "← Back to the first";
	})(document.querySelector(".further"), document.querySelector(".scroll").scrollLeft)`)
	further()
	p.see(".further", "6 more columns →")
	p.size(1440, 900, "light")
	eval[bool](p, `(document.querySelector("input[name=layout][value=one]").click(), true)`)
	p.until(`document.querySelector(".further").hidden`)
	require.Empty(t, p.problems.String())
}

// TestBrowserThreadsStay: what was said in a thread stands in it, in order,
// also on a page that was loaded when all was over: an operation's message was
// edited later than the lines of its thread.
func TestBrowserThreadsStay(t *testing.T) {
	p, s, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	p.asksToDelete("INC-42")
	p.press(1, "Approve")
	p.see(pane(0)+" .thread", "ana: done")
	s.play("ana: backup create 4001", "wait 2")
	p.see(pane(0), "Done: Back up VM")
	titles := func(in string) []string {
		return eval[[]string](p, `[...document.querySelectorAll(`+quote(pane(1)+in+" > .msg > .main > .card > .title")+`)].map(e => e.innerText)`)
	}
	roots, lines := titles(" .messages"), titles(" .thread")
	require.Equal(t, "✓dia approved", lines[0])
	require.NotContains(t, roots, "✓dia approved")
	p.do(chromedp.Reload())
	p.see(pane(1), "Done: Back up VM")
	require.Equal(t, roots, titles(" .messages"))
	require.Equal(t, lines, titles(" .thread"))
}

// TestBrowserSaysWhatPeopleCallIt: channels of the policy by name, a choice
// with all of its label, nothing offered that stands there already, and a
// policy that was refused.
func TestBrowserSaysWhatPeopleCallIt(t *testing.T) {
	p, _, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	p.focus(pane(0) + " .box input")
	p.keys("vm delete 4009")
	p.see("#policy .why", "the card posted in #ops and the Discord channel …0001")
	p.clear(0)
	p.keys("vm i")
	p.see(pane(0)+" .options", "List a VM's network incidents, newest first")
	p.clear(0)
	p.keys("vm delete 4009 --for")
	p.see(pane(0)+" .options", "--force")
	p.keys("ce")
	p.until(`document.querySelector(` + quote(pane(0)+" .options") + `).hidden`)
	p.clear(0)
	p.keys(":policy nowhere.yaml")
	p.enter()
	p.see(pane(0)+" .error", "The policy before it stays: ")
	p.see(pane(0)+" .error", "nowhere.yaml")
	require.NotContains(t, eval[string](p, `document.body.innerText`), "Another policy", "it says that it took a policy that it refused")
}
