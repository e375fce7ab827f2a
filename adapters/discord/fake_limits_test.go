package discord_test

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// bucket counts the calls of one route, with the channel, guild or webhook
// that it is about.
type bucket struct {
	from  time.Time // of the window that is open
	calls int
}

// limit is how many calls there may be in a window.
type limit struct {
	most   int
	within time.Duration
}

// limits are roughly Discord's own, which change, and stand in the headers.
func limits(route string) limit {
	switch route {
	case "POST /channels/{channel_id}/messages", "PATCH /channels/{channel_id}/messages/{message_id}",
		"POST /webhooks/{webhook_id}/{webhook_token}", "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original",
		"PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}":
		return limit{5, 5 * time.Second}
	case "DELETE /channels/{channel_id}/messages/{message_id}":
		return limit{5, time.Second}
	case "POST /applications/{application_id}/guilds/{guild_id}/commands", "PUT /applications/{application_id}/guilds/{guild_id}/commands",
		"PATCH /applications/{application_id}/guilds/{guild_id}/commands/{command_id}":
		return limit{5, 20 * time.Second}
	case "GET /channels/{channel_id}", "GET /guilds/{guild_id}/members/{user_id}":
		return limit{5, time.Second}
	}
	return limit{10, 10 * time.Second}
}

// Calls of all routes together; answers to interactions are not counted.
// Source: https://discord.com/developers/docs/topics/rate-limits#global-rate-limit
var everything = limit{50, time.Second}

// pace counts a call. It is false when there were too many, and then it was
// answered.
func (f *fake) pace(w http.ResponseWriter, c *call) bool {
	if f.unpaced || c.ids["interaction_id"] != "" {
		return true
	}
	if !c.tokens {
		if _, wait := f.spend("everything", everything); wait > 0 {
			f.limited++
			slowDown(w, wait, true)
			return false
		}
	}
	l := limits(c.route)
	key := c.route + " " + c.ids["channel_id"] + c.ids["guild_id"] + c.ids["webhook_token"]
	b, wait := f.spend(key, l)
	reset := max(0, b.from.Add(l.within).Sub(f.clock.Now()))
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(l.most))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, l.most-b.calls)))
	h.Set("X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(b.from.Add(l.within).UnixMilli())/1000))
	h.Set("X-RateLimit-Reset-After", seconds(reset))
	h.Set("X-RateLimit-Bucket", fmt.Sprintf("%x", c.route))
	if wait > 0 {
		f.limited++
		slowDown(w, wait, false)
		return false
	}
	return true
}

// spend counts a call of a bucket, and says how long to wait if it has no room.
func (f *fake) spend(key string, l limit) (*bucket, time.Duration) {
	now := f.clock.Now()
	b := f.buckets[key]
	if b == nil || now.Sub(b.from) >= l.within {
		b = &bucket{from: now}
		f.buckets[key] = b
	}
	if b.calls >= l.most {
		return b, b.from.Add(l.within).Sub(now)
	}
	b.calls++
	return b, 0
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(math.Ceil(d.Seconds()*1000)/1000, 'f', 3, 64)
}

// slowDown is a 429.
func slowDown(w http.ResponseWriter, wait time.Duration, global bool) {
	h := w.Header()
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	h.Set("X-RateLimit-Scope", "user")
	if global {
		h.Set("X-RateLimit-Global", "true")
		h.Set("X-RateLimit-Scope", "global")
	}
	reply(w, answer{http.StatusTooManyRequests, object{"message": "You are being rate limited.", "retry_after": math.Ceil(wait.Seconds()*1000) / 1000, "global": global}})
}

func chars(v any) int { return utf8.RuneCountInString(strings.TrimSpace(str(v))) }

// check says what Discord refuses of a message although its description allows
// it, and fails the test for that. mentions: it needs allowed_mentions.
func (f *fake) check(c *call, mentions bool) []string {
	problems := checkMessage(c.body, mentions)
	problems = append(problems, checkFiles(c)...)
	for _, p := range problems {
		f.tb.Errorf("%s: message refused: %s", c.route, p)
	}
	return problems
}

