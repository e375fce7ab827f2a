package policy

import (
	"fmt"
	"strings"
)

// person is somebody the policy knows.
type person struct {
	name     string
	at       pos
	accounts []Account
}

func (p *person) on(platform string) bool {
	for _, a := range p.accounts {
		if a.Platform == platform {
			return true
		}
	}
	return false
}

// group is a list of people, or what a platform calls one.
type group struct {
	name     string
	at       pos
	members  []string
	people   set // members, or who could be one: those with an account there
	platform string
	id       string
	used     bool
	broken   bool // has an error of its own
	empty    bool // which is that it lists nobody
}

func (g *group) lookedUp() bool { return g.platform != "" }

// peopleSection reads `people`.
func (l *loader) peopleSection(n node) {
	entries := l.entries(n, "`people`")
	if len(entries) == 0 && n.isMapping() && len(n.y.Content) == 0 {
		l.errorf(n.pos(), "`people` names nobody")
	}
	for _, f := range entries {
		name, ok := l.name(f.key, "a person")
		if !ok {
			continue
		}
		index := len(l.snap.people)
		p := person{name: name, at: f.key.pos()}
		accounts := l.entries(f.value, "the accounts of `"+name+"`")
		if !f.value.absent() && f.value.isMapping() && len(f.value.y.Content) == 0 {
			l.errorf(p.at, "`%s` has no account: write %s: {slack: T01TEAM/U07ANA}", name, name)
		}
		for _, a := range accounts {
			platform := a.key.y.Value
			if err := checkPlatform(platform); err != nil {
				l.errorf(a.key.pos(), "%v", err)
				continue
			}
			id, ok := l.text(a.value, "the "+platform+" account of `"+name+"`")
			if !ok {
				continue
			}
			if err := checkAccount(platform, id); err != nil {
				l.errorf(a.value.pos(), "%v", err)
				continue
			}
			account := Account{platform, id}
			if owner, ok := l.snap.accountAt[account]; ok {
				other := l.snap.people[owner]
				l.errorf(a.value.pos(), "the %s account %s of `%s` is already the account of `%s` (line %d)", platform, id, name, other.name, other.at.line)
				continue
			}
			l.snap.accountAt[account] = index
			p.accounts = append(p.accounts, account)
		}
		l.snap.personAt[name] = index
		l.snap.people = append(l.snap.people, p)
	}
}

func checkAccount(platform, id string) error {
	switch platform {
	case platformSlack:
		team, user, ok := strings.Cut(id, "/")
		if !ok || !slackID(team, "TE") || !slackID(user, "UW") {
			return fmt.Errorf("`%s` is no Slack account: write T01TEAM/U07ANA, the IDs of the team and the member", clip(id))
		}
	case platformDiscord:
		if !snowflake(id) {
			return fmt.Errorf("`%s` is no Discord account: write the user's ID in quotes, \"118200000000000077\"", clip(id))
		}
	}
	return nil
}

// The two ways to name a group that a platform keeps.
const (
	slackUsergroup = "slack_usergroup"
	discordRole    = "discord_role"
)

// groupSection reads `groups`.
func (l *loader) groupSection(n node) {
	for _, f := range l.entries(n, "`groups`") {
		name, ok := l.name(f.key, "a group")
		if !ok {
			continue
		}
		before := len(l.problems)
		g := group{name: name, at: f.key.pos()}
		if p, ok := l.snap.personAt[name]; ok {
			l.errorf(g.at, "`%s` is a person already (line %d): a group needs another name", name, l.snap.people[p].at.line)
		}
		switch {
		case f.value.absent():
		case f.value.isMapping():
			l.lookedUpGroup(f.value, &g)
		case len(f.value.items()) == 0 && f.value.isList():
			l.errorf(g.at, "the group `%s` is empty", name)
			g.empty = true
		default:
			l.listedGroup(f.value, &g)
		}
		g.broken = len(l.problems) > before || f.value.absent()
		l.snap.groupAt[name] = len(l.snap.groups)
		l.snap.groups = append(l.snap.groups, g)
	}
}

