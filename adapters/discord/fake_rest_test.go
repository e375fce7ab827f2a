package discord_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"
)

// message is something that was said.
type message struct {
	id, channel   string
	author        string
	to            string // the one person who sees it; "": all in the channel
	text          string
	embeds        []any
	components    []any
	files         []file
	nonce         string
	reply         string // the message that it answers
	flags         int
	thinking      bool // a deferral that nothing has replaced
	deleted       bool
	at, edited    time.Time
	made, changed uint64 // serials of the first and the last change
	buttons       []shownButton
}

// shownButton is a button that a message has, or had.
type shownButton struct {
	label, code, url string
	style            int
	live             bool
}

const ephemeral = 1 << 6

// nonceFor is how long the same nonce is the same message.
// Source: https://discord.com/developers/docs/resources/message#create-message ("a few minutes")
const nonceFor = 3 * time.Minute

var noContent = answer{status: http.StatusNoContent}

// answer does what a call asks for. The caller holds mu.
func (f *fake) answer(c *call) answer {
	switch c.route {
	case "GET /gateway":
		return yes(object{"url": f.gatewayURL("gateway")})
	case "GET /gateway/bot":
		return yes(object{"url": f.gatewayURL("gateway"), "shards": 1, "session_start_limit": object{
			"total": 1000, "remaining": 1000 - f.spent, "reset_after": f.resetAfter.Milliseconds(), "max_concurrency": 1,
		}})
	case "GET /oauth2/applications/@me", "GET /applications/@me":
		var url any
		if f.endpointURL != "" {
			url = f.endpointURL
		}
		return yes(object{
			"id": appID, "name": "hosterbot", "description": "", "bot_public": f.public, "bot_require_code_grant": false, "verify_key": f.verifyKey(),
			"interactions_endpoint_url": url, "flags": 0, "bot": f.people[botUser].json(), "owner": f.people[userID("ana")].json(),
		})
	case "GET /users/@me":
		return yes(f.people[botUser].json())
	case "GET /users/@me/guilds":
		var out []any
		for _, id := range []string{guildID, otherGuild} {
			if g := f.guilds[id]; !g.absent {
				out = append(out, object{"id": g.id, "name": g.name, "owner": false, "permissions": bits(botPerms), "features": []any{}})
			}
		}
		return yes(out)
	case "POST /users/@me/channels":
		u := f.people[str(c.body["recipient_id"])]
		if u == nil || u.bot {
			return no(http.StatusBadRequest, 50033, "Invalid Recipient(s)")
		}
		return yes(f.channelJSON(f.directWith(u)))
	case "GET /users/{user_id}":
		if u := f.people[c.ids["user_id"]]; u != nil {
			return yes(u.json())
		}
		return no(http.StatusNotFound, 10013, "Unknown User")
	}
	switch {
	case c.ids["interaction_id"] != "":
		return f.callback(c)
	case c.ids["webhook_id"] != "":
		return f.webhook(c)
	case c.ids["application_id"] != "":
		return f.commandCall(c)
	case c.ids["guild_id"] != "":
		return f.guildCall(c)
	case c.ids["channel_id"] != "":
		return f.channelCall(c)
	}
	f.tb.Errorf("%s is not known here", c.route)
	return no(http.StatusNotFound, 0, "404: Not Found")
}

func (f *fake) guildCall(c *call) answer {
	g := f.guilds[c.ids["guild_id"]]
	if g == nil || g.absent {
		return no(http.StatusNotFound, 10004, "Unknown Guild")
	}
	switch c.route {
	case "GET /guilds/{guild_id}":
		return yes(f.guildJSON(g))
	case "GET /guilds/{guild_id}/roles":
		return yes(f.guildJSON(g)["roles"])
	case "GET /guilds/{guild_id}/channels", "GET /guilds/{guild_id}/threads/active":
		threads := strings.HasSuffix(c.route, "active")
		out := []any{}
		for _, ch := range f.channels {
			if ch.guild == g.id && threads == (ch.kind == threadChannel) && !ch.archived && !ch.deleted {
				out = append(out, f.channelJSON(ch))
			}
		}
		if threads {
			return yes(object{"threads": out, "members": []any{}})
		}
		return yes(out)
	case "GET /guilds/{guild_id}/members/{user_id}":
		if _, there := g.members[c.ids["user_id"]]; there {
			return yes(f.memberJSON(g, c.ids["user_id"], nil))
		}
		return no(http.StatusNotFound, 10007, "Unknown Member")
	}
	f.tb.Errorf("%s is not known here", c.route)
	return no(http.StatusNotFound, 0, "404: Not Found")
}

