package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// settings are the variables of `run`, as they were given: each is an
// environment variable and a flag. check makes a config of them.
type settings struct {
	HosterAPIURL  string `name:"hosterapi-url" env:"HOSTERAPI_URL" default:"https://reseller.hosterapi.de" help:"Base of the provider's API; /api/v1 is added."`
	SlackAPIURL   string `name:"slack-api-url" env:"SLACK_API_URL" default:"https://slack.com/api/" help:"For a proxy or a test."`
	DiscordGuild  string `name:"discord-guild-id" env:"DISCORD_GUILD_ID" help:"Guilds, comma-separated, in which commands are registered and obeyed."`
	DiscordMode   string `name:"discord-mode" env:"DISCORD_MODE" default:"gateway" help:"gateway, or http."`
	DiscordKey    string `name:"discord-public-key" env:"DISCORD_PUBLIC_KEY" help:"Checks the signatures of http mode; needed by it."`
	DiscordAPIURL string `name:"discord-api-url" env:"DISCORD_API_URL" default:"https://discord.com/" help:"Base; api/vN/ is added."`
	Policy        string `name:"policy" env:"HOSTERBOT_POLICY" default:"policies.yaml" help:"The policy file."`
	Store         string `name:"store" env:"HOSTERBOT_STORE" default:"bolt:./hosterbot.db" help:"Address of the store."`
	AuditChannel  string `name:"audit-channel" env:"HOSTERBOT_AUDIT_CHANNEL" help:"slack:T…/C… or discord:G…/C…, for anchors and alerts."`
	Listen        string `name:"listen" env:"HOSTERBOT_LISTEN" default:"127.0.0.1:8080" help:"Health and metrics; off for none."`
	ChatListen    string `name:"chat-listen" env:"HOSTERBOT_CHAT_LISTEN" help:"The chats' HTTP modes."`
	Log           string `name:"log" env:"HOSTERBOT_LOG" default:"info" help:"debug, info, warn or error."`
	LogFormat     string `name:"log-format" env:"HOSTERBOT_LOG_FORMAT" default:"text" help:"text or json."`
	APIRate       string `name:"api-rate" env:"HOSTERBOT_API_RATE" default:"20" help:"HosterAPI calls a second, burst twice that."`
	TimeScale     string `name:"time-scale" env:"HOSTERBOT_TIME_SCALE" default:"1" help:"0.001 to 1: multiplies every waiting time; for rehearsals."`
}

// config is what settings and secrets say, checked.
type config struct {
	settings
	apiToken, auditKey           secret.Secret
	slackBot, slackApp, slackKey secret.Secret
	discordBot                   secret.Secret
	level                        slog.Level
	rate, scale                  float64
}

// problems collects what is wrong with settings: all of it, not the first.
type problems []error

func (p *problems) add(name, value, expected string) {
	*p = append(*p, fmt.Errorf("%s is %q: expected %s", name, clip(value), expected))
}

// clip bounds a value that is shown.
func clip(value string) string {
	if len(value) > 100 {
		return value[:100] + "…"
	}
	return value
}

