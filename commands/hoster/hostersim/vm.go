package hostersim

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	createTime    = 90 * time.Second
	reinstallTime = 60 * time.Second

	firstVM = 4001

	// Administrative limits of one VM; the documentation has the code but no figures.
	maxCores = 32
	maxMem   = 128 << 10 // MiB
	maxIPs   = 16
	maxDisk  = 100_000 // GiB
)

var vmTemplates = []string{"Debian10.0", "Debian11.0", "Debian12.0", "Ubuntu20.04", "Ubuntu22.04", "CentOS7.9"}

type vm struct {
	id int
	machine
	size
	template  string
	ipv4      []netip.Addr
	ipv6      netip.Addr
	incidents []incident
	backups   []backup // oldest first
	saving    *saving  // the last backup or restore asked for
}

// size is what can be changed about a VM, but for its addresses.
type size struct {
	cores int
	mem   int // MiB
	disk  int // GiB
}

func (s size) exceeds() bool {
	return s.cores > maxCores || s.mem > maxMem || s.disk > maxDisk
}

type vmStatus struct {
	CPU     float64 `json:"cpu"` // share of all cores
	Mem     int64   `json:"mem"` // bytes, as all that follow
	MemFree int64   `json:"memfree"`
	NetIn   int64   `json:"netin"`
	NetOut  int64   `json:"netout"`
	Uptime  int64   `json:"uptime"` // s
	State   string  `json:"state"`
}

type vmConfig struct {
	Cores    int      `json:"cpuCores"`
	Mem      int      `json:"mem"`
	Disk     string   `json:"disk"`
	IPs      []string `json:"ips"`
	Template string   `json:"template"`
}

// firstAttack is below the number of the first attack that a fault begins.
const firstAttack = 300_000

// incident is an attack from or on the network. An ongoing one stops "now".
type incident struct {
	ID        int      `json:"gid"`
	Start     string   `json:"start"`
	Stop      string   `json:"stop"`
	Host      string   `json:"host"`
	Direction int      `json:"direction"`
	Impact    int64    `json:"impact"`
	Types     []string `json:"types"`
	Ongoing   int      `json:"ongoing"`
}

type newPassword struct {
	Status   string `json:"status"`
	Password string `json:"password"`
}

// vm returns the VM that the path names.
func (w *world) vm(r *request) (*vm, error) {
	id, err := strconv.Atoi(r.id)
	v, ok := w.vms[id]
	if err != nil || !ok {
		return nil, notFound(r.id)
	}
	return v, nil
}

func (v *vm) ips() []string {
	ips := make([]string, 0, len(v.ipv4)+1)
	for _, ip := range v.ipv4 {
		ips = append(ips, ip.String())
	}
	return append(ips, v.ipv6.String())
}

func (w *world) listVMs(*request) (any, error) {
	if len(w.vms) == 0 {
		return []int{}, nil
	}
	return slices.Sorted(maps.Keys(w.vms)), nil
}

func (w *world) listTemplates(*request) (any, error) { return vmTemplates, nil }

func (w *world) vmStatus(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	memory := int64(v.mem) << 20 / 32 * 31 // the kernel keeps some to itself
	if !v.running {
		return vmStatus{MemFree: memory, State: v.state()}, nil
	}
	id, uptime := int64(v.id), v.uptime(r.now)
	load := func(about string, every time.Duration) float64 { // moves once in a while
		return w.chance(about, id, r.now.Unix()/int64(every/time.Second))
	}
	used := int64(float64(memory) * (0.2 + 0.4*w.chance("base memory", id) + 0.1*load("memory", 30*time.Second)))
	traffic := func(about string) int64 { // grows with the uptime
		return int64(uptime.Seconds() * (500 + 50_000*w.chance(about, id)))
	}
	return vmStatus{
		CPU:     math.Round(10_000*(0.01+0.5*w.chance("base cpu", id)*load("cpu", 5*time.Second))) / 10_000,
		Mem:     used,
		MemFree: memory - used,
		NetIn:   traffic("netin"),
		NetOut:  traffic("netout"),
		Uptime:  int64(uptime.Seconds()),
		State:   v.state(),
	}, nil
}

func (w *world) vmConfig(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	return vmConfig{v.cores, v.mem, fmt.Sprintf("%dG", v.disk), v.ips(), v.template}, nil
}

func (w *world) vmIncidents(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	switch r.fault {
	case attack:
		w.attacks++
		v.incidents = append(v.incidents, incident{
			firstAttack + w.attacks, r.now.UTC().Format(time.DateTime), "", v.ips()[0], 1, 61_203_968, []string{"UDP Flood"}, 1,
		})
	case attackOver:
		for i := range v.incidents {
			if in := &v.incidents[i]; in.Ongoing == 1 {
				in.Ongoing, in.Stop = 0, r.now.UTC().Format(time.DateTime)
			}
		}
	}
	list := append([]incident{}, v.incidents...)
	for i := range list {
		if list[i].Ongoing == 1 {
			list[i].Stop = r.now.UTC().Format(time.DateTime)
		}
	}
	return list, nil
}

func (w *world) vmConsole(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	return w.consoleURL("pve-sim", v.id, r.now), nil
}

