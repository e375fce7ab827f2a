package hoster

import (
	"encoding/json"
	"strings"

	"hosterbot/bot/secret"
)

// Result is what the envelope of an accepted mutation held.
type Result struct {
	Job       int64         // 0: none
	JobStatus string        // of the job
	Progress  float64       // 0..1
	Word      string        // such as "pending" or "success"
	Password  secret.Secret // a new one
	Text      string        // anything else, compact, bounded, without secrets
}

// decodeResult reads the result of a mutation. It takes any shape: the call is
// accepted, and a strange answer must not hide that.
func decodeResult(raw json.RawMessage) Result {
	switch string(raw) {
	case "true", "null", "[]":
		return Result{}
	}
	var word string
	if json.Unmarshal(raw, &word) == nil && isWord(word) {
		return Result{Word: word}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return Result{Text: redacted(raw)}
	}
	var r Result
	status := ""
	take(fields, "jobId", func(n integer) { r.Job = int64(n) })
	take(fields, "status", func(s text) { status = string(s) })
	take(fields, "progress", func(p fraction) { r.Progress = float64(p) })
	take(fields, "password", func(s text) { r.Password = hidden(s) })
	if r.Job != 0 {
		r.JobStatus = status
	} else {
		r.Word = status
	}
	if len(fields) > 0 {
		rest, _ := json.Marshal(fields)
		r.Text = redacted(rest)
	}
	return r
}

// take decodes the field and removes it, if it is there and can be read.
func take[T any](fields map[string]json.RawMessage, name string, put func(T)) {
	for key, raw := range fields {
		var v T
		if strings.EqualFold(key, name) && json.Unmarshal(raw, &v) == nil {
			put(v)
			delete(fields, key)
			return
		}
	}
}

func isWord(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && r != '_' && r != '-' && r != ' '
	})
}
