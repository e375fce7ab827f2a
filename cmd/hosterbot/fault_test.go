package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
)

// change is one command that changes something.
type change struct {
	before []string // what has to be so first
	ask    string
	kind   string // of the provider's call
	secret bool   // it asks for a password at last
	other  string // what somebody else wants of the same lane
	lost   bot.State
	landed bot.State
}

const (
	saveVM   = "ana: backup create 4003"
	confirms = "ana: press Confirm"
)

var changes = map[string]change{
	"vm create":           {nil, "vm create --template Debian12.0 --cores 2 --mem 2G --disk 10G --ips 1", "create", false, "dia: vm create --template Debian12.0 --cores 1 --mem 1G --disk 10G --ips 1", bot.NeedsHuman, bot.NeedsHuman},
	"vm resize":           {nil, "vm resize 4003 --mem 2G", "change", false, saveVM, bot.SettledNotDone, bot.SettledDone},
	"vm start":            {nil, "vm start 4009", "start", false, "ana: backup create 4009", bot.SettledNotDone, bot.SettledDone},
	"vm shutdown":         {nil, "vm shutdown 4003", "shutdown", false, saveVM, bot.SettledNotDone, bot.SettledDone},
	"vm reboot":           {nil, "vm reboot 4003", "reboot", false, saveVM, bot.NeedsHuman, bot.SettledDone},
	"vm stop":             {nil, "vm stop 4003", "stop", false, saveVM, bot.SettledNotDone, bot.SettledDone},
	"vm reset":            {nil, "vm reset 4003", "reset", false, saveVM, bot.NeedsHuman, bot.SettledDone},
	"vm reinstall":        {nil, "vm reinstall 4003 --template Ubuntu22.04", "reinstall", false, saveVM, bot.NeedsHuman, bot.SettledDone},
	"vm reset-password":   {nil, "vm reset-password 4003", "password", false, saveVM, bot.NeedsHuman, bot.NeedsHuman},
	"vm set-rdns":         {nil, "vm set-rdns 4003 203.0.113.7 a.example.com", "rdns", false, "ana: vm set-rdns 4003 203.0.113.7 b.example.com", bot.NeedsHuman, bot.NeedsHuman},
	"vm delete":           {nil, "vm delete 4009", "delete", false, "ana: backup create 4009", bot.SettledNotDone, bot.SettledDone},
	"backup create":       {nil, "backup create 4003", "backup-create", false, "ana: vm reset 4003", bot.SettledNotDone, bot.SettledDone},
	"backup restore":      {nil, "backup restore 4009 2026-02-21", "restore", false, "ana: backup create 4009", bot.NeedsHuman, bot.NeedsHuman},
	"dedicated order":     {nil, `dedicated order 9 --template "Debian Buster"`, "order", false, `dia: dedicated order 9 --template "Debian Stretch"`, bot.SettledNotDone, bot.SettledDone},
	"dedicated start":     {[]string{"ana: dedicated shutdown 7", confirms, "wait 1"}, "dedicated start 7", "dedicated-start", false, "ana: dedicated reboot 7", bot.SettledNotDone, bot.SettledDone},
	"dedicated shutdown":  {nil, "dedicated shutdown 7", "dedicated-shutdown", false, "ana: dedicated reboot 7", bot.SettledNotDone, bot.SettledDone},
	"dedicated reboot":    {nil, "dedicated reboot 7", "dedicated-reboot", false, "ana: dedicated shutdown 7", bot.NeedsHuman, bot.NeedsHuman},
	"dedicated reinstall": {nil, `dedicated reinstall 7 --template "Debian Buster"`, "dedicated-reinstall", false, "ana: dedicated reboot 7", bot.NeedsHuman, bot.SettledDone},
	"dedicated terminate": {nil, "dedicated terminate 7", "terminate", false, "ana: dedicated reboot 7", bot.SettledNotDone, bot.SettledDone},
	"software install":    {nil, "software install vm/4003 nginx", "install", true, saveVM, bot.NeedsHuman, bot.NeedsHuman},
	"software uninstall":  {nil, "software uninstall vm/4003 nginx", "uninstall", true, saveVM, bot.NeedsHuman, bot.NeedsHuman},
}

