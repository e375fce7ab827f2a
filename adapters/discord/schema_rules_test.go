package discord_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
)

// The part of Discord's own description that the bot needs is kept beside the
// tests, so that they pass without the whole. -update cuts it anew, where the
// whole is at hand.
const (
	wholeSchema = "../../../shared/discord/openapi.json"
	cutSchema   = "testdata/openapi.json"
)

// needed are the paths and methods that are cut out. What is not here is
// refused by the double.
var needed = map[string][]string{
	"/gateway":                                                  {"get"},
	"/gateway/bot":                                              {"get"},
	"/oauth2/applications/@me":                                  {"get"},
	"/applications/@me":                                         {"get"},
	"/users/@me":                                                {"get"},
	"/users/@me/guilds":                                         {"get"},
	"/users/@me/channels":                                       {"post"},
	"/users/{user_id}":                                          {"get"},
	"/guilds/{guild_id}":                                        {"get"},
	"/guilds/{guild_id}/roles":                                  {"get"},
	"/guilds/{guild_id}/channels":                               {"get"},
	"/guilds/{guild_id}/threads/active":                         {"get"},
	"/guilds/{guild_id}/members/{user_id}":                      {"get"},
	"/channels/{channel_id}":                                    {"get", "patch"},
	"/channels/{channel_id}/messages":                           {"get", "post"},
	"/channels/{channel_id}/messages/{message_id}":              {"get", "patch", "delete"},
	"/channels/{channel_id}/messages/{message_id}/threads":      {"post"},
	"/channels/{channel_id}/thread-members/@me":                 {"put", "delete"},
	"/applications/{application_id}/commands":                   {"get", "put"},
	"/applications/{application_id}/guilds/{guild_id}/commands": {"get", "put", "post"},
	"/applications/{application_id}/guilds/{guild_id}/commands/{command_id}": {"get", "patch", "delete"},
	"/interactions/{interaction_id}/{interaction_token}/callback":            {"post"},
	"/webhooks/{webhook_id}/{webhook_token}":                                 {"post"},
	"/webhooks/{webhook_id}/{webhook_token}/messages/@original":              {"get", "patch", "delete"},
	"/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}":           {"get", "patch", "delete"},
}

// cut takes the part that is needed out of the whole description.
func cut(whole object) object {
	paths, schemas := object{}, object{}
	all := whole["components"].(object)["schemas"].(object)
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				follow(item)
			}
		case object:
			if name, ok := strings.CutPrefix(str(v["$ref"]), "#/components/schemas/"); ok && schemas[name] == nil {
				schemas[name] = all[name]
				follow(all[name])
			}
			for _, item := range v {
				follow(item)
			}
		}
	}
	for path, methods := range needed {
		from := whole["paths"].(object)[path].(object)
		to := object{}
		if from["parameters"] != nil {
			to["parameters"] = from["parameters"]
		}
		for _, method := range methods {
			op := object{"operationId": from[method].(object)["operationId"]}
			if p := from[method].(object)["parameters"]; p != nil {
				op["parameters"] = p
			}
			if b, ok := from[method].(object)["requestBody"].(object); ok {
				op["requestBody"] = object{"required": b["required"], "content": object{"application/json": b["content"].(object)["application/json"]}}
			}
			to[method] = op
		}
		paths[path] = to
		follow(to)
	}
	return object{"openapi": whole["openapi"], "info": whole["info"], "paths": paths, "components": object{"schemas": schemas}}
}

