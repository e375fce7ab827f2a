// Package slack is the Slack chat: commands, buttons and forms come in over
// Socket Mode, cards go out as Block Kit messages.
//
// It knows bot, adapters and slack-go. Of slack-go it uses the Web API; the
// sockets are its own, on gorilla/websocket, because the library's client
//
//   - has one connection, and opens the next only when Slack has dropped it:
//     deaf for seconds at each refresh, several times a day;
//   - stops reading for good when its 50 buffered events are not taken;
//   - loses acknowledgements that wait while a connection ends, and never
//     acknowledges a frame that it cannot parse;
//   - redials a socket that dies after its handshake without a pause, and asks
//     again for ever where a token lacks a scope.
//
// The way of a command: socket.go reads a frame, receive.go makes a call of
// bot.Handler of it, answer.go says what the handler says. Posts of the bot's
// own accord go through send.go. render.go and mrkdwn.go make messages of
// cards, form.go views of forms, limits.go keeps the pace that Slack asks for,
// identity.go looks up who and where, register.go writes the app's manifest.
//
// To add a part of a card: render.go, in blocks and in the plain form, and a
// golden file. To add an interaction: a case in receive.go and a seed of its
// fuzz test. To add a method of Slack: its pace in limits.go, its scope in
// register.go.
package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
	"hosterbot/bot/secret"
)

// platform is what accounts and places of Slack say of where they are.
const platform = "slack"

// Bounds on calls over the network.
const (
	callFor   = 20 * time.Second // one call of the Web API, and one answer through a response_url
	dialFor   = 10 * time.Second
	graceFor  = 5 * time.Second        // for calls under way, at shutdown
	afterAcks = 200 * time.Millisecond // between the last acknowledgement and the end of a socket
)

// Options are what an Adapter is made of. The bot token is required, and the
// app token for Socket Mode or the signing secret for the HTTP mode.
type Options struct {
	BotToken secret.Secret // SLACK_BOT_TOKEN: xoxb-...
	AppToken secret.Secret // SLACK_APP_TOKEN: xapp-..., with connections:write
	// SigningSecret is SLACK_SIGNING_SECRET: without an app token Slack calls
	// Handler, and signs with it.
	SigningSecret secret.Secret
	APIURL        string       // empty: https://slack.com/api/; ends in "/"
	Clock         bot.Clock    // nil: the machine's
	Logger        *slog.Logger // nil: none
}

// Adapter is the chat. Make it with New.
type Adapter struct {
	opts   Options
	clock  bot.Clock
	log    *slog.Logger
	api    *slack.Client
	http   *http.Client // of the Web API and of response URLs; never follows a redirect
	dialer *websocket.Dialer

	limits   *limits
	users    *adapters.Memory[bool]
	channels *adapters.Memory[channel]
	directs  *adapters.Memory[string]
	groups   *adapters.Memory[map[string]bool]
	outbox   *adapters.Outbox
	drawer   *drawer
	forms    *adapters.Forms // that were not accepted
	calls    *calls

	me      *adapters.Self[self]
	handler atomic.Pointer[serving] // of the HTTP mode; nil while it does not run
	replays replays                 // of the HTTP mode
	opened  atomic.Uint64           // sockets, in the place of another
	readers sync.WaitGroup          // of sockets

	mu    sync.Mutex
	conns []*conn // that were heard from and have not ended
	since time.Time
	why   string // why nothing is connected
}

// self is who the bot is, as auth.test says.
type self struct {
	slack.AuthTestResponse
	scopes []string // nil: Slack did not say
}

var _ bot.Adapter = (*Adapter)(nil)

