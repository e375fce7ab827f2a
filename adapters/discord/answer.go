package discord

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
)

const (
	original    = "@original"
	answerTries = 3                // of one answer
	waitAnswer  = 10 * time.Second // for a Retry-After, at most
)

// response is the first answer to an interaction.
type response struct {
	Type discordgo.InteractionResponseType `json:"type"`
	Data any                               `json:"data,omitempty"`
}

// sink takes the first answer to an interaction.
type sink func(ctx context.Context, r response) error

// callback is the sink of an interaction that came over the Gateway.
func (a *Adapter) callback(c *call) sink {
	return func(ctx context.Context, r response) error {
		err := a.do(ctx, request{method: http.MethodPost, url: discordgo.EndpointInteractionResponse(c.id, c.token), body: r, urgency: result, bound: callbackFor})
		if adapters.Unsent(err) {
			err = a.do(ctx, request{method: http.MethodPost, url: discordgo.EndpointInteractionResponse(c.id, c.token), body: r, urgency: result, bound: callbackFor})
		}
		if code(err) == codeAnswered {
			return nil
		}
		return err
	}
}

// stage is what the first answer was.
type stage int

const (
	nothing   stage = iota
	deferred        // "is thinking", for one person: the answer edits it
	silent          // a click that is taken; what was pressed stands as it is
	answered        // a message
	formed          // a form
	refused         // Discord did not take it
	suggested       // choices
)

// turn is a lock that is held while Discord is waited for. It is a channel
// because a bubble's clock stands still while somebody waits for a mutex.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// answer answers one command, click or form, for the eyes of one person.
type answer struct {
	a    *Adapter
	call call
	sink sink
	stop func() bool

	mu    turn
	stage stage
	shown string // the message that a later card replaces; empty: none
}

var (
	_ bot.Responder = (*answer)(nil)

	errFormLate = errors.New("open a form: it has to be the first answer")
	errTooLate  = errors.New("the interaction's token has ended")
)

// answerTo answers a call that came at since.
func (a *Adapter) answerTo(c call, since time.Time, to sink) *answer {
	s := &answer{a: a, call: c, sink: to, mu: make(turn, 1)}
	if c.sort == lookup {
		s.stop = func() bool { return true }
		return s
	}
	s.stop = a.clock.AfterFunc(max(ackAfter-a.clock.Now().Sub(since), 0), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.ack(context.Background()); err != nil {
			a.log.Warn("acknowledgement not delivered", "err", err)
		}
	})
	return s
}

// end acknowledges what nobody has, and takes "is thinking" away where nothing
// is to be said: the operation's own message says it.
func (s *answer) end(ctx context.Context) {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.call.sort == lookup {
		return
	}
	if err := s.ack(ctx); err != nil {
		s.a.log.Warn("acknowledgement not delivered", "err", err)
	}
	if s.stage != deferred || s.shown != "" {
		return
	}
	err := s.a.do(ctx, request{method: http.MethodDelete, url: s.message(original), urgency: result})
	if err != nil && ctx.Err() == nil {
		s.a.log.Info("an empty answer was not taken away", "err", err)
	}
}

// own tells whether what was pressed is for this person alone, so that an
// answer takes its place.
func (s *answer) own() bool { return s.call.on != "" && !s.call.public }

// Ack implements bot.Responder. All answers are for one person, so the
// deferral is too.
func (s *answer) Ack(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ack(ctx)
}

func (s *answer) ack(ctx context.Context) error {
	if s.stage != nothing {
		return nil
	}
	r, next := response{Type: discordgo.InteractionResponseDeferredMessageUpdate}, silent
	if s.call.on == "" {
		r = response{Type: discordgo.InteractionResponseDeferredChannelMessageWithSource, Data: map[string]any{"flags": discordgo.MessageFlagsEphemeral}}
		next = deferred
	}
	return s.first(ctx, r, next)
}

// first gives the first answer. One whose fate is not known counts as given.
func (s *answer) first(ctx context.Context, r response, next stage) error {
	err := s.sink(ctx, r)
	switch {
	case err == nil, lost(err):
		s.stage = next
	case status(err) == http.StatusBadRequest && code(err) != codeUnknownInteraction: // another answer may do
	default:
		s.stage = refused
	}
	if err != nil {
		return fmt.Errorf("answer an interaction: %w", err)
	}
	return nil
}

