package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The platforms on which the policy knows people and places. The console and
// the demo are none: who sits there has no account to check.
const (
	platformSlack   = "slack"
	platformDiscord = "discord"
)

var platforms = []string{platformSlack, platformDiscord}

// direct is how the policy writes a private conversation with the bot.
const direct = "direct"

// Place is where something was said. A thread counts as its channel.
type Place struct {
	Platform string // "slack", "discord"
	Team     string // Slack team or Discord guild
	Channel  string
	Direct   bool // a private conversation with the bot
	Shared   bool // has outsiders: served only where a grant's `in` names it
}

// String returns the place as the policy writes it: "slack:T01TEAM/C0OPS" or
// "direct".
func (p Place) String() string {
	if p.Direct {
		return direct
	}
	return p.Platform + ":" + p.Team + "/" + p.Channel
}

// is tells whether both are one place; Shared is a property of a place, not
// part of its name.
func (p *Place) is(o *Place) bool {
	if p.Direct || o.Direct {
		return p.Direct == o.Direct
	}
	return p.Channel == o.Channel && p.Team == o.Team && p.Platform == o.Platform
}

// key returns the place as a key of a map.
func (p Place) key() Place {
	if p.Direct {
		return Place{Direct: true}
	}
	return Place{Platform: p.Platform, Team: p.Team, Channel: p.Channel}
}

// reachable tells whether the account can be in the place: on Slack that
// takes an account in its team, or in the enterprise above it.
func (p Place) reachable(a Account) bool {
	if p.Platform != a.Platform {
		return false
	}
	team, _, _ := strings.Cut(a.ID, "/")
	return p.Platform != platformSlack || team == p.Team || strings.HasPrefix(team, "E")
}

// ParsePlace reads what String prints. The error is a whole sentence.
func ParsePlace(s string) (Place, error) {
	if s == direct {
		return Place{Direct: true}, nil
	}
	platform, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Place{}, fmt.Errorf("`%s` is no place: write slack:T01TEAM/C0OPS, discord:GUILD/CHANNEL or direct%s", clip(s), didYouMean(s, []string{direct}))
	}
	if err := checkPlatform(platform); err != nil {
		return Place{}, err
	}
	team, channel, ok := strings.Cut(rest, "/")
	if platform == platformSlack {
		if ok && slackID(team, "TE") && slackID(channel, "D") {
			return Place{}, fmt.Errorf("`%s` is a private conversation: write direct", clip(s))
		}
		if !ok || !slackID(team, "TE") || !slackID(channel, "CG") {
			return Place{}, fmt.Errorf("`%s` is no Slack channel: write slack:T01TEAM/C0OPS, the IDs of the team and the channel", clip(s))
		}
	}
	if platform == platformDiscord && (!ok || !snowflake(team) || !snowflake(channel)) {
		return Place{}, fmt.Errorf("`%s` is no Discord channel: write discord:GUILD/CHANNEL, the IDs of the server and the channel", clip(s))
	}
	return Place{Platform: platform, Team: team, Channel: channel}, nil
}

// checkPlatform refuses what is no platform of a policy.
func checkPlatform(name string) error {
	switch name {
	case platformSlack, platformDiscord:
		return nil
	case "console", "demo", "web":
		return fmt.Errorf("`%s` is no platform of a policy: people and places are known on slack and discord", clip(name))
	}
	return fmt.Errorf("unknown platform `%s`%s", clip(name), didYouMean(name, platforms))
}

// slackID tells whether s is a Slack ID with one of these first letters.
// Source: https://api.slack.com/ "Working with IDs": upper-case letters and
// digits, the first of which tells the kind.
func slackID(s, first string) bool {
	if len(s) < 2 || len(s) > 32 || !strings.Contains(first, s[:1]) {
		return false
	}
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

// snowflake tells whether s is a Discord ID: an unsigned 64-bit number.
// Source: https://discord.com/developers/docs/reference#snowflakes
func snowflake(s string) bool {
	if !digits(s) || s[0] == '0' {
		return false
	}
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// placesOf reads a list of places; noDirect tells why a private conversation
// is not accepted, "" where it is.
func (l *loader) placesOf(n node, what, noDirect string) []Place {
	var places []Place
	for _, item := range l.placeTexts(n, what) {
		if p, ok := l.place(item, noDirect); ok {
			places = append(places, p)
		}
	}
	return places
}

// placeTexts is texts with a hint for `[slack: T/C]`, which YAML reads as a
// mapping.
func (l *loader) placeTexts(n node, what string) []textItem {
	spaced := false
	for _, item := range n.items() {
		if item.isMapping() {
			l.errorf(item.pos(), "a place has no space after the colon: write slack:T01TEAM/C0OPS")
			spaced = true
		}
	}
	if spaced {
		return nil
	}
	return l.texts(n, what)
}

func (l *loader) place(item textItem, noDirect string) (Place, bool) {
	p, err := ParsePlace(item.value)
	if err != nil {
		l.errorf(item.at, "%v", err)
		return Place{}, false
	}
	if p.Direct && noDirect != "" {
		l.errorf(item.at, "%s", noDirect)
		return Place{}, false
	}
	return p, true
}

// want notes channels in which the bot has to post.
func (l *loader) want(places ...Place) {
	for _, p := range places {
		if p != (Place{}) && !p.Direct && !slices.Contains(l.snap.channels, p) {
			l.snap.channels = append(l.snap.channels, p)
		}
	}
}