// New makes an adapter. It looks at the shape of the tokens and calls nobody.
func New(o Options) (*Adapter, error) {
	o.APIURL = cmp.Or(o.APIURL, slack.APIURL)
	if o.Clock == nil {
		o.Clock = bot.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var problems []error
	if !strings.HasPrefix(o.BotToken.Reveal(), "xoxb-") {
		problems = append(problems, errors.New("SLACK_BOT_TOKEN: expected a bot token, xoxb-... (OAuth & Permissions, Bot User OAuth Token)"))
	}
	if (!o.AppToken.IsZero() || o.SigningSecret.IsZero()) && !strings.HasPrefix(o.AppToken.Reveal(), "xapp-") {
		problems = append(problems, errors.New("SLACK_APP_TOKEN: expected an app-level token, xapp-... (Basic Information, App-Level Tokens, scope connections:write)"))
	}
	if u, err := url.Parse(o.APIURL); err != nil || u.Host == "" || !strings.HasSuffix(o.APIURL, "/") || u.Scheme != "https" && u.Scheme != "http" {
		problems = append(problems, fmt.Errorf("SLACK_API_URL is %q: expected a URL that ends in /, such as %s", o.APIURL, slack.APIURL))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	dial := (&net.Dialer{Timeout: dialFor, KeepAlive: 30 * time.Second}).DialContext
	a := &Adapter{
		opts: o, clock: o.Clock, log: o.Logger,
		http: &http.Client{
			Timeout: callFor,
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialFor,
				MaxIdleConnsPerHost: postsAtOnce, MaxConnsPerHost: 2 * postsAtOnce, IdleConnTimeout: 90 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		dialer:   &websocket.Dialer{Proxy: http.ProxyFromEnvironment, NetDialContext: dial, HandshakeTimeout: dialFor, WriteBufferSize: oneFrame},
		limits:   newLimits(o.Clock),
		users:    adapters.NewMemory(o.Clock, adapters.Always[bool](usersFor)),
		channels: adapters.NewMemory(o.Clock, keepChannel),
		directs:  adapters.NewMemory(o.Clock, adapters.Always[string](directsFor)),
		groups:   adapters.NewMemory(o.Clock, adapters.Always[map[string]bool](groupsFor)),
		outbox:   adapters.NewOutbox(o.Clock),
		drawer:   newDrawer(o.Clock),
		forms:    adapters.NewForms(o.Clock, urlFor),
		calls:    newCalls(o.Clock),
		me:       adapters.NewSelf[self](o.Clock, "Slack"),
		why:      "not started",
	}
	a.api = slack.New(o.BotToken.Reveal(), slack.OptionAppLevelToken(o.AppToken.Reveal()), slack.OptionAPIURL(o.APIURL), slack.OptionHTTPClient(a.http))
	return a, nil
}

// Platforms implements bot.Adapter.
func (a *Adapter) Platforms() []string { return []string{platform} }

// Limits implements bot.Adapter.
func (a *Adapter) Limits() bot.Limits { return bot.Limits{Rows: rows} }

// Check asks Slack about both tokens. The error is a *adapters.FatalError where Slack
// refuses them or a scope is missing, and says which; any other error is
// trouble on the way, worth another try. It may be called before Run, which
// then asks no more.
func (a *Adapter) Check(ctx context.Context) error {
	if err := a.introduce(ctx); err != nil {
		return err
	}
	if a.overHTTP() {
		return nil
	}
	_, err := a.openURL(ctx)
	return err
}

// introduce finds out who the bot is and what it may do.
func (a *Adapter) introduce(ctx context.Context) error {
	s, err := a.ask(ctx)
	if err != nil {
		return err
	}
	if missing := s.lacks(); len(missing) > 0 {
		return &adapters.FatalError{Text: "SLACK_BOT_TOKEN " + scopesMissing(missing)}
	}
	a.me.Meet(s)
	return nil
}

// ask asks Slack who the bot is.
func (a *Adapter) ask(ctx context.Context) (*self, error) {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	r, err := a.api.AuthTestContext(ctx)
	if err != nil {
		return nil, credentials(botSetting, fmt.Errorf("auth.test: %w", adapters.Quiet(err)))
	}
	if r.TeamID == "" || r.UserID == "" {
		return nil, fmt.Errorf("auth.test: the answer names no workspace (is %s Slack?)", a.opts.APIURL)
	}
	if r.BotID == "" {
		return nil, &adapters.FatalError{Text: "SLACK_BOT_TOKEN is not the token of a bot: take the Bot User OAuth Token"}
	}
	s := &self{AuthTestResponse: *r}
	if header := r.Header.Get("X-OAuth-Scopes"); header != "" {
		for scope := range strings.SplitSeq(header, ",") {
			s.scopes = append(s.scopes, strings.TrimSpace(scope))
		}
	}
	return s, nil
}

// lacks are the scopes that the bot needs and Slack did not name; none where it
// named none at all.
func (s *self) lacks() []string {
	if s.scopes == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(Scopes), func(scope string) bool { return slices.Contains(s.scopes, scope) })
}

// scopesMissing says which scopes are missing, and where to grant them.
func scopesMissing(missing []string) string {
	return "lacks the scopes " + strings.Join(missing, ", ") + ": add them under OAuth & Permissions, Bot Token Scopes, and install the app again"
}

// team is the bot's workspace.
func (a *Adapter) team() string { return a.me.Get().TeamID }

// Run implements bot.Adapter. It returns a *adapters.FatalError when Slack refuses the
// credentials. When ctx ends it lets calls under way answer for a few
// seconds, takes nothing more then, and leaves Slack time to read the last
// acknowledgement.
func (a *Adapter) Run(ctx context.Context, h bot.Handler) error {
	serving, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	defer a.http.CloseIdleConnections()
	a.calls.Open()
	a.state("connecting")
	if err := a.introduced(ctx); err != nil {
		a.state("refused: " + err.Error())
		return err
	}
	if a.overHTTP() {
		a.serve(ctx, serving, h)
		a.end(serving, cutOff)
		a.state("stopped")
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var held sync.WaitGroup
	for range sockets {
		held.Go(func() {
			if err := a.hold(ctx, serving, h); err != nil {
				cancel(err)
			}
		})
	}
	held.Wait()
	a.end(serving, cutOff)
	var fatal *adapters.FatalError
	if errors.As(context.Cause(ctx), &fatal) {
		a.state("refused: " + fatal.Error())
		return fatal
	}
	a.state("stopped")
	return nil
}

// serve takes what Slack sends over HTTP, until ctx ends.
func (a *Adapter) serve(ctx, during context.Context, h bot.Handler) {
	if ctx.Err() != nil {
		return
	}
	a.state("")
	a.handler.Store(&serving{during, h})
	<-ctx.Done()
}

// end waits for calls under way, cuts them off when they take too long, takes
// nothing more then, and closes the sockets.
func (a *Adapter) end(serving context.Context, cutOff func()) {
	stop := a.clock.AfterFunc(graceFor, func() {
		a.log.Warn("calls under way are cut off")
		cutOff()
	})
	a.calls.Settle(serving) // whoever asks meanwhile hears from the bot that it stops
	a.handler.Store(nil)
	a.calls.Close()
	stop()
	if d := a.calls.lastAck().Add(afterAcks).Sub(a.clock.Now()); d > 0 {
		_ = a.clock.Sleep(context.WithoutCancel(serving), d)
	}
	a.mu.Lock()
	conns := slices.Clone(a.conns)
	a.mu.Unlock()
	for _, c := range conns {
		c.end()
	}
	a.readers.Wait()
}

// introduced is introduce, until it succeeds, ctx ends, or Slack refuses.
func (a *Adapter) introduced(ctx context.Context) error {
	return a.me.Introduce(ctx, a.introduce, func(err error) {
		a.log.Warn("slack cannot be reached", "err", err)
		a.state("cannot reach Slack")
	})
}

// Health implements bot.Adapter.
func (a *Adapter) Health() bot.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := bot.Health{Name: platform, OK: len(a.conns) > 0, Text: a.why, Since: a.since, Fatal: true}
	switch {
	case a.overHTTP():
		if h.OK = a.handler.Load() != nil; h.OK {
			h.Text = fmt.Sprintf("serves %s over HTTP", cmp.Or(a.me.Get().Team, a.me.Get().TeamID))
		}
	case h.OK:
		h.Text = fmt.Sprintf("connected to %s, %d of %d sockets", cmp.Or(a.me.Get().Team, a.me.Get().TeamID), min(len(a.conns), sockets), sockets)
	}
	return h
}

// Reconnects counts the sockets that were opened in the place of another.
func (a *Adapter) Reconnects() uint64 { return a.opened.Load() }

// state notes why nothing is connected.
func (a *Adapter) state(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.why != why {
		a.why = why
		if len(a.conns) == 0 {
			a.since = a.clock.Now()
		}
	}
}
