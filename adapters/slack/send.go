package slack

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
)

const (
	eventType = "hosterbot_message" // of the metadata that finds a message again
	lookBack  = 100                 // messages that are looked through for one
	editTries = 3
)

// Post implements bot.Adapter. The same key is the same message for an hour.
// What may stand already, after a post without an answer or a process that was
// killed, is looked for where the bot may read the channel; where it may not,
// the message is sent again, and says so. Where a thread takes no replies, what
// pings somebody is posted in the channel.
func (a *Adapter) Post(ctx context.Context, p bot.Place, key string, c bot.Card) (bot.Ref, error) {
	if err := a.ours(ctx, p); err != nil {
		return bot.Ref{}, err
	}
	c.Secrets = nil // a channel has too many eyes
	id := adapters.PostID(p, key)
	before, repeated := a.outbox.Find(id)
	if repeated && !before.Ref.IsZero() {
		return before.Ref, nil
	}
	ref := bot.Ref{Place: p}
	if id != "" && (repeated || c.Again) {
		ts, readable, err := a.search(ctx, p, key)
		switch {
		case err != nil:
			return bot.Ref{}, postError("look for the message", err)
		case ts != "":
			ref := bot.Ref{Place: p, ID: ts}
			if p.Thread == "" { // it may tell how things were
				if err := a.Edit(ctx, ref, c); err != nil {
					return bot.Ref{}, err
				}
			}
			a.outbox.Put(id, ref)
			return ref, nil
		case !readable:
			ref.Twin = true
			c = adapters.SentAgain(c, p)
		}
	}
	err := a.levels(ctx, methodPost, p.Channel, result, render(c, a.team(), a.clock.Now()), func(ctx context.Context, options ...slack.MsgOption) error {
		if p.Thread != "" {
			options = append(options, slack.MsgOptionTS(p.Thread))
		}
		if key != "" {
			options = append(options, slack.MsgOptionMetadata(slack.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"key": key}}))
		}
		// Not cut off at the end of the process: the message might stand, and
		// the next one would send it again.
		_, ts, err := a.api.PostMessageContext(context.WithoutCancel(ctx), p.Channel, options...)
		ref.ID = ts
		return err
	})
	if lost(err) {
		a.outbox.Put(id, bot.Ref{})
	}
	if why := noThread[code(err)]; why != "" && p.Thread != "" && len(c.Mentions) > 0 {
		// Whom it pings waits for it, so it stands in the channel.
		c.Notes = append(slices.Clone(c.Notes), "No thread here: "+why+".")
		c.Again = c.Again && !ref.Twin // it says so already
		p.Thread = ""
		ref, err := a.Post(ctx, p, key, c)
		if err == nil {
			a.outbox.Put(id, ref)
		}
		return ref, err
	}
	if err != nil {
		return bot.Ref{}, postError("post", err)
	}
	if ref.ID == "" {
		a.outbox.Put(id, bot.Ref{})
		return bot.Ref{}, &bot.PostError{Lost: true, Err: fmt.Errorf("post: the answer names no message")}
	}
	a.outbox.Put(id, ref)
	return ref, nil
}

// Edit implements bot.Adapter. An edit may be made twice, so one without an
// answer is.
func (a *Adapter) Edit(ctx context.Context, r bot.Ref, c bot.Card) error {
	if err := a.ours(ctx, r.Place); err != nil {
		return err
	}
	c.Secrets = nil
	if r.Twin {
		c = adapters.SentAgain(c, r.Place)
	}
	u := result
	if c.Bar != nil {
		u = progress
	}
	m := render(c, a.team(), a.clock.Now())
	var err error
	for try := range editTries {
		if a.clock.Sleep(ctx, adapters.Backoff(try)) != nil {
			return postError("edit", ctx.Err())
		}
		err = a.levels(ctx, methodUpdate, r.Place.Channel, u, m, func(ctx context.Context, options ...slack.MsgOption) error {
			_, _, _, err := a.api.UpdateMessageContext(ctx, r.Place.Channel, r.ID, options...)
			return err
		})
		if !lost(err) && !adapters.Unsent(err) {
			break
		}
	}
	if gone[code(err)] {
		a.outbox.Drop(r)
	}
	return postError("edit", err)
}

// ours refuses places that are not in the bot's workspace.
func (a *Adapter) ours(ctx context.Context, p bot.Place) error {
	if err := a.me.Wait(ctx, waitResult); err != nil {
		return &bot.PostError{Err: err}
	}
	switch {
	case p.Platform != platform || p.Team != "" && p.Team != a.team():
		return &bot.PostError{Forbidden: true, Err: fmt.Errorf("post: %s is not in workspace %s", p.String(), a.team())}
	case p.Channel == "":
		return &bot.PostError{Forbidden: true, Err: fmt.Errorf("post: no channel")}
	}
	return nil
}

// levels makes one call for a message, and for a Slack that refuses its blocks
// another with simpler ones, and one with none.
func (a *Adapter) levels(ctx context.Context, method, channel string, u urgency, m message, call func(context.Context, ...slack.MsgOption) error) error {
	var err error
	for _, level := range []func() message{func() message { return m }, m.simple, m.bare} {
		m := level()
		options := []slack.MsgOption{slack.MsgOptionText(m.text, false), slack.MsgOptionBlocks(m.blocks...)}
		if method == methodPost { // the others do not take these
			options = append(options, slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
		}
		err = a.once(ctx, method, channel, u, func(ctx context.Context) error { return call(ctx, options...) })
		if !badBlocks[code(err)] {
			return err
		}
		a.log.Warn("slack refused blocks", "method", method, "err", err)
	}
	return err
}

// once makes one call at the pace of its method, and in one of the slots.
func (a *Adapter) once(ctx context.Context, method, channel string, u urgency, call func(context.Context) error) error {
	if err := a.limits.enter(ctx, method, channel, u); err != nil {
		return err
	}
	free, err := a.limits.slot(ctx)
	if err != nil {
		return err
	}
	defer free()
	err = call(ctx)
	if d := retryAfter(err); d > 0 {
		a.limits.pause(method, channel, d)
	}
	return err
}

// search finds the message of a key; "" if there is none. readable is false
// where the bot may not look.
func (a *Adapter) search(ctx context.Context, p bot.Place, key string) (ts string, readable bool, err error) {
	if !slices.ContainsFunc(a.me.Get().scopes, func(s string) bool { return strings.HasSuffix(s, ":history") }) {
		return "", false, nil
	}
	oldest := strconv.FormatInt(a.clock.Now().Add(-adapters.OutboxFor).Unix(), 10)
	var found []slack.Message
	err = a.once(ctx, methodHistory, "", result, func(ctx context.Context) error {
		if p.Thread != "" {
			all, _, _, err := a.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
				ChannelID: p.Channel, Timestamp: p.Thread, Oldest: oldest, Limit: lookBack, IncludeAllMetadata: true,
			})
			found = all
			return err
		}
		r, err := a.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: p.Channel, Oldest: oldest, Limit: lookBack, IncludeAllMetadata: true,
		})
		if err != nil {
			return err
		}
		found = r.Messages
		return nil
	})
	switch code(err) {
	case "missing_scope", "not_in_channel", "channel_not_found", "thread_not_found":
		return "", false, nil
	}
	if err != nil {
		return "", true, fmt.Errorf("%s: %w", methodHistory, adapters.Quiet(err))
	}
	for _, m := range found {
		if m.Metadata.EventType == eventType && m.Metadata.EventPayload["key"] == key {
			return m.Timestamp, true, nil
		}
	}
	return "", true, nil
}
