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
	t.Log(p.problems.String())
}
