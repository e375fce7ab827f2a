package hoster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
)

func TestNewChecksItsSettings(t *testing.T) {
	good := hoster.Config{URL: "https://reseller.hosterapi.de", Token: secret.New(canary)}
	for _, tt := range []struct {
		name string
		edit func(*hoster.Config)
		want string // "": fine
	}{
		{"https", func(*hoster.Config) {}, ""},
		{"https with a path and a slash", func(c *hoster.Config) { c.URL = "https://proxy.example.com/hoster/" }, ""},
		{"http to localhost", func(c *hoster.Config) { c.URL = "http://localhost:8080" }, ""},
		{"http to 127.0.0.2", func(c *hoster.Config) { c.URL = "http://127.0.0.2" }, ""},
		{"http to ::1", func(c *hoster.Config) { c.URL = "http://[::1]:8080" }, ""},
		{"http to elsewhere", func(c *hoster.Config) { c.URL = "http://10.0.0.1" }, "hosterapi url: http:// would send the token in the clear; it is for loopback only"},
		{"http to a name that looks like localhost", func(c *hoster.Config) { c.URL = "http://localhost.example.com" }, "hosterapi url: http:// would send the token in the clear; it is for loopback only"},
		{"no scheme", func(c *hoster.Config) { c.URL = "reseller.hosterapi.de" }, "hosterapi url: is not an address such as https://reseller.hosterapi.de"},
		{"another scheme", func(c *hoster.Config) { c.URL = "ftp://reseller.hosterapi.de" }, "hosterapi url: must begin with https://"},
		{"empty", func(c *hoster.Config) { c.URL = "" }, "hosterapi url: is not an address such as https://reseller.hosterapi.de"},
		{"a password inside", func(c *hoster.Config) { c.URL = "https://me:hunter2@example.com" }, "hosterapi url: must not hold a user name or a password"},
		{"a query", func(c *hoster.Config) { c.URL = "https://example.com?token=hunter2" }, "hosterapi url: must not hold a query or a fragment"},
		{"broken, with a password inside", func(c *hoster.Config) { c.URL = "https://me:hunter2@exa mple.com" }, "hosterapi url: is not an address such as https://reseller.hosterapi.de"},
		{"no token", func(c *hoster.Config) { c.Token = secret.Secret{} }, "HOSTERAPI_TOKEN is empty"},
		{"a token with a line end", func(c *hoster.Config) { c.Token = secret.New("hunter2\n") }, "HOSTERAPI_TOKEN holds a blank or a character that no header can carry"},
		{"a negative rate", func(c *hoster.Config) { c.Rate = -1 }, "hosterapi rate: -1 is not a positive number of calls a second"},
		{"a rate that is no number", func(c *hoster.Config) { c.Rate = math.NaN() }, "hosterapi rate: NaN is not a positive number of calls a second"},
		{"a negative scale", func(c *hoster.Config) { c.TimeScale = -1 }, "time scale: -1 is not a positive number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.edit(&cfg)
			c, err := hoster.New(cfg)
			if tt.want == "" {
				require.NoError(t, err)
				require.True(t, c.Health().Reachable)
				return
			}
			require.EqualError(t, err, tt.want)
			require.Nil(t, c)
		})
	}
}

