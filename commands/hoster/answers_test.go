package hoster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
)

// document is one endpoint of testdata/examples.json.
type document struct {
	Method, Path string
	Body         []struct {
		Name     string
		Type     string
		Required bool
	}
	ExampleRequest   json.RawMessage
	ExampleResponses []struct {
		Status int
		Body   json.RawMessage
	}
}

func documents(tb testing.TB) []document {
	tb.Helper()
	raw, err := os.ReadFile("testdata/examples.json")
	require.NoError(tb, err)
	var docs []document
	require.NoError(tb, json.Unmarshal(raw, &docs))
	return docs
}

// row is a documented call: the method that makes it with every field, the one
// that makes it with the required fields alone, and what the documented
// successes decode to.
type row struct {
	full  func(context.Context, *hoster.Client) (any, error)
	least func(context.Context, *hoster.Client) (any, error) // nil: the same
	want  []any
}

// by adapts a method without arguments.
func by[T any](f func(*hoster.Client, context.Context) (T, error)) func(context.Context, *hoster.Client) (any, error) {
	return func(ctx context.Context, c *hoster.Client) (any, error) { return f(c, ctx) }
}

// on adapts a method that takes an ID.
func on[T any, I int | int64](id I, f func(*hoster.Client, context.Context, I) (T, error)) func(context.Context, *hoster.Client) (any, error) {
	return func(ctx context.Context, c *hoster.Client) (any, error) { return f(c, ctx, id) }
}

var (
	done   = []any{hoster.Result{}}
	queued = []any{hoster.Result{Job: 15, JobStatus: "queued"}}

	install = hoster.SoftwareCall{Server: "4001", Package: "ts3", Password: secret.New("testing123"), Port: 22}
	plainly = hoster.SoftwareCall{Server: "4001", Package: "ts3", Password: secret.New("testing123")}
)

