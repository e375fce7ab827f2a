package console_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/console"
	"hosterbot/bot"
)

func TestPipedLinesLookRight(t *testing.T) {
	var out bytes.Buffer
	o := options(&out)
	o.In = strings.NewReader(strings.Join([]string{
		"vm list", "as ben", "3", "as zoe", "vm list", "1", "ana: vm delete 4009", "ana: 5", "INC-42", "", "4001", "", "4009", "?", ":restart", "exit", "never read",
	}, "\n"))
	m := &team{}
	c := console.New(o)
	m.c = c
	run(t, c, m)
	require.NoError(t, c.Interact(t.Context()))
	golden(t, "piped", out.String())
}

func TestPipedFormAsksAgain(t *testing.T) {
	var out bytes.Buffer
	o := options(&out)
	o.In = strings.NewReader(strings.Join([]string{"ask", "", "toolong", "-", "abc", "y", "An X", "canary-pass", "ask", ".", "ask", "abc"}, "\n"))
	c := console.New(o)
	b := &fakeBot{handle: func(ctx context.Context, r bot.Request) {
		require.NoError(t, r.Answer.Form(ctx, bot.Form{Code: "code", Title: "All kinds", Fields: []bot.FormField{
			{Name: "a", Label: "Short", Required: true, MaxLen: 5}, {Name: "c", Label: "One of", Choices: []bot.Choice{{Value: "x", Label: "An X"}}}, {Name: "p", Label: "Password", Secret: true}}}))
	}}
	run(t, c, b)
	require.NoError(t, c.Interact(t.Context()), "the end of the input inside a form ends it")
	require.Equal(t, []string{"demo/1 ana: ask", "demo/2 ana submits code map[a:abc c:x] map[p:•••]", "demo/3 ana: ask", "demo/4 ana: ask"}, b.said())
	require.NotContains(t, out.String(), "canary-pass")
	golden(t, "piped_form", out.String())
}

func TestPipedLineTooLongIsSaid(t *testing.T) {
	var out bytes.Buffer
	o := options(&out)
	o.In = strings.NewReader("vm list " + strings.Repeat("x", 2<<20))
	c := console.New(o)
	b := &fakeBot{}
	run(t, c, b)
	require.ErrorContains(t, c.Interact(t.Context()), "longer than 1 MiB")
	require.Empty(t, b.said())
}

// tty is a terminal with somebody at its keyboard.
type tty struct {
	t    *testing.T
	keys *io.PipeWriter
	mu   sync.Mutex
	more *sync.Cond
	out  bytes.Buffer
	seen int
}

func newTTY(t *testing.T, o *console.Options) *tty {
	in, keys := io.Pipe()
	s := &tty{t: t, keys: keys}
	s.more = sync.NewCond(&s.mu)
	o.In, o.Out, o.Terminal, o.Width, o.Height = in, s, true, 80, 24
	t.Cleanup(func() { require.NoError(t, keys.Close()) })
	return s
}

func (s *tty) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more.Broadcast()
	return s.out.Write(p)
}

// wait returns when text has been shown since the last wait.
func (s *tty) wait(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if i := strings.Index(s.out.String()[s.seen:], text); i >= 0 {
			s.seen += i + len(text)
			return
		}
		s.more.Wait()
	}
}

func (s *tty) press(keys string) {
	_, err := io.WriteString(s.keys, keys)
	require.NoError(s.t, err)
}

func (s *tty) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func interact(t *testing.T, c *console.Console) (ctx context.Context, cancel func(), ended chan error) {
	ctx, cancel = context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ended = make(chan error, 1)
	go func() { ended <- c.Interact(ctx) }()
	return ctx, cancel, ended
}

func TestTerminalDrawsProgressInPlace(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	run(t, c, &fakeBot{})
	ctx, _, ended := interact(t, c)
	s.wait("ana> ")

	at := func(title string, fraction float64) bot.Card {
		return bot.Card{Title: title, Tone: bot.Busy, Bar: &bot.Bar{Fraction: fraction, Word: "executing"}}
	}
	r, err := c.Post(ctx, home(), "1", at("Create a VM", 0.1))
	require.NoError(t, err)
	s.wait("ana> ")
	require.NoError(t, c.Edit(ctx, r, at("Create a VM", 0.5)))
	s.wait("\x1b[4A\x1b[J#ops") // three lines and the empty one
	s.wait(" 50 %")
	s.wait("ana> ")

	thread := home()
	thread.Thread = r.ID
	_, err = c.Post(ctx, thread, "2", bot.Card{Title: "half of it"})
	require.NoError(t, err)
	s.wait("↳ half of it")
	require.NoError(t, c.Edit(ctx, r, at("Create a VM", 0.6)), "no longer the last thing: a line of its own")
	s.wait("60 %")
	require.NoError(t, c.Edit(ctx, r, at("Create a VM", 0.7)))
	s.wait("\x1b[2A\x1b[J")
	s.wait("70 %")
	require.NoError(t, c.Edit(ctx, r, at("VM is there", 1)))
	s.wait("(edited)")
	s.wait("ana> ")

	s.press("\x04")
	require.NoError(t, <-ended)
	golden(t, "terminal", s.shown())
}

