package hoster

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"hosterbot/bot/secret"
)

// Class says what may be concluded from one attempt.
type Class string

// The classes. After NotSent, Throttled and Refused nothing has happened;
// after NoAnswer nobody knows.
const (
	NotSent   Class = "not sent"  // no byte of the request left
	Throttled Class = "throttled" // 429
	Refused   Class = "refused"   // the provider understood and said no
	Accepted  Class = "accepted"  // a success, whatever its shape
	NoAnswer  Class = "no answer" // lost, broken, or an answer that proves nothing
)

// The provider's error codes, as documented. There may be others.
const (
	NotFound         = "0x01"
	Unauthorized     = "0x03"
	SignalFailed     = "0xa1"
	Timeout          = "0xa3"
	NoBackup         = "0xa5"
	Limits           = "0xb0"
	MissingParameter = "0xb1"
	JobNotFound      = "0xc1"
)

// ErrPaused is why a mutation is not sent after a 401: the next one would be
// refused too, and a token that is being replaced is no time to change things.
var ErrPaused = errors.New("mutations are paused until a read shows that the provider accepts the API token again")

// What is shown of one text of the provider, in characters, and of the fields
// of one answer.
const (
	maxText   = 1000
	maxFields = 20
)

// Error is a call that was not accepted. No part of it holds a secret.
type Error struct {
	Class      Class
	Endpoint   string            // such as "vm-status"
	Status     int               // 0 without an answer
	Code       string            // such as NotFound, or ""
	Text       string            // the provider's text with its code, whole, bounded, without control characters
	Fields     map[string]string // what a 422 says of each field
	RetryAfter time.Duration     // how long the provider asked to wait, 0 if it did not
	Err        error             // what went wrong on this side, or nil
}

// Error says which call, what may be concluded, and why.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Endpoint, e.Class)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	for i, field := range slices.Sorted(maps.Keys(e.Fields)) {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + field + ": " + e.Fields[field])
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the *Error in err's chain: Accepted for nil, and
// NoAnswer, which claims nothing, for an error that is not this package's.
func ClassOf(err error) Class {
	if err == nil {
		return Accepted
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return NoAnswer
}

// IsCode tells whether err is the provider's error with the code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code != "" && strings.EqualFold(e.Code, code)
}

var codePattern = regexp.MustCompile(`^\s*(0[xX][0-9a-fA-F]{1,8})\s*(?::|$)\s*`)

// CodeOf splits "0xb0: Requested ..." into the code in lower case and the rest.
// Without a code it returns "" and the text.
func CodeOf(text string) (code, rest string) {
	m := codePattern.FindStringSubmatchIndex(text)
	if m == nil {
		return "", text
	}
	return strings.ToLower(text[m[2]:m[3]]), text[m[1]:]
}

// classOfStatus is the class of an answer that is no success.
func classOfStatus(status int) Class {
	switch status {
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusConflict, http.StatusGone, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return Refused
	}
	return NoAnswer
}

// What a free text must not carry on: the value in "password=...", a token
// after "Bearer", and what is before the @ of an address.
var (
	credentials = regexp.MustCompile(`(?i)((?:password|passwd|secret|token|ticket)=|bearer\s+(?:\d+\|)?)[^\s&"'<>]{3,}`)
	userInfo    = regexp.MustCompile(`://[^/\s@]+@`)
)

// clean makes a text of the provider fit to be shown: no secrets, no control
// or direction characters, one line, at most maxText characters.
func (c *Client) clean(text string) string {
	return bound(printable(c.scrub(text)))
}

func (c *Client) scrub(text string) string {
	text = credentials.ReplaceAllString(c.scrubber.Scrub(text), "${1}"+secret.Mask)
	return userInfo.ReplaceAllString(text, "://"+secret.Mask+"@")
}

// printable puts one blank for each run of control characters and line ends.
func printable(text string) string {
	blank := false
	text = strings.Map(func(r rune) rune {
		after := blank
		blank = unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
		switch {
		case blank && after, unicode.Is(unicode.Cf, r):
			return -1
		case blank:
			return ' '
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

func bound(text string) string {
	if len(text) <= maxText {
		return text
	}
	n := 0
	for i := range text {
		if n++; n > maxText {
			return text[:i] + "…"
		}
	}
	return text
}

// cleanError returns err if its text is fit to be shown, else its cleaned text.
func (c *Client) cleanError(err error) error {
	if err == nil {
		return nil
	}
	if text := c.clean(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
