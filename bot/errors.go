package bot

import (
	"errors"
	"fmt"
)

// ErrorKind says what sort of no an error is.
type ErrorKind string

// The kinds of error that people see.
const (
	Invalid     ErrorKind = "invalid"     // what was typed cannot be run
	Forbidden   ErrorKind = "forbidden"   // the policy says no
	Missing     ErrorKind = "missing"     // no such thing
	Conflict    ErrorKind = "conflict"    // the thing's state does not allow it
	Unavailable ErrorKind = "unavailable" // a part that is needed does not answer
	TooMany     ErrorKind = "too many"    // slow down
)

// Error is an error made for people: a whole sentence that says what failed
// and how to go on. Any other error is shown as "Something went wrong", and
// logged whole.
type Error struct {
	Kind ErrorKind
	Text string // may hold code spans and times, as a Card's text
	Hint string // what to try; may be empty
	Err  error  // the cause, for the log; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error for people.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// WithHint adds what to try.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Because adds the cause, for the log.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// IsKind tells whether err is an error for people of that kind.
func IsKind(err error, kind ErrorKind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}
