package discord

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bwmarrin/discordgo"

	"hosterbot/bot"
)

// lookBack is how many messages are looked through for one: a page of Discord.
const lookBack = 100

// standing is a message as it is read in a channel. Discord keeps no nonce, so
// a message is known again by what it says.
type standing struct {
	ID     string `json:"id"`
	Author struct {
		ID string `json:"id"`
	} `json:"author"`
	Content string `json:"content"`
	Embeds  []struct {
		Description string `json:"description"`
		Fields      []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"fields"`
	} `json:"embeds"`
}

// text is all that is written in it.
func (s *standing) text() string {
	parts := []string{s.Content}
	for _, e := range s.Embeds {
		parts = append(parts, e.Description)
		for _, f := range e.Fields {
			parts = append(parts, f.Name, f.Value)
		}
	}
	return inOne(parts)
}

// text is all that is written in a message, as standing has it.
func (m message) text() string {
	parts := []string{m.content}
	if m.embed != nil {
		parts = append(parts, m.embed.Description)
		for _, f := range m.embed.Fields {
			parts = append(parts, f.Name, f.Value)
		}
	}
	return inOne(parts)
}

// inOne joins texts without the blanks at their ends, which Discord drops.
func inOne(parts []string) string {
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.TrimSpace(strings.Join(parts, "\n"))
}

// search finds the message of a card that may stand in a place. sure is false
// where there may be one that was not seen. A root message may show how things
// were, so it is known by its byline; of several the oldest is it, since others
// may have quoted it.
func (a *Adapter) search(ctx context.Context, p bot.Place, c bot.Card) (ref bot.Ref, sure bool, err error) {
	ref, channel := bot.Ref{Place: p}, p.Channel
	if p.Thread != "" && !p.Direct {
		channel = p.Thread
	}
	all, sure, err := a.history(ctx, p, channel)
	if code(err) == codeUnknownChannel && channel != p.Channel { // without a thread it answers the root message
		ref.Place.Thread = ""
		all, sure, err = a.history(ctx, p, p.Channel)
	}
	if err != nil {
		return bot.Ref{}, false, err
	}
	m := render(c, a.clock.Now())
	says := []string{m.text(), m.simple().text(), m.bare().text()}
	for _, s := range slices.Backward(all) {
		text := s.text()
		if s.Author.ID != a.me.Get().user || !snowflake.MatchString(s.ID) {
			continue
		}
		text, _, _ = strings.Cut(text, "\n"+smallMark+noThreadHere)
		byline := c.Byline != "" && strings.Contains("\n"+text+"\n", "\n"+small(c.Byline)+"\n")
		if byline || slices.Contains(says, text) {
			ref.ID = s.ID
			return ref, true, nil
		}
	}
	return bot.Ref{}, sure, nil
}

// history is the newest of what was said in a channel. sure is false where
// there is more, or where the bot may not read it: then Discord says that
// there is nothing.
func (a *Adapter) history(ctx context.Context, p bot.Place, channel string) (all []standing, sure bool, err error) {
	if !p.Direct {
		at, err := a.places.Get(ctx, channel, a.look(channel))
		switch {
		case err != nil:
			return nil, false, err
		case !at.hidden && at.perms&discordgo.PermissionReadMessageHistory == 0:
			return nil, false, nil
		}
	}
	if err := a.get(ctx, discordgo.EndpointChannelMessages(channel)+"?limit="+strconv.Itoa(lookBack), &all); err != nil {
		return nil, false, fmt.Errorf("messages: %w", err)
	}
	return all, len(all) < lookBack, nil
}
