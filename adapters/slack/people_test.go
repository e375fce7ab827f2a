package slack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// view is a modal that is open before somebody.
type view struct {
	id, hash, user string
	body           map[string]any
	typed          map[string]string
	errors         map[string]string
}

// did makes a trigger_id and a response_url for something that a person
// does. The caller holds mu.
func (f *fake) did(user, channel string, on *message) (triggerID, url string) {
	f.serial++
	id := fmt.Sprintf("%d.100.%s", f.serial, strings.ToLower(user))
	f.triggers[id] = &trigger{user: user, at: f.clock.Now()}
	f.urls[id] = &replyURL{user: user, channel: channel, at: f.clock.Now(), source: on, last: on}
	return id, f.base + "/reply/" + id
}

// reply is a response_url.
func (f *fake) reply(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Text            string `json:"text"`
		Blocks          []any  `json:"blocks"`
		ResponseType    string `json:"response_type"`
		ReplaceOriginal bool   `json:"replace_original"`
		ThreadTS        string `json:"thread_ts"`
		UnfurlLinks     *bool  `json:"unfurl_links"`
	}
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.lean {
		defer f.news.Tell()
	}
	f.calls["response_url"] = append(f.calls["response_url"], f.clock.Now())
	u := f.urls[r.PathValue("id")]
	switch {
	case u == nil:
		http.Error(w, "no such url", http.StatusNotFound)
		return
	case f.clock.Now().Sub(u.at) > 30*time.Minute:
		http.Error(w, "expired_url", http.StatusNotFound)
		return
	}
	u.uses++
	if u.uses > 5 {
		f.tb.Errorf("a response_url was used %d times", u.uses)
		http.Error(w, "used_url", http.StatusNotFound)
		return
	}
	if wrong := f.faults.Take("response_url"); wrong != nil && wrong(w, r) {
		return
	}
	if f.lean {
		u.told <- string(body)
		_, _ = io.WriteString(w, "ok")
		return
	}
	u.shown++
	require.NoError(f.tb, json.Unmarshal(body, &m))
	switch {
	case !f.valid(m.Text, m.Blocks, 4000):
		http.Error(w, "invalid_blocks", http.StatusBadRequest)
		return
	case m.ResponseType != "ephemeral" || m.UnfurlLinks == nil || *m.UnfurlLinks:
		f.tb.Errorf("a private answer that is not private: %s", body)
	}
	if m.ReplaceOriginal && u.last != nil {
		if u.last.to == "" {
			f.tb.Errorf("an answer replaced a message for all")
		}
		u.last.text, u.last.blocks = m.Text, m.Blocks
		f.touched(u.last)
	} else {
		f.keep(&message{channel: u.channel, to: u.user, thread: m.ThreadTS, text: m.Text, blocks: m.Blocks})
		if u.source == nil || u.source.to != "" {
			u.last = f.messages[len(f.messages)-1]
		}
	}
	_, _ = io.WriteString(w, "ok")
}

// openView opens a modal for whoever holds the trigger. The caller holds mu.
func (f *fake) openView(r *http.Request) map[string]any {
	var req struct {
		TriggerID string         `json:"trigger_id"`
		View      map[string]any `json:"view"`
	}
	if body, _ := io.ReadAll(r.Body); json.Unmarshal(body, &req) != nil {
		return no("invalid_arguments")
	}
	t := f.triggers[req.TriggerID]
	switch {
	case t == nil:
		return no("invalid_trigger_id")
	case f.clock.Now().Sub(t.at) > 3*time.Second:
		return no("expired_trigger_id")
	case t.used:
		return no("exchanged_trigger_id")
	}
	t.used = true
	if !f.showView(t.user, req.View) {
		return no("invalid_arguments")
	}
	t.view = f.serial
	return map[string]any{"ok": true, "view": map[string]any{"id": f.views[t.user].id}}
}