// Form implements bot.Responder. Discord opens no form in answer to a form: a
// button leads back to it, filled in as it was.
func (s *answer) Form(ctx context.Context, f bot.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage != nothing {
		return errFormLate
	}
	if s.call.sort == submission {
		return s.reply(ctx, adapters.WayBack(f, formButton+s.a.forms.Keep(s.call.user, f)))
	}
	return s.form(ctx, f)
}

func (s *answer) form(ctx context.Context, f bot.Form) error {
	m, err := modal(f, s.a.clock.Now())
	if err != nil {
		return err
	}
	return s.first(ctx, response{Type: discordgo.InteractionResponseModal, Data: m}, formed)
}

// formAgain opens a form that was kept.
func (s *answer) formAgain(ctx context.Context, key string) {
	f, ok := s.a.forms.Find(key, s.call.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.New("not kept")
	if ok {
		err = s.form(ctx, f)
	}
	if err != nil {
		c := bot.Card{Tone: bot.Warn, Title: "That form is no longer kept", Lines: []string{"Nothing was done. Press the button that led to it again, or type the command again."}}
		if err := s.reply(ctx, c); err != nil && ctx.Err() == nil {
			s.a.log.Warn("answer not delivered", "err", err)
		}
	}
}

// choices answers a question for choices.
func (s *answer) choices(ctx context.Context, choices []*discordgo.ApplicationCommandOptionChoice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.first(ctx, response{Type: discordgo.InteractionApplicationCommandAutocompleteResult, Data: map[string]any{"choices": choices}}, suggested)
	if err != nil && ctx.Err() == nil {
		s.a.log.Debug("choices not delivered", "err", err)
	}
}

// Reply implements bot.Responder. A later card takes the place of the one
// before, also of a private one that was pressed; to a click on a message that
// everybody sees, the card is a message of its own.
func (s *answer) Reply(ctx context.Context, c bot.Card) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reply(ctx, c)
}

// say is Reply for what the adapter itself has to tell.
func (s *answer) say(ctx context.Context, c bot.Card) {
	if err := s.Reply(ctx, c); err != nil && ctx.Err() == nil {
		s.a.log.Warn("answer not delivered", "err", err)
	}
}

func (s *answer) reply(ctx context.Context, c bot.Card) error {
	var err error
	m := render(c, s.a.clock.Now())
	for _, level := range []func() message{func() message { return m }, m.simple, m.bare} {
		m := level()
		err = s.show(ctx, m, nil, false)
		if code(err) != codeBadForm {
			break
		}
		s.a.log.Warn("discord refused a message", "err", err)
	}
	if err == nil || ctx.Err() != nil || s.stage != refused && !tokenEnded(err) {
		return err
	}
	s.a.log.Info("answered without the interaction", "err", err)
	return s.a.whisper(ctx, &s.call, c)
}

// tokenEnded tells whether an interaction can be answered no more.
func tokenEnded(err error) bool {
	return errors.Is(err, errTooLate) || code(err) == codeUnknownWebhook || code(err) == codeUnknownInteraction || code(err) == 50027 ||
		status(err) == http.StatusNotFound || status(err) == http.StatusUnauthorized
}

// show puts a message before the person: in the place of what stands there,
// or, beside it, as another one.
func (s *answer) show(ctx context.Context, m message, files []*discordgo.File, beside bool) error {
	body := m.body()
	if s.a.age(&s.call) > tokenFor {
		return errTooLate
	}
	if s.stage == nothing && len(files) == 0 {
		r := response{Type: discordgo.InteractionResponseChannelMessageWithSource, Data: body}
		body.Flags = discordgo.MessageFlagsEphemeral
		if s.own() && !beside {
			r.Type, body.Flags = discordgo.InteractionResponseUpdateMessage, 0
		}
		err := s.first(ctx, r, answered)
		if s.stage == answered {
			s.shown = original
		}
		if err == nil || !lost(err) {
			return err
		}
		// It may stand there: an edit finds out.
		body.Flags = 0
	}
	if err := s.ack(ctx); err != nil {
		s.a.log.Warn("acknowledgement not delivered", "err", err)
		if s.stage == refused {
			return err
		}
	}
	edits := s.shown
	switch {
	case s.stage == deferred && s.shown == "": // the first follow-up edits it, and its flags do not count
		edits = original
	case beside:
		edits = ""
	case s.stage == silent && s.own():
		edits = original
	}
	if edits != "" {
		err := s.insist(ctx, request{method: http.MethodPatch, url: s.message(edits), body: body, files: files, urgency: result}, true)
		if err == nil {
			s.shown = edits
		}
		return err
	}
	body.Flags = discordgo.MessageFlagsEphemeral
	var made struct {
		ID string `json:"id"`
	}
	err := s.insist(ctx, request{method: http.MethodPost, url: discordgo.EndpointWebhookToken(s.call.app, s.call.token) + "?wait=true", body: body, files: files, urgency: result, out: &made}, false)
	if err == nil && !beside && snowflake.MatchString(made.ID) {
		s.shown = made.ID
	}
	return err
}

