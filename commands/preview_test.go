package commands_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestPreviewsRefuseWhatMakesNoSense(t *testing.T) {
	for _, tt := range []struct {
		line string
		kind bot.ErrorKind
		says string
	}{
		{"vm delete 4001", bot.Conflict, "VM `4001` is running, and the provider deletes a running VM only by force. Stop it first: `vm shutdown 4001`. Or pull the plug: `vm delete 4001 --force`."},
		{"vm delete 4711 --force", bot.Missing, "The provider knows no VM `4711`"},
		{"vm resize 4001", bot.Invalid, "Say what to change: `--cores`, `--mem`, `--disk` or `--ips`."},
		{"vm resize 4001 --disk 10G", bot.Invalid, "The disk cannot shrink from 100 GiB to 10 GiB"},
		{"vm resize 4001 --cores 2 --mem 2G", bot.Conflict, "VM `4001` has this size already: 2 cores, 2 GiB memory, 100 GiB disk."},
		{"vm reinstall 4001 --template Debian", bot.Invalid, "`Debian` could be `Debian10.0`, `Debian11.0`, `Debian12.0`. Write more of its name."},
		{"vm reinstall 4001 --template Windows", bot.Missing, "The provider has no template `Windows`. `vm templates` lists them."},
		{"vm create --template Debian --cores 1 --mem 1G --disk 5G --ips 1", bot.Invalid, "`Debian10.0`, `Debian11.0`"},
		{"vm set-rdns 4001 203.0.113.6 a.example.com", bot.Invalid, "`203.0.113.6` is not an address of VM `4001`: it has `203.0.113.5`."},
		{"backup restore 4001 1606685300", bot.Missing, "VM `4001` has no backup `1606685300`. `backup list 4001` shows what is there."},
		{"backup restore 4001 2026-11-20", bot.Missing, "VM `4001` has no backup `2026-11-20`."},
		{"dedicated order 7 --template \"Debian Buster\"", bot.Conflict, "Server `7` is yours already"},
		{"dedicated order 999 --template \"Debian Buster\"", bot.Missing, "Server `999` is not on the market. `dedicated market` lists what is."},
		{"dedicated order 9 --template \"Debian 10\"", bot.Invalid, "`Debian 10` could be `Debian 10 Buster (DE)`, `Debian 10 Buster - Software RAID (DE)`."},
		{"dedicated terminate 8", bot.Missing, "The provider knows no dedicated server `8`"},
		{"software install 4711 ts3", bot.Missing, "There is no VM and no dedicated server `4711`."},
		{"software install vm/4711 ts3", bot.Missing, "The provider knows no VM `4711`"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			_, _, err := start(t).preview(tt.line)
			kind, text := personal(t, err)
			require.Equal(t, tt.kind, kind)
			require.Contains(t, text, tt.says)
		})
	}
}

func TestPreviewRefusesFewerIPs(t *testing.T) {
	w := start(t)
	w.accepted("vm resize 4001 --ips 3")
	_, _, err := w.preview("vm resize 4001 --ips 2")
	_, text := personal(t, err)
	require.Contains(t, text, "VM `4001` has 3 IPv4 addresses and cannot give any back: the provider would ignore 2.")
}

func TestPreviewOfADelete(t *testing.T) {
	w := start(t)
	pv := w.mustPreview("vm delete 4001 --force")
	require.Equal(t, "Delete VM `4001`", pv.Title)
	require.Equal(t, "All data on its disk, and its IPs.", pv.Loses)
	require.Equal(t, "vm/4001", pv.Lane)
	require.True(t, pv.Backed)
	require.Equal(t, w.clock.Now().Add(-3*time.Hour), pv.LastBackup)
	require.Equal(t, []bot.Field{
		{Label: "IPs", Value: "2001:db8:0:4001::1, 203.0.113.5"},
		{Label: "Template", Value: "`Debian12.0`"},
		{Label: "Disk", Value: "100 GiB"},
		{Label: "Cores", Value: "2"},
		{Label: "Memory", Value: "2 GiB"},
	}, pv.Fingerprint)
	card := flat(bot.Card{Fields: pv.Fields}, w.clock.Now())
	require.Contains(t, card, "State | running, up 12 days")
	require.Contains(t, card, "Last backup | 09:00 UTC (3 h ago)")

	w.clock.skip(time.Minute)
	require.Equal(t, pv.Fingerprint, w.mustPreview("vm delete 4001 --force").Fingerprint, "time does not change it")
	w.accepted("vm resize 4001 --cores 4")
	require.NotEqual(t, pv.Fingerprint, w.mustPreview("vm delete 4001 --force").Fingerprint, "a resize does")
}

