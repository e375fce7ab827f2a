package policy_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

var (
	ops      = policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0OPS"}
	opsOnDis = policy.Place{Platform: "discord", Team: "300000000000000001", Channel: "400000000000000001"}
	random   = policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0RANDOM"}
	private  = policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "D0ANA", Direct: true}
	noon     = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	holidays = time.Date(2026, 12, 25, 12, 0, 0, 0, time.UTC)
)

func vm(id int64) []policy.Target { return []policy.Target{{Kind: "vm", ID: id}} }

func server(id int64) []policy.Target { return []policy.Target{{Kind: "dedicated", ID: id}} }

func address(s string) []policy.Target { return []policy.Target{{Kind: "ip", Addr: s}} }

// design loads the example of the design. changes are pairs of a text in it
// and what to insert after it; its own tests do not run then.
func design(tb testing.TB, changes ...string) *policy.Snapshot {
	tb.Helper()
	const file = "testdata/design.yaml"
	if len(changes) == 0 {
		s, err := policy.Load(file, vocabulary{})
		require.NoError(tb, err)
		return s
	}
	text := mustRead(tb, file)
	for i := 0; i < len(changes); i += 2 {
		require.Equal(tb, 1, strings.Count(text, changes[i]), "%q must be once in the design", changes[i])
		text = strings.Replace(text, changes[i], changes[i]+changes[i+1], 1)
	}
	changed := filepath.Join(tb.TempDir(), "policies.yaml")
	require.NoError(tb, os.WriteFile(changed, []byte(text), 0o600))
	s, err := policy.LoadUntested(changed, vocabulary{})
	require.NoError(tb, err)
	return s
}

func ids(rules []policy.Rule) string {
	var names []string
	for _, r := range rules {
		names = append(names, r.ID)
	}
	return strings.Join(names, " ")
}

