//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// deed is one operation, and how the provider's side tells whether it was done.
type deed struct {
	name   string
	ask    func(*rig) string // what ana types
	fill   string            // the form after Confirm, if there is one
	votes  bool              // dia has to approve
	kind   string            // of the provider's call
	done   func(*rig) bool
	lost   bot.State // how it ends if nobody knows, and nothing was sent
	landed bot.State // and if it was
}

var deeds = []deed{
	{
		"vm create", typed("vm create --template Debian12.0 --cores 2 --mem 2G --disk 10G --ips 1"), "", true, "create",
		func(r *rig) bool { return len(r.numbers("datacenter/server")) == 6 }, bot.NeedsHuman, bot.NeedsHuman,
	},
	{
		"vm delete", typed("vm delete 4009"), `reason="INC-42" target=4009`, true, "delete",
		func(r *rig) bool { return !slices.Contains(r.numbers("datacenter/server"), 4009) }, bot.SettledNotDone, bot.SettledDone,
	},
	{
		"dedicated order", typed(`dedicated order 9 --template "Debian Buster"`), "", true, "order",
		func(r *rig) bool { return strings.Contains(r.get("datacenter/dedicated"), `"id":9,`) }, bot.SettledNotDone, bot.SettledDone,
	},
	{
		"vm reboot", typed("vm reboot 4003"), "", false, "reboot",
		func(r *rig) bool {
			var status struct{ Uptime int64 }
			r.result("datacenter/server/4003/status", &status)
			return status.Uptime < 3600
		}, bot.NeedsHuman, bot.SettledDone,
	},
	{
		"backup restore", func(r *rig) string {
			at := time.Unix(int64(r.numbers("datacenter/server/4009/backups/list")[0]), 0).UTC()
			return "backup restore 4009 " + at.Format(time.DateOnly)
		}, `reason="INC-42" target=4009`, true, "restore",
		func(r *rig) bool { return strings.Contains(r.get("datacenter/server/4009/status"), `"running"`) }, bot.NeedsHuman, bot.NeedsHuman,
	},
}

func typed(line string) func(*rig) string { return func(*rig) string { return line } }

// next are the lines that bring an operation on from where it stands.
func (d *deed) next(r *rig, op *bot.Operation) []string {
	confirm := []string{"ana: press Confirm"}
	if d.fill != "" {
		confirm = append(confirm, "ana: fill "+d.fill)
	}
	approve := []string{"dia: press Approve"}
	if !d.votes {
		approve = nil
	}
	switch {
	case op == nil, op.State == bot.Confirming && op.Digest == "", op.State == bot.Expired:
		return slices.Concat([]string{"ana: " + d.ask(r)}, confirm, approve)
	case op.State == bot.Confirming:
		return slices.Concat([]string{fmt.Sprintf("ana: op approve %d", op.ID)}, confirm, approve)
	case op.State == bot.Pending:
		return append([]string{fmt.Sprintf("dia: op approve %d", op.ID)}, approve...)
	}
	return nil
}

// last is the newest operation, nil if there is none.
func last(ops []bot.Operation) *bot.Operation {
	if len(ops) == 0 {
		return nil
	}
	return &ops[len(ops)-1]
}

// goOn lets an operation come to its end after a crash: people do what is
// left for them, time passes, and where nobody knows, cho looks and says it.
func (d *deed) goOn(r *rig) bot.State {
	r.t.Helper()
	before := r.operations()
	lines := d.next(r, last(before))
	r.run("", append(lines, ":skip 1m", "ana: op list", ":skip 3h", "ana: op list")...)
	ops := r.operations()
	require.NotEmpty(r.t, ops, r.said.String())
	op := last(ops)
	require.Equal(r.t, d.name, op.Command)
	reached := op.State
	again := []string{":skip 1h", fmt.Sprintf("ana: op show %d", op.ID)}
	if op.State == bot.NeedsHuman || op.State == bot.LostTrack {
		word := "not-done"
		if d.done(r) {
			word = "done"
		}
		again = append(again, fmt.Sprintf("cho: op resolve %d %s --reason \"looked at it\"", op.ID, word))
	}
	r.run("", append(again, ":skip 25h", fmt.Sprintf("ana: op show %d", op.ID))...)
	for _, was := range ops {
		if was.State.Final() {
			r.opened(func(st bot.Store) {
				is, err := st.Operation(r.t.Context(), was.ID)
				require.NoError(r.t, err)
				require.Equal(r.t, was, is, "a final state changed: %s", r.said.String())
			})
		}
	}
	return reached
}

// happened are the final states that say that it was done, and never those
// that say that it was not.
var happened = map[bot.State]bool{
	bot.Succeeded: true, bot.SettledDone: true, bot.ResolvedDone: true,
	bot.Failed: false, bot.SettledNotDone: false, bot.ResolvedUndone: false,
	bot.Cancelled: false, bot.Denied: false, bot.Expired: false, bot.Invalidated: false,
}

