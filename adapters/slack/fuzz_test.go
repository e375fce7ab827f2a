package slack_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/slack"
	"hosterbot/bot"
)

func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","num_connections":1}`, `{"type":"disconnect","reason":"warning"}`, `{"type":"disconnect","reason":7}`, `{}`, `[]`, `null`, `"x"`, `{"type":"slash_commands"}`,
		`{"type":"slash_commands","envelope_id":"e","payload":{"text":"vm list &lt;@U1&gt; <@U1|ana>","team_id":"T1","user_id":"U1","trigger_id":"1.2.3"}}`,
		`{"type":"slash_commands","envelope_id":"e","payload":{"text":7}}`,
		`{"type":"interactive","envelope_id":"e","payload":{"type":"view_submission","view":{"state":{"values":null}}}}`,
		`{"type":"interactive","envelope_id":"e","payload":{"type":"view_submission","view":{"id":"V","hash":"h","private_metadata":"{\"c\":\"C\"}","state":{"values":{"a":{"secret-a":{"value":null},"value-b":{"selected_option":{"value":"x"}}}}}}}}`,
		`{"type":"interactive","envelope_id":"e","payload":{"type":"block_suggestion","view":{"private_metadata":"["},"block_id":"vm","value":"4"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, line, _, err := slack.Parsed(frame)
		if err == nil && utf8.Valid(frame) {
			require.True(t, utf8.ValidString(line))
		}
	})
}

func FuzzAction(f *testing.F) {
	for _, seed := range []string{
		`{"action_id":"press-0","type":"button","value":"v1:17:approve:n","action_ts":"1772452800.000100"}`, `{"action_id":"open-0","type":"button"}`,
		`{"action_id":"press-0","type":"button","action_ts":"NaN"}`, `{"action_id":"press-0","type":"button","action_ts":"1e300"}`, `{"action_id":"value-x","type":"external_select"}`, `7`, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, action string) {
		sort, _, code, err := slack.Parsed([]byte(`{"type":"interactive","payload":{"type":"block_actions","team":{"id":"T1"},"user":{"id":"U1"},"actions":[` + action + `]}}`))
		if err == nil && code != "" {
			require.Equal(t, 2, sort, "a press")
			require.Contains(t, action, "press-")
		}
	})
}

func FuzzCard(f *testing.F) {
	for _, seed := range []string{"<!here>", "*a* _b_ ~c~ `d` :e:", "> q\n> r", "\x01177\x01", "``", "`a", strings.Repeat("&", 4000), "\xff\xfe", "@here", "<@U07ANA>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := bot.Card{
			Title: text, Lines: []string{text, bot.Code(text)}, Notes: []string{text}, Fields: []bot.Field{{Label: text, Value: text}},
			Table:   &bot.Table{Columns: []bot.Column{{Name: text}, {Name: "b"}}, Rows: [][]string{{text, bot.Code(text)}}},
			Buttons: []bot.Button{{Label: text, Code: "v1:1:x:n"}}, Bar: &bot.Bar{Word: text},
		}
		plain, blocks := slack.Rendered(c, team, noon)
		raw, err := json.Marshal(blocks)
		require.NoError(t, err)
		var all []any
		require.NoError(t, json.Unmarshal(raw, &all))
		require.Empty(t, checkBlocks(all))
		k := kit{}
		k.escapes(plain, true)
		require.Empty(t, k.problems)
		require.NotEmpty(t, plain)
		require.LessOrEqual(t, chars(plain), 4000)
	})
}
