package bot

import (
	"context"
	"fmt"
	"runtime/debug"
)

// course is what becomes of one request: what comes before its acknowledgement,
// what is left after it, and how it ends.
type course struct {
	outcome string // for the metrics and the log
	op      int64  // the operation that it became or was about; 0: none

	rest         Rest // what is left
	acknowledged bool // that is under way
	ends         []func()
}

// left takes what is left to do once the request is acknowledged. It waits for a
// worker there, without a stack of its own, so it is the last thing that its
// caller does.
func (c *course) left(rest Rest) {
	if c.acknowledged {
		rest.Run()
		return
	}
	c.rest = rest
}

// atEnd takes what counts or logs what became of the request.
func (c *course) atEnd(f func()) { c.ends = append(c.ends, f) }

func (c *course) end() {
	for _, f := range c.ends {
		f()
	}
}

// serve does what a request asks for: begin at once, and what that leaves where
// later runs it, or at once as well if there is no later. A panic is answered.
func (b *Bot) serve(ctx context.Context, answer Responder, later Later, begin func(*course)) {
	c := &course{outcome: "handled"}
	b.guarded(ctx, answer, c, func() { begin(c) })
	if c.rest.Run == nil {
		c.end()
		return
	}
	c.acknowledged = true
	run := c.rest.Run
	rest := Rest{Asks: c.rest.Asks, Run: func() {
		defer c.end()
		if ctx.Err() != nil { // it waited for too long
			run = func() { c.outcome = "failed"; b.say(ctx, answer, cutOff) }
		}
		b.guarded(ctx, answer, c, run)
	}}
	if later == nil {
		rest.Run()
		return
	}
	later(rest)
}

// guarded answers for a handler that panics. The process lives on.
func (b *Bot) guarded(ctx context.Context, answer Responder, c *course, f func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		c.outcome, c.rest = "failed", Rest{}
		b.log.Error("panic", "value", b.scrub.Scrub(fmt.Sprint(v)), "stack", string(debug.Stack()))
		b.metrics.Panic()
		b.say(ctx, answer, Card{Tone: Bad, Title: "Something went wrong",
			Lines: []string{"This is a mistake in hosterbot, and it is in its log. `op list --open` shows whether something was begun."}})
	}()
	f()
}
