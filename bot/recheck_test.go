package bot_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestAStricterPolicyInvalidates(t *testing.T) {
	for rule, change := range map[string][2]string{
		"one vote more":      {"approve: {by: [leads], count: 1, within: 20m}", "approve: {by: [leads], count: 2, within: 20m}"},
		"another group":      {"approve: {by: [leads], count: 1, within: 20m}", "approve: {by: [ops], count: 1, within: 20m}"},
		"a delay":            {"approve: {by: [leads], count: 1, within: 20m}", "delay: 1h, approve: {by: [leads], count: 1, within: 20m}"},
		"a backup":           {"approve: {by: [leads], count: 1, within: 20m}", "backup: 1h, approve: {by: [leads], count: 1, within: 20m}"},
		"less time":          {"within: 20m", "within: 10m"},
		"no grant any more":  {"leads-own, to: [leads]", "leads-own, to: [cho, dia]"},
		"a deny":             {"who: [ben], commands: [vm stop], targets: [prod]", "who: [ana], commands: [vm stop, vm delete], targets: [vm/4009]"},
		"a freeze":           {"from: 2026-12-24T00:00:00+01:00", "from: 2026-03-01T00:00:00+01:00"},
		"another to ask for": {"ana: {slack: T01TEAM/U07ANA, discord", "ana: {slack: T01TEAM/U07NEW, discord"},
	} {
		t.Run(rule, func(t *testing.T) {
			w := newWorld(t)
			id := w.asked("4009")
			w.policy(change[0], change[1])
			w.press("cho", w.code(id, "approve"))
			w.skip(time.Minute)
			require.Equal(t, bot.Invalidated, w.state(id), w.op(id).Outcome)
			require.Zero(t, w.row("vm delete").ran())
			require.Contains(t, w.op(id).Outcome, "Nothing was done.")
		})
	}
}

func TestALooserPolicyGoesOn(t *testing.T) {
	for rule, change := range map[string][2]string{
		"one vote less":   {"approve: {by: [leads], count: 2}, backup: 24h, delay: 10m", "approve: {by: [leads], count: 1}, backup: 24h, delay: 10m"},
		"no delay":        {"backup: 24h, delay: 10m", "backup: 24h"},
		"an older backup": {"backup: 24h, delay: 10m", "backup: 48h, delay: 10m"},
		"another id":      {"id: prod-two", "id: prod-both"},
		"more time":       {"within: 20m", "within: 40m"},
	} {
		t.Run(rule, func(t *testing.T) {
			w := newWorld(t)
			id := w.asked("4001")
			w.policy(change[0], change[1])
			w.press("cho", w.code(id, "approve"))
			w.press("dia", w.code(id, "approve"))
			w.skip(11 * time.Minute)
			require.Equal(t, bot.Succeeded, w.state(id), w.op(id).Outcome)
		})
	}
}

func TestALockInvalidates(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	require.NoError(t, w.store.SetLock(w.ctx, noon, "", bot.Lock{Target: "vm/4009", By: "dia", Reason: "audit", Until: noon.Add(time.Hour)}, bot.Written{}))
	w.press("cho", w.code(id, "approve"))
	w.due()
	require.Equal(t, bot.Invalidated, w.state(id))
	require.Contains(t, w.op(id).Outcome, "locked by dia")
}

func TestAChangedTargetInvalidatesWithOldAndNew(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) {
		pv, err := machine(c)
		pv.Fingerprint[0].Value = "198.51.100.7"
		return pv, err
	}
	w.press("cho", w.code(id, "approve"))
	w.due()
	require.Equal(t, bot.Invalidated, w.state(id))
	require.Contains(t, w.op(id).Outcome, "203.0.113.9")
	require.Contains(t, w.op(id).Outcome, "198.51.100.7")
	require.Zero(t, w.row("vm delete").ran())
}

func TestATargetThatIsGoneInvalidates(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) {
		return bot.Preview{}, bot.Errorf(bot.Missing, "There is no VM 4009.")
	}
	w.press("cho", w.code(id, "approve"))
	w.due()
	require.Equal(t, bot.Invalidated, w.state(id))
}

func TestAnUnreadableTargetWaitsAndThenExpires(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) {
		return bot.Preview{}, bot.Errorf(bot.Unavailable, "502.").WithHint("Try again in a moment.")
	}
	w.press("cho", w.code(id, "approve"))
	w.skip(9 * time.Minute)
	require.Equal(t, bot.Ready, w.state(id))
	require.Contains(t, words(w.slack.roots(ops)[0].card), "cannot be read")
	require.NotContains(t, words(w.slack.roots(ops)[0].card), "ry again", "waiting does that")
	require.Less(t, w.row("vm delete").previews, 50)
	w.skip(2 * time.Minute)
	require.Equal(t, bot.Expired, w.state(id))
	require.Zero(t, w.row("vm delete").ran())
}

func TestAnUnreadableTargetGoesOnWhenItIsReadable(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4009")
	w.row("vm delete").preview = func(*bot.Call) (bot.Preview, error) {
		return bot.Preview{}, bot.Errorf(bot.Unavailable, "The API is down.")
	}
	w.press("cho", w.code(id, "approve"))
	w.skip(5 * time.Minute)
	w.row("vm delete").preview = machine
	w.skip(time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
}

func TestWhatRunsIsWhatWasVotedOn(t *testing.T) {
	w := newWorld(t)
	template := "Debian12.0"
	w.row("vm delete").preview = func(c *bot.Call) (bot.Preview, error) {
		pv, err := machine(c)
		pv.Args = c.Args.With("template", template)
		return pv, err
	}
	id := w.asked("4009")
	template = "Windows"
	w.press("cho", w.code(id, "approve"))
	w.due()
	require.Zero(t, w.row("vm delete").ran(), "ran with %v", w.row("vm delete").lastArgs)
	require.Equal(t, bot.Invalidated, w.state(id))
}

func TestANewFieldOfTheFingerprintIsADifference(t *testing.T) {
	require.NotEmpty(t, bot.Differences([]bot.Field{{Label: "IPs", Value: "a"}}, []bot.Field{{Label: "IPs", Value: "a"}, {Label: "Hardware", Value: "b"}}))
}

func TestVotesAreCollectedAgainForWhatThePolicySays(t *testing.T) {
	w := newWorld(t)
	id := w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia", w.code(id, "approve"))
	w.policy("leads: [ana, cho, dia]", "leads: [ana, cho, ben]")
	w.skip(10 * time.Minute)
	require.Equal(t, bot.Pending, w.state(id))
	require.Equal(t, w.clock.Now().Add(20*time.Minute), w.op(id).Expires)
}