func (f *fake) showView(user string, body map[string]any) bool {
	problems := checkView(body)
	for _, p := range problems {
		f.tb.Errorf("view refused: %s", p)
	}
	if len(problems) > 0 {
		return false
	}
	f.serial++
	f.views[user] = &view{id: fmt.Sprintf("V%d", f.serial), hash: fmt.Sprint(f.serial), user: user, body: body, typed: make(map[string]string)}
	return true
}

// inputs are the input blocks of a modal.
func (v *view) inputs() []map[string]any {
	var out []map[string]any
	for _, b := range v.body["blocks"].([]any) {
		if b := b.(map[string]any); b["type"] == "input" {
			out = append(out, b)
		}
	}
	return out
}

// value is what stands in an input.
func (v *view) value(b map[string]any) string {
	if text, ok := v.typed[str(b["block_id"])]; ok {
		return text
	}
	e := b["element"].(map[string]any)
	if first, ok := e["initial_option"].(map[string]any); ok {
		return str(first["value"])
	}
	return str(e["initial_value"])
}

// state is the modal as it is sent.
func (v *view) state() map[string]any {
	values := make(map[string]any)
	for _, b := range v.inputs() {
		e := b["element"].(map[string]any)
		text := v.value(b)
		state := map[string]any{"type": e["type"]}
		switch {
		case e["type"] == "plain_text_input" && text == "":
			state["value"] = nil
		case e["type"] == "plain_text_input":
			state["value"] = text
		case text == "":
			state["selected_option"] = nil
		default:
			state["selected_option"] = map[string]any{"value": text}
		}
		values[str(b["block_id"])] = map[string]any{str(e["action_id"]): state}
	}
	return map[string]any{"values": values}
}

func (v *view) payload() map[string]any {
	return map[string]any{
		"id": v.id, "hash": v.hash, "callback_id": v.body["callback_id"], "private_metadata": v.body["private_metadata"],
		"blocks": v.body["blocks"], "state": v.state(),
	}
}

// link is a socket.
func (f *fake) link(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // slack-go says that it is Slack
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s := &socket{ws: ws, open: true, gone: make(chan struct{})}
	ws.SetPingHandler(func(data string) error {
		if !f.mute.Load() {
			_ = ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		}
		return nil
	})
	f.mu.Lock()
	quiet := f.quiet
	f.mu.Unlock()
	if !quiet {
		s.send(map[string]any{"type": "hello", "num_connections": 1, "debug_info": map[string]any{"host": "applink"}})
	}
	f.mu.Lock()
	f.sockets = append(f.sockets, s)
	f.news.Tell()
	f.mu.Unlock()
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			f.mu.Lock()
			s.open = false
			close(s.gone)
			f.news.Tell()
			f.mu.Unlock()
			return
		}
		var ack struct {
			EnvelopeID string         `json:"envelope_id"`
			Payload    map[string]any `json:"payload"`
		}
		if len(data) >= 20<<10 || json.Unmarshal(data, &ack) != nil {
			f.tb.Errorf("acknowledgement dropped: %.200s", data)
			continue
		}
		f.mu.Lock()
		waits := f.acks[ack.EnvelopeID]
		f.mu.Unlock()
		if waits == nil {
			f.tb.Errorf("acknowledged what was not sent: %q", ack.EnvelopeID)
			continue
		}
		waits <- ack.Payload
	}
}

func (s *socket) send(v any) bool {
	s.write.Lock()
	defer s.write.Unlock()
	return s.ws.WriteJSON(v) == nil
}

// newest is the open socket that was opened last, but for the last skip ones.
func (f *fake) newest(skip int) *socket {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range slices.Backward(f.sockets) {
		if !s.open {
			continue
		}
		if skip == 0 {
			return s
		}
		skip--
	}
	return nil
}

// open counts the sockets that are open.
func (f *fake) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.sockets {
		if s.open {
			n++
		}
	}
	return n
}