// message is the address of a message of this interaction.
func (s *answer) message(id string) string {
	return discordgo.EndpointWebhookMessage(s.call.app, s.call.token, id)
}

// insist makes a call until it is answered, as long as a repetition does no
// harm: an edit may be made twice, a message would stand twice.
func (s *answer) insist(ctx context.Context, r request, edit bool) error {
	var err error
	for try := range answerTries {
		wait := max(adapters.Backoff(try), retryAfter(err))
		if wait > waitAnswer || s.a.clock.Sleep(ctx, wait) != nil {
			break
		}
		err = s.a.do(ctx, r)
		// In the HTTP mode the first answer may still be on its way.
		early := s.a.opts.PublicKey != nil && code(err) == codeUnknownWebhook && s.a.age(&s.call) < 2*firstWithin
		if err == nil || retryAfter(err) == 0 && !adapters.Unsent(err) && !(edit && lost(err)) && !early {
			break
		}
	}
	return err
}

// File implements bot.Responder: it comes as a direct message, and the person
// is told so where he asked. Who takes no direct messages gets it there.
func (s *answer) File(ctx context.Context, f bot.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ack(ctx); err != nil {
		s.a.log.Warn("acknowledgement not delivered", "err", err)
	}
	err := s.a.upload(ctx, s.call.user, f)
	if err == nil {
		told := render(bot.Card{Tone: bot.Good, Title: bot.Code(f.Name) + " is in your direct messages with the bot"}, s.a.clock.Now())
		if err := s.show(ctx, told, nil, true); err != nil && ctx.Err() == nil {
			s.a.log.Warn("answer not delivered", "err", err)
		}
		return nil
	}
	s.a.log.Info("file not sent as a direct message", "err", err)
	here := render(bot.Card{Title: f.Title, Notes: []string{"You take no direct messages from this bot, so the file is here, before you alone."}}, s.a.clock.Now())
	if err := s.show(ctx, here, files(f), true); err != nil {
		return bot.Errorf(bot.Unavailable, "Discord did not take the file.").WithHint("Try again later, or page with Next.").Because(err)
	}
	return nil
}

func files(f bot.File) []*discordgo.File {
	return []*discordgo.File{{Name: f.Name, ContentType: "text/csv", Reader: bytes.NewReader(f.Data)}}
}

// upload sends a file as a direct message.
func (a *Adapter) upload(ctx context.Context, user string, f bot.File) error {
	channel, err := a.directWith(ctx, user)
	if err != nil {
		return err
	}
	body := render(bot.Card{Title: f.Title}, a.clock.Now()).body()
	body.Nonce, body.EnforceNonce = nonce(""), true
	return a.do(ctx, request{method: http.MethodPost, url: discordgo.EndpointChannelMessages(channel), body: body, files: files(f), urgency: result})
}

// whisper shows a card to one person when the interaction can be answered no
// more: in a direct message. That one stays, so no secret goes there. Who
// takes none is told in the channel that there is an answer, and no more.
func (a *Adapter) whisper(ctx context.Context, c *call, card bot.Card) error {
	if len(card.Secrets) > 0 {
		card.Secrets = nil
		card.Lines = append(slices.Clone(card.Lines), "What is secret is not shown in a direct message, because it would stay there. Type the command again.")
	}
	channel, err := a.directWith(ctx, c.user)
	if err == nil {
		err = a.levels(ctx, channel, render(card, a.clock.Now()), posting{})
	}
	if err == nil || c.guild == "" || !(forbiddenCodes[code(err)] || status(err) == http.StatusForbidden) {
		return err
	}
	told := bot.Card{
		Tone: bot.Warn, Title: "The answer took too long to be shown to you alone", Lines: []string{"You take no direct messages from this bot either. Type the command again."},
		Mentions: []bot.Account{{Platform: platform, Team: c.guild, User: c.user}},
	}
	return a.levels(ctx, c.channel, render(told, a.clock.Now()), posting{})
}
