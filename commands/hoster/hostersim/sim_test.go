package hostersim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/commands/hoster/hostersim"
)

const (
	token     = "1|qpVodrZ3edt0DV4Q81dxQekT"
	server    = "/api/v1/datacenter/server"
	dedicated = "/api/v1/datacenter/dedicated"
)

// fakeClock moves only when it is told to, and when somebody sleeps by it.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.skip(d)
	return ctx.Err()
}

func (c *fakeClock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// provider is a simulator behind a real HTTP server, as a client meets it.
type provider struct {
	*hostersim.Sim
	tb     testing.TB
	clock  *fakeClock
	url    string
	client *http.Client
	token  string
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the request, or of reading the body
}

func start(tb testing.TB, o hostersim.Options) *provider {
	tb.Helper()
	clock := &fakeClock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	o.Clock = clock
	sim := hostersim.New(o)
	srv := httptest.NewServer(sim)
	tb.Cleanup(srv.Close)
	return &provider{Sim: sim, tb: tb, clock: clock, url: srv.URL, token: token, client: &http.Client{
		// A kept connection would make the client repeat reads by itself.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p *provider) call(method, path, body string) answer {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	require.NoError(p.tb, err)
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

// result makes a call that must succeed and decodes its result into a T.
func result[T any](p *provider, method, path, body string) T {
	p.tb.Helper()
	a := p.call(method, path, body)
	require.NoError(p.tb, a.err)
	require.Equal(p.tb, http.StatusOK, a.status, a.body)
	var envelope struct{ Result T }
	require.NoError(p.tb, json.Unmarshal([]byte(a.body), &envelope), a.body)
	return envelope.Result
}

func (p *provider) refuses(method, path, body string, status int, want string) {
	p.tb.Helper()
	a := p.call(method, path, body)
	require.NoError(p.tb, a.err)
	require.Equal(p.tb, status, a.status, a.body)
	require.JSONEq(p.tb, want, a.body)
}

func (p *provider) last() hostersim.Call {
	calls := p.Calls()
	return calls[len(calls)-1]
}

func code(text string) string { return fmt.Sprintf(`{"result":false,"error":%q}`, text) }

func TestToken(t *testing.T) {
	tests := []struct {
		name, accepted, sent string
		status               int
	}{
		{"the right one is accepted", token, token, 200},
		{"another one is refused", token, "2|other", 401},
		{"none is refused", token, "", 401},
		{"any will do where none is asked for", "", "anything", 200},
		{"none is refused even then", "", "", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, hostersim.Options{Token: tt.accepted})
			p.token = tt.sent
			a := p.call("GET", server, "")
			require.Equal(t, tt.status, a.status)
			if tt.status == 401 {
				require.JSONEq(t, code("0x03: unauthorized"), a.body)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const create = `{"template":"Debian12.0","cpuCores":1,"mem":1024,"disk":"10G","ipCount":1}`
	with := func(old, new string) string { return strings.Replace(create, old, new, 1) }
	invalid := func(field, text string) string {
		return fmt.Sprintf(`{"message":"The given data was invalid.","errors":{%q:[%q]}}`, field, text)
	}
	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"unknown path", "GET", "/api/v1/datacenter/nothing", "", 404, `{"message":"The route api/v1/datacenter/nothing could not be found."}`},
		{"path outside of the API", "GET", "/", "", 404, `{"message":"The route  could not be found."}`},
		{"wrong method", "DELETE", server, "", 405, `{"message":"The DELETE method is not supported for this route."}`},
		{"unknown VM", "GET", server + "/4010/status", "", 404, code("0x01: no vm with id 4010 found")},
		{"number that is none", "GET", server + "/eligendi/config", "", 404, code("0x01: no vm with id eligendi found")},
		{"unknown dedicated server", "PUT", dedicated + "/8/reboot", "", 404, code("0x01: no vm with id 8 found")},
		{"unknown job", "GET", "/api/v1/job/15", "", 404, code("0xc1: job not found")},
		{"missing parameter", "POST", server, with(`"template":"Debian12.0",`, ""), 400, code("0xb1: Missing required parameter template")},
		{"empty parameter", "POST", server, with("Debian12.0", ""), 400, code("0xb1: Missing required parameter template")},
		{"missing body", "POST", server + "/4001/rdns", "", 400, code("0xb1: Missing required parameter ip")},
		{"no JSON", "POST", server, "cpuCores=1", 422, `{"message":"The body is not a JSON object."}`},
		{"number in quotes", "POST", server, with(`"cpuCores":1`, `"cpuCores":"1"`), 422, invalid("cpuCores", "The cpuCores must be of type integer.")},
		{"fraction", "POST", server, with(`"mem":1024`, `"mem":1024.5`), 422, invalid("mem", "The mem must be of type integer.")},
		{"no cores", "POST", server, with(`"cpuCores":1`, `"cpuCores":0`), 422, invalid("cpuCores", "The cpuCores must be at least 1.")},
		{"disk without a unit", "POST", server, with("10G", "10"), 422, invalid("disk", "The disk format is invalid.")},
		{"parameter that is not documented", "POST", server, with("}", `,"name":"web"}`), 422, invalid("name", "The name is not a parameter of this call.")},
		{"unknown template", "POST", server, with("Debian12.0", "Debian99"), 404, code("0x01: no template with name Debian99 found")},
		{"smaller disk", "PUT", server + "/4001/change", `{"disk":"99G"}`, 400, code("0xb1: disk can not be smaller than 100G")},
		{"change over the limits", "PUT", server + "/4001/change", `{"cpuCores":33}`, 400, code("0xb0: Requested resources exceed administrative limits")},
		{"running VM deleted without force", "POST", server + "/4001/delete", "", 400, code("0xa1: vm is running")},
		{"running VM started", "PUT", server + "/4001/start", "", 500, code("0xa1: failed to send start signal to vm")},
		{"halted VM stopped", "PUT", server + "/4007/stop", "", 500, code("0xa1: failed to send stop signal to vm")},
		{"rDNS of an IPv6 address", "POST", server + "/4001/rdns", `{"ip":"2001:db8:0:4001::1","hostname":"a.example.com"}`, 422, invalid("ip", "The ip must be a valid IPv4 address.")},
		{"rDNS of another VM's address", "POST", server + "/4001/rdns", `{"ip":"203.0.113.6","hostname":"a.example.com"}`, 404, code("0x01: no ip 203.0.113.6 found on vm 4001")},
		{"rDNS with a bare name", "POST", server + "/4001/rdns", `{"ip":"203.0.113.5","hostname":"a"}`, 422, invalid("hostname", "The hostname must be a fully qualified domain name.")},
		{"restore of nothing", "POST", server + "/4001/backups/restore", "{}", 400, code("0xa5: no target backup defined")},
		{"restore of an unknown backup", "POST", server + "/4001/backups/restore", `{"backup":1}`, 400, code("0xa5: no target backup defined")},
		{"order that is not on the market", "POST", dedicated + "/order", `{"id":7,"template":"Debian Buster"}`, 404, code("0x01: no vm with id 7 found")},
		{"order with a number of addresses", "POST", dedicated + "/order", `{"id":9,"template":"Debian Buster","ipCount":2}`, 422, invalid("ipCount", "The ipCount must be of type string.")},
		{"dedicated template with a VM's name", "PUT", dedicated + "/7/reinstall", `{"template":"Debian12.0"}`, 404, code("0x01: no template with name Debian12.0 found")},
		{"software for a stranger", "POST", "/api/v1/software/install", `{"sid|ip":"192.0.2.99","package":"ts3","password":"x"}`, 404, code("0x01: no vm with id 192.0.2.99 found")},
		{"software without a password", "POST", "/api/v1/software/install", `{"sid|ip":"4001","package":"ts3"}`, 400, code("0xb1: Missing required parameter password")},
		{"unknown software", "POST", "/api/v1/software/uninstall", `{"sid|ip":"4001","package":"doom","password":"x"}`, 404, code("0x01: no package with name doom found")},
		{"port out of range", "POST", "/api/v1/software/install", `{"sid|ip":"4001","package":"ts3","password":"x","port":65536}`, 422, invalid("port", "The port must be between 1 and 65535.")},
		{"body of more than 1 MiB", "POST", server, `{"template":"` + strings.Repeat("x", 1<<20) + `"}`, 413, `{"message":"The payload is too large."}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, hostersim.Options{Token: token})
			p.refuses(tt.method, tt.path, tt.body, tt.status, tt.want)
			require.Equal(t, tt.status, p.last().Status)
			require.False(t, p.last().Done)
		})
	}
}

func TestDown(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.NoError(t, p.Fault("list", "html-502"))
	p.SetDown(true)
	require.Error(t, p.call("GET", server, "").err)
	require.Equal(t, 0, p.last().Status)
	p.SetDown(false)
	require.Equal(t, 502, p.call("GET", server, "").status, "the fault is still armed")
	require.Equal(t, 200, p.call("GET", server, "").status)
}

func TestEmptyWorld(t *testing.T) {
	p := start(t, hostersim.Options{Empty: true})
	require.Equal(t, `{"result":[]}`, p.call("GET", server, "").body)
	require.Equal(t, `{"result":[]}`, p.call("GET", dedicated, "").body)
	require.Len(t, result[[]any](p, "GET", dedicated+"/market", ""), 5)
}

// TestSameSeedSameBytes plays one story twice by one seed and once by another.
func TestSameSeedSameBytes(t *testing.T) {
	story := func(seed uint64) (said []string) {
		p := start(t, hostersim.Options{Seed: seed})
		for _, r := range requests {
			said = append(said, p.call(r.method, r.path, r.body).body)
			p.clock.skip(40 * time.Second)
		}
		return append(said, p.Secrets()...)
	}
	require.Equal(t, story(1), story(1))
	require.NotEqual(t, story(1), story(2))
}

func TestRecordOfCallsIsBounded(t *testing.T) {
	sim := hostersim.New(hostersim.Options{})
	r := httptest.NewRequest("GET", "/", nil)
	rw := httptest.NewRecorder()
	for range 100_000 {
		sim.ServeHTTP(rw, r)
		rw.Body.Reset()
	}
	require.Len(t, sim.Calls(), 100_000)
	sim.ServeHTTP(rw, httptest.NewRequest("GET", "/newest", nil))
	calls := sim.Calls()
	require.Len(t, calls, 90_001)
	require.Equal(t, "/newest", calls[90_000].Path)
}

// FuzzBody: whatever is sent, the answer is JSON with a known status.
func FuzzBody(f *testing.F) {
	for i, r := range requests {
		f.Add(i, r.body)
	}
	f.Add(0, `{"template":{},"cpuCores":1e300,"mem":null}`)
	sim := hostersim.New(hostersim.Options{Speed: 1e9})
	f.Fuzz(func(t *testing.T, i int, body string) {
		row := requests[uint(i)%uint(len(requests))]
		r := httptest.NewRequest(row.method, row.path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer x")
		rw := httptest.NewRecorder()
		sim.ServeHTTP(rw, r)
		require.Contains(t, []int{200, 400, 404, 413, 422, 500}, rw.Code)
		require.True(t, json.Valid(rw.Body.Bytes()), rw.Body)
	})
}

// TestConcurrentCalls is for the race detector; the counts catch lost calls.
func TestConcurrentCalls(t *testing.T) {
	p := start(t, hostersim.Options{Speed: 1000})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, r := range requests {
				p.call(r.method, r.path, r.body)
				_ = p.Fault("any-write", "slow")
				p.clock.skip(time.Second)
				p.Calls()
				p.Secrets()
			}
		})
	}
	wg.Wait()
	calls := p.Calls()
	require.Len(t, calls, 4*len(requests))
	for _, c := range calls {
		require.NotZero(t, c.Status, c.Path)
	}
}
