package hostersim_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/commands/hoster/hostersim"
)

type (
	started struct {
		Status   string
		JobID    int
		Progress float64
	}
	progress struct {
		Status   string
		Progress float64
		Output   any
	}
	status struct {
		CPU, Mem, MemFree, NetIn, NetOut, Uptime float64
		State                                    string
	}
	config struct {
		CPUCores, Mem int
		Disk          string
		IPs           []string
		Template      string
	}
)

const newVM = `{"template":"Debian12.0","cpuCores":2,"mem":4096,"disk":"20G","ipCount":2}`

func (p *provider) job(id int) progress {
	return result[progress](p, "GET", fmt.Sprintf("/api/v1/job/%d", id), "")
}

func (p *provider) status(id int) status {
	return result[status](p, "GET", fmt.Sprintf("%s/%d/status", server, id), "")
}

func (p *provider) config(id int) config {
	return result[config](p, "GET", fmt.Sprintf("%s/%d/config", server, id), "")
}

func (p *provider) accepts(method, path, body string) {
	p.tb.Helper()
	require.True(p.tb, result[bool](p, method, path, body))
}

func TestDemoWorld(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.Equal(t, []int{4001, 4002, 4003, 4007, 4009}, result[[]int](p, "GET", server, ""))
	require.Equal(t, config{2, 2048, "100G", []string{"203.0.113.5", "2001:db8:0:4001::1"}, "Debian12.0"}, p.config(4001))
	for id, state := range map[int]string{4001: "running", 4002: "running", 4003: "running", 4007: "halted", 4009: "halted"} {
		require.Equal(t, state, p.status(id).State, id)
	}
	for id, ages := range map[int][]int64{4001: {3, 27, 51}, 4002: {20, 44}, 4003: {}, 4009: {9 * 24}} {
		times := result[[]int64](p, "GET", fmt.Sprintf("%s/%d/backups/list", server, id), "")
		for i := range times {
			times[i] = (born - times[i]) / 3600
		}
		require.Equal(t, ages, times, "newest first, in hours")
	}
	require.Contains(t, p.call("GET", server+"/4002/incidents", "").body, `"stop":"2026-03-02 09:00:00","host":"203.0.113.6","direction":1,"impact":412330112,"types":["NTP Amplification","DNS Amplification"],"ongoing":1`)
	require.Equal(t, `{"result":[{"id":7,"orderComplete":true}]}`, p.call("GET", dedicated, "").body)
}

func TestCreateGoesThroughItsStates(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.Equal(t, started{"queued", 15, 0}, result[started](p, "POST", server, newVM))
	require.Equal(t, progress{"queued", 0, nil}, p.job(15))

	last := 0.0
	for range 12 {
		p.clock.skip(6 * time.Second)
		now := p.job(15)
		require.Equal(t, "executing", now.Status)
		require.GreaterOrEqual(t, now.Progress, last)
		require.Less(t, now.Progress, 1.0)
		require.NotContains(t, result[[]int](p, "GET", server, ""), 4004)
		last = now.Progress
	}
	require.Greater(t, last, 0.6)
	require.Empty(t, p.Secrets())

	p.clock.skip(40 * time.Second)
	require.Equal(t, config{2, 4096, "20G", []string{"198.51.100.1", "198.51.100.2", "2001:db8::c633:6401"}, "Debian12.0"}, p.config(4004))
	require.Equal(t, "running", p.status(4004).State)
	done := p.job(15)
	require.Equal(t, "finished", done.Status)
	require.Equal(t, 1.0, done.Progress)
	output := done.Output.(map[string]any)
	require.Equal(t, 4004.0, output["vmid"])
	require.Equal(t, "root", output["user"])
	require.Equal(t, []string{output["password"].(string)}, p.Secrets())
}

func TestSpeed(t *testing.T) {
	p := start(t, hostersim.Options{Speed: 10})
	p.call("POST", server, newVM)
	p.clock.skip(10 * time.Second)
	require.Equal(t, "finished", p.job(15).Status)
}