func TestA401PausesMutationsUntilAReadWorks(t *testing.T) {
	unauthorized := reply(401, `{"result":false,"error":"0x03: unauthorized"}`)
	notFound := reply(404, `{"result":false,"error":"0x01: no vm"}`)
	for _, tt := range []struct {
		name   string
		then   http.HandlerFunc
		paused bool
	}{
		{"a good answer ends it", reply(200, `{"result":[]}`), false},
		{"a refusal by the API ends it", notFound, false},
		{"another 401 does not", unauthorized, true},
		{"a framework's 401 does not", reply(401, `{"message":"Unauthenticated."}`), true},
		{"0x03 on 200 does not", reply(200, `{"result":false,"error":"0x03: unauthorized"}`), true},
		{"a proxy's page does not", reply(404, `<html>`), true},
		{"500 does not", reply(500, ``), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, script(unauthorized, tt.then))
			require.NoError(t, b.Acquire(t.Context(), hoster.Mutation))
			_, err := b.StartVM(t.Context(), 4001)
			require.Equal(t, hoster.Refused, hoster.ClassOf(err))
			require.True(t, b.Health().TokenRefused)
			require.ErrorIs(t, b.Acquire(t.Context(), hoster.Mutation), hoster.ErrPaused)
			_, err = b.StartVM(t.Context(), 4001)
			require.ErrorIs(t, err, hoster.ErrPaused)
			require.Equal(t, hoster.NotSent, hoster.ClassOf(err))
			require.Len(t, b.seen.Requests(), 1)

			_, _ = b.VMs(t.Context())
			require.Equal(t, tt.paused, b.Health().TokenRefused)
			err = b.Acquire(t.Context(), hoster.Mutation)
			require.Equal(t, tt.paused, errors.Is(err, hoster.ErrPaused))
			require.Equal(t, tt.paused, hoster.ClassOf(err) == hoster.NotSent)
		})
	}
}

func TestHealth(t *testing.T) {
	b := newBench(t, script(
		reply(200, `{"result":[]}`),
		reply(502, `<html>`), reply(502, `<html>`), reply(502, `<html>`), reply(502, `<html>`),
		reply(500, `{"result":false,"error":"0xa3: timeout"}`),
		reply(404, `{"result":false,"error":"0x01: no vm"}`),
	))
	start := b.clock.Now()
	require.Equal(t, hoster.Health{Reachable: true}, b.Health())

	_, err := b.VMs(t.Context())
	require.NoError(t, err)
	require.Equal(t, hoster.Health{Reachable: true, LastOK: start}, b.Health())

	_, err = b.VMs(t.Context())
	require.Error(t, err)
	require.Equal(t, hoster.Health{
		LastOK: start, LastErrAt: b.clock.Now(),
		LastErr: "vm-list: no answer (HTTP 502): the provider's proxy answered 502",
	}, b.Health())

	_, err = b.StartVM(t.Context(), 1)
	require.Error(t, err)
	require.True(t, b.Health().Reachable, "the API itself answered")

	_, err = b.StartVM(t.Context(), 1)
	require.Error(t, err)
	require.Equal(t, b.clock.Now(), b.Health().LastOK, "a refusal is an answer")
}

// TestHealthSaysWhatIsInTheAPIsPlace: an answer is not yet the API's.
func TestHealthSaysWhatIsInTheAPIsPlace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		there  bool
	}{
		{"a maintenance page on 200", reply(200, `<html>`), false},
		{"an empty answer", reply(200, ``), false},
		{"no envelope", reply(200, `{"message":"ok"}`), false},
		{"a login elsewhere", reply(302, ``, "Location", "/login"), false},
		{"a cut connection", hangUp("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"resu"), false},
		{"a proxy's 503", reply(503, `<html>`), false},
		{"a maintenance of the API's own", reply(503, `{"result":false,"error":"0xa9: maintenance"}`), true},
		{"an envelope of another shape", reply(200, `{"result":7}`), true},
		{"a framework's 500", reply(500, `{"message":"Server Error"}`), true},
		{"a framework's 404", reply(404, `{"message":"Not Found"}`), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.answer)
			_, err := b.VMs(t.Context())
			require.Error(t, err)
			require.Equal(t, tt.there, b.Health().Reachable, "%v", err)
		})
	}
}

// TestHealthSaysUntilWhenItIsPaused: a pause that reads wait out is none.
func TestHealthSaysUntilWhenItIsPaused(t *testing.T) {
	b := newBench(t, script(reply(429, ``, "Retry-After", "120"), reply(200, `{"result":[]}`)))
	until := b.clock.Now().Add(2 * time.Minute)
	_, err := b.VMs(t.Context())
	require.Equal(t, hoster.Throttled, hoster.ClassOf(err))
	require.Equal(t, until, b.Health().Paused)
	require.True(t, b.Health().Reachable)
	require.NoError(t, b.clock.Sleep(t.Context(), 110*time.Second))
	require.Zero(t, b.Health().Paused, "a read would wait for it")
}

