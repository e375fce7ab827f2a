package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
	"hosterbot/commands/hoster"
)

// What a person or an operator supplies. simToken is one of them.
const (
	canaryAudit = "canary-audit-key-31"
	canarySSH   = "canary-ssh/pass&62<ü" // JSON, HTML and URLs spell it differently
	canaryTyped = "canary-typed-pass-40"
)

// echo stands before the simulator and answers changes, or everything, with
// what it was sent: the body, and the token.
type echo struct {
	to     http.Handler
	status atomic.Int64 // 0: it passes everything on
	html   atomic.Bool
	reads  atomic.Bool
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := int(e.status.Load())
	if status == 0 || r.Method == http.MethodGet && !e.reads.Load() {
		e.to.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	said := fmt.Sprintf("0xb0: refused %s with %q and %s", r.URL.Path, r.Header.Get("Authorization"), body)
	w.Header().Set("X-Echo", r.Header.Get("Authorization"))
	if e.html.Load() {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><body><pre>%s</pre></body></html>", said)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"result": false, "error": said, "message": said,
		"errors": map[string][]string{"password": {said}, string(body): {said}, r.Header.Get("Authorization"): {said}},
	})
}

// hunted is a scene in which nothing that is secret may be found.
type hunted struct {
	*scene
	log   *shared
	echo  *echo
	panic atomic.Bool
}

func newHunted(t *testing.T) *hunted {
	t.Helper()
	h := &hunted{log: &shared{}}
	h.scene = newScene(t, "testdata/faults.yaml", func(d *demo) {
		h.echo = &echo{to: d.sim}
		server := httptest.NewServer(h.echo)
		t.Cleanup(server.Close)
		d.parts.api.URL = server.URL
		d.parts.auditKey = []byte(canaryAudit)
		d.parts.log = slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		d.parts.api.Logger = d.parts.log
		api := d.parts.api
		d.parts.api.Observe = func(c hoster.Call) {
			if c.Method != http.MethodGet && h.panic.CompareAndSwap(true, false) {
				typed := ""
				if strings.HasPrefix(c.Endpoint, "software") {
					typed = canarySSH // what is in the call is what the bot knows
				}
				panic(fmt.Sprintf("in the middle of %+v with %#v and %s", c, api, typed))
			}
		}
	})
	return h
}

