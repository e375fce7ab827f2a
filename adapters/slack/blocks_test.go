package slack_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
)

// kit checks blocks as Slack does. What it does not know it refuses.
// Source: https://docs.slack.dev/reference/block-kit
type kit struct {
	problems []string
	actions  map[string]bool
	ids      map[string]bool
	chars    int
}

func chars(text string) int { return len(utf16.Encode([]rune(text))) }

// checkBlocks says what is wrong with a message's blocks.
func checkBlocks(blocks []any) []string {
	k := kit{actions: make(map[string]bool), ids: make(map[string]bool)}
	if len(blocks) > 50 {
		k.bad("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		k.block(b.(map[string]any), false)
	}
	if k.chars > 12000 {
		k.bad("msg_blocks_too_long: %d characters", k.chars)
	}
	return k.problems
}

// checkView says what is wrong with a modal.
func checkView(v map[string]any) []string {
	k := kit{actions: make(map[string]bool), ids: make(map[string]bool)}
	k.only(v, "type", "title", "submit", "close", "blocks", "callback_id", "private_metadata")
	k.text(v["title"], "plain_text", 24)
	k.text(v["submit"], "plain_text", 24)
	k.text(v["close"], "plain_text", 24)
	if v["type"] != "modal" || chars(str(v["callback_id"])) > 255 || chars(str(v["private_metadata"])) > 3000 {
		k.bad("modal of the wrong shape")
	}
	blocks, _ := v["blocks"].([]any)
	if len(blocks) == 0 || len(blocks) > 100 {
		k.bad("%d blocks in a view", len(blocks))
	}
	for _, b := range blocks {
		k.block(b.(map[string]any), true)
	}
	return k.problems
}

func (k *kit) bad(format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

func (k *kit) only(m map[string]any, keys ...string) {
	for key := range m {
		if !strings.Contains(" "+strings.Join(keys, " ")+" ", " "+key+" ") {
			k.bad("unknown key %q", key)
		}
	}
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func (k *kit) block(b map[string]any, view bool) {
	if id := str(b["block_id"]); id != "" {
		if k.ids[id] || chars(id) > 255 {
			k.bad("block_id %q twice or too long", id)
		}
		k.ids[id] = true
	}
	switch b["type"] {
	case "section":
		k.only(b, "type", "text", "fields", "block_id")
		fields, _ := b["fields"].([]any)
		if b["text"] == nil && len(fields) == 0 || len(fields) > 10 {
			k.bad("section with %d fields", len(fields))
		}
		if b["text"] != nil {
			k.text(b["text"], "", 3000)
		}
		for _, f := range fields {
			k.text(f, "", 2000)
		}
	case "context":
		k.only(b, "type", "elements", "block_id")
		elements, _ := b["elements"].([]any)
		if len(elements) == 0 || len(elements) > 10 {
			k.bad("context with %d elements", len(elements))
		}
		for _, e := range elements {
			k.text(e, "", 3000)
		}
	case "actions":
		k.only(b, "type", "elements", "block_id")
		elements, _ := b["elements"].([]any)
		if len(elements) == 0 || len(elements) > 25 || view {
			k.bad("actions with %d elements", len(elements))
		}
		for _, e := range elements {
			k.button(e.(map[string]any))
		}
	case "input":
		k.only(b, "type", "block_id", "label", "hint", "element", "optional")
		if !view {
			k.bad("input outside a view")
		}
		k.text(b["label"], "plain_text", 2000)
		if b["hint"] != nil {
			k.text(b["hint"], "plain_text", 2000)
		}
		k.input(b["element"].(map[string]any))
	default:
		k.bad("invalid_blocks: block type %v", b["type"])
	}
}

var (
	token   = regexp.MustCompile(`<[^<>]*>`)
	allowed = regexp.MustCompile(`^<(!date\^\d+\^[^|<>]+\|[^|<>]+|@[UW][A-Z0-9]+)>$`)
	entity  = regexp.MustCompile(`&(amp|lt|gt);`)
)

// text checks a text object: its kind, its length, its escapes.
func (k *kit) text(v any, kind string, most int) {
	t, ok := v.(map[string]any)
	if !ok {
		k.bad("no text object: %v", v)
		return
	}
	text := str(t["text"])
	k.chars += chars(text)
	switch {
	case t["type"] != "mrkdwn" && t["type"] != "plain_text", kind != "" && t["type"] != kind:
		k.bad("text of type %v", t["type"])
	case chars(text) == 0 || chars(text) > most:
		k.bad("text of %d characters, %d are allowed", chars(text), most)
	case t["type"] == "mrkdwn" && (t["verbatim"] != true || t["emoji"] != nil):
		k.bad("mrkdwn in which Slack looks for links: %q", text)
	case t["type"] == "plain_text" && (t["emoji"] != false || t["verbatim"] != nil):
		k.bad("plain text in which Slack looks for emoji: %q", text)
	}
	k.escapes(text, t["type"] == "mrkdwn")
}

func (k *kit) escapes(text string, tokens bool) {
	rest := token.ReplaceAllStringFunc(text, func(tok string) string {
		if !tokens || !allowed.MatchString(tok) {
			k.bad("markup %s came through", tok)
		}
		return ""
	})
	if strings.ContainsAny(rest, "<>") || strings.Contains(entity.ReplaceAllString(rest, ""), "&") {
		k.bad("not escaped: %q", rest)
	}
}

func (k *kit) action(e map[string]any) {
	id := str(e["action_id"])
	if id == "" || chars(id) > 255 || k.actions[id] {
		k.bad("action_id %q missing, too long or twice", id)
	}
	k.actions[id] = true
}

func (k *kit) button(e map[string]any) {
	k.only(e, "type", "text", "action_id", "value", "style", "url")
	k.action(e)
	k.text(e["text"], "plain_text", 75)
	if e["type"] != "button" || chars(str(e["value"])) > 2000 || chars(str(e["url"])) > 3000 || e["value"] == nil && e["url"] == nil {
		k.bad("button of the wrong shape: %v", e)
	}
	if s := e["style"]; s != nil && s != "primary" && s != "danger" {
		k.bad("style %v", s)
	}
}

func (k *kit) input(e map[string]any) {
	k.action(e)
	switch e["type"] {
	case "plain_text_input":
		k.only(e, "type", "action_id", "initial_value", "multiline", "max_length")
		most := 3000
		if n, ok := e["max_length"].(float64); ok {
			most = int(n)
		}
		if most < 1 || most > 3000 || chars(str(e["initial_value"])) > most {
			k.bad("input with %d of %d characters", chars(str(e["initial_value"])), most)
		}
	case "static_select", "external_select":
		k.only(e, "type", "action_id", "placeholder", "options", "initial_option", "min_query_length")
		k.text(e["placeholder"], "plain_text", 150)
		options, _ := e["options"].([]any)
		if external := e["type"] == "external_select"; external != (len(options) == 0) || len(options) > 100 {
			k.bad("%v with %d options", e["type"], len(options))
		}
		k.options(options)
		if first := e["initial_option"]; first != nil {
			k.options([]any{first})
			if len(options) > 0 && !strings.Contains(encoded(options), encoded(first)) {
				k.bad("initial_option is none of the options")
			}
		}
	default:
		k.bad("element of type %v", e["type"])
	}
}

func (k *kit) options(options []any) {
	for _, o := range options {
		o := o.(map[string]any)
		k.only(o, "text", "value")
		k.text(o["text"], "plain_text", 75)
		if v := str(o["value"]); v == "" || chars(v) > 150 {
			k.bad("option value of %d characters", chars(v))
		}
	}
}

func encoded(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
