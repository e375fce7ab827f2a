package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// front is a door to the simulator that can be shut: connections that stand
// stay, new ones are refused.
type front struct {
	t    *testing.T
	to   string
	at   string
	mu   sync.Mutex
	open net.Listener
}

func newFront(t *testing.T, to string) *front {
	t.Helper()
	f := &front{t: t, to: strings.TrimPrefix(to, "http://"), at: "127.0.0.1:0"}
	f.unlock()
	f.at = f.open.Addr().String()
	t.Cleanup(f.shut)
	return f
}

func (f *front) unlock() {
	f.t.Helper()
	l, err := net.Listen("tcp", f.at)
	require.NoError(f.t, err)
	f.mu.Lock()
	f.open = l
	f.mu.Unlock()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", f.to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
}

func (f *front) shut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.open.Close()
}

// behind puts a door before the simulator of a scene.
func behind(t *testing.T) (*scene, *front) {
	t.Helper()
	var door *front
	s := newScene(t, "testdata/faults.yaml", func(d *demo) {
		door = newFront(t, d.parts.api.URL)
		d.parts.api.URL = "http://" + door.at
	})
	return s, door
}

// warm lets connections for reads stand, which are used again.
func (s *scene) warm() { s.play("ana: vm list", "ana: dedicated list", "ana: vm templates") }

// TestFaultsBeforeTheWire: where no connection is had, nothing was sent, and
// that is what is said. A later try may still do it.
func TestFaultsBeforeTheWire(t *testing.T) {
	for name, c := range changes {
		t.Run(name+"/connection refused", func(t *testing.T) {
			t.Parallel()
			s, door := behind(t)
			id := c.prepared(s) + 1
			s.warm()
			door.shut()
			want := ending{always(bot.Cancelled), 0, "Nothing was sent, after 3 tries"}
			c.says(s, want)
			s.play(":skip 1m")
			c.ended(s, id, want)
			require.Len(t, s.op(id).Attempts, 3)
		})
		t.Run(name+"/connection refused once", func(t *testing.T) {
			t.Parallel()
			s, door := behind(t)
			id := c.prepared(s) + 1
			s.warm()
			door.shut()
			want := ending{always(bot.Succeeded), 1, "connection refused"}
			c.says(s, want)
			require.Equal(t, bot.Checking, s.op(id).State, s.out.String())
			door.unlock()
			s.play(":skip 3h")
			c.ended(s, id, want)
			require.Len(t, s.op(id).Attempts, 2)
		})
		t.Run(name+"/API down", func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "testdata/faults.yaml", nil)
			id := c.prepared(s) + 1
			if first, press := c.asked(s); press != "" {
				s.sim.SetDown(true)
				s.play(press)
				c.down(s, id)
			} else if c.secret {
				require.Contains(t, first, "Enter password")
				s.sim.SetDown(true)
				s.play("ana: press Enter password", "ana: fill password=correct-horse")
				c.down(s, id)
			}
		})
	}
}

// down checks what becomes of an operation whose target cannot be read: it
// waits, says for what, and expires.
func (c *change) down(s *scene, id int64) {
	t := s.t
	t.Helper()
	op := s.op(id)
	require.Equal(t, bot.Ready, op.State, s.out.String())
	require.Contains(t, op.Waits, "cannot be read")
	require.False(t, op.HoldsLane())
	s.play(":skip 30m")
	sent, _ := s.sent(c.kind)
	require.Zero(t, sent, s.out.String())
	require.Equal(t, bot.Expired, s.op(id).State, s.out.String())
	require.Contains(t, s.out.String(), "Nothing was done.")
	require.Empty(t, s.op(id).Attempts)
}

// TestFaultsOfTLS: a certificate that is not the provider's stops the call
// before anything of it is sent. The roots of a process are read once, so it
// is not parallel.
func TestFaultsOfTLS(t *testing.T) {
	bad := badCertificate(t)
	var mu sync.Mutex
	shown := map[string]*tls.Certificate{} // by the name of a case: instead of the right one
	trusted := filepath.Join(t.TempDir(), "roots.pem")
	t.Setenv("SSL_CERT_FILE", trusted)
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, "testdata/faults.yaml", func(d *demo) {
				server := httptest.NewUnstartedServer(d.sim)
				server.Config.ErrorLog = log.New(io.Discard, "", 0)
				server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
					mu.Lock()
					defer mu.Unlock()
					return shown[name], nil
				}}
				server.StartTLS()
				t.Cleanup(server.Close)
				right := server.TLS.Certificates[0]
				server.TLS.Certificates = nil
				mu.Lock()
				shown[name] = &right
				mu.Unlock()
				require.NoError(t, os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: right.Certificate[0]}), 0o600))
				d.parts.api.URL = server.URL
			})
			id := c.prepared(s) + 1
			s.warm()
			mu.Lock()
			shown[name] = bad
			mu.Unlock()
			want := ending{always(bot.Cancelled), 0, "Nothing was sent, after 3 tries"}
			c.says(s, want)
			s.play(":skip 1m")
			c.ended(s, id, want)
			require.Contains(t, s.out.String(), "certificate")
		})
	}
}

// badCertificate is one that nobody has signed, for somebody else.
func badCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}
