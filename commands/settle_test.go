package commands_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// Every row whose outcome a read can tell, after an answer that was lost and
// after a request that was lost.
func TestSettleAfterALostAnswer(t *testing.T) {
	for _, tt := range []struct {
		line, kind   string
		after        time.Duration // until the effect can be seen
		done         bot.Settled   // after it happened
		notDone      bot.Settled   // after it did not
		says, saysNo string
	}{
		{"vm delete 4001 --force", "delete", 0, bot.Done, bot.NotDone, "VM `4001` is no longer in the list", "VM `4001` is still there."},
		{"vm resize 4001 --cores 4", "change", 0, bot.Done, bot.NotDone, "has the size that was asked for", "still has its old size"},
		{"vm start 4007", "start", 5 * time.Second, bot.Done, bot.NotDone, "VM `4007` is running.", "VM `4007` is halted."},
		{"vm shutdown 4001", "shutdown", 10 * time.Second, bot.Done, bot.NotDone, "VM `4001` is halted.", "VM `4001` is still running."},
		{"vm stop 4001", "stop", 0, bot.Done, bot.NotDone, "VM `4001` is halted.", "VM `4001` is still running."},
		{"vm reboot 4001", "reboot", 10 * time.Second, bot.Done, bot.Unclear, "is running and has been up for", "longer than since the call"},
		{"vm reset 4001", "reset", 10 * time.Second, bot.Done, bot.Unclear, "is running and has been up for", "longer than since the call"},
		{"vm reinstall 4001 --template Ubuntu22", "reinstall", 2 * time.Minute, bot.Done, bot.Unclear, "now has `Ubuntu22.04`", "still has `Debian12.0`"},
		{"vm reinstall 4001", "reinstall", 2 * time.Minute, bot.Unclear, bot.Unclear, "its template tells nothing", "its template tells nothing"},
		{"backup create 4001", "backup-create", time.Minute, bot.Done, bot.NotDone, "A new backup of VM `4001` is in the list", "No new backup of VM `4001`"},
		{"dedicated order 9 --template \"Debian Buster\"", "order", time.Minute, bot.Done, bot.NotDone, "is among the servers owned", "still on the market"},
		{"dedicated shutdown 7", "dedicated-shutdown", 10 * time.Second, bot.Done, bot.NotDone, "Dedicated server `7` is halted.", "Dedicated server `7` is still running."},
		{"dedicated reinstall 7 --template \"Debian Buster\"", "dedicated-reinstall", 2 * time.Minute, bot.Done, bot.Unclear, "now has `Debian Buster`", "still has `Debian 10 Buster - Software RAID (DE)`"},
		{"dedicated terminate 7", "terminate", 0, bot.Done, bot.NotDone, "Dedicated server `7` is no longer in the list", "Dedicated server `7` is still there."},
		{"vm create --template Debian12 --cores 1 --mem 1G --disk 10G --ips 1", "create", 2 * time.Minute, bot.Person, bot.Unclear, "It is probably VM", "No VM has appeared"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			for fault, want := range map[string]struct {
				is   bot.Settled
				says string
			}{"answer-lost": {tt.done, tt.says}, "request-lost": {tt.notDone, tt.saysNo}, "html-502-after": {tt.done, tt.says}} {
				w := start(t)
				w.fault(tt.kind, fault)
				c, o := w.run(tt.line)
				require.Equal(t, bot.NoAnswer, o.Class, fault)
				require.False(t, o.Settle, fault)
				w.clock.skip(tt.after)
				v := w.settle(c)
				require.Equal(t, want.is, v.Is, "%s: %s", fault, v.Text)
				require.Contains(t, v.Text, want.says, fault)
			}
		})
	}
}

// A start of what runs is refused with 0xa1. That it runs is then no news.
func TestSettleSaysWhatWasSoBefore(t *testing.T) {
	for line, want := range map[string]string{
		"vm start 4001":     "VM `4001` is running, as it was before.",
		"vm stop 4007":      "VM `4007` is halted, as it was before.",
		"dedicated start 7": "Dedicated server `7` is running, as it was before.",
	} {
		w := start(t)
		c, _ := w.run(line)
		require.Equal(t, bot.Verdict{Is: bot.Done, Text: want}, w.settle(c))
	}
}

func TestSettleADeleteWhoseNumberIsRecycled(t *testing.T) {
	w := start(t)
	w.fault("delete", "recycle")
	c, _ := w.accepted("vm delete 4001 --force")
	v := w.settle(c)
	require.Equal(t, bot.Done, v.Is)
	require.Contains(t, v.Text, "its number now belongs to another machine with `198.51.100.1`")
}

func TestSettleADeleteThatAFrameworkDenies(t *testing.T) {
	w := start(t)
	c, _ := w.accepted("vm delete 4001 --force")
	w.fault("status", "bare-404")
	v := w.settle(c)
	require.Equal(t, bot.Unclear, v.Is, "a bare 404 is no proof")
	require.Equal(t, bot.Done, w.settle(c).Is)
}

func TestSettleADeleteOfAChangedVM(t *testing.T) {
	w := start(t)
	w.fault("delete", "request-lost")
	c, _ := w.run("vm delete 4001 --force")
	w.accepted("vm resize 4001 --cores 4")
	v := w.settle(c)
	require.Equal(t, bot.Person, v.Is)
	require.Contains(t, v.Text, "cores was 2, is 4")
}