func TestDecide(t *testing.T) {
	s := design(t)
	tests := []struct {
		name    string
		q       policy.Question
		verdict string
		rules   string
		why     string
	}{
		{"a stranger is denied", policy.Question{Person: "eve", Command: "vm list"}, "deny", "default-deny", "Your account is not in the policy, so `vm list` is denied."},
		{"nobody is denied", policy.Question{Command: "vm list"}, "deny", "default-deny", "Your account is not in the policy, so `vm list` is denied."},
		{"an open command is for everyone", policy.Question{Person: "eve", Command: "whoami"}, "allow", "default-open", ""},
		{"an unknown command is denied", policy.Question{Person: "ana", Command: "vm explode"}, "deny", "default-deny", "`vm explode` is no command."},
		{"a read is allowed", policy.Question{Person: "ben", Command: "vm show", Targets: vm(4001)}, "allow", "everyone-reads", ""},
		{"no grant, no command", policy.Question{Person: "ben", Place: ops, Command: "vm delete", Targets: vm(4009)}, "deny", "default-deny", "No grant covers `vm delete` on vm/4009 for you here."},
		{"an included role counts", policy.Question{Person: "ana", Command: "vm start", Targets: vm(4001)}, "allow", "leads-own", ""},
		{"a grant counts in its channel", policy.Question{Person: "ben", Place: ops, Command: "vm start", Targets: vm(4001)}, "allow", "ops-operate", ""},
		{"and in its channel on the other platform", policy.Question{Person: "ben", Place: opsOnDis, Command: "vm start", Targets: vm(4001)}, "allow", "ops-operate", ""},
		{"it does not count elsewhere", policy.Question{Person: "ben", Place: random, Command: "vm start", Targets: vm(4001)}, "deny", "default-deny", "Your grant for `vm start` on vm/4001 does not count here, but in slack:T01TEAM/C0OPS or discord:300000000000000001/400000000000000001."},
		{"nor in private", policy.Question{Person: "ben", Place: private, Command: "vm start", Targets: vm(4001)}, "deny", "default-deny", "Your grant for `vm start` on vm/4001 does not count here, but in slack:T01TEAM/C0OPS or discord:300000000000000001/400000000000000001."},
		{"nor in the same channel of another team", policy.Question{Person: "ben", Place: policy.Place{Platform: "slack", Team: "T02", Channel: "C0OPS"}, Command: "vm start", Targets: vm(1)}, "deny", "default-deny", "Your grant for `vm start` on vm/1 does not count here, but in slack:T01TEAM/C0OPS or discord:300000000000000001/400000000000000001."},
		{"a grant without places counts in private", policy.Question{Person: "ana", Place: private, Command: "vm start", Targets: vm(4001)}, "allow", "leads-own", ""},
		{"but not among outsiders", policy.Question{Person: "ana", Place: policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C9", Shared: true}, Command: "vm show", Targets: vm(1)}, "deny", "default-deny", "Your grant for `vm show` on vm/1 does not count in a channel that is shared with outsiders, or that the bot cannot see. If it is a private one of yours, invite the bot."},
		{"a shared channel that is named is served", policy.Question{Person: "ana", Place: policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0OPS", Shared: true}, Command: "vm show", Targets: vm(1)}, "allow", "ops-operate", ""},
		{"an open command is not, in a shared channel without a name", policy.Question{Person: "ana", Place: policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C9", Shared: true}, Command: "help"}, "deny", "default-deny", "This channel is shared with outsiders, or the bot cannot see it, and no grant names it, so `help` is denied here."},
		{"a deny wins over a grant", policy.Question{Person: "ben", Place: ops, Command: "vm reboot", Targets: vm(4001)}, "deny", "prod-stays", "The rule prod-stays denies `vm reboot` on vm/4001 to you."},
		{"a deny is for its targets", policy.Question{Person: "ben", Place: ops, Command: "vm reboot", Targets: vm(4003)}, "confirm", "ops-operate default-confirm", ""},
		{"a deny is for its people", policy.Question{Person: "ana", Place: ops, Command: "vm reboot", Targets: vm(4001)}, "confirm", "ops-operate default-confirm", ""},
		{"a deny counts where no grant does too, and comes first", policy.Question{Person: "ben", Place: random, Command: "vm reboot", Targets: vm(4001)}, "deny", "prod-stays default-deny", "The rule prod-stays denies `vm reboot` on vm/4001 to you."},
		{"a target that is not known may be the denied one", policy.Question{Person: "ben", Place: ops, Command: "vm reboot"}, "deny", "prod-stays", "The rule prod-stays denies `vm reboot` to you."},
		{"a loss takes votes", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4009)}, "approve", "loss", ""},
		{"guards add up, most votes first", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4002)}, "approve", "prod-two loss", ""},
		{"also for another kind of the label", policy.Question{Person: "ana", Command: "dedicated terminate", Targets: server(7)}, "approve", "prod-two loss", ""},
		{"the same number of another kind is another target", policy.Question{Person: "ana", Command: "dedicated terminate", Targets: server(4001)}, "approve", "loss", ""},
		{"a freeze denies", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4009), Time: holidays}, "deny", "year-end", "`vm delete` on vm/4009 is frozen by year-end until 2027-01-01 23:00 UTC."},
		{"not a second before", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4009), Time: time.Date(2026, 12, 23, 22, 59, 59, 0, time.UTC)}, "approve", "loss", ""},
		{"from its first second", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4009), Time: time.Date(2026, 12, 23, 23, 0, 0, 0, time.UTC)}, "deny", "year-end", "`vm delete` on vm/4009 is frozen by year-end until 2027-01-01 23:00 UTC."},
		{"its end is free", policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4009), Time: time.Date(2027, 1, 1, 23, 0, 0, 0, time.UTC)}, "approve", "loss", ""},
		{"it is for its commands", policy.Question{Person: "ana", Command: "vm start", Targets: vm(4009), Time: holidays}, "allow", "leads-own", ""},
		{"no grant and a freeze", policy.Question{Person: "ben", Command: "vm delete", Targets: vm(4009), Time: holidays}, "deny", "default-deny year-end", "No grant covers `vm delete` on vm/4009 for you here."},
		{"an address of no server takes a grant that names it", policy.Question{Person: "ana", Command: "software install", Targets: address("203.0.113.5")}, "deny", "default-deny", "No grant covers `software install` on ip/203.0.113.5 for you here."},
		{"a target of no known kind is denied", policy.Question{Person: "ana", Command: "vm show", Targets: []policy.Target{{Kind: "disk", ID: 1}}}, "deny", "default-deny", "`vm show` on disk/1 is denied, because the target is not one that the policy knows."},
		{"a target without number is denied", policy.Question{Person: "ana", Command: "vm show", Targets: vm(0)}, "deny", "default-deny", "`vm show` on vm/0 is denied, because the target is not one that the policy knows."},
		{"a control is granted by name", policy.Question{Person: "ana", Command: "op resolve", Targets: vm(1)}, "allow", "leads-own", ""},
		{"a control is not granted by an effect", policy.Question{Person: "ben", Place: ops, Command: "op resolve", Targets: vm(1)}, "deny", "default-deny", "No grant covers `op resolve` on vm/1 for you here."},
		{"several targets: the strictest of each counts", policy.Question{Person: "ana", Command: "vm delete", Targets: append(vm(4009), vm(4001)...)}, "approve", "prod-two loss", ""},
		{"several targets: one denied, all denied", policy.Question{Person: "ben", Place: ops, Command: "vm reboot", Targets: append(vm(4009), vm(4001)...)}, "deny", "prod-stays", "The rule prod-stays denies `vm reboot` on vm/4009 and vm/4001 to you."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.q.Time.IsZero() {
				tt.q.Time = noon
			}
			a := s.Decide(tt.q)
			require.Equal(t, tt.verdict, a.Verdict(), a.Why)
			require.Equal(t, tt.rules, ids(a.Rules))
			require.Equal(t, tt.why, a.Why)
			require.Equal(t, tt.verdict != "deny", a.Allowed)
			if !a.Allowed {
				require.Zero(t, a.Requirement)
			}
		})
	}
}

