package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
)

var rules = []struct {
	name  string
	check func(*testing.T, context.Context, *suite)
}{
	{"a command arrives as it was typed, from whom and where", commandArrives},
	{"every delivery has a key of its own", keysDiffer},
	{"a private reply is seen by nobody else", replyIsPrivate},
	{"a later reply takes the place of the first", replyReplaces},
	{"a secret reaches one pair of eyes", secretIsPrivate},
	{"a file reaches one pair of eyes", fileIsPrivate},
	{"a form is the first answer or none", formComesFirst},
	{"form values arrive by name, secrets apart", formArrives},
	{"a form that comes back keeps what was typed", formComesBack},
	{"everything of a card is shown", cardIsWhole},
	{"a long card is not cut without saying so", longCardSaysSo},
	{"a root message has its thread", threadHoldsTogether},
	{"an edit changes the same message", editStays},
	{"an edit takes buttons away", editTakesButtons},
	{"buttons carry their code unchanged", buttonsCarryCode},
	{"a press says who pressed", pressArrives},
	{"text from outside cannot ping or format", textIsText},
	{"the same key is the same message", keyIsOnce},
	{"a deleted message is gone", deletedIsGone},
	{"a place that is closed is forbidden", closedIsForbidden},
	{"it is healthy while it runs", healthy},
	{"it serves at least one platform, and some rows", limits},
}

// code is as long as a code can be.
var code = "v1:17:approve:" + strings.Repeat("n", 86)

func card() bot.Card {
	return bot.Card{
		Title: "Delete VM " + bot.Code("4001"), Tone: bot.Busy,
		Lines:   []string{"Needs one approval."},
		Fields:  []bot.Field{{Label: "Size", Value: "2 cores"}},
		Notes:   []string{"Small print."},
		Buttons: []bot.Button{{Label: "Approve", Style: bot.Primary, Code: code}, {Label: "Deny", Style: bot.Danger, Code: "v1:17:deny:n"}},
	}
}

func commandArrives(t *testing.T, _ context.Context, s *suite) {
	s.Type(t, Ana, "vm list --state running")
	require.Len(t, s.bot.requests, 1)
	r := s.bot.requests[0]
	require.Equal(t, s.Account(Ana), r.Account)
	require.Equal(t, s.Home().String(), r.Place.String())
	if r.Words == "" {
		require.Equal(t, "vm list --state running", r.Line)
		return
	}
	require.Equal(t, "vm list", r.Words)
	require.Equal(t, []bot.Arg{{Name: "state", Value: "running"}}, r.Args)
}

func keysDiffer(t *testing.T, _ context.Context, s *suite) {
	s.Type(t, Ana, "vm list")
	s.Type(t, Ana, "vm list")
	s.Type(t, Ben, "vm list")
	keys := make(map[string]bool)
	for _, r := range s.bot.requests {
		require.NotEmpty(t, r.Key)
		keys[r.Key] = true
	}
	require.Len(t, keys, 3)
}

func replyIsPrivate(t *testing.T, _ context.Context, s *suite) {
	s.bot.onHandle = func(ctx context.Context, to bot.Responder) {
		require.NoError(t, to.Ack(ctx))
		require.NoError(t, to.Ack(ctx), "it may be called again")
		require.NoError(t, to.Reply(ctx, bot.Card{Title: "For one person", Buttons: []bot.Button{{Label: "Confirm", Code: code}}}))
		require.NoError(t, to.Ack(ctx), "after an answer it does nothing")
	}
	s.Type(t, Ana, "vm list")
	require.Contains(t, s.text(t, Ana), "For one person")
	require.NotContains(t, s.text(t, Ben), "For one person")
	require.NotContains(t, s.text(t, Ben), "Confirm")
	for _, m := range s.Sees(t, Ana) {
		require.True(t, m.Private)
	}
}

func replyReplaces(t *testing.T, _ context.Context, s *suite) {
	s.bot.onHandle = func(ctx context.Context, to bot.Responder) {
		require.NoError(t, to.Reply(ctx, bot.Card{Title: "At work"}))
		require.NoError(t, to.Reply(ctx, bot.Card{Title: "Finished"}))
	}
	s.Type(t, Ana, "vm list")
	require.Contains(t, s.text(t, Ana), "Finished")
	require.NotContains(t, s.text(t, Ana), "At work")
}

