package discord_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/adapters/discord"
	"hosterbot/bot"
)

func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"op":10,"d":{"heartbeat_interval":41250}}`, `{"op":0,"t":"READY","s":1,"d":{}}`, `{"op":9,"d":true}`, `{"op":7,"d":null}`, `{"op":"x"}`, `[]`, `null`, `{"op":11}`, `{"op":1e99}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if _, err := discord.Decoded(frame); err != nil {
			require.NotContains(t, err.Error(), string(frame)+"\x00")
			require.LessOrEqual(t, len(err.Error()), 100, "an error quotes nothing")
		}
	})
}

func FuzzInteraction(f *testing.F) {
	const head = `{"id":"900000000000000001","application_id":"118200000000000001","token":"t","guild_id":"300000000000000001","channel_id":"400000000000000001","member":{"user":{"id":"118200000000000077"},"roles":["5"]},`
	for _, seed := range []string{
		`{}`, `[]`, `null`, `{"type":1}`,
		head + `"type":2,"data":{"name":"hoster","type":1,"options":[{"type":2,"name":"vm","options":[{"type":1,"name":"list","options":[{"type":3,"name":"state","value":"running"},{"type":4,"name":"n","value":9007199254740993},{"type":5,"name":"f","value":true}]}]}]}}`,
		head + `"type":4,"data":{"name":"hoster","type":1,"options":[{"type":1,"name":"can","options":[{"type":3,"name":"command","value":"vm","focused":true}]}]}}`,
		head + `"type":2,"data":{"name":"other","type":1}}`,
		head + `"type":3,"message":{"id":"900000000000000002","flags":64},"data":{"custom_id":"v1:17:approve:n","component_type":2}}`,
		head + `"type":5,"data":{"custom_id":"v1:17:confirm:n","components":[{"type":18,"component":{"type":4,"custom_id":"value-reason","value":"INC"}},{"type":1,"components":[{"type":4,"custom_id":"secret-password","value":"x"}]},{"type":18,"component":{"type":3,"custom_id":"value-mode","values":["soft"]}}]}}`,
		`{"id":"1","token":"a/b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sort, words, _, args, err := discord.Parsed(data)
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 200, "an error quotes nothing")
			return
		}
		require.LessOrEqual(t, len(args), 25)
		require.LessOrEqual(t, len(strings.Fields(words)), 2+strings.Count(words, " "))
		for _, a := range args {
			require.Contains(t, []int{1, 4}, sort, "only commands have arguments")
			require.LessOrEqual(t, len(a.Value), 24_000)
		}
	})
}

func FuzzCard(f *testing.F) {
	for _, seed := range []string{"@everyone", "*a* _b_ ~c~ `d` :e:", "> q\n> r", "\x01177\x01", "``", "`a", strings.Repeat("*", 4000), "\xff\xfe", "<@118200000000000077>", "https://x", "-# a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := bot.Card{
			Title: text, Lines: []string{text, bot.Code(text)}, Notes: []string{text}, Fields: []bot.Field{{Label: text, Value: text}},
			Table:   &bot.Table{Columns: []bot.Column{{Name: text}, {Name: "b"}}, Rows: [][]string{{text, bot.Code(text)}}},
			Buttons: []bot.Button{{Label: text, Code: "v1:1:x:n"}}, Bar: &bot.Bar{Word: text},
		}
		v := discord.Rendered(c, noon)
		proper(t, v)
		raw := adaptertest.Indented(t, v)
		require.True(t, utf8.ValidString(raw))
		require.NotContains(t, strings.ReplaceAll(str(generic(t, v)["content"]), "`@everyone`", ""), "@everyone")
		simple, bare := discord.Plainer(c, noon)
		proper(t, simple)
		proper(t, bare)
	})
}
