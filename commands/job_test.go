package commands_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestJobsOfNobodyHere(t *testing.T) {
	w := start(t)
	made, _ := w.accepted(create)
	require.Equal(t, bot.Finished, w.end(made).Phase)
	w.knows()

	card := w.mustRead("job show 15")
	require.Equal(t, []bot.Field{{Label: "Status", Value: "finished"}, {Label: "Progress", Value: "100 %"}}, card.Fields)
	require.NotContains(t, text(t, card), "198.51.100.1", "its output is others' business")

	n := len(w.Calls())
	_, err := w.read("job reveal 15")
	_, said := personal(t, err)
	require.Contains(t, said, "Job `15` belongs to no operation of this bot")
	require.Empty(t, w.kindsSince(n), "and is not even read")

	_, err = w.read("job show 99")
	kind, said := personal(t, err)
	require.Equal(t, bot.Missing, kind)
	require.Contains(t, said, "The provider knows no job `99`: it says `0xc1: job not found`.")

	w.fault("create", "job-fails")
	w.accepted(create)
	w.clock.skip(2 * time.Minute)
	card = w.mustRead("job show 16")
	require.Contains(t, card.Fields, bot.Field{Label: "Code", Value: "`0xb0`"})
	require.NotContains(t, text(t, card), "exceed", "the code only")
}

func TestJobsOfOurs(t *testing.T) {
	w := start(t)
	made, _ := w.accepted(create)
	w.knows(kept(made, 17, bot.Following))
	_, err := w.read("job reveal 15")
	_, said := personal(t, err)
	require.Contains(t, said, "Job `15` has made no VM yet")
	w.knows(kept(made, 17, bot.Failed))
	_, err = w.read("job reveal 15")
	_, said = personal(t, err)
	require.Contains(t, said, "Job `15` has made no VM, so it has no password: operation 17 is `failed`.")
	w.knows(kept(made, 17, bot.Following))

	require.Equal(t, bot.Finished, w.end(made).Phase)
	w.knows(kept(made, 17, bot.Succeeded))
	require.Contains(t, flat(w.mustRead("job show 15"), w.clock.Now()), "VM | 4004")

	c, err := w.call("job reveal 15")
	require.NoError(t, err)
	require.Equal(t, "vm/4004", c.Target().String(), "decided on the job's VM")
	card, err := c.Command.Read(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, card.Secrets, "it is shown only when pressed")
	card, err = c.Command.Reveal(t.Context(), c)
	require.NoError(t, err)
	require.Contains(t, w.Secrets(), card.Secrets[0].Value.Reveal())

	c.Targets = []bot.Target{{Kind: "vm", ID: 4001}}
	_, err = c.Command.Reveal(t.Context(), c)
	require.Error(t, err, "the decision was about another VM")

	rows := w.mustRead("job list").Table.Rows
	require.Equal(t, [][]string{{"`15`", "`17`", "vm create", "`vm/4004`", "succeeded", "100 %", bot.At(made.Op.Job.Since), "ana"}}, rows)
	c, err = w.call("job list")
	require.NoError(t, err)
	c.Allows = func(t bot.Target) bool { return t.ID == 4001 }
	card, err = c.Command.Read(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, card.Table.Rows)

	c, err = w.call("job show 15")
	require.NoError(t, err)
	c.Allows = func(t bot.Target) bool { return t.ID == 4001 }
	card, err = c.Command.Read(t.Context(), c)
	require.NoError(t, err)
	require.NotContains(t, text(t, card), "4004")
}

func TestOrders(t *testing.T) {
	w := start(t)
	ordered, _ := w.accepted("dedicated order 9 --template \"Debian Buster\"")
	w.knows(kept(ordered, 18, bot.Following))
	require.Contains(t, flat(w.mustRead("order list"), w.clock.Now()), "9 | 18 | following | 12:00 UTC (now) | no | ana")
	require.Contains(t, flat(w.mustRead("dedicated list"), w.clock.Now()), "Server 9 was ordered at 12:00 UTC (now) (operation 18) and is not visible.")

	w.clock.skip(30 * time.Second)
	require.Contains(t, flat(w.mustRead("order list"), w.clock.Now()), "yes, not complete")
	require.Contains(t, flat(w.mustRead("dedicated list"), w.clock.Now()), "9 | – | not complete")
	w.clock.skip(3 * time.Minute)
	require.Contains(t, flat(w.mustRead("order list"), w.clock.Now()), "yes, complete")
	require.Contains(t, flat(w.mustRead("dedicated list"), w.clock.Now()), "9 | running | complete")

	gone, _ := w.accepted("dedicated order 12 --template \"Debian Buster\"")
	gone.Op.Job.Last.Word, gone.Op.Job.MovedAt = "ordered", w.clock.Now()
	w.fault("dedicated-list", "slow")
	w.knows(kept(gone, 19, bot.Following))
	require.Contains(t, flat(w.mustRead("order list"), w.clock.Now()), "no, last seen after")
}

func TestVMShowNamesOpenOperations(t *testing.T) {
	w := start(t)
	w.knows(bot.Operation{ID: 17, State: bot.Unknown, Command: "vm reboot", Person: "ana", Targets: []bot.Target{{Kind: "vm", ID: 4001}}})
	require.Contains(t, flat(w.mustRead("vm show 4001"), w.clock.Now()), "Operation 17, vm reboot by ana, is unknown.")
}

func TestACreateOfOursIsNotAdopted(t *testing.T) {
	w := start(t)
	w.fault("create", "request-lost")
	lost, _ := w.run(create)
	other, _ := w.accepted(create)
	require.Equal(t, bot.Finished, w.end(other).Phase)
	w.knows(kept(other, 18, bot.Succeeded))
	lost.Bot = w.bot
	v := w.settle(lost)
	require.Equal(t, bot.Unclear, v.Is)
	require.Equal(t, "No VM has appeared in the list.", v.Text)
}

// TestTheListOfOperationsCallsNothingDoneThatNobodySaw: the provider's yes alone
// is no "succeeded".
func TestTheListOfOperationsCallsNothingDoneThatNobodySaw(t *testing.T) {
	w := start(t)
	made, _ := w.accepted(create)
	seen, unseen := kept(made, 17, bot.Succeeded), kept(made, 18, bot.Succeeded)
	unseen.Unseen = true
	w.knows(unseen, seen)
	rows := w.mustRead("op list").Table.Rows
	require.Len(t, rows, 2)
	require.Equal(t, []string{"succeeded, not seen", "succeeded"}, []string{rows[0][2], rows[1][2]})
}
