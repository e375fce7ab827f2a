package adapters

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"time"
)

// FatalError is a refusal that no retry mends: wrong, revoked or too weak
// credentials. Its text says what to change where.
type FatalError struct {
	Text string
	Err  error // the cause; may be nil
}

func (e *FatalError) Error() string {
	if e.Err != nil {
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

// Unwrap gives the cause.
func (e *FatalError) Unwrap() error { return e.Err }

// The pauses of Backoff.
const (
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 30 * time.Second
)

// Backoff is a pause before the next try, with jitter; none before the first.
func Backoff(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	d := min(backoffFirst<<min(failures-1, 10), backoffMost)
	return d/2 + rand.N(d/2)
}

// Unsent tells whether nothing of a call left this machine, so that it can be
// made again.
func Unsent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// Quiet takes URLs out of an error: they hold what lets somebody speak as the
// bot.
func Quiet(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