// Source: https://discord.com/developers/docs/resources/message#embed-object-embed-limits,
// https://discord.com/developers/docs/components/reference
func checkMessage(body object, mentions bool) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if n := chars(body["content"]); n > 2000 {
		bad("content of %d characters, 2000 are allowed", n)
	}
	allowed, ok := body["allowed_mentions"].(object)
	switch {
	case mentions && !ok:
		bad("no allowed_mentions: any text in it could ping")
	case ok:
		parse, users := list(allowed["parse"]), list(allowed["users"])
		if len(parse) > 0 {
			bad("allowed_mentions lets Discord look for %v", parse)
		}
		if _, named := allowed["parse"]; !named && allowed["users"] == nil && allowed["roles"] == nil {
			bad("allowed_mentions without parse allows everything")
		}
		said := str(body["content"])
		for _, u := range users {
			if !strings.Contains(said, "<@"+str(u)+">") {
				bad("%v is to be pinged, and is not named in the content", u)
			}
		}
	}
	total := 0
	for i, e := range list(body["embeds"]) {
		e := e.(object)
		at := fmt.Sprintf("embeds[%d]", i)
		footer, _ := e["footer"].(object)
		author, _ := e["author"].(object)
		n := chars(e["title"]) + chars(e["description"]) + chars(footer["text"]) + chars(author["name"])
		for j, field := range list(e["fields"]) {
			field := field.(object)
			n += chars(field["name"]) + chars(field["value"])
			if chars(field["name"]) == 0 || chars(field["value"]) == 0 {
				bad("%s.fields[%d]: name and value are required", at, j)
			}
		}
		if n == 0 && e["image"] == nil && e["thumbnail"] == nil {
			bad("%s is empty", at)
		}
		total += n
		problems = append(problems, checkURL(at+".url", e["url"])...)
	}
	if total > 6000 {
		bad("embeds of %d characters in all, 6000 are allowed", total)
	}
	return append(problems, checkRows(list(body["components"]))...)
}

func checkURL(at string, v any) []string {
	if v == nil || v == "" {
		return nil
	}
	u, err := url.Parse(str(v))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return []string{at + ": not a well formed URL"}
	}
	return nil
}

// checkRows looks at rows of buttons; other parts of messages are not used.
func checkRows(rows []any) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if len(rows) > 5 {
		bad("%d rows of components, 5 are allowed", len(rows))
	}
	seen := map[string]bool{}
	for i, row := range rows {
		row := row.(object)
		if row["type"] != 1.0 {
			bad("components[%d] of type %v: only rows are known here", i, row["type"])
			continue
		}
		for j, b := range list(row["components"]) {
			b, at := b.(object), fmt.Sprintf("components[%d][%d]", i, j)
			id, link := str(b["custom_id"]), b["style"] == 5.0
			switch {
			case b["type"] != 2.0:
				bad("%s of type %v: only buttons are known here", at, b["type"])
			case link && (id != "" || b["url"] == nil), !link && (id == "" || b["url"] != nil):
				bad("%s: a button has a custom_id, or is a link and has a url", at)
			case id != "" && seen[id]:
				bad("%s: custom_id %q stands there twice", at, id)
			case chars(b["label"]) == 0 && b["emoji"] == nil:
				bad("%s: a button needs a label", at)
			}
			seen[id] = true
			problems = append(problems, checkURL(at+".url", b["url"])...)
		}
	}
	return problems
}

// maxFile is what a guild without boosts takes.
// Source: https://discord.com/developers/docs/reference#uploading-files
const maxFile = 10 << 20

func checkFiles(c *call) []string {
	var problems []string
	for _, one := range c.files {
		if len(one.data) > maxFile {
			problems = append(problems, fmt.Sprintf("file %s has %d bytes", one.name, len(one.data)))
		}
	}
	return problems
}

