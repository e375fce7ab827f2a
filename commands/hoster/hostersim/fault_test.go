package hostersim_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/commands/hoster/hostersim"
)

// TestFaultsOfOneCall deletes VM 4009 under every fault that is over with the
// call; the others have tests of their own below.
func TestFaultsOfOneCall(t *testing.T) {
	const a1, timeout = "0xa1: failed to send delete signal to vm", "0xa3: timeout"
	tests := map[string]struct {
		status int    // 0: no answer
		body   string // part of the answer
		done   bool
		took   time.Duration
	}{
		"answer-lost":    {0, "", true, 0},
		"request-lost":   {0, "", false, 0},
		"500-before":     {500, timeout, false, 0},
		"500-after":      {500, timeout, true, 0},
		"a1-before":      {500, a1, false, 0},
		"a1-after":       {500, a1, true, 0},
		"hang-before":    {0, "", false, 120 * time.Second},
		"hang-after":     {0, "", true, 120 * time.Second},
		"html-502":       {502, "<h1>502 Bad Gateway</h1>", false, 0},
		"html-502-after": {502, "<h1>502 Bad Gateway</h1>", true, 0},
		"html-503":       {503, "<h1>503 Service Unavailable</h1>", false, 0},
		"429-once":       {429, `{"message":"Too Many Attempts."}`, false, 0},
		"redirect-307":   {307, "", false, 0},
		"unauthorized":   {401, `{"message":"Unauthenticated."}`, false, 0},
		"422":            {422, `"errors":{"template":[`, false, 0},
		"bare-404":       {404, `{"message":"Not Found"}`, false, 0},
		"unknown-code":   {200, `{"result":false,"error":"0xee: `, false, 0},
		"bare-no":        {200, `{"result":false,"error":""`, false, 0},
		"slow":           {200, `{"result":true}`, true, 5 * time.Second},
		"ignored":        {200, `{"result":true}`, false, 0},
		"wrong-shape":    {200, `{"result":{"status":"success"}}`, true, 0},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, hostersim.Options{})
			before := p.clock.Now()
			require.NoError(t, p.Fault("delete", name))
			a := p.call("POST", server+"/4009/delete", `{}`)
			require.Equal(t, want.status, a.status)
			require.Equal(t, want.status == 0, a.err != nil)
			require.Contains(t, a.body, want.body)
			require.Equal(t, want.took, p.clock.Now().Sub(before))
			require.Equal(t, hostersim.Call{
				Time: before, Kind: "delete", Method: "POST", Path: server + "/4009/delete",
				Mutating: true, Status: want.status, Done: want.done,
			}, p.last())
			require.Equal(t, !want.done, slices.Contains(result[[]int](p, "GET", server, ""), 4009))
			switch want.status {
			case 307:
				require.Equal(t, server+"/4009/delete", a.header.Get("Location"))
			case 429:
				require.Equal(t, "2", a.header.Get("Retry-After"))
			case 502, 503:
				require.Equal(t, "text/html", a.header.Get("Content-Type"))
			}
		})
	}

	elsewhere := []string{"429-twice", "half-document", "job-fails", "job-stalls", "job-lost", "order-silent", "order-slow", "recycle", "attack", "attack-over"}
	for name := range tests {
		elsewhere = append(elsewhere, name)
	}
	require.ElementsMatch(t, hostersim.Faults(), elsewhere, "every fault is tried")
	require.True(t, slices.IsSorted(hostersim.Faults()))
	for _, name := range hostersim.Faults() {
		require.NotEmpty(t, hostersim.FaultHelp(name))
	}
	require.Empty(t, hostersim.FaultHelp("nothing"))
}

// TestFaultsOfEveryKind makes every call under every fault that fits, and
// checks that the record tells the truth about the answer.
func TestFaultsOfEveryKind(t *testing.T) {
	for _, name := range hostersim.Faults() {
		p := start(t, hostersim.Options{})
		for _, r := range requests {
			if p.Fault(r.kind, name) != nil {
				continue
			}
			a := p.call(r.method, r.path, r.body)
			require.Equal(t, p.last().Status, a.status, "%s %s", r.kind, name)
			require.Equal(t, a.status == 0 || name == "half-document", a.err != nil, "%s %s", r.kind, name)
		}
	}
}

func TestHalfDocument(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.NoError(t, p.Fault("create", "half-document"))
	a := p.call("POST", server, newVM)
	require.ErrorContains(t, a.err, "unexpected EOF")
	require.Equal(t, 200, a.status)
	whole := `{"result":{"status":"queued","jobId":15,"progress":0}}`
	require.Equal(t, whole[:len(whole)/2], a.body)
	require.True(t, p.last().Done)
	require.Equal(t, "queued", p.job(15).Status)
}