func (l *loader) listedGroup(n node, g *group) {
	for _, item := range l.texts(n, "the group `"+g.name+"`") {
		p, ok := l.snap.personAt[item.value]
		if !ok {
			hint := didYouMean(item.value, l.snap.People())
			if _, isGroup := l.snap.groupAt[item.value]; isGroup {
				hint = ": it is a group, and a group lists people"
			}
			l.errorf(item.at, "unknown person `%s`%s", clip(item.value), hint)
			continue
		}
		g.members = append(g.members, item.value)
		g.people.add(p)
	}
}

func (l *loader) lookedUpGroup(n node, g *group) {
	m, _ := l.mapping(n, "a group that a platform keeps", slackUsergroup, discordRole)
	if len(m.fields) > 1 {
		l.errorf(n.pos(), "the group `%s` is either a %s or a %s, not both", g.name, slackUsergroup, discordRole)
		return
	}
	if len(n.y.Content) == 0 {
		l.errorf(g.at, "the group `%s` is empty: list people, or name a %s or a %s", g.name, slackUsergroup, discordRole)
	}
	if id, ok := l.text(m.value(slackUsergroup), "`"+slackUsergroup+"`"); ok {
		team, usergroup, ok := strings.Cut(id, "/")
		if !ok || !slackID(team, "TE") || !slackID(usergroup, "S") {
			l.errorf(m.value(slackUsergroup).pos(), "`%s` is no Slack user group: write T01TEAM/S0ONCALL, the IDs of the team and the group", clip(id))
			return
		}
		g.platform, g.id = platformSlack, id
	}
	if id, ok := l.text(m.value(discordRole), "`"+discordRole+"`"); ok {
		guild, role, ok := strings.Cut(id, "/")
		if !ok || !snowflake(guild) || !snowflake(role) {
			l.errorf(m.value(discordRole).pos(), "`%s` is no Discord role: write \"GUILD/ROLE\", the IDs of the server and the role", clip(id))
			return
		}
		g.platform, g.id = platformDiscord, id
	}
	for i := range l.snap.people {
		if l.snap.people[i].on(g.platform) {
			g.people.add(i)
		}
	}
}

// party is a list of people and groups: the `to`, `who` or `by` of a rule.
type party struct {
	at     pos
	names  []string
	people set   // those named, and those in groups that the file lists
	looked []int // looked-up groups
	shaky  bool  // names something that is itself wrong
}

// party reads a list of people and groups.
func (l *loader) party(n node, what string) *party {
	if n.absent() {
		return nil
	}
	p := &party{at: n.pos()}
	for _, item := range l.texts(n, what) {
		if i, ok := l.snap.personAt[item.value]; ok {
			p.people.add(i)
			p.names = append(p.names, item.value)
			p.shaky = p.shaky || len(l.snap.people[i].accounts) == 0
			continue
		}
		i, ok := l.snap.groupAt[item.value]
		if !ok {
			l.errorf(item.at, "unknown group or person `%s`%s", clip(item.value), didYouMean(item.value, l.partyNames()))
			continue
		}
		g := &l.snap.groups[i]
		g.used = true
		p.names = append(p.names, g.name)
		p.shaky = p.shaky || g.broken
		if g.lookedUp() {
			p.looked = append(p.looked, i)
			continue
		}
		p.people.addAll(g.people)
	}
	return p
}

func (l *loader) partyNames() []string {
	names := l.snap.People()
	for _, g := range l.snap.groups {
		names = append(names, g.name)
	}
	return names
}

// possible returns everybody who could match: a looked-up group may hold
// anybody with an account on its platform.
func (s *Snapshot) possible(p *party) (all set) {
	all.addAll(p.people)
	for _, g := range p.looked {
		all.addAll(s.groups[g].people)
	}
	return all
}

// membership tells whether a person matches. The group is the one whose
// look-up is missing, for Unknown.
func (s *Snapshot) membership(p *party, person int, member map[string]Membership) (Membership, string) {
	if p.people.has(person) {
		return Yes, ""
	}
	unknown := ""
	for _, i := range p.looked {
		g := &s.groups[i]
		if !g.people.has(person) {
			continue
		}
		switch member[g.name] {
		case Yes:
			return Yes, ""
		case No:
		default:
			unknown = g.name
		}
	}
	if unknown != "" {
		return Unknown, unknown
	}
	return No, ""
}
