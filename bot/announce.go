package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hosterbot/bot/fail"
)

// How messages are sent.
const (
	editEvery    = 3 * time.Second // progress edits of one message, at most
	postsAtOnce  = 64
	owedAtOnce   = 256
	giveUpAfter  = 20 // tries of a message that is not an end message
	retryMost    = 5 * time.Minute
	maxMentioned = 5 // approvers who are named in a request, at most
)

// owed makes one owed message for each place of an operation.
func (b *Bot) owed(op *Operation, kind OwedKind, c Card) []Owed {
	if op.Silent {
		return nil
	}
	out := make([]Owed, 0, len(op.Places))
	for _, p := range op.Places {
		out = append(out, Owed{Op: op.ID, Place: p, Kind: kind, Card: c, Version: op.Version, At: b.clock.Now()})
	}
	return out
}

// owedUnknown is what is owed when nobody knows how an operation ended.
func (b *Bot) owedUnknown(op *Operation, more ...string) []Owed {
	line := Card{Tone: Warn, Title: "Outcome unknown", Lines: append([]string{op.Outcome}, more...)}
	return append(b.owed(op, OwedRoot, Card{}), b.owed(op, OwedLine, line)...)
}

// pinging makes messages ping people, each under the names of its own chat.
func (b *Bot) pinging(owed []Owed, people []string) []Owed {
	for i := range owed {
		owed[i].Card.Mentions = b.accounts(people, owed[i].Place.Platform)
	}
	return owed
}

// threadKey names the thread that an owed message belongs to. Messages of one
// thread are sent in order, by one worker.
func threadKey(o *Owed) string { return fmt.Sprintf("thread/%d/%s/%s", o.Op, o.Place, o.Place.Thread) }

// announceDue begins to send every message that is owed now, a thread a
// worker, and returns when the next one may be sent. A slow channel holds up no
// other: whoever is done wakes the loop again.
func (b *Bot) announceDue(ctx context.Context) (time.Time, error) {
	for {
		now := b.clock.Now()
		// Of a thread whose worker ends while the list is read, the list may
		// hold what was just sent.
		working := b.busy.all()
		owed, next, err := b.store.Owed(ctx, now, b.owner, owedAtOnce)
		if err != nil {
			return next, err
		}
		threads, order := make(map[string][]Owed), []string(nil)
		for i := range owed {
			key := threadKey(&owed[i])
			if _, known := threads[key]; !known {
				order = append(order, key)
			}
			threads[key] = append(threads[key], owed[i])
		}
		began := false
		for _, key := range order {
			if until, waits := b.paused.left(key, now); waits {
				b.postpone(ctx, threads[key], until)
				next = sooner(next, until)
				continue
			}
			if working[key] || !b.busy.take(key) {
				continue
			}
			if !b.posting.start(ctx, b.serial, func() {
				defer b.nudge(b.tell)
				defer b.busy.free(key)
				b.sendThread(ctx, key, threads[key])
			}) {
				b.busy.free(key)
				return next, ctx.Err()
			}
			began = true
		}
		if !began {
			return notNow(next, now), ctx.Err()
		}
		if !b.serial {
			return next, ctx.Err()
		}
	}
}

// sendThread sends what one thread is owed, in order, until one cannot be sent.
func (b *Bot) sendThread(ctx context.Context, key string, owed []Owed) {
	for i, o := range owed {
		if ctx.Err() != nil {
			return
		}
		// A thread is sent in order, so that of what another process owed only
		// the first message may stand already.
		old := o.At.Before(b.started)
		o.Card.Again = old && !b.resumed.has(key)
		var t Thread
		err := b.survived(o.Op, func() (err error) {
			t, err = b.sendOwed(ctx, o)
			return err
		})
		now := b.clock.Now()
		stopped := ctx.Err() != nil
		ctx := context.WithoutCancel(ctx) // what stands in the chat is recorded, also at the end
		if err != nil && t.Op != 0 {      // the root that was posted for it stands
			if err := b.store.Deliver(ctx, now, Owed{}, t); err != nil {
				b.log.Error("root not recorded", "op", o.Op, "err", err)
			}
		}
		var later *laterError
		switch {
		case err == nil:
			fail.Point("after_post")
			b.metrics.Message(o.Kind, true)
			err = b.store.Deliver(ctx, now, o, t)
			fail.Point("after_post_ack")
			if old && err == nil {
				b.resumed.take(key)
			}
		case errors.As(err, &later):
			err = b.store.Postpone(ctx, now, o, later.until)
		case stopped:
			// The end of the process is no try: many restarts in a row would use
			// them up, and the message would never be sent.
			return
		default:
			b.metrics.Message(o.Kind, false)
			b.retryOwed(ctx, key, owed[i:], err)
			return
		}
		if err != nil {
			b.log.Error("message not recorded", "op", o.Op, "err", err)
			b.paused.put(key, now.Add(time.Second))
			return
		}
	}
}

// laterError puts an edit off that would come too soon after the last one.
type laterError struct{ until time.Time }

