package adaptertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Pipes are listeners and connections without a network.
type Pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewPipes makes a listener to which nobody is connected.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *Pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *Pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Dial connects to the listener, whatever the address.
func (p *Pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Vacant is an address at which nobody listens. Among all addresses of
// loopback, no other test has it.
func Vacant(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)))
	require.NoError(tb, err)
	defer l.Close()
	return l.Addr().String()
}

// News wakes who waits for a change of what a lock guards. It is guarded, too.
type News struct{ next chan struct{} }

// Tell tells who waits that something is new. The caller holds the lock.
func (n *News) Tell() {
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// Await waits until cond, which is called with the lock held, is true. The
// caller does not hold it.
func (n *News) Await(lock sync.Locker, within time.Duration, cond func() bool) bool {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		lock.Lock()
		ok := cond()
		if n.next == nil {
			n.next = make(chan struct{})
		}
		next := n.next
		lock.Unlock()
		if ok {
			return true
		}
		select {
		case <-next:
		case <-late.C:
			return false
		}
	}
}

// Fault goes wrong instead of a call. handled tells that it wrote the answer.
type Fault[Call any] func(w http.ResponseWriter, c Call) (handled bool)

// Faults are those that calls of a platform have before them. They have no
// lock.
type Faults[Call any] struct {
	once   map[string][]Fault[Call]
	always map[string]Fault[Call]
}

// Next makes the next calls of a method go wrong, one after another.
func (f *Faults[Call]) Next(method string, wrong ...Fault[Call]) {
	if f.once == nil {
		f.once = make(map[string][]Fault[Call])
	}
	f.once[method] = append(f.once[method], wrong...)
}

// Stays makes all calls of a method go wrong; nil: no longer.
func (f *Faults[Call]) Stays(method string, wrong Fault[Call]) {
	if f.always == nil {
		f.always = make(map[string]Fault[Call])
	}
	f.always[method] = wrong
}

// Take is what goes wrong with this call of a method; nil: nothing.
func (f *Faults[Call]) Take(method string) Fault[Call] {
	if always := f.always[method]; always != nil {
		return always
	}
	left := f.once[method]
	if len(left) == 0 {
		return nil
	}
	f.once[method] = left[1:]
	return left[0]
}
