package discord_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// line is a bare connection to the double's Gateway.
type line struct {
	*websocket.Conn
	t *testing.T
}

func (f *fake) dialGateway(t *testing.T, path string) *line {
	t.Helper()
	d := websocket.Dialer{NetDialContext: f.lis.Dial}
	ws, _, err := d.DialContext(t.Context(), f.gatewayURL(path)+"/?v=10&encoding=json", nil)
	require.NoError(t, err)
	l := &line{ws, t}
	require.EqualValues(t, 10, l.hears()["op"])
	return l
}

// hears is the next frame.
func (l *line) hears() object {
	l.t.Helper()
	kind, data, err := l.ReadMessage()
	require.NoError(l.t, err)
	if kind == websocket.BinaryMessage {
		z, err := zlib.NewReader(bytes.NewReader(data))
		require.NoError(l.t, err)
		data, err = io.ReadAll(z)
		require.NoError(l.t, err)
	}
	var out object
	require.NoError(l.t, json.Unmarshal(data, &out))
	return out
}

// closed is the code with which the connection ends; 0: without a word.
func (l *line) closed() int {
	l.t.Helper()
	for {
		_, _, err := l.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			if closed.Code == websocket.CloseAbnormalClosure {
				return 0
			}
			return closed.Code
		}
		if err != nil {
			return 0
		}
	}
}

func (l *line) says(op int, data any) {
	l.t.Helper()
	require.NoError(l.t, l.WriteJSON(object{"op": op, "d": data}))
}

func who(over object) object {
	out := object{"token": botToken, "intents": 0, "properties": object{"os": "linux"}}
	for name, v := range over {
		out[name] = v
	}
	return out
}

// inBubble runs a test with a double and a witness on the clock of a bubble.
func inBubble(t *testing.T, test func(t *testing.T, f *fake, w *witness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &witness{TB: t}
		test(t, newFake(w, bubble{}), w)
	})
}

// wait lets time go by.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, bot.SystemClock{}.Sleep(t.Context(), d))
	synctest.Wait()
}

func TestDoubleClosesTheGateway(t *testing.T) {
	for name, c := range map[string]struct {
		frames []any // op, data, op, data
		code   int
		says   string
	}{
		"a wrong token":           {[]any{2, who(object{"token": "wrong"})}, 4004, ""},
		"intents":                 {[]any{2, who(object{"intents": 1})}, 4014, "intents 1"},
		"no intents at all":       {[]any{2, object{"token": botToken}}, 4002, "IDENTIFY"},
		"something before it":     {[]any{3, object{}}, 4003, "before IDENTIFY"},
		"identified twice":        {[]any{2, who(nil), 2, who(nil)}, 4005, "twice"},
		"an unknown opcode":       {[]any{2, who(nil), 14, object{}}, 4001, "op 14"},
		"a frame that is too big": {[]any{2, who(object{"x": string(make([]byte, 5000))})}, 4002, "bytes"},
		"resumed elsewhere":       {[]any{6, object{"token": "wrong", "session_id": "s", "seq": 1}}, 4004, "resume_gateway_url"},
		"no heartbeats":           {[]any{2, who(nil)}, 4009, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake, w *witness) {
				l := f.dialGateway(t, "gateway")
				for i := 0; i < len(c.frames); i += 2 {
					l.says(c.frames[i].(int), c.frames[i+1])
				}
				require.Equal(t, c.code, l.closed())
				if heard := w.heard(); c.says == "" {
					require.Empty(t, heard)
				} else {
					require.Contains(t, heard, c.says)
				}
			})
		})
	}
}

func TestDoubleGoesOnWithSessions(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, w *witness) {
		f.unpaced = true
		l := f.dialGateway(t, "gateway")
		l.says(2, who(object{"compress": true}))
		ready := l.hears()
		require.Equal(t, "READY", ready["t"])
		id := str(ready["d"].(object)["session_id"])
		require.Equal(t, "ws://discord.test/resume", ready["d"].(object)["resume_gateway_url"])
		l.says(1, 1)
		require.EqualValues(t, 11, l.hears()["op"])
		require.True(t, f.wantsBeat())
		require.EqualValues(t, 1, l.hears()["op"])
		tell := func(what string) {
			t.Helper()
			f.mu.Lock()
			defer f.mu.Unlock()
			require.True(t, f.dispatch("TEST", what))
		}
		tell("first")
		require.EqualValues(t, 2, l.hears()["s"])
		require.True(t, f.cutOff())
		require.Zero(t, l.closed())
		synctest.Wait()
		require.False(t, f.cutOff(), "nothing is live")
		tell("second")
		tell("third")

		resume := func(seq int) *line {
			l := f.dialGateway(t, "resume")
			l.says(6, object{"token": botToken, "session_id": id, "seq": seq})
			return l
		}
		l = resume(2)
		require.Equal(t, "second", l.hears()["d"])
		require.Equal(t, "third", l.hears()["d"])
		require.Equal(t, "RESUMED", l.hears()["t"])
		require.Equal(t, 1, f.resumes)
		require.True(t, f.reconnect())
		require.EqualValues(t, 7, l.hears()["op"])
		require.True(t, f.hangUp(4000))
		require.Equal(t, 4000, l.closed())
		synctest.Wait()
		l = resume(99)
		require.Equal(t, 4007, l.closed())
		require.Contains(t, w.heard(), "resumed at 99")
		l = resume(2)
		require.Equal(t, false, l.hears()["d"], "that ended it")

		l = f.dialGateway(t, "gateway")
		l.says(2, who(nil))
		id = str(l.hears()["d"].(object)["session_id"])
		require.True(t, f.invalidate(true))
		require.Equal(t, true, l.hears()["d"])
		require.True(t, f.hangUp(4000))
		l.closed()
		synctest.Wait()
		l = resume(1)
		require.Equal(t, "RESUMED", l.hears()["t"])
		require.Empty(t, w.heard())
		require.NoError(t, l.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)))
		_ = l.Close()
		synctest.Wait()
		l = resume(1)
		require.Equal(t, false, l.hears()["d"], "who closes with 1000 gives the session up")
		require.Empty(t, w.heard())
		f.mu.Lock()
		require.False(t, f.dispatch("TEST", "lost"), "and nobody hears what happens then")
		f.mu.Unlock()
	})
}