func TestCreateOverTheLimitsFails(t *testing.T) {
	for _, body := range []string{
		`{"template":"Debian12.0","cpuCores":33,"mem":1024,"disk":"10G","ipCount":1}`,
		`{"template":"Debian12.0","cpuCores":1,"mem":131073,"disk":"10G","ipCount":1}`,
		`{"template":"Debian12.0","cpuCores":1,"mem":1024,"disk":"10G","ipCount":17}`,
	} {
		p := start(t, hostersim.Options{})
		p.call("POST", server, body)
		p.clock.skip(time.Hour)
		require.Equal(t, progress{"failed", 0.33, "0xb0: Requested resources exceed administrative limits"}, p.job(15))
		require.Len(t, result[[]int](p, "GET", server, ""), 5)
	}
}

func TestNumbersAreReusedAndAddressesAreNot(t *testing.T) {
	p := start(t, hostersim.Options{})
	before := p.config(4001).IPs
	p.accepts("POST", server+"/4001/delete", `{"force":true}`)
	p.refuses("GET", server+"/4001/status", "", 404, code("0x01: no vm with id 4001 found"))
	p.call("POST", server, newVM)
	p.clock.skip(2 * time.Minute)
	for _, ip := range p.config(4001).IPs {
		require.NotContains(t, before, ip)
	}
}

func TestAddressesRunOut(t *testing.T) {
	p := start(t, hostersim.Options{})
	for range 33 {
		p.call("POST", server, strings.Replace(newVM, `"ipCount":2`, `"ipCount":16`, 1))
	}
	p.clock.skip(2 * time.Minute)
	failed, seen := 0, map[string]bool{}
	for id := 15; id < 48; id++ {
		if p.job(id).Status == "failed" {
			failed++
		}
	}
	require.Equal(t, 2, failed, "508 addresses, 5 of them taken, are enough for 31 times 16")
	for _, id := range result[[]int](p, "GET", server, "") {
		for _, ip := range p.config(id).IPs {
			require.False(t, seen[ip], ip)
			seen[ip] = true
		}
	}
	require.Equal(t, 400, p.call("PUT", server+"/4001/change", `{"ipCount":16}`).status)
}

func TestChange(t *testing.T) {
	p := start(t, hostersim.Options{})
	p.accepts("PUT", server+"/4001/change", `{"cpuCores":8,"disk":"150G"}`)
	c := p.config(4001)
	require.Equal(t, []any{8, 2048, "150G"}, []any{c.CPUCores, c.Mem, c.Disk})
	p.accepts("PUT", server+"/4001/change", `{"ipCount":3}`)
	require.Equal(t, []string{"203.0.113.5", "198.51.100.1", "198.51.100.2", "2001:db8:0:4001::1"}, p.config(4001).IPs)
	p.accepts("PUT", server+"/4001/change", `{"ipCount":1}`)
	require.Len(t, p.config(4001).IPs, 4, "fewer addresses are silently ignored")
}

func TestPower(t *testing.T) {
	const up, down = "running", "halted"
	tests := []struct {
		name, before string // the state of the VM before
		signals      []string
		after        time.Duration
		state        string
	}{
		{"a shutdown takes a while", up, []string{"shutdown"}, 7 * time.Second, up},
		{"a shutdown halts in the end", up, []string{"shutdown"}, 8 * time.Second, down},
		{"a second shutdown changes nothing", up, []string{"shutdown", "shutdown"}, 8 * time.Second, down},
		{"a stop is at once", up, []string{"stop"}, 0, down},
		{"a stop overtakes a shutdown", up, []string{"shutdown", "stop", "start"}, 9 * time.Second, up},
		{"a reboot overtakes a shutdown", up, []string{"shutdown", "reboot"}, 9 * time.Second, up},
		{"a start takes a while", down, []string{"start"}, 2 * time.Second, down},
		{"a start runs in the end", down, []string{"start"}, 3 * time.Second, up},
		{"a stop overtakes a start", down, []string{"start", "stop"}, time.Minute, down},
		{"a reboot keeps it running", up, []string{"reboot"}, 0, up},
		{"a reset keeps it running", up, []string{"reboot/force"}, 0, up},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, id := start(t, hostersim.Options{}), 4001
			if tt.before == down {
				id = 4007
			}
			for _, s := range tt.signals {
				p.accepts("PUT", fmt.Sprintf("%s/%d/%s", server, id, s), "")
			}
			p.clock.skip(tt.after)
			require.Equal(t, tt.state, p.status(id).State)
		})
	}
}

