package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"hosterbot/adapters/discord"
	"hosterbot/bot"
	"hosterbot/commands"
)

// discordHTTP checks what the HTTP mode of Discord needs.
func (p *problems) discordHTTP(s *settings) {
	key, err := hex.DecodeString(s.DiscordKey)
	switch {
	case s.DiscordKey != "" && (err != nil || len(key) != ed25519.PublicKeySize):
		p.add("DISCORD_PUBLIC_KEY", s.DiscordKey, "64 hexadecimal digits (Discord Developer Portal, General Information, Public Key)")
	case s.DiscordMode != "http":
	case s.DiscordKey == "":
		*p = append(*p, errors.New("DISCORD_PUBLIC_KEY is not set: expected it, since DISCORD_MODE is http"))
	case s.ChatListen == "":
		*p = append(*p, errors.New("HOSTERBOT_CHAT_LISTEN is not set: expected HOST:PORT, since DISCORD_MODE is http"))
	}
}

// discord is the Discord chat that the settings ask for.
func (c *config) discord(log *slog.Logger) (bot.Adapter, error) {
	catalogue, err := commands.Catalogue(nil, nil) // of which only words and parameters are used
	if err != nil {
		return nil, err
	}
	o := discord.Options{Token: c.discordBot, Guilds: strings.Split(c.DiscordGuild, ","), APIURL: c.DiscordAPIURL, Catalogue: catalogue, Logger: log}
	if !strings.HasSuffix(o.APIURL, "/") {
		o.APIURL += "/"
	}
	if c.DiscordMode == "http" {
		if o.PublicKey, err = hex.DecodeString(c.DiscordKey); err != nil {
			return nil, errors.New("DISCORD_PUBLIC_KEY: expected 64 hexadecimal digits")
		}
	}
	return discord.New(o)
}

// listener is a chat that is called over HTTP.
type listener interface {
	// Handler is nil where the chat is not in its HTTP mode.
	Handler() http.Handler
	// Path is where it wants to be called.
	Path() string
}

// serveChats serves the chats that are called over HTTP; what it sends comes
// when that ends.
func (c *config) serveChats(ctx context.Context, chats []bot.Adapter, log *slog.Logger) (<-chan error, error) {
	mux, any := http.NewServeMux(), false
	for _, chat := range chats {
		if l, ok := chat.(listener); ok && l.Handler() != nil {
			mux.Handle("POST "+l.Path(), l.Handler())
			any = true
		}
	}
	served := make(chan error, 1)
	if !any {
		served <- nil
		return served, nil
	}
	l, err := listenAt("HOSTERBOT_CHAT_LISTEN", c.ChatListen, "")
	if err != nil {
		return nil, err
	}
	log.Info("chats are served", "address", l.Addr().String())
	go func() { served <- serve(ctx, l, mux, writeFor) }()
	return served, nil
}