// check makes a config of the settings, or says everything that is wrong.
func (s settings) check(env func(string) string) (config, error) {
	c := config{settings: s, scale: 1}
	var wrong problems
	c.apiToken = wrong.secret(env, "HOSTERAPI_TOKEN", true)
	c.auditKey = wrong.secret(env, "HOSTERBOT_AUDIT_KEY", true)
	c.slackBot = wrong.secret(env, "SLACK_BOT_TOKEN", false)
	c.slackApp = wrong.secret(env, "SLACK_APP_TOKEN", false)
	c.slackKey = wrong.secret(env, "SLACK_SIGNING_SECRET", false)
	c.discordBot = wrong.secret(env, "DISCORD_BOT_TOKEN", false)

	api := wrong.url("HOSTERAPI_URL", s.HosterAPIURL)
	wrong.url("SLACK_API_URL", s.SlackAPIURL)
	wrong.url("DISCORD_API_URL", s.DiscordAPIURL)
	if !strings.HasPrefix(s.Store, "bolt:") || s.Store == "bolt:" {
		wrong.add("HOSTERBOT_STORE", scheme(s.Store), "bolt:PATH such as bolt:./hosterbot.db")
	} else if len(socketOf(s.Store)) > socketMost() {
		wrong.add("HOSTERBOT_STORE", s.Store, fmt.Sprintf("a path of at most %d bytes, since a socket has its place beside the store; a relative one counts as it is written", socketMost()-len(".sock")))
	}
	if s.AuditChannel != "" && !placePattern.MatchString(s.AuditChannel) {
		wrong.add("HOSTERBOT_AUDIT_CHANNEL", s.AuditChannel, "slack:TEAM/CHANNEL or discord:GUILD/CHANNEL")
	}
	wrong.listen("HOSTERBOT_LISTEN", s.Listen, true)
	if s.ChatListen != "" {
		wrong.listen("HOSTERBOT_CHAT_LISTEN", s.ChatListen, false)
	}
	if err := c.level.UnmarshalText([]byte(s.Log)); err != nil || !oneOf(s.Log, "debug", "info", "warn", "error") {
		wrong.add("HOSTERBOT_LOG", s.Log, "debug, info, warn or error")
	}
	if !oneOf(s.LogFormat, "text", "json") {
		wrong.add("HOSTERBOT_LOG_FORMAT", s.LogFormat, "text or json")
	}
	if !oneOf(s.DiscordMode, "gateway", "http") {
		wrong.add("DISCORD_MODE", s.DiscordMode, "gateway or http")
	}
	wrong.discordHTTP(&s)
	if !c.discordBot.IsZero() && s.DiscordGuild == "" {
		wrong = append(wrong, errors.New("DISCORD_GUILD_ID is not set: expected the guild's ID, since DISCORD_BOT_TOKEN is set"))
	}
	if s.DiscordGuild != "" && !guildPattern.MatchString(s.DiscordGuild) {
		wrong.add("DISCORD_GUILD_ID", s.DiscordGuild, "guild IDs, separated by commas")
	}
	c.rate = wrong.number("HOSTERBOT_API_RATE", s.APIRate, 0.1, 100_000)
	c.scale = wrong.number("HOSTERBOT_TIME_SCALE", s.TimeScale, 0.001, 1)
	if c.scale != 1 && api != nil && !loopback(api.Hostname()) {
		wrong.add("HOSTERBOT_TIME_SCALE", s.TimeScale, "1, unless HOSTERAPI_URL is on loopback: waiting less than the provider needs is for rehearsals")
	}
	if c.slackBot.IsZero() && !c.slackApp.IsZero() {
		wrong = append(wrong, errors.New("SLACK_BOT_TOKEN is not set: expected with SLACK_APP_TOKEN"))
	}
	return c, errors.Join(wrong...)
}

var (
	placePattern = regexp.MustCompile(`^(slack:T[A-Z0-9]+/[CG][A-Z0-9]+|discord:[0-9]+/[0-9]+)$`)
	guildPattern = regexp.MustCompile(`^[0-9]{5,20}(,[0-9]{5,20})*$`)
)

// secret reads a secret from NAME, or from the file that NAME_FILE names.
func (p *problems) secret(env func(string) string, name string, required bool) secret.Secret {
	value, file := env(name), env(name+"_FILE")
	switch {
	case value != "" && file != "":
		*p = append(*p, fmt.Errorf("%s and %s_FILE are both set: set one", name, name))
	case file != "":
		data, err := os.ReadFile(file)
		if err != nil {
			*p = append(*p, fmt.Errorf("%s_FILE is %q: it cannot be read (%w)", name, clip(file), errors.Unwrap(err)))
			return secret.Secret{}
		}
		value = strings.TrimSpace(string(data))
		if value == "" {
			*p = append(*p, fmt.Errorf("%s_FILE is %q: that file is empty", name, clip(file)))
		}
	case value == "" && required:
		*p = append(*p, fmt.Errorf("%s is not set: expected it, or %s_FILE with the path of a file that holds it", name, name))
	}
	return secret.New(value)
}

// url checks an address. http is for loopback alone: a token goes with it.
func (p *problems) url(name, value string) *url.URL {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		shown := value
		if err != nil || u.User != nil {
			shown = "(not shown)" // it may hold a password
		}
		p.add(name, shown, "an address such as https://example.com")
		return nil
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		p.add(name, value, "https, or http on loopback")
	}
	return u
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (p *problems) listen(name, value string, off bool) {
	expected := "HOST:PORT such as 127.0.0.1:8080"
	if off {
		if value == "off" {
			return
		}
		expected += ", or off"
	}
	_, port, err := net.SplitHostPort(value)
	n, e := strconv.Atoi(port)
	if err != nil || e != nil || n < 0 || n > 65535 {
		p.add(name, value, expected)
	}
}

func (p *problems) number(name, value string, least, most float64) float64 {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= least && n <= most) {
		p.add(name, value, fmt.Sprintf("a number from %v to %v", least, most))
		return 1
	}
	return n
}

func oneOf(value string, words ...string) bool {
	for _, w := range words {
		if value == w {
			return true
		}
	}
	return false
}

// scheme is the part of a store's address that may be shown: what follows may
// hold a password.
func scheme(address string) string {
	s, _, ok := strings.Cut(address, ":")
	if !ok {
		return address
	}
	return s + ":…"
}

// logger makes the log that the settings ask for.
func (c *config) logger(p *program) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.LevelKey && a.Value.Any() == bot.LevelAlways {
			a.Value = slog.AnyValue(slog.LevelInfo) // it is no trouble
		}
		return a
	}}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.err, o))
	}
	return slog.New(slog.NewTextHandler(p.err, o))
}