func (w *world) createVM(r *request) (any, error) {
	want, count, err := sizeOf(r, size{})
	if err != nil {
		return nil, err
	}
	name := r.text("template")
	if !slices.Contains(vmTemplates, name) {
		return nil, refuse(http.StatusNotFound, "0x01: no template with name %s found", name)
	}
	failure := ""
	if want.exceeds() || count > maxIPs {
		failure = overLimits
	}
	return w.startJob(r, createTime, failure, func(job int, at time.Time) (*jobOutput, string) {
		v := w.addVM(w.freeID(), want, count, name)
		if v == nil {
			return nil, overLimits
		}
		v.boot(at)
		return &jobOutput{v.id, v.ips(), "root", w.password("job", int64(job))}, ""
	}), nil
}

// freeID returns the lowest number that no VM has; it may have had an owner.
func (w *world) freeID() int {
	id := firstVM
	for w.vms[id] != nil {
		id++
	}
	return id
}

// addVM makes a halted VM, or returns nil if the addresses have run out.
func (w *world) addVM(id int, s size, ipCount int, template string) *vm {
	ips, ok := w.vmIPs.take(ipCount)
	if !ok {
		return nil
	}
	v := &vm{id: id, size: s, template: template, ipv4: ips, ipv6: ipv6For(ips[0])}
	w.vms[id] = v
	return v
}

// ipv6For is as unique as the VM's first IPv4 address: 2001:db8::198.51.100.1.
func ipv6For(ip netip.Addr) netip.Addr {
	b := netip.MustParseAddr("2001:db8::").As16()
	four := ip.As4()
	copy(b[12:], four[:])
	return netip.AddrFrom16(b)
}

var diskSize = regexp.MustCompile(`^[1-9][0-9]{0,6}G$`)

// sizeOf returns the size that a request asks for, starting from what is there,
// and the number of addresses, 0 if it names none.
func sizeOf(r *request, from size) (s size, ipCount int, err error) {
	s = from
	for _, f := range []struct {
		name string
		to   *int
	}{{"cpuCores", &s.cores}, {"mem", &s.mem}, {"ipCount", &ipCount}} {
		if !r.has(f.name) {
			continue
		}
		if *f.to = r.num(f.name); *f.to < 1 {
			return s, 0, invalid(f.name, "The %s must be at least 1.", f.name)
		}
	}
	if r.has("disk") {
		if !diskSize.MatchString(r.text("disk")) {
			return s, 0, invalid("disk", "The disk format is invalid.")
		}
		s.disk, _ = strconv.Atoi(strings.TrimSuffix(r.text("disk"), "G"))
	}
	return s, ipCount, nil
}

func (w *world) changeVM(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	want, count, err := sizeOf(r, v.size)
	if err != nil {
		return nil, err
	}
	if want.disk < v.disk {
		return nil, refuse(http.StatusBadRequest, "0xb1: disk can not be smaller than %dG", v.disk)
	}
	if want.exceeds() || count > maxIPs {
		return nil, refuse(http.StatusBadRequest, overLimits)
	}
	more, ok := w.vmIPs.take(max(count-len(v.ipv4), 0)) // fewer are ignored, as documented
	if !ok {
		return nil, refuse(http.StatusBadRequest, overLimits)
	}
	v.size, v.ipv4 = want, append(v.ipv4, more...)
	return true, nil
}

func signalVM(signal string) func(*world, *request) (any, error) {
	return func(w *world, r *request) (any, error) {
		v, err := w.vm(r)
		if err != nil {
			return nil, err
		}
		return true, w.signal(&v.machine, signal, r.now)
	}
}

func (w *world) reinstallVM(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	name := v.template
	if r.has("template") {
		name = r.text("template")
	}
	if !slices.Contains(vmTemplates, name) {
		return nil, refuse(http.StatusNotFound, "0x01: no template with name %s found", name)
	}
	return w.startJob(r, reinstallTime, "", func(job int, at time.Time) (*jobOutput, string) {
		if w.vms[v.id] != v {
			return nil, fmt.Sprintf("0x01: no vm with id %d found", v.id)
		}
		v.template = name
		v.boot(at)
		return &jobOutput{v.id, v.ips(), "root", w.password("job", int64(job))}, ""
	}), nil
}

func (w *world) resetPassword(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	w.resets++
	p := w.password("reset", int64(v.id), int64(w.resets))
	w.give(p)
	return newPassword{"success", p}, nil
}

func (w *world) deleteVM(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	if v.running && !r.flag("force") {
		return nil, refuse(http.StatusBadRequest, "0xa1: vm is running")
	}
	delete(w.vms, v.id)
	if r.fault == recycle {
		// Before the old addresses are free again, so that none is the same.
		if other := w.addVM(v.id, size{1, 512, 5}, 1, "CentOS7.9"); other != nil {
			other.boot(r.now)
		}
	}
	w.vmIPs.free(v.ipv4)
	for _, ip := range v.ipv4 {
		delete(w.rdns, ip.String())
	}
	return true, nil
}

var hostname = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}\.?$`)

func (w *world) setRDNS(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	ip, err := netip.ParseAddr(r.text("ip"))
	if err != nil || !ip.Is4() {
		return nil, invalid("ip", "The ip must be a valid IPv4 address.")
	}
	if name := r.text("hostname"); len(name) > 253 || !hostname.MatchString(name) {
		return nil, invalid("hostname", "The hostname must be a fully qualified domain name.")
	}
	if !slices.Contains(v.ipv4, ip) {
		return nil, refuse(http.StatusNotFound, "0x01: no ip %s found on vm %d", ip, v.id)
	}
	w.rdns[ip.String()] = r.text("hostname")
	return true, nil
}