// calls has a row for each documented endpoint.
var calls = map[string]row{
	"GET /api/v1/datacenter/server":                      {full: by((*hoster.Client).VMs), want: []any{[]int{4001, 4002, 4003}, []int{}}},
	"GET /api/v1/datacenter/server/{sid}/status":         {full: on(4001, (*hoster.Client).VMStatus), want: []any{hoster.VMStatus{Mem: 455467008, MemFree: 577208320, NetIn: 52240, NetOut: 47492, Uptime: 1164 * time.Second, State: "running"}}},
	"GET /api/v1/datacenter/server/{sid}/config":         {full: on(4001, (*hoster.Client).VMConfig), want: []any{hoster.VMConfig{Cores: 2, Mem: 2048, Disk: "100G", DiskGiB: 100, IPs: []string{"127.0.0.1", "fe80::1"}, Template: "Ubuntu20.04"}}},
	"GET /api/v1/datacenter/server/{sid}/incidents":      {full: on(4001, (*hoster.Client).VMIncidents), want: []any{[]hoster.Incident{incident(117896), incident(215486)}}},
	"GET /api/v1/datacenter/server/{sid}/console":        {full: on(4001, (*hoster.Client).VMConsole), want: []any{secret.New(documentedLink())}},
	"GET /api/v1/datacenter/templates":                   {full: by((*hoster.Client).Templates), want: []any{[]string{"Debian10.0"}}},
	"GET /api/v1/datacenter/server/{sid}/backups/list":   {full: on(4001, (*hoster.Client).Backups), want: []any{[]int64{1606685300, 1606585800, 1606575200}}},
	"GET /api/v1/datacenter/server/{sid}/backups/status": {full: on(4001, (*hoster.Client).BackupStatus), want: []any{hoster.BackupStatus{Status: "pending"}}},
	"PUT /api/v1/datacenter/server/{sid}/backups/create": {full: on(4001, (*hoster.Client).CreateBackup), want: done},
	"PUT /api/v1/datacenter/server/{sid}/start":          {full: on(4001, (*hoster.Client).StartVM), want: done},
	"PUT /api/v1/datacenter/server/{sid}/shutdown":       {full: on(4001, (*hoster.Client).ShutdownVM), want: done},
	"PUT /api/v1/datacenter/server/{sid}/stop":           {full: on(4001, (*hoster.Client).StopVM), want: done},
	"PUT /api/v1/datacenter/server/{sid}/reboot":         {full: on(4001, (*hoster.Client).RebootVM), want: done},
	"PUT /api/v1/datacenter/server/{sid}/reboot/force":   {full: on(4001, (*hoster.Client).ResetVM), want: done},
	"PUT /api/v1/datacenter/server/{sid}/password/reset": {full: on(4001, (*hoster.Client).ResetPassword), want: []any{hoster.Result{Word: "success", Password: secret.New("{password}")}}},
	"GET /api/v1/datacenter/dedicated":                   {full: by((*hoster.Client).Dedicated), want: []any{[]hoster.Owned{{ID: 9}}}},
	"GET /api/v1/datacenter/dedicated/{sid}/status":      {full: on(9, (*hoster.Client).DedicatedStatus), want: []any{hoster.DedicatedStatus{State: "halted"}}},
	"GET /api/v1/datacenter/dedicated/{sid}/console":     {full: on(9, (*hoster.Client).DedicatedConsole), want: []any{secret.New("https://example.com/novnc/vnc.html")}},
	"PUT /api/v1/datacenter/dedicated/{sid}/start":       {full: on(9, (*hoster.Client).StartDedicated), want: done},
	"PUT /api/v1/datacenter/dedicated/{sid}/shutdown":    {full: on(9, (*hoster.Client).ShutdownDedicated), want: done},
	"PUT /api/v1/datacenter/dedicated/{sid}/reboot":      {full: on(9, (*hoster.Client).RebootDedicated), want: done},
	"POST /api/v1/datacenter/dedicated/{sid}/terminate":  {full: on(9, (*hoster.Client).TerminateDedicated), want: done},
	"GET /api/v1/software/list":                          {full: by((*hoster.Client).Software)},
	"POST /api/v1/datacenter/server/{sid}/backups/restore": {
		full: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.RestoreBackup(ctx, 4001, 1606345164)
		},
		want: []any{hoster.Result{Word: "pending"}},
	},
	"POST /api/v1/datacenter/server": {
		full: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.CreateVM(ctx, hoster.CreateVM{Template: "Debian10.0", Cores: 4, Mem: 2048, Disk: "10G", IPs: 2})
		},
		want: queued,
	},
	"PUT /api/v1/datacenter/server/{sid}/change": {
		full: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.ChangeVM(ctx, 4001, hoster.ChangeVM{Cores: 4, Mem: 2048, Disk: "10G", IPs: 2})
		},
		least: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.ChangeVM(ctx, 4001, hoster.ChangeVM{})
		},
	},
	"PUT /api/v1/datacenter/server/{sid}/reinstall": {
		full: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.ReinstallVM(ctx, 4001, "Debian10.0")
		},
		least: func(ctx context.Context, c *hoster.Client) (any, error) { return c.ReinstallVM(ctx, 4001, "") },
		want:  queued,
	},
	"POST /api/v1/datacenter/server/{sid}/delete": {
		full:  func(ctx context.Context, c *hoster.Client) (any, error) { return c.DeleteVM(ctx, 4001, true) },
		least: func(ctx context.Context, c *hoster.Client) (any, error) { return c.DeleteVM(ctx, 4001, false) },
		want:  done,
	},
	"POST /api/v1/datacenter/server/{sid}/rdns": {
		full: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.SetRDNS(ctx, 4001, "voluptatem", "velit")
		},
		want: done,
	},
	"GET /api/v1/datacenter/dedicated/market": {
		full: by((*hoster.Client).Market),
		want: []any{[]hoster.Offer{
			{ID: 9, Model: "HP ProLiant BL460c G8", CPU: "Intel Xeon E5-2609 v2", CPUCount: 1, RAM: "32 GB DDR3 ECC", RAMGB: 32, Storage: "2 × 250 GB SSD", Price: 39, LocationID: 2, Location: "Maincubes, Frankfurt"},
			{ID: 84, Model: "Generic", CPU: "AMD Ryzen 7 3800X", CPUCount: 1, RAM: "32 GB DDR4 ECC", RAMGB: 32, Storage: "2 × 256 GB NVMe", Price: 139, LocationID: 1, Location: "Maincubes, Frankfurt"},
		}},
	},
	"GET /api/v1/datacenter/dedicated/templates": {
		full: by((*hoster.Client).DedicatedTemplates),
		want: []any{[]string{
			"CentOS 7 (latest) (DE)", "Debian 8 Jessie (DE)", "Debian 9 Stretch (DE)", "Ubuntu 16.04 LTS", "Ubuntu 18.04 LTS (DE)",
			"OpenSuse 42.3", "VMware ESXi 6.5 U1", "VMware ESXi 6.5 U2", "Debian 10 Buster (DE)", "Proxmox VE 6 (DE)",
			"Debian 10 Buster - Software RAID (DE)", "[COPY] Debian 10 Buster - Software RAID (DE) Test", "CentOS 7 (latest)",
			"Debian Jessie", "Debian Stretch", "Ubuntu 16.04 LTS", "Ubuntu 18.04 LTS", "OpenSuse 42.3", "VMware ESXi 6.5 U1",
			"VMware ESXi 6.5 U2", "Debian Buster", "Proxmox VE 6", "Ubuntu 20.04 LTS",
		}},
	},
	"GET /api/v1/datacenter/dedicated/{sid}/config": {
		full: on(9, (*hoster.Client).DedicatedConfig),
		want: []any{hoster.DedicatedConfig{
			RootPassword: secret.New("UOosKBueLhn8"), UserPassword: secret.New("UOosKBueLhn8"), User: "user",
			IPs: []string{"92.246.85.200"}, Template: "Debian Jessie",
			Hardware: hoster.Offer{CPU: "Intel Xeon E5-2609 v1", CPUCount: 1, RAM: "16 GB DDR3 ECC", RAMGB: 16, Storage: "2 × 240 GB SSD", LocationID: 2, Location: "SkyLink, Eygelshoven"},
		}},
	},
	"POST /api/v1/datacenter/dedicated/order": {
		full: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.OrderDedicated(ctx, hoster.Order{ID: 9, Template: "Debian Buster", IPs: 2, Hostname: "myserver.example.com"})
		},
		least: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.OrderDedicated(ctx, hoster.Order{ID: 9, Template: "Debian Buster"})
		},
		want: done,
	},
	"PUT /api/v1/datacenter/dedicated/{sid}/reinstall": {
		full: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.ReinstallDedicated(ctx, 9, "Debian Buster", "myserver.example.com")
		},
		least: func(ctx context.Context, c *hoster.Client) (any, error) {
			return c.ReinstallDedicated(ctx, 9, "Debian Buster", "")
		},
		want: done,
	},
	"GET /api/v1/job/{jobId}": {
		full: on(int64(23), (*hoster.Client).Job),
		want: []any{
			hoster.Job{Status: "queued"},
			hoster.Job{Status: "executing", Progress: 0.33},
			hoster.Job{Status: "finished", Progress: 1, Output: hoster.Output{VM: 4001, IPs: []string{"37.114.XX.XXX"}, User: "root", Password: secret.New("{password}")}},
			hoster.Job{Status: "failed", Progress: 0.33, ErrText: "0xb0: Requested resources exceed administrative limits"},
		},
	},
	"POST /api/v1/software/install": {
		full:  func(ctx context.Context, c *hoster.Client) (any, error) { return c.InstallSoftware(ctx, install) },
		least: func(ctx context.Context, c *hoster.Client) (any, error) { return c.InstallSoftware(ctx, plainly) },
		want:  queued,
	},
	"POST /api/v1/software/uninstall": {
		full:  func(ctx context.Context, c *hoster.Client) (any, error) { return c.UninstallSoftware(ctx, install) },
		least: func(ctx context.Context, c *hoster.Client) (any, error) { return c.UninstallSoftware(ctx, plainly) },
		want:  queued,
	},
}