func TestDecideRequirement(t *testing.T) {
	s := design(t, "guards:                                   # what must happen before an allowed command runs\n",
		"  - {id: two-lists, commands: [vm reset-password], targets: [vm/5000], approve: {by: [ben], count: 1, within: 10m}, delay: 5m, ask: [slack:T01TEAM/C0SEC]}\n"+
			"  - {id: fresh, commands: [vm reinstall], targets: [vm/4001], backup: 2h, delay: 1m}\n"+
			"  - {id: quiet, commands: [vm start], targets: [vm/5000], reason: required}\n")
	both := []policy.Place{ops, opsOnDis}
	tests := []struct {
		name    string
		command string
		target  int64
		want    policy.Requirement
	}{
		{"nothing for a change", "vm start", 4001, policy.Requirement{}},
		{"a reason alone", "vm start", 5000, policy.Requirement{Reason: true}},
		{"a button for an interruption", "vm reset", 4001, policy.Requirement{Confirm: policy.ConfirmButton}},
		{"votes for a loss", "vm delete", 1, policy.Requirement{
			Confirm: policy.ConfirmTypeTarget, Reason: true, Approve: []policy.Approval{{By: []string{"leads"}, Count: 1}}, Within: 30 * time.Minute, Ask: both,
		}},
		{"the same list counts once, with its highest count", "vm delete", 4001, policy.Requirement{
			Confirm: policy.ConfirmTypeTarget, Reason: true, Approve: []policy.Approval{{By: []string{"leads"}, Count: 2}}, Within: 30 * time.Minute,
			Delay: 10 * time.Minute, Backup: 24 * time.Hour, Ask: both,
		}},
		{"different lists are all met, the shortest time, all places", "vm reset-password", 5000, policy.Requirement{
			Confirm: policy.ConfirmTypeTarget, Reason: true,
			Approve: []policy.Approval{{By: []string{"ben"}, Count: 1}, {By: []string{"leads"}, Count: 1}}, Within: 10 * time.Minute,
			Delay: 5 * time.Minute, Ask: append([]policy.Place{{Platform: "slack", Team: "T01TEAM", Channel: "C0SEC"}}, both...),
		}},
		{"the youngest backup and the longest delay", "vm reinstall", 4001, policy.Requirement{
			Confirm: policy.ConfirmTypeTarget, Reason: true, Approve: []policy.Approval{{By: []string{"leads"}, Count: 2}}, Within: 30 * time.Minute,
			Delay: 10 * time.Minute, Backup: 2 * time.Hour, Ask: both,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.Decide(policy.Question{Person: "ana", Command: tt.command, Targets: vm(tt.target), Time: noon})
			require.True(t, a.Allowed, a.Why)
			require.Equal(t, tt.want, a.Requirement)
		})
	}
}

