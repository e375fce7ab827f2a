package hoster

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot/secret"
)

// VMStatus is how a VM is doing.
type VMStatus struct {
	CPU           float64 // as sent; the unit is not documented
	Mem, MemFree  int64   // bytes
	NetIn, NetOut int64   // bytes
	Uptime        time.Duration
	State         string // "running", ...; never empty
}

// VMConfig is what a VM is made of.
type VMConfig struct {
	Cores    int
	Mem      int    // MiB
	Disk     string // as sent, such as "100G"
	DiskGiB  int    // 0 if Disk cannot be read
	IPs      []string
	Template string
}

// Incident is a network incident of a VM, such as an attack.
type Incident struct {
	GID                 int64
	Start, Stop         time.Time // the zone is not documented, UTC is assumed; zero if the text cannot be read
	StartText, StopText string    // as sent
	Host                string
	Direction           int   // not documented
	Impact              int64 // the unit is not documented
	Types               []string
	Ongoing             bool
}

// CreateVM is an order for a VM. Every field is required.
type CreateVM struct {
	Template string
	Cores    int
	Mem      int    // MiB
	Disk     string // such as "10G"
	IPs      int
}

// ChangeVM is a new size for a VM. What is zero stays as it is.
type ChangeVM struct {
	Cores int
	Mem   int    // MiB
	Disk  string // such as "20G"; it cannot shrink
	IPs   int    // the provider ignores fewer than before without a word
}

// vmPath is the path of a VM, with what follows.
func vmPath(id int, rest string) string {
	return "/datacenter/server/" + strconv.Itoa(id) + rest
}

// VMs lists the IDs of all VMs.
func (c *Client) VMs(ctx context.Context) ([]int, error) {
	return read(ctx, c, "vm-list", "/datacenter/server", decodeIDs[int])
}

// VMStatus reads a VM's state and load.
func (c *Client) VMStatus(ctx context.Context, id int) (VMStatus, error) {
	return read(ctx, c, "vm-status", vmPath(id, "/status"), decodeVMStatus)
}

// VMConfig reads a VM's size, IPs and template.
func (c *Client) VMConfig(ctx context.Context, id int) (VMConfig, error) {
	return read(ctx, c, "vm-config", vmPath(id, "/config"), decodeVMConfig)
}

// VMIncidents lists a VM's network incidents, in the provider's order.
func (c *Client) VMIncidents(ctx context.Context, id int) ([]Incident, error) {
	return read(ctx, c, "vm-incidents", vmPath(id, "/incidents"), decodeIncidents)
}

// VMConsole asks for a link to a VM's console. It is tried once, since the link
// dies 10 s after the request.
func (c *Client) VMConsole(ctx context.Context, id int) (secret.Secret, error) {
	return readOnce(ctx, c, "vm-console", vmPath(id, "/console"), consoleTimeout, decodeLink)
}

// CreateVM creates a VM; the result is a job.
func (c *Client) CreateVM(ctx context.Context, vm CreateVM) (Result, error) {
	return c.mutate(ctx, "vm-create", http.MethodPost, "/datacenter/server", struct {
		Template string `json:"template"`
		Cores    int    `json:"cpuCores"`
		Mem      int    `json:"mem"`
		Disk     string `json:"disk"`
		IPs      int    `json:"ipCount"`
	}(vm))
}

// ChangeVM gives a VM another size. What success looks like is not documented.
func (c *Client) ChangeVM(ctx context.Context, id int, change ChangeVM) (Result, error) {
	return c.mutate(ctx, "vm-change", http.MethodPut, vmPath(id, "/change"), struct {
		Cores int    `json:"cpuCores,omitempty"`
		Mem   int    `json:"mem,omitempty"`
		Disk  string `json:"disk,omitempty"`
		IPs   int    `json:"ipCount,omitempty"`
	}(change))
}

// StartVM starts a VM.
func (c *Client) StartVM(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "vm-start", http.MethodPut, vmPath(id, "/start"), nil)
}

// ShutdownVM asks a VM's system to stop.
func (c *Client) ShutdownVM(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "vm-shutdown", http.MethodPut, vmPath(id, "/shutdown"), nil)
}

// StopVM pulls a VM's plug.
func (c *Client) StopVM(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "vm-stop", http.MethodPut, vmPath(id, "/stop"), nil)
}

// RebootVM asks a VM's system to restart.
func (c *Client) RebootVM(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "vm-reboot", http.MethodPut, vmPath(id, "/reboot"), nil)
}

// ResetVM restarts a VM by force.
func (c *Client) ResetVM(ctx context.Context, id int) (Result, error) {
	return c.mutate(ctx, "vm-reset", http.MethodPut, vmPath(id, "/reboot/force"), nil)
}

// ReinstallVM installs a VM anew; the result is a job. Without a template it
// gets the one it has.
func (c *Client) ReinstallVM(ctx context.Context, id int, template string) (Result, error) {
	var body any
	if template != "" {
		body = struct {
			Template string `json:"template"`
		}{template}
	}
	return c.mutate(ctx, "vm-reinstall", http.MethodPut, vmPath(id, "/reinstall"), body)
}

// ResetPassword gives a VM's root a new password, which only this result holds.
func (c *Client) ResetPassword(ctx context.Context, id int) (Result, error) {
	return c.mutateAs(ctx, decodeReset, "vm-reset-password", http.MethodPut, vmPath(id, "/password/reset"), nil)
}

