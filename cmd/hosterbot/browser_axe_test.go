package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// axe is axe-core, which looks for what people who hear the page, or reach it
// by keyboard, cannot use.
//
//go:embed testdata/axe-core/axe.min.js
var axe string

// violations asks axe-core, and writes down what breaks a rule and where.
const violations = `axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then(r => {
	window.axeFound = r.violations.map(v => v.id + ": " + v.help + "\n" + v.nodes.map(n => "  " + n.target + "\n    " + n.failureSummary.replaceAll("\n", "\n    ")).join("\n")).join("\n");
}).catch(e => { window.axeFound = "axe-core: " + e; })`

// cut finds what is cut off or lies outside of the window, but for what can be
// scrolled.
const cut = `[...document.querySelectorAll("body *")].filter(e => {
	if (e.closest(".vh, .log, .scroll, .options, .call-list, .who, .asks, pre, [hidden]") || !e.checkVisibility()) return false;
	const r = e.getBoundingClientRect();
	return r.right > innerWidth + 1 || r.left < -1 || r.bottom > innerHeight + 1;
}).map(e => e.tagName + "." + e.className).join(" ")`

// covered finds what is to be pressed or filled in, and lies below something
// else.
const covered = `[...document.querySelectorAll(".ask button, .ask input, .box button, .box input, .top button, .jump")].filter(e => {
	const r = e.getBoundingClientRect(), y = r.top + r.height / 2;
	const asks = e.closest(".asks"), box = asks ? asks.getBoundingClientRect() : null;
	if (!e.checkVisibility() || box && (y < box.top || y > box.bottom)) return false;
	return [.1, .5, .9].some(x => !e.contains(document.elementFromPoint(r.left + r.width * x, y)));
}).map(e => e.tagName + " " + e.innerText).join(" ")`

// busy is a conversation in which everything stands at once: a table, a bar
// that moves, an approval that waits, and a form.
func busy(p *page) {
	p.t.Helper()
	p.types(0, "vm list")
	p.see(pane(0), "As a file")
	p.types(0, "backup create 4001")
	p.see(pane(0)+" .bar-text", "20 %")
	p.asksToDelete("INC-42: the disk of the staging machine is full")
}

// TestBrowserIsForEverybody: in a busy conversation nothing breaks a rule of
// accessibility, and nothing is cut off, at three widths, in both themes, on
// each part of the page.
func TestBrowserIsForEverybody(t *testing.T) {
	p, s, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	require.NoError(t, s.sim.Fault("backup-create", "job-stalls"))
	p.size(1440, 900, "light")
	busy(p)
	require.Empty(t, eval[string](p, axe+`; ""`))
	p.keys("vm delete 4009")
	p.see("#policy", "needs approval")
	p.keys(kb.Escape)
	p.settled()
	p.picture("../../.github/web-light.png")
	p.size(390, 844, "dark")
	eval[bool](p, `([...document.querySelectorAll(".msg")].find(e => e.innerText.includes("Back up")).scrollIntoView(), true)`)
	p.settled()
	p.picture("../../.github/web-dark.png")
	p.clear(0)
	look := func(name string) {
		t.Helper()
		p.settled()
		p.shot(filepath.Join(t.ArtifactDir(), name+".png"))
		require.Empty(t, eval[string](p, cut), name)
		require.Empty(t, eval[string](p, covered), name)
		eval[string](p, `window.axeFound = null; `+violations+`; ""`)
		p.until(`window.axeFound !== null`)
		require.Empty(t, eval[string](p, `window.axeFound`), name)
	}
	for _, width := range []int64{1440, 820, 390} {
		for _, theme := range []string{"light", "dark"} {
			name := fmt.Sprintf("%d-%s", width, theme)
			p.size(width, map[int64]int64{1440: 900, 820: 1180, 390: 844}[width], theme)
			p.focus(pane(0) + " .box input")
			p.keys("vm delete 400")
			p.see(pane(0)+" .options", "4009")
			look(name + "-typing")
			p.clear(0)
			p.types(0, "vm create --template Debian12.0")
			p.see(pane(0)+" .ask h2", "vm create")
			eval[bool](p, `(document.querySelector(".jump").hidden = false, true)`) // as if something new stood below
			look(name + "-form")
			p.press(0, "Close")
			p.until(`document.querySelector(".ask") === null`)
			for _, tab := range []string{"policy", "calls"} {
				if width < 1180 {
					p.tab(tab)
					look(name + "-" + tab)
					p.tab("chat")
				}
			}
		}
	}
	require.Empty(t, p.problems.String())
}

// clear empties a command box.
func (p *page) clear(i int) {
	p.t.Helper()
	eval[bool](p, `(e => (e.value = "", e.dispatchEvent(new Event("input")), true))(document.querySelector(`+quote(pane(i)+" .box input")+`))`)
}

// tab shows a part of a page that is too narrow for all.
func (p *page) tab(name string) {
	p.t.Helper()
	eval[bool](p, `(document.querySelector("input[name=tab][value=`+name+`]").click(), true)`)
}

// settled waits until nothing arrives or fades any more.
func (p *page) settled() {
	p.t.Helper()
	p.until(`document.getAnimations().every(a => a.playState !== "running" || a.effect.getTiming().iterations === Infinity)`)
}

// shot writes what the window shows into a file.
func (p *page) shot(name string) {
	p.t.Helper()
	data, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(name, data, 0o644))
}