func incident(gid int64) hoster.Incident {
	at := time.Date(2021, 2, 22, 18, 50, 33, 0, time.UTC)
	return hoster.Incident{
		GID: gid, Start: at, Stop: at, StartText: "2021-02-22 18:50:33", StopText: "2021-02-22 18:50:33",
		Host: "10.50.23.5", Direction: 1, Impact: 90107632, Types: []string{"NTP Amplification", "DNS Amplification"},
	}
}

// documentedLink is the console link of the documentation, too long to repeat.
func documentedLink() string {
	raw, err := os.ReadFile("testdata/examples.json")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(raw), `"https://hosterapi.de/novnc/`)
	link, _, _ := strings.Cut(rest, `"`)
	return "https://hosterapi.de/novnc/" + link
}

func TestEveryDocumentedCallHasARow(t *testing.T) {
	docs := documents(t)
	require.Len(t, docs, 37)
	require.Len(t, calls, len(docs))
	answers := 0
	for _, doc := range docs {
		require.Contains(t, calls, doc.Method+" "+doc.Path)
		answers += len(doc.ExampleResponses)
	}
	require.Equal(t, 124, answers)
}

func TestRequestsAreTheDocumentedOnes(t *testing.T) {
	for _, doc := range documents(t) {
		name := doc.Method + " " + doc.Path
		t.Run(name, func(t *testing.T) {
			call := calls[name]
			b := newBench(t, reply(http.StatusOK, `{"result":[]}`))
			_, _ = call.full(t.Context(), b.Client)

			r := b.seen.Requests()[0]
			require.Equal(t, doc.Method, r.Method)
			require.Equal(t, documentedPath(doc.Path), r.URL.RequestURI())
			require.Equal(t, "Bearer "+canary, r.Header.Get("Authorization"))
			require.Equal(t, "application/json", r.Header.Get("Accept"))
			require.Empty(t, r.Header.Get("Idempotency-Key"))
			require.Empty(t, r.Header.Get("Accept-Encoding"))
			if len(doc.ExampleRequest) == 0 || string(doc.ExampleRequest) == "null" {
				require.Empty(t, b.seen.Bodies()[0])
			} else {
				require.JSONEq(t, string(doc.ExampleRequest), b.seen.Bodies()[0])
				require.Equal(t, "application/json", r.Header.Get("Content-Type"))
			}
		})
	}
}

