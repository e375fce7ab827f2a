package discord_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"
)

// find looks for a command of a guild by its words.
func (f *fake) find(guild, words string) (root object, path []object, err error) {
	for _, cmd := range f.guilds[guild].commands {
		if cmd["name"] == "hoster" {
			root = cmd
		}
	}
	if root == nil {
		return nil, nil, errors.New("there is no such command")
	}
	at := root
	for word := range strings.FieldsSeq(words) {
		i := slices.IndexFunc(list(at["options"]), func(o any) bool {
			o2 := o.(object)
			return o2["name"] == word && (o2["type"] == 1.0 || o2["type"] == 2.0)
		})
		if i < 0 {
			return nil, nil, fmt.Errorf("there is no command %q", words)
		}
		at = list(at["options"])[i].(object)
		path = append(path, at)
	}
	if len(path) == 0 || at["type"] != 1.0 {
		return nil, nil, fmt.Errorf("%q is no whole command", words)
	}
	return root, path, nil
}

// mayType tells what keeps somebody from typing a command somewhere.
func (f *fake) mayType(who string, ch *channel) error {
	switch {
	case ch == nil || ch.deleted:
		return errors.New("there is no such channel")
	case ch.kind == directChannel:
		return errors.New("commands of a server cannot be typed in a direct message")
	case f.people[who] == nil || f.people[who].bot:
		return errors.New("nobody types that")
	case f.perms(ch, who)&discordgo.PermissionUseApplicationCommands == 0:
		return errors.New("the person does not see that channel, or may not use commands")
	case ch.archived && ch.locked:
		return errors.New("nobody types in a locked thread")
	}
	return nil
}

// types makes a person type a command. It fails for what Discord's client does
// not send.
func (f *fake) types(who, channel, words string, options object) (*deed, error) {
	return f.enters(aCommand, who, channel, words, options, "")
}

// completes makes a person type so far into an option, and ask what could be
// there.
func (f *fake) completes(who, channel, words, option, prefix string, others object) (*deed, error) {
	options := object{option: prefix}
	for name, v := range others {
		options[name] = v
	}
	return f.enters(aLookup, who, channel, words, options, option)
}

func (f *fake) enters(kind int, who, channel, words string, options object, focused string) (*deed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := f.channels[channel]
	if err := f.mayType(who, ch); err != nil {
		return nil, err
	}
	root, path, err := f.find(ch.guild, words)
	if err != nil {
		return nil, err
	}
	given, err := fill(path[len(path)-1], options, focused)
	if err != nil {
		return nil, err
	}
	for _, part := range slices.Backward(path) {
		given = []any{object{"name": part["name"], "type": int(part["type"].(float64)), "options": given}}
	}
	data := object{"id": root["id"], "name": root["name"], "type": 1, "guild_id": ch.guild, "options": given}
	return f.did(kind, who, ch, data, nil), nil
}

