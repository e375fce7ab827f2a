package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
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
	p.types(0, "vm delete 4003 --force")
	p.press(0, "Confirm")
	p.fills(0, "reason", "INC-42")
	p.fills(0, "target", "4003")
	p.press(0, "Confirm")
	p.see(pane(1), "Approve")
	p.focus(pane(0) + " .box input")
	p.keys("vm delete 4009")
	p.see("#policy", "needs approval")
	p.picture("../../.github/web-light.png")
	p.do(chromedp.Reload())
	p.see(pane(1), "Approve")
	other := p.second()
	other.see(pane(1), "Approve")
	p.press(1, "Approve")
	for _, w := range []*page{p, other} {
		w.see(pane(0), "Done: Delete VM")
		w.see(pane(1), "dia approved")
	}
	p.types(0, "backup create 4001")
	p.see(pane(0)+" .bar-text", "%")
	p.size(390, 844, "dark")
	p.picture("../../.github/web-dark.png")
	p.size(1440, 900, "light")
	p.see(pane(1), "Done: Back up VM")
	require.Empty(t, p.problems.String(), "nothing breaks the page's own rules")
	for _, address := range []*shared{p.asked, other.asked} {
		for line := range strings.Lines(address.String()) {
			require.True(t, strings.HasPrefix(line, "http://127.0.0.1:"), "%s leaves this machine", line)
		}
	}
}