func secretIsPrivate(t *testing.T, ctx context.Context, s *suite) {
	c := card()
	c.Secrets = []bot.Shown{{Label: "Password", Value: secret.New("canary-hunter2")}, {Label: "Console", Value: secret.New("https://console.example/canary"), Link: true}}
	s.bot.onHandle = func(ctx context.Context, to bot.Responder) { require.NoError(t, to.Reply(ctx, c)) }
	s.Type(t, Ana, "vm console 4001")
	require.Contains(t, s.text(t, Ana), "canary-hunter2")
	require.Contains(t, s.text(t, Ana), "https://console.example/canary")
	require.NotContains(t, s.text(t, Ben), "canary")

	before := s.text(t, Ben)
	r, err := s.Adapter().Post(ctx, s.Home(), "secret", c)
	require.NoError(t, err)
	require.NotEqual(t, before, s.text(t, Ben), "the card itself is posted")
	require.NoError(t, s.Adapter().Edit(ctx, r, c))
	require.NotContains(t, s.text(t, Ben), "canary", "a channel has too many eyes")
}

func fileIsPrivate(t *testing.T, _ context.Context, s *suite) {
	s.bot.onHandle = func(ctx context.Context, to bot.Responder) {
		require.NoError(t, to.File(ctx, bot.File{Name: "vms.csv", Title: "3 VMs", Data: []byte("id,name\n4001,web-1\n")}))
	}
	s.Type(t, Ana, "vm list")
	require.NotContains(t, s.text(t, Ben), "vms.csv")
	require.NotContains(t, s.text(t, Ben), "web-1")
}

func form() bot.Form {
	return bot.Form{Code: code, Title: "Delete VM 4001", Text: "Its data is lost.", Submit: "Delete", Fields: []bot.FormField{
		{Name: "reason", Label: "Why", Required: true, MaxLen: 100},
		{Name: "mode", Label: "How", Value: "soft", Choices: []bot.Choice{{Value: "soft", Label: "Softly"}, {Value: "hard", Label: "Hard"}}},
		{Name: "password", Label: "SSH root password", Secret: true},
	}}
}

func formComesFirst(t *testing.T, _ context.Context, s *suite) {
	s.bot.onHandle = func(ctx context.Context, to bot.Responder) {
		require.NoError(t, to.Ack(ctx))
		require.Error(t, to.Form(ctx, form()), "after an Ack it fails")
		require.NoError(t, to.Reply(ctx, bot.Card{Title: "Heard"}))
	}
	s.Type(t, Ana, "vm delete 4001")
	_, open := s.Form(t, Ana)
	require.False(t, open)
}

func (s *suite) opensForm(t *testing.T) {
	t.Helper()
	s.bot.onHandle = func(ctx context.Context, to bot.Responder) { require.NoError(t, to.Form(ctx, form())) }
	s.Type(t, Ana, "vm delete 4001")
	_, open := s.Form(t, Ana)
	require.True(t, open)
	_, open = s.Form(t, Ben)
	require.False(t, open, "a form is before one person")
}

func formArrives(t *testing.T, _ context.Context, s *suite) {
	s.opensForm(t)
	s.Submit(t, Ana, map[string]string{"reason": `INC-42 "now" & <b>`, "password": "canary pass"})
	require.Len(t, s.bot.sent, 1)
	got := s.bot.sent[0]
	require.Equal(t, code, got.Code)
	require.Equal(t, s.Account(Ana), got.Account)
	require.Equal(t, `INC-42 "now" & <b>`, got.Values["reason"])
	require.Equal(t, "soft", got.Values["mode"], "what stands in a field is sent")
	require.NotContains(t, got.Values, "password")
	require.Equal(t, "canary pass", got.Secrets["password"].Reveal())
	require.NotContains(t, s.text(t, Ana)+s.text(t, Ben), "canary pass")
}

// formComesBack allows for chats that cannot open a form in answer to a form:
// they show a button back to it.
func formComesBack(t *testing.T, _ context.Context, s *suite) {
	s.opensForm(t)
	s.bot.onSubmit = func(ctx context.Context, to bot.Responder) {
		f := form()
		f.Fields[0].Value, f.Fields[0].Error = "first try", "No such ticket."
		require.NoError(t, to.Form(ctx, f))
	}
	s.Submit(t, Ana, map[string]string{"reason": "first try"})
	got, open := s.Form(t, Ana)
	if !open {
		require.Contains(t, s.text(t, Ana), "No such ticket.")
		seen := s.Sees(t, Ana)
		last := seen[len(seen)-1]
		require.NotEmpty(t, last.Buttons, "a button back to the form")
		s.Press(t, Ana, last.ID, last.Buttons[0].Label)
		got, open = s.Form(t, Ana)
		require.True(t, open)
	} else {
		require.Equal(t, "No such ticket.", got.Fields[0].Error)
	}
	require.Equal(t, "first try", got.Fields[0].Value)
	require.NotContains(t, s.text(t, Ben), "No such ticket.")
}