func TestDecideDefaultWithin(t *testing.T) {
	s := mustParse(t, strings.Replace(base, ", within: 30m", "", 1))
	a := s.Decide(policy.Question{Person: "ana", Command: "vm delete", Targets: vm(1), Time: noon})
	require.Equal(t, policy.DefaultWithin, a.Requirement.Within)
}

func TestDecideLimits(t *testing.T) {
	s := design(t, "grants:                                   # who has which role, where, on what\n",
		"  - {id: ben-small, to: [ben], role: owner, limit: {cores: 2, price: 50}}\n")
	known := policy.FactCores | policy.FactMem | policy.FactDisk | policy.FactIPs
	fits := policy.Facts{Cores: 2, Mem: 2048, Disk: 10, IPs: 1, Known: known}
	with := func(change func(*policy.Facts)) policy.Facts { f := fits; change(&f); return f }
	price := func(p float64) policy.Facts { return policy.Facts{Price: p, Known: policy.FactPrice} }
	tests := []struct {
		name     string
		person   string
		command  string
		facts    policy.Facts
		final    bool
		verdict  string
		rules    string
		depends  string
		sentence string
	}{
		{"within the ceiling", "ana", "vm create", fits, true, "approve", "money", "", ""},
		{"exactly at it", "ana", "vm create", policy.Facts{Cores: 8, Mem: 16384, Disk: 200, IPs: 4, Known: known}, true, "approve", "money", "", ""},
		{"over it in cores", "ana", "vm create", with(func(f *policy.Facts) { f.Cores = 9 }), false, "deny", "ceiling", "", "The limit ceiling ends at 8 cores, and this would be 9 cores."},
		{"over it in memory", "ana", "vm create", with(func(f *policy.Facts) { f.Mem = 16385 }), true, "deny", "ceiling", "", "The limit ceiling ends at 16G of memory, and this would be 16385M of memory."},
		{"over it in disk", "ana", "vm create", with(func(f *policy.Facts) { f.Disk = 201 }), true, "deny", "ceiling", "", "The limit ceiling ends at 200G of disk, and this would be 201G of disk."},
		{"over it in addresses", "ana", "vm create", with(func(f *policy.Facts) { f.IPs = 5 }), true, "deny", "ceiling", "", "The limit ceiling ends at 4 IPs, and this would be 5 IPs."},
		{"a negative number is over every ceiling", "ana", "vm create", with(func(f *policy.Facts) { f.Cores = -1 }), true, "deny", "ceiling", "", "The limit ceiling ends at 8 cores, and this would be -1 cores."},
		{"over it by what is known, though not all is", "ana", "vm create", policy.Facts{Cores: 9, Known: policy.FactCores}, false, "deny", "ceiling", "", "The limit ceiling ends at 8 cores, and this would be 9 cores."},
		{"a fact that is missing is depended on", "ana", "vm create", policy.Facts{Cores: 1, Mem: 1, Known: policy.FactCores | policy.FactMem}, false, "approve", "money", "disk ips", ""},
		{"and denies at the end", "ana", "vm create", policy.Facts{Cores: 1, Mem: 1, Disk: 1, Known: known &^ policy.FactIPs}, true, "deny", "ceiling", "", "The limit ceiling asks for ips, which is not known, so it is denied."},
		{"a price at the limit", "ana", "dedicated order", price(150), true, "approve", "money", "", ""},
		{"a price over it", "ana", "dedicated order", price(150.01), true, "deny", "purse", "", "The limit purse ends at a price of 150, and this would be a price of 150.01."},
		{"a price that is no number", "ana", "dedicated order", price(math.NaN()), true, "deny", "purse", "", "The limit purse ends at a price of 150, and this would be a price of NaN."},
		{"a price that is not known yet", "ana", "dedicated order", policy.Facts{}, false, "approve", "money", "price", ""},
		{"a price that is not known at the end", "ana", "dedicated order", policy.Facts{}, true, "deny", "purse", "", "The limit purse asks for price, which is not known, so it is denied."},
		{"the limit of a grant", "ben", "vm create", with(func(f *policy.Facts) { f.Cores = 3 }), true, "deny", "ben-small", "", "Your grant ben-small ends at 2 cores, and this would be 3 cores."},
		{"does not concern what it does not name", "ben", "vm create", fits, true, "approve", "money", "", ""},
		{"nor other people", "ana", "vm create", with(func(f *policy.Facts) { f.Cores = 3 }), true, "approve", "money", "", ""},
		{"the limit of a grant may be depended on", "ben", "dedicated order", policy.Facts{}, false, "approve", "money", "price", ""},
		{"and denies at the end too", "ben", "dedicated order", policy.Facts{}, true, "deny", "ben-small purse", "", "Your grant ben-small asks for price, which is not known, so it is denied."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.Decide(policy.Question{Person: tt.person, Command: tt.command, Facts: tt.facts, Final: tt.final, Time: noon})
			require.Equal(t, tt.verdict, a.Verdict(), a.Why)
			require.Equal(t, tt.rules, ids(a.Rules))
			require.Equal(t, tt.depends, strings.Join(a.Depends, " "))
			require.Equal(t, tt.sentence, a.Why)
		})
	}
}