// fill puts values into the options of a command, in the order of the command.
// While somebody still types, nothing is looked at.
func fill(cmd, values object, focused string) ([]any, error) {
	known, out := map[string]bool{}, []any{}
	for _, o := range list(cmd["options"]) {
		o := o.(object)
		name := str(o["name"])
		known[name] = true
		v, there := values[name]
		if !there {
			if o["required"] == true && focused == "" {
				return nil, fmt.Errorf("%s is required", name)
			}
			continue
		}
		one := object{"name": name, "type": int(o["type"].(float64))}
		if name == focused {
			if o["autocomplete"] != true {
				return nil, fmt.Errorf("%s offers nothing while it is typed", name)
			}
			one["value"], one["focused"] = v, true
			out = append(out, one)
			continue
		}
		value, err := valueOf(o, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		one["value"] = value
		out = append(out, one)
	}
	for name := range values {
		if !known[name] {
			return nil, fmt.Errorf("there is no option %s", name)
		}
	}
	return out, nil
}

// valueOf is the value of an option as Discord's client sends it.
func valueOf(o object, v any) (any, error) {
	text := fmt.Sprint(v)
	var out any
	switch o["type"] {
	case 3.0:
		n := utf8.RuneCountInString(text)
		if least, ok := o["min_length"].(float64); ok && n < int(least) {
			return nil, fmt.Errorf("has %d characters, at least %v", n, least)
		}
		most, ok := o["max_length"].(float64)
		if !ok {
			most = 6000
		}
		if n == 0 || n > int(most) {
			return nil, fmt.Errorf("has %d characters, at most %v", n, most)
		}
		out = text
	case 4.0, 10.0:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(n) > 1<<53 || o["type"] == 4.0 && n != math.Trunc(n) {
			return nil, fmt.Errorf("%q is no number that may stand here", text)
		}
		if least, ok := o["min_value"].(float64); ok && n < least {
			return nil, fmt.Errorf("is %v, at least %v", n, least)
		}
		if most, ok := o["max_value"].(float64); ok && n > most {
			return nil, fmt.Errorf("is %v, at most %v", n, most)
		}
		out = n
	case 5.0:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return b, nil
	default:
		return nil, fmt.Errorf("options of type %v are not known here", o["type"])
	}
	if choices := list(o["choices"]); len(choices) > 0 {
		for _, c := range choices {
			if c := c.(object); fmt.Sprint(c["value"]) == fmt.Sprint(out) || c["name"] == text {
				return c["value"], nil
			}
		}
		return nil, fmt.Errorf("%q is none of the choices", text)
	}
	return out, nil
}

// typesLine is types for a command written in one line, as other chats have
// it: "vm delete 4001 --force". What has no name goes to the options in order,
// and what is too much to the last of them.
func (f *fake) typesLine(who, channel, line string) (*deed, error) {
	words, options, err := f.split(channel, line)
	if err != nil {
		return nil, err
	}
	return f.types(who, channel, words, options)
}

func (f *fake) split(channel, line string) (string, object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := f.channels[channel]
	if ch == nil || f.guilds[ch.guild] == nil {
		return "", nil, errors.New("there is no such channel")
	}
	parts := fields(line)
	words, n := "", 0
	var path []object
	for i := min(2, len(parts)); i > 0 && path == nil; i-- {
		words, n = strings.Join(parts[:i], " "), i
		_, path, _ = f.find(ch.guild, words)
	}
	if path == nil {
		return "", nil, fmt.Errorf("there is no command %q", line)
	}
	all, last := list(path[len(path)-1]["options"]), ""
	options, parts := object{}, parts[n:]
	next := func() (object, bool) {
		for _, o := range all {
			if o := o.(object); options[str(o["name"])] == nil && o["type"] != 5.0 {
				return o, true
			}
		}
		return nil, false
	}
	for i := 0; i < len(parts); i++ {
		name, isName := strings.CutPrefix(parts[i], "--")
		if !isName {
			o, ok := next()
			switch {
			case ok:
				last = str(o["name"])
				options[last] = parts[i]
			case last == "":
				return "", nil, fmt.Errorf("%q is too much", parts[i])
			default:
				options[last] = fmt.Sprint(options[last], " ", parts[i])
			}
			continue
		}
		name, value, given := strings.Cut(name, "=")
		if options[name] != nil {
			return "", nil, fmt.Errorf("%s is there already", name)
		}
		at := slices.IndexFunc(all, func(o any) bool { return o.(object)["name"] == name })
		switch {
		case at < 0:
			return "", nil, fmt.Errorf("there is no option %s", name)
		case given:
			options[name] = value
		case all[at].(object)["type"] == 5.0:
			options[name] = true
		case i+1 == len(parts):
			return "", nil, fmt.Errorf("%s has no value", name)
		default:
			i++
			options[name] = parts[i]
		}
	}
	return words, options, nil
}

// fields splits at blanks that are not in quotes.
func fields(line string) []string {
	var out []string
	quoted := false
	for _, part := range strings.FieldsFunc(strings.ReplaceAll(line, `\"`, "\x00"), func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	}) {
		out = append(out, strings.ReplaceAll(strings.ReplaceAll(part, `"`, ""), "\x00", `"`))
	}
	return out
}