// channelCall is what happens in a channel.
func (f *fake) channelCall(c *call) answer {
	ch := f.channels[c.ids["channel_id"]]
	if ch == nil || ch.deleted {
		return no(http.StatusNotFound, 10003, "Unknown Channel")
	}
	if f.perms(ch, botUser)&discordgo.PermissionViewChannel == 0 {
		return no(http.StatusForbidden, 50001, "Missing Access")
	}
	switch c.route {
	case "GET /channels/{channel_id}":
		return yes(f.channelJSON(ch))
	case "PATCH /channels/{channel_id}":
		return f.editChannel(c, ch)
	case "GET /channels/{channel_id}/messages":
		return f.history(c, ch)
	case "POST /channels/{channel_id}/messages":
		return f.post(c, ch)
	case "PUT /channels/{channel_id}/thread-members/@me", "DELETE /channels/{channel_id}/thread-members/@me":
		switch {
		case ch.kind != threadChannel:
			return no(http.StatusBadRequest, 50024, "Cannot execute action on this channel type")
		case ch.archived:
			return no(http.StatusBadRequest, 50083, "Thread is archived")
		}
		return noContent
	}
	m := f.message(ch.id, c.ids["message_id"])
	if m == nil {
		return no(http.StatusNotFound, 10008, "Unknown Message")
	}
	switch c.route {
	case "GET /channels/{channel_id}/messages/{message_id}":
		if f.perms(ch, botUser)&discordgo.PermissionReadMessageHistory == 0 {
			return no(http.StatusForbidden, 50013, "Missing Permissions")
		}
		return yes(f.messageJSON(m))
	case "PATCH /channels/{channel_id}/messages/{message_id}":
		return f.edit(c, ch, m)
	case "DELETE /channels/{channel_id}/messages/{message_id}":
		if m.author != botUser {
			return no(http.StatusForbidden, 50013, "Missing Permissions")
		}
		f.drop(m)
		return noContent
	case "POST /channels/{channel_id}/messages/{message_id}/threads":
		return f.beginThread(c, ch, m)
	}
	f.tb.Errorf("%s is not known here", c.route)
	return no(http.StatusNotFound, 0, "404: Not Found")
}

// message finds a message that everybody in a channel sees: private answers
// are not there for the API.
func (f *fake) message(channel, id string) *message {
	for _, m := range f.messages {
		if m.channel == channel && m.id == id && !m.deleted && (m.to == "" || f.channels[channel].kind == directChannel) {
			return m
		}
	}
	return nil
}

// mayPost tells why the bot may not post in a channel.
func (f *fake) mayPost(c *call, ch *channel) (refusal answer, refused bool) {
	perms, need := f.perms(ch, botUser), int64(discordgo.PermissionSendMessages)
	if ch.kind == threadChannel {
		need = discordgo.PermissionSendMessagesInThreads
	}
	if len(c.files) > 0 {
		need |= discordgo.PermissionAttachFiles
	}
	if str(object(c.body)["content"]) == "" && len(list(c.body["embeds"])) > 0 {
		need |= discordgo.PermissionEmbedLinks
	}
	switch {
	case perms&need != need:
		return no(http.StatusForbidden, 50013, "Missing Permissions"), true
	case ch.kind == forumChannel:
		return no(http.StatusBadRequest, 40058, "Cannot send a message in a forum channel"), true
	case c.body["message_reference"] != nil && perms&discordgo.PermissionReadMessageHistory == 0:
		return no(http.StatusBadRequest, 160002, "Cannot reply without permission to read message history"), true
	case ch.kind == directChannel && f.people[ch.person].deaf:
		return no(http.StatusForbidden, 50007, "Cannot send messages to this user"), true
	case ch.kind == threadChannel && ch.locked && ch.archived:
		return no(http.StatusBadRequest, 50083, "Thread is archived"), true
	case ch.kind == threadChannel && ch.locked:
		return no(http.StatusBadRequest, 160005, "Thread is locked"), true
	}
	return answer{}, false
}

