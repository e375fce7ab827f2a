package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"hosterbot/bot"
)

// together makes one chat of two: what the bot posts stands in both, and
// people speak in either. A person's private answers stay where that person
// asked.
//
// A message has an ID in each chat, and one here, made of both.
type together struct {
	chats [2]bot.Adapter

	mu  sync.Mutex
	ids [2]map[string]string // of a chat's message: the one made of both
}

// between stands between the two IDs of a message.
const between = "+"

var _ bot.Adapter = (*together)(nil)

func newTogether(first, second bot.Adapter) *together {
	return &together{chats: [2]bot.Adapter{first, second}, ids: [2]map[string]string{{}, {}}}
}

// Platforms implements bot.Adapter: both serve the same.
func (t *together) Platforms() []string { return t.chats[0].Platforms() }

// Run implements bot.Adapter.
func (t *together) Run(ctx context.Context, h bot.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wait sync.WaitGroup
	errs := make([]error, len(t.chats))
	for i, chat := range t.chats {
		wait.Go(func() {
			defer cancel()
			errs[i] = chat.Run(ctx, &heard{h, t, i})
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Limits implements bot.Adapter: what fits in both.
func (t *together) Limits() bot.Limits {
	return bot.Limits{Rows: min(t.chats[0].Limits().Rows, t.chats[1].Limits().Rows)}
}

// CanPost implements bot.Adapter.
func (t *together) CanPost(ctx context.Context, p bot.Place) error {
	for i, chat := range t.chats {
		at, err := t.there(i, p)
		if err == nil {
			err = chat.CanPost(ctx, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Post implements bot.Adapter. What one chat has and the other refuses is
// posted again by its key, so that it stands once in each.
func (t *together) Post(ctx context.Context, p bot.Place, key string, c bot.Card) (bot.Ref, error) {
	var ids [2]string
	for i, chat := range t.chats {
		at, err := t.there(i, p)
		if err != nil {
			return bot.Ref{}, err
		}
		ref, err := chat.Post(ctx, at, key, c)
		if err != nil {
			return bot.Ref{}, err
		}
		ids[i] = ref.ID
	}
	both := ids[0] + between + ids[1]
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range ids {
		t.ids[i][ids[i]] = both
	}
	return bot.Ref{Place: p, ID: both}, nil
}

// Edit implements bot.Adapter.
func (t *together) Edit(ctx context.Context, r bot.Ref, c bot.Card) error {
	for i, chat := range t.chats {
		id, err := part(i, r.ID)
		if err != nil {
			return err
		}
		at, err := t.there(i, r.Place)
		if err != nil {
			return err
		}
		if err := chat.Edit(ctx, bot.Ref{Place: at, ID: id}, c); err != nil {
			return err
		}
	}
	return nil
}

// Member implements bot.Adapter.
func (t *together) Member(ctx context.Context, g bot.Group, accounts []bot.PolicyAccount) (bot.Membership, error) {
	return t.chats[0].Member(ctx, g, accounts)
}

// Health implements bot.Adapter: the worse of both.
func (t *together) Health() bot.Health {
	first, second := t.chats[0].Health(), t.chats[1].Health()
	if first.OK && !second.OK {
		return second
	}
	return first
}

// there is a place as one of the chats knows it.
func (t *together) there(chat int, p bot.Place) (bot.Place, error) {
	if p.Thread == "" {
		return p, nil
	}
	id, err := part(chat, p.Thread)
	p.Thread = id
	return p, err
}

// here is a place of one of the chats as the bot knows it.
func (t *together) here(chat int, p bot.Place) bot.Place {
	t.mu.Lock()
	defer t.mu.Unlock()
	if both, ok := t.ids[chat][p.Thread]; ok {
		p.Thread = both
	}
	return p
}

// part is a message's ID in one of the chats.
func part(chat int, id string) (string, error) {
	ids := strings.Split(id, between)
	if len(ids) != 2 {
		return "", &bot.PostError{Gone: true, Err: fmt.Errorf("message %s: no such message", id)}
	}
	return ids[chat], nil
}

// heard is the bot as one of the chats speaks to it.
type heard struct {
	bot.Handler
	t    *together
	chat int
}

func (h *heard) Handle(ctx context.Context, r bot.Request) {
	r.Place = h.t.here(h.chat, r.Place)
	h.Handler.Handle(ctx, r)
}

func (h *heard) Press(ctx context.Context, p bot.Press) {
	p.Place = h.t.here(h.chat, p.Place)
	h.Handler.Press(ctx, p)
}

func (h *heard) Submit(ctx context.Context, s bot.Submission) {
	s.Place = h.t.here(h.chat, s.Place)
	h.Handler.Submit(ctx, s)
}
