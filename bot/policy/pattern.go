package policy

import "strings"

// learn reads the vocabulary.
func (l *loader) learn(commands []Command) {
	seen := make(map[string]bool)
	for i, c := range commands {
		l.snap.commandAt[c.Name] = i
		l.snap.commands = append(l.snap.commands, command{Command: c, facts: factSet(c.Facts)})
	}
	for _, e := range grantable {
		l.patterns = append(l.patterns, "all "+string(e))
	}
	for i := range l.snap.commands {
		c := &l.snap.commands[i]
		if c.Effect != Open {
			l.patterns = append(l.patterns, c.Name)
		}
		noun := c.noun()
		if noun == "" {
			continue
		}
		if !seen[noun] {
			seen[noun] = true
			l.nouns = append(l.nouns, noun)
		}
		if pattern := noun + " " + string(c.Effect); grantableEffect(c.Effect) && !seen[pattern] {
			seen[pattern] = true
			l.patterns = append(l.patterns, pattern)
		}
	}
}

func grantableEffect(e Effect) bool {
	for _, g := range grantable {
		if e == g {
			return true
		}
	}
	return false
}

// commandsOf reads a list of commands: "vm delete", "all reads", "vm reads".
func (l *loader) commandsOf(n node, what string) (commands set) {
	for _, item := range l.texts(n, what) {
		commands.addAll(l.pattern(item))
	}
	return commands
}

// pattern returns the commands that an item names, none after an error.
func (l *loader) pattern(item textItem) (commands set) {
	words := strings.Fields(item.value)
	written := strings.Join(words, " ")
	if i, ok := l.snap.commandAt[written]; ok {
		if l.snap.commands[i].Effect == Open {
			l.errorf(item.at, "`%s` is open to everyone: no rule can name it", written)
			return nil
		}
		commands.add(i)
		return commands
	}
	if strings.Contains(written, "*") {
		l.errorf(item.at, "there is no `*`: name a command, or an effect such as `all reads` or `vm reads`")
		return nil
	}
	if len(words) == 2 && (words[0] == "all" || contains(l.nouns, words[0])) {
		switch effect := Effect(words[1]); {
		case effect == Controls:
			l.errorf(item.at, "`%s` is not possible: commands that control the bot are named one by one: %s", written, enumerate(quoted(l.named(Controls)), "and"))
			return nil
		case effect == Open:
			l.errorf(item.at, "`%s` is not possible: commands that are open to everyone need no grant", written)
			return nil
		case grantableEffect(effect):
			for i := range l.snap.commands {
				c := &l.snap.commands[i]
				if c.Effect == effect && (words[0] == "all" || c.noun() == words[0]) {
					commands.add(i)
				}
			}
			if commands.len() == 0 {
				l.errorf(item.at, "`%s` names nothing: no command of `%s` has the effect %s", written, words[0], effect)
			}
			return commands
		}
	}
	if written == "all" || len(words) == 2 && words[0] == "all" {
		l.errorf(item.at, "unknown effect in `%s`%s; effects are %s", clip(written), didYouMean(written, l.patterns), enumerate(effectNames(), "and"))
		return nil
	}
	hint := didYouMean(written, l.patterns)
	if hint == "" && contains(l.nouns, written) {
		hint = ": write the whole command, or an effect such as `" + written + " reads`"
	}
	l.errorf(item.at, "unknown command `%s`%s", clip(written), hint)
	return nil
}

// named returns the commands of an effect.
func (l *loader) named(e Effect) (names []string) {
	for i := range l.snap.commands {
		if l.snap.commands[i].Effect == e {
			names = append(names, l.snap.commands[i].Name)
		}
	}
	return names
}

func effectNames() (names []string) {
	for _, e := range grantable {
		names = append(names, string(e))
	}
	return names
}