// post puts a message into a channel.
func (f *fake) post(c *call, ch *channel) answer {
	nonce := str(c.body["nonce"])
	if nonce == "" || c.body["enforce_nonce"] != true {
		f.tb.Errorf("a post without a nonce that is enforced: it would stand twice if it were sent again")
	}
	if refusal, refused := f.mayPost(c, ch); refused {
		return refusal
	}
	for _, m := range f.messages {
		if m.nonce == nonce && nonce != "" && f.clock.Now().Sub(m.at) < nonceFor {
			if m.channel != ch.id {
				f.tb.Errorf("a nonce of one channel is used in another")
			}
			return yes(f.postedJSON(m))
		}
	}
	problems := f.check(c, true)
	if len(problems) > 0 {
		return invalid(problems)
	}
	if bare(c.body, c.files) {
		return no(http.StatusBadRequest, 50006, "Cannot send an empty message")
	}
	m := &message{channel: ch.id, author: botUser, nonce: nonce}
	if r, ok := c.body["message_reference"].(object); ok {
		m.reply = str(r["message_id"])
		if f.message(ch.id, m.reply) == nil {
			if r["fail_if_not_exists"] != false {
				return invalid([]string{"message_reference: Unknown message"})
			}
			m.reply = ""
		}
	}
	if ch.kind == directChannel {
		m.to = ch.person
	}
	ch.archived = false // a message opens a thread again
	f.write(m, c)
	return yes(f.postedJSON(f.keep(m)))
}

// bare tells whether a message would be empty.
func bare(body object, files []file) bool {
	return strings.TrimSpace(str(body["content"])) == "" && len(list(body["embeds"])) == 0 && len(list(body["components"])) == 0 && len(files) == 0
}

// write takes over what a body says of a message; what it does not name stays
// as it is, and null leaves components as they are.
func (f *fake) write(m *message, c *call) {
	body := c.body
	if v, ok := body["content"]; ok {
		m.text = str(v)
	}
	if v, ok := body["embeds"]; ok {
		m.embeds = list(v)
	}
	if v, ok := body["components"]; ok && v != nil {
		m.components = list(v)
	}
	if n, ok := body["flags"].(float64); ok {
		m.flags = m.flags&ephemeral | int(n)&^ephemeral
	}
	m.files = append(m.files, c.files...)
	m.thinking = false
}

func (f *fake) keep(m *message) *message {
	m.id, m.at = f.id(), f.clock.Now()
	f.messages = append(f.messages, m)
	f.touched(m)
	m.made = m.changed
	return m
}

// touched notes that a message is new or was edited, and which buttons it has
// now.
func (f *fake) touched(m *message) {
	f.serial++
	m.changed = f.serial
	for i := range m.buttons {
		m.buttons[i].live = false
	}
	for _, row := range m.components {
		for _, b := range list(row.(object)["components"]) {
			b := b.(object)
			style, _ := b["style"].(float64)
			now := shownButton{str(b["label"]), str(b["custom_id"]), str(b["url"]), int(style), b["disabled"] != true}
			m.buttons = append(slices.DeleteFunc(m.buttons, func(o shownButton) bool { return o.code == now.code && o.label == now.label }), now)
		}
	}
}

func (f *fake) drop(m *message) {
	m.deleted = true
	f.serial++
	m.changed = f.serial
}

// Edits of a message that is older than an hour are few.
// Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json (30046)
const (
	oldAfter = time.Hour
	oldMost  = 3 // in a row; Discord does not say how many
)

func (f *fake) edit(c *call, ch *channel, m *message) answer {
	switch {
	case m.author != botUser:
		return no(http.StatusForbidden, 50005, "Cannot edit a message authored by another user")
	case ch.archived:
		return no(http.StatusBadRequest, 50083, "Thread is archived")
	case f.clock.Now().Sub(m.at) > oldAfter && f.clock.Now().Sub(m.edited) < time.Minute:
		if f.edits[m.id]++; f.edits[m.id] >= oldMost && !f.unpaced {
			return no(http.StatusTooManyRequests, 30046, "Maximum number of edits to messages older than 1 hour reached. Try again later.")
		}
	default:
		f.edits[m.id] = 0
	}
	if problems := f.check(c, true); len(problems) > 0 {
		return invalid(problems)
	}
	f.write(m, c)
	m.edited = f.clock.Now()
	f.touched(m)
	return yes(f.messageJSON(m))
}

