package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot/policy"
)

func TestMayApprove(t *testing.T) {
	s := design(t, "denies:                                   # an explicit deny always wins\n",
		"  - {id: not-dia, who: [dia], commands: [vm delete], targets: [vm/5000]}\n")
	operation := func(target int64) policy.Question {
		return policy.Question{Person: "ana", Place: random, Command: "vm delete", Targets: vm(target), Time: holidays}
	}
	leads, oncall := []string{"leads"}, []string{"oncall"}
	yes := map[string]policy.Membership{"oncall": policy.Yes}
	tests := []struct {
		name   string
		person string
		member map[string]policy.Membership
		by     []string
		target int64
		why    string
	}{
		{"a lead may, whatever the place and the freeze", "cho", nil, leads, 4001, ""},
		{"the requester may not", "ana", nil, leads, 4001, "You asked for this, so somebody else has to approve it."},
		{"a stranger may not", "eve", nil, leads, 4001, "You are not in the policy, so you cannot approve."},
		{"nobody may not", "", nil, leads, 4001, "You are not in the policy, so you cannot approve."},
		{"who is on no list may not", "ben", nil, leads, 4001, "Only leads may approve this."},
		{"a person may be named", "ben", nil, []string{"leads", "ben"}, 4001, ""},
		{"no grant is needed", "ben", nil, []string{"ops"}, 4001, ""},
		{"who is denied the command may not", "dia", nil, leads, 5000, "The rule not-dia denies `vm delete` on vm/5000 to you, so you cannot approve it."},
		{"but on another target", "dia", nil, leads, 5001, ""},
		{"a looked-up member may", "ben", yes, oncall, 4001, ""},
		{"who is not in the group may not", "ben", map[string]policy.Membership{"oncall": policy.No}, oncall, 4001, "Only oncall may approve this."},
		{"a look-up that failed says so", "ben", nil, oncall, 4001, "It is not known whether you are in oncall, because the look-up failed; try again."},
		{"who has no account there is not in the group", "cho", yes, oncall, 4001, "Only oncall may approve this."},
		{"a list that names what is gone matches nobody", "cho", nil, []string{"gone"}, 4001, "Only gone may approve this."},
		{"a target that is none has no approvers", "cho", nil, leads, 0, "The target is not one that the policy knows, so nobody can approve this."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, why := s.MayApprove(tt.person, tt.member, tt.by, operation(tt.target))
			require.Equal(t, tt.why, why)
			require.Equal(t, tt.why == "", ok)
		})
	}
	unknown := func(person, group string) policy.Membership { return policy.Unknown }
	require.Equal(t, []string{"cho"}, s.Eligible(leads, operation(5000), unknown))
	require.Equal(t, []string{"cho", "dia"}, s.Eligible([]string{"leads", "oncall"}, operation(4001), unknown))
	require.Equal(t, []string{"ben", "dia"}, s.Eligible(oncall, operation(4001), func(person, group string) policy.Membership { return policy.Yes }))
}

func TestMet(t *testing.T) {
	s := design(t)
	need := func(pairs ...any) (approvals []policy.Approval) {
		for i := 0; i < len(pairs); i += 2 {
			approvals = append(approvals, policy.Approval{By: pairs[i].([]string), Count: pairs[i+1].(int)})
		}
		return approvals
	}
	leads, all := []string{"leads"}, []string{"ops"}
	tests := []struct {
		name    string
		need    []policy.Approval
		voters  []string
		missing []policy.Approval
	}{
		{"nothing needs nobody", nil, nil, nil},
		{"one of leads", need(leads, 1), []string{"cho"}, nil},
		{"a person counts once", need(leads, 2), []string{"cho", "cho"}, need(leads, 1)},
		{"two people", need(leads, 2), []string{"cho", "dia"}, nil},
		{"who is on no list does not count", need(leads, 1), []string{"ben"}, need(leads, 1)},
		{"a stranger does not count", need(leads, 1), []string{"eve"}, need(leads, 1)},
		{"one person fills one slot only", need(all, 1, leads, 1), []string{"cho"}, need(leads, 1)},
		{"whoever votes first, all are placed where they fit", need(all, 1, leads, 1), []string{"cho", "ben"}, nil},
		{"also over several steps", need(all, 1, leads, 1, []string{"cho"}, 1), []string{"cho", "dia", "ben"}, nil},
		{"no order helps where one is missing", need(all, 1, leads, 2), []string{"cho", "ben"}, need(leads, 1)},
		{"looked-up groups count", need([]string{"oncall"}, 1), []string{"ben"}, nil},
		{"of whom has an account there", need([]string{"oncall"}, 1), []string{"cho"}, need([]string{"oncall"}, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, missing := s.Met(tt.need, tt.voters, func(person, group string) policy.Membership { return policy.Yes })
			require.Equal(t, tt.missing, missing)
			require.Equal(t, len(tt.missing) == 0, ok)
		})
	}
	ok, _ := s.Met(need([]string{"oncall"}, 1), []string{"ben"}, func(person, group string) policy.Membership { return policy.Unknown })
	require.False(t, ok, "a look-up that failed counts for nothing")
}

func TestStricterThan(t *testing.T) {
	full := policy.Requirement{
		Confirm: policy.ConfirmButton, Reason: true, Approve: []policy.Approval{{By: []string{"ops", "leads"}, Count: 2}},
		Within: time.Hour, Delay: time.Hour, Backup: time.Hour,
	}
	with := func(change func(*policy.Requirement)) policy.Requirement { r := full; change(&r); return r }
	tests := []struct {
		name     string
		r        policy.Requirement
		stricter bool
	}{
		{"the same", full, false},
		{"nothing", policy.Requirement{}, false},
		{"another place to ask", with(func(r *policy.Requirement) { r.Ask = []policy.Place{ops} }), false},
		{"the list in another order", with(func(r *policy.Requirement) { r.Approve = []policy.Approval{{By: []string{"leads", "ops"}, Count: 2}} }), false},
		{"fewer votes", with(func(r *policy.Requirement) { r.Approve = []policy.Approval{{By: []string{"leads", "ops"}, Count: 1}} }), false},
		{"more votes", with(func(r *policy.Requirement) { r.Approve = []policy.Approval{{By: []string{"leads", "ops"}, Count: 3}} }), true},
		{"votes of others", with(func(r *policy.Requirement) { r.Approve = []policy.Approval{{By: []string{"leads"}, Count: 1}} }), true},
		{"a stricter confirmation", with(func(r *policy.Requirement) { r.Confirm = policy.ConfirmTypeTarget }), true},
		{"a milder one", with(func(r *policy.Requirement) { r.Confirm = policy.ConfirmNone }), false},
		{"less time", with(func(r *policy.Requirement) { r.Within = time.Minute }), true},
		{"more time", with(func(r *policy.Requirement) { r.Within = 2 * time.Hour }), false},
		{"a longer delay", with(func(r *policy.Requirement) { r.Delay = 2 * time.Hour }), true},
		{"a younger backup", with(func(r *policy.Requirement) { r.Backup = time.Minute }), true},
		{"an older backup", with(func(r *policy.Requirement) { r.Backup = 2 * time.Hour }), false},
		{"no backup", with(func(r *policy.Requirement) { r.Backup = 0 }), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.stricter, tt.r.StricterThan(full)) })
	}
	require.True(t, full.StricterThan(policy.Requirement{}))
}
