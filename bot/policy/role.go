package policy

import "strings"

// role is a named set of commands.
type role struct {
	name     string
	at       pos
	allow    set
	include  []textItem
	commands set // allowed here and by what is included
	used     bool
	broken   bool
}

// roleSection reads `roles`.
func (l *loader) roleSection(n node) {
	for _, f := range l.entries(n, "`roles`") {
		name, ok := l.name(f.key, "a role")
		if !ok {
			continue
		}
		before := len(l.problems)
		r := role{name: name, at: f.key.pos()}
		if m, ok := l.mapping(f.value, "a role", "include", "allow"); ok {
			if len(m.fields) == 0 && len(l.problems) == before {
				l.errorf(r.at, "the role `%s` allows nothing: give it `allow` or `include`", name)
			}
			r.include = l.texts(m.value("include"), "`include`")
			r.allow = l.commandsOf(m.value("allow"), "`allow`")
		}
		r.broken = len(l.problems) > before || f.value.absent()
		l.roleAt[name] = len(l.roles)
		l.roles = append(l.roles, r)
	}
	for i := range l.roles {
		l.resolveIncludes(i)
	}
	visits := make([]visit, len(l.roles))
	for i := range l.roles {
		l.closeRole(i, visits, nil)
	}
}

func (l *loader) resolveIncludes(i int) {
	r := &l.roles[i]
	var known []textItem
	for _, item := range r.include {
		included, ok := l.roleAt[item.value]
		if !ok {
			l.errorf(item.at, "unknown role `%s`%s", clip(item.value), didYouMean(item.value, l.roleNames()))
			r.broken = true
			continue
		}
		if included != i {
			l.roles[included].used = true
		}
		known = append(known, item)
	}
	r.include = known
}

// visit is how far the walk over the included roles has come.
type visit int8

const (
	fresh visit = iota
	walking
	walked
)

// closeRole adds the commands of the included roles, and reports a cycle where
// it closes.
func (l *loader) closeRole(i int, visits []visit, path []string) {
	r := &l.roles[i]
	if visits[i] == walked {
		return
	}
	visits[i] = walking
	path = append(path, r.name)
	r.commands.addAll(r.allow)
	for _, item := range r.include {
		included := l.roleAt[item.value]
		if visits[included] == walking {
			l.errorf(item.at, "the roles include each other in a cycle: %s", cycle(path, item.value))
			r.broken = true
			continue
		}
		l.closeRole(included, visits, path)
		r.commands.addAll(l.roles[included].commands)
		r.broken = r.broken || l.roles[included].broken
	}
	visits[i] = walked
}

// cycle prints the part of the path that begins with name, and name again.
func cycle(path []string, name string) string {
	for i, step := range path {
		if step == name {
			path = path[i:]
			break
		}
	}
	return strings.Join(path, " → ") + " → " + name
}

func (l *loader) roleNames() []string {
	names := make([]string, len(l.roles))
	for i, r := range l.roles {
		names[i] = r.name
	}
	return names
}
