// Package discord is the Discord chat: typed commands, buttons and forms come
// in over the Gateway, cards go out as embeds with rows of buttons.
//
// It knows bot, adapters and discordgo. Of discordgo it uses the types and the
// Session for the HTTP API, through a door of its own (rest.go): the library
// waits in a sleep that nobody can end, keeps every bucket for ever, holds one
// lock for all edits of interaction answers, posts twice after a 502, and has
// interaction tokens in its errors. The Gateway connection is its own too, on
// gorilla/websocket, because the Session's
//
//   - deadlocks, Close included, when a reconnect request is the first thing
//     after a resume, and leaves its goroutines behind when it is dropped;
//   - notices a connection that hangs after 206 s, by the machine's clock;
//   - reconnects for ever, also after the close codes that end it;
//   - ends the process when a handler panics.
//
// The way of a command: gateway.go reads a frame, receive.go makes a call of
// bot.Handler of it, answer.go says what the handler says. Posts of the bot's
// own accord go through send.go. render.go and markdown.go make messages of
// cards, form.go forms, limits.go keeps the pace that Discord asks for,
// identity.go looks up who and where, register.go writes /hoster.
//
// To add a part of a card: render.go, and a golden file. To add an
// interaction: a case in receive.go and a seed of its fuzz test. To add a call
// of the API: its route in rest.go, and what it needs in register.go.
package discord

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"hosterbot/adapters"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// platform is what accounts and places of Discord say of where they are.
const platform = "discord"

// Bounds on calls over the network.
const (
	callFor     = 20 * time.Second // one call of the API
	callbackFor = 2500 * time.Millisecond
	dialFor     = 10 * time.Second
	graceFor    = 5 * time.Second // for calls under way, at shutdown
	waitResult  = 30 * time.Second
)

// Options are what an Adapter is made of. Token, Guilds and Catalogue are
// required.
type Options struct {
	Token     secret.Secret     // DISCORD_BOT_TOKEN
	Guilds    []string          // DISCORD_GUILD_ID: commands are registered and obeyed there
	APIURL    string            // empty: https://discord.com/; ends in "/"
	PublicKey ed25519.PublicKey // of the HTTP mode: interactions come to Handler. Nil: over the Gateway
	Catalogue *bot.Catalogue
	Clock     bot.Clock    // nil: the machine's
	Logger    *slog.Logger // nil: none
}

// Adapter is the chat. Make it with New.
type Adapter struct {
	opts    Options
	clock   bot.Clock
	log     *slog.Logger
	api     *url.URL
	session *discordgo.Session // of the HTTP API alone
	http    *http.Client
	dialer  *websocket.Dialer

	limits  *limits
	outbox  *adapters.Outbox
	forms   *adapters.Forms // that were not accepted
	calls   *calls
	members *adapters.Memory[member]  // by guild/user
	places  *adapters.Memory[channel] // by channel
	guilds  *adapters.Memory[guild]
	directs *adapters.Memory[string]
	threads *adapters.Memory[threadState] // by root message
	edits   *adapters.Memory[time.Time]   // of old messages

	anew    atomic.Uint64 // connections, in the place of another
	skew    atomic.Int64  // how far Discord's clock is ahead of ours
	me      *adapters.Self[self]
	readers sync.WaitGroup
	handler atomic.Pointer[serving] // of the HTTP mode
	reached atomic.Bool             // Discord has called, in the HTTP mode

	mu      sync.Mutex
	conn    *conn // that is ready
	since   time.Time
	why     string            // why nothing is connected
	lacking map[string]string // guilds where /hoster is not registered, and why
}

// self is who the bot is.
type self struct {
	app, user, name string
	public          bool   // anybody may add it to a server
	endpoint        bool   // Discord sends interactions to an address
	key             string // by which they are signed, in hexadecimal digits; "": not told
}

// otherKey tells whether the application signs by another key than ours.
func (s self) otherKey(ours ed25519.PublicKey) bool {
	return ours != nil && s.key != "" && !strings.EqualFold(s.key, hex.EncodeToString(ours))
}

var _ bot.Adapter = (*Adapter)(nil)

var snowflake = regexp.MustCompile(`^[1-9][0-9]{4,19}$`)

