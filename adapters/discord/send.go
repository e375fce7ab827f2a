package discord

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
)

const (
	editTries = 3
	// A nonce makes the same post the same message for a few minutes; after
	// that a repetition says that it is one.
	// Source: https://discord.com/developers/docs/resources/message#create-message
	nonceFor = 2 * time.Minute
	maxNonce = 25
	// Edits of messages older than an hour are limited, so progress in one is
	// shown rarely.
	oldAfter = time.Hour
	oldEvery = time.Minute

	maxThreadName = 100
	archiveAfter  = 1440 // minutes
)

// noThreadHere begins the note of a message that has no thread.
const noThreadHere = "No thread here: "

// threadState is what is known of the thread of a root message.
type threadState struct {
	there bool
	name  string // that it gets
	none  string // why there can be none
}

// posting is what a post has besides its message.
type posting struct {
	nonce string
	reply string // the message that it answers
	out   *discordgo.Message
}

// nonce names a post to Discord. One without an ID is named by chance.
func nonce(id string) string {
	if id == "" {
		id = rand.Text()
	}
	sum := sha256.Sum256([]byte(id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:maxNonce]
}

// Post implements bot.Adapter. The same key is the same message for an hour,
// and after a post without an answer for as long as Discord knows it again by
// its nonce. What may stand already, later than that or after a process that
// was killed, is looked for; where the bot may not read, or too much was said
// since, the message is sent again, and says so. In a thread that there cannot
// be, only what pings somebody is posted, as an answer to the root message.
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
	stands := repeated || c.Again             // it may, and then it tells how things were
	lasts := p.Thread != "" && c.Byline == "" // a line in a thread is as it was for good
	twin := false
	if id != "" && (c.Again || repeated && a.clock.Now().Sub(before.At) > nonceFor) {
		ref, sure, err := a.search(ctx, p, c)
		switch {
		case err != nil:
			return bot.Ref{}, postError("look for the message", err)
		case !ref.IsZero() && lasts:
			a.outbox.Put(id, ref)
			return ref, nil
		case !ref.IsZero():
			if err := a.Edit(ctx, ref, c); err != nil {
				return bot.Ref{}, err
			}
			a.outbox.Put(id, ref)
			return ref, nil
		case sure:
			stands = false
		default:
			twin, c = true, adapters.SentAgain(c, p)
		}
	}
	post := posting{nonce: nonce(id), out: &discordgo.Message{}}
	ref, channel := bot.Ref{Place: p}, p.Channel
	var err error
	switch {
	case p.Thread != "":
		ref, channel, err = a.inThread(ctx, p, &c, &post)
	default:
		c = a.withReason(p, c)
	}
	if err == nil {
		err = a.levels(ctx, channel, render(c, a.clock.Now()), post)
	}
	if p.Thread != "" && channel == p.Thread && shutCodes[code(err)] {
		if code(err) == codeUnknownChannel { // it was deleted
			a.threads.Learn(p.Thread, threadState{})
			ref, channel, err = a.inThread(ctx, p, &c, &post)
		} else {
			ref, channel, err = beside(p, &c, &post, "it is locked")
		}
		if err == nil {
			err = a.levels(ctx, channel, render(c, a.clock.Now()), post)
		}
	}
	if post.reply != "" && (code(err) == codeNoHistory || code(err) == codeNoPermission) { // an answer needs to read
		post.reply = ""
		err = a.levels(ctx, channel, render(c, a.clock.Now()), post)
	}
	if lost(err) {
		a.outbox.Put(id, bot.Ref{})
	}
	if err != nil {
		return bot.Ref{}, postError("post", err)
	}
	if !snowflake.MatchString(post.out.ID) {
		a.outbox.Put(id, bot.Ref{})
		return bot.Ref{}, &bot.PostError{Lost: true, Err: errors.New("post: the answer names no message")}
	}
	ref.ID = post.out.ID
	if stands && !lasts {
		if err := a.Edit(ctx, ref, c); err != nil {
			return bot.Ref{}, err
		}
	}
	ref.Twin = twin // from here on every edit says so
	a.outbox.Put(id, ref)
	if p.Thread == "" && !p.Direct {
		a.threads.Learn(ref.ID, threadState{name: threadName(c, a.clock.Now())})
	}
	return ref, nil
}

