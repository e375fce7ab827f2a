package discord_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
)

// The chats of a world with both.
const (
	inDiscord = 0
	inSlack   = 1
)

// newBoth is the built bot in Slack and in Discord at once, with the example
// policy in which everybody has both accounts.
func newBoth(t *testing.T) *adaptertest.World {
	t.Helper()
	f, slack := overTCP(t), adaptertest.Beside(t, "slack")
	policy := noAccount.ReplaceAllStringFunc(adaptertest.Example(t), func(line string) string {
		m := noAccount.FindStringSubmatch(line)
		return m[1] + ", discord: " + strconv.Quote(userID(m[2])) + "}"
	})
	policy = strings.Replace(policy, "cho: {discord", "cho: {slack: T01TEAM/"+slack.User("cho")+", discord", 1)
	policy = strings.NewReplacer("2026-12-", "2056-12-", "2027-01-", "2057-01-").Replace(policy)
	return adaptertest.NewWorld(t, adaptertest.Settings{Policy: policy}, newProvider, f, slack)
}

// ended waits until an operation is done everywhere, and counts its messages.
func ended(t *testing.T, w *adaptertest.World, op int64, title string) {
	t.Helper()
	for chat, account := range map[int]string{inDiscord: "<@" + userID("ana") + ">", inSlack: "<@U07ANA>"} {
		there := w.In(chat)
		there.Ended(op)
		there.Once(op)
		root, thread := there.Root(op)
		require.Equal(t, title, root.Title())
		if op == 1 {
			require.Contains(t, thread[len(thread)-1].Raw, account, "the requester is called by the account that he has there")
		}
		for _, b := range root.Buttons {
			require.False(t, b.Live && b.Label == "Approve", "nothing is left to approve")
		}
	}
}

func TestApprovalsGoAcrossPlatforms(t *testing.T) {
	t.Parallel()
	w := newBoth(t)
	discord, slack := w.In(inDiscord), w.In(inSlack)

	slack.Deletes("ana", "4009")
	discord.Shows(1, "ana asks: Delete VM 4009")
	require.NoError(t, discord.Press("ana", "Approve 1"))
	discord.Told("ana", "You asked for this")
	require.NoError(t, discord.Press("dia", "Approve 1"))
	ended(t, w, 1, "Done: Delete VM 4009")

	discord.Types("cho", "vm delete 4001 --force")
	require.NoError(t, discord.Press("cho", "Confirm 2"))
	require.NoError(t, discord.Fill("cho", `reason="retired" target=4001`))
	slack.Shows(2, "Needs 2 approvals of leads")
	require.NoError(t, slack.Press("cho", "Approve 2"))
	require.NoError(t, slack.Press("ana", "Approve 2"))
	discord.Shows(2, "ana has approved")
	require.NoError(t, discord.Press("ana", "Approve 2"))
	discord.Told("ana", "already counted")
	slack.Shows(2, "ana has approved")
	require.NoError(t, slack.Press("dia", "Approve 2"))
	ended(t, w, 2, "Done: Delete VM 4001 (web-1)")

	slack.Deletes("ana", "4007")
	discord.Shows(3, "ana asks: Delete VM 4007")
	require.NoError(t, discord.Press("cho", "Deny 3"))
	ended(t, w, 3, "Denied: Delete VM 4007")
	require.NoError(t, slack.Press("dia", "Approve 3")) // somebody's client still shows it
	slack.Told("dia", "Denied by cho")

	require.Equal(t, []string{"delete", "delete"}, w.Sim.Done())
	w.Stop()
	discord.NoSecrets()
	slack.NoSecrets()
}
