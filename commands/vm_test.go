package commands_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestVMListCalls(t *testing.T) {
	w := start(t)
	w.mustRead("vm list")
	require.Equal(t, map[string]int{"list": 1, "status": 5, "config": 5}, w.kindsSince(0), "cold: 1 + 2N")

	n := len(w.Calls())
	w.mustRead("vm list")
	require.Empty(t, w.kindsSince(n), "all is younger than 10 s")

	w.clock.skip(10 * time.Second)
	w.mustRead("vm list")
	require.Equal(t, map[string]int{"list": 1, "status": 5}, w.kindsSince(n), "configs kept: 1 + N")

	n = len(w.Calls())
	w.clock.skip(10 * time.Minute)
	w.mustRead("vm list")
	require.Equal(t, map[string]int{"list": 1, "status": 5, "config": 5}, w.kindsSince(n), "configs are too old")

	w.accepted("vm set-rdns 4001 203.0.113.5 mail.example.com")
	n = len(w.Calls())
	w.mustRead("vm list")
	require.Equal(t, map[string]int{"list": 1, "status": 1, "config": 1}, w.kindsSince(n), "our own change is read again")
}

func TestVMListIsSharedByTwoAskers(t *testing.T) {
	w := start(t)
	w.fault("list", "slow") // the simulator sleeps by the clock, so this only orders them
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			c, err := w.call("vm list")
			if err == nil {
				_, err = c.Command.Read(t.Context(), c)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.Equal(t, map[string]int{"list": 1, "status": 5, "config": 5}, w.kindsSince(0))
}

func TestVMList(t *testing.T) {
	w := start(t)
	ids := func(line string, allows func(bot.Target) bool) []string {
		c, err := w.call(line)
		require.NoError(t, err)
		c.Allows = allows
		card, err := c.Command.Read(t.Context(), c)
		require.NoError(t, err)
		var out []string
		for _, row := range card.Table.Rows {
			out = append(out, row[0])
		}
		return out
	}
	require.Equal(t, []string{"`4001`", "`4002`", "`4003`", "`4007`", "`4009`"}, ids("vm list", nil))
	require.Equal(t, []string{"`4007`", "`4009`"}, ids("vm list --state halted", nil))
	require.Equal(t, []string{"`4001`", "`4003`", "`4009`"}, ids("vm list --template debian", nil))
	require.Empty(t, ids("vm list --state paused", nil))
	require.Equal(t, []string{"`4002`"}, ids("vm list", func(t bot.Target) bool { return t.ID == 4002 }))

	card := w.mustRead("vm list")
	require.Equal(t, "5 VMs", card.Title)
	require.Equal(t, []string{"`4001`", "running", "2", "2 GiB", "100 GiB", "203.0.113.5, 2001:db8:0:4001::1", "`Debian12.0`"}, card.Table.Rows[0][:7])
	require.Equal(t, "12 days", card.Table.Rows[0][8])
	require.Equal(t, []string{"", ""}, card.Table.Rows[4][7:], "a halted VM has no load")
}

func TestVMListReadsOnlyWhatIsAllowed(t *testing.T) {
	w := start(t)
	c, err := w.call("vm list")
	require.NoError(t, err)
	c.Allows = func(t bot.Target) bool { return t.ID == 4002 }
	_, err = c.Command.Read(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"list": 1, "status": 1, "config": 1}, w.kindsSince(0))
}

func TestVMListWithTrouble(t *testing.T) {
	w := start(t)
	w.fault("config", "unknown-code")
	card := w.mustRead("vm list")
	require.Len(t, card.Table.Rows, 5, "one that cannot be read is shown with what is known")
	require.Equal(t, bot.Warn, card.Tone)
	require.Contains(t, flat(card, w.clock.Now()), "1 VM could not be read in full. The provider says 0xee: ")

	w.SetDown(true)
	w.clock.skip(time.Hour)
	_, err := w.read("vm list")
	kind, text := personal(t, err)
	require.Equal(t, bot.Unavailable, kind)
	require.Contains(t, text, "The provider does not answer (")
}

func TestVMShow(t *testing.T) {
	w := start(t)
	card := w.mustRead("vm show 4002")
	text := flat(card, w.clock.Now())
	require.Equal(t, "VM `4002`", card.Title)
	require.Contains(t, text, "Size | 4 cores, 8 GiB memory, 200 GiB disk")
	require.Contains(t, text, "State | running, up 41 days")
	require.Contains(t, text, "IPs | 203.0.113.6, 2001:db8:0:4002::1")
	require.Contains(t, text, "Incidents | 1 is open: vm incidents 4002")
	require.Regexp(t, `Memory \| [█░]{10} .* GiB of .* GiB \(\d+ %\)`, text)
	require.Equal(t, map[string]int{"status": 1, "config": 1, "incidents": 1}, w.kindsSince(0))

	text = flat(w.mustRead("vm show 4007"), w.clock.Now())
	require.Contains(t, text, "State | halted")
	require.NotContains(t, text, "CPU")

	_, err := w.read("vm show 4711")
	kind, said := personal(t, err)
	require.Equal(t, bot.Missing, kind)
	require.Contains(t, said, "The provider knows no VM `4711`: it says `0x01: no vm with id 4711 found`.")
}

