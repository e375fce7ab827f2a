package hoster_test

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/commands/hoster"
)

func TestClassOfAnAnswer(t *testing.T) {
	const jsonType = "application/json"
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		class  hoster.Class
		code   string
		text   string // the whole of Text
	}{
		{"true is accepted", reply(200, `{"result":true}`), hoster.Accepted, "", ""},
		{"202 with an envelope is accepted", reply(202, `{"result":true}`), hoster.Accepted, "", ""},
		{"null is accepted", reply(200, `{"result":null}`), hoster.Accepted, "", ""},
		{"any shape is accepted", reply(200, `{"result":[1,{"a":[]}]}`), hoster.Accepted, "", ""},
		{"an error that is false is accepted", reply(200, `{"response":[],"error":false}`), hoster.Accepted, "", ""},
		{"an error that is null is accepted", reply(200, `{"result":true,"error":null}`), hoster.Accepted, "", ""},

		{"result false on 200 is refused", reply(200, `{"result":false,"error":"0xb0: too much"}`), hoster.Refused, hoster.Limits, "0xb0: too much"},
		{"result false without a word is refused", reply(200, `{"result":false}`), hoster.Refused, "", ""},
		{"an error text beside a result is refused", reply(200, `{"result":true,"error":"0xa5: no"}`), hoster.Refused, hoster.NoBackup, "0xa5: no"},
		{"an error text without a result is refused", reply(200, `{"error":"0x01: no vm"}`), hoster.Refused, hoster.NotFound, "0x01: no vm"},
		{"an error that is true is refused", reply(200, `{"result":[],"error":true,"message":"busy"}`), hoster.Refused, "", "busy"},
		{"an error object is refused, without its secrets", reply(200, `{"error":{"code":7,"password":"hunter2"}}`), hoster.Refused, "", `{"code":7,"password":"•••"}`},
		{"a result that is an error text is refused", reply(200, `{"result":"0xa5: no"}`), hoster.Refused, hoster.NoBackup, "0xa5: no"},
		{"an unknown code is shown whole", reply(400, `{"result":false,"error":"0xff: the flux is low"}`), hoster.Refused, "0xff", "0xff: the flux is low"},
		{"400", reply(400, `{"result":false,"error":"0xb1: Missing"}`), hoster.Refused, hoster.MissingParameter, "0xb1: Missing"},
		{"401 of a framework", reply(401, `{"message":"Unauthenticated."}`), hoster.Refused, "", "Unauthenticated."},
		{"403", reply(403, `{"message":"Forbidden"}`), hoster.Refused, "", "Forbidden"},
		{"404 of a framework has no code", reply(404, `{"message":""}`), hoster.Refused, "", ""},
		{"405", reply(405, ``), hoster.Refused, "", ""},
		{"409", reply(409, `{"error":"busy"}`), hoster.Refused, "", "busy"},
		{"410", reply(410, ``), hoster.Refused, "", ""},
		{"413 of a proxy", reply(413, `<html>413</html>`, "Content-Type", "text/html"), hoster.Refused, "", "the provider's proxy answered 413"},
		{"415", reply(415, ``), hoster.Refused, "", ""},
		{"422", reply(422, `{"message":"The given data was invalid."}`), hoster.Refused, "", "The given data was invalid."},
		{"half a 404 is refused, without text", hangUp("HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n{\"resu"), hoster.Refused, "", ""},

		{"429", reply(429, `{"message":"Too Many Attempts."}`), hoster.Throttled, "", "Too Many Attempts."},

		{"408", reply(408, ``), hoster.NoAnswer, "", ""},
		{"418", reply(418, ``), hoster.NoAnswer, "", ""},
		{"500 with 0xa1 keeps its code", reply(500, `{"result":false,"error":"0xa1: failed to send"}`), hoster.NoAnswer, hoster.SignalFailed, "0xa1: failed to send"},
		{"500 with 0xa3", reply(500, `{"result":false,"error":"0xa3: timeout"}`), hoster.NoAnswer, hoster.Timeout, "0xa3: timeout"},
		{"0xa3 as a result on 200 may have happened", reply(200, `{"result":"0xa3: timeout"}`), hoster.NoAnswer, hoster.Timeout, "0xa3: timeout"},
		{"0xa3 beside false on 200 may have happened", reply(200, `{"result":false,"error":"0xA3: timeout"}`), hoster.NoAnswer, hoster.Timeout, "0xA3: timeout"},
		{"0xa3 on 400 may have happened", reply(400, `{"result":false,"error":"0xa3: timeout"}`), hoster.NoAnswer, hoster.Timeout, "0xa3: timeout"},
		{"500 of a framework", reply(500, `{"message":"Server Error"}`), hoster.NoAnswer, "", "Server Error"},
		{"502 in HTML", reply(502, "<html><b>Bad Gateway", "Content-Type", "text/html"), hoster.NoAnswer, "", "the provider's proxy answered 502"},
		{"503 in HTML called JSON", reply(503, "  <!doctype html>", "Content-Type", jsonType), hoster.NoAnswer, "", "the provider's proxy answered 503"},
		{"504 as plain text", reply(504, "upstream\r\n\ttimed out\n", "Content-Type", "text/plain; charset=utf-8"), hoster.NoAnswer, "", "upstream timed out"},
		{"302", reply(302, ``, "Location", "/"), hoster.NoAnswer, "", ""},
		{"307", reply(307, ``, "Location", "/"), hoster.NoAnswer, "", ""},
		{"304", reply(304, ``), hoster.NoAnswer, "", ""},
		{"an empty body", reply(200, ``), hoster.NoAnswer, "", ""},
		{"204", reply(204, ``), hoster.NoAnswer, "", ""},
		{"an object without result", reply(200, `{}`), hoster.NoAnswer, "", ""},
		{"a message without result", reply(200, `{"message":"ok"}`), hoster.NoAnswer, "", ""},
		{"a list", reply(200, `[true]`), hoster.NoAnswer, "", ""},
		{"HTML on 200", reply(200, `<html>`), hoster.NoAnswer, "", ""},
		{"two documents", reply(200, `{"result":true}{"result":true}`), hoster.NoAnswer, "", ""},
		{"half a document", reply(200, `{"result":tr`), hoster.NoAnswer, "", ""},
		{"a document cut off by the connection", hangUp("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"result\":true}"), hoster.NoAnswer, "", ""},
		{"5 MiB", reply(200, `{"result":"`+strings.Repeat("x", 5<<20)+`"}`), hoster.NoAnswer, "", ""},
		{"headers without end", hangUp("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)), hoster.NoAnswer, "", ""},
		{"no HTTP", hangUp("SSH-2.0-OpenSSH\r\n"), hoster.NoAnswer, "", ""},
		{"a closed connection", hangUp(""), hoster.NoAnswer, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.answer)
			_, err := b.StartVM(t.Context(), 4001)

			require.Equal(t, tt.class, hoster.ClassOf(err), "%v", err)
			require.Len(t, b.seen.Requests(), 1, "a mutation is sent once")
			require.Len(t, b.seen.Calls(), 1)
			require.Equal(t, tt.class, b.seen.Calls()[0].Class)
			if tt.class != hoster.Accepted {
				e := asError(t, err)
				require.Equal(t, tt.code, e.Code)
				require.Equal(t, tt.text, e.Text)
				require.Equal(t, "vm-start", e.Endpoint)
				require.Equal(t, tt.code != "", hoster.IsCode(err, tt.code))
			}
		})
	}
}