func TestPreviewsReadFresh(t *testing.T) {
	w := start(t)
	w.mustRead("vm list")
	n := len(w.Calls())
	w.mustPreview("vm stop 4001")
	require.Equal(t, map[string]int{"status": 1, "config": 1}, w.kindsSince(n))
}

func TestPreviewOfACreate(t *testing.T) {
	pv := start(t).mustPreview("vm create --template debian12 --cores 2 --mem 2G --disk 10G --ips 1")
	require.Equal(t, "Create a VM with `Debian12.0`", pv.Title, "the whole name is shown")
	require.Equal(t, "Debian12.0", pv.Args.Text("template"))
	require.Equal(t, "account/create", pv.Lane)
	require.Empty(t, pv.Fingerprint)
	require.Equal(t, bot.Facts{Cores: 2, IPs: 1, Mem: 2048, Disk: 10, Known: bot.FactCores | bot.FactIPs | bot.FactMem | bot.FactDisk}, pv.Facts)
	require.JSONEq(t, `{"vms":[4001,4002,4003,4007,4009]}`, string(pv.Baseline))
}

func TestPreviewOfAResize(t *testing.T) {
	w := start(t)
	pv := w.mustPreview("vm resize 4001 --mem 8G")
	require.Contains(t, pv.Fields, bot.Field{Label: "New memory", Value: "2 GiB → 8 GiB"})
	require.Contains(t, w.mustPreview("vm resize 4001 --ips 3").Fields, bot.Field{Label: "New IPv4 addresses", Value: "1 → 3"})
	require.Equal(t, bot.Facts{Cores: 2, IPs: 1, Mem: 8192, Disk: 100, Known: bot.FactCores | bot.FactIPs | bot.FactMem | bot.FactDisk}, pv.Facts, "all that it would have")
}

func TestPreviewOfARestore(t *testing.T) {
	w := start(t)
	at := w.clock.Now().Add(-27 * time.Hour)
	pv := w.mustPreview("backup restore 4001 2026-11-23")
	require.Equal(t, at.Unix(), pv.Args.Int("backup"))
	require.Equal(t, "Put VM 4001 back to its backup of 2026-11-23 09:00 UTC (27 h ago)", bot.Flat(pv.Title, w.clock.Now()))
	require.Contains(t, pv.Fields, bot.Field{Label: "Age", Value: "27 h"})
	require.Contains(t, bot.Flat(pv.Loses, w.clock.Now()), "Everything that was written since 2026-11-23 09:00 UTC")
	require.Equal(t, at.Unix(), w.mustPreview("backup restore 4001 \"2026-11-23 09:00\"").Args.Int("backup"))

	backup, _ := w.accepted("backup create 4001")
	require.Equal(t, bot.Finished, w.end(backup).Phase)
	_, _, err := w.preview("backup restore 4001 2026-11-24")
	_, text := personal(t, err)
	require.Contains(t, text, "`2026-11-24` means 2 backups: ")
	require.Contains(t, text, "Write the timestamp of one.")
}

func TestPreviewOfAnOrder(t *testing.T) {
	w := start(t)
	pv := w.mustPreview("dedicated order 9 --template \"Debian Buster\" --ips 2 --hostname db1")
	require.Equal(t, "Order dedicated server `9` for 39", pv.Title)
	require.Equal(t, "dedicated/9", pv.Lane)
	require.Equal(t, bot.Facts{Price: 39, IPs: 2, Known: bot.FactPrice | bot.FactIPs}, pv.Facts)
	require.Equal(t, []bot.Field{
		{Label: "Price", Value: "39"},
		{Label: "Hardware", Value: "1 × Intel Xeon E5-2609 v2, 32 GB DDR3 ECC, 2 × 250 GB SSD"},
		{Label: "Place", Value: "Maincubes, Frankfurt"},
		{Label: "Model", Value: "HP ProLiant BL460c G8"},
	}, pv.Fingerprint, "the offer with its price")
}

