package hoster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/commands/hoster"
)

var quiet = log.New(io.Discard, "", 0)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// lateClock lets 11 s pass while the timer for send-by is set, and its timers
// never fire: what ends the call is the check before the first byte.
type lateClock struct{ *clock }

func (c lateClock) AfterFunc(d time.Duration, _ func()) func() bool {
	if d == 10*time.Second {
		c.Advance(11 * time.Second)
	}
	return func() bool { return true }
}

func TestNoByteLeavesAfterSendBy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	type arrival struct {
		bytes []byte
		err   error
	}
	arrived := make(chan arrival, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			arrived <- arrival{err: err}
			return
		}
		raw, err := io.ReadAll(conn)
		_ = conn.Close()
		arrived <- arrival{raw, err}
	}()
	late := lateClock{newClock()}
	b := newBenchAt(t, "http://"+listener.Addr().String(), new(recorder), func(cfg *hoster.Config) { cfg.Clock = late })

	ctx := hoster.WithSendBy(t.Context(), late.Now().Add(10*time.Second))
	_, err = b.DeleteVM(ctx, 4001, true)
	require.Equal(t, hoster.NotSent, asError(t, err).Class)
	require.ErrorContains(t, err, "too late to be sent")

	got := <-arrived
	require.NoError(t, got.err)
	require.Empty(t, got.bytes)
	require.True(t, b.Health().Reachable, "being late says nothing of the API")
}

func TestSendByInThePastConnectsToNobody(t *testing.T) {
	b := newBench(t, reply(200, `{"result":true}`))
	_, err := b.StartVM(hoster.WithSendBy(t.Context(), b.clock.Now().Add(-1)), 4001)
	require.Equal(t, hoster.NotSent, asError(t, err).Class)
	require.Empty(t, b.seen.Requests())
}

func TestSendByInTimeIsSent(t *testing.T) {
	b := newBench(t, reply(200, `{"result":true}`))
	_, err := b.StartVM(hoster.WithSendBy(t.Context(), b.clock.Now().Add(10*time.Second)), 4001)
	require.NoError(t, err)
}

// inertClock has timers that never fire.
type inertClock struct{ *clock }

func (inertClock) AfterFunc(time.Duration, func()) func() bool {
	return func() bool { return true }
}

func TestSendByPassesDuringTheHandshake(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration
		inert bool
		want  hoster.Class
	}{
		{"in time", 9 * time.Second, false, hoster.Accepted},
		{"too late, found by the timer", 11 * time.Second, false, hoster.NotSent},
		{"too late, found before the first byte", 11 * time.Second, true, hoster.NotSent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := newClock()
			seen := new(recorder)
			server := httptest.NewUnstartedServer(seen.handler(reply(200, `{"result":true}`)))
			server.Config.ErrorLog = quiet
			server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				now.Advance(tt.takes)
				return nil, nil
			}}
			server.StartTLS()
			t.Cleanup(server.Close)
			b := newBenchAt(t, server.URL, seen, func(cfg *hoster.Config) {
				cfg.Clock = now
				if tt.inert {
					cfg.Clock = inertClock{now}
				}
			})
			pool := x509.NewCertPool()
			pool.AddCert(server.Certificate())
			hoster.Trust(b.Client, pool)

			_, err := b.DeleteVM(hoster.WithSendBy(t.Context(), now.Now().Add(10*time.Second)), 4001, true)
			require.Equal(t, tt.want, hoster.ClassOf(err), "%v", err)
			server.Close() // waits for what is still being served
			require.Equal(t, tt.want == hoster.Accepted, len(seen.Requests()) == 1)
		})
	}
}

func TestAHandshakeThatHangsIsNotSent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	b := newBenchAt(t, "https://"+listener.Addr().String(), new(recorder))
	ended := make(chan error, 1)
	go func() {
		_, err := b.StartVM(hoster.WithSendBy(t.Context(), b.clock.Now().Add(10*time.Second)), 4001)
		ended <- err
	}()
	conn := <-accepted
	t.Cleanup(func() { _ = conn.Close() })
	b.clock.Advance(10 * time.Second)
	err = <-ended
	require.Equal(t, hoster.NotSent, hoster.ClassOf(err))
	require.ErrorContains(t, err, "too late to be sent")
}