func TestThrottledTwice(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.NoError(t, p.Fault("list", "429-twice"))
	for _, want := range []int{429, 429, 200} {
		require.Equal(t, want, p.call("GET", server, "").status)
	}
}

func TestFollowedRedirectIsASecondCall(t *testing.T) {
	p := start(t, hostersim.Options{})
	p.client.CheckRedirect = nil
	require.NoError(t, p.Fault("stop", "redirect-307"))
	require.Equal(t, 200, p.call("PUT", server+"/4001/stop", "").status)
	require.Len(t, p.Calls(), 2)
}

func TestFaultsOfJobs(t *testing.T) {
	const limits = "0xb0: Requested resources exceed administrative limits"
	tests := []struct {
		fault string
		want  progress
	}{
		{"job-fails", progress{"failed", 0.33, limits}},
		{"job-stalls", progress{"executing", 0.2, nil}},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			p := start(t, hostersim.Options{})
			require.NoError(t, p.Fault("create", tt.fault))
			p.call("POST", server, newVM)
			p.clock.skip(10 * time.Second)
			require.Equal(t, "executing", p.job(15).Status)
			p.clock.skip(24 * time.Hour)
			require.Equal(t, tt.want, p.job(15))
			require.Len(t, result[[]int](p, "GET", server, ""), 5)

			require.NoError(t, p.Fault("backup-create", tt.fault))
			p.accepts("PUT", server+"/4003/backups/create", "")
			p.clock.skip(24 * time.Hour)
			at := result[progress](p, "GET", server+"/4003/backups/status", "")
			require.Equal(t, tt.want.Progress, at.Progress)
			require.Empty(t, result[[]int64](p, "GET", server+"/4003/backups/list", ""))
		})
	}
}

func TestLostJob(t *testing.T) {
	for _, kind := range []string{"create", "job"} {
		t.Run("armed for "+kind, func(t *testing.T) {
			p := start(t, hostersim.Options{})
			require.NoError(t, p.Fault(kind, "job-lost"))
			p.call("POST", server, newVM)
			for range 2 {
				p.refuses("GET", "/api/v1/job/15", "", 404, code("0xc1: job not found"))
			}
			p.clock.skip(2 * time.Minute)
			require.Contains(t, result[[]int](p, "GET", server, ""), 4004, "its work is done all the same")
		})
	}
}

func TestSilentOrder(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.NoError(t, p.Fault("order", "order-silent"))
	p.accepts("POST", dedicated+"/order", `{"id":9,"template":"Debian Buster"}`)
	require.False(t, p.last().Done)
	p.clock.skip(24 * time.Hour)
	require.Equal(t, `{"result":[{"id":7,"orderComplete":true}]}`, p.call("GET", dedicated, "").body)
	require.Contains(t, p.call("GET", dedicated+"/market", "").body, `"id":9,`)
}

func TestSlowOrder(t *testing.T) {
	p := start(t, hostersim.Options{})
	require.NoError(t, p.Fault("order", "order-slow"))
	p.accepts("POST", dedicated+"/order", `{"id":9,"template":"Debian Buster"}`)
	p.clock.skip(14 * time.Minute)
	require.Equal(t, `{"result":[{"id":7,"orderComplete":true}]}`, p.call("GET", dedicated, "").body)
	p.clock.skip(time.Minute)
	require.Contains(t, p.call("GET", dedicated, "").body, `{"id":9,"orderComplete":false}`)
	p.clock.skip(3 * time.Minute)
	require.Contains(t, p.call("GET", dedicated, "").body, `{"id":9,"orderComplete":true}`)
}

func TestRecycledNumber(t *testing.T) {
	p := start(t, hostersim.Options{})
	before := p.config(4009)
	require.NoError(t, p.Fault("any-write", "recycle"))
	p.accepts("PUT", server+"/4003/stop", "") // recycle waits for a delete
	p.accepts("POST", server+"/4009/delete", "")
	after := p.config(4009)
	for _, ip := range after.IPs {
		require.NotContains(t, before.IPs, ip)
	}
	require.NotEqual(t, before.Template, after.Template)
	require.Equal(t, "running", p.status(4009).State)
}

