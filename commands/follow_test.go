package commands_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

const create = "vm create --template Debian12 --cores 1 --mem 1G --disk 10G --ips 1"

func TestFollowACreate(t *testing.T) {
	w := start(t)
	c, o := w.accepted(create)
	require.True(t, o.Followed)
	require.Equal(t, int64(15), o.Job)
	require.Equal(t, bot.Progress{Phase: bot.Running, Word: "queued"}, w.follow(c))
	w.clock.skip(30 * time.Second)
	at := w.follow(c)
	require.Equal(t, "executing", at.Word)
	require.Greater(t, at.Fraction, 0.2)
	at = w.end(c)
	require.Equal(t, bot.Finished, at.Phase)
	require.Equal(t, "VM `4004` is created.", at.Text)
	require.Equal(t, []bot.Target{{Kind: "vm", ID: 4004}}, at.Targets)
	require.Equal(t, []bot.Field{
		{Label: "VM", Value: "`4004`"},
		{Label: "IPs", Value: "`198.51.100.1`, `2001:db8::c633:6401`"},
		{Label: "User", Value: "`root`"},
	}, at.Result)
	require.True(t, at.Secret)

	card, err := c.Command.Reveal(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, card.Secrets, 1)
	require.Equal(t, "Password of root", card.Secrets[0].Label)
	require.Contains(t, w.Secrets(), card.Secrets[0].Value.Reveal())
}

func TestFollowJobsThatEndBadly(t *testing.T) {
	for _, line := range []string{create, "vm reinstall 4001", "software install vm/4001 ts3"} {
		t.Run(line, func(t *testing.T) {
			kind := map[string]string{create: "create", "vm reinstall 4001": "reinstall"}[line]
			if kind == "" {
				kind = "install"
			}
			w := start(t)
			w.fault(kind, "job-fails")
			c, _ := w.accepted(line)
			at := w.end(c)
			require.Equal(t, bot.Broken, at.Phase)
			require.Equal(t, "0xb0", at.Code)
			require.Contains(t, at.Text, "The provider says `0xb0: Requested resources exceed administrative limits`. That is more than this account may have.")

			w = start(t)
			w.fault(kind, "job-lost")
			c, o := w.accepted(line)
			at = w.follow(c)
			require.Equal(t, bot.Lost, at.Phase)
			require.Contains(t, at.Text, "The provider does not know job `15`: it says `0xc1: job not found`.")
			require.NotZero(t, o.Job)

			w = start(t)
			c, _ = w.accepted(line)
			w.fault("job", "html-502")
			w.fault("job", "html-502")
			w.fault("job", "html-502")
			w.fault("job", "html-502")
			_, err := c.Command.Follow(t.Context(), c)
			require.Error(t, err, "an error ends nothing")
			require.Equal(t, bot.Finished, w.end(c).Phase)
		})
	}
}

func TestFollowSaysWhatSuccessIs(t *testing.T) {
	w := start(t)
	c, _ := w.accepted("software install vm/4001 ts3")
	at := w.end(c)
	require.Equal(t, "`ts3` is installed on VM `4001`.", at.Text)
	require.False(t, at.Secret)
}

func TestFollowACreateWithoutAJob(t *testing.T) {
	w := start(t)
	w.fault("create", "wrong-shape")
	c, o := w.accepted(create)
	require.Zero(t, o.Job)
	require.True(t, o.Followed)
	require.Equal(t, "No VM has appeared in the list.", w.follow(c).Text)
	at := w.end(c)
	require.Equal(t, []bot.Target{{Kind: "vm", ID: 4004}}, at.Targets)
	require.Contains(t, at.Text, "The provider named no job. It is probably VM `4004`")
	_, err := c.Command.Reveal(t.Context(), c)
	_, text := personal(t, err)
	require.Contains(t, text, "`vm reset-password VM`")
}