func cardIsWhole(t *testing.T, ctx context.Context, s *suite) {
	c := card()
	c.Table = &bot.Table{Columns: []bot.Column{{Name: "ID"}, {Name: "Memory", Right: true}}, Rows: [][]string{{bot.Code("4009"), "2 GiB"}}}
	c.Bar = &bot.Bar{Fraction: 0.6, Word: "executing", Elapsed: 54 * time.Second}
	r, err := s.Adapter().Post(ctx, s.Home(), "whole", c)
	require.NoError(t, err)
	m := s.seen(t, Ben, r)
	for _, want := range []string{"Delete VM", "4001", "Needs one approval.", "Size", "2 cores", "Memory", "4009", "2 GiB", "60 %", "executing", "Small print."} {
		require.Contains(t, m.Text, want)
	}
	require.False(t, m.Private)
	require.Empty(t, m.Thread)
}

// longCardSaysSo: each part ends with a word of its own; where the word is not
// shown, the message says that something is.
func longCardSaysSo(t *testing.T, ctx context.Context, s *suite) {
	long := func(end string) string { return strings.Repeat("word ü ", 2000) + end }
	rows := make([][]string, 300)
	for i := range rows {
		rows[i] = []string{fmt.Sprint(i), strings.Repeat("x", 60)}
	}
	rows[299][0] = "endrow"
	fields := make([]bot.Field, 60)
	for i := range fields {
		fields[i] = bot.Field{Label: fmt.Sprint("Field ", i), Value: fmt.Sprint("value ", i)}
	}
	fields[59].Value = "endfield"
	for name, c := range map[string]bot.Card{
		"title": {Title: long("end")},
		"line":  {Title: "t", Lines: []string{long("end")}},
		"lines": {Title: "t", Lines: append(strings.Split(strings.Repeat("a line,", 300), ","), "end")},
		"field": {Title: "t", Fields: []bot.Field{{Label: "f", Value: long("end")}}},
		"many":  {Title: "t", Fields: fields},
		"table": {Title: "t", Table: &bot.Table{Columns: []bot.Column{{Name: "ID"}, {Name: "Name"}}, Rows: rows}},
		"notes": {Title: "t", Notes: []string{long("end")}},
	} {
		r, err := s.Adapter().Post(ctx, s.Home(), name, c)
		require.NoError(t, err, name)
		text := s.seen(t, Ben, r).Text
		require.True(t, strings.Contains(text, "end") || strings.Contains(text, "cut") || strings.Contains(text, "more"), "%s is cut, and nothing says so", name)
	}
}

func threadHoldsTogether(t *testing.T, ctx context.Context, s *suite) {
	root, err := s.Adapter().Post(ctx, s.Home(), "root", card())
	require.NoError(t, err)
	require.False(t, root.IsZero())
	require.Equal(t, s.Home().String(), root.Place.String())
	thread := s.Home()
	thread.Thread = root.ID
	line, err := s.Adapter().Post(ctx, thread, "line", bot.Card{Title: "ben approved"})
	require.NoError(t, err)
	require.NotEqual(t, root.ID, line.ID)
	require.Equal(t, root.ID, s.seen(t, Ana, line).Thread)
	require.Contains(t, s.seen(t, Ana, line).Text, "ben approved")
	require.NotContains(t, s.seen(t, Ana, root).Text, "ben approved")
}

func editStays(t *testing.T, ctx context.Context, s *suite) {
	r, err := s.Adapter().Post(ctx, s.Home(), "root", card())
	require.NoError(t, err)
	n := len(s.Sees(t, Ben))
	require.NoError(t, s.Adapter().Edit(ctx, r, bot.Card{Title: "VM 4001 is deleted", Tone: bot.Good}))
	require.Len(t, s.Sees(t, Ben), n)
	m := s.seen(t, Ben, r)
	require.Contains(t, m.Text, "VM 4001 is deleted")
	require.NotContains(t, m.Text, "Needs one approval.")
}

func editTakesButtons(t *testing.T, ctx context.Context, s *suite) {
	c := card()
	r, err := s.Adapter().Post(ctx, s.Home(), "root", c)
	require.NoError(t, err)
	require.Len(t, s.seen(t, Ben, r).Buttons, 2)
	c.Buttons = nil
	require.NoError(t, s.Adapter().Edit(ctx, r, c))
	require.Empty(t, s.seen(t, Ben, r).Buttons)
}

