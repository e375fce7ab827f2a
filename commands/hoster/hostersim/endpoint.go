package hostersim

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	root    = "/api/v1/"
	maxBody = 1 << 20
)

// endpoint is one row of the documentation.
type endpoint struct {
	kind   string
	method string
	path   string // below root; {id} stands for one segment
	params []param
	run    func(*world, *request) (any, error)
}

// param is one documented body parameter.
type param struct {
	name     string
	kind     string // "integer", "string" or "boolean"
	required bool
}

var (
	sizes = []param{
		{"template", "string", true}, {"cpuCores", "integer", true}, {"mem", "integer", true},
		{"disk", "string", true}, {"ipCount", "integer", true},
	}
	newSizes = []param{
		{"cpuCores", "integer", false}, {"mem", "integer", false},
		{"disk", "string", false}, {"ipCount", "integer", false},
	}
	orderForm = []param{
		{"id", "integer", true}, {"template", "string", true},
		{"ipCount", "string", false}, {"hostname", "string", false},
	}
	softwareForm = []param{
		{"sid|ip", "string", true}, {"package", "string", true},
		{"password", "string", true}, {"port", "integer", false},
	}
	force        = []param{{"force", "boolean", false}}
	address      = []param{{"ip", "string", true}, {"hostname", "string", true}}
	override     = []param{{"template", "string", false}}
	installation = []param{{"template", "string", true}, {"hostname", "string", false}}
	// The documented answer to a restore without a backup is 0xa5, not 0xb1.
	backupTime = []param{{"backup", "integer", false}}
)

var endpoints = []endpoint{
	{"list", "GET", "datacenter/server", nil, (*world).listVMs},
	{"status", "GET", "datacenter/server/{id}/status", nil, (*world).vmStatus},
	{"config", "GET", "datacenter/server/{id}/config", nil, (*world).vmConfig},
	{"incidents", "GET", "datacenter/server/{id}/incidents", nil, (*world).vmIncidents},
	{"console", "GET", "datacenter/server/{id}/console", nil, (*world).vmConsole},
	{"templates", "GET", "datacenter/templates", nil, (*world).listTemplates},
	{"create", "POST", "datacenter/server", sizes, (*world).createVM},
	{"change", "PUT", "datacenter/server/{id}/change", newSizes, (*world).changeVM},
	{"start", "PUT", "datacenter/server/{id}/start", nil, signalVM("start")},
	{"shutdown", "PUT", "datacenter/server/{id}/shutdown", nil, signalVM("shutdown")},
	{"stop", "PUT", "datacenter/server/{id}/stop", nil, signalVM("stop")},
	{"reboot", "PUT", "datacenter/server/{id}/reboot", nil, signalVM("reboot")},
	{"reset", "PUT", "datacenter/server/{id}/reboot/force", nil, signalVM("reset")},
	{"reinstall", "PUT", "datacenter/server/{id}/reinstall", override, (*world).reinstallVM},
	{"password", "PUT", "datacenter/server/{id}/password/reset", nil, (*world).resetPassword},
	{"delete", "POST", "datacenter/server/{id}/delete", force, (*world).deleteVM},
	{"rdns", "POST", "datacenter/server/{id}/rdns", address, (*world).setRDNS},
	{"backup-list", "GET", "datacenter/server/{id}/backups/list", nil, (*world).listBackups},
	{"backup-status", "GET", "datacenter/server/{id}/backups/status", nil, (*world).backupStatus},
	{"backup-create", "PUT", "datacenter/server/{id}/backups/create", nil, (*world).createBackup},
	{"restore", "POST", "datacenter/server/{id}/backups/restore", backupTime, (*world).restoreBackup},
	{"market", "GET", "datacenter/dedicated/market", nil, (*world).listOffers},
	{"order", "POST", "datacenter/dedicated/order", orderForm, (*world).orderDedicated},
	{"dedicated-templates", "GET", "datacenter/dedicated/templates", nil, (*world).listDedicatedTemplates},
	{"dedicated-list", "GET", "datacenter/dedicated", nil, (*world).listDedicated},
	{"dedicated-start", "PUT", "datacenter/dedicated/{id}/start", nil, signalDedicated("start")},
	{"dedicated-shutdown", "PUT", "datacenter/dedicated/{id}/shutdown", nil, signalDedicated("shutdown")},
	{"dedicated-reboot", "PUT", "datacenter/dedicated/{id}/reboot", nil, signalDedicated("reboot")},
	{"dedicated-reinstall", "PUT", "datacenter/dedicated/{id}/reinstall", installation, (*world).reinstallDedicated},
	{"dedicated-console", "GET", "datacenter/dedicated/{id}/console", nil, (*world).dedicatedConsole},
	{"dedicated-status", "GET", "datacenter/dedicated/{id}/status", nil, (*world).dedicatedStatus},
	{"dedicated-config", "GET", "datacenter/dedicated/{id}/config", nil, (*world).dedicatedConfig},
	{"terminate", "POST", "datacenter/dedicated/{id}/terminate", nil, (*world).terminateDedicated},
	{"job", "GET", "job/{id}", nil, (*world).showJob},
	{"software-list", "GET", "software/list", nil, (*world).listSoftware},
	{"install", "POST", "software/install", softwareForm, (*world).installSoftware},
	{"uninstall", "POST", "software/uninstall", softwareForm, (*world).uninstallSoftware},
}