func TestReadsAreTriedAgainWhereThatCanHelp(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  http.HandlerFunc
		second int // requests in all, if the next answer is good
	}{
		{"refused is final", reply(404, `{"result":false,"error":"0x01: no vm"}`), 1},
		{"result false is final", reply(200, `{"result":false}`), 1},
		{"500 is not", reply(500, `{"result":false,"error":"0xa3: timeout"}`), 2},
		{"a proxy's page is not", reply(502, `<html>`), 2},
		{"a redirect is not followed", reply(302, ``, "Location", "http://127.0.0.1:1/"), 2},
		{"half a document is not", reply(200, `{"result":[4`), 2},
		{"another shape is not", reply(200, `{"result":"soon"}`), 2},
		{"429 is not", reply(429, ``), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, script(tt.first, reply(200, `{"result":[7]}`)))
			ids, err := b.VMs(t.Context())
			require.Len(t, b.seen.Requests(), tt.second)
			if tt.second == 1 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []int{7}, ids)
			require.Equal(t, 2, b.seen.Calls()[1].Attempt)
		})
	}
}

func TestReadsGiveUp(t *testing.T) {
	t.Run("after four tries, with full jitter", func(t *testing.T) {
		b := newBench(t, reply(502, `<html>`))
		_, err := b.VMs(t.Context())
		require.Equal(t, hoster.NoAnswer, hoster.ClassOf(err))
		require.Len(t, b.seen.Requests(), 4)
		require.Equal(t, []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second}, b.clock.Pauses())
	})
	t.Run("when the provider's pause outlasts the 20 s", func(t *testing.T) {
		b := newBench(t, reply(429, ``, "Retry-After", "60"))
		_, err := b.VMs(t.Context())
		require.Equal(t, time.Minute, asError(t, err).RetryAfter)
		require.Len(t, b.seen.Requests(), 1)

		_, err = b.VMs(t.Context())
		require.Equal(t, hoster.Throttled, hoster.ClassOf(err))
		require.Equal(t, time.Minute, asError(t, err).RetryAfter)
		require.ErrorContains(t, err, "the provider asked for a pause of 1m0s")
		require.Len(t, b.seen.Requests(), 1, "nobody may call in the pause")
	})
	t.Run("a console at once", func(t *testing.T) {
		b := newBench(t, reply(502, `<html>`))
		_, err := b.VMConsole(t.Context(), 4001)
		require.Error(t, err)
		_, err = b.DedicatedConsole(t.Context(), 9)
		require.Error(t, err)
		require.Len(t, b.seen.Requests(), 2)
	})
	t.Run("when their caller does", func(t *testing.T) {
		ctx, cancel := contextWithCancel(t)
		b := newBench(t, func(http.ResponseWriter, *http.Request) { cancel(); panic(http.ErrAbortHandler) })
		_, err := b.VMs(ctx)
		require.Error(t, err)
		require.Len(t, b.seen.Requests(), 1)
		_, err = b.VMs(ctx)
		require.ErrorIs(t, err, ctx.Err())
		require.Equal(t, hoster.NotSent, hoster.ClassOf(err))
	})
}