// forms are the ways in which a secret could be written.
func forms(secret string) []string {
	quoted, _ := json.Marshal(secret)
	all := []string{
		secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret),
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// paragraph is what stands together in a transcript, and the one who sees it;
// "" is everybody.
type paragraph struct{ sees, text string }

func paragraphs(transcript string) (out []paragraph) {
	for line := range strings.Lines(transcript) {
		trimmed := strings.TrimRight(line, "\n")
		sees, private := strings.CutPrefix(trimmed, "  (only ")
		switch {
		case private && len(out) > 0:
			out[len(out)-1].sees = strings.TrimSuffix(sees, " sees this)")
		case len(out) == 0, trimmed != "" && !strings.HasPrefix(trimmed, " "):
			p := paragraph{}
			// What a person types, he sees; the chat shows it to nobody else.
			if person, _, ok := strings.Cut(trimmed, "> "); ok && !strings.Contains(person, " ") {
				p.sees = person
			}
			out = append(out, p)
		}
		out[len(out)-1].text += line
	}
	return out
}

// hunt looks for every secret in everything that is kept or shown. dia alone
// has revealed anything, and ana typed one where it does not belong.
func (h *hunted) hunt() {
	t := h.t
	t.Helper()
	w := httptest.NewRecorder()
	health(h.health).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	var audit strings.Builder
	records, err := h.now().store.Audit(t.Context(), bot.AuditFilter{Limit: 10_000})
	require.NoError(t, err)
	require.NotEmpty(t, records)
	require.NoError(t, json.NewEncoder(&audit).Encode(records))
	require.NoError(t, h.now().store.Check(t.Context()))
	places := map[string]string{"log": h.log.String(), "/readyz": w.Body.String(), "audit": audit.String()}
	files, err := filepath.Glob(filepath.Join(h.dir, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue // it was on its way into its place
		}
		require.NoError(t, err)
		require.False(t, bytes.Contains(data, []byte("canary")), "%s holds a canary", f)
		places[filepath.Base(f)] = string(data)
	}
	require.Contains(t, places["log"], "hosterapi call", "the log is at debug level")
	secrets := slices.Concat(h.sim.Secrets(), []string{simToken, canaryAudit, canarySSH, canaryTyped})
	for _, s := range secrets {
		for _, form := range forms(s) {
			for place, text := range places {
				require.False(t, strings.Contains(text, form), "%q is in %s\n%s", form, place, h.out)
			}
			for _, p := range paragraphs(h.out.String()) {
				if strings.Contains(p.text, form) {
					want := "dia"
					if s == canaryTyped {
						want = "ana"
					}
					require.Equal(t, want, p.sees, "who sees %q\n%s", form, h.out.String())
				}
			}
		}
	}
}

// reveals lets dia reveal what there is.
func (h *hunted) reveals() {
	if strings.Contains(h.out.String(), "] Reveal") {
		h.play("dia: press Reveal")
	}
}

// TestNoSecretOfAChange runs everything that changes something while the
// provider answers well, in unknown shapes, half, with what it was sent, or
// the bot panics.
func TestNoSecretOfAChange(t *testing.T) {
	type trouble func(h *hunted, c *change)
	fault := func(name string) trouble {
		return func(h *hunted, c *change) { require.NoError(h.t, h.sim.Fault(c.kind, name)) }
	}
	says := func(status int, html bool) trouble {
		return func(h *hunted, _ *change) {
			h.echo.html.Store(html)
			h.echo.status.Store(int64(status))
		}
	}
	for trouble, arm := range map[string]trouble{
		"none":          func(*hunted, *change) {},
		"panic":         func(h *hunted, _ *change) { h.panic.Store(true) },
		"wrong-shape":   fault("wrong-shape"),
		"half-document": fault("half-document"),
		"answer-lost":   fault("answer-lost"),
		"echo 200":      says(200, false),
		"echo 200 html": says(200, true),
		"echo 400":      says(400, false),
		"echo 422":      says(422, false),
		"echo 429":      says(429, false),
		"echo 500":      says(500, false),
		"echo 502 html": says(502, true),
	} {
		for name, c := range changes {
			t.Run(trouble+"/"+name, func(t *testing.T) {
				t.Parallel()
				h := newHunted(t)
				id := c.prepared(h.scene) + 1
				if _, press := c.asked(h.scene); press != "" {
					arm(h, &c)
					h.play(press)
				} else if !c.secret {
					arm(h, &c) // for the second of them
					h.play("ana: " + c.ask)
				}
				if c.secret {
					arm(h, &c)
					h.play("ana: press Enter password", "ana: fill password="+canarySSH)
				}
				h.hunt() // while it is live
				h.play(":skip 5m")
				h.echo.status.Store(0)
				h.play(":skip 40m")
				h.reveals()
				h.play(fmt.Sprintf("ana: op show %d", id), "ana: job list", "ana: job show 15", "ana: audit", "ana: status", ":restart", fmt.Sprintf("ben: op show %d", id))
				h.hunt()
			})
		}
	}
}

// TestNoSecretOfARead runs every command of the catalogue, and all that shows
// a secret, and lets the provider echo what it was sent.
func TestNoSecretOfARead(t *testing.T) {
	h := newHunted(t)
	catalogue, err := commands.Catalogue(nil, nil)
	require.NoError(t, err)
	h.play("ana: software install 4001 nginx --password "+canaryTyped,
		"ana: software install 203.0.113.5 nginx", "ana: press Enter password", "ana: fill password="+canarySSH, "wait 1",
		"ana: vm create --template Debian12.0 --cores 2 --mem 2G --disk 10G --ips 1", confirms, "wait 2", "dia: press Reveal",
		"ana: vm reset-password 4003", confirms, "wait 3", "dia: press Reveal",
		"dia: dedicated passwords 7", "dia: press Reveal", "dia: vm console 4001", "dia: press Open console", ":skip 10s",
		"dia: dedicated console 7", "dia: press Open console", "dia: job reveal 16", "dia: press Reveal")
	text := h.out.String()
	given := h.sim.Secrets()
	require.Greater(t, len(given), 8)
	for _, shown := range []string{"password: ", "only", given[0]} {
		require.Contains(t, text, shown, "the hunt would find nothing")
	}
	h.hunt()
	for _, f := range []struct{ kind, line, press string }{
		{"dedicated-config", "dedicated passwords 7", "Reveal"}, {"console", "vm console 4001", "Open console"},
		{"dedicated-console", "dedicated console 7", "Open console"}, {"job", "job reveal 16", "Reveal"}, {"job", "job show 16", ""},
		{"dedicated-config", "dedicated show 7", ""}, {"config", "vm show 4001", ""}, {"dedicated-list", "dedicated list", ""},
	} {
		for _, fault := range []string{"wrong-shape", "half-document", "500-after"} {
			h.play(":skip 11m", "dia: "+f.line)
			require.NoError(t, h.sim.Fault(f.kind, fault))
			if f.press == "" {
				h.play("dia: " + f.line)
			} else {
				h.play("dia: press "+f.press, ":skip 10s")
			}
			h.play("ana: " + f.line) // takes the fault, if it is still there
		}
	}
	h.hunt()
	for _, row := range catalogue.All() {
		line := row.Example
		if row.Words == "dedicated passwords" || strings.HasSuffix(row.Words, "console") || row.Words == "job reveal" {
			line = "dia: " + line // as only dia reveals
		} else {
			line = "ana: " + line
		}
		said := h.play(line)
		for _, button := range []string{"Share", "As a file"} {
			if strings.Contains(said, "] "+button) {
				h.play(line[:4]+" press "+button, ":skip 1s")
			}
		}
		h.play(":skip 3s")
	}
	h.hunt()
	h.echo.reads.Store(true)
	for _, status := range []int64{200, 400, 401, 404, 422, 500, 502} {
		for _, html := range []bool{false, true} {
			h.echo.status.Store(status)
			h.echo.html.Store(html)
			h.play(":skip 11m")
			for _, row := range catalogue.All() {
				if row.Read != nil && !row.Local {
					h.play("ana: "+row.Example, ":skip 6s")
				}
			}
			h.play("dia: dedicated passwords 7", "dia: press Reveal", "dia: vm console 4001", "ana: status")
		}
	}
	h.hunt()
}

// TestNoSecretOfAnUnknownAnswer: a password that comes in a shape that is not
// documented is not recognised, and still shown to nobody.
func TestNoSecretOfAnUnknownAnswer(t *testing.T) {
	for name, result := range map[string]string{
		"documented":     `{"status": "success", "password": "PW"}`,
		"named":          `{"status": "success", "newPassword": "PW"}`,
		"in an object":   `{"status": "success", "password": {"root": "PW"}}`,
		"other name":     `{"status": "success", "root": "PW"}`,
		"bare":           `"PW"`,
		"in a list":      `["PW"]`,
		"beside a count": `[1, "PW"]`,
	} {
		for kind, password := range map[string]string{"mixed": "Canary-New-9", "like a word": "canary-new"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				log := &shared{}
				s := newScene(t, "testdata/faults.yaml", func(d *demo) {
					server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
						if !strings.HasSuffix(q.URL.Path, "/password/reset") {
							d.sim.ServeHTTP(w, q)
							return
						}
						w.Header().Set("Content-Type", "application/json")
						fmt.Fprintf(w, `{"result": %s}`, strings.ReplaceAll(result, "PW", password))
					}))
					t.Cleanup(server.Close)
					d.parts.api.URL = server.URL
					d.parts.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				s.play("ana: vm reset-password 4003", confirms, "wait 1", "ana: op show 1", "ana: audit")
				require.Equal(t, bot.Succeeded, s.op(1).State)
				require.NotContains(t, s.out.String(), password)
				require.NotContains(t, log.String(), password)
				data, err := os.ReadFile(filepath.Join(s.dir, "s.db"))
				require.NoError(t, err)
				require.False(t, bytes.Contains(data, []byte(password)), "the store holds it")
			})
		}
	}
}
