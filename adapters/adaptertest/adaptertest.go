// Package adaptertest is the contract that every chat passes.
//
// A chat's test gives Run a function that opens a Harness: its adapter, and
// the edge of its platform, where people act and look. The harness never looks
// into the adapter; what it shows is what the platform was told. A rule that
// not every platform can break asks the harness for one more interface
// (Deleter, Closer, Pinger) and is skipped without it.
//
// RunChats, RunHard, RunIncidents and Offers play the built bot between the
// doubles of a chat and of the provider. edge.go, handler.go and golden.go are
// what doubles and tests of several chats are made of.
//
// To add a rule: a line in rules, a function in rules.go, and a way to look at
// it in Harness only if no method gives it yet.
package adaptertest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// The people whom every harness has. Both are in Harness.Home and see what
// stands there.
const (
	Ana = "ana"
	Ben = "ben"
)

// Harness is one chat, not yet running, with people who use it.
type Harness interface {
	Adapter() bot.Adapter
	// Home is a channel in which the bot may post.
	Home() bot.Place
	// Account is who a person is to the bot.
	Account(person string) bot.Account
	// Type makes a person type a command in Home. It returns when the handler
	// has.
	Type(tb testing.TB, person, line string)
	// Press makes a person press a button that he sees, found by the message's
	// ID and the label.
	Press(tb testing.TB, person, message, label string)
	// Submit makes a person send the form that he has open.
	Submit(tb testing.TB, person string, values map[string]string)
	// Form is the form that a person has open; false: none is.
	Form(tb testing.TB, person string) (Form, bool)
	// Sees are the messages that a person sees, oldest first.
	Sees(tb testing.TB, person string) []Message
}

// Deleter is a Harness in which somebody can delete a message.
type Deleter interface {
	Delete(tb testing.TB, r bot.Ref)
}

// Closer is a Harness that knows a place where the bot may not post.
type Closer interface {
	Closed() bot.Place
}

// Pinger is a Harness whose platform pings people. Attacks are texts that
// would ping somebody or look like more than text if they were not escaped.
type Pinger interface {
	Attacks() []string
	// Harmed tells what of an attack came through in a message; "": nothing.
	Harmed(m Message) string
}

// Repeater is a Harness whose platform finds a message again by its key, so
// that the same post stands there once.
type Repeater interface {
	FindsAgain()
}

// Message is a message as a person sees it.
type Message struct {
	ID      string // as in a Ref
	Thread  string // ID of the root message; empty: it is one
	Private bool   // nobody else sees it
	Text    string // everything written in it, as the platform shows it
	Buttons []bot.Button
	Raw     string // as it was sent, for Pinger
}

// Form is a form as a person sees it.
type Form struct {
	Title  string
	Fields []Field
}

// Field is a question of a form.
type Field struct {
	Name  string
	Value string // what stands in it
	Error string
}

// Run checks a chat. open gives a new one each time.
func Run(t *testing.T, open func(tb testing.TB) Harness) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			h := open(t)
			s := &suite{Harness: h, bot: &recorder{}}
			ctx, cancel := context.WithCancel(t.Context())
			ended := runAdapter(ctx, h.Adapter(), s.bot)
			r.check(t, ctx, s)
			cancel()
			require.NoError(t, <-ended, "Run returns nil when its context ends")
		})
	}
}

func runAdapter(ctx context.Context, a bot.Adapter, h bot.Handler) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, h) }()
	return ended
}

// suite is what a rule works with.
type suite struct {
	Harness
	bot *recorder
}

// seen finds the message of a Ref before a person's eyes.
func (s *suite) seen(tb testing.TB, person string, r bot.Ref) Message {
	tb.Helper()
	for _, m := range s.Sees(tb, person) {
		if m.ID == r.ID {
			return m
		}
	}
	tb.Fatalf("%s does not see message %s", person, r.ID)
	return Message{}
}

// text is everything that a person sees.
func (s *suite) text(tb testing.TB, person string) string {
	tb.Helper()
	var all string
	for _, m := range s.Sees(tb, person) {
		all += m.Text + "\n"
		for _, b := range m.Buttons {
			all += b.Label + "\n"
		}
	}
	return all
}

// recorder is a bot that keeps what it is told and answers as a rule wants.
type recorder struct {
	mu       sync.Mutex
	requests []bot.Request
	presses  []bot.Press
	sent     []bot.Submission

	onHandle func(context.Context, bot.Responder)
	onPress  func(context.Context, bot.Responder)
	onSubmit func(context.Context, bot.Responder)
}

var _ bot.Handler = (*recorder)(nil)

func (r *recorder) Handle(ctx context.Context, q bot.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, q)
	r.mu.Unlock()
	answer(ctx, r.onHandle, q.Answer)
}

func (r *recorder) Press(ctx context.Context, p bot.Press) {
	r.mu.Lock()
	r.presses = append(r.presses, p)
	r.mu.Unlock()
	answer(ctx, r.onPress, p.Answer)
}

func (r *recorder) Submit(ctx context.Context, s bot.Submission) {
	r.mu.Lock()
	r.sent = append(r.sent, s)
	r.mu.Unlock()
	answer(ctx, r.onSubmit, s.Answer)
}

func (r *recorder) Complete(context.Context, bot.Completion) []bot.Choice { return nil }

// answer answers as the rule wants, else with a word.
func answer(ctx context.Context, how func(context.Context, bot.Responder), to bot.Responder) {
	if how == nil {
		how = func(ctx context.Context, to bot.Responder) { _ = to.Reply(ctx, bot.Card{Title: "Heard"}) }
	}
	how(ctx, to)
}
