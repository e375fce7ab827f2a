package bot

import (
	"context"
	"time"

	"hosterbot/bot/policy"
	"hosterbot/bot/secret"
)

// Place is where something is said: a channel, or a thread in it.
type Place struct {
	policy.Place
	Thread string `json:",omitempty"` // ID of its root message; empty: the channel itself
}

// Ref is a message that stands in a chat.
type Ref struct {
	Place Place  `json:"place"`
	ID    string `json:"id"`
	// Twin says that it was sent again, and that one of before may stand
	// beside it, which nobody can find to change it.
	Twin bool `json:"twin,omitempty"`
}

// IsZero tells whether there is no message.
func (r Ref) IsZero() bool { return r.ID == "" }

// Request is a command that somebody typed.
type Request struct {
	Key     string // names this delivery for ever: "slack/TEAM/TRIGGER_ID"
	Account Account
	Place   Place
	Line    string    // what was typed after /hoster; or, where options are typed:
	Words   string    // "vm delete", and
	Args    []Arg     // the options as they were sent
	Came    time.Time // to the chat; zero: now
	Answer  Responder
	Later   Later
}

// Press is a click on a button.
type Press struct {
	Key     string
	Account Account
	Place   Place
	Code    string
	Came    time.Time // to the chat; zero: now
	Answer  Responder
	Later   Later
}

// Submission is a form that was sent.
type Submission struct {
	Key     string
	Account Account
	Place   Place
	Code    string
	Values  map[string]string        // of ordinary fields
	Secrets map[string]secret.Secret // of secret fields
	Came    time.Time                // to the chat; zero: now
	Answer  Responder
	Later   Later
}

// Rest is what is left to do of a request that is acknowledged.
type Rest struct {
	Run  func() // nil: nothing is left
	Asks bool   // it asks the provider, which may take long
}

// Later takes a rest, once at most, as the last thing that a Handler does; the
// request is over when it has run. The chat runs it when it has a worker for it,
// and lets nothing that does not ask the provider wait for what does. nil: the
// Handler runs the rest itself.
type Later func(Rest)

// Completion asks for the values that a person could type next.
type Completion struct {
	Account Account
	Place   Place
	Line    string // typed so far: the last word is the one to complete; or
	Words   string // the command, or
	Code    string // the form that asks for its arguments, and
	Param   string // the parameter that
	Prefix  string // begins like this;
	Args    []Arg  // what else is filled in, if the chat knows
}

// Responder answers one request, press or submission, privately: only the
// person who made it sees what it says.
type Responder interface {
	// Ack tells the platform that the request has arrived and will be
	// answered. It may be called again, and after an answer does nothing.
	Ack(ctx context.Context) error
	// Form opens a form. It has to be the first answer; after an Ack it fails.
	Form(ctx context.Context, f Form) error
	// Reply shows a card. A later call replaces the card of the one before.
	Reply(ctx context.Context, c Card) error
	// File sends a document to the person.
	File(ctx context.Context, f File) error
}

// Handler is what a chat calls: the one door into the bot. Every method
// answers through the request's Responder and returns when all is said, but for
// what it gave to Later; a chat calls it on a goroutine of its own.
type Handler interface {
	Handle(ctx context.Context, r Request)
	Press(ctx context.Context, p Press)
	Submit(ctx context.Context, s Submission)
	Complete(ctx context.Context, c Completion) []Choice
}

// Clock is what the bot knows of time. SystemClock is the real one; the demo's
// script and the tests have others.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or with ctx's error if that ends first.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f on its own goroutine after d. stop tells whether it
	// came before the call.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep implements Clock.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AfterFunc implements Clock.
func (SystemClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}