func TestUptimeAndFigures(t *testing.T) {
	p := start(t, hostersim.Options{})
	before := p.status(4001)
	require.Equal(t, (12*24+4)*3600.0, before.Uptime)
	require.InDelta(t, 2048<<20, before.Mem+before.MemFree, 70<<20)
	p.clock.skip(time.Minute)
	after := p.status(4001)
	require.Equal(t, before.Uptime+60, after.Uptime)
	require.NotEqual(t, before.CPU, after.CPU)
	require.Greater(t, after.NetIn, before.NetIn)
	require.Equal(t, after, p.status(4001), "the same at the same time")

	p.accepts("PUT", server+"/4001/reboot", "")
	require.Zero(t, p.status(4001).Uptime)
	p.clock.skip(30 * time.Second)
	require.Equal(t, 27.0, p.status(4001).Uptime, "shorter than the time since the reboot")

	halted := p.status(4007)
	require.Equal(t, status{MemFree: halted.MemFree, State: "halted"}, halted)
}

func TestReinstall(t *testing.T) {
	p := start(t, hostersim.Options{})
	result[started](p, "PUT", server+"/4001/reinstall", `{"template":"Ubuntu22.04"}`)
	require.Equal(t, "Debian12.0", p.config(4001).Template)
	p.clock.skip(70 * time.Second)
	require.Equal(t, "Ubuntu22.04", p.config(4001).Template)
	require.Less(t, p.status(4001).Uptime, 20.0)

	result[started](p, "PUT", server+"/4001/reinstall", "")
	p.accepts("POST", server+"/4001/delete", `{"force":true}`)
	p.clock.skip(70 * time.Second)
	require.Equal(t, progress{"failed", 0.95, "0x01: no vm with id 4001 found"}, p.job(16))
}

func TestBackupAndRestore(t *testing.T) {
	p := start(t, hostersim.Options{})
	path := server + "/4003/backups/"
	at := func() progress { return result[progress](p, "GET", path+"status", "") }
	require.Equal(t, progress{Status: "none"}, at())

	p.accepts("PUT", path+"create", "")
	p.accepts("PUT", path+"create", "")
	require.Equal(t, progress{Status: "pending"}, at())
	p.clock.skip(20 * time.Second)
	require.Equal(t, progress{Status: "pending", Progress: 0.4}, at())
	require.Empty(t, result[[]int64](p, "GET", path+"list", ""))
	p.clock.skip(25 * time.Second)
	require.Equal(t, progress{Status: "finished", Progress: 1}, at())
	require.Equal(t, []int64{born + 1, born}, result[[]int64](p, "GET", path+"list", ""), "no two of the same time")

	result[started](p, "PUT", server+"/4003/reinstall", `{"template":"CentOS7.9"}`)
	p.clock.skip(70 * time.Second)
	p.accepts("PUT", server+"/4003/stop", "")
	require.Equal(t, "pending", result[string](p, "POST", path+"restore", fmt.Sprintf(`{"backup":%d}`, born)))
	require.Equal(t, progress{Status: "pending"}, at())
	p.clock.skip(time.Minute)
	require.Equal(t, progress{Status: "restoring", Progress: 0.5}, at())
	require.Equal(t, "halted", p.status(4003).State)
	p.clock.skip(time.Minute)
	require.Equal(t, progress{Status: "finished", Progress: 1}, at())
	require.Equal(t, "running", p.status(4003).State)
	require.Equal(t, "Debian11.0", p.config(4003).Template, "what was installed at the time")
}

func TestOrder(t *testing.T) {
	const order = `{"id":84,"template":"Debian Buster","ipCount":"2"}`
	p := start(t, hostersim.Options{})
	p.accepts("POST", dedicated+"/order", order)
	require.NotContains(t, p.call("GET", dedicated+"/market", "").body, `"id":84`)
	p.refuses("POST", dedicated+"/order", order, 404, code("0x01: no vm with id 84 found"))
	require.Equal(t, `{"result":[{"id":7,"orderComplete":true}]}`, p.call("GET", dedicated, "").body)

	p.clock.skip(30 * time.Second)
	require.Equal(t, `{"result":[{"id":7,"orderComplete":true},{"id":84,"orderComplete":false}]}`, p.call("GET", dedicated, "").body)
	p.refuses("GET", dedicated+"/84/status", "", 404, code("0x01: no vm with id 84 found"))

	p.clock.skip(150 * time.Second)
	require.Equal(t, `{"result":[{"id":7,"orderComplete":true},{"id":84,"orderComplete":true}]}`, p.call("GET", dedicated, "").body)
	require.Equal(t, `{"result":{"state":"running"}}`, p.call("GET", dedicated+"/84/status", "").body)
	require.Contains(t, p.call("GET", dedicated+"/84/config", "").body, `"ips":["192.0.2.1","192.0.2.2"],"template":"Debian Buster"`)

	p.accepts("POST", dedicated+"/84/terminate", "")
	require.Equal(t, `{"result":[{"id":7,"orderComplete":true}]}`, p.call("GET", dedicated, "").body)
	require.NotContains(t, p.call("GET", dedicated+"/market", "").body, `"id":84`)
}

