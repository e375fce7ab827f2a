package discord_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tree is a command to type.
const tree = `{"name":"hoster","type":1,"description":"d","options":[
	{"type":2,"name":"vm","description":"d","options":[
		{"type":1,"name":"delete","description":"d","options":[
			{"type":4,"name":"id","description":"d","required":true,"autocomplete":true,"min_value":1,"max_value":9999},
			{"type":3,"name":"why","description":"d","max_length":5},
			{"type":3,"name":"mode","description":"d","choices":[{"name":"Softly","value":"soft"}]},
			{"type":5,"name":"force","description":"d"}]}]},
	{"type":1,"name":"about","description":"d"}]}`

const commands = "/applications/" + appID + "/guilds/" + guildID + "/commands"

// ready is a bench with a command and an open session.
func readyBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	require.Equal(t, 201, b.do(t, "POST", commands, tree).status)
	s := b.gatewaySession(t)
	require.NoError(t, s.Open())
	t.Cleanup(func() { _ = s.Close() })
	require.True(t, b.await(time.Minute, func() bool { return b.connected() == 1 }))
	return b
}

func TestDoubleRefusesCommands(t *testing.T) {
	t.Parallel()
	option := func(text string) string {
		return `{"name":"hoster","type":1,"description":"d","options":[` + text + `]}`
	}
	for name, c := range map[string]struct{ body, says string }{
		"a capital letter":           {`{"name":"Hoster","description":"d"}`, "not a name"},
		"no description":             {`{"name":"hoster","description":""}`, "no description"},
		"a group in a group":         {option(`{"type":2,"name":"a","description":"d","options":[{"type":2,"name":"b","description":"d"}]}`), "expected one of [1]"},
		"a subcommand in one":        {option(`{"type":1,"name":"a","description":"d","options":[{"type":1,"name":"b","description":"d"}]}`), "fits nothing"},
		"optional before required":   {option(`{"type":3,"name":"a","description":"d"},{"type":3,"name":"b","description":"d","required":true}`), "required options come"},
		"choices and autocomplete":   {option(`{"type":3,"name":"a","description":"d","autocomplete":true,"choices":[{"name":"n","value":"v"}]}`), "exclude"},
		"an option twice":            {option(`{"type":3,"name":"a","description":"d"},{"type":3,"name":"a","description":"d"}`), "twice"},
		"options beside subcommands": {option(`{"type":1,"name":"a","description":"d"},{"type":3,"name":"b","description":"d"}`), "beside"},
		"too many characters":        {option(strings.TrimSuffix(strings.Repeat(`{"type":1,"name":"NAME","description":"`+strings.Repeat("d", 100)+`","options":[`+strings.TrimSuffix(strings.Repeat(`{"type":3,"name":"OPT","description":"`+strings.Repeat("d", 100)+`"},`, 4), ",")+`]},`, 20), ",")), "8000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			n := 0
			body := c.body
			for strings.Contains(body, "NAME") || strings.Contains(body, "OPT") {
				n++
				body = strings.Replace(strings.Replace(body, "NAME", fmt.Sprint("n", n), 1), "OPT", fmt.Sprint("o", n), 1)
			}
			require.Equal(t, 50035, b.do(t, "POST", commands, body).code)
			require.Contains(t, b.w.heard(), c.says)
		})
	}
	b := newBench(t)
	untyped := strings.Replace(tree, `"type":1,`, "", 1)
	made := b.do(t, "POST", commands, tree)
	require.Equal(t, 201, made.status)
	require.Equal(t, 200, b.do(t, "POST", commands, tree).status, "the same name is the same command")
	again := b.do(t, "PATCH", commands+"/"+str(made.body["id"]), untyped)
	require.Equal(t, 200, again.status, "%v %s", again.body, b.w.heard())
	require.Equal(t, 10063, b.do(t, "PATCH", commands+"/12345", untyped).code)
	put := b.do(t, "PUT", commands, "["+tree+"]")
	require.Equal(t, 200, put.status, "%v %s", put.body, b.w.heard())
	require.Len(t, b.guilds[guildID].commands, 1)
	require.Empty(t, b.guilds[otherGuild].commands)
	b.guilds[otherGuild].absent = true
	require.Equal(t, 50001, b.do(t, "GET", strings.Replace(commands, guildID, otherGuild, 1), "").code)
	require.Empty(t, b.w.heard())
}