func TestPreviewOfSoftware(t *testing.T) {
	w := start(t)
	for line, want := range map[string]struct{ target, lane, server string }{
		"software install vm/4001 ts3":            {"vm/4001", "vm/4001", "vm/4001"},
		"software install 4001 ts3":               {"vm/4001", "vm/4001", "vm/4001"},
		"software install 7 ts3":                  {"dedicated/7", "dedicated/7", "dedicated/7"},
		"software install 203.0.113.5 ts3":        {"vm/4001", "vm/4001", "203.0.113.5"},
		"software install 2001:db8:0:4001::1 ts3": {"vm/4001", "vm/4001", "2001:db8:0:4001::1"},
		"software install 192.0.2.7 ts3":          {"dedicated/7", "dedicated/7", "192.0.2.7"},
		"software install 198.51.100.77 ts3":      {"ip/198.51.100.77", "ip/198.51.100.77", "198.51.100.77"},
	} {
		pv := w.mustPreview(line)
		require.Equal(t, want.target, pv.Targets[0].String(), line)
		require.Equal(t, want.lane, pv.Lane, line)
		require.Equal(t, want.server, pv.Args.Text("server"), line)
	}
	pv := w.mustPreview("software uninstall vm/4001 mystery --port 2222")
	require.False(t, pv.Backed, "a backup guards a disk that is wiped, not a package")
	require.Equal(t, "The software with the data that it keeps.", pv.Loses)
	require.Contains(t, pv.Notes, "`mystery` is not among the packages that the provider lists.")
}

// twins makes dedicated server 7 answer to the number of VM 4001 as well.
func twins(sim http.Handler) http.Handler {
	const list, twin = "/api/v1/datacenter/dedicated", "/api/v1/datacenter/dedicated/4001/"
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rest, isTwin := strings.CutPrefix(r.URL.Path, twin)
		switch {
		case r.URL.Path == list:
			_, _ = rw.Write([]byte(`{"result":[{"id":4001,"orderComplete":true}]}`))
			return
		case isTwin:
			r.URL.Path = list + "/7/" + rest
		}
		sim.ServeHTTP(rw, r)
	})
}

func TestOneNumberForTwoServers(t *testing.T) {
	w := startBehind(t, twins)
	_, err := w.call("software install 4001 ts3")
	kind, text := personal(t, err)
	require.Equal(t, bot.Invalid, kind)
	require.Equal(t, "`4001` could be `vm/4001` or `dedicated/4001`. Write the one that you mean, such as `vm/4001`.", text)

	pv := w.mustPreview("software install vm/4001 ts3")
	require.Equal(t, "vm/4001", pv.Targets[0].String())
	require.Equal(t, "203.0.113.5", pv.Args.Text("server"), "the provider could not tell by the number")
	pv = w.mustPreview("software install dedicated/4001 ts3")
	require.Equal(t, "dedicated/4001", pv.Lane)
	require.Equal(t, "192.0.2.7", pv.Args.Text("server"))
}

func TestAFailedReadDeniesAnAddress(t *testing.T) {
	w := start(t)
	w.fault("config", "unknown-code")
	_, err := w.call("software install 203.0.113.13 ts3")
	kind, _ := personal(t, err)
	require.Equal(t, bot.Unavailable, kind, "the VM that could not be read might be the owner")
}

func TestPowerThatMakesLittleSenseIsSaidAndNotRefused(t *testing.T) {
	w := start(t)
	for line, note := range map[string]string{
		"vm start 4001":     "VM `4001` is already running.",
		"vm shutdown 4007":  "VM `4007` is halted, not running.",
		"vm stop 4007":      "VM `4007` is halted, not running.",
		"vm reboot 4007":    "VM `4007` is halted, not running.",
		"dedicated start 7": "Dedicated server `7` is already running.",
	} {
		require.Contains(t, w.mustPreview(line).Notes, note, line)
	}
}