// TestSchemaIsCutFromTheWhole compares the cut with Discord's description where
// that is at hand, and looks in any case whether the checker knows every rule
// in it.
func TestSchemaIsCutFromTheWhole(t *testing.T) {
	t.Parallel()
	if text, err := os.ReadFile(filepath.FromSlash(wholeSchema)); err == nil {
		var whole object
		require.NoError(t, json.Unmarshal(text, &whole))
		want, err := json.MarshalIndent(cut(whole), "", " ")
		require.NoError(t, err)
		want = append(want, '\n')
		if *adaptertest.Update {
			require.NoError(t, os.WriteFile(cutSchema, want, 0o600))
		}
		have, err := os.ReadFile(cutSchema)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, have), "the cut is stale: run this test with -update")
	}
	s := newSchema(t)
	var words func(v object)
	words = func(v object) {
		for word, what := range v {
			require.Contains(t, only, word, "a rule that is not checked")
			if word == "properties" {
				for _, p := range what.(object) {
					words(p.(object))
				}
				continue
			}
			if o, ok := what.(object); ok {
				words(o)
			}
			for _, o := range list(what) {
				if o, ok := o.(object); ok {
					words(o)
				}
			}
		}
	}
	for _, one := range s.doc["components"].(object)["schemas"].(object) {
		words(one.(object))
	}
	for path, methods := range needed {
		for _, method := range methods {
			require.NotNil(t, s.doc["paths"].(object)[path].(object)[method], "%s %s", method, path)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	const (
		posts    = "/channels/1/messages"
		answers  = "/interactions/1/token/callback"
		commands = "/applications/1/guilds/2/commands"
	)
	long := strings.Repeat("ü", 4001)
	for name, c := range map[string]struct {
		method, path, query, body string
		says                      string // "": it is fine
	}{
		"a message":                       {"POST", posts, "", `{"content":"hello","nonce":"a","enforce_nonce":true,"allowed_mentions":{"parse":[]}}`, ""},
		"content as long as may be":       {"POST", posts, "", `{"content":"` + long[2:] + `"}`, ""},
		"content too long":                {"POST", posts, "", `{"content":"` + long + `"}`, "body.content: has 4001"},
		"content of another type":         {"POST", posts, "", `{"content":5}`, "body.content: is integer"},
		"a misspelt property":             {"POST", posts, "", `{"contents":"hello"}`, "body.contents: unknown property"},
		"one that says nothing":           {"POST", posts, "", `{"content":"a","sticker_items":null}`, ""},
		"no body":                         {"POST", posts, "", ``, "body: required"},
		"no JSON":                         {"POST", posts, "", `{`, "body: unexpected EOF"},
		"two values":                      {"POST", posts, "", `{} {}`, "body: more than one"},
		"a body where none belongs":       {"GET", "/users/@me", "", `{}`, "body: none is expected"},
		"a channel that is no snowflake":  {"POST", "/channels/x/messages", "", `{}`, "path channel_id"},
		"an unknown path":                 {"POST", "/channels/1/message", "", `{}`, "no such request"},
		"an unknown method":               {"PUT", posts, "", `{}`, "no such request"},
		"a query":                         {"GET", posts, "limit=50&after=5", ``, ""},
		"a query out of bounds":           {"GET", posts, "limit=101", ``, "query limit: is 101"},
		"an unknown query":                {"GET", posts, "first=1", ``, "query first: unknown"},
		"a nonce too long":                {"POST", posts, "", `{"nonce":"` + strings.Repeat("n", 26) + `"}`, "body.nonce"},
		"26 fields":                       {"POST", posts, "", `{"embeds":[{"fields":[` + strings.Repeat(`{"name":"n","value":"v"},`, 25) + `{"name":"n","value":"v"}]}]}`, "body.embeds[0].fields: has 26"},
		"25 fields":                       {"POST", posts, "", `{"embeds":[{"fields":[` + strings.Repeat(`{"name":"n","value":"v"},`, 24) + `{"name":"n","value":"v"}]}]}`, ""},
		"a field without a value":         {"POST", posts, "", `{"embeds":[{"fields":[{"name":"n"}]}]}`, "body.embeds[0].fields[0]: value is required"},
		"a colour out of bounds":          {"POST", posts, "", `{"embeds":[{"color":16777216}]}`, "maximum"},
		"a link that is no URL":           {"POST", posts, "", `{"embeds":[{"url":"here"}]}`, "is no URL"},
		"mentions by an unknown word":     {"POST", posts, "", `{"allowed_mentions":{"parse":["all"]}}`, "body.allowed_mentions.parse[0]"},
		"a user pinged twice":             {"POST", posts, "", `{"allowed_mentions":{"users":["1","1"]}}`, "uniqueItems"},
		"a button":                        {"POST", posts, "", `{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"l","custom_id":"c"}]}]}`, ""},
		"a button of an unknown style":    {"POST", posts, "", `{"components":[{"type":1,"components":[{"type":2,"style":9,"label":"l","custom_id":"c"}]}]}`, "components[0].components[0].style"},
		"a button without a row":          {"POST", posts, "", `{"components":[{"type":2,"style":1,"label":"l","custom_id":"c"}]}`, "fits nothing"},
		"an empty row":                    {"POST", posts, "", `{"components":[{"type":1,"components":[]}]}`, "minItems"},
		"six buttons in a row":            {"POST", posts, "", `{"components":[{"type":1,"components":[` + strings.Repeat(`{"type":2,"style":1},`, 5) + `{"type":2,"style":1}]}]}`, "maxItems"},
		"a modal":                         {"POST", answers, "", `{"type":9,"data":{"custom_id":"c","title":"t","components":[{"type":18,"label":"l","component":{"type":4,"custom_id":"x","style":1}}]}}`, ""},
		"a modal of old":                  {"POST", answers, "", `{"type":9,"data":{"custom_id":"c","title":"t","components":[{"type":1,"components":[{"type":4,"custom_id":"x","style":1,"label":"l"}]}]}}`, ""},
		"a modal without an input":        {"POST", answers, "", `{"type":9,"data":{"custom_id":"c","title":"t","components":[]}}`, "minItems"},
		"a modal's title too long":        {"POST", answers, "", `{"type":9,"data":{"custom_id":"c","title":"` + long[:92] + `","components":[{"type":10,"content":"c"}]}}`, "body.data.title: has 46"},
		"an answer of an unknown type":    {"POST", answers, "", `{"type":3}`, "body"},
		"a deferral":                      {"POST", answers, "", `{"type":5,"data":{"flags":64}}`, ""},
		"choices":                         {"POST", answers, "", `{"type":8,"data":{"choices":[{"name":"n","value":"v"}]}}`, ""},
		"26 choices":                      {"POST", answers, "", `{"type":8,"data":{"choices":[` + strings.Repeat(`{"name":"n","value":"v"},`, 25) + `{"name":"n","value":"v"}]}}`, "has 26"},
		"commands":                        {"PUT", commands, "", `[{"name":"hoster","description":"d","options":[{"type":1,"name":"n","description":"d"}]}]`, ""},
		"a command without a name":        {"PUT", commands, "", `[{"description":"d"}]`, "name is required"},
		"an option without a description": {"PUT", commands, "", `[{"name":"hoster","options":[{"type":3,"name":"n"}]}]`, "description is required"},
		"an option of an unknown type":    {"PUT", commands, "", `[{"name":"hoster","options":[{"type":99,"name":"n","description":"d"}]}]`, "options[0]"},
		"the original before an ID":       {"PATCH", "/webhooks/1/t/messages/@original", "", `{"content":"c"}`, ""},
		"an ID":                           {"PATCH", "/webhooks/1/t/messages/5", "", `{"content":"c"}`, ""},
		"neither":                         {"PATCH", "/webhooks/1/t/messages/@first", "", `{"content":"c"}`, "path message_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			query, err := url.ParseQuery(c.query)
			require.NoError(t, err)
			problems := strings.Join(newSchema(t).request(c.method, c.path, query, []byte(c.body)), "\n")
			if c.says == "" {
				require.Empty(t, problems)
				return
			}
			require.Contains(t, problems, c.says)
			require.Contains(t, problems, c.method+" "+c.path)
		})
	}
	require.NotEmpty(t, newSchema(t).request(http.MethodPost, posts, nil, []byte(`[]`)))
}
