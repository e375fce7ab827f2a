package bot

import (
	"context"
	"time"
)

// Adapter is a chat. It turns what people do there into calls of a Handler,
// and cards into messages. It keeps no state that has to survive a restart.
type Adapter interface {
	// Platforms are the platforms whose places and accounts it serves:
	// "slack". Most serve one; the console stands in for all.
	Platforms() []string
	// Run connects and serves until ctx ends. It returns nil then, and an
	// error only for what no retry mends: refused credentials.
	Run(ctx context.Context, h Handler) error
	// Limits are what one message can hold.
	Limits() Limits
	// CanPost tells whether the bot may post in a place. Its error is for
	// people and says what to do.
	CanPost(ctx context.Context, p Place) error
	// Post puts a new message into a place; with a Thread, under that root.
	// key is the same for the same message, so that a chat that can find it
	// again does not post it twice. It returns a *PostError if the message
	// was refused or its fate is not known.
	Post(ctx context.Context, p Place, key string, c Card) (Ref, error)
	// Edit replaces a message. A PostError with Gone says that somebody
	// deleted it.
	Edit(ctx context.Context, r Ref, c Card) error
	// Member tells whether an account is in one of the platform's own groups.
	// MemberUnknown with an error: the look-up failed.
	Member(ctx context.Context, g Group, accounts []PolicyAccount) (Membership, error)
	// Health tells how the chat is connected.
	Health() Health
}

// Limits are what one message of a chat can hold.
type Limits struct {
	Rows int // rows of a table; what is more is paged by Next
}

// PostError says why a message could not be put into a chat.
type PostError struct {
	Gone       bool          // the message, or its place, is no longer there
	Forbidden  bool          // the bot may not post there
	Lost       bool          // it was sent, and no answer came
	RetryAfter time.Duration // the chat asks to wait; 0: it does not
	Err        error
}

func (e *PostError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *PostError) Unwrap() error { return e.Err }

// Health is how a part of the bot is doing.
type Health struct {
	Name  string    // "slack", "store", "HosterAPI"
	OK    bool      //
	Text  string    // one short sentence
	Since time.Time // since when; zero: unknown
	Fatal bool      // not ready while it is not OK; otherwise only degraded
}
