package hoster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/secret"
	"hosterbot/commands/hoster"
)

func TestWhatPHPMakesOfValues(t *testing.T) {
	vms := by((*hoster.Client).VMs)
	templates := by((*hoster.Client).Templates)
	status := on(4001, (*hoster.Client).VMStatus)
	config := on(4001, (*hoster.Client).VMConfig)
	incidents := on(4001, (*hoster.Client).VMIncidents)
	backups := on(4001, (*hoster.Client).Backups)
	backup := on(4001, (*hoster.Client).BackupStatus)
	owned := by((*hoster.Client).Dedicated)
	market := by((*hoster.Client).Market)
	dedicated := on(9, (*hoster.Client).DedicatedConfig)
	job := on(int64(23), (*hoster.Client).Job)
	software := by((*hoster.Client).Software)
	console := on(4001, (*hoster.Client).VMConsole)

	for _, tt := range []struct {
		name   string
		call   func(context.Context, *hoster.Client) (any, error)
		result string
		want   any // nil: no answer
	}{
		{"IDs as texts", vms, `["4001","4002"]`, []int{4001, 4002}},
		{"a list with gaps", vms, `{"10":3,"0":1,"2":2}`, []int{1, 2, 3}},
		{"an empty list as an object", vms, `{}`, []int{}},
		{"null is no list", vms, `null`, nil},
		{"true is no list", vms, `true`, nil},
		{"an ID of null", vms, `[4001,null]`, nil},
		{"a map of names is no list of IDs", vms, `{"vm":4001}`, nil},
		{"names as an object", templates, `{"0":"a","1":"b"}`, []string{"a", "b"}},
		{"names that are numbers", templates, `["a",10.5,true]`, []string{"a", "10.5", "true"}},
		{"timestamps as texts and floats", backups, `["1606685300",1606585800.0,1.6065752e9]`, []int64{1606685300, 1606585800, 1606575200}},

		{"a status of texts", status, `{"cpu":"0.25","mem":"1024","memfree":null,"netin":"9007199254740993","netout":"","uptime":"90","state":"running"}`,
			hoster.VMStatus{CPU: 0.25, Mem: 1024, NetIn: 9007199254740993, Uptime: 90 * time.Second, State: "running"}},
		{"a status of the state alone", status, `{"state":"stopped"}`, hoster.VMStatus{State: "stopped"}},
		{"an uptime beyond all bounds", status, `{"state":"running","uptime":1e300}`, hoster.VMStatus{State: "running", Uptime: 9223372036 * time.Second}},
		{"a status without state says nothing", status, `{"cpu":1}`, nil},
		{"a status of null says nothing", status, `{"state":null}`, nil},
		{"an empty status says nothing", status, `[]`, nil},
		{"a number that is none", status, `{"state":"running","mem":"much"}`, nil},
		{"a number that is an object", status, `{"state":"running","mem":{}}`, nil},
		{"a number beyond all bounds", status, `{"state":"running","mem":1e30}`, nil},

		{"a config of texts", config, `{"cpuCores":"2","mem":"2048","disk":100,"ips":{"0":"127.0.0.1"},"template":null}`,
			hoster.VMConfig{Cores: 2, Mem: 2048, Disk: "100", DiskGiB: 100, IPs: []string{"127.0.0.1"}}},
		{"one IP that is no list", config, `{"disk":"1.5TB","ips":"127.0.0.1"}`, hoster.VMConfig{Disk: "1.5TB", DiskGiB: 1536, IPs: []string{"127.0.0.1"}}},
		{"no IPs", config, `{"disk":"2048 MiB","ips":[]}`, hoster.VMConfig{Disk: "2048 MiB", DiskGiB: 2}},
		{"a disk that cannot be read", config, `{"disk":"big","ips":[]}`, hoster.VMConfig{Disk: "big"}},
		{"a disk of another unit", config, `{"disk":"5 sectors","ips":[]}`, hoster.VMConfig{Disk: "5 sectors"}},
		{"a config without IPs identifies nothing", config, `{"cpuCores":2}`, nil},
		{"a config with IPs of null identifies nothing", config, `{"ips":null}`, nil},
		{"an empty config identifies nothing", config, `[]`, nil},

		{"an incident that goes on", incidents, `[{"gid":"7","start":"soon","stop":null,"types":{"0":"NTP"},"ongoing":"1"}]`,
			[]hoster.Incident{{GID: 7, StartText: "soon", Types: []string{"NTP"}, Ongoing: true}}},
		{"an incident of booleans", incidents, `[{"ongoing":true,"direction":"2","types":[]}]`, []hoster.Incident{{Direction: 2, Ongoing: true}}},

		{"no backup task", backup, `[]`, hoster.BackupStatus{}},
		{"no backup task, as null", backup, `null`, hoster.BackupStatus{}},
		{"progress as text", backup, `{"status":"running","progress":"0.5"}`, hoster.BackupStatus{Status: "running", Progress: 0.5}},
		{"progress in percent", backup, `{"status":"running","progress":42}`, hoster.BackupStatus{Status: "running", Progress: 0.42}},
		{"progress with a sign", backup, `{"status":"running","progress":"1 %"}`, hoster.BackupStatus{Status: "running", Progress: 0.01}},
		{"progress beyond the end", backup, `{"status":"running","progress":250}`, hoster.BackupStatus{Status: "running", Progress: 1}},
		{"progress before the start", backup, `{"status":"running","progress":-3}`, hoster.BackupStatus{Status: "running"}},

		{"an order as text", owned, `[{"id":"9","orderComplete":"1"},{"id":10,"orderComplete":0}]`, []hoster.Owned{{ID: 9, OrderComplete: true}, {ID: 10}}},
		{"a server without an ID", owned, `[{"orderComplete":1}]`, nil},
		{"bare IDs are not guessed at", owned, `[9]`, nil},

		{"an offer without a price is left out", market, `[{"id":1,"configuration":{"price":null}},{"id":2,"configuration":{"price":""}},
			{"id":3,"configuration":[]},{"id":4,"configuration":{"price":"cheap"}},{"id":5,"configuration":{"price":-1}},{"id":6,"configuration":{"price":"39.50","cpu":[]}}]`,
			[]hoster.Offer{{ID: 6, Price: 39.5}}},
		{"hardware with units", market, `[{"id":1,"configuration":{"price":1,"ram":{"size":"1 TB","type":"DDR5"},"storage":{"size":"2 TB NVMe","type":"nvme","count":4}}}]`,
			[]hoster.Offer{{ID: 1, Price: 1, RAM: "1 TB DDR5", RAMGB: 1024, Storage: "4 × 2 TB NVMe"}}},
		{"hardware of numbers", market, `[{"id":1,"configuration":{"price":0,"ram":{"size":32},"storage":{"size":250,"type":null,"count":null}}}]`,
			[]hoster.Offer{{ID: 1, RAM: "32 GB", RAMGB: 32, Storage: "250 GB"}}},

		{"a dedicated server without SSH", dedicated, `{"ssh":[],"ips":["192.0.2.1"],"configuration":null}`, hoster.DedicatedConfig{IPs: []string{"192.0.2.1"}}},
		{"a password that is a number", dedicated, `{"ssh":{"root":{"password":12345678},"user":null},"ips":[]}`, hoster.DedicatedConfig{RootPassword: secret.New("12345678")}},

		{"a word that is not documented", job, `{"status":"paused","progress":"33%","output":[]}`, hoster.Job{Status: "paused", Progress: 0.33}},
		{"an output of texts", job, `{"status":"finished","progress":100,"output":{"vmid":"4001","ips":"192.0.2.1","user":null,"password":"x"}}`,
			hoster.Job{Status: "finished", Progress: 1, Output: hoster.Output{VM: 4001, IPs: []string{"192.0.2.1"}, Password: secret.New("x")}}},
		{"an output with more in it is kept from view", job, `{"status":"finished","output":{"vmid":7,"adminToken":"x"}}`,
			hoster.Job{Status: "finished", Output: hoster.Output{VM: 7, Rest: secret.New(`{"adminToken":"x"}`)}}},
		{"a text as output is kept from view", job, `{"status":"finished","output":"token x"}`, hoster.Job{Status: "finished", Output: hoster.Output{Rest: secret.New("token x")}}},
		{"a list as output is kept from view", job, `{"status":"finished","output":["x"]}`, hoster.Job{Status: "finished", Output: hoster.Output{Rest: secret.New(`["x"]`)}}},
		{"an output that is true", job, `{"status":"finished","output":true}`, hoster.Job{Status: "finished"}},
		{"an ID that cannot be read does not hide the end", job, `{"status":"finished","output":{"vmid":"x"}}`,
			hoster.Job{Status: "finished", Output: hoster.Output{Rest: secret.New(`{"vmid":"x"}`)}}},
		{"a failure with an object", job, `{"status":"failed","output":{"code":7,"password":"x"}}`, hoster.Job{Status: "failed", ErrText: `{"code":7,"password":"•••"}`}},
		{"a failure without a word", job, `{"status":"failed","output":null}`, hoster.Job{Status: "failed"}},
		{"an error text under another status", job, `{"status":"aborted","output":"0xff: no"}`, hoster.Job{Status: "aborted", ErrText: "0xff: no"}},
		{"a job without status says nothing", job, `{"progress":1}`, nil},
		{"a job as an empty list says nothing", job, `[]`, nil},

		{"software as names", software, `["ts3","docker"]`, []hoster.Package{{Name: "ts3"}, {Name: "docker"}}},
		{"software as names with numbers", software, `{"1":"ts3","2":"docker"}`, []hoster.Package{{Name: "ts3"}, {Name: "docker"}}},
		{"software as objects", software, `[{"package":"ts3","description":"TeamSpeak 3"},{"name":"docker","title":"Docker"},{"id":5},{}]`,
			[]hoster.Package{{"ts3", "TeamSpeak 3"}, {"docker", "Docker"}, {Name: "5"}}},
		{"software as a map of texts", software, `{"ts3":"TeamSpeak 3","docker":null}`, []hoster.Package{{Name: "docker"}, {"ts3", "TeamSpeak 3"}}},
		{"software as a map of objects", software, `{"ts3":{"name":"TeamSpeak 3"}}`, []hoster.Package{{"ts3", "TeamSpeak 3"}}},
		{"software in a wrapper", software, `{"packages":["ts3"]}`, []hoster.Package{{Name: "ts3"}}},
		{"software as an empty object", software, `{}`, []hoster.Package{}},
		{"software as true", software, `true`, []hoster.Package(nil)},
		{"software as a number", software, `7`, nil},

		{"a console that is no link", console, `"soon"`, nil},
		{"a console that is a script", console, `"javascript:alert(1)"`, nil},
		{"a console that is null", console, `null`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, reply(200, `{"result": `+tt.result+` }`))
			got, err := tt.call(t.Context(), b.Client)
			if tt.want == nil {
				require.Equal(t, hoster.NoAnswer, asError(t, err).Class)
				require.ErrorContains(t, err, "the answer ")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestResultsOfAnyShape(t *testing.T) {
	for result, want := range map[string]hoster.Result{
		`true`:                       {},
		`null`:                       {},
		`[]`:                         {},
		`{}`:                         {},
		`"pending"`:                  {Word: "pending"},
		`"VM 4001 will be resized."`: {Text: "VM 4001 will be resized."},
		`15`:                         {Text: "15"},
		`["a", 1]`:                   {Text: `["a",1]`},
		`{"status":"queued","jobId":15,"progress":0}`:         {Job: 15, JobStatus: "queued"},
		`{"status":"executing","jobId":"15","progress":"50"}`: {Job: 15, JobStatus: "executing", Progress: 0.5},
		`{"status":"done","jobId":null}`:                      {Word: "done"},
		`{"jobId":{"n":1}}`:                                   {Text: `{"jobId":{"n":1}}`},
		`{"status":"success","password":"x"}`:                 {Word: "success", Password: secret.New("x")},
		`{"job_note":"<b>","jobId":9007199254740993}`:         {Job: 9007199254740993, Text: `{"job_note":"<b>"}`},
	} {
		t.Run(result, func(t *testing.T) {
			b := newBench(t, reply(200, fmt.Sprintf(`{"result":%s}`, result)))
			got, err := b.ChangeVM(t.Context(), 4001, hoster.ChangeVM{Cores: 4})
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}