func TestDedicatedReinstall(t *testing.T) {
	p := start(t, hostersim.Options{})
	before := p.call("GET", dedicated+"/7/config", "").body
	p.accepts("PUT", dedicated+"/7/reinstall", `{"template":"[COPY] Debian 10 Buster - Software RAID (DE) Test"}`)
	require.Equal(t, `{"result":{"state":"halted"}}`, p.call("GET", dedicated+"/7/status", "").body)
	require.Equal(t, before, p.call("GET", dedicated+"/7/config", "").body)
	p.clock.skip(time.Minute)
	require.Equal(t, `{"result":{"state":"running"}}`, p.call("GET", dedicated+"/7/status", "").body)
	require.Contains(t, p.call("GET", dedicated+"/7/config", "").body, "[COPY]")
	require.Len(t, p.Secrets(), 4, "the passwords are new")
}

func TestSoftware(t *testing.T) {
	p := start(t, hostersim.Options{})
	for i, target := range []string{"4001", "7", "203.0.113.5", "2001:db8:0:4001::1", "192.0.2.7"} {
		body := fmt.Sprintf(`{"sid|ip":%q,"package":"ts3","password":"testing123"}`, target)
		require.Equal(t, 15+i, result[started](p, "POST", "/api/v1/software/install", body).JobID, target)
	}
	p.accepts("POST", dedicated+"/7/terminate", "")
	p.clock.skip(time.Minute)
	require.Equal(t, progress{"finished", 1, nil}, p.job(15))
	require.Equal(t, progress{"failed", 0.95, "0x01: no vm with id 7 found"}, p.job(16))
	require.NotContains(t, p.Secrets(), "testing123", "it did not give that one out")
}

func TestRDNS(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.Empty(t, p.RDNS("203.0.113.5"))
	p.accepts("POST", server+"/4001/rdns", `{"ip":"203.0.113.5","hostname":"web-1.example.com"}`)
	require.Equal(t, "web-1.example.com", p.RDNS("203.0.113.5"))
	p.accepts("POST", server+"/4001/delete", `{"force":true}`)
	require.Empty(t, p.RDNS("203.0.113.5"))
}

// TestSecretsHasAll compares what was given out with what was said.
func TestSecretsHasAll(t *testing.T) {
	p := start(t, hostersim.Options{})
	reset := result[struct{ Password string }](p, "PUT", server+"/4001/password/reset", "").Password
	again := result[struct{ Password string }](p, "PUT", server+"/4001/password/reset", "").Password
	require.NotEqual(t, reset, again)
	ssh := result[struct {
		SSH struct{ Root, User struct{ Password string } }
	}](p, "GET", dedicated+"/7/config", "").SSH
	require.Subset(t, p.Secrets(), []string{reset, again, ssh.Root.Password, ssh.User.Password})

	for _, path := range []string{server + "/4001/console", dedicated + "/7/console"} {
		console := result[string](p, "GET", path, "")
		raw := strings.TrimPrefix(strings.Split(console, "&")[1], "password=")
		require.Regexp(t, `^PVEVNC:[0-9A-F]{8}::\S+=$`, raw)
		require.Contains(t, p.Secrets(), raw)
		u, err := url.Parse(console)
		require.NoError(t, err)
		inner, err := url.Parse(u.Query().Get("path"))
		require.NoError(t, err)
		require.Equal(t, raw, inner.Query().Get("vncticket"))
	}
	count := len(p.Secrets())
	p.call("GET", dedicated+"/7/config", "")
	require.Len(t, p.Secrets(), count, "each is listed once")

	require.NoError(t, p.Fault("password", "answer-lost"))
	require.Error(t, p.call("PUT", server+"/4001/password/reset", "").err)
	require.Len(t, p.Secrets(), count+1, "also one that nobody received")
}
