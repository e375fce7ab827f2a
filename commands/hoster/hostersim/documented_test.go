package hostersim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/commands/hoster/hostersim"
)

// requests has a good call for every kind, in an order in which all succeed:
// job 15 is created first, and what destroys comes last.
var requests = []struct{ kind, method, path, body string }{
	{"create", "POST", server, `{"template":"Debian10.0","cpuCores":4,"mem":2048,"disk":"10G","ipCount":2}`},
	{"list", "GET", server, ""},
	{"status", "GET", server + "/4001/status", ""},
	{"config", "GET", server + "/4001/config", ""},
	{"incidents", "GET", server + "/4002/incidents", ""},
	{"console", "GET", server + "/4001/console", ""},
	{"templates", "GET", "/api/v1/datacenter/templates", ""},
	{"job", "GET", "/api/v1/job/15", ""},
	{"change", "PUT", server + "/4001/change", `{"cpuCores":4,"mem":4096,"disk":"120G","ipCount":2}`},
	{"start", "PUT", server + "/4007/start", ""},
	{"shutdown", "PUT", server + "/4003/shutdown", ""},
	{"reboot", "PUT", server + "/4002/reboot", ""},
	{"reset", "PUT", server + "/4002/reboot/force", ""},
	{"stop", "PUT", server + "/4002/stop", ""},
	{"reinstall", "PUT", server + "/4001/reinstall", `{"template":"Debian10.0"}`},
	{"password", "PUT", server + "/4001/password/reset", ""},
	{"rdns", "POST", server + "/4001/rdns", `{"ip":"203.0.113.5","hostname":"web-1.example.com"}`},
	{"backup-create", "PUT", server + "/4001/backups/create", ""},
	{"backup-list", "GET", server + "/4001/backups/list", ""},
	{"backup-status", "GET", server + "/4001/backups/status", ""},
	{"restore", "POST", server + "/4001/backups/restore", fmt.Sprintf(`{"backup":%d}`, born-3*60*60)},
	{"market", "GET", dedicated + "/market", ""},
	{"order", "POST", dedicated + "/order", `{"id":9,"template":"Debian Buster","ipCount":"2","hostname":"myserver.example.com"}`},
	{"dedicated-templates", "GET", dedicated + "/templates", ""},
	{"dedicated-list", "GET", dedicated, ""},
	{"dedicated-status", "GET", dedicated + "/7/status", ""},
	{"dedicated-config", "GET", dedicated + "/7/config", ""},
	{"dedicated-console", "GET", dedicated + "/7/console", ""},
	{"dedicated-reboot", "PUT", dedicated + "/7/reboot", ""},
	{"dedicated-shutdown", "PUT", dedicated + "/7/shutdown", ""},
	{"dedicated-start", "PUT", dedicated + "/7/start", ""},
	{"dedicated-reinstall", "PUT", dedicated + "/7/reinstall", `{"template":"Debian Buster","hostname":"myserver.example.com"}`},
	{"software-list", "GET", "/api/v1/software/list", ""},
	{"install", "POST", "/api/v1/software/install", `{"sid|ip":"4001","package":"ts3","password":"testing123","port":22}`},
	{"uninstall", "POST", "/api/v1/software/uninstall", `{"sid|ip":"203.0.113.5","package":"ts3","password":"testing123"}`},
	{"delete", "POST", server + "/4009/delete", `{"force":true}`},
	{"terminate", "POST", dedicated + "/7/terminate", ""},
}

// born is when start's clock begins.
var born = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Unix()

type documented struct {
	Method, Path     string
	ExampleResponses []struct {
		Status int
		Body   any
	}
}

func documentation(tb testing.TB) []documented {
	raw, err := os.ReadFile("testdata/examples.json")
	require.NoError(tb, err)
	var all []documented
	require.NoError(tb, json.Unmarshal(raw, &all))
	require.Len(tb, all, 37)
	return all
}

var number = regexp.MustCompile(`/\d+(/|$)`)

func find(tb testing.TB, all []documented, method, path string) documented {
	for _, d := range all {
		pattern := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(d.Path, "1")
		if d.Method == method && pattern == number.ReplaceAllString(path, "/1$1") {
			return d
		}
	}
	require.FailNow(tb, "not documented", "%s %s", method, path)
	return documented{}
}