// TestAPasswordOfAnotherShape: it exists only in this answer, so it must come
// whole to who asked, and to nobody else.
func TestAPasswordOfAnotherShape(t *testing.T) {
	for _, tt := range []struct{ result, password string }{
		{`"S3cret-99"`, "S3cret-99"},
		{`{"status":"success","new_password":"S3cret-99"}`, "S3cret-99"},
		{`{"status":"success","data":{"Password":"S3cret-99","user":"root"}}`, "S3cret-99"},
		{`[{"passwd":"S3cret-99"}]`, "S3cret-99"},
		{`{"pwd":12345678}`, "12345678"},
		{`{"password":{"root":"S3cret-99"}}`, "S3cret-99"},
		{`{"password_changed":true,"new_password":"S3cret-99"}`, "S3cret-99"},
		{`{"root":"S3cret-99"}`, `{"root":"S3cret-99"}`},
		{`{"passwords":{"root":"S3cret-99","user":"S3cret-98"}}`, `{"passwords":{"root":"S3cret-99","user":"S3cret-98"}}`},
		{`{"status":"success","password":null}`, ""},
		{`true`, ""},
	} {
		t.Run(tt.result, func(t *testing.T) {
			b := newBench(t, reply(200, `{"result":`+tt.result+`}`))
			r, err := b.ResetPassword(t.Context(), 4001)
			require.NoError(t, err)
			require.Equal(t, tt.password, r.Password.Reveal())
			require.NotContains(t, r.Text+r.Word+b.log.String(), "S3cret")
		})
	}
}

func TestErrorsAndLogsHoldNoSecret(t *testing.T) {
	const password = "Tr0ub4dor&3-ssh"
	echo := `0xa1: ssh root:` + password + ` with Bearer ` + canary + ` at https://me:hunter2hunter2@example.com/?token=s3cr3tt0ken failed`
	quoted, err := json.Marshal(map[string]any{
		"result": false, "error": echo, "errors": map[string]string{"password": "not " + password},
	})
	require.NoError(t, err)
	call := hoster.SoftwareCall{Server: "4001", Package: "ts3", Password: secret.New(password)}
	half := `{"result":{"status":"success","password":"` + password
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"an error that echoes them", reply(400, string(quoted))},
		{"a 422 that echoes them", reply(422, string(quoted))},
		{"a result that is false", reply(200, string(quoted))},
		{"a plain text", reply(500, echo, "Content-Type", "text/plain")},
		{"an HTML page", reply(502, "<html>"+echo, "Content-Type", "text/html")},
		{"a JSON error that is cut off", reply(500, string(quoted)[:200])},
		{"half a document", reply(200, half)},
		{"a broken connection", hangUp("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + half)},
		{"a broken header", hangUp("HTTP/1.1 200 OK\r\n" + password + canary + "\r\n\r\n")},
		{"a broken status", hangUp("HTTP/1.1 " + password + " " + canary + "\r\n\r\n")},
		{"a redirect that carries them", reply(307, ``, "Location", "https://example.com/?token="+canary)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.answer)
			_, err := b.InstallSoftware(t.Context(), call)
			_ = asError(t, err)
			out := fmt.Sprintf("%+v %+v %s", err, b.Health(), b.log)
			for e := err; e != nil; e = errors.Unwrap(e) {
				out += e.Error()
			}
			for _, value := range []string{password, canary, "hunter2hunter2", "s3cr3tt0ken"} {
				require.NotContains(t, out, value)
			}
		})
	}
}

func TestResultsShowNoSecretInText(t *testing.T) {
	b := newBench(t, reply(200, `{"result":{"status":"success","password":"hunter2","note":"echo `+canary+`","vnc":"abc",
		"new_password":"hunter3","hint":"hunter2 is new","deep":[{"apiToken":"hunter4","url":"https://x.example/?password=hunter5&a=1"}],"n":7}}`))
	got, err := b.ResetPassword(t.Context(), 4001)
	require.NoError(t, err)
	require.Equal(t, hoster.Result{
		Word: "success", Password: secret.New("hunter2"),
		Text: `{"deep":[{"apiToken":"•••","url":"https://x.example/?password=•••&a=1"}],"hint":"••• is new","n":7,"new_password":"•••","note":"echo •••","vnc":"•••"}`,
	}, got)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", got, got, got), "hunter")
}