// beginThread begins the thread of a message, which has its ID.
func (f *fake) beginThread(c *call, ch *channel, m *message) answer {
	switch {
	case ch.kind != textChannel:
		return no(http.StatusBadRequest, 50024, "Cannot execute action on this channel type")
	case f.perms(ch, botUser)&discordgo.PermissionCreatePublicThreads == 0:
		return no(http.StatusForbidden, 50013, "Missing Permissions")
	case f.channels[m.id] != nil && !f.channels[m.id].deleted:
		return no(http.StatusBadRequest, 160004, "A thread has already been created for this message")
	case strings.TrimSpace(str(c.body["name"])) == "":
		return invalid([]string{"name: This field is required"})
	}
	t := &channel{id: m.id, guild: ch.guild, name: str(c.body["name"]), kind: threadChannel, parent: ch.id}
	f.channels[t.id] = t
	return answer{http.StatusCreated, f.channelJSON(t)}
}

// editChannel opens and shuts threads; nothing else of a channel is the bot's.
func (f *fake) editChannel(c *call, ch *channel) answer {
	if ch.kind != threadChannel {
		return no(http.StatusForbidden, 50013, "Missing Permissions")
	}
	for name, v := range c.body {
		switch name {
		case "archived":
			if ch.locked {
				return no(http.StatusForbidden, 50013, "Missing Permissions")
			}
			ch.archived = v == true
		default:
			f.tb.Errorf("a thread's %s is changed: two renames in ten minutes are all that Discord allows", name)
		}
	}
	return yes(f.channelJSON(ch))
}

func (f *fake) history(c *call, ch *channel) answer {
	if f.perms(ch, botUser)&discordgo.PermissionReadMessageHistory == 0 {
		return yes([]any{})
	}
	most, err := strconv.Atoi(c.URL.Query().Get("limit"))
	if err != nil {
		most = 50
	}
	out := []any{}
	for _, m := range slices.Backward(f.messages) {
		if len(out) < most && m.channel == ch.id && f.message(ch.id, m.id) == m {
			out = append(out, f.messageJSON(m))
		}
	}
	return yes(out)
}

// messageJSON is a message as Discord tells of it. Without the intent for it,
// an application reads the content of its own messages alone.
func (f *fake) messageJSON(m *message) object {
	text, embeds, components := m.text, m.embeds, m.components
	if m.author != botUser {
		text, embeds, components = "", nil, nil
	}
	var edited any
	if !m.edited.IsZero() {
		edited = f.stamp(m.edited)
	}
	kind, files := 0, []any{}
	for i, one := range m.files {
		files = append(files, object{"id": strconv.Itoa(i + 1), "filename": one.name, "size": len(one.data), "url": f.base + "/attachment", "proxy_url": f.base + "/attachment"})
	}
	flags := m.flags
	if m.thinking {
		flags |= 1 << 7
	}
	out := object{
		"id": m.id, "channel_id": m.channel, "author": f.people[m.author].json(), "content": text, "timestamp": f.stamp(m.at), "edited_timestamp": edited,
		"tts": false, "mention_everyone": false, "mentions": []any{}, "mention_roles": []any{}, "attachments": files,
		"embeds": notNil(embeds), "components": notNil(components), "pinned": false, "flags": flags, "type": kind, "application_id": appID,
	}
	if m.reply != "" {
		out["type"], out["message_reference"] = 19, object{"message_id": m.reply, "channel_id": m.channel}
	}
	return out
}

// postedJSON is the answer to a post. It alone has the nonce, which Discord
// does not keep.
func (f *fake) postedJSON(m *message) object {
	out := f.messageJSON(m)
	out["nonce"] = m.nonce
	return out
}

func notNil(l []any) []any {
	if l == nil {
		return []any{}
	}
	return l
}