// envelope makes a frame that has to be acknowledged.
func (f *fake) envelope(kind string, payload any) (map[string]any, chan map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial++
	id := fmt.Sprintf("env-%d", f.serial)
	acked := make(chan map[string]any, 16)
	f.acks[id] = acked
	return map[string]any{"type": kind, "envelope_id": id, "payload": payload, "accepts_response_payload": kind == "slash_commands"}, acked
}

func (f *fake) slash(user, line string) map[string]any { return f.slashIn(user, homeID, line) }

func (f *fake) slashIn(user, channel, line string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	trigger, url := f.did(user, channel, nil)
	return map[string]any{
		"command": "/hoster", "text": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(line), "team_id": team, "user_id": user, "user_name": "somebody",
		"channel_id": channel, "channel_name": "ops", "trigger_id": trigger, "response_url": url, "is_enterprise_install": "false",
	}
}

// click is a press on a button as Slack tells of it.
func (f *fake) click(user string, m *message, label string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(m.buttons, func(b shownButton) bool { return b.live && b.label == label })
	if i < 0 {
		f.tb.Errorf("no button %q", label)
		return nil
	}
	return f.pressed(user, m, m.buttons[i])
}

// pressed is a press on a button that is there, or was: somebody's client may
// still show it. The caller holds mu.
func (f *fake) pressed(user string, m *message, b shownButton) map[string]any {
	trigger, url := f.did(user, m.channel, m)
	return map[string]any{
		"type": "block_actions", "trigger_id": trigger, "response_url": url, "team": map[string]any{"id": team},
		"user": map[string]any{"id": user, "team_id": f.users[user]["team_id"]}, "channel": map[string]any{"id": m.channel, "name": "ops"},
		"container": map[string]any{"type": "message", "message_ts": m.id, "channel_id": m.channel, "thread_ts": m.thread, "is_ephemeral": m.to != ""},
		"actions":   []any{map[string]any{"type": "button", "action_id": b.action, "block_id": "b", "value": b.value, "action_ts": fmt.Sprintf("%d.000000", f.clock.Now().Unix())}},
	}
}

// sent is a form as Slack sends it.
func (f *fake) sent(v *view) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	trigger, _ := f.did(v.user, homeID, nil)
	return map[string]any{
		"type": "view_submission", "trigger_id": trigger, "team": map[string]any{"id": team},
		"user": map[string]any{"id": v.user, "team_id": team}, "view": v.payload(),
	}
}

// settle does with a form what the acknowledgement says.
func (f *fake) settle(v *view, ack map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch ack["response_action"] {
	case nil:
		delete(f.views, v.user)
	case "errors":
		v.errors = make(map[string]string)
		for name, text := range ack["errors"].(map[string]any) {
			if !slices.ContainsFunc(v.inputs(), func(b map[string]any) bool { return b["block_id"] == name }) {
				f.tb.Errorf("an error at %q, which is no input", name)
			}
			v.errors[name] = str(text)
		}
	case "update":
		typed := v.typed
		if f.showView(v.user, ack["view"].(map[string]any)) {
			f.views[v.user].typed = typed
		}
	default:
		f.tb.Errorf("response_action %v", ack["response_action"])
	}
}

var (
	dates    = regexp.MustCompile(`<!date\^[^|]*\|([^>]*)>`)
	entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// unescaped is a text as a person reads it.
func unescaped(text string) string { return entities.Replace(dates.ReplaceAllString(text, "$1")) }

// reading is what a person reads in a message, and the markup in it.
func (m *message) reading() (text, raw string) {
	if len(m.blocks) == 0 {
		return unescaped(m.text), m.text
	}
	raw = m.text
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			if s, ok := v["text"].(string); ok {
				text += unescaped(s) + "\n"
				if v["type"] == "mrkdwn" {
					raw += "\n" + s
				}
			}
			if v["type"] != "button" {
				for _, key := range []string{"text", "fields", "elements"} {
					walk(v[key])
				}
			}
			if url := str(v["url"]); url != "" {
				text += url + "\n"
			}
		}
	}
	walk(m.blocks)
	return text, raw
}