func TestDecideLocks(t *testing.T) {
	s := design(t)
	lock := func(target string) policy.Lock {
		return policy.Lock{Target: target, By: "dia", Reason: "moving", Until: noon.Add(time.Hour)}
	}
	over := lock("all")
	over.Until = noon
	endless := lock("all")
	endless.Until = time.Time{}
	tests := []struct {
		name    string
		lock    policy.Lock
		command string
		targets []policy.Target
		denied  bool
	}{
		{"a lock on the target denies", lock("vm/4009"), "vm start", vm(4009), true},
		{"one on another does not", lock("vm/4010"), "vm start", vm(4009), false},
		{"the same number of another kind does not", lock("dedicated/4009"), "vm start", vm(4009), false},
		{"one on a label denies", lock("prod"), "vm start", vm(4002), true},
		{"one on a label the target does not have does not", lock("prod"), "vm start", vm(4009), false},
		{"one on everything denies", lock("all"), "dedicated start", server(1), true},
		{"also what has no target", lock("all"), "vm create", nil, true},
		{"one on a target leaves what has none", lock("vm/4009"), "vm create", nil, false},
		{"a target that is not known may be the locked one", lock("vm/4009"), "vm start", nil, true},
		{"reads go on", lock("all"), "vm show", vm(4009), false},
		{"so does clearing the lock", lock("all"), "lock clear", vm(4009), false},
		{"one that is over does not", over, "vm start", vm(4009), false},
		{"one without end denies", endless, "vm start", vm(4009), true},
		{"one on a label that is gone holds everything", lock("gone"), "vm start", vm(4009), true},
		{"one that cannot be read holds everything", lock("vm/x"), "vm start", vm(4009), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.Decide(policy.Question{Person: "dia", Command: tt.command, Targets: tt.targets, Time: noon, Locks: []policy.Lock{tt.lock}})
			require.Equal(t, tt.denied, !a.Allowed, a.Why)
			if tt.denied {
				require.Equal(t, []policy.Rule{{Kind: "lock", ID: tt.lock.Target, Because: "moving"}}, a.Rules)
				require.Contains(t, a.Why, "is locked by dia")
			}
		})
	}
	a := s.Decide(policy.Question{Person: "ana", Command: "vm start", Targets: vm(4001), Time: noon, Locks: []policy.Lock{lock("prod")}})
	require.Equal(t, "prod is locked by dia until 2026-06-01 13:00 UTC.", a.Why)
}

