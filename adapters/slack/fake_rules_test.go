package slack_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/slack"
	"hosterbot/bot"
)

// scopeOf is the scope that a method needs of a bot's token, as its page in
// https://docs.slack.dev/reference/methods says.
var scopeOf = map[string]string{
	"chat.postMessage": "chat:write", "chat.postEphemeral": "chat:write", "chat.update": "chat:write",
	"users.info": "users:read", "usergroups.users.list": "usergroups:read", "conversations.open": "im:write",
	"files.getUploadURLExternal": "files:write", "files.completeUploadExternal": "files:write",
}

// scope is the scope that a call needs; "" if none.
func (f *fake) scope(method string, r *http.Request) string {
	if method != "conversations.info" {
		return scopeOf[method]
	}
	switch channel := f.channels[r.Form.Get("channel")]; {
	case channel["is_im"] == true:
		return "im:read"
	case channel["is_mpim"] == true:
		return "mpim:read"
	case channel["is_private"] == true:
		return "groups:read"
	}
	return "channels:read"
}

// pace fails the test when a method is called more often than Slack lets.
func (f *fake) pace(method string, within time.Duration, most int) {
	since := f.clock.Now().Add(-within)
	n := 0
	for _, at := range f.calls[method] {
		if at.After(since) {
			n++
		}
	}
	if n > most {
		f.tb.Errorf("%s was called %d times in %s: Slack allows %d", method, n, within, most)
	}
}

// pacePosts fails the test for two posts within a second in one channel. Over
// TCP, where calls arrive a little early or late, it is a fifth within three.
func (f *fake) pacePosts(channel string) {
	key := "post in " + channel
	now := f.clock.Now()
	if f.lis == nil {
		f.calls[key] = append(f.calls[key], now)
		f.pace(key, 3*time.Second, 4)
		return
	}
	if last := f.calls[key]; len(last) > 0 && now.Sub(last[len(last)-1]) < time.Second {
		f.tb.Errorf("two posts within %s in %s", now.Sub(last[len(last)-1]), channel)
	}
	f.calls[key] = append(f.calls[key], now)
}

// TestEveryScopeIsUsed: what the manifest asks for is what the bot needs, and
// without any of it the start says which.
func TestEveryScopeIsUsed(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "Heard"}))
		require.NoError(t, r.Answer.File(ctx, bot.File{Name: "vms.csv", Data: []byte("id")}))
	}}
	play(t, b, func(t *testing.T, h *harness) {
		h.channels["G1PRIVATE"] = map[string]any{"id": "G1PRIVATE", "is_private": true, "is_member": true}
		for _, channel := range []string{homeID, "G1PRIVATE"} { // commands
			h.does(t, "slash_commands", h.slashIn("U07ANA", channel, "vm list"))
		}
		r, err := h.a.Post(t.Context(), place("G1PRIVATE"), "root", bot.Card{Title: "Root"})
		require.NoError(t, err)
		require.NoError(t, h.a.Edit(t.Context(), r, bot.Card{Title: "Root, edited"}))
		_, err = h.a.Member(t.Context(), bot.Group{Name: "oncall", Platform: "slack", ID: "T01TEAM/S0ONCALL"}, nil)
		require.NoError(t, err)
		used := []string{"commands"}
		h.mu.Lock()
		for scope := range h.used {
			if scope != "" {
				used = append(used, scope)
			}
		}
		h.mu.Unlock()
		require.ElementsMatch(t, slack.Scopes, used)
		for i, scope := range slack.Scopes {
			h.mu.Lock()
			h.scopes = slices.Delete(slices.Clone(slack.Scopes), i, i+1)
			h.mu.Unlock()
			require.ErrorContains(t, h.adapter(nil).Check(t.Context()), "lacks the scopes "+scope)
		}
	})
}