// New makes an adapter. It looks at the shape of the settings and calls
// nobody.
func New(o Options) (*Adapter, error) {
	o.APIURL = cmp.Or(o.APIURL, discordgo.EndpointDiscord)
	if o.Clock == nil {
		o.Clock = bot.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var problems []error
	if token := o.Token.Reveal(); token == "" || strings.ContainsAny(token, " \t\r\n") {
		problems = append(problems, errors.New("DISCORD_BOT_TOKEN: expected a bot's token (Discord Developer Portal, Bot, Reset Token), without the word Bot before it"))
	}
	if len(o.Guilds) == 0 {
		problems = append(problems, errors.New("DISCORD_GUILD_ID is not set: expected the server's ID (Developer Mode, right click on the server, Copy Server ID)"))
	}
	for _, g := range o.Guilds {
		if !snowflake.MatchString(g) {
			problems = append(problems, fmt.Errorf("DISCORD_GUILD_ID has %q: expected a server's ID such as 300000000000000001", bot.Clean(g)))
		}
	}
	api, err := url.Parse(o.APIURL)
	if err != nil || api.Host == "" || !strings.HasSuffix(o.APIURL, "/") || api.Scheme != "https" && api.Scheme != "http" {
		problems = append(problems, fmt.Errorf("DISCORD_API_URL is %q: expected an address that ends in /, such as %s", bot.Clean(o.APIURL), discordgo.EndpointDiscord))
	}
	if o.PublicKey != nil && len(o.PublicKey) != ed25519.PublicKeySize {
		problems = append(problems, errors.New("DISCORD_PUBLIC_KEY: expected 64 hexadecimal digits (Discord Developer Portal, General Information)"))
	}
	if o.Catalogue == nil {
		problems = append(problems, errors.New("discord: no catalogue"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	session, err := discordgo.New("Bot " + o.Token.Reveal())
	if err != nil {
		return nil, errors.New("discord: no session")
	}
	dial := (&net.Dialer{Timeout: dialFor, KeepAlive: 30 * time.Second}).DialContext
	a := &Adapter{
		opts: o, clock: o.Clock, log: o.Logger, api: api, session: session,
		dialer:  &websocket.Dialer{Proxy: http.ProxyFromEnvironment, NetDialContext: dial, HandshakeTimeout: dialFor},
		limits:  newLimits(o.Clock),
		outbox:  adapters.NewOutbox(o.Clock),
		forms:   adapters.NewForms(o.Clock, tokenFor),
		calls:   newCalls(o.Clock),
		members: adapters.NewMemory(o.Clock, adapters.Always[member](membersFor)),
		places:  adapters.NewMemory(o.Clock, adapters.Always[channel](channelsFor)),
		guilds:  adapters.NewMemory(o.Clock, adapters.Always[guild](guildsFor)),
		directs: adapters.NewMemory(o.Clock, adapters.Always[string](directsFor)),
		threads: adapters.NewMemory(o.Clock, adapters.Always[threadState](threadsFor)),
		edits:   adapters.NewMemory(o.Clock, adapters.Always[time.Time](oldEvery)),
		me:      adapters.NewSelf[self](o.Clock, "Discord"),
		why:     "not started",
		lacking: make(map[string]string),
	}
	a.http = &http.Client{
		Timeout: callFor,
		Transport: &door{a: a, next: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialFor,
			MaxIdleConnsPerHost: callsUnderWay, MaxConnsPerHost: 2 * callsUnderWay, IdleConnTimeout: 90 * time.Second,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	session.Client = a.http
	session.ShouldRetryOnRateLimit, session.MaxRestRetries, session.ShouldReconnectOnError, session.StateEnabled = false, 0, false, false
	session.LogLevel = -1 // what it would say is in our own errors
	session.UserAgent = "DiscordBot (hosterbot, 1)"
	return a, nil
}

// Platforms implements bot.Adapter.
func (a *Adapter) Platforms() []string { return []string{platform} }

// Limits implements bot.Adapter.
func (a *Adapter) Limits() bot.Limits { return bot.Limits{Rows: rows} }

// application is what Discord says of the bot's application.
type application struct {
	ID          string `json:"id"`
	BotPublic   bool   `json:"bot_public"`
	EndpointURL string `json:"interactions_endpoint_url"`
	VerifyKey   string `json:"verify_key"`
}

// Check asks Discord who the bot is. The error is an *adapters.FatalError
// where Discord refuses the token, or where the application sends interactions
// elsewhere; any other error is trouble on the way, worth another try. It may
// be called before Run, which then asks no more.
func (a *Adapter) Check(ctx context.Context) error {
	me, err := a.ask(ctx)
	switch {
	case err != nil:
		return err
	case me.endpoint && a.opts.PublicKey == nil:
		return &adapters.FatalError{Text: endpointSet}
	case !me.endpoint && a.opts.PublicKey != nil:
		a.log.Warn("the application has no Interactions Endpoint URL: set it in the Discord Developer Portal, General Information")
	}
	if me.public {
		a.log.Warn("anybody may add this bot to a server: switch Public Bot off in the Discord Developer Portal, Bot")
	}
	if me.otherKey(a.opts.PublicKey) {
		a.log.Warn("DISCORD_PUBLIC_KEY is not the application's public key: copy it anew from the Discord Developer Portal, General Information")
	}
	a.me.Meet(me)
	return nil
}

// endpointSet says why nothing comes over the Gateway.
const endpointSet = "the application has an Interactions Endpoint URL, so Discord sends nothing over the Gateway: " +
	"clear it (Discord Developer Portal, General Information), or set DISCORD_MODE=http"

// ask asks Discord who the bot is.
func (a *Adapter) ask(ctx context.Context) (*self, error) {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	var user discordgo.User
	if err := a.get(ctx, discordgo.EndpointUser("@me"), &user); err != nil {
		return nil, credentials(fmt.Errorf("users/@me: %w", err))
	}
	var app application
	if err := a.get(ctx, discordgo.EndpointAPI+"applications/@me", &app); err != nil {
		return nil, credentials(fmt.Errorf("applications/@me: %w", err))
	}
	if !snowflake.MatchString(user.ID) || !snowflake.MatchString(app.ID) {
		return nil, fmt.Errorf("users/@me: the answer names no bot (is %s Discord?)", a.opts.APIURL)
	}
	return &self{app: app.ID, user: user.ID, name: user.Username, public: app.BotPublic, endpoint: app.EndpointURL != "", key: app.VerifyKey}, nil
}

// serving is what the HTTP mode calls while Run runs.
type serving struct {
	ctx context.Context
	h   bot.Handler
}

// Run implements bot.Adapter. It returns an *adapters.FatalError when Discord
// refuses the credentials. When ctx ends it lets calls under way answer for a
// few seconds, and takes nothing more then.
func (a *Adapter) Run(ctx context.Context, h bot.Handler) error {
	alive, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	defer a.http.CloseIdleConnections()
	a.calls.Open()
	a.state("connecting")
	if err := a.introduced(ctx); err != nil {
		a.state("refused: " + err.Error())
		return err
	}
	var registering sync.WaitGroup
	registering.Go(func() { a.register(ctx) })
	var err error
	if a.opts.PublicKey == nil {
		err = a.hold(ctx, alive, h)
	} else if ctx.Err() == nil {
		a.handler.Store(&serving{alive, h})
		a.arrived(nil)
		<-ctx.Done()
	}
	registering.Wait()
	stop := a.clock.AfterFunc(graceFor, func() {
		a.log.Warn("calls under way are cut off")
		cutOff()
	})
	a.calls.Settle(alive) // whoever asks meanwhile hears from the bot that it stops
	a.handler.Store(nil)
	a.calls.Close()
	stop()
	a.mu.Lock()
	last := a.conn
	a.mu.Unlock()
	if last != nil {
		last.end(websocket.CloseNormalClosure)
	}
	a.readers.Wait()
	if err != nil {
		a.state("refused: " + err.Error())
		return err
	}
	a.state("stopped")
	return nil
}

// introduced is Check, until it succeeds, ctx ends, or Discord refuses.
func (a *Adapter) introduced(ctx context.Context) error {
	return a.me.Introduce(ctx, a.Check, func(err error) {
		a.log.Warn("discord cannot be reached", "err", err)
		a.state("cannot reach Discord")
	})
}

// Health implements bot.Adapter.
func (a *Adapter) Health() bot.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := bot.Health{Name: platform, OK: a.connected(), Text: a.why, Since: a.since, Fatal: true}
	if h.OK {
		me := a.me.Get()
		h.Text = "connected as " + cmp.Or(me.name, me.user)
		if a.opts.PublicKey != nil && !me.endpoint && !a.reached.Load() { // ready all the same: Discord tries an address before it takes it
			h.Text = "waits to be called as " + cmp.Or(me.name, me.user) + ": the application has no Interactions Endpoint URL"
		}
		for _, g := range slices.Sorted(maps.Keys(a.lacking)) {
			h.Text += "; /hoster is not registered in server " + g + ": " + a.lacking[g]
		}
	}
	return h
}

// connected tells whether interactions arrive. The caller holds mu.
func (a *Adapter) connected() bool { return a.conn != nil || a.handler.Load() != nil }

// Reconnects counts the connections that were opened in the place of another.
func (a *Adapter) Reconnects() uint64 { return a.anew.Load() }

// state notes why nothing is connected.
func (a *Adapter) state(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.why != why {
		a.why = why
		if !a.connected() {
			a.since = a.clock.Now()
		}
	}
}

// arrived notes that interactions arrive; over c, if it is not nil.
func (a *Adapter) arrived(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn, a.since = c, a.clock.Now()
}

// left notes that a connection has ended.
func (a *Adapter) left(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn == c {
		a.conn, a.since, a.why = nil, a.clock.Now(), "the connection to Discord is lost"
	}
}

// serves tells whether a guild is one of those in which the bot obeys.
func (a *Adapter) serves(guild string) bool {
	return slices.Contains(a.opts.Guilds, guild)
}