func TestDecideMembership(t *testing.T) {
	s := design(t, "grants:                                   # who has which role, where, on what\n",
		"  - {id: night-watch, to: [oncall], role: owner}\n")
	ask := func(person string, m policy.Membership) policy.Answer {
		return s.Decide(policy.Question{Person: person, Member: map[string]policy.Membership{"oncall": m}, Place: ops, Command: "vm delete", Targets: vm(1), Time: noon})
	}
	require.True(t, ask("ben", policy.Yes).Allowed)
	require.Equal(t, "No grant covers `vm delete` on vm/1 for you here.", ask("ben", policy.No).Why)

	unknown := ask("ben", policy.Unknown)
	require.False(t, unknown.Allowed, "a look-up that failed could change the answer")
	require.Equal(t, "It is not known whether you are in oncall, because the look-up failed, so `vm delete` on vm/1 is denied; try again.", unknown.Why)
	require.True(t, ask("ana", policy.Unknown).Allowed, "a look-up that failed could not change the answer")

	outside := s.Decide(policy.Question{Person: "cho", Member: map[string]policy.Membership{"oncall": policy.Yes}, Command: "vm reset", Targets: vm(1), BreakGlass: true, Time: noon})
	require.False(t, outside.Allowed, "who has no account on the platform cannot be in its group")
}

func TestDecideLists(t *testing.T) {
	s := design(t, "roles:\n", "  part: {allow: [vm list, vm show, vm templates, vm create, lock set]}\n",
		"grants:                                   # who has which role, where, on what\n", "  - {id: ben-part, to: [ben], role: part, targets: [vm/4000-4999], in: [direct]}\n")
	q := func(command string, targets ...policy.Target) policy.Question {
		return policy.Question{Person: "ben", Place: private, Command: command, Targets: targets, Time: noon}
	}
	require.True(t, s.Decide(q("vm list")).Allowed, "a list takes any grant of its own")
	require.True(t, s.Decide(q("vm templates")).Allowed, "so does a command without target")
	require.False(t, s.Decide(q("vm create")).Allowed, "create takes a grant without targets")
	require.True(t, s.Decide(q("lock set", vm(4001)...)).Allowed)
	require.False(t, s.Decide(q("lock set", vm(5001)...)).Allowed)
	require.False(t, s.Decide(q("lock set")).Allowed, "a lock on everything takes a grant on everything")

	own := mustParse(t, strings.NewReplacer("viewer: {allow: [all reads]}", "viewer: {allow: [all reads]}\n  part: {allow: [vm list]}",
		"  - {id: read, to: [ops], role: viewer,", "  - {id: part, to: [ben], role: part, targets: [vm/4000-4999, ip/203.0.113.5], in: [direct]}\n  - {id: read, to: [leads], role: viewer,",
		"denies:\n", "denies:\n  - {id: hidden, who: [ben], commands: [vm list], targets: [vm/4500]}\n").Replace(base))
	list := q("vm list")
	require.True(t, own.Covers(list, vm(4000)[0]))
	require.True(t, own.Covers(list, vm(4999)[0]))
	require.False(t, own.Covers(list, vm(5000)[0]))
	require.False(t, own.Covers(list, vm(4500)[0]), "a denied row is not shown")
	require.False(t, own.Covers(list, server(4001)[0]))
	require.True(t, own.Covers(list, address("203.0.113.5")[0]))
	require.False(t, own.Covers(list, address("203.0.113.6")[0]))
	list.Place = ops
	require.False(t, own.Covers(list, vm(4000)[0]), "the grant does not count here")
	list.Person = "eve"
	require.False(t, own.Covers(list, vm(4000)[0]))
}

