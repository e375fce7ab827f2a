package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/bot/policy"
	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
	"hosterbot/store"
)

type doctorCmd struct{ settings }

// Bounds of the doctor's look-ups.
const (
	examineFor = 30 * time.Second // one check
	skewMost   = 30 * time.Second // of this machine's clock against the provider's
)

// Run looks at everything that `run` needs, and prints a line for each: "ok",
// or "FAIL" with what is missing and where to grant it. It changes nothing, and
// may be run beside a bot that runs.
func (c *doctorCmd) Run(ctx context.Context, p *program) error {
	bad, total := 0, 0
	for _, check := range c.checks(p) {
		ctx, cancel := context.WithTimeout(ctx, examineFor)
		text, err := check.Run(ctx)
		cancel()
		word := "ok  "
		if err != nil {
			word, text = "FAIL", err.Error()
			bad++
		}
		total++
		fmt.Fprintf(p.out, "%s %s: %s\n", word, bot.Clean(check.Name), oneLine(text))
	}
	if bad > 0 {
		fmt.Fprintf(p.out, "%d of %s failed: mend what they say, and run it again\n", bad, plural(total, "check"))
		return exit(exitFailed, errors.New(""))
	}
	fmt.Fprintf(p.out, "%s, all ok: hosterbot run\n", plural(total, "check"))
	return nil
}

