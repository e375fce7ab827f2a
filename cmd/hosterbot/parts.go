package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"hosterbot/bot"
	"hosterbot/commands"
	"hosterbot/commands/hoster"
	"hosterbot/store"
)

// life is one life of the bot: from the opening of its store to its close.
// `run` has one, and the demo a new one after each :restart.
type life struct {
	bot    *bot.Bot
	store  bot.Store
	api    *hoster.Client
	parts  *parts
	cancel context.CancelFunc
	wait   sync.WaitGroup
	failed chan error // a chat whose credentials were refused
}

// parts are what a life is built of.
type parts struct {
	api      hoster.Config
	store    string
	auditKey []byte
	clock    bot.Clock
	log      *slog.Logger
	policy   bot.PolicySource
	chats    []bot.Adapter
	random   io.Reader
	scale    float64
	demo     bool
	serial   bool
	home     bot.Place // for anchors and alerts
	meter    *meter    // nil: nothing is measured
	// acceptRollback goes on with a store that is older than it was. A demo
	// always does: it has nothing to lose.
	acceptRollback bool
}

// begin builds the bot, and starts its chats and, unless it is serial, its
// background.
func (p *parts) begin(ctx context.Context) (_ *life, err error) {
	metrics := p.measure()
	api, err := hoster.New(p.api)
	if err != nil {
		return nil, exit(exitConfig, err)
	}
	catalogue, err := commands.Catalogue(api, p.clock)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(p.store, store.Options{AuditKey: p.auditKey, Now: p.clock.Now, AcceptRollback: p.acceptRollback || p.demo})
	if err != nil {
		return nil, exit(exitStore, openHint(err))
	}
	if !p.demo {
		if err := keyFits(ctx, st, p.auditKey); err != nil {
			return nil, errors.Join(exit(exitConfig, err), st.Close())
		}
	}
	b, err := bot.New(bot.Config{
		Catalogue: catalogue, Store: st, Policy: p.policy, Provider: commands.Provider(api), Adapters: p.chats, Clock: p.clock,
		Logger: p.log, Random: p.random, Scale: p.scale, Demo: p.demo, Serial: p.serial, Home: p.home,
		Metrics: metrics,
	})
	if err == nil {
		err = b.AcceptRollback(ctx)
	}
	if err == nil {
		err = b.Recover(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	// A signal does not end the chats: end says so to who asks, lets calls in
	// flight come to their answer, and stops them then.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &life{bot: b, store: st, api: api, parts: p, cancel: cancel, failed: make(chan error, len(p.chats))}
	handler := p.handler(b)
	for _, chat := range p.chats {
		l.wait.Go(func() {
			if err := chat.Run(ctx, handler); err != nil && ctx.Err() == nil {
				l.failed <- err
			}
		})
	}
	if !p.serial {
		l.wait.Go(func() { _ = b.Run(ctx) }) // it ends with ctx, and only then
		l.wait.Go(func() { probe(ctx, api, p.clock) })
	}
	return l, nil
}

// openHint is why a store cannot be opened, and what to do.
func openHint(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist): // a file is made, a folder is not
		return fmt.Errorf("%w: make the folder, or set HOSTERBOT_STORE to another", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: give the file and its folder to the user of the bot", err)
	case errors.Is(err, store.ErrDamaged):
		return fmt.Errorf("%w: restore the last backup with hosterbot store restore FILE", err)
	}
	return err
}

// measure makes the API's client tell the meter what it does, and gives the
// bot its metrics.
func (p *parts) measure() bot.Metrics {
	if p.meter == nil {
		return nil
	}
	p.api.Observe, p.api.Waited = p.meter.call, p.meter.waited
	return p.meter
}

// handler is the door that the chats come in by.
func (p *parts) handler(b *bot.Bot) bot.Handler {
	if p.meter == nil {
		return b
	}
	return measured{Handler: b, m: p.meter, clock: p.clock}
}

// end stops everything in reverse order: commands, calls in flight, chats,
// background, store.
func (l *life) end() error {
	l.bot.Stop()
	l.bot.Finish()
	l.cancel()
	l.wait.Wait()
	l.api.Close()
	if err := l.store.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// probeEvery is how often an API that does not answer, or refuses the token, is
// asked again: a read that works is what ends both.
const probeEvery = 30 * time.Second

// quietFor is how long nothing may have been heard from an API that is well
// before it is asked whether it still is: health and its alert are to know of an
// API that goes away at night.
const quietFor = 5 * time.Minute

// probe asks the API at the start, again while it is not well, and where nothing
// was heard for a while, so that health knows before anybody asks for something.
func probe(ctx context.Context, api *hoster.Client, clock bot.Clock) {
	ctx = hoster.WithPriority(ctx, hoster.Polling)
	for {
		if h := api.Health(); h.LastOK.IsZero() || h.TokenRefused || !h.Reachable || clock.Now().Sub(h.LastOK) >= quietFor {
			_, _ = api.VMs(ctx) // what came of it is in Health
		}
		if clock.Sleep(ctx, probeEvery) != nil {
			return
		}
	}
}
