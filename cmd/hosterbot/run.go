package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"hosterbot/adapters/slack"
	"hosterbot/bot"
	"hosterbot/bot/policy"
	"hosterbot/commands/hoster"
)

type runCmd struct {
	settings
	AcceptRollback bool `help:"Go on with a store that is older than it was, such as a restored backup: invalidates open approvals and makes open operations unknown."`
}

// policyEvery is how often the policy file is looked at.
const policyEvery = 5 * time.Second

// Run runs the bot until it is told to stop.
func (c *runCmd) Run(ctx context.Context, p *program) (err error) {
	hup := make(chan os.Signal, 1) // from the first moment: by itself SIGHUP ends a process
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
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
	var wrong policy.Problems
	switch {
	case errors.As(err, &wrong):
		return exit(exitConfig, err)
	case err != nil:
		return exit(exitConfig, fmt.Errorf("HOSTERBOT_POLICY is %q: %w", clip(cfg.Policy), err))
	}
	watch := policy.NewWatcher(cfg.Policy, v, snap)
	clock := bot.SystemClock{}
	watch.Now = clock.Now
	chats, err := cfg.chats(log)
	if err != nil {
		return exit(exitConfig, err)
	}
	home, err := cfg.home(chats)
	if err != nil {
		return exit(exitConfig, err)
	}
	parts := parts{
		api: hoster.Config{
			URL: cfg.HosterAPIURL, Token: cfg.apiToken, Rate: cfg.rate, Clock: clock, TimeScale: cfg.scale, Logger: log,
		},
		store: cfg.Store, auditKey: []byte(cfg.auditKey.Reveal()), clock: clock, log: log, policy: watch, chats: chats, scale: cfg.scale,
		home: home, acceptRollback: c.AcceptRollback, meter: newMeter(),
	}
	// Who calls the bot over HTTP is answered until all else has ended, as is
	// who speaks through a connection of the bot's.
	called, stopCalled := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCalled()
	heard, err := cfg.serveChats(called, chats, log)
	if err != nil {
		return err
	}
	defer func() {
		stopCalled()
		if stopped := <-heard; stopped != nil {
			err = errors.Join(err, fmt.Errorf("serve chats: %w", stopped))
		}
	}()
	l, err := parts.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.end()) }()
	stop, err := serveStore(cfg.Store, l.store)
	if err != nil {
		return exit(exitStore, openHint(err))
	}
	defer stop()
	log.Info("running", "version", version, "policy", snap.Hash())
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	served, err := cfg.serveHealth(serving, l, log)
	if err != nil {
		return err
	}
	refused := watchPolicy(ctx, watch, l, hup)
	stopServing()
	if err := <-served; err != nil {
		return fmt.Errorf("serve health: %w", err)
	}
	log.Info("stopping")
	return exit(exitConfig, refused)
}

// chats are the adapters whose tokens are set.
func (c *config) chats(log *slog.Logger) ([]bot.Adapter, error) {
	var chats []bot.Adapter
	if !c.slackBot.IsZero() {
		switch {
		case !c.slackApp.IsZero():
		case c.slackKey.IsZero():
			return nil, errors.New("SLACK_APP_TOKEN is not set: expected it beside SLACK_BOT_TOKEN; or SLACK_SIGNING_SECRET, where Slack is to call the bot")
		case c.ChatListen == "":
			return nil, errors.New("HOSTERBOT_CHAT_LISTEN is not set: expected HOST:PORT, since SLACK_SIGNING_SECRET is set and SLACK_APP_TOKEN is not")
		}
		chat, err := slack.New(slack.Options{BotToken: c.slackBot, AppToken: c.slackApp, SigningSecret: c.slackKey, APIURL: c.SlackAPIURL, Logger: log})
		if err != nil {
			return nil, err
		}
		chats = append(chats, chat)
	}
	if !c.discordBot.IsZero() {
		chat, err := c.discord(log)
		if err != nil {
			return nil, err
		}
		chats = append(chats, chat)
	}
	if len(chats) == 0 {
		return nil, errors.New("no chat is set: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or DISCORD_BOT_TOKEN and DISCORD_GUILD_ID; to try the bot without an account: hosterbot demo")
	}
	return chats, nil
}

// home is the audit channel, zero if there is none. A chat of this process has
// to reach it.
func (c *config) home(chats []bot.Adapter) (bot.Place, error) {
	if c.AuditChannel == "" {
		return bot.Place{}, nil
	}
	place, err := policy.ParsePlace(c.AuditChannel)
	if err != nil {
		return bot.Place{}, fmt.Errorf("HOSTERBOT_AUDIT_CHANNEL: %w", err)
	}
	for _, chat := range chats {
		if slices.Contains(chat.Platforms(), place.Platform) {
			return bot.Place{Place: place}, nil
		}
	}
	return bot.Place{}, fmt.Errorf("HOSTERBOT_AUDIT_CHANNEL is %q: expected a channel of a chat whose tokens are set", c.AuditChannel)
}

// serveHealth serves health and metrics; what it sends comes when that ends.
func (c *config) serveHealth(ctx context.Context, one *life, log *slog.Logger) (<-chan error, error) {
	served := make(chan error, 1)
	if c.Listen == "off" {
		go func() { <-ctx.Done(); served <- nil }()
		return served, nil
	}
	l, err := listenAt("HOSTERBOT_LISTEN", c.Listen, "; or off")
	if err != nil {
		return nil, err
	}
	log.Info("health is served", "address", l.Addr().String())
	mux := http.NewServeMux()
	mux.Handle("/", health(one.bot.Health))
	mux.Handle("GET /metrics", one.metrics())
	go func() { served <- serve(ctx, l, mux, writeFor) }()
	return served, nil
}

// watchPolicy looks at the policy file every few seconds, and at once on
// SIGHUP, until ctx ends, or a chat refuses its credentials: then it returns
// why.
func watchPolicy(ctx context.Context, w *policy.Watcher, l *life, hup <-chan os.Signal) error {
	tick := time.NewTicker(policyEvery)
	defer tick.Stop()
	for {
		var changed bool
		var err error
		select {
		case <-ctx.Done():
			return nil
		case err := <-l.failed:
			return err
		case <-hup:
			changed, err = w.Reload(ctx)
		case <-tick.C:
			changed, err = w.Check(ctx)
		}
		l.bot.PolicyLooked(ctx, changed, err)
	}
}