func TestDoubleTypesWhatClientsSend(t *testing.T) {
	t.Parallel()
	b := readyBench(t)
	ana := userID("ana")
	for name, c := range map[string]struct {
		who, channel, words string
		options             object
		says                string
	}{
		"a required option is missing": {ana, homeID, "vm delete", object{}, "required"},
		"below the least":              {ana, homeID, "vm delete", object{"id": 0}, "at least"},
		"above the most":               {ana, homeID, "vm delete", object{"id": 10000}, "at most"},
		"text for a number":            {ana, homeID, "vm delete", object{"id": "x"}, "no number"},
		"a fraction":                   {ana, homeID, "vm delete", object{"id": 1.5}, "no number"},
		"too long":                     {ana, homeID, "vm delete", object{"id": 1, "why": "longer"}, "characters"},
		"none of the choices":          {ana, homeID, "vm delete", object{"id": 1, "mode": "hard"}, "choices"},
		"neither true nor false":       {ana, homeID, "vm delete", object{"id": 1, "force": "y"}, "neither"},
		"an unknown option":            {ana, homeID, "vm delete", object{"id": 1, "now": 1}, "no option"},
		"an unknown command":           {ana, homeID, "vm show", object{}, "no command"},
		"half a command":               {ana, homeID, "vm", object{}, "no whole command"},
		"a stranger":                   {userID("eve"), homeID, "about", object{}, "does not see"},
		"a bot":                        {userID("rob"), homeID, "about", object{}, "nobody"},
		"a guild without the command":  {userID("eve"), elsewhereID, "about", object{}, "no such command"},
		"a locked thread":              {ana, lockedID, "about", object{}, "locked"},
	} {
		_, err := b.types(c.who, c.channel, c.words, c.options)
		require.ErrorContains(t, err, c.says, name)
	}
	d, err := b.typesLine(ana, homeID, `vm delete 4001 "a b" --force --mode=Softly`)
	require.NoError(t, err)
	data := d.in.payload["data"].(object)
	require.Equal(t, []any{object{"name": "vm", "type": 2, "options": []any{object{"name": "delete", "type": 1, "options": []any{
		object{"name": "id", "type": 4, "value": 4001.0}, object{"name": "why", "type": 3, "value": "a b"},
		object{"name": "mode", "type": 3, "value": "soft"}, object{"name": "force", "type": 5, "value": true},
	}}}}}, data["options"])
	require.Equal(t, bits(botPerms|everyPerms), d.in.payload["app_permissions"])
	_, err = b.completes(ana, homeID, "vm delete", "why", "x", nil)
	require.ErrorContains(t, err, "offers nothing")
	d, err = b.completes(ana, homeID, "vm delete", "id", "40", nil)
	require.NoError(t, err)
	require.Equal(t, 4, d.in.focusedType())
	require.Equal(t, 204, b.answers(t, d, `{"type":8,"data":{"choices":[{"name":"n","value":4001}]}}`).status)
	require.Empty(t, b.w.heard())
	d, err = b.completes(ana, homeID, "vm delete", "id", "40", nil)
	require.NoError(t, err)
	b.answers(t, d, `{"type":8,"data":{"choices":[{"name":"n","value":"4001"}]}}`)
	require.Contains(t, b.w.heard(), "a choice of value")
}