// mutating reports whether a call changes something: in HosterAPI, all but GET.
func (e *endpoint) mutating() bool { return e.method != http.MethodGet }

// destination is where a request goes.
type destination struct {
	*endpoint          // nil if the path or the method is wrong
	id        string   // the value of {id}
	allowed   []string // the right methods, if only the method is wrong
}

func route(method, path string) destination {
	rest, ok := strings.CutPrefix(path, root)
	if !ok {
		return destination{}
	}
	var allowed []string
	for i := range endpoints {
		e := &endpoints[i]
		id, ok := match(e.path, rest)
		if !ok {
			continue
		}
		if e.method == method {
			return destination{endpoint: e, id: id}
		}
		allowed = append(allowed, e.method)
	}
	return destination{allowed: allowed}
}

func match(pattern, path string) (id string, ok bool) {
	before, after, found := strings.Cut(pattern, "{id}")
	if !found {
		return "", pattern == path
	}
	if id, ok = strings.CutPrefix(path, before); !ok {
		return "", false
	}
	if id, ok = strings.CutSuffix(id, after); !ok {
		return "", false
	}
	return id, id != "" && !strings.Contains(id, "/")
}

// request is what a handler is told, and how it says that a success is a lie.
type request struct {
	now   time.Time
	id    string // as it stood in the path
	args  map[string]any
	fault string // the fault that this call was met by, or ""

	ineffective bool
}

func (r *request) has(name string) bool    { _, ok := r.args[name]; return ok }
func (r *request) text(name string) string { s, _ := r.args[name].(string); return s }
func (r *request) num(name string) int     { n, _ := r.args[name].(int); return n }
func (r *request) flag(name string) bool   { b, _ := r.args[name].(bool); return b }

// serve checks the body against the documented parameters and runs the handler.
func (e *endpoint) serve(w *world, r *request, body []byte) (any, error) {
	var err error
	if r.args, err = e.parse(body); err != nil {
		return nil, err
	}
	return e.run(w, r)
}

func (e *endpoint) parse(body []byte) (map[string]any, error) {
	raw := map[string]any{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &raw); err != nil {
			return nil, framework(http.StatusUnprocessableEntity, "The body is not a JSON object.")
		}
	}
	args := map[string]any{}
	for _, p := range e.params {
		v := raw[p.name]
		if v == nil || v == "" {
			if p.required {
				return nil, refuse(http.StatusBadRequest, "0xb1: Missing required parameter %s", p.name)
			}
			continue
		}
		if v = p.convert(v); v == nil {
			return nil, invalid(p.name, "The %s must be of type %s.", p.name, p.kind)
		}
		args[p.name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !slices.ContainsFunc(e.params, func(p param) bool { return p.name == name }) {
			return nil, invalid(name, "The %s is not a parameter of this call.", name)
		}
	}
	return args, nil
}

// convert returns v in p's Go type, or nil if it has another type. It is as
// strict as the documentation: a number in quotes is no number.
func (p param) convert(v any) any {
	switch v := v.(type) {
	case string:
		if p.kind == "string" {
			return v
		}
	case bool:
		if p.kind == "boolean" {
			return v
		}
	case float64:
		if p.kind == "integer" && v == math.Trunc(v) && math.Abs(v) <= 1<<53 {
			return int(v)
		}
	}
	return nil
}