// checkModal says what Discord refuses of a form.
// Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object-modal
func checkModal(data object) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	parts := list(data["components"])
	if len(parts) > 5 {
		bad("a form of %d parts, 5 are allowed", len(parts))
	}
	seen := map[string]bool{}
	for _, p := range parts {
		p := p.(object)
		for _, in := range inputsOf(p) {
			id := str(in["custom_id"])
			if seen[id] {
				bad("custom_id %q stands there twice", id)
			}
			seen[id] = true
			label := in["label"]
			if p["type"] == 18.0 {
				label = p["label"]
				if in["label"] != nil {
					bad("%s: an input in a label has no label of its own", id)
				}
			}
			if chars(label) == 0 {
				bad("%s: an input needs a label", id)
			}
			most, ok := in["max_length"].(float64)
			if !ok {
				most = 4000
			}
			if least, _ := in["min_length"].(float64); least > most {
				bad("%s: min_length is above max_length", id)
			}
			if utf8.RuneCountInString(str(in["value"])) > int(most) {
				bad("%s: its value is longer than may be typed", id)
			}
			problems = append(problems, checkOptions(id, in)...)
		}
	}
	if len(seen) == 0 {
		bad("a form without an input")
	}
	return problems
}

func checkOptions(id string, in object) []string {
	if in["type"] != 3.0 {
		return nil
	}
	var problems []string
	options, chosen := list(in["options"]), 0
	seen := map[string]bool{}
	for _, o := range options {
		o := o.(object)
		if o["default"] == true {
			chosen++
		}
		if seen[str(o["value"])] {
			problems = append(problems, fmt.Sprintf("%s: option %q stands there twice", id, o["value"]))
		}
		seen[str(o["value"])] = true
	}
	most, ok := in["max_values"].(float64)
	if !ok {
		most = 1
	}
	if len(options) == 0 || len(options) > 25 || chosen > int(most) || int(most) > len(options) {
		problems = append(problems, fmt.Sprintf("%s: %d options, of which %d are chosen and %v may be", id, len(options), chosen, most))
	}
	return problems
}

// inputsOf are the inputs in a part of a form.
func inputsOf(p object) []object {
	if p["type"] == 18.0 {
		return []object{p["component"].(object)}
	}
	var out []object
	for _, in := range list(p["components"]) {
		out = append(out, in.(object))
	}
	return out
}

var commandName = regexp.MustCompile(`^[-_\p{Ll}\p{Lo}\p{N}]{1,32}$`)

// checkCommand says what Discord refuses of a command.
// Source: https://discord.com/developers/docs/interactions/application-commands
func checkCommand(cmd object) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	size := 0
	var walk func(at string, o object, depth int)
	walk = func(at string, o object, depth int) {
		name := str(o["name"])
		at += "/" + name
		size += utf8.RuneCountInString(name) + utf8.RuneCountInString(str(o["description"]))
		if !commandName.MatchString(name) {
			bad("%s: not a name", at)
		}
		if chars(o["description"]) == 0 {
			bad("%s: no description", at)
		}
		optional, parts, values := false, 0, 0
		seen := map[string]bool{}
		options := list(o["options"])
		if len(options) > 25 {
			bad("%s: %d options", at, len(options))
		}
		for _, in := range options {
			in := in.(object)
			if seen[str(in["name"])] {
				bad("%s/%v stands there twice", at, in["name"])
			}
			seen[str(in["name"])] = true
			switch kind := in["type"]; kind {
			case 1.0, 2.0:
				parts++
				if depth > 0 && (kind == 2.0 || depth > 1 || o["type"] != 2.0) {
					bad("%s/%v: groups hold subcommands alone, and subcommands options alone", at, in["name"])
				}
			default:
				values++
				if in["required"] == true && optional {
					bad("%s/%v: required options come before optional ones", at, in["name"])
				}
				optional = optional || in["required"] != true
				if in["autocomplete"] == true && len(list(in["choices"])) > 0 {
					bad("%s/%v: choices and autocomplete exclude each other", at, in["name"])
				}
				for _, choice := range list(in["choices"]) {
					size += utf8.RuneCountInString(fmt.Sprint(choice.(object)["name"], choice.(object)["value"]))
				}
			}
			walk(at, in, depth+1)
		}
		if parts > 0 && values > 0 {
			bad("%s: options beside subcommands", at)
		}
		if o["type"] == 2.0 && values > 0 {
			bad("%s: a group with options", at)
		}
	}
	walk("", cmd, 0)
	if size > 8000 {
		bad("the command has %d characters, 8000 are allowed", size)
	}
	return problems
}