func TestOptionalFieldsAreLeftOut(t *testing.T) {
	for _, doc := range documents(t) {
		name := doc.Method + " " + doc.Path
		if calls[name].least == nil {
			for _, field := range doc.Body {
				require.True(t, field.Required, "%s: %s is optional, so the row needs least", name, field.Name)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := newBench(t, reply(http.StatusOK, `{"result":true}`))
			_, err := calls[name].least(t.Context(), b.Client)
			require.NoError(t, err)

			sent := make(map[string]any)
			if body := b.seen.Bodies()[0]; body != "" {
				require.NoError(t, json.Unmarshal([]byte(body), &sent))
			}
			for _, field := range doc.Body {
				if field.Required {
					require.Contains(t, sent, field.Name)
				}
				delete(sent, field.Name)
				if !field.Required {
					require.NotContains(t, b.seen.Bodies()[0], `"`+field.Name+`"`)
				}
			}
			require.Empty(t, sent, "undocumented fields")
		})
	}
}

func TestEveryDocumentedAnswer(t *testing.T) {
	for _, doc := range documents(t) {
		name := doc.Method + " " + doc.Path
		successes := 0
		for i, answer := range doc.ExampleResponses {
			var want any
			if answer.Status == http.StatusOK {
				require.Less(t, successes, len(calls[name].want), name)
				want = calls[name].want[successes]
				successes++
			}
			t.Run(fmt.Sprintf("%s answer %d %d", name, i, answer.Status), func(t *testing.T) {
				b := newBench(t, reply(answer.Status, string(answer.Body), "Content-Type", "application/json"))
				got, err := calls[name].full(t.Context(), b.Client)
				if want != nil {
					require.NoError(t, err)
					require.Equal(t, want, got)
					return
				}
				requireDocumentedError(t, answer.Status, answer.Body, err)
			})
		}
		require.Len(t, calls[name].want, successes, name)
	}
}

func requireDocumentedError(t *testing.T, status int, body json.RawMessage, err error) {
	t.Helper()
	var documented struct{ Error string }
	require.NoError(t, json.Unmarshal(body, &documented))
	code, _ := hoster.CodeOf(documented.Error)
	require.NotEmpty(t, code)

	e := asError(t, err)
	require.Equal(t, documented.Error, e.Text)
	require.Equal(t, status, e.Status)
	require.True(t, hoster.IsCode(err, code))
	require.Contains(t, err.Error(), documented.Error)
	want := hoster.Refused
	if status >= http.StatusInternalServerError {
		want = hoster.NoAnswer
	}
	require.Equal(t, want, hoster.ClassOf(err))
}

func documentedPath(path string) string {
	id := "4001"
	if strings.Contains(path, "dedicated") {
		id = "9"
	}
	return strings.NewReplacer("{sid}", id, "{jobId}", "23").Replace(path)
}
