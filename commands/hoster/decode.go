package hoster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"hosterbot/bot/secret"
)

// What is wrong with an answer. These texts never quote it, for what cannot be
// read may be a password.
var (
	errNoJSON     = errors.New("the answer is empty, cut off, or no JSON")
	errNoEnvelope = errors.New("the answer has neither result nor error")
)

// shapeError says what was expected and what kind of JSON came.
func shapeError(expected string, raw []byte) error {
	return fmt.Errorf("the answer has %s where %s was expected", kind(raw), expected)
}

func kind(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// shapeErr is an answer of HosterAPI's own that this client cannot read.
type shapeErr struct{ error }

func (e *shapeErr) Unwrap() error { return e.error }

// complaint is what an answer says against a request.
type complaint struct {
	text   string
	fields map[string]string
}

// decodeEnvelope opens a 2xx answer. It returns the result, or the provider's
// complaint, or an error if the answer is no envelope.
func decodeEnvelope(raw []byte) (json.RawMessage, *complaint, error) {
	var envelope struct {
		Result   json.RawMessage `json:"result"`
		Response json.RawMessage `json:"response"` // incidents alone
		Error    json.RawMessage `json:"error"`
		Message  json.RawMessage `json:"message"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return nil, nil, errNoJSON
	}
	result := envelope.Result
	if result == nil {
		result = envelope.Response
	}
	text := complaintText(envelope.Error)
	switch {
	case text != "":
	case bytes.Equal(envelope.Error, []byte("true")), bytes.Equal(result, []byte("false")):
		text = complaintText(envelope.Message)
	case result == nil:
		return nil, nil, errNoEnvelope
	case result[0] != '"':
		return result, nil, nil
	default:
		var word string
		if json.Unmarshal(result, &word) != nil {
			return result, nil, nil
		}
		if code, _ := CodeOf(word); code == "" {
			return result, nil, nil
		}
		text = word
	}
	return nil, &complaint{text: text}, nil
}

// complaintText is an error as text, "" if it says that there is none: the
// provider sends a text, or a boolean, and a PHP null may look like anything
// empty.
func complaintText(raw json.RawMessage) string {
	switch string(raw) {
	case "", "null", "true", "false", "0", `""`, "[]", "{}":
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	return redacted(raw)
}

// decodeComplaint reads the body of an answer that is no success. What is not
// JSON is not shown, but for a plain text.
func decodeComplaint(status int, contentType string, raw []byte) complaint {
	var body struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Result  json.RawMessage `json:"result"`
		Errors  json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(raw, &body) != nil {
		var message string
		if json.Unmarshal(raw, &message) == nil {
			return complaint{text: message}
		}
		switch trimmed := bytes.TrimSpace(raw); {
		case bytes.HasPrefix(trimmed, []byte("<")), strings.Contains(contentType, "html"):
			return complaint{text: fmt.Sprintf("the provider's proxy answered %d", status)}
		case strings.HasPrefix(contentType, "text/plain"):
			return complaint{text: string(trimmed)}
		}
		return complaint{}
	}
	c := complaint{text: complaintText(body.Error)}
	if c.text == "" {
		c.text = complaintText(body.Message)
	}
	if c.text == "" {
		c.text = complaintText(body.Result)
	}
	var fields map[string]array[text]
	if json.Unmarshal(body.Errors, &fields) == nil && len(fields) > 0 {
		c.fields = make(map[string]string, len(fields))
		for field, texts := range fields {
			c.fields[field] = strings.Join(plain(texts), " ")
		}
	}
	return c
}

// decodeInto reads raw into v, with an error that quotes nothing.
func decodeInto(raw json.RawMessage, v any) error {
	err := json.Unmarshal(raw, v)
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("the answer has another shape than the documented one at %q", mismatch.Field)
	}
	return err
}

// decodeList reads a list whose items are T. Null is not an empty list here:
// what is gone is concluded from these lists.
func decodeList[T any](raw json.RawMessage) ([]T, error) {
	if k := raw[0]; k != '[' && k != '{' {
		return nil, shapeError("a list", raw)
	}
	var items array[T]
	if err := decodeInto(raw, &items); err != nil {
		return nil, err
	}
	return items, nil
}

// decodeIDs reads a list of numbers above 0.
func decodeIDs[T int | int64](raw json.RawMessage) ([]T, error) {
	items, err := decodeList[integer](raw)
	if err != nil {
		return nil, err
	}
	ids := make([]T, len(items))
	for i, id := range items {
		if id <= 0 {
			return nil, errors.New("the answer lists something that is no ID")
		}
		ids[i] = T(id)
	}
	return ids, nil
}

// decodeObject reads an object that must not be empty and must have the keys:
// what identifies or describes a machine is never guessed.
func decodeObject[T any](raw json.RawMessage, keys ...string) (v T, err error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || len(fields) == 0 {
		return v, shapeError("an object", raw)
	}
	for _, key := range keys {
		if r, ok := fields[key]; !ok || string(r) == "null" || string(r) == `""` {
			return v, fmt.Errorf("the answer has no %s", key)
		}
	}
	err = decodeInto(raw, &v)
	return v, err
}

// The kinds below read what PHP may make of a value: numbers as text and the
// reverse, booleans as 0 and 1, null or "" for anything, an empty object as [],
// a list as an object with the keys "0", "1", ....

type (
	text          string
	integer       int64
	number        float64
	fraction      float64 // 0..1; what is above 1 is percent
	flag          bool
	array[T any]  []T
	object[T any] struct{ value T }
)

func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		return json.Unmarshal(raw, (*string)(t))
	case '{', '[':
		return shapeError("a text", raw)
	case 'n':
		*t = ""
	default:
		*t = text(raw)
	}
	return nil
}

func (n *number) UnmarshalJSON(raw []byte) error {
	var s text
	if err := s.UnmarshalJSON(raw); err != nil {
		return shapeError("a number", raw)
	}
	switch s := strings.TrimSpace(string(s)); s {
	case "", "false":
		*n = 0
	case "true":
		*n = 1
	default:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return shapeError("a number", raw)
		}
		*n = number(f)
	}
	return nil
}

func (n *integer) UnmarshalJSON(raw []byte) error {
	if i, err := strconv.ParseInt(strings.Trim(string(raw), `" `), 10, 64); err == nil {
		*n = integer(i) // exact beyond 2^53
		return nil
	}
	var f number
	if err := f.UnmarshalJSON(raw); err != nil {
		return err
	}
	if math.Abs(float64(f)) >= 1<<63 {
		return errors.New("the answer has a number that is too large")
	}
	*n = integer(math.Round(float64(f)))
	return nil
}

func (p *fraction) UnmarshalJSON(raw []byte) error {
	var s text
	if err := s.UnmarshalJSON(raw); err != nil {
		return shapeError("a number", raw)
	}
	digits, percent := strings.CutSuffix(strings.TrimSpace(string(s)), "%")
	quoted, _ := json.Marshal(digits)
	var f number
	if err := f.UnmarshalJSON(quoted); err != nil {
		return err
	}
	if percent || f > 1 {
		f /= 100
	}
	*p = fraction(min(max(f, 0), 1))
	return nil
}

func (b *flag) UnmarshalJSON(raw []byte) error {
	var n number
	if err := n.UnmarshalJSON(raw); err != nil {
		return shapeError("a boolean", raw)
	}
	*b = n != 0
	return nil
}

func (a *array[T]) UnmarshalJSON(raw []byte) error {
	*a = nil
	switch raw[0] {
	case '[':
		return json.Unmarshal(raw, (*[]T)(a))
	case '{':
		return a.fromObject(raw)
	case '"':
		var one T
		if string(raw) == `""` {
			return nil
		}
		if err := json.Unmarshal(raw, &one); err != nil {
			return err
		}
		*a = array[T]{one}
		return nil
	case 'n':
		return nil
	}
	return shapeError("a list", raw)
}

func (a *array[T]) fromObject(raw []byte) error {
	var fields map[int]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return shapeError("a list", raw)
	}
	keys := make([]int, 0, len(fields))
	for key := range fields {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		var item T
		if err := json.Unmarshal(fields[key], &item); err != nil {
			return err
		}
		*a = append(*a, item)
	}
	return nil
}

func (o *object[T]) UnmarshalJSON(raw []byte) error {
	var zero T
	o.value = zero
	var empty []json.RawMessage
	switch {
	case raw[0] == '{':
		return json.Unmarshal(raw, &o.value)
	case raw[0] == 'n', string(raw) == `""`, json.Unmarshal(raw, &empty) == nil && len(empty) == 0:
		return nil
	}
	return shapeError("an object", raw)
}

// hidden wraps a password as it came.
func hidden(s text) secret.Secret { return secret.New(string(s)) }

// plain gives the texts as strings, in a list of their own.
func plain(texts []text) []string {
	if len(texts) == 0 {
		return nil
	}
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = string(t)
	}
	return out
}