// decodeReset reads the answer to a password reset. In one of another shape
// than the documented one whatever text it holds can be the password, and is
// nobody else's to see.
func decodeReset(raw json.RawMessage) Result {
	r := decodeResult(raw)
	if !r.Password.IsZero() {
		return r
	}
	switch found := passwordIn(raw); {
	case found != "":
		r.Password, r.Text = secret.New(found), ""
	case r.Text != "":
		r.Password, r.Text = secret.New(strings.Trim(r.Text, `"`)), ""
	case r.Word != "" && r.Word != "success":
		r.Password, r.Word = secret.New(r.Word), ""
	}
	return r
}

// DeleteVM deletes a VM and its data; a running one needs force.
func (c *Client) DeleteVM(ctx context.Context, id int, force bool) (Result, error) {
	// The field is left out rather than false: a server that only looks whether
	// it is there must not take that for a yes.
	var body any
	if force {
		body = struct {
			Force bool `json:"force"`
		}{true}
	}
	return c.mutate(ctx, "vm-delete", http.MethodPost, vmPath(id, "/delete"), body)
}

// SetRDNS sets the name that an IPv4 address of a VM resolves to.
func (c *Client) SetRDNS(ctx context.Context, id int, ip, hostname string) (Result, error) {
	return c.mutate(ctx, "vm-set-rdns", http.MethodPost, vmPath(id, "/rdns"), struct {
		IP       string `json:"ip"`
		Hostname string `json:"hostname"`
	}{ip, hostname})
}

func decodeVMStatus(raw json.RawMessage) (VMStatus, error) {
	s, err := decodeObject[struct {
		CPU     number  `json:"cpu"`
		Mem     integer `json:"mem"`
		MemFree integer `json:"memfree"`
		NetIn   integer `json:"netin"`
		NetOut  integer `json:"netout"`
		Uptime  number  `json:"uptime"`
		State   text    `json:"state"`
	}](raw, "state")
	return VMStatus{
		CPU:     float64(s.CPU),
		Mem:     int64(s.Mem),
		MemFree: int64(s.MemFree),
		NetIn:   int64(s.NetIn),
		NetOut:  int64(s.NetOut),
		Uptime:  seconds(s.Uptime),
		State:   string(s.State),
	}, err
}

// seconds is a duration that cannot overflow.
func seconds(n number) time.Duration {
	const most = math.MaxInt64 / int64(time.Second)
	return time.Duration(min(max(float64(n), 0), float64(most)) * float64(time.Second))
}

func decodeVMConfig(raw json.RawMessage) (VMConfig, error) {
	v, err := decodeObject[struct {
		Cores    integer     `json:"cpuCores"`
		Mem      integer     `json:"mem"`
		Disk     text        `json:"disk"`
		IPs      array[text] `json:"ips"`
		Template text        `json:"template"`
	}](raw, "ips")
	return VMConfig{
		Cores:    int(v.Cores),
		Mem:      int(v.Mem),
		Disk:     string(v.Disk),
		DiskGiB:  gib(string(v.Disk)),
		IPs:      plain(v.IPs),
		Template: string(v.Template),
	}, err
}

// gib reads a size such as "100G" or "1T"; a bare number is GiB. It returns 0
// for what it cannot read.
func gib(size string) int {
	digits := strings.TrimSpace(size)
	end := strings.IndexFunc(digits, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	unit := ""
	if end >= 0 {
		digits, unit = digits[:end], strings.ToUpper(strings.TrimSpace(digits[end:]))
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n > 1<<30 {
		return 0
	}
	switch strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I") {
	case "", "G":
		return int(n)
	case "T":
		return int(n * 1024)
	case "M":
		return int(n / 1024)
	}
	return 0
}

func decodeIncidents(raw json.RawMessage) ([]Incident, error) {
	items, err := decodeList[struct {
		GID       integer     `json:"gid"`
		Start     text        `json:"start"`
		Stop      text        `json:"stop"`
		Host      text        `json:"host"`
		Direction integer     `json:"direction"`
		Impact    integer     `json:"impact"`
		Types     array[text] `json:"types"`
		Ongoing   flag        `json:"ongoing"`
	}](raw)
	if err != nil {
		return nil, err
	}
	incidents := make([]Incident, len(items))
	for i, it := range items {
		incidents[i] = Incident{
			GID:       int64(it.GID),
			Start:     incidentTime(it.Start),
			Stop:      incidentTime(it.Stop),
			StartText: string(it.Start),
			StopText:  string(it.Stop),
			Host:      string(it.Host),
			Direction: int(it.Direction),
			Impact:    int64(it.Impact),
			Types:     plain(it.Types),
			Ongoing:   bool(it.Ongoing),
		}
	}
	return incidents, nil
}

func incidentTime(s text) time.Time {
	t, err := time.Parse(time.DateTime, string(s))
	if err != nil {
		return time.Time{}
	}
	return t
}

// decodeLink reads a web address that is a secret as a whole.
func decodeLink(raw json.RawMessage) (secret.Secret, error) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return secret.Secret{}, shapeError("a link", raw)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return secret.Secret{}, errors.New("the answer has a text where a link was expected")
	}
	return secret.New(s), nil
}