// oneLine is a text without line breaks, bounded.
func oneLine(text string) string {
	return bot.CleanMax(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; "), 1000)
}

// finding is a check that is over already.
func finding(name, text string, err error) bot.Check {
	return bot.Check{Name: name, Run: func(context.Context) (string, error) { return text, err }}
}

// checks are all checks, in the order in which things have to be mended.
func (c *doctorCmd) checks(p *program) []bot.Check {
	cfg, err := c.check(p.env)
	checks := wrongSettings(err)
	if len(checks) == 0 {
		checks = append(checks, finding("settings", "all have a value that can be used", nil))
	}
	v, err := vocabulary()
	if err != nil {
		return append(checks, finding("commands", "", err))
	}
	snap, check := examinePolicy(cfg.Policy, v)
	checks = append(checks, check)
	checks = append(checks, examineStore(c.Store, cfg.auditKey), examineClock(cfg.HosterAPIURL))
	if !cfg.apiToken.IsZero() {
		checks = append(checks, examineAPI(cfg))
	}
	return append(checks, examineChats(&cfg, snap)...)
}

// wrongSettings is a check that failed for each setting that is wrong.
func wrongSettings(err error) (checks []bot.Check) {
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, one := range all {
		name, rest, ok := strings.Cut(one.Error(), " ")
		if !ok {
			name, rest = "settings", one.Error()
		}
		checks = append(checks, finding(name, "", errors.New(rest)))
	}
	return checks
}

// examinePolicy loads the policy; the snapshot is nil where that failed.
func examinePolicy(file string, v policy.Vocabulary) (*policy.Snapshot, bot.Check) {
	const name = "policy"
	snap, err := policy.Load(file, v)
	if err != nil {
		var all policy.Problems
		if errors.As(err, &all) && len(all) > 1 {
			err = fmt.Errorf("%s, and %s more: hosterbot policy check %s", all[0].String(), plural(len(all)-1, "problem"), file)
		}
		return nil, finding(name, "", err)
	}
	text := fmt.Sprintf("%s: %s, %s pass", file, plural2(len(snap.People()), "person", "people"), plural(len(snap.RunTests()), "test"))
	if n := len(snap.Warnings()); n > 0 {
		text += fmt.Sprintf(", %s (hosterbot policy check %s shows them)", plural(n, "warning"), file)
	}
	return snap, finding(name, text, nil)
}

func plural2(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// examineStore opens the store to be read, and tries the key on it; where a
// bot runs on it, it asks that. Where there is none yet it tries to make a
// file.
func examineStore(address string, key secret.Secret) bot.Check {
	return bot.Check{Name: "store", Run: func(ctx context.Context) (string, error) {
		path := strings.TrimPrefix(address, "bolt:")
		if get := running(address); get != nil {
			if err := faultOf(ctx, get, "/ping"); err != nil {
				return "", fmt.Errorf("a bot runs on it, and it takes no writes (%w): free disk, 100 MB at least, or make its folder writable", err)
			}
			return path + ": a bot runs on it", nil
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			f, err := os.CreateTemp(filepath.Dir(path), ".doctor-")
			if err != nil {
				return "", fmt.Errorf("no file can be made in %s (%w): make the folder, and give it to the user of the bot", filepath.Dir(path), cause(err))
			}
			return path + " is not there yet, and will be made", errors.Join(f.Close(), os.Remove(f.Name()))
		}
		st, err := store.Open(address, store.Options{AuditKey: []byte(key.Reveal()), Reading: true})
		if errors.Is(err, store.ErrOlder) {
			return path + " is of an older hosterbot: the next hosterbot run migrates it, and keeps it as it is now", nil
		}
		if err != nil {
			return "", openHint(err)
		}
		defer st.Close()
		if why := st.Rollback(); why != "" {
			return "", fmt.Errorf("%s is older than it was: %s. If that is meant, start it once with hosterbot run --accept-rollback", path, why)
		}
		text := path + " can be opened"
		if key.IsZero() {
			return text, nil
		}
		if err := keyFits(ctx, st, []byte(key.Reveal())); err != nil {
			return "", err
		}
		return text + ", and HOSTERBOT_AUDIT_KEY fits", nil
	}}
}

func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// examineClock compares this machine's clock with the Date of the provider's
// answer (RFC 9110, section 6.6.1). No token is sent.
func examineClock(address string) bot.Check {
	return bot.Check{Name: "clock", Run: func(ctx context.Context) (string, error) {
		q, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
		if err != nil {
			return "", errors.New("HOSTERAPI_URL is no address, so there is nobody to ask for the time")
		}
		client := &http.Client{
			Timeout:       10 * time.Second,
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		began := time.Now()
		resp, err := client.Do(q)
		if err != nil {
			return "", errors.New("cannot be compared, since HOSTERAPI_URL does not answer: mend that first")
		}
		_ = resp.Body.Close()
		took := time.Since(began)
		there, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			return "", errors.New("cannot be compared: the answer of HOSTERAPI_URL has no Date")
		}
		// The header has whole seconds, and was written somewhere in between.
		off := began.Add(took / 2).Sub(there.Add(500 * time.Millisecond))
		if off.Abs() > skewMost {
			return "", fmt.Errorf("this machine is %s off: switch time synchronisation on (timedatectl set-ntp true)", off.Abs().Round(time.Second))
		}
		return "right, as far as the provider's tells", nil
	}}
}

// examineAPI asks the provider for the list of VMs, with the token.
func examineAPI(cfg config) bot.Check {
	return bot.Check{Name: "HOSTERAPI_TOKEN", Run: func(ctx context.Context) (string, error) {
		api, err := hoster.New(hoster.Config{URL: cfg.HosterAPIURL, Token: cfg.apiToken, Rate: cfg.rate})
		if err != nil {
			return "", err
		}
		defer api.Close()
		vms, err := api.VMs(ctx)
		h := api.Health()
		switch {
		case h.TokenRefused:
			return "", errors.New("HosterAPI refuses it: make a new one in the provider's panel, and set HOSTERAPI_TOKEN or HOSTERAPI_TOKEN_FILE")
		case err != nil && !h.Reachable:
			return "", fmt.Errorf("HosterAPI does not answer at %s (%w): look at the network, a proxy and HOSTERAPI_URL", cfg.HosterAPIURL, err)
		case err != nil:
			return "", fmt.Errorf("HosterAPI did not list the VMs (%w): is HOSTERAPI_URL the provider's?", err)
		}
		return "HosterAPI takes it, " + plural(len(vms), "VM"), nil
	}}
}

// examineChats are the checks that the chats offer.
func examineChats(cfg *config, snap *policy.Snapshot) []bot.Check {
	chats, err := cfg.chats(slog.New(slog.DiscardHandler))
	if err != nil {
		return []bot.Check{finding("chats", "", err)}
	}
	var checks []bot.Check
	var needs bot.Needs
	if snap != nil {
		needs.Groups = snap.LookedUp()
		for _, p := range snap.Channels() {
			needs.Places = append(needs.Places, bot.Place{Place: p})
		}
	}
	home, err := cfg.home(chats)
	switch {
	case err != nil:
		checks = append(checks, finding("HOSTERBOT_AUDIT_CHANNEL", "", err))
	case home != bot.Place{} && !slices.Contains(needs.Places, home):
		needs.Places = append(needs.Places, home)
	}
	served := map[string]bool{"": true}
	for _, chat := range chats {
		for _, platform := range chat.Platforms() {
			served[platform] = true
		}
		if examined, ok := chat.(bot.Examined); ok {
			checks = append(checks, examined.Checks(needs)...)
		}
	}
	var out []string
	for _, p := range needs.Places {
		if !served[p.Platform] {
			out = append(out, p.String())
		}
	}
	if len(out) > 0 {
		checks = append(checks, finding("other chats", "the policy also names "+strings.Join(out, ", ")+", whose chat has no token here", nil))
	}
	return checks
}