// threadName is what the thread of a card is called.
func threadName(c bot.Card, now time.Time) string {
	name := flat(c.Title, "hosterbot", maxThreadName, now)
	if c.Op > 0 {
		op := "Operation " + strconv.FormatInt(c.Op, 10)
		if !strings.Contains(name, op) {
			name = flat(op+": "+bot.Flat(c.Title, now), op, maxThreadName, now)
		}
	}
	return name
}

// inThread says where to post what belongs to the thread of a root message,
// and begins the thread if it is not there.
func (a *Adapter) inThread(ctx context.Context, p bot.Place, c *bot.Card, post *posting) (bot.Ref, string, error) {
	t := threadState{none: "there are no threads in a direct message"}
	if !p.Direct {
		var err error
		if t, err = a.thread(ctx, p, *c); err != nil {
			return bot.Ref{}, "", err
		}
	}
	if t.there {
		return bot.Ref{Place: p}, p.Thread, nil
	}
	return beside(p, c, post, t.none)
}

// beside says where to post what belongs to a thread that there cannot be:
// what pings somebody answers the root message.
func beside(p bot.Place, c *bot.Card, post *posting, none string) (bot.Ref, string, error) {
	if len(c.Mentions) == 0 && !p.Direct {
		return bot.Ref{}, "", &bot.PostError{Forbidden: true, Err: fmt.Errorf("post: no thread: %s", none)}
	}
	if !p.Direct {
		c.Notes = append(slices.Clone(c.Notes), noThreadHere+none+".")
	}
	ref := bot.Ref{Place: p}
	post.reply, ref.Place.Thread = p.Thread, ""
	return ref, p.Channel, nil
}

// thread begins the thread of a root message, if it is not there.
func (a *Adapter) thread(ctx context.Context, p bot.Place, c bot.Card) (threadState, error) {
	t, known := a.threads.Recall(p.Thread)
	if known && t.there {
		return t, nil
	}
	if at, known := a.places.Recall(p.Channel); known && !at.hidden && at.noThread() != "" {
		// One that somebody else began, or that is older than that, is there all
		// the same.
		here, err := a.places.Get(ctx, p.Thread, a.look(p.Thread))
		switch {
		case err != nil:
			return threadState{}, postError("look for a thread", err)
		case here.thread() && !here.shut && len(here.lacks()) == 0:
			t = threadState{there: true}
			a.threads.Learn(p.Thread, t)
			return t, nil
		}
		return threadState{none: at.noThread()}, nil
	}
	name := t.name
	if name == "" {
		name = threadName(c, a.clock.Now())
	}
	err := a.do(ctx, request{
		method: http.MethodPost, url: discordgo.EndpointChannelMessageThread(p.Channel, p.Thread), urgency: result,
		body: map[string]any{"name": name, "auto_archive_duration": archiveAfter},
	})
	switch code(err) {
	case codeThreadExists:
		err = nil
	case codeUnknownMessage: // the root is gone, or it is a thread of its own
		at, lookErr := a.places.Refresh(ctx, p.Thread, a.look(p.Thread))
		if lookErr == nil && at.thread() {
			err = nil
		}
	case codeNoAccess, codeNoPermission:
		return threadState{none: "the bot lacks the permission Create Public Threads"}, nil
	case codeWrongType, codeNotText:
		return threadState{none: "Discord has no threads in this kind of channel"}, nil
	case codeThreadsFull, codeNewsThreadsFull:
		return threadState{none: "this server has as many open threads as it can have"}, nil
	}
	if err != nil {
		return threadState{}, postError("begin a thread", err)
	}
	t = threadState{there: true}
	a.threads.Learn(p.Thread, t)
	return t, nil
}

// withReason notes in a root message why it has no thread.
func (a *Adapter) withReason(p bot.Place, c bot.Card) bot.Card {
	at, known := a.places.Recall(p.Channel)
	if c.Op == 0 || p.Direct || p.Thread != "" || !known || at.hidden {
		return c
	}
	if why := at.noThread(); why != "" {
		c.Notes = append(slices.Clone(c.Notes), noThreadHere+why+". How it goes on is shown in this message.")
	}
	return c
}