func (*laterError) Error() string { return "too soon" }

// retryOwed decides what becomes of a message that could not be sent, the first
// of the rest that its thread is owed.
func (b *Bot) retryOwed(ctx context.Context, key string, rest []Owed, err error) {
	now := b.clock.Now()
	o := rest[0]
	var post *PostError
	pause := min(time.Second<<min(o.Tries, 10), retryMost)
	slowly := errors.As(err, &post) && post.RetryAfter > 0
	if slowly {
		pause = post.RetryAfter
	}
	hopeless := errors.As(err, &post) && post.Forbidden || errors.Is(err, ErrNotFound)
	b.log.Warn("message not sent", "op", o.Op, "kind", o.Kind, "place", o.Place.String(), "tries", o.Tries+1, "err", b.scrub.Scrub(err.Error()))
	if o.Kind != OwedEnd && (hopeless || o.Tries >= giveUpAfter && !slowly) {
		if err := b.store.Deliver(ctx, now, o, Thread{}); err != nil {
			b.log.Error("message not given up", "op", o.Op, "err", err)
		}
		return
	}
	b.paused.put(key, now.Add(pause))
	b.postpone(ctx, rest, now.Add(pause)) // in order: none overtakes the first
}

func (b *Bot) postpone(ctx context.Context, owed []Owed, until time.Time) {
	for _, o := range owed {
		if err := b.store.Postpone(ctx, b.clock.Now(), o, until); err != nil && !errors.Is(err, ErrNotFound) {
			b.log.Error("message not put off", "op", o.Op, "err", err)
		}
	}
}

// sendOwed puts one message into its chat, and returns what its thread looks
// like then.
func (b *Bot) sendOwed(ctx context.Context, o Owed) (Thread, error) {
	a, ok := b.adapters[o.Place.Platform]
	if !ok {
		return Thread{}, &PostError{Forbidden: true, Err: fmt.Errorf("no chat serves %s", o.Place.Platform)}
	}
	if o.Op == 0 {
		_, err := a.Post(ctx, o.Place, fmt.Sprintf("owed/%d", o.Seq), o.Card)
		return Thread{}, err
	}
	op, err := b.store.Operation(ctx, o.Op)
	if err != nil {
		return Thread{}, err
	}
	t, err := b.thread(ctx, o)
	if err != nil {
		return Thread{}, err
	}
	// An end message comes after the root shows the end, whatever is owed.
	if o.Kind != OwedLine || t.Root.IsZero() {
		if t, err = b.sendRoot(ctx, a, &op, t, o.Card.Again); err != nil {
			return Thread{}, err
		}
	}
	if o.Kind == OwedRoot {
		return t, nil
	}
	place := o.Place
	if place.Thread == "" {
		place.Thread = t.Root.ID
	}
	if o.Kind == OwedEnd {
		o.Card.Mentions = b.accounts([]string{op.Person}, o.Place.Platform)
	}
	_, err = a.Post(ctx, place, fmt.Sprintf("owed/%d", o.Seq), o.Card)
	var post *PostError
	if errors.As(err, &post) && post.Gone && place.Thread == t.Root.ID { // somebody deleted the root: it is posted anew
		t.Root = Ref{}
	}
	return t, err
}

// thread is the root message of an operation in a place, as it is known.
func (b *Bot) thread(ctx context.Context, o Owed) (Thread, error) {
	all, err := b.store.Threads(ctx, o.Op)
	if err != nil {
		return Thread{}, err
	}
	for _, t := range all {
		if t.Place == o.Place {
			return t, nil
		}
	}
	return Thread{Op: o.Op, Place: o.Place}, nil
}

// sendRoot brings a root message up to date: it posts the first, edits one
// that stands, and posts anew one that somebody deleted. again: one that is not
// known of may stand all the same.
func (b *Bot) sendRoot(ctx context.Context, a Adapter, op *Operation, t Thread, again bool) (Thread, error) {
	now := b.clock.Now()
	if !t.Root.IsZero() && t.Shown == op.Version {
		return t, nil
	}
	progress := t.State == Following && op.State == Following
	if !t.Root.IsZero() && progress && now.Sub(t.ShownAt) < editEvery {
		return t, &laterError{t.ShownAt.Add(editEvery)}
	}
	card := b.rootCard(ctx, op, t.Place.Platform)
	var err error
	if !t.Root.IsZero() {
		err = a.Edit(ctx, t.Root, card)
		var post *PostError
		if errors.As(err, &post) && post.Gone {
			t.Root, err = Ref{}, nil
		}
	}
	if err == nil && t.Root.IsZero() {
		card.Again = again && t.Posted == 0
		t.Root, err = a.Post(ctx, t.Place, fmt.Sprintf("root/%d/%s/%d", op.ID, t.Place, t.Posted), card)
		t.Posted++
	}
	if err != nil {
		return Thread{}, err
	}
	t.Shown, t.State, t.ShownAt = op.Version, op.State, now
	return t, nil
}