func TestEveryEndpointIsTried(t *testing.T) {
	tried := []string{"any", "any-write"}
	for _, r := range requests {
		tried = append(tried, r.kind)
	}
	require.ElementsMatch(t, hostersim.Kinds(), tried)
	require.Len(t, requests, 37)
	require.True(t, slices.IsSorted(hostersim.Kinds()))
}

func TestSuccessesHaveTheDocumentedShape(t *testing.T) {
	all := documentation(t)
	p := start(t, hostersim.Options{Token: token})
	for _, r := range requests {
		a := p.call(r.method, r.path, r.body)
		require.NoError(t, a.err)
		require.Equal(t, 200, a.status, "%s: %s", r.kind, a.body)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		call := p.last()
		require.Equal(t, r.kind, call.Kind)
		require.Equal(t, r.method != "GET", call.Mutating)
		require.True(t, call.Done, r.kind)
		p.clock.skip(10 * time.Second)
		if r.kind != "change" && r.kind != "software-list" { // these have no documented success
			requireShape(t, find(t, all, r.method, r.path), a.body)
		}
	}
	p.clock.skip(time.Hour)
	for _, id := range []string{"15", "16", "17"} {
		a := p.call("GET", "/api/v1/job/"+id, "")
		require.Contains(t, a.body, `"status":"finished"`)
		if id != "17" { // software has no output
			requireShape(t, find(t, all, "GET", "/api/v1/job/"+id), a.body)
		}
	}
}

func TestRefusalsAreTheDocumentedOnes(t *testing.T) {
	all := documentation(t)
	p := start(t, hostersim.Options{Token: token})
	for _, r := range requests {
		for _, e := range find(t, all, r.method, r.path).ExampleResponses {
			path, body, good := r.path, r.body, p.token
			want, err := json.Marshal(e.Body)
			require.NoError(t, err)
			switch {
			case e.Status == 401:
				p.token = "wrong"
			case e.Status == 404:
				path = number.ReplaceAllString(path, "/4010$1")
				body = strings.NewReplacer(`"id":9`, `"id":4010`, `:"4001"`, `:"4010"`, `:"203.0.113.5"`, `:"4010"`).Replace(body)
				want = []byte(strings.Replace(string(want), "id 4001", "id 4010", 1))
			case e.Status == 500:
				fault := "a1-before"
				if strings.Contains(string(want), "0xa3") {
					fault = "500-before"
				}
				require.NoError(t, p.Fault(r.kind, fault))
				signal := strings.TrimPrefix(r.kind, "dedicated-")
				want = []byte(strings.Replace(string(want), "{signal}", signal, 1))
			default:
				continue
			}
			if r.kind == "software-list" && e.Status == 404 {
				continue // the call names no server that could be missing
			}
			p.refuses(r.method, path, body, e.Status, string(want))
			p.token = good
		}
	}
}

// requireShape fails unless got has the keys and JSON types of one of the
// documented successes; items of a list may each be like another documented one.
func requireShape(tb testing.TB, d documented, got string) {
	tb.Helper()
	var value any
	require.NoError(tb, json.Unmarshal([]byte(got), &value))
	var wanted []any
	for _, e := range d.ExampleResponses {
		if e.Status == 200 {
			wanted = append(wanted, e.Body)
		}
	}
	require.True(tb, like(value, wanted), "%s %s: %s is not like %v", d.Method, d.Path, got, wanted)
}

func like(got any, wanted []any) bool {
	return slices.ContainsFunc(wanted, func(want any) bool {
		switch want := want.(type) {
		case map[string]any:
			got, ok := got.(map[string]any)
			if !ok || !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
				return false
			}
			for k := range want {
				if !like(got[k], []any{want[k]}) {
					return false
				}
			}
			return true
		case []any:
			got, ok := got.([]any)
			return ok && !slices.ContainsFunc(got, func(item any) bool { return !like(item, want) })
		default:
			return fmt.Sprintf("%T", got) == fmt.Sprintf("%T", want)
		}
	})
}