func buttonsCarryCode(t *testing.T, ctx context.Context, s *suite) {
	r, err := s.Adapter().Post(ctx, s.Home(), "root", card())
	require.NoError(t, err)
	s.Press(t, Ben, r.ID, "Approve")
	require.Len(t, s.bot.presses, 1)
	require.Equal(t, code, s.bot.presses[0].Code)
}

func pressArrives(t *testing.T, ctx context.Context, s *suite) {
	r, err := s.Adapter().Post(ctx, s.Home(), "root", card())
	require.NoError(t, err)
	s.bot.onPress = func(ctx context.Context, to bot.Responder) {
		require.NoError(t, to.Reply(ctx, bot.Card{Title: "Not yours to decide"}))
	}
	s.Press(t, Ben, r.ID, "Deny")
	p := s.bot.presses[0]
	require.Equal(t, s.Account(Ben), p.Account)
	require.Equal(t, s.Home().String(), p.Place.String())
	require.NotEmpty(t, p.Key)
	require.Contains(t, s.text(t, Ben), "Not yours to decide")
	require.NotContains(t, s.text(t, Ana), "Not yours to decide")
	require.Contains(t, s.seen(t, Ben, r).Text, "Needs one approval.", "a private answer leaves the card as it is")
}

func textIsText(t *testing.T, ctx context.Context, s *suite) {
	p, ok := s.Harness.(Pinger)
	if !ok {
		t.Skip("this chat pings nobody")
	}
	for i, attack := range p.Attacks() {
		c := bot.Card{
			Title: attack, Lines: []string{attack, bot.Code(attack)}, Notes: []string{attack},
			Fields:  []bot.Field{{Label: attack, Value: attack}},
			Table:   &bot.Table{Columns: []bot.Column{{Name: attack}}, Rows: [][]string{{attack}}},
			Buttons: []bot.Button{{Label: attack, Code: code}},
		}
		r, err := s.Adapter().Post(ctx, s.Home(), fmt.Sprint("attack ", i), c)
		require.NoError(t, err)
		require.Empty(t, p.Harmed(s.seen(t, Ben, r)), "posted: %q", attack)
		require.NoError(t, s.Adapter().Edit(ctx, r, c))
		require.Empty(t, p.Harmed(s.seen(t, Ben, r)), "edited: %q", attack)
	}
}

func keyIsOnce(t *testing.T, ctx context.Context, s *suite) {
	if _, ok := s.Harness.(Repeater); !ok {
		t.Skip("this chat cannot find a message again")
	}
	first, err := s.Adapter().Post(ctx, s.Home(), "same", card())
	require.NoError(t, err)
	second, err := s.Adapter().Post(ctx, s.Home(), "same", card())
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Len(t, s.Sees(t, Ben), 1)
}

func deletedIsGone(t *testing.T, ctx context.Context, s *suite) {
	d, ok := s.Harness.(Deleter)
	if !ok {
		t.Skip("nobody can delete a message here")
	}
	r, err := s.Adapter().Post(ctx, s.Home(), "root", card())
	require.NoError(t, err)
	d.Delete(t, r)
	var post *bot.PostError
	require.ErrorAs(t, s.Adapter().Edit(ctx, r, card()), &post)
	require.True(t, post.Gone)
}

func closedIsForbidden(t *testing.T, ctx context.Context, s *suite) {
	require.NoError(t, s.Adapter().CanPost(ctx, s.Home()))
	c, ok := s.Harness.(Closer)
	if !ok {
		t.Skip("the bot may post everywhere")
	}
	var person *bot.Error
	require.ErrorAs(t, s.Adapter().CanPost(ctx, c.Closed()), &person, "the error is for people")
	require.NotEmpty(t, person.Text)
	_, err := s.Adapter().Post(ctx, c.Closed(), "root", card())
	var post *bot.PostError
	require.ErrorAs(t, err, &post)
	require.True(t, post.Forbidden)
	require.Error(t, errors.Unwrap(post))
}

func healthy(t *testing.T, _ context.Context, s *suite) {
	s.Type(t, Ana, "status") // by then it is connected
	h := s.Adapter().Health()
	require.True(t, h.OK)
	require.NotEmpty(t, h.Name)
	require.NotEmpty(t, h.Text)
}

func limits(t *testing.T, _ context.Context, s *suite) {
	require.NotEmpty(t, s.Adapter().Platforms())
	require.Contains(t, s.Adapter().Platforms(), s.Home().Platform)
	require.Positive(t, s.Adapter().Limits().Rows)
}
