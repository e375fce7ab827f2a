package hostersim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// world is everything that the provider has. Its time moves only in advance,
// and its chance comes from the seed and from what is asked about, so that the
// same calls at the same times give the same bytes.
type world struct {
	seed  uint64
	speed float64

	vms       map[int]*vm
	offers    []offer
	dedicated map[int]*dedicated
	jobs      map[int]*job
	rdns      map[string]string
	resets    int // password resets so far
	attacks   int // that a fault began

	vmIPs        *pool
	dedicatedIPs *pool

	pending []*event // by time, then in order of planning
	given   []string // secrets that were put into answers
	known   map[string]bool
}

func newWorld(seed uint64, speed float64) *world {
	return &world{
		seed: seed, speed: speed,
		vms: map[int]*vm{}, dedicated: map[int]*dedicated{}, jobs: map[int]*job{},
		offers:       slices.Clone(market),
		rdns:         map[string]string{},
		vmIPs:        newPool("198.51.100.0/24", "203.0.113.0/24"),
		dedicatedIPs: newPool("192.0.2.0/24"),
		known:        map[string]bool{},
	}
}

// event is something that will happen, such as the end of a job.
type event struct {
	at        time.Time
	run       func(at time.Time)
	cancelled bool
}

func (e *event) cancel() {
	if e != nil {
		e.cancelled = true
	}
}

// plan makes run happen at a time, on the first advance that reaches it.
func (w *world) plan(at time.Time, run func(at time.Time)) *event {
	e := &event{at: at, run: run}
	i, _ := slices.BinarySearchFunc(w.pending, at, func(p *event, at time.Time) int {
		if p.at.After(at) {
			return 1
		}
		return -1
	})
	w.pending = slices.Insert(w.pending, i, e)
	return e
}

// advance lets everything happen that is due by now, in order.
func (w *world) advance(now time.Time) {
	for len(w.pending) > 0 && !w.pending[0].at.After(now) {
		e := w.pending[0]
		w.pending = slices.Delete(w.pending, 0, 1)
		if !e.cancelled {
			e.run(e.at)
		}
	}
}

// takes returns how long something lasts at the simulator's speed.
func (w *world) takes(d time.Duration) time.Duration {
	return time.Duration(float64(d) / w.speed)
}

// bytes are the seed's for what they are about: the same again for the same.
func (w *world) bytes(about string, numbers ...int64) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s %v", w.seed, about, numbers))
}

// chance is a number in [0,1) for what it is about.
func (w *world) chance(about string, numbers ...int64) float64 {
	sum := w.bytes(about, numbers...)
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

const passwordChars = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"

func (w *world) password(about string, numbers ...int64) string {
	sum := w.bytes("password of "+about, numbers...)
	p := make([]byte, 12)
	for i := range p {
		p[i] = passwordChars[int(sum[i])%len(passwordChars)]
	}
	return string(p)
}

// give remembers that a secret was put into an answer.
func (w *world) give(secrets ...string) {
	for _, s := range secrets {
		if !w.known[s] {
			w.known[s] = true
			w.given = append(w.given, s)
		}
	}
}

// consoleURL is a noVNC address as documented: the ticket is in it twice, the
// second time escaped twice.
func (w *world) consoleURL(node string, id int, now time.Time) string {
	var ticket []byte
	for i := range int64(8) {
		sum := w.bytes("ticket of "+node, int64(id), now.Unix(), i)
		ticket = append(ticket, sum[:]...)
	}
	pass := fmt.Sprintf("PVEVNC:%08X::%s", now.Unix(), base64.StdEncoding.EncodeToString(ticket))
	once := url.QueryEscape(pass)
	w.give(pass, once, url.QueryEscape(once))
	inner := fmt.Sprintf("novnc/proxy/%s/%d/?port=5900&vncticket=%s", node, id, once)
	return "https://console.example.com/novnc/vnc.html?host=console.example.com&password=" + pass +
		"&path=" + url.QueryEscape(inner)
}

// pool hands out IPv4 addresses. It goes round, so that an address that was
// given back is not handed out again until all others were.
type pool struct {
	nets []netip.Prefix
	next netip.Addr
	used map[netip.Addr]bool
}

func newPool(nets ...string) *pool {
	p := &pool{used: map[netip.Addr]bool{}}
	for _, n := range nets {
		p.nets = append(p.nets, netip.MustParsePrefix(n))
	}
	p.next = p.nets[0].Addr().Next()
	return p
}

// take returns n free addresses, or ok false and none if there are not as many.
func (p *pool) take(n int) (ips []netip.Addr, ok bool) {
	for range 254 * len(p.nets) {
		if len(ips) == n {
			return ips, true
		}
		if !p.used[p.next] {
			p.used[p.next] = true
			ips = append(ips, p.next)
		}
		p.next = p.after(p.next)
	}
	if len(ips) == n {
		return ips, true
	}
	p.free(ips)
	return nil, false
}

func (p *pool) reserve(ips ...netip.Addr) {
	for _, ip := range ips {
		p.used[ip] = true
	}
}

func (p *pool) free(ips []netip.Addr) {
	for _, ip := range ips {
		delete(p.used, ip)
	}
}

// after skips the first and the last address of each /24.
func (p *pool) after(ip netip.Addr) netip.Addr {
	if next := ip.Next(); next.As4()[3] != 255 {
		return next
	}
	i := slices.IndexFunc(p.nets, func(n netip.Prefix) bool { return n.Contains(ip) })
	return p.nets[(i+1)%len(p.nets)].Addr().Next()
}
