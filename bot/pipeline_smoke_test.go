package bot_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestSmoke(t *testing.T) {
	w := newWorld(t)
	w.say("ana", "vm start 4009")
	w.due()
	require.Equal(t, bot.Succeeded, w.state(1))
	id := w.asked("4009")
	w.press("cho", w.code(id, "approve"))
	w.due()
	require.Equal(t, bot.Succeeded, w.state(id))
	id = w.asked("4001")
	w.press("cho", w.code(id, "approve"))
	w.press("dia@discord", w.code(id, "approve"))
	w.skip(11 * time.Minute)
	require.Equal(t, bot.Succeeded, w.state(id))
	t.Log(w.slack.log, w.discord.log)
}
