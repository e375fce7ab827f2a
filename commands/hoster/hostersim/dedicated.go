package hostersim

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

const (
	appearTime   = 25 * time.Second // from the order until the server is listed
	completeTime = 3 * time.Minute  // from the order until it is there
	lateTime     = 15 * time.Minute // until it is listed, with order-slow
)

type dedicated struct {
	machine
	offer
	complete bool
	template string
	ips      []netip.Addr
	rootPass string
	userPass string
	installs int
}

// offer is a server on the market. Its figures are strings, with and without
// units, as documented.
type offer struct {
	ID          int      `json:"id"`
	Model       string   `json:"model"`
	Description *string  `json:"description"`
	Hardware    hardware `json:"configuration"`
}

type hardware struct {
	CPU      cpu      `json:"cpu"`
	RAM      ram      `json:"ram"`
	Storage  storage  `json:"storage"`
	Price    int      `json:"price"`
	Location location `json:"location"`
}

type (
	cpu struct {
		Type  string `json:"type"`
		Count string `json:"count"`
	}
	ram struct {
		Type string `json:"type"`
		Size string `json:"size"`
	}
	storage struct {
		Type  string `json:"type"`
		Count string `json:"count"`
		Size  string `json:"size"`
	}
	location struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}
)

type owned struct {
	ID       int  `json:"id"`
	Complete bool `json:"orderComplete"`
}

type dedicatedState struct {
	State string `json:"state"`
}

type dedicatedConfig struct {
	SSH      sshAccess `json:"ssh"`
	IPs      []string  `json:"ips"`
	Template string    `json:"template"`
	Hardware hardware  `json:"configuration"`
}

type sshAccess struct {
	Root struct {
		Password string `json:"password"`
	} `json:"root"`
	User struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"user"`
}

// server returns the complete dedicated server that the path names.
func (w *world) server(r *request) (*dedicated, error) {
	id, err := strconv.Atoi(r.id)
	d, ok := w.dedicated[id]
	if err != nil || !ok || !d.complete {
		return nil, notFound(r.id)
	}
	return d, nil
}

func (w *world) listOffers(*request) (any, error) { return w.offers, nil }

func (w *world) listDedicatedTemplates(*request) (any, error) { return dedicatedTemplates, nil }

func (w *world) listDedicated(*request) (any, error) {
	list := []owned{}
	for id, d := range w.dedicated {
		list = append(list, owned{id, d.complete})
	}
	slices.SortFunc(list, func(a, b owned) int { return a.ID - b.ID })
	return list, nil
}

func (w *world) orderDedicated(r *request) (any, error) {
	id, template := r.num("id"), r.text("template")
	i := slices.IndexFunc(w.offers, func(o offer) bool { return o.ID == id })
	if i < 0 {
		return nil, notFound(id)
	}
	if !slices.Contains(dedicatedTemplates, template) {
		return nil, refuse(http.StatusNotFound, "0x01: no template with name %s found", template)
	}
	count := 1
	if r.has("ipCount") {
		var err error
		if count, err = strconv.Atoi(r.text("ipCount")); err != nil || count < 1 || count > maxIPs {
			return nil, invalid("ipCount", "The ipCount must be between 1 and %d.", maxIPs)
		}
	}
	if r.fault == orderSilent {
		r.ineffective = true
		return true, nil
	}
	ips, ok := w.dedicatedIPs.take(count)
	if !ok {
		return nil, refuse(http.StatusBadRequest, overLimits)
	}
	d := &dedicated{offer: w.offers[i], template: template, ips: ips}
	w.offers = slices.Delete(slices.Clone(w.offers), i, i+1)
	appears, completes := w.takes(appearTime), w.takes(completeTime)
	if r.fault == orderSlow {
		appears, completes = w.takes(lateTime), w.takes(lateTime+completeTime)
	}
	w.plan(r.now.Add(appears), func(time.Time) { w.dedicated[id] = d })
	w.plan(r.now.Add(completes), func(at time.Time) {
		d.complete = true
		w.install(d, template, at)
	})
	return true, nil
}

// install puts a fresh system on a server: new passwords, up since at.
func (w *world) install(d *dedicated, template string, at time.Time) {
	d.installs++
	d.template = template
	d.rootPass = w.password("dedicated root", int64(d.ID), int64(d.installs))
	d.userPass = w.password("dedicated user", int64(d.ID), int64(d.installs))
	d.boot(at)
}

func signalDedicated(signal string) func(*world, *request) (any, error) {
	return func(w *world, r *request) (any, error) {
		d, err := w.server(r)
		if err != nil {
			return nil, err
		}
		return true, w.signal(&d.machine, signal, r.now)
	}
}

// reinstallDedicated answers true, without a job. The server is halted while it
// lasts, and has its new template at the end.
func (w *world) reinstallDedicated(r *request) (any, error) {
	d, err := w.server(r)
	if err != nil {
		return nil, err
	}
	template := r.text("template")
	if !slices.Contains(dedicatedTemplates, template) {
		return nil, refuse(http.StatusNotFound, "0x01: no template with name %s found", template)
	}
	d.halt()
	d.switching = w.plan(r.now.Add(w.takes(reinstallTime)), func(at time.Time) { w.install(d, template, at) })
	return true, nil
}

func (w *world) dedicatedConsole(r *request) (any, error) {
	d, err := w.server(r)
	if err != nil {
		return nil, err
	}
	return w.consoleURL("dedicated-sim", d.ID, r.now), nil
}

func (w *world) dedicatedStatus(r *request) (any, error) {
	d, err := w.server(r)
	if err != nil {
		return nil, err
	}
	return dedicatedState{d.state()}, nil
}

func (w *world) dedicatedConfig(r *request) (any, error) {
	d, err := w.server(r)
	if err != nil {
		return nil, err
	}
	c := dedicatedConfig{Template: d.template, Hardware: d.Hardware}
	c.SSH.Root.Password = d.rootPass
	c.SSH.User.Username, c.SSH.User.Password = "user", d.userPass
	for _, ip := range d.ips {
		c.IPs = append(c.IPs, ip.String())
	}
	w.give(d.rootPass, d.userPass)
	return c, nil
}

// terminateDedicated takes a server away at once, also one that is not complete.
// It does not come back to the market.
func (w *world) terminateDedicated(r *request) (any, error) {
	id, err := strconv.Atoi(r.id)
	d, ok := w.dedicated[id]
	if err != nil || !ok {
		return nil, notFound(r.id)
	}
	delete(w.dedicated, id)
	w.dedicatedIPs.free(d.ips)
	return true, nil
}
