package slack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
)

// closedID and oldID are channels in which the bot is not, and nobody may post.
const (
	closedID = "C1CLOSED"
	oldID    = "C2OLD"
)

// TestTheBuiltBotWhereItMayNotPost: it says so before anything is confirmed,
// and what to do; a command that reads is answered all the same.
func TestTheBuiltBotWhereItMayNotPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{})
	does := func(channel, line string) string {
		t.Helper()
		d := w.deed(accounts["ana"], "slash_commands", w.slashIn(accounts["ana"], channel, line))
		d.Acked()
		said := ""
		require.True(t, w.await(patience, func() bool {
			for _, m := range w.messages {
				if m.channel == channel && m.made > d.mark && d.Shown() && m.to == accounts["ana"] {
					said, _ = m.reading()
					if strings.Contains(said, "Working on") {
						said = ""
						continue
					}
					said = strings.NewReplacer("`", "", "*", "").Replace(said)
				}
			}
			return said != ""
		}), "%s", w.Journal)
		return said
	}
	require.Contains(t, does(closedID, "vm delete 4009"), "/invite @hosterbot")
	require.Contains(t, does(closedID, "vm list"), "5 VMs")
	require.Contains(t, does(oldID, "vm delete 4009"), "archive")
	require.Contains(t, does(oldID, "vm list"), "5 VMs")
	require.Zero(t, w.Newest(), "nothing was begun\n%s", w.Conversation())

	w.mu.Lock()
	w.channels[closedID]["is_member"] = true
	w.mu.Unlock()
	require.Contains(t, does(closedID, "vm delete 4009"), "Delete VM 4009", "an invitation works at once")
	w.Stop()
}

// TestTheBuiltBotInAChannelThatIsArchivedMeanwhile: what was begun there goes
// on, and its end is told when the channel is back.
func TestTheBuiltBotInAChannelThatIsArchivedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{})
	archived := func(is bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.channels[homeID]["is_archived"] = is
	}
	w.Deletes("ana", "4009")
	w.Shows(1, "ana asks")
	at := len(w.Journal.String())
	archived(true)
	w.mu.Lock()
	var root *message
	for _, m := range w.messages {
		if rootOf(m) == 1 && m.channel == homeID {
			root = m
		}
	}
	w.mu.Unlock()
	w.deed(accounts["dia"], "interactive", w.click(accounts["dia"], root, "Approve")).Acked()
	w.Journal.Says(t, at, "is_archived")
	archived(false)
	w.Ended(1)
	w.Once(1)
	w.Stop()
}

// opens types a command that opens a form.
func (w *world) opens(user, line string) *view {
	w.fake.tb.Helper()
	for range 5 { // on a busy machine Slack's three seconds may be over
		d := w.deed(user, "slash_commands", w.slash(user, line))
		d.Acked()
		require.True(w.fake.tb, w.await(patience, d.Shown), "%s", w.Journal)
		w.mu.Lock()
		v := w.views[user]
		w.mu.Unlock()
		if v != nil {
			return v
		}
	}
	require.Fail(w.fake.tb, "no form", "%s", w.Journal)
	return nil
}

func TestTheBuiltBotOffersOperationsAndJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{Scale: 0.03})
	adaptertest.Offers(t, w.World, func(person, words, field, typed string) []string {
		t.Helper()
		user := accounts[person]
		v := w.opens(user, words)
		w.mu.Lock()
		delete(w.views, user) // he looks, and closes it
		w.mu.Unlock()
		labels := func(options []any) []string {
			out := []string{}
			for _, o := range options {
				out = append(out, unescaped(str(o.(map[string]any)["text"].(map[string]any)["text"])))
			}
			return out
		}
		for _, b := range v.inputs() {
			e := b["element"].(map[string]any)
			switch {
			case b["block_id"] != field:
			case e["type"] == "external_select":
				frame, acked := w.envelope("interactive", map[string]any{
					"type": "block_suggestion", "team": map[string]any{"id": team}, "user": map[string]any{"id": user, "team_id": team},
					"action_id": e["action_id"], "block_id": field, "value": typed, "view": v.payload(),
				})
				require.True(t, w.some().send(frame))
				return labels((<-acked)["options"].([]any))
			case e["type"] == "static_select":
				return labels(e["options"].([]any))
			default:
				return nil // it is typed
			}
		}
		require.Fail(t, "no such field", "%s of %s", field, words)
		return nil
	})
	w.Stop()
}

// TestTheBuiltBotAsksForABackupOfAVM: which backups there are to choose from
// shows when the VM is chosen.
func TestTheBuiltBotAsksForABackupOfAVM(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{})
	user := accounts["ana"]
	asks := func(field string) (element map[string]any) {
		t.Helper()
		require.True(t, w.await(patience, func() bool {
			v := w.views[user]
			if v == nil || len(v.inputs()) != 1 || v.inputs()[0]["block_id"] != field {
				return false
			}
			element = v.inputs()[0]["element"].(map[string]any)
			return true
		}), "no form asks for %s alone\n%s", field, w.Journal)
		require.Equal(t, "static_select", element["type"])
		return element
	}
	fills := func(field, value string) {
		t.Helper()
		d, err := w.Submit("ana", map[string]string{field: value})
		require.NoError(t, err)
		d.Acked()
	}
	w.opens(user, "backup restore")
	require.Len(t, asks("vm")["options"], 5)
	fills("vm", "4001")
	backups := asks("backup")["options"].([]any)
	require.Len(t, backups, 3)
	fills("backup", str(backups[0].(map[string]any)["value"]))
	w.Told("ana", "Nothing happens unless you confirm")
	w.Stop()
}