func TestDoubleHoldsItsTongue(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, w *witness) {
		l := f.dialGateway(t, "gateway")
		l.says(2, who(nil))
		require.Equal(t, "READY", l.hears()["t"])
		f.deaf(true)
		for range 4 { // it hears them all the same
			l.says(1, nil)
			wait(t, f.beat)
		}
		f.deaf(false)
		l.says(1, nil)
		require.EqualValues(t, 11, l.hears()["op"], "nothing was said before this")
		l.says(1, 99)
		l.hears()
		require.Contains(t, w.heard(), "sequence number 99")
		again := f.dialGateway(t, "gateway")
		f.mu.Lock()
		f.identifies[0] = f.clock.Now()
		f.mu.Unlock()
		again.says(2, who(nil))
		require.Equal(t, false, again.hears()["d"], "one session may begin in five seconds")
		require.Empty(t, w.heard())
	})
}

// TestDoubleServesDiscordgo looks whether the library that everybody uses gets
// along with the double.
func TestDoubleServesDiscordgo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	require.Equal(t, 201, b.do(t, "POST", commands, tree).status)
	s := b.gatewaySession(t)
	quiet := &discordgo.MessageAllowedMentions{Parse: []discordgo.AllowedMentionType{}}
	failed := make(chan error, 1)
	s.AddHandler(func(s *discordgo.Session, i *discordgo.InteractionCreate) {
		failed <- s.InteractionRespond(i.Interaction, &discordgo.InteractionResponse{
			Type: discordgo.InteractionResponseChannelMessageWithSource,
			Data: &discordgo.InteractionResponseData{Content: "hello " + i.Member.User.Username, Flags: discordgo.MessageFlagsEphemeral, AllowedMentions: quiet},
		})
	})
	require.NoError(t, s.Open())
	defer s.Close()
	d, err := b.types(userID("ben"), homeID, "about", nil)
	require.NoError(t, err)
	require.NoError(t, <-failed)
	require.True(t, d.answered(time.Minute))
	require.Equal(t, "hello ben", d.text())
	there, err := s.ApplicationCommands(appID, guildID)
	require.NoError(t, err)
	require.Equal(t, "delete", there[0].Options[0].Options[0].Name)
	c, err := s.Channel(closedID)
	require.NoError(t, err)
	require.EqualValues(t, discordgo.PermissionSendMessages, c.PermissionOverwrites[0].Deny)
	_, err = s.Channel(hiddenID)
	require.ErrorContains(t, err, "50001")
	require.Empty(t, b.w.heard())
}

// TestDoubleListens serves over TCP as well.
func TestDoubleListens(t *testing.T) {
	t.Parallel()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &witness{TB: t}
	f := newFakeOn(w, bot.SystemClock{}, lis, "http://"+lis.Addr().String())
	ws, resp, err := websocket.DefaultDialer.DialContext(context.Background(), f.gatewayURL("gateway")+"/?v=9&encoding=json", nil)
	require.NoError(t, err)
	defer ws.Close()
	require.NoError(t, resp.Body.Close())
	l := &line{ws, t}
	require.Equal(t, fmt.Sprint(f.beat.Milliseconds()), fmt.Sprint(l.hears()["d"].(object)["heartbeat_interval"]))
	require.Empty(t, w.heard())
}

// gatewaySession is a session of discordgo's own.
func (b *bench) gatewaySession(t *testing.T) *discordgo.Session {
	t.Helper()
	s, err := discordgo.New("Bot " + botToken)
	require.NoError(t, err)
	s.Client = &http.Client{Transport: toDouble{b.http.Transport, b.base}}
	s.Dialer = &websocket.Dialer{NetDialContext: b.lis.Dial}
	s.Identify.Intents = 0
	s.ShouldReconnectOnError = false
	s.LogLevel = -1
	return s
}

// toDouble leads discordgo to the double.
type toDouble struct {
	next http.RoundTripper
	base string
}

func (d toDouble) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(d.base, "http://")
	if strings.Contains(out.URL.Path, "/interactions/") || strings.Contains(out.URL.Path, "/webhooks/") {
		out.Header.Del("Authorization")
	}
	return d.next.RoundTrip(out)
}