func TestVMIncidents(t *testing.T) {
	w := start(t)
	rows := w.mustRead("vm incidents 4002").Table.Rows
	require.Len(t, rows, 2)
	require.Equal(t, []string{"`215486`", "2026-11-24 11:49:00", "goes on"}, rows[0][:3], "newest first")
	require.Equal(t, []string{"203.0.113.6", "NTP Amplification, DNS Amplification", "412330112", "1"}, rows[0][3:], "figures are raw")
	require.Len(t, w.mustRead("vm incidents 4002 --ongoing").Table.Rows, 1)
	require.Contains(t, flat(w.mustRead("vm incidents 4001"), w.clock.Now()), "There are none.")
}

func TestCompletion(t *testing.T) {
	w := start(t)
	complete := func(words, param, prefix string, args bot.Args, allows func(bot.Target) bool) []string {
		row, _ := w.cat.Find(words)
		p, _ := row.Param(param)
		choices, err := p.Kind.Complete(t.Context(), &bot.Call{Bot: w.bot, Command: row, Args: args, Now: w.clock.Now(), Allows: allows}, prefix)
		require.NoError(t, err)
		var values []string
		for _, c := range choices {
			require.LessOrEqual(t, len([]rune(c.Label)), 75)
			values = append(values, c.Value)
		}
		return values
	}
	require.Equal(t, []string{"4001", "4002", "4003", "4007", "4009"}, complete("vm show", "vm", "", nil, nil))
	require.Equal(t, map[string]int{"list": 1}, w.kindsSince(0), "one call at most")
	require.Equal(t, []string{"4001"}, complete("vm show", "vm", "", nil, func(t bot.Target) bool { return t.ID == 4001 }))
	require.Equal(t, []string{"4007"}, complete("vm show", "vm", "vm/4007", nil, nil))
	require.Equal(t, []string{"7"}, complete("dedicated show", "server", "", nil, nil))
	require.Contains(t, complete("software install", "server", "", nil, nil), "dedicated/7")
	require.Equal(t, []string{"9", "101", "12", "84", "130"}, complete("dedicated order", "server", "", nil, nil), "cheapest first")
	require.Equal(t, []string{"Debian11.0"}, complete("vm create", "template", "debian11", nil, nil))
	require.Equal(t, []string{"Proxmox VE 6 (DE)", "Proxmox VE 6"}, complete("dedicated order", "template", "proxmox", nil, nil))
	require.Equal(t, []string{"[COPY] Debian 10 Buster - Software RAID (DE) Test"}, complete("dedicated order", "template", "raid (de) test", nil, nil), "within counts too")
	require.Equal(t, []string{"ts3"}, complete("software install", "package", "ts", nil, nil))

	var want []string
	for _, age := range []time.Duration{3 * time.Hour, 27 * time.Hour, 51 * time.Hour} {
		want = append(want, fmt.Sprint(w.clock.Now().Add(-age).Unix()))
	}
	require.Equal(t, want, complete("backup restore", "backup", "", bot.Args{{Name: "vm", Value: "4001"}}, nil), "newest first")
	require.Empty(t, complete("backup restore", "backup", "", nil, nil), "of no VM")
}

func TestAtMostEightCallsAtOnce(t *testing.T) {
	var now, most atomic.Int32
	w := startBehind(t, func(sim http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			runtime.Gosched()
			const list = "/api/v1/datacenter/server"
			rest, isOne := strings.CutPrefix(r.URL.Path, list+"/")
			switch {
			case isOne: // all are the same VM
				_, what, _ := strings.Cut(rest, "/")
				r.URL.Path = list + "/4001/" + what
			case r.URL.Path == list:
				ids := make([]string, 200)
				for i := range ids {
					ids[i] = fmt.Sprint(5000 + i)
				}
				_, _ = rw.Write([]byte(`{"result":[` + strings.Join(ids, ",") + `]}`))
				return
			}
			sim.ServeHTTP(rw, r)
		})
	})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := w.read("vm list"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.Equal(t, map[string]int{"status": 200, "config": 200}, w.kindsSince(0), "and each is read once")
	require.LessOrEqual(t, most.Load(), int32(8))
}
