package main

import (
	"testing"
	"os"
	"fmt"

	"github.com/chromedp/chromedp"
)

func TestLook(t *testing.T) {
	p, _, ok := openPage(t, "", nil)
	if !ok {
		return
	}
	shot := func(name string, w, h int64, theme string) {
		p.size(w, h, theme)
		p.until("true")
		eval[bool](p, "(document.querySelectorAll('.log').forEach(l=>l.scrollTop=l.scrollHeight), true)")
		data, _ := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		_ = os.WriteFile(fmt.Sprintf("/tmp/shots/%s.png", name), data, 0o644)
	}
	shot("start-1440", 1440, 900, "light")
	p.types(0, "vm list")
	p.see(pane(0), "As a file")
	p.types(0, "vm delete 4003 --force")
	p.press(0, "Confirm")
	p.fills(0, "reason", "INC-42")
	shot("form-1440", 1440, 900, "light")
	p.fills(0, "target", "4003")
	p.press(0, "Confirm")
	p.see(pane(1), "Approve")
	p.types(0, "vm create Debian12.0")
	p.keys("vm delete 4009")
	p.see("#policy", "needs approval")
	for _, th := range []string{"light", "dark"} {
		shot("main-1440-"+th, 1440, 900, th)
		shot("main-820-"+th, 820, 1100, th)
		shot("main-390-"+th, 390, 844, th)
	}
	src, _ := os.ReadFile("/tmp/axe/node_modules/axe-core/axe.min.js")
	for _, th := range []string{"light", "dark"} {
		for _, w := range []int64{390, 820, 1440} {
			p.size(w, 900, th)
			eval[bool](p, string(src)+";true")
			eval[bool](p, `(window.axeDone = null, axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']}).then(r => window.axeDone = r.violations.map(v => v.id + ': ' + v.nodes.slice(0,4).map(n => n.target.join(' ') + ' ' + (n.any[0]||n.all[0]||n.none[0]||{}).message).join(' | ')).join('\n') || 'clean'), true)`)
			p.until("window.axeDone !== null")
			t.Log(th, w, eval[string](p, "window.axeDone"))
		}
	}
	p.size(1440, 900, "light")
	p.press(1, "Approve")
	p.types(0, "backup create 4001")
	p.see(".bar-text", "%")
	p.types(1, "vm reset-password 4003")
	p.types(1, "vm list")
	p.see(pane(1), "As a file")
	p.press(1, "As a file")
	p.see(pane(1), "Save")
	shot("job-1440", 1440, 900, "light")
	shot("job-820", 820, 1100, "light")
	eval[bool](p, "(document.querySelector('input[value=policy]').click(), true)")
	shot("policy-390", 390, 844, "light")
	eval[bool](p, "(document.querySelector('input[value=calls]').click(), true)")
	shot("calls-390", 390, 844, "dark")
	t.Log(p.problems.String())
}