func TestRetryAfter(t *testing.T) {
	at := newClock().Now()
	for _, tt := range []struct {
		name, value string
		want        time.Duration
	}{
		{"seconds", "7", 7 * time.Second},
		{"a date", at.Add(9 * time.Second).Format(http.TimeFormat), 9 * time.Second},
		{"a date that is over", at.Add(-time.Hour).Format(http.TimeFormat), 0},
		{"nothing", "", 0},
		{"negative", "-3", 0},
		{"nonsense", "soon", 0},
		{"not a number", "NaN", 0},
		{"an age", "1e300", time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, reply(429, ``, "Retry-After", tt.value))
			_, err := b.StartVM(t.Context(), 1)
			require.Equal(t, tt.want, asError(t, err).RetryAfter)
		})
	}
}

func TestFieldsOfA422(t *testing.T) {
	b := newBench(t, reply(422, `{"message":"The given data was invalid.","errors":{"mem":["The mem must be at least 512.","Really."],"disk":"Too small"}}`))
	_, err := b.CreateVM(t.Context(), hoster.CreateVM{})
	e := asError(t, err)
	require.Equal(t, map[string]string{"mem": "The mem must be at least 512. Really.", "disk": "Too small"}, e.Fields)
	require.EqualError(t, err, "vm-create: refused (HTTP 422): The given data was invalid.: disk: Too small; mem: The mem must be at least 512. Really.")
}

func TestNotSent(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	untrusted := httptest.NewUnstartedServer(reply(200, `{"result":true}`))
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)

	for _, tt := range []struct{ name, url string }{
		{"connection refused", "http://" + closed.Addr().String()},
		{"no such host", "https://" + strings.Repeat("a", 64) + ".invalid"},
		{"a certificate that nobody vouches for", untrusted.URL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBenchAt(t, tt.url, new(recorder))
			_, err := b.StartVM(t.Context(), 4001)
			require.Equal(t, hoster.NotSent, asError(t, err).Class)
			require.Error(t, errors.Unwrap(err))
			require.False(t, b.Health().Reachable)

			_, err = b.VMs(t.Context())
			require.Equal(t, hoster.NotSent, asError(t, err).Class)
			require.Len(t, b.seen.Calls(), 5, "one and four")
		})
	}
}

// stubborn answers with half a document, if it is given one, and then hangs
// until the client leaves. asked gets a word for each request.
func stubborn(asked chan<- struct{}, half string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, half)
		if half != "" {
			w.(http.Flusher).Flush()
		}
		asked <- struct{}{}
		<-r.Context().Done()
	}
}

