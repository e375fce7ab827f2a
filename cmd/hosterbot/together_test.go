package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/console"
	"hosterbot/adapters/web"
	"hosterbot/bot"
)

// TestTogetherIsOneChat: a message stands in both, its thread too, and the ID
// of only one of them names nothing.
func TestTogetherIsOneChat(t *testing.T) {
	var home bot.Place
	home.Platform, home.Team, home.Channel = "slack", "T", "C"
	out := &shared{}
	people := []string{"ana"}
	chat := newTogether(
		console.New(console.Options{Out: out, Home: home, People: people, Session: "1"}),
		web.New(web.Options{Home: home, People: people, Session: "2"}),
	)
	root, err := chat.Post(t.Context(), home, "root/1", bot.Card{Title: "Root"})
	require.NoError(t, err)
	again, err := chat.Post(t.Context(), home, "root/1", bot.Card{Title: "Root"})
	require.NoError(t, err)
	require.Equal(t, root, again)
	thread := home
	thread.Thread = root.ID
	_, err = chat.Post(t.Context(), thread, "line", bot.Card{Title: "In the thread"})
	require.NoError(t, err)
	require.NoError(t, chat.Edit(t.Context(), root, bot.Card{Title: "Edited"}))
	require.Contains(t, out.String(), "Edited")
	var post *bot.PostError
	require.ErrorAs(t, chat.Edit(t.Context(), bot.Ref{Place: home, ID: "1m1"}, bot.Card{}), &post)
	require.True(t, post.Gone)
	for i := range chat.chats { // a click in a thread of one chat is in the thread of both
		own, err := chat.there(i, thread)
		require.NoError(t, err)
		require.NotEqual(t, thread, own)
		require.Equal(t, thread, chat.here(i, own))
	}
}
