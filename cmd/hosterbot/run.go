package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"hosterbot/bot"
	"hosterbot/bot/policy"
	"hosterbot/commands/hoster"
)

type runCmd struct {
	settings
}

// policyEvery is how often the policy file is looked at.
const policyEvery = 5 * time.Second

// Run runs the bot until it is told to stop.
func (c *runCmd) Run(ctx context.Context, p *program) (err error) {
	cfg, err := c.check(p.env)
	if err != nil {
		return exit(exitConfig, err)
	}
	log := cfg.logger(p)
	if cfg.scale != 1 {
		log.Warn("waiting times are scaled: this is a rehearsal", "scale", cfg.scale)
	}
	v, err := vocabulary()
	if err != nil {
		return err
	}
	snap, err := policy.Load(cfg.Policy, v)
	if err != nil {
		return exit(exitConfig, err)
	}
	watch := policy.NewWatcher(cfg.Policy, v, snap)
	clock := bot.SystemClock{}
	watch.Now = clock.Now
	chats, err := cfg.chats(log)
	if err != nil {
		return exit(exitConfig, err)
	}
	parts := parts{
		api: hoster.Config{
			URL: cfg.HosterAPIURL, Token: cfg.apiToken, Rate: cfg.rate, Clock: clock, TimeScale: cfg.scale, Logger: log,
		},
		store: cfg.Store, auditKey: []byte(cfg.auditKey.Reveal()), clock: clock, log: log, policy: watch, chats: chats, scale: cfg.scale,
	}
	l, err := parts.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.end()) }()
	stop, err := serveStore(cfg.Store, l.store)
	if err != nil {
		return err
	}
	defer stop()
	log.Info("running", "version", version, "policy", snap.Hash())
	served, err := cfg.serveHealth(ctx, l.bot)
	if err != nil {
		return err
	}
	watchPolicy(ctx, watch, l.bot)
	if err := <-served; err != nil {
		return fmt.Errorf("serve health: %w", err)
	}
	log.Info("stopping")
	return nil
}

// chats are the adapters whose tokens are set.
func (c *config) chats(*slog.Logger) ([]bot.Adapter, error) {
	return nil, errors.New("no chat is set: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or DISCORD_BOT_TOKEN and DISCORD_GUILD_ID; to try the bot without an account: hosterbot demo")
}

// serveHealth serves health and metrics; what it sends comes when that ends.
func (c *config) serveHealth(ctx context.Context, b *bot.Bot) (<-chan error, error) {
	served := make(chan error, 1)
	if c.Listen == "off" {
		go func() { <-ctx.Done(); served <- nil }()
		return served, nil
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, exit(exitConfig, fmt.Errorf("HOSTERBOT_LISTEN is %q: %w", clip(c.Listen), err))
	}
	go func() { served <- serve(ctx, l, health(b.Health)) }()
	return served, nil
}

// watchPolicy looks at the policy file every few seconds, and at once on
// SIGHUP, until ctx ends.
func watchPolicy(ctx context.Context, w *policy.Watcher, b *bot.Bot) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(policyEvery)
	defer tick.Stop()
	for {
		var changed bool
		var err error
		select {
		case <-ctx.Done():
			return
		case <-hup:
			changed, err = w.Reload(ctx)
		case <-tick.C:
			changed, err = w.Check(ctx)
		}
		b.PolicyLooked(ctx, changed, err)
	}
}
