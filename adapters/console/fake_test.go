package console_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/console"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// fakeBot answers as each test wants; what it is not told to do it records.
type fakeBot struct {
	mu       sync.Mutex
	handle   func(context.Context, bot.Request)
	press    func(context.Context, bot.Press)
	submit   func(context.Context, bot.Submission)
	complete func(bot.Completion) []bot.Choice
	heard    []string
}

func (b *fakeBot) hear(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, fmt.Sprintf(format, args...))
}

func (b *fakeBot) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.heard...)
}

func (b *fakeBot) Handle(ctx context.Context, r bot.Request) {
	b.hear("%s %s: %s", r.Key, r.Account.User, r.Line)
	if b.handle != nil {
		b.handle(ctx, r)
	}
}

func (b *fakeBot) Press(ctx context.Context, p bot.Press) {
	b.hear("%s %s presses %s", p.Key, p.Account.User, p.Code)
	if b.press != nil {
		b.press(ctx, p)
	}
}

func (b *fakeBot) Submit(ctx context.Context, s bot.Submission) {
	b.hear("%s %s submits %s %v %v", s.Key, s.Account.User, s.Code, s.Values, s.Secrets)
	if b.submit != nil {
		b.submit(ctx, s)
	}
}

func (b *fakeBot) Complete(_ context.Context, c bot.Completion) []bot.Choice {
	if b.complete == nil {
		return nil
	}
	return b.complete(c)
}

// run attaches a bot for the length of a test.
func run(t *testing.T, c *console.Console, h bot.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, h) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-ended)
		})
	}
	t.Cleanup(stop)
	return stop
}

// control records what the lines with a colon asked for.
type control struct {
	mu      sync.Mutex
	did     []string
	restart func()
	idle    func()
	err     error
}

func (c *control) do(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did = append(c.did, fmt.Sprintf(format, args...))
	return c.err
}

func (c *control) Fault(kind, fault string) error                { return c.do("fault %s %s", kind, fault) }
func (c *control) Skip(_ context.Context, d time.Duration) error { return c.do("skip %s", d) }
func (c *control) Policy(_ context.Context, file string) []string {
	if err := c.do("policy %s", file); err != nil {
		return []string{err.Error()}
	}
	return nil
}
func (c *control) Member(person, group string) error      { return c.do("member %s %s", person, group) }
func (c *control) Wait(_ context.Context, op int64) error { return c.do("wait %d", op) }
func (c *control) Job(_ context.Context, job int64) (int64, error) {
	return job - 1000, c.do("job %d", job)
}

func (c *control) Restart(context.Context) error {
	if c.restart != nil {
		c.restart()
	}
	return c.do("restart")
}

func (c *control) Idle(context.Context) error {
	if c.idle != nil {
		c.idle()
	}
	return nil
}

// team is a bot that deletes a VM after one approval, in memory: enough to
// see what a conversation looks like.
type team struct {
	c     *console.Console
	root  bot.Ref
	copy  bot.Ref
	state string
	due   []func()
}

func (m *team) card() bot.Card {
	c := bot.Card{
		Title: "Delete VM " + bot.Code("4009") + " (cache-1)", Tone: bot.Busy,
		Lines:  []string{"Asked by ana. All data on its disk is lost."},
		Fields: []bot.Field{{Label: "Size", Value: "2 cores · 2 GiB · 20 GiB"}, {Label: "Reason", Value: "INC-42"}, {Label: "Approvals", Value: "0 of 1, by leads, until " + bot.At(noon.Add(30*time.Minute))}},
		Buttons: []bot.Button{{Label: "Approve", Style: bot.Primary, Code: "v1:1:approve:n"}, {Label: "Deny", Style: bot.Danger, Code: "v1:1:deny:n"},
			{Label: "Cancel", Code: "v1:1:cancel:n"}},
	}
	switch m.state {
	case "following", "following more":
		c.Fields[2].Value = "1 of 1: cho"
		c.Bar = &bot.Bar{Fraction: 0.2, Word: "executing", Elapsed: 5 * time.Second, Expected: 30 * time.Second}
		if m.state == "following more" {
			c.Bar = &bot.Bar{Fraction: 0.8, Word: "executing", Elapsed: 20 * time.Second, Expected: 30 * time.Second}
		}
		c.Buttons = nil
	case "done":
		c.Title, c.Tone = "VM "+bot.Code("4009")+" is deleted", bot.Good
		c.Lines = nil
		c.Fields[2].Value = "1 of 1: cho"
		c.Fields = append(c.Fields, bot.Field{Label: "Took", Value: "31 s"})
		c.Buttons = nil
	}
	return c
}

func (m *team) to(state string) {
	m.state = state
	must(m.c.Edit(context.Background(), m.root, m.card()))
	must(m.c.Edit(context.Background(), m.copy, m.card()))
}

