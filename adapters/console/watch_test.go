package console_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/console"
	"hosterbot/bot"
)

// waiting is a control whose operations end when the test says so.
type waiting struct {
	control
	end chan error
}

func (w *waiting) Wait(ctx context.Context, op int64) error {
	_ = w.do("wait %d", op)
	select {
	case err := <-w.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seconds is a clock of which the test lets each second pass.
type seconds struct {
	still
	mu  sync.Mutex
	now time.Time
	due []func()
}

func (s *seconds) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *seconds) AfterFunc(d time.Duration, f func()) func() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d == time.Second {
		s.due = append(s.due, f)
	}
	return func() bool { return true }
}

func (s *seconds) pass() {
	s.mu.Lock()
	due := s.due
	s.due, s.now = nil, s.now.Add(time.Second)
	s.mu.Unlock()
	for _, f := range due {
		f()
	}
}

// creating is a card of operation 7 with its bar.
func creating(fraction float64) bot.Card {
	return bot.Card{Op: 7, Title: "Create a VM", Tone: bot.Busy, Bar: &bot.Bar{Fraction: fraction, Word: "executing", Elapsed: 10 * time.Second}}
}

// watchedTTY is a terminal on which ana watches operation 7.
type watchedTTY struct {
	*tty
	c       *console.Console
	ctx     context.Context
	root    bot.Ref
	control *waiting
	clock   *seconds
	ended   chan error
}

func watched(t *testing.T, line string) *watchedTTY {
	o := options(nil)
	w := &watchedTTY{tty: newTTY(t, &o), control: &waiting{end: make(chan error)}, clock: &seconds{now: noon}}
	o.Control, o.Clock = w.control, w.clock
	w.c = console.New(o)
	run(t, w.c, &fakeBot{})
	w.ctx, _, w.ended = interact(t, w.c)
	w.wait("ana> ")
	var err error
	w.root, err = w.c.Post(w.ctx, home(), "root/7", creating(0.1))
	require.NoError(t, err)
	w.press(line + "\r")
	w.wait("watching operation 7")
	w.wait("ana> ")
	return w
}

// screen is what stands on the terminal.
func (w *watchedTTY) screen() string { return onScreen(80, 24, w.shown()) }

// below is what stands below the pin's head, which stands once.
func (w *watchedTTY) below() string {
	w.t.Helper()
	all := w.screen()
	require.Equal(w.t, 1, strings.Count(all, "watching operation 7"), all)
	return all[strings.Index(all, "watching operation 7"):]
}

func TestWatchStandsBelowAllElse(t *testing.T) {
	w := watched(t, "watch 7")
	thread := home()
	thread.Thread = w.root.ID
	_, err := w.c.Post(w.ctx, thread, "line", bot.Card{Title: "ben approved"})
	require.NoError(t, err)
	w.wait("ana> ")
	require.NoError(t, w.c.Edit(w.ctx, w.root, creating(0.4)))
	w.wait("40 %")
	w.wait("ana> ")
	require.Equal(t, "watching operation 7 · Ctrl-C ends that\n  ● Create a VM\n  ████░░░░░░ 40 % · executing · 10 s\n\nana>", w.below())
	require.Equal(t, 1, strings.Count(w.screen(), "40 %"), "no line of its own for each move")
	w.clock.pass()
	w.wait("11 s")
	w.wait("ana> ")
	require.Contains(t, w.below(), "40 % · executing · 11 s", "time goes on between two edits")
	require.Equal(t, 1, strings.Count(w.screen(), "11 s"), w.screen())

	w.press("?\r") // what is typed and what it shows stands above
	w.wait("put ben into")
	w.wait("ana> ")
	require.Equal(t, "watching operation 7 · Ctrl-C ends that\n  ● Create a VM\n  ████░░░░░░ 40 % · executing · 11 s\n\nana>", w.below())
	require.Contains(t, w.screen(), "\nana> ?\n  type a command")

	w.control.end <- nil
	w.wait("\x1b[J")
	w.wait("ana> ")
	require.NotContains(t, w.screen(), "watching operation 7 ·")
	w.press("exit\r")
	require.NoError(t, <-w.ended)
}