func TestDecideAsk(t *testing.T) {
	s := design(t, "grants:                                   # who has which role, where, on what\n", "  - {id: ana-own, to: [ana], role: owner}\n")
	a := s.Decide(policy.Question{Person: "ben", Place: ops, Command: "vm delete", Targets: vm(4009), Time: noon})
	require.Equal(t, []string{"leads"}, a.Ask, "groups, never people")
	denied := s.Decide(policy.Question{Person: "ben", Place: ops, Command: "vm reboot", Targets: vm(4001), Time: noon})
	require.Empty(t, denied.Ask, "no group helps against a deny")
	require.Equal(t, "Production. Ask a lead.", denied.Rules[0].Because)
}

func TestDecideBreakGlass(t *testing.T) {
	s := design(t, "guards:                                   # what must happen before an allowed command runs\n",
		"  - {id: careful, commands: [vm reset], targets: [vm/5000], confirm: type-target, approve: {by: [leads], count: 1}, delay: 1h}\n",
		"freezes:\n", "  - {id: still, from: 2026-05-01T00:00:00Z, to: 2026-07-01T00:00:00Z, commands: [vm stop]}\n",
		"limits:                                   # ceilings for everybody; going over denies\n", "")
	q := policy.Question{Person: "ben", Member: map[string]policy.Membership{"oncall": policy.Yes}, Place: random, Command: "vm reset", Targets: vm(5000), Time: noon}
	night := &policy.Rule{Kind: "break_glass", ID: "night", Line: 36}

	refused := s.Decide(q)
	require.False(t, refused.Allowed)
	require.Equal(t, night, refused.BreakGlass, "offered on a refusal")
	require.Equal(t, ops, refused.Tell)
	require.Empty(t, refused.Unsure)

	blind := q
	blind.Member = nil
	require.Nil(t, s.Decide(blind).BreakGlass)
	require.Equal(t, "oncall", s.Decide(blind).Unsure, "its look-up failed")

	broken := q
	broken.BreakGlass = true
	a := s.Decide(broken)
	require.True(t, a.Allowed, a.Why)
	require.Equal(t, policy.Requirement{Confirm: policy.ConfirmTypeTarget, Reason: true}, a.Requirement, "confirmation stands, votes and delay do not")
	require.Equal(t, "night", ids(a.Rules))
	require.Equal(t, ops, a.Tell)
	require.Nil(t, a.BreakGlass)

	frozen := q
	frozen.Command, frozen.Place = "vm stop", ops
	require.Equal(t, "still", ids(s.Decide(frozen).Rules))
	require.NotNil(t, s.Decide(frozen).BreakGlass, "offered on a freeze")
	frozen.BreakGlass = true
	frozen.Locks = []policy.Lock{{Target: "all", By: "dia"}}
	require.True(t, s.Decide(frozen).Allowed, "skips freeze and lock")

	denied := q
	denied.Targets, denied.Place = vm(4001), ops
	require.Equal(t, "prod-stays", ids(s.Decide(denied).Rules))
	require.Nil(t, s.Decide(denied).BreakGlass, "a deny stands")
	denied.BreakGlass = true
	require.False(t, s.Decide(denied).Allowed)

	for _, m := range []policy.Membership{policy.No, policy.Unknown} {
		other := q
		other.Member = map[string]policy.Membership{"oncall": m}
		require.Nil(t, s.Decide(other).BreakGlass)
		other.BreakGlass = true
		require.False(t, s.Decide(other).Allowed)
	}
	outsiders := broken
	outsiders.Place.Shared = true
	require.False(t, s.Decide(outsiders).Allowed, "not among outsiders")
	other := broken
	other.Command = "vm delete"
	require.Equal(t, "No break-glass rule gives you `vm delete` on vm/5000 here.", s.Decide(other).Why)
}