// Edit implements bot.Adapter. An edit may be made twice, so one without an
// answer is.
func (a *Adapter) Edit(ctx context.Context, r bot.Ref, c bot.Card) error {
	if err := a.ours(ctx, r.Place); err != nil {
		return err
	}
	if !snowflake.MatchString(r.ID) {
		return &bot.PostError{Gone: true, Err: errors.New("edit: no message of Discord")}
	}
	c.Secrets = nil
	if r.Twin {
		c = adapters.SentAgain(c, r.Place)
	}
	u := result
	if c.Bar != nil {
		u = progress
		if old := a.clock.Now().Sub(madeAt(r.ID)) > oldAfter; old {
			if _, lately := a.edits.Recall(r.ID); lately {
				return nil // newer progress, or the end, takes its place
			}
			a.edits.Learn(r.ID, a.clock.Now())
		}
	}
	channel := r.Place.Channel
	if r.Place.Thread != "" {
		channel = r.Place.Thread
	}
	c = a.withReason(r.Place, c)
	m := render(c, a.clock.Now())
	var err error
	opened := false
	for try := range editTries {
		if a.clock.Sleep(ctx, adapters.Backoff(try)) != nil {
			return postError("edit", ctx.Err())
		}
		for _, level := range []func() message{func() message { return m }, m.simple, m.bare} {
			err = a.do(ctx, request{method: http.MethodPatch, url: discordgo.EndpointChannelMessage(channel, r.ID), body: level().body(), urgency: u})
			if code(err) != codeBadForm {
				break
			}
			a.log.Warn("discord refused a message", "err", err)
		}
		if code(err) == codeArchived && !opened { // a thread goes to sleep by itself
			opened = true
			if a.do(ctx, request{method: http.MethodPatch, url: discordgo.EndpointChannel(channel), body: map[string]any{"archived": false}, urgency: u}) == nil {
				continue
			}
		}
		if !lost(err) && !adapters.Unsent(err) {
			break
		}
	}
	if goneCodes[code(err)] {
		a.outbox.Drop(r)
	}
	return postError("edit", err)
}

// ours refuses places that are not in a served guild, and what is no ID.
func (a *Adapter) ours(ctx context.Context, p bot.Place) error {
	if err := a.me.Wait(ctx, waitResult); err != nil {
		return &bot.PostError{Err: err}
	}
	switch {
	case p.Platform != platform || !p.Direct && !a.serves(p.Team):
		return &bot.PostError{Forbidden: true, Err: fmt.Errorf("post: %s is not in a served server", p.String())}
	case !snowflake.MatchString(p.Channel), p.Thread != "" && !snowflake.MatchString(p.Thread):
		return &bot.PostError{Forbidden: true, Err: errors.New("post: no channel")}
	}
	return nil
}

// levels posts a message, and for a Discord that refuses it a simpler one, and
// one of text alone.
func (a *Adapter) levels(ctx context.Context, channel string, m message, p posting) error {
	var err error
	if p.nonce == "" {
		p.nonce = nonce("")
	}
	for _, level := range []func() message{func() message { return m }, m.simple, m.bare} {
		b := level().body()
		b.Nonce, b.EnforceNonce = p.nonce, true
		if p.reply != "" {
			no := false
			b.Reference = &discordgo.MessageReference{MessageID: p.reply, FailIfNotExists: &no}
		}
		r := request{method: http.MethodPost, url: discordgo.EndpointChannelMessages(channel), body: b, urgency: result}
		if p.out != nil {
			r.out = (*posted)(p.out)
		}
		err = a.do(ctx, r)
		if code(err) != codeBadForm {
			return err
		}
		a.log.Warn("discord refused a message", "err", err)
	}
	return err
}

// posted takes of a message what we need: discordgo fails as a whole on a part
// that it does not know.
type posted discordgo.Message

// UnmarshalJSON reads the ID.
func (p *posted) UnmarshalJSON(data []byte) error {
	var m struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	p.ID = m.ID
	return nil
}