func TestTerminalTakesAReplacedSecretAway(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	second := make(chan struct{})
	run(t, c, &fakeBot{handle: func(ctx context.Context, r bot.Request) {
		require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "Console"}))
		s.wait("Console")
		require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "The link has expired"}))
		close(second)
	}})
	_, _, ended := interact(t, c)
	s.wait("ana> ")
	s.press("vm console 4001\r")
	<-second
	s.wait("\x1b[3A\x1b[J")
	s.wait("has expired")
	s.press("exit\r")
	require.NoError(t, <-ended)
}

func TestTerminalAsksForSecretsUnseen(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	b := &fakeBot{
		handle: func(ctx context.Context, r bot.Request) {
			require.NoError(t, r.Answer.Form(ctx, bot.Form{Code: "code", Title: "Password", Fields: []bot.FormField{{Name: "reason", Value: "INC-42"}, {Name: "template", Lookup: true, Choices: []bot.Choice{{Value: "debian 12"}, {Value: "ubuntu"}}}, {Name: "password", Secret: true, Required: true}}}))
		},
		submit: func(_ context.Context, f bot.Submission) {
			require.Equal(t, "canary", f.Secrets["password"].Reveal())
			require.Equal(t, "INC-42", f.Values["reason"])
			require.Equal(t, "debian 12", f.Values["template"], "Tab gives the choices of the field")
		},
	}
	run(t, c, b)
	_, _, ended := interact(t, c)
	s.press("software install 4001 nginx\r")
	s.wait("reason [INC-42]: ")
	s.press("\r")
	s.wait("template: ")
	s.press("d\t\r")
	s.wait("password: ")
	s.press("canary\r")
	s.wait("ana> ")
	s.press("exit\r")
	require.NoError(t, <-ended)
	require.Len(t, b.said(), 2)
	require.NotContains(t, s.shown(), "canary")
}

func TestTabCompletes(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	b := &fakeBot{complete: func(q bot.Completion) []bot.Choice {
		switch {
		case q.Account.User != "ben":
			return nil
		case strings.HasPrefix("vm ", q.Line):
			return []bot.Choice{{Value: "vm"}}
		case q.Line == "vm l":
			return []bot.Choice{{Value: "list"}}
		case strings.HasSuffix(q.Line, "--state "), strings.HasSuffix(q.Line, "--state s"):
			return []bot.Choice{{Value: "stopped", Label: "Stopped"}, {Value: "stopping"}}
		}
		return nil
	}}
	run(t, c, b)
	_, _, ended := interact(t, c)
	s.press("as b\t\r")
	s.wait("ben> ")
	s.press("v\tl\t--state \t")
	s.wait("--state stopp")
	s.press("ed\rnothing\t\r:r\t\r")
	s.wait(":restart")
	s.press("exit\r")
	require.NoError(t, <-ended)
	require.Equal(t, []string{"demo/1 ben: vm list --state stopped", "demo/2 ben: nothing"}, b.said())
}

func TestTabShowsWhatCanFollow(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	run(t, c, &fakeBot{complete: func(bot.Completion) []bot.Choice {
		return []bot.Choice{{Value: "list", Label: "List all VMs"}, {Value: "reset-password", Label: "Give a VM's root a new password, which only you see, and which nobody else gets"}}
	}})
	_, _, ended := interact(t, c)
	s.press("vm \t")
	s.wait("  list            List all VMs")
	s.wait("  reset-password  Give a VM's root a new password, which only you see, and")
	s.wait("                  which nobody else gets")
	s.wait("ana> vm ")
	s.press("\x03\x03")
	require.NoError(t, <-ended)
}

func TestInteractEndsWithItsContext(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	_, cancel, ended := interact(t, c)
	s.wait("ana> ")
	cancel()
	require.NoError(t, <-ended)
}

// hurried is a clock on which everything is late at once.
type hurried struct{ still }

func (hurried) AfterFunc(_ time.Duration, f func()) func() bool {
	f()
	return func() bool { return false }
}

func TestASlowAnswerDoesNotHoldThePrompt(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	o.Clock = hurried{}
	c := console.New(o)
	answer := make(chan struct{})
	run(t, c, &fakeBot{handle: func(ctx context.Context, r bot.Request) {
		<-answer
		require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "At last"}))
	}})
	_, _, ended := interact(t, c)
	s.press("vm list\r")
	s.wait("vm list")
	s.wait("ana> ")
	close(answer)
	s.wait("At last")
	s.press("exit\r")
	require.NoError(t, <-ended)
}

func TestManyPostAtOnce(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	run(t, c, &fakeBot{})
	ctx, _, ended := interact(t, c)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			r, err := c.Post(ctx, home(), "", bot.Card{Title: "t", Bar: &bot.Bar{}})
			require.NoError(t, err)
			for i := range 10 {
				require.NoError(t, c.Edit(ctx, r, bot.Card{Title: "t", Bar: &bot.Bar{Fraction: float64(i) / 10}}))
			}
		})
	}
	for range 20 {
		s.press("vm list\r")
	}
	all.Wait()
	s.press("exit\r")
	require.NoError(t, <-ended)
}