func TestTimeOuts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		half  string
		scale float64
		after time.Duration
	}{
		{"a mutation without an answer ends after 90 s", "", 0, 90 * time.Second},
		{"a mutation with half an answer too", `{"result":{"jobId":`, 0, 90 * time.Second},
		{"scaled, after 9 s", "", 0.1, 9 * time.Second},
		{"never before 2 s", "", 0.001, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan struct{}, 1)
			b := newBench(t, stubborn(asked, tt.half), func(cfg *hoster.Config) { cfg.TimeScale = tt.scale })
			ended := make(chan error, 1)
			go func() {
				_, err := b.StartVM(t.Context(), 4001)
				ended <- err
			}()
			<-asked
			b.clock.Advance(tt.after - 1)
			require.Empty(t, ended)
			b.clock.Advance(1)
			err := <-ended
			require.Equal(t, hoster.NoAnswer, hoster.ClassOf(err))
			require.ErrorContains(t, err, "no answer in time")
		})
	}
	t.Run("a read ends after 10 s and is tried again", func(t *testing.T) {
		asked := make(chan struct{}, 1)
		b := newBench(t, script(stubborn(asked, ""), reply(200, `{"result":[]}`)))
		ended := make(chan error, 1)
		go func() {
			_, err := b.VMs(t.Context())
			ended <- err
		}()
		<-asked
		b.clock.Advance(10 * time.Second)
		require.NoError(t, <-ended)
		require.Len(t, b.seen.Requests(), 2)
	})
	t.Run("a console ends after 5 s", func(t *testing.T) {
		asked := make(chan struct{}, 1)
		b := newBench(t, stubborn(asked, ""), func(cfg *hoster.Config) { cfg.TimeScale = 0.01 })
		ended := make(chan error, 1)
		go func() {
			_, err := b.VMConsole(t.Context(), 4001)
			ended <- err
		}()
		<-asked
		b.clock.Advance(5 * time.Second)
		require.Equal(t, hoster.NoAnswer, hoster.ClassOf(<-ended))
	})
	t.Run("a caller who leaves does not end a mutation", func(t *testing.T) {
		ctx, cancel := contextWithCancel(t)
		b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			reply(200, `{"result":true}`)(w, r)
		})
		_, err := b.StartVM(ctx, 4001)
		require.NoError(t, err)
	})
}

func TestOneConnectionAndOneRequestForAMutation(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"accepted":               reply(200, `{"result":true}`),
		"closed without a word":  hangUp(""),
		"a redirect":             reply(307, ``, "Location", "/api/v1/elsewhere"),
		"a redirect for good":    reply(308, ``, "Location", "/api/v1/elsewhere"),
		"told to try again":      reply(503, ``, "Retry-After", "0"),
		"told to log in":         reply(401, ``, "WWW-Authenticate", "Basic"),
		"told to come elsewhere": reply(421, ``),
	} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			seen := new(recorder)
			server := httptest.NewUnstartedServer(seen.handler(answer))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			server.Start()
			t.Cleanup(server.Close)
			b := newBenchAt(t, server.URL, seen)

			_, _ = b.DeleteVM(t.Context(), 4001, true)
			require.Len(t, seen.Requests(), 1)
			require.EqualValues(t, 1, connections.Load())
			require.True(t, seen.Requests()[0].Close, "the connection is for one request")
		})
	}
}

func TestHTTP2IsNotSpoken(t *testing.T) {
	seen := new(recorder)
	server := httptest.NewUnstartedServer(seen.handler(reply(200, `{"result":[]}`)))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	b := newBenchAt(t, server.URL, seen)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	hoster.Trust(b.Client, pool)

	_, err := b.StartVM(t.Context(), 4001)
	require.NoError(t, err)
	_, err = b.VMs(t.Context())
	require.NoError(t, err)
	for _, r := range seen.Requests() {
		require.Equal(t, "HTTP/1.1", r.Proto)
	}
}

func TestReadsShareAConnection(t *testing.T) {
	b := newBench(t, reply(200, `{"result":[]}`))
	for range 3 {
		_, err := b.VMs(t.Context())
		require.NoError(t, err)
	}
	seen := b.seen.Requests()
	require.Equal(t, seen[0].RemoteAddr, seen[2].RemoteAddr)
}