func TestAttacksBeginAndEnd(t *testing.T) {
	p := start(t, hostersim.Options{})
	const path = server + "/4009/incidents"
	require.Equal(t, `{"response":[],"error":false}`, p.call("GET", path, "").body)
	require.NoError(t, p.Fault("incidents", "attack"))
	body := p.call("GET", path, "").body
	require.Contains(t, body, `"gid":300001`)
	require.Contains(t, body, `"ongoing":1`)
	require.Equal(t, body, p.call("GET", path, "").body, "it goes on")
	require.NoError(t, p.Fault("incidents", "attack-over"))
	require.Contains(t, p.call("GET", path, "").body, `"ongoing":0`)
	require.NotContains(t, p.call("GET", path, "").body, `"ongoing":1`)
	require.NoError(t, p.Fault("incidents", "attack"))
	require.Contains(t, p.call("GET", path, "").body, `"gid":300002`, "each has a number of its own")
}

func TestWrongShapes(t *testing.T) {
	tests := map[string]string{
		"create":        `{"result":true}`,
		"start":         `{"result":{"status":"success"}}`,
		"restore":       `{"result":{"value":"pending"}}`,
		"list":          `{"result":{"0":4001,"1":4002,"2":4003,"3":4007,"4":4009}}`,
		"software-list": `{"result":{"docker":"Docker engine","mariadb":"MariaDB database","minecraft":"Minecraft server","nginx":"nginx web server","ts3":"TeamSpeak 3 server"}}`,
	}
	for _, r := range requests {
		p := start(t, hostersim.Options{})
		require.NoError(t, p.Fault(r.kind, "wrong-shape"))
		body := p.call(r.method, r.path, r.body).body
		if want, ok := tests[r.kind]; ok {
			require.Equal(t, want, body)
		}
		switch r.kind {
		case "password":
			require.Equal(t, `{"result":"`+p.Secrets()[0]+`"}`, body)
		case "status":
			require.True(t, strings.HasPrefix(body, `{"result":[{"cpu":`), body)
		case "incidents":
			require.True(t, strings.HasPrefix(body, `{"response":{"0":{`), body)
			require.True(t, strings.HasSuffix(body, `"error":false}`), body)
		case "job":
			require.Equal(t, code("0xc1: job not found"), body, "a refusal keeps its shape")
		}
	}
}

func TestFaultsHitOnceInTheirOrder(t *testing.T) {
	p := start(t, hostersim.Options{})
	for _, f := range [][2]string{{"status", "html-502"}, {"any", "422"}, {"any-write", "bare-404"}, {"status", "html-503"}} {
		require.NoError(t, p.Fault(f[0], f[1]))
	}
	var got []int
	for range 4 {
		got = append(got, p.call("GET", server+"/4001/status", "").status)
	}
	require.Equal(t, []int{502, 422, 503, 200}, got)
	require.Equal(t, 404, p.call("PUT", server+"/4001/stop", "").status)
	require.Equal(t, 200, p.call("PUT", server+"/4001/stop", "").status)
}

func TestRefusedCallsUseUpNoFault(t *testing.T) {
	p := start(t, hostersim.Options{Token: token})
	require.NoError(t, p.Fault("any", "html-502"))
	p.token = "wrong"
	require.Equal(t, 401, p.call("GET", server, "").status)
	p.token = token
	require.Equal(t, 404, p.call("GET", "/nothing", "").status)
	require.Equal(t, 502, p.call("GET", server, "").status)
}

func TestArmingMistakes(t *testing.T) {
	tests := []struct{ name, kind, fault, want string }{
		{"misspelt kind", "delet", "answer-lost", `unknown kind "delet": did you mean "delete"? Kinds: any, any-write, backup-create,`},
		{"misspelt fault", "delete", "anser-lost", `unknown fault "anser-lost": did you mean "answer-lost"? Faults: 422, 429-once,`},
		{"fault of another call", "list", "recycle", `fault "recycle" does not apply to list, only to delete`},
		{"fault of writes", "list", "ignored", `fault "ignored" does not apply to list, only to mutating calls`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.ErrorContains(t, start(t, hostersim.Options{}).Fault(tt.kind, tt.fault), tt.want)
		})
	}
}

// TestClientGivesUp lets the client leave while the provider hangs in real time.
func TestClientGivesUp(t *testing.T) {
	sim := hostersim.New(hostersim.Options{})
	require.NoError(t, sim.Fault("delete", "hang-after"))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", server+"/4009/delete", strings.NewReader("{}"))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer x")
	cancel()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { sim.ServeHTTP(nil, req) })
	require.Equal(t, 0, sim.Calls()[0].Status)
	require.True(t, sim.Calls()[0].Done)
}
