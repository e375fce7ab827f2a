package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"hosterbot/bot"
)

const usageWatch = "watch [OPERATION | job JOB]"

// watchEvery is how often what is watched is drawn again.
const watchEvery = time.Second

// watch keeps an operation in sight, below all else, until it has ended.
type watch struct {
	op  int64
	end context.CancelFunc // of its wait
}

// is tells whether a message is about what is watched.
func (w *watch) is(m *message) bool {
	return w != nil && m.root == nil && m.op == strconv.FormatInt(w.op, 10)
}

// watch begins to keep an operation in sight; the prompt goes on meanwhile.
func (s *session) watch(ctx context.Context, person string, words []string) error {
	c := s.c
	op, err := c.watchable(ctx, words)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{op: op, end: cancel}
	c.mu.Lock()
	c.unwatch()
	c.watched = w
	c.screen.pin = func() []string { return c.sight(op) }
	c.screen.settle()
	c.tick(w)
	c.mu.Unlock()
	s.late.Go(func() {
		err := c.opts.Control.Wait(ctx, op)
		stopped := ctx.Err() != nil
		c.mu.Lock()
		if c.watched == w {
			c.unwatch()
		}
		c.mu.Unlock()
		cancel()
		if err != nil && !stopped {
			c.say(person, sentence(err))
		}
	})
	return nil
}

// unwatch lets go of what is watched.
func (c *Console) unwatch() {
	if c.watched == nil {
		return
	}
	c.watched.end()
	c.watched, c.screen.pin = nil, nil
	c.screen.settle()
}

// tick draws what is watched again each second: its time goes on.
func (c *Console) tick(w *watch) {
	c.opts.Clock.AfterFunc(watchEvery, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.watched == w && c.screen.terminal {
			c.screen.settle()
			c.tick(w)
		}
	})
}

// watchable is the operation that words name: by its number, by that of its
// job, or without words the newest that is under way.
func (c *Console) watchable(ctx context.Context, words []string) (int64, error) {
	if c.opts.Control == nil {
		return 0, errNoControl
	}
	if len(words) == 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, m := range slices.Backward(c.messages) {
			if m.to == "" && m.root == nil && !m.copy && m.op != "" && (m.card.Bar != nil || len(m.card.Buttons) > 0) {
				return strconv.ParseInt(m.op, 10, 64)
			}
		}
		return 0, errors.New("nothing is under way here")
	}
	number := words[len(words)-1]
	n, err := strconv.ParseInt(number, 10, 64)
	job := len(words) == 2 && words[0] == "job"
	switch {
	case len(words) > 1 && !job:
		return 0, errors.New("write " + usageWatch)
	case err != nil || n < 1:
		return 0, fmt.Errorf("%s is no number of an operation or job", quoted(number))
	case job:
		return c.opts.Control.Job(ctx, n)
	}
	return n, nil
}

// about is the newest message in Home about an operation, nil if there is none.
func (c *Console) about(op int64) *message { return c.original(strconv.FormatInt(op, 10), "") }

// sight is what stands of an operation in a few lines: its title, and its bar
// or what it waits for.
func (c *Console) sight(op int64) []string {
	head := c.paint(bold, "watching operation "+strconv.FormatInt(op, 10)) + c.paint(faint, " · Ctrl-C ends that")
	m := c.about(op)
	if m == nil {
		return append([]string{head}, c.indented([]string{"Nothing of it stands here yet."})...)
	}
	card := bot.Card{Title: m.card.Title, Tone: m.card.Tone}
	if m.card.Bar != nil {
		bar := *m.card.Bar
		bar.Elapsed += c.now().Sub(m.since)
		card.Bar = &bar
	} else {
		card.Lines = m.card.Lines[:min(1, len(m.card.Lines))]
	}
	return append([]string{head}, c.indented(c.body(card, nil))...)
}