// TestEveryChangeIsInTheTableOfFaults asks the catalogue.
func TestEveryChangeIsInTheTableOfFaults(t *testing.T) {
	catalogue, err := commands.Catalogue(nil, nil)
	require.NoError(t, err)
	found := 0
	for _, row := range catalogue.All() {
		if row.Mutates() && !row.Local {
			require.Contains(t, changes, row.Words)
			found++
		}
	}
	require.Len(t, changes, found)
}

// asked plays the command, and returns what the bot says, and the press that
// it waits for, if it does.
func (c *change) asked(s *scene) (text, press string) {
	text = s.play("ana: " + c.ask)
	if strings.Contains(text, "] Confirm") {
		return text, confirms
	}
	return text, ""
}

// ending is what a fault leads to.
type ending struct {
	state func(*change) bot.State // in the end
	sent  int                     // requests that reached the provider
	says  string                  // what stands in the thread
}

func lostState(c *change) bot.State   { return c.lost }
func landedState(c *change) bot.State { return c.landed }
func always(s bot.State) func(*change) bot.State {
	return func(*change) bot.State { return s }
}

// endings are the faults that the simulator can do, and what becomes of them.
var endings = map[string]ending{
	"500-before":     {lostState, 1, "0xa3: timeout"},
	"500-after":      {landedState, 1, "0xa3: timeout"},
	"hang-before":    {lostState, 1, "Outcome unknown"},
	"hang-after":     {landedState, 1, "Outcome unknown"},
	"html-502":       {lostState, 1, "502"},
	"html-502-after": {landedState, 1, "502"},
	"429-twice":      {always(bot.Succeeded), 1, "Too Many Attempts"},
	"half-document":  {landedState, 1, "Outcome unknown"},
	"redirect-307":   {lostState, 1, "Outcome unknown"},
	"request-lost":   {lostState, 1, "Outcome unknown"},
	"answer-lost":    {landedState, 1, "Outcome unknown"},
	"a1-before":      {always(bot.Failed), 1, "0xa1: failed"},
	"422":            {always(bot.Failed), 1, "The selected template is invalid"},
	"unknown-code":   {always(bot.Failed), 1, "0xee: node is in maintenance"},
	"slow":           {always(bot.Succeeded), 1, ""},
}

// TestFaults: every command that changes something, whatever the provider
// does. What it is asked to do reaches it once at most.
func TestFaults(t *testing.T) {
	for name, c := range changes {
		for fault, want := range endings {
			t.Run(name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, "testdata/faults.yaml", nil)
				before := c.prepared(s)
				require.NoError(t, s.sim.Fault(c.kind, fault))
				c.goes(s, before, want)
			})
		}
	}
}

// prepared plays what has to be so before, and returns the number of the last
// operation.
func (c *change) prepared(s *scene) int64 {
	s.t.Helper()
	if c.before == nil {
		return 0
	}
	s.play(c.before...)
	return 1
}

// goes plays a command into a fault, and somebody else's on the same lane
// after it, up to their end.
func (c *change) goes(s *scene, before int64, want ending) {
	t := s.t
	t.Helper()
	id := before + 1
	c.says(s, want)
	first := s.op(id)
	holds := first.HoldsLane()
	heldBy, err := s.now().store.Holder(t.Context(), first.Lane)
	if holds {
		require.NoError(t, err)
		require.Equal(t, id, heldBy)
	} else {
		require.ErrorIs(t, err, bot.ErrNotFound, "%s holds no lane", first.State)
	}
	if first.State == bot.Unknown {
		require.Contains(t, s.out.String(), "Outcome unknown")
		c.waits(s, id)
	}
	s.play(":skip 3h", fmt.Sprintf("ana: op show %d", id))
	c.ended(s, id, want)
}