func (m *team) line(c bot.Card) {
	thread := m.root.Place
	thread.Thread = m.root.ID
	_, err := m.c.Post(context.Background(), thread, "", c)
	must(err)
}

func (m *team) Idle() {
	for len(m.due) > 0 {
		next := m.due[0]
		m.due = m.due[1:]
		next()
	}
}

func (m *team) Handle(ctx context.Context, r bot.Request) {
	switch {
	case r.Line == "vm list":
		must(r.Answer.Reply(ctx, bot.Card{Title: "3 VMs", Table: &bot.Table{
			Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}, {Name: "State"}, {Name: "Cores", Right: true}, {Name: "Memory", Right: true}, {Name: "Disk", Right: true}, {Name: "IPs"}},
			Rows: [][]string{
				{bot.Code("4001"), "web-1", "running", "2", "2 GiB", "100 GiB", "203.0.113.5"},
				{bot.Code("4002"), "db-1", "running", "8", "16 GiB", "500 GiB", "203.0.113.6"},
				{bot.Code("4009"), "cache-1", "stopped", "2", "2 GiB", "20 GiB", "203.0.113.9"},
			}}, Buttons: []bot.Button{{Label: "Share", Code: "v1:r1:share:n"}, {Label: "As a file", Code: "v1:r1:file:n"}}}))
	case strings.HasPrefix(r.Line, "vm delete"):
		must(r.Answer.Reply(ctx, bot.Card{Title: "Delete VM " + bot.Code("4009") + " (cache-1)?", Tone: bot.Warn,
			Fields:  []bot.Field{{Label: "Size", Value: "2 cores · 2 GiB · 20 GiB"}, {Label: "IPs", Value: bot.Code("203.0.113.9")}, {Label: "Lost", Value: "All data on its disk, and its IPs"}},
			Notes:   []string{"Then it needs one approval of leads."},
			Buttons: []bot.Button{{Label: "Confirm", Style: bot.Danger, Code: "v1:1:confirm:n"}, {Label: "Cancel", Code: "v1:1:cancel:n"}}}))
	case r.Line == "vm password 4001":
		must(r.Answer.Reply(ctx, bot.Card{Title: "Password of VM " + bot.Code("4001"), Secrets: []bot.Shown{{Label: "Password", Value: secret.New("hunter2")}}}))
	default:
		must(r.Answer.Reply(ctx, bot.Card{Title: "Not allowed: " + bot.Code(r.Line), Tone: bot.Bad, Lines: []string{"No grant covers it. Ask leads."}}))
	}
}

func (m *team) form(reason, e string) bot.Form {
	return bot.Form{Code: "v1:1:confirm:n", Title: "Confirm", Text: "Delete VM 4009 (cache-1)", Fields: []bot.FormField{
		{Name: "reason", Label: "Reason", Hint: "Why, or the ticket's number", Required: true, Value: reason},
		{Name: "target", Label: "Type 4009 to go on", Required: true, Error: e},
	}}
}

func (m *team) Press(ctx context.Context, p bot.Press) {
	switch {
	case p.Code == "v1:1:confirm:n":
		must(p.Answer.Form(ctx, m.form("", "")))
	case m.state == "done":
		must(p.Answer.Reply(ctx, bot.Card{Title: "Operation 1: nothing changed by that", Tone: bot.Warn, Lines: []string{"cho approved it " + bot.At(noon.Add(-time.Minute)) + ", and it is done."}}))
	case p.Account.User == "ana":
		must(p.Answer.Reply(ctx, bot.Card{Title: "Not yours to approve", Tone: bot.Bad, Lines: []string{"You asked for it; somebody else has to approve."}}))
	case p.Code == "v1:1:approve:n":
		m.due = append(m.due, func() { m.to("following") }, func() { m.line(bot.Card{Title: "cho approved (1 of 1)", Tone: bot.Good}) },
			func() { m.to("following more") }, func() { m.to("done") }, func() { m.line(bot.Card{Title: "Deleted after 31 s. ana asked for it.", Tone: bot.Good}) })
	}
}

func (m *team) Submit(ctx context.Context, s bot.Submission) {
	if s.Values["target"] != "4009" {
		must(s.Answer.Form(ctx, m.form(s.Values["reason"], "This is not 4009.")))
		return
	}
	must(s.Answer.Reply(ctx, bot.Card{Title: "Operation 1 is in the channel", Tone: bot.Good}))
	m.due = append(m.due, func() {
		var err error
		m.root, err = m.c.Post(ctx, home(), "root/1", m.card())
		must(err)
		m.copy, err = m.c.Post(ctx, place("discord", "300000000000000001", "400000000000000001"), "root/1", m.card())
		must(err)
	})
}

func (m *team) Complete(context.Context, bot.Completion) []bot.Choice { return nil }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

var errRefused = errors.New("refused")
