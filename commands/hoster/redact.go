package hoster

import (
	"bytes"
	"encoding/json"
	"strings"

	"hosterbot/bot/secret"
)

// redacted is an undocumented piece of an answer as compact JSON, or as bare
// text if it is one, with the value of every key that sounds like a secret
// masked.
func redacted(raw json.RawMessage) string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return ""
	}
	if s, ok := v.(string); ok {
		return s
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(mask(v)) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

func mask(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = mask(v[i])
		}
	case map[string]any:
		for key := range v {
			if sensitive(key) {
				v[key] = secret.Mask
			} else {
				v[key] = mask(v[key])
			}
		}
	}
	return v
}

// sensitive tells whether the key's value may be a secret.
func sensitive(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"pass", "pwd", "secret", "token", "ticket", "key", "credential", "auth", "console", "vnc"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// passwordIn is the one text in an answer that stands under a key which sounds
// like a password. Where there are several, or something else than a text, it is
// the whole answer, for who asked to read. It is "" where there is none.
func passwordIn(raw json.RawMessage) string {
	var found []string
	var walk func(v any, under bool)
	walk = func(v any, under bool) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item, under)
			}
		case map[string]any:
			for key, item := range v {
				name := strings.ToLower(key)
				walk(item, under || strings.Contains(name, "pass") || strings.Contains(name, "pwd"))
			}
		case string:
			if under && v != "" {
				found = append(found, v)
			}
		case json.Number:
			if under {
				found = append(found, v.String())
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return ""
	}
	switch walk(v, false); len(found) {
	case 0:
		return ""
	case 1:
		return found[0]
	}
	return string(raw)
}