// answers is a first answer.
func (b *bench) answers(t *testing.T, d *deed, body string) said {
	t.Helper()
	return b.do(t, "POST", "/interactions/"+d.in.id+"/"+d.in.token+"/callback", body)
}

// later is a call on the interaction's webhook.
func (b *bench) later(t *testing.T, d *deed, method, path, body string) said {
	t.Helper()
	return b.do(t, method, "/webhooks/"+appID+"/"+d.in.token+path, body)
}

const (
	private  = `{"type":4,"data":{"content":"for you","flags":64,"allowed_mentions":{"parse":[]},"components":[{"type":1,"components":[{"type":2,"style":1,"label":"Go","custom_id":"go"}]}]}}`
	later    = `{"type":5,"data":{"flags":64}}`
	original = "/messages/@original"
	plain    = `{"content":"more","allowed_mentions":{"parse":[]}}`
	form     = `{"type":9,"data":{"custom_id":"f","title":"t","components":[{"type":18,"label":"l","component":{"type":4,"style":1,"custom_id":"a","max_length":3}},{"type":18,"label":"l","component":{"type":3,"custom_id":"b","options":[{"label":"x","value":"x","default":true}]}}]}}`
)

func TestDoubleKeepsTheRulesOfInteractions(t *testing.T) {
	t.Parallel()
	b := readyBench(t)
	ana, ben := userID("ana"), userID("ben")
	about := func() *deed {
		t.Helper()
		d, err := b.types(ana, homeID, "about", nil)
		require.NoError(t, err)
		b.c.forward(time.Millisecond)
		return d
	}
	d := about()
	require.Equal(t, 10015, b.later(t, d, "POST", "", plain).code, "nothing before the first answer")
	b.c.forward(firstFor - time.Millisecond)
	require.Equal(t, 204, b.answers(t, d, private).status)
	require.Equal(t, 40060, b.answers(t, d, private).code, "one first answer")
	require.Equal(t, "for you", d.text())
	for _, m := range b.messages {
		require.False(t, b.visible(m, ben))
		require.Equal(t, 10008, b.do(t, "PATCH", posts+"/"+m.id, plain).code, "a private answer is not there for the channel")
	}
	d = about()
	b.c.forward(firstFor)
	require.Equal(t, 10062, b.answers(t, d, private).code, "3 s")

	d = about()
	require.Equal(t, 204, b.answers(t, d, later).status)
	require.Contains(t, d.text(), "thinking")
	require.Equal(t, 200, b.later(t, d, "POST", "", plain).status)
	require.Equal(t, "more", d.text(), "the first follow-up takes the deferral's place")
	require.Equal(t, ana, b.messages[len(b.messages)-1].to, "and its privacy, whatever it says")
	require.Equal(t, 200, b.later(t, d, "POST", "", plain).status)
	require.Empty(t, b.messages[len(b.messages)-1].to, "the second is its own")
	require.Equal(t, 200, b.later(t, d, "PATCH", original, plain).status)
	require.Equal(t, 204, b.later(t, d, "DELETE", original, "").status)
	require.Equal(t, 10008, b.later(t, d, "PATCH", original, plain).code)
	b.c.forward(tokenFor)
	require.Equal(t, 50027, b.later(t, d, "POST", "", plain).code, "15 min")
	require.Empty(t, b.w.heard())

	b.answers(t, about(), `{"type":6}`)
	require.Contains(t, b.w.heard(), "answered with type 6")
	b.answers(t, about(), `{"type":4,"data":{"content":"x"}}`)
	require.Contains(t, b.w.heard(), "no allowed_mentions")
	require.Equal(t, 404, b.do(t, "POST", "/interactions/"+d.in.id+"/wrong/callback", private).status)
}