func TestTextsAreFitToBeShown(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	many := make(map[string]string)
	for i := range 100 {
		many[fmt.Sprintf("field%02d", i)] = "no"
	}
	fields, err := json.Marshal(map[string]any{"errors": many})
	require.NoError(t, err)
	b := newBench(t, script(
		reply(400, `{"error":"0xff: red\u001b[31m\nline\u2028two\u202e txt"}`),
		reply(400, `{"error":"`+long+`"}`),
		reply(422, string(fields)),
		reply(400, `"0xff: see http://127.0.0.1:8080/help"`),
	))
	_, err = b.StartVM(t.Context(), 1)
	require.Equal(t, "0xff: red [31m line two txt", asError(t, err).Text)
	_, err = b.StartVM(t.Context(), 1)
	require.Equal(t, strings.Repeat("ä", 1000)+"…", asError(t, err).Text)
	_, err = b.StartVM(t.Context(), 1)
	require.Len(t, asError(t, err).Fields, 20)
	_, err = b.StartVM(t.Context(), 1)
	require.Equal(t, "0xff: see http://127.0.0.1:8080/help", asError(t, err).Text)
}

func TestOneLogLineForEachAttempt(t *testing.T) {
	b := newBench(t, script(reply(502, `<html>`), reply(200, `{"result":[]}`)))
	_, err := b.VMs(t.Context())
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(b.log.String()), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], `level=DEBUG msg="hosterapi call" endpoint=vm-list status=502 class="no answer" took=0s attempt=1`)
	require.Contains(t, lines[1], `endpoint=vm-list status=200 class=accepted took=0s attempt=2`)
	require.Equal(t, []hoster.Call{
		{Endpoint: "vm-list", Method: "GET", Class: hoster.NoAnswer, Status: 502, Attempt: 1},
		{Endpoint: "vm-list", Method: "GET", Class: hoster.Accepted, Status: 200, Attempt: 2},
	}, b.seen.Calls())
}

func TestErrorsThatAreNotOurs(t *testing.T) {
	require.Equal(t, hoster.Accepted, hoster.ClassOf(nil))
	require.Equal(t, hoster.NoAnswer, hoster.ClassOf(errors.New("0x01: no vm")))
	require.False(t, hoster.IsCode(errors.New("0x01: no vm"), hoster.NotFound))
	require.False(t, hoster.IsCode(&hoster.Error{}, ""))
	require.True(t, hoster.IsCode(fmt.Errorf("delete vm 7: %w", &hoster.Error{Code: "0xa1"}), "0xA1"))
}

func TestCodeOf(t *testing.T) {
	for text, want := range map[string][2]string{
		"0xb0: Requested resources": {"0xb0", "Requested resources"},
		"0xB0 : Requested":          {"0xb0", "Requested"},
		"0xa3":                      {"0xa3", ""},
		"0xdeadbeef: moo":           {"0xdeadbeef", "moo"},
		"  0x01:no vm":              {"0x01", "no vm"},
		"timeout":                   {"", "timeout"},
		"0x: none":                  {"", "0x: none"},
		"see 0x01: inside":          {"", "see 0x01: inside"},
		"0x01 without a colon":      {"", "0x01 without a colon"},
		"":                          {"", ""},
	} {
		code, rest := hoster.CodeOf(text)
		require.Equal(t, want, [2]string{code, rest}, text)
	}
}

func TestTheSystemsClock(t *testing.T) {
	t.Run("waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := slowClient(t)
			start := time.Now()
			require.NoError(t, c.Acquire(t.Context(), hoster.People))
			require.Equal(t, time.Second, time.Since(start))
		})
	})
	t.Run("sends in time", func(t *testing.T) {
		b := newBench(t, reply(200, `{"result":true}`), func(cfg *hoster.Config) { cfg.Clock = nil })
		_, err := b.StartVM(hoster.WithSendBy(t.Context(), time.Now().Add(10*time.Second)), 4001)
		require.NoError(t, err)
	})
}