func TestFollowABackup(t *testing.T) {
	w := start(t)
	c, o := w.accepted("backup create 4001") // it had a backup before: "finished" stands there at first
	require.True(t, o.Followed)
	at := w.follow(c)
	require.Equal(t, bot.Running, at.Phase)
	require.Equal(t, "pending", at.Word)
	at = w.end(c)
	require.Equal(t, bot.Finished, at.Phase)
	require.Equal(t, "VM `4001` is backed up.", at.Text)
	require.Len(t, at.Result, 2)

	w = start(t)
	w.fault("backup-create", "job-fails")
	c, _ = w.accepted("backup create 4001")
	require.Equal(t, bot.Broken, w.end(c).Phase)

	w = start(t)
	w.fault("backup-create", "ignored")
	c, _ = w.accepted("backup create 4001")
	require.Equal(t, bot.Running, w.follow(c).Phase, "the word of the backup before is not taken for this one's")
	w.clock.skip(2 * time.Minute)
	at = w.follow(c)
	require.Equal(t, bot.Running, at.Phase, "only the list ends it")
	require.Contains(t, at.Text, "the backup is not in the list yet")
}

func TestFollowARestore(t *testing.T) {
	w := start(t)
	c, o := w.accepted("backup restore 4001 2026-11-23")
	require.True(t, o.Followed)
	require.Equal(t, "pending", w.follow(c).Word)
	w.clock.skip(time.Minute)
	at := w.follow(c)
	require.Equal(t, "restoring", at.Word)
	require.Equal(t, bot.Running, at.Phase, "a word that is not documented is shown")
	at = w.end(c)
	require.Equal(t, bot.Finished, at.Phase)
	require.Equal(t, "VM 4001 is back at its backup of 2026-11-23 09:00 UTC (27 h ago).", bot.Flat(at.Text, w.clock.Now().Truncate(time.Hour)))

	w = start(t)
	w.fault("restore", "job-fails")
	c, _ = w.accepted("backup restore 4001 2026-11-23")
	require.Equal(t, bot.Broken, w.end(c).Phase)
	c, _ = w.run("backup restore 4001 2026-11-23") // the status still says failed, from before
	require.Equal(t, bot.Running, w.follow(c).Phase)
	require.Equal(t, bot.Finished, w.end(c).Phase)
}

func TestFollowAnOrder(t *testing.T) {
	w := start(t)
	c, o := w.accepted("dedicated order 9 --template \"Debian Buster\"")
	require.True(t, o.Followed)
	require.Equal(t, "The server is not visible yet.", w.follow(c).Text)
	w.clock.skip(30 * time.Second)
	require.Equal(t, "The server is visible, and the order is not complete.", w.follow(c).Text)
	at := w.end(c)
	require.Equal(t, bot.Finished, at.Phase)
	require.Equal(t, "Dedicated server `9` is there. Its passwords: `dedicated passwords 9`.", at.Text)

	w = start(t)
	w.fault("order", "order-silent")
	c, _ = w.accepted("dedicated order 9 --template \"Debian Buster\"")
	w.clock.skip(9 * time.Minute)
	require.Equal(t, "The server is not visible yet.", w.follow(c).Text)
	w.clock.skip(time.Minute)
	at = w.follow(c)
	require.Equal(t, bot.Running, at.Phase, "it is looked for on")
	require.Contains(t, at.Text, "the provider says this usually means that the order failed")
}

func TestFollowADedicatedReinstall(t *testing.T) {
	w := start(t)
	c, o := w.accepted("dedicated reinstall 7 --template \"Debian Buster\"")
	require.True(t, o.Followed, "its template tells when it is done")
	require.Equal(t, bot.Running, w.follow(c).Phase)
	at := w.end(c)
	require.Equal(t, bot.Finished, at.Phase)

	_, o = w.accepted("dedicated reinstall 7 --template \"Debian Buster\"")
	require.False(t, o.Followed, "the same template tells nothing")
}