func TestWatchFindsWhatIsMeant(t *testing.T) {
	for name, line := range map[string]string{"the newest without a word": "watch", "by its job": "watch job 1007"} {
		t.Run(name, func(t *testing.T) {
			w := watched(t, line)
			w.press("exit\r")
			require.NoError(t, <-w.ended)
			require.Contains(t, w.control.did, "wait 7")
		})
	}
}

func TestWatchEnds(t *testing.T) {
	for name, end := range map[string]func(*watchedTTY){
		"with Ctrl-C": func(w *watchedTTY) {
			w.press("half a line\x03")
			w.wait("Ctrl-C again leaves")
		},
		"with an operation that cannot be waited for": func(w *watchedTTY) {
			w.control.end <- errRefused
			w.wait("Refused.")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watched(t, "watch 7")
			end(w)
			w.wait("ana> ")
			require.NotContains(t, w.screen(), "watching operation 7 ·")
			require.NoError(t, w.c.Edit(w.ctx, w.root, creating(0.4)))
			w.wait("40 %")
			require.NotContains(t, w.screen(), "watching operation 7 ·")
			w.press("\x15exit\r")
			require.NoError(t, <-w.ended)
		})
	}
}

func TestWatchRefuses(t *testing.T) {
	for line, why := range map[string]string{
		"watch":         "Nothing is under way here.",
		"watch seven":   `"seven" is no number of an operation or job.`,
		"watch 0":       `"0" is no number of an operation or job.`,
		"watch job 7 8": "Write watch [OPERATION | job JOB].",
		"watch op 7":    "Write watch [OPERATION | job JOB].",
	} {
		t.Run(line, func(t *testing.T) {
			o := options(nil)
			s := newTTY(t, &o)
			o.Control = &control{}
			c := console.New(o)
			run(t, c, &fakeBot{})
			_, _, ended := interact(t, c)
			s.press(line + "\rexit\r")
			s.wait(why)
			require.NoError(t, <-ended)
		})
	}
}

// TestWatchThroughAPipe: what stands there of it, and then its states, each
// once, until it has ended.
func TestWatchThroughAPipe(t *testing.T) {
	out := &blocks{}
	o := options(out)
	w := &waiting{end: make(chan error, 1)}
	o.Control, o.In = w, strings.NewReader("watch 7\nwatch 8\n")
	c := console.New(o)
	run(t, c, &fakeBot{})
	_, err := c.Post(t.Context(), home(), "root/7", creating(0.4))
	require.NoError(t, err)
	w.end <- nil
	ended := make(chan error, 1)
	go func() { ended <- c.Interact(t.Context()) }()
	w.end <- errors.New("there is no operation 8")
	require.NoError(t, <-ended)
	require.NotEmpty(t, out.newest("watching operation 7 until it has ended"))
	require.NotEmpty(t, out.newest("There is no operation 8."))
	require.Equal(t, 2, strings.Count(strings.Join(out.all, ""), "40 %"), "it stands below the watch too")
	require.Equal(t, []string{"wait 7", "wait 8"}, w.did)
}

// TestHistoryIsOfCommands: the arrows bring commands back, and no answers to
// forms.
func TestHistoryIsOfCommands(t *testing.T) {
	o := options(nil)
	s := newTTY(t, &o)
	c := console.New(o)
	b := &fakeBot{handle: func(ctx context.Context, r bot.Request) {
		if r.Line == "ask" {
			require.NoError(t, r.Answer.Form(ctx, bot.Form{Code: "code", Title: "Why", Fields: []bot.FormField{{Name: "reason"}}}))
		}
	}}
	run(t, c, b)
	_, _, ended := interact(t, c)
	s.press("vm list\rask\r")
	s.wait("reason: ")
	s.press("\x1b[AINC-42\r")
	s.wait("ana> ")
	s.press("\x1b[A\x1b[A\r")
	s.wait("vm list")
	s.press("exit\r")
	require.NoError(t, <-ended)
	require.Equal(t, []string{"demo/1 ana: vm list", "demo/2 ana: ask", "demo/3 ana submits code map[reason:INC-42] map[]", "demo/4 ana: vm list"}, b.said())
}