func TestSettleAResizeThatIsAMixture(t *testing.T) {
	w := start(t)
	w.fault("change", "request-lost")
	c, _ := w.run("vm resize 4001 --cores 4 --mem 8G")
	w.accepted("vm resize 4001 --cores 4")
	v := w.settle(c)
	require.Equal(t, bot.Person, v.Is)
	require.Contains(t, v.Text, "asked was Cores 4, Memory 8 GiB, Disk 100 GiB, IPv4 addresses 1; it is Cores 4, Memory 2 GiB")
}

// Of a finished job that left a mixture nobody says that it has failed: a person
// has to look.
func TestFollowAResizeThatIsAMixture(t *testing.T) {
	w := startBehind(t, func(sim http.Handler) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v1/job/15" {
				sim.ServeHTTP(out, r)
				return
			}
			out.Header().Set("Content-Type", "application/json")
			_, err := io.WriteString(out, `{"result":{"id":15,"status":"finished","progress":100,"output":[]}}`)
			require.NoError(t, err)
		})
	})
	w.fault("change", "request-lost")
	c, _ := w.run("vm resize 4001 --cores 4 --mem 8G")
	c.Op.Job = &bot.Job{ID: 15, Since: w.clock.Now(), Last: bot.Progress{Phase: bot.Running, Fraction: -1}}
	at := w.follow(c)
	require.Equal(t, bot.Broken, at.Phase, "it is as before")
	w.accepted("vm resize 4001 --cores 4")
	at = w.follow(c)
	require.Equal(t, bot.Lost, at.Phase)
	require.Equal(t, bot.Person, w.settle(c).Is, "which is what he is asked with")
	w.accepted("vm resize 4001 --mem 8G")
	at = w.follow(c)
	require.Equal(t, bot.Finished, at.Phase)
	require.Contains(t, at.Text, "has the size that was asked for")
}

func TestSettleAnIgnoredResize(t *testing.T) {
	w := start(t)
	w.fault("change", "ignored")
	c, _ := w.accepted("vm resize 4001 --cores 4")
	require.Equal(t, bot.NotDone, w.settle(c).Is, "accepted is not done")
}

func TestSettleACreate(t *testing.T) {
	const line = "vm create --template Debian12 --cores 1 --mem 1G --disk 10G --ips 1"
	w := start(t)
	w.fault("create", "answer-lost")
	c, _ := w.run(line)
	w.clock.skip(2 * time.Minute)
	v := w.settle(c)
	require.Equal(t, int64(4004), v.VM)

	other, _ := w.accepted("vm create --template Debian12 --cores 8 --mem 1G --disk 10G --ips 1")
	require.Equal(t, bot.Finished, w.end(other).Phase)
	v = w.settle(c)
	require.Equal(t, bot.Person, v.Is)
	require.Zero(t, v.VM, "one of two is not adopted")
	require.Contains(t, v.Text, "Several VMs have appeared in the list: `4004`, `4005`.")

	w.accepted("vm delete 4004 --force")
	v = w.settle(c)
	require.Equal(t, bot.Person, v.Is)
	require.Zero(t, v.VM)
	require.Contains(t, v.Text, "is not what was asked for: `Debian12.0`, 8 cores")
}

// However many VMs were created meanwhile, none of them is given to another
// operation.
func TestSettleACreateAmongMany(t *testing.T) {
	const line = "vm create --template Debian12 --cores 1 --mem 1G --disk 10G --ips 1"
	w := start(t)
	w.fault("create", "request-lost")
	c, _ := w.run(line)
	w.clock.skip(2 * time.Minute)
	other, _ := w.accepted(line)
	require.Equal(t, bot.Finished, w.end(other).Phase)
	var ops []bot.Operation // the newest first
	for id := int64(300); id > 100; id-- {
		ops = append(ops, bot.Operation{ID: id, Command: "vm create", State: bot.Succeeded, Created: w.clock.Now(), Made: []bot.Target{{Kind: "vm", ID: 9000 + id}}})
	}
	w.knows(append(ops, kept(other, 18, bot.Succeeded))...)
	c.Bot = w.bot
	require.Equal(t, bot.Verdict{Is: bot.Unclear, Text: "No VM has appeared in the list."}, w.settle(c))
}

func TestSettleAnOrderThatIsNowhere(t *testing.T) {
	w := start(t)
	c, _ := w.accepted("dedicated order 9 --template \"Debian Buster\"")
	v := w.settle(c)
	require.Equal(t, bot.Person, v.Is, "neither owned yet nor on the market")
	require.Contains(t, v.Text, "Ask the provider whether it was ordered.")
}

func TestSettleAfterASignalThatFailed(t *testing.T) {
	for fault, want := range map[string]bot.Settled{"a1-before": bot.NotDone, "a1-after": bot.Done} {
		w := start(t)
		w.fault("stop", fault)
		c, o := w.run("vm stop 4001")
		require.Equal(t, bot.NoAnswer, o.Class)
		require.True(t, o.Settle, "one read decides")
		require.Equal(t, "0xa1", o.Code)
		require.Equal(t, want, w.settle(c).Is, fault)
	}
}

func TestSettleFailsWhereAReadFails(t *testing.T) {
	w := start(t)
	c, _ := w.accepted("vm delete 4001 --force")
	w.SetDown(true)
	_, err := c.Command.Settle(t.Context(), c)
	require.Error(t, err, "nothing is concluded")
}

func TestAResizeSaysWhatIsNew(t *testing.T) {
	w := start(t)
	_, o := w.accepted("vm resize 4001 --cores 4 --mem 8G")
	require.Equal(t, "VM `4001` has its new size: cores 2 → 4, memory 2 GiB → 8 GiB.", o.Done)
}