// intentStands checks, right after a death, that nothing left before its
// intent was on disk.
func (r *rig) intentStands() {
	r.t.Helper()
	if sent := r.sent(); len(sent) > 0 {
		op := last(r.operations())
		require.NotNil(r.t, op, "sent without an operation: %v", sent)
		require.NotEmpty(r.t, op.Attempts, "sent without an intent: %v\n%s", sent, r.said.String())
		require.False(r.t, op.State.Waiting(), "sent, and it still waits: %s", op.State)
	}
}

// invariants are those of the design's safety page, after the end.
func (d *deed) invariants(r *rig, mostEnds int) {
	r.t.Helper()
	all := r.said.String()
	done := d.done(r)
	r.server.Close() // waits for what is still on its way
	sent := r.sent()
	ops := r.operations()
	attempts := 0
	roots := 0
	for _, op := range ops {
		if op.Command != d.name { // cho's op resolve
			continue
		}
		attempts += len(op.Attempts)
		require.True(r.t, op.State.Final(), "operation %d is %s\n%s", op.ID, op.State, all)
		verdict, known := happened[op.State]
		require.True(r.t, known, "%s", op.State)
		if len(op.Attempts) > 0 {
			require.Equal(r.t, done, verdict, "it says %s\n%s", op.State, all)
		}
		if !op.Silent {
			roots++
		}
		voters := op.Voters()
		slices.Sort(voters)
		require.Len(r.t, slices.Compact(slices.Clone(voters)), len(voters), "a vote counts twice: %v", voters)
		if d.votes && len(op.Attempts) > 0 {
			require.Equal(r.t, []string{"dia"}, voters)
		}
		intents, votes := 0, 0
		r.opened(func(st bot.Store) {
			records, err := st.Audit(r.t.Context(), bot.AuditFilter{Limit: 1000})
			require.NoError(r.t, err)
			for _, rec := range records {
				if rec.Op == op.ID && rec.Kind == "intent" {
					intents++
				}
				if rec.Op == op.ID && rec.Kind == "vote" {
					votes++
				}
			}
			if op.Lane != "" {
				_, err = st.Holder(r.t.Context(), op.Lane)
				require.ErrorIs(r.t, err, bot.ErrNotFound, "the lane %s is held", op.Lane)
			}
			owed, _, err := st.Owed(r.t.Context(), time.Now().Add(1000*time.Hour), "", 100)
			require.NoError(r.t, err)
			require.Empty(r.t, owed, "a message is still owed")
		})
		require.Equal(r.t, len(op.Attempts), intents, "intents in the audit log")
		require.Equal(r.t, len(op.Votes), votes, "votes in the audit log")
	}
	require.LessOrEqual(r.t, len(sent), 1, "sent twice: %v\n%s", sent, all)
	require.LessOrEqual(r.t, attempts, 1, "attempted twice: %s", all)
	require.LessOrEqual(r.t, len(sent), attempts)
	for _, c := range sent {
		require.Equal(r.t, d.kind, c.Kind)
	}
	places := ends(all)
	said := places["#ops"]
	require.GreaterOrEqual(r.t, len(said), roots, "an end message is missing\n%s", all)
	for place, said := range places {
		require.LessOrEqual(r.t, len(said), roots-1+mostEnds, "end messages in %s: %q\n%s", place, said, all)
	}
	if attempts > 0 {
		lies := regexp.MustCompile(`(?i)not[ -]done|failed|cancelled|expired`)
		if !done {
			lies = regexp.MustCompile(`(?i)✓|[^t] done[^?]|\bis deleted`)
		}
		require.NotRegexp(r.t, lies, said[len(said)-1], "done: %v", done)
	}
}

// points are all moments at which the process can kill itself.
var points = []string{
	"after_dedupe", "after_request", "after_vote", "after_approved", "after_intent", "after_send",
	"after_response", "after_result", "after_post", "after_post_ack", "in_policy_swap", "in_audit",
}

// TestEveryFailpointIsInTheMatrix looks for the points in the code.
func TestEveryFailpointIsInTheMatrix(t *testing.T) {
	call := regexp.MustCompile(`fail\.Point\("([a-z_]+)"\)`)
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir(filepath.Join("..", ".."), func(file string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "bot/fail/fail.go") {
			return err
		}
		text, err := os.ReadFile(file)
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
		return err
	}))
	for _, p := range points {
		require.True(t, found[p], "%s is nowhere", p)
	}
	require.Len(t, found, len(points), "the matrix misses one of %v", found)
}

// TestKilledAtEveryPoint: whatever the moment, nothing is sent twice, nothing
// is lost, and nothing wrong is said.
func TestKilledAtEveryPoint(t *testing.T) {
	binary(t)
	for _, d := range deeds {
		for _, point := range points {
			t.Run(d.name+"/"+point, func(t *testing.T) {
				t.Parallel()
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
				r := newRig(t)
				if point == "in_policy_swap" {
					d.swapped(r)
				} else {
					killed := r.run(point, d.next(r, nil)...)
					reached := d.votes || point != "after_vote" && point != "after_approved"
					require.Equal(t, reached, killed, "killed\n%s", r.said.String())
				}
				r.intentStands()
				if slices.Index(points, point) < slices.Index(points, "after_intent") && d.votes || point == "in_audit" {
					require.Empty(t, r.sent(), "it was sent before its intent\n%s", r.said.String())
				}
				want := bot.Succeeded
				switch point {
				case "after_intent":
					want = d.lost
				case "after_send", "after_response":
					want = d.landed
				}
				got := d.goOn(r)
				if point == "after_send" && got == bot.Succeeded {
					got = want // the answer came, and was stored, before the blow fell
				}
				require.Equal(t, want, got, r.said.String())
				most := 1
				if point == "after_post" {
					most = 2 // the console of a new process knows no message of the old one
				}
				d.invariants(r, most)
			})
		}
	}
}