// waits plays what somebody else wants of the lane that an unknown outcome
// holds.
func (c *change) waits(s *scene, id int64) {
	t := s.t
	t.Helper()
	calls := len(s.sim.Calls())
	s.play(c.other)
	if op := s.op(id + 1); op.State == bot.Confirming {
		who, _, _ := strings.Cut(c.other, ":")
		s.play(who + ": press Confirm")
	}
	op := s.op(id + 1)
	require.Empty(t, op.Attempts, "two on one lane\n%s", s.out.String())
	if op.State == bot.Ready {
		require.Contains(t, op.Waits, fmt.Sprintf("operation %d, whose outcome is unknown", id))
	} else {
		require.True(t, op.State.Final(), "%s\n%s", op.State, s.out.String())
	}
	for _, call := range s.sim.Calls()[calls:] {
		require.False(t, call.Mutating, "%v", call)
	}
}

// says plays the command itself.
func (c *change) says(s *scene, want ending) {
	t := s.t
	t.Helper()
	if _, press := c.asked(s); press != "" {
		s.play(press)
	}
	if c.secret {
		s.play("ana: press Enter password", "ana: fill password=correct-horse")
	}
	if want.says == "Too Many Attempts" {
		s.play(":skip 30s")
	}
}

// ended checks what came of it.
func (c *change) ended(s *scene, id int64, want ending) {
	t := s.t
	t.Helper()
	text := s.out.String()
	op := s.op(id)
	sent, throttled := s.sent(c.kind)
	if c.kind == s.otherKind(id) {
		sent-- // the one that waited for it has gone since
	}
	require.Equal(t, want.sent, sent, "requests that reached the provider\n%s", text)
	if strings.HasPrefix(want.says, "Too Many") {
		require.Equal(t, 2, throttled)
	}
	require.Equal(t, want.state(c), op.State, text)
	require.NotRegexp(t, `(?i)<html|<head|nginx</|correct-horse`, text)
	require.Contains(t, text, want.says)
	require.Contains(t, text, fmt.Sprintf("peration %d", id))
	if op.State.Final() {
		require.False(t, op.HoldsLane())
		if holder, err := s.now().store.Holder(t.Context(), op.Lane); err == nil {
			require.NotEqual(t, id, holder)
		}
		require.Len(t, ends(text)["#ops"], endsWanted(s))
	}
}

// endsWanted counts the operations of ana's that have ended in the channel.
func endsWanted(s *scene) int {
	n := 0
	ops, err := s.now().store.Operations(s.t.Context(), bot.OperationFilter{Person: "ana"})
	require.NoError(s.t, err)
	for _, op := range ops {
		if op.State.Final() && !op.Silent {
			n++
		}
	}
	return n
}

// otherKind is the kind of the call that the next operation has sent, if any.
func (s *scene) otherKind(id int64) string {
	op, err := s.now().store.Operation(s.t.Context(), id+1)
	if err != nil || len(op.Attempts) == 0 {
		return ""
	}
	return changes[op.Command].kind
}

// TestKilledWhileAJobRuns: a restart in the middle of a job, and a proxy that
// answers ten times with a page of its own, end nothing.
func TestKilledWhileAJobRuns(t *testing.T) {
	s := newScene(t, "testdata/faults.yaml", nil)
	s.play("ana: vm create --template Debian12.0 --cores 2 --mem 2G --disk 10G --ips 1", confirms, ":skip 10s")
	require.Equal(t, bot.Following, s.op(1).State)
	for range 10 {
		require.NoError(t, s.sim.Fault("job", "html-502"))
	}
	s.play(":restart", "wait 1")
	sent, _ := s.sent("create")
	require.Equal(t, 1, sent)
	require.Equal(t, bot.Succeeded, s.op(1).State)
	require.Len(t, ends(s.out.String())["#ops"], 1)
	require.NotContains(t, s.out.String(), "502")
}
