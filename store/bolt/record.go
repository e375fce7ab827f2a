package bolt

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"hosterbot/bot"
)

// appendRecord appends a record as encoding/json writes it, which is what is
// sealed, in a tenth of its time. A test holds the two to the same bytes, field
// by field.
func appendRecord(out []byte, r *bot.Record) ([]byte, error) {
	out = strconv.AppendUint(append(out, `{"seq":`...), r.Seq, 10)
	out, err := appendTime(append(out, `,"time":`...), r.Time)
	if err != nil {
		return nil, err
	}
	out = appendString(append(out, `,"kind":`...), r.Kind)
	out = member(out, `,"op":`, r.Op)
	out = text(out, `,"state":`, string(r.State))
	out = text(out, `,"person":`, r.Person)
	out = text(out, `,"account":`, r.Account)
	out = text(out, `,"place":`, r.Place)
	out = text(out, `,"command":`, r.Command)
	out = text(out, `,"target":`, r.Target)
	for i := range r.Args {
		lead := `},{"name":`
		if i == 0 {
			lead = `,"args":[{"name":`
		}
		out = appendString(append(out, lead...), r.Args[i].Name)
		out = appendString(append(out, `,"value":`...), r.Args[i].Value)
	}
	if len(r.Args) > 0 {
		out = append(out, `}]`...)
	}
	out = text(out, `,"digest":`, r.Digest)
	out = text(out, `,"decision":`, r.Decision)
	out = text(out, `,"rule":`, r.Rule)
	out = member(out, `,"line":`, int64(r.Line))
	out = text(out, `,"policy":`, r.Policy)
	out = member(out, `,"attempt":`, int64(r.Attempt))
	out = member(out, `,"status":`, int64(r.Status))
	out = text(out, `,"code":`, r.Code)
	out = text(out, `,"text":`, r.Text)
	if r.BreakGlass {
		out = append(out, `,"breakGlass":true`...)
	}
	out = member(out, `,"count":`, int64(r.Count))
	out = appendString(append(out, `,"prev":`...), r.Prev)
	return append(out, '}'), nil
}

// member appends a number that is left out where it is zero.
func member(out []byte, name string, n int64) []byte {
	if n == 0 {
		return out
	}
	return strconv.AppendInt(append(out, name...), n, 10)
}

// text appends a string that is left out where it is empty.
func text(out []byte, name, s string) []byte {
	if s == "" {
		return out
	}
	return appendString(append(out, name...), s)
}

// appendString appends a string in quotes. One with anything but plain ASCII is
// left to encoding/json, which knows what to escape.
func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			v, err := json.Marshal(s)
			if err != nil { // a string always encodes
				panic(err)
			}
			return append(out, v...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

// appendTime appends a moment in quotes, or tells that its year has no form.
func appendTime(out []byte, t time.Time) ([]byte, error) {
	out, err := t.AppendText(append(out, '"'))
	if err != nil {
		return nil, fmt.Errorf("time: %w", err)
	}
	return append(out, '"'), nil
}