// swapped brings an operation to where it waits for somebody, and then kills a
// `run` on its store while a new policy comes into force.
func (d *deed) swapped(r *rig) {
	t := r.t
	lines := d.next(r, nil)
	if d.votes {
		lines = lines[:len(lines)-1] // the vote
	} else {
		lines = lines[:1] // waits for its confirmation
	}
	require.False(t, r.run("", lines...))
	before := r.operations()
	require.Len(t, before, 1)
	policy := filepath.Join(r.dir, "policies.yaml")
	require.NoError(t, os.WriteFile(policy, examplePolicy, 0o600))
	p := r.start("in_policy_swap", policy)
	p.healthy()
	require.NoError(t, os.WriteFile(policy, append(slices.Clone(examplePolicy), "\n# changed\n"...), 0o600))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	err := p.wait()
	var ended *exec.ExitError
	require.ErrorAs(t, err, &ended, p.text())
	status, ok := ended.Sys().(syscall.WaitStatus)
	require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%v\n%s", err, p.text())
	require.Equal(t, before, r.operations(), "it still waits, and for the same")
}

// TestKilledAtEveryMessage kills the process at each message that it posts, one
// after the other: after it is recorded, or before that and then after.
func TestKilledAtEveryMessage(t *testing.T) {
	binary(t)
	for _, d := range deeds {
		for name, deaths := range map[string][]string{
			"recorded":     {"after_post_ack"},
			"not recorded": {"after_post", "after_post_ack"},
		} {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				atOnce <- struct{}{}
				defer func() { <-atOnce }()
				r := newRig(t)
				for r.run(deaths[r.runs%len(deaths)], append(d.next(r, last(r.operations())), ":skip 10m")...) {
					r.intentStands()
					require.Less(t, r.runs, 40, "it never ends\n%s", r.said.String())
				}
				require.Greater(t, r.runs, 2*len(deaths))
				require.Equal(t, bot.Succeeded, d.goOn(r), r.said.String())
				d.invariants(r, len(deaths))
			})
		}
	}
}

// TestKilledInEveryTransaction kills the process in one transaction after the
// other: none leaves half of itself.
func TestKilledInEveryTransaction(t *testing.T) {
	binary(t)
	for _, d := range deeds {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			r := newRig(t)
			state := func(want bot.State) {
				t.Helper()
				op := last(r.operations())
				require.NotNil(t, op)
				require.Equal(t, want, op.State, r.said.String())
			}
			dies := func(point string, lines ...string) {
				t.Helper()
				require.True(t, r.run(point, lines...), r.said.String())
			}
			ask := "ana: " + d.ask(r)
			dies("in_audit", ask)
			require.Empty(t, r.operations())
			r.run("", ask)
			state(bot.Confirming)
			lines := d.next(r, last(r.operations()))
			if d.votes {
				confirm, vote := lines[:len(lines)-1], lines[len(lines)-1]
				dies("in_audit", confirm...)
				state(bot.Confirming)
				r.run("", confirm...)
				state(bot.Pending)
				dies("in_audit", "dia: op approve 1", vote)
				state(bot.Pending)
				require.Empty(t, last(r.operations()).Votes)
				dies("after_vote", "dia: op approve 1", vote)
				state(bot.Ready)
				dies("in_audit", ":skip 1s") // the intent
				state(bot.Ready)
				require.Empty(t, r.sent())
				dies("after_response", ":skip 1s")
			} else {
				dies("in_audit", lines...)
				state(bot.Confirming)
				dies("after_response", lines...)
			}
			state(bot.Intent)
			require.Len(t, r.sent(), 1)
			dies("in_audit", ":skip 1s") // the recovery
			state(bot.Intent)
			r.run("", ":skip 1s")
			state(bot.Unknown)
			dies("in_audit", ":skip 3h") // the settling
			state(bot.Unknown)
			require.Equal(t, d.landed, d.goOn(r), r.said.String())
			d.invariants(r, 1)
		})
	}
}

// TestKilledBeforeTheTargetWasRead: who is told that an operation waits for
// his confirmation can confirm it, or is told that it is over.
func TestKilledBeforeTheTargetWasRead(t *testing.T) {
	for _, point := range []string{"after_dedupe", "after_request"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			require.True(t, r.run(point, "ana: vm reboot 4003"))
			r.run("", ":skip 1s", "ana: op approve 1")
			if op := last(r.operations()); op.State == bot.Confirming {
				require.Contains(t, r.said.String(), "] Confirm")
			} else {
				require.Contains(t, r.said.String(), "type it again")
			}
		})
	}
}
