package hoster

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"hosterbot/bot/fail"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	maxHeaderBytes   = 64 << 10
	idleConns        = 64
	idleTimeout      = time.Minute
)

// newTransport speaks HTTP/1.1 alone, which has one request on a connection at
// a time and no retry of its own on a fresh one.
func newTransport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		Protocols:              &http1,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
	}
}

// newReadTransport keeps connections, for a list is many small reads.
func newReadTransport() *http.Transport {
	t := newTransport()
	t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = idleConns, idleConns
	t.IdleConnTimeout = idleTimeout
	return t
}

// newMutationTransport gives each request a connection of its own. On one that
// was kept, Go's transport may send a request a second time.
func newMutationTransport() *http.Transport {
	t := newTransport()
	dialer := &net.Dialer{Timeout: dialTimeout}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wire{Conn: conn}, nil
	}
	t.DisableKeepAlives = true
	return t
}

// wire is a connection that asks the request it carries before it writes.
// Until there is one (a TLS handshake, a proxy's CONNECT), it writes freely.
type wire struct {
	net.Conn
	flight atomic.Pointer[flight]
}

func (w *wire) Write(p []byte) (int, error) {
	f := w.flight.Load()
	if f != nil {
		if err := f.depart(); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Write(p)
	if f != nil {
		fail.Point("after_send")
	}
	return n, err
}

// flight is one request on its way out. It has either departed, and a byte may
// have been sent, or it is grounded, and none ever will be.
type flight struct {
	clock  Clock
	sendBy time.Time // zero: any time

	mu       sync.Mutex
	departed bool
	grounded bool
}

// board is the transport's word that the request has its connection and that
// what is written from here on belongs to the request.
func (f *flight) board(info httptrace.GotConnInfo) {
	conn := info.Conn
	for {
		switch c := conn.(type) {
		case *wire:
			c.flight.Store(f)
			return
		case interface{ NetConn() net.Conn }: // TLS, also within a proxy's
			conn = c.NetConn()
		default:
			// A read's connection is not watched: to have one is to have sent.
			f.mu.Lock()
			f.departed = true
			f.mu.Unlock()
			return
		}
	}
}

// depart lets a write pass, or refuses it if it is too late for the first.
func (f *flight) depart() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.departed {
		return nil
	}
	if f.grounded || !f.sendBy.IsZero() && f.clock.Now().After(f.sendBy) {
		f.grounded = true
		return errTooLate
	}
	f.departed = true
	return nil
}

// ground forbids the departure. It returns false if that came too late.
func (f *flight) ground() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.departed {
		return false
	}
	f.grounded = true
	return true
}