func TestDoubleOpensForms(t *testing.T) {
	t.Parallel()
	b := readyBench(t)
	ana, ben := userID("ana"), userID("ben")
	d, err := b.types(ana, homeID, "about", nil)
	require.NoError(t, err)
	require.Equal(t, 204, b.answers(t, d, private).status)
	m := b.messages[0]
	_, err = b.presses(ben, m.id, "Go")
	require.ErrorContains(t, err, "does not see")
	_, err = b.presses(ana, m.id, "Stop")
	require.ErrorContains(t, err, "no button")
	d, err = b.presses(ana, m.id, "Go")
	require.NoError(t, err)
	require.Equal(t, "go", d.in.payload["data"].(object)["custom_id"])
	require.Equal(t, ephemeral, d.in.payload["message"].(object)["flags"])
	require.Equal(t, 204, b.answers(t, d, form).status)
	require.Nil(t, b.form(ben))
	require.Equal(t, map[string]string{"a": "", "b": "x"}, b.form(ana).values)
	_, err = b.submits(ana, map[string]string{"a": ""})
	require.ErrorContains(t, err, "a is required")
	_, err = b.submits(ana, map[string]string{"a": "long"})
	require.ErrorContains(t, err, "4 characters")
	_, err = b.submits(ana, map[string]string{"c": "x"})
	require.ErrorContains(t, err, "no input")
	d, err = b.submits(ana, map[string]string{"a": "abc"})
	require.NoError(t, err)
	require.Nil(t, b.form(ana))
	require.Contains(t, encoded(d.in.payload["data"]), `"value":"abc"`)
	require.Contains(t, encoded(d.in.payload["data"]), `"values":["x"]`)
	require.Empty(t, b.w.heard())
	b.answers(t, d, form)
	require.Contains(t, b.w.heard(), "answered with type 9", "a form opens no form")
	require.Equal(t, 204, b.answers(t, d, `{"type":7,"data":{"content":"done","components":[],"allowed_mentions":{"parse":[]}}}`).status)
	require.Equal(t, "done", m.text, "it takes the place of what was pressed")
	require.False(t, m.buttons[0].live)
	public := b.do(t, "POST", posts, msg(`{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"Go","custom_id":"go"}]}]}`))
	d, err = b.presses(ben, str(public.body["id"]), "Go")
	require.NoError(t, err)
	require.Equal(t, 204, b.answers(t, d, `{"type":6}`).status)
	require.Empty(t, b.w.heard())
	require.Equal(t, 200, b.later(t, d, "PATCH", original, plain).status)
	require.Contains(t, b.w.heard(), "for all")
	for name, c := range map[string]struct{ parts, says string }{
		"six parts":         {strings.TrimSuffix(strings.Repeat(`{"type":10,"content":"c"},`, 6), ","), "6 parts"},
		"no input":          {`{"type":10,"content":"c"}`, "without an input"},
		"a value too long":  {`{"type":18,"label":"l","component":{"type":4,"style":1,"custom_id":"a","max_length":1,"value":"ab"}}`, "longer"},
		"an input twice":    {strings.TrimSuffix(strings.Repeat(`{"type":18,"label":"l","component":{"type":4,"style":1,"custom_id":"a"}},`, 2), ","), "twice"},
		"an option twice":   {`{"type":18,"label":"l","component":{"type":3,"custom_id":"b","options":[{"label":"x","value":"x"},{"label":"y","value":"x"}]}}`, "twice"},
		"a label of 46":     {`{"type":18,"label":"` + strings.Repeat("l", 46) + `","component":{"type":4,"style":1,"custom_id":"a"}}`, "label"},
		"no label anywhere": {`{"type":1,"components":[{"type":4,"style":1,"custom_id":"a"}]}`, "label"},
	} {
		d, err := b.types(ana, homeID, "about", nil)
		require.NoError(t, err)
		got := b.answers(t, d, `{"type":9,"data":{"custom_id":"f","title":"t","components":[`+c.parts+`]}}`)
		require.Equal(t, 50035, got.code, name)
		require.Contains(t, b.w.heard(), c.says, name)
		require.Nil(t, b.form(ana))
	}
}