func TestDecideWithoutTime(t *testing.T) {
	a := design(t).Decide(policy.Question{Person: "ana", Command: "vm delete", Targets: vm(4009)})
	require.Equal(t, "year-end", ids(a.Rules), "without a time every freeze holds")
}

func TestSnapshot(t *testing.T) {
	s := design(t)
	person, ok := s.Person("slack", "T01TEAM/U07ANA")
	require.True(t, ok)
	require.Equal(t, "ana", person)
	_, ok = s.Person("discord", "T01TEAM/U07ANA")
	require.False(t, ok)
	require.Equal(t, []policy.Account{{"slack", "T01TEAM/U07ANA"}, {"discord", "118200000000000077"}}, s.Accounts("ana"))
	require.Equal(t, []string{"web-1", "prod"}, s.Labels())
	prod, ok := s.Label("prod")
	require.True(t, ok)
	require.Equal(t, []policy.Target{{Kind: "vm", ID: 4001}, {Kind: "vm", ID: 4002}, {Kind: "dedicated", ID: 7}}, prod)
	require.Equal(t, []string{"web-1", "prod"}, s.LabelsOf(vm(4001)[0]))
	require.Empty(t, s.LabelsOf(vm(4003)[0]))
	require.Equal(t, "web-1", s.NameOf(vm(4001)[0]))
	require.Empty(t, s.NameOf(vm(4002)[0]))
	require.Equal(t, []policy.Group{{"oncall", "slack", "T01TEAM/S0ONCALL"}}, s.LookedUp())
	require.Equal(t, []string{"ana", "cho", "dia"}, s.GroupMembers("leads"))
	require.Nil(t, s.GroupMembers("oncall"))
	require.Equal(t, ops, s.Home())
	require.Equal(t, "testdata/design.yaml", s.File())
}

func TestTargetAndPlace(t *testing.T) {
	for _, text := range []string{"vm/4001", "dedicated/7", "ip/203.0.113.5", "ip/2001:db8::1"} {
		target, err := policy.ParseTarget(text)
		require.NoError(t, err)
		require.Equal(t, text, target.String())
	}
	mapped, err := policy.ParseTarget("ip/::ffff:203.0.113.5")
	require.NoError(t, err)
	require.Equal(t, "ip/203.0.113.5", mapped.String(), "one address has one name")
	for _, text := range []string{"", "vm", "vm/", "vm/0", "vm/-1", "vm/01", "vm/1-2", "ip/1", "prod", "vm/4001 "} {
		_, err := policy.ParseTarget(text)
		require.Error(t, err, text)
	}
	for _, text := range []string{"direct", "slack:T01TEAM/C0OPS", "discord:300000000000000001/400000000000000001"} {
		place, err := policy.ParsePlace(text)
		require.NoError(t, err)
		require.Equal(t, text, place.String())
	}
	for _, text := range []string{"", "ops", "slack:", "slack:T1", "slack:T1/", "slack:t1/c1", "discord:1", "discord:a/b", "console:a/b", "slack:T1/C1/1"} {
		_, err := policy.ParsePlace(text)
		require.Error(t, err, text)
	}
}
