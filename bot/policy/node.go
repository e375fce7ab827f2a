package policy

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// node is a YAML node; the zero node stands for a value that is absent, or
// that was already reported.
type node struct{ y *yaml.Node }

func (n node) absent() bool { return n.y == nil }

func (n node) pos() pos { return pos{n.y.Line, n.y.Column} }

func (n node) isMapping() bool { return n.y.Kind == yaml.MappingNode }

func (n node) isList() bool { return n.y.Kind == yaml.SequenceNode }

// items returns the items of a list, nil for anything else.
func (n node) items() []node {
	if n.absent() || !n.isList() {
		return nil
	}
	items := make([]node, len(n.y.Content))
	for i, y := range n.y.Content {
		items[i] = node{y}
	}
	return items
}

// is tells whether the node is a scalar that is written without quotes and
// that YAML resolves to one of the tags.
func (n node) is(tags ...string) bool {
	if n.y.Kind != yaml.ScalarNode || n.y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		return false
	}
	for _, tag := range tags {
		if n.y.Tag == tag {
			return true
		}
	}
	return false
}

func (n node) isText() bool {
	return n.y.Kind == yaml.ScalarNode && !n.is("!!int", "!!float", "!!bool", "!!null", "!!timestamp")
}

// refused tells whether inspect reports the node as such, so that nothing more
// needs to be said about it.
func (n node) refused() bool {
	return !n.absent() && (n.y.Kind == yaml.AliasNode || n.tagged())
}

// tagged tells whether a tag is written before the value; the tag `!` alone
// leaves no style behind.
func (n node) tagged() bool { return n.y.Style&yaml.TaggedStyle != 0 || n.y.Tag == "!" }

// shape says what a node is, for an error.
func (n node) shape() string {
	switch n.y.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch {
	case n.is("!!null"):
		return "empty"
	case n.is("!!int", "!!float"):
		return "the number " + clip(n.y.Value)
	case n.is("!!bool"):
		return "true or false"
	case n.is("!!timestamp"):
		return "a time"
	}
	return "the text `" + clip(n.y.Value) + "`"
}

// maxEcho is how much of a wrong value an error repeats.
const maxEcho = 60

// clip shortens a value for an error and makes it safe to print.
func clip(s string) string {
	printable := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != '`' {
			return r
		}
		return '?'
	}, s)
	if r := []rune(printable); len(r) > maxEcho {
		return string(r[:maxEcho]) + "..."
	}
	return printable
}

// inspect reports what no policy may hold: anchors, aliases, tags and merge
// keys, all of which make a file say something else than it seems to.
func (l *loader) inspect(n node) {
	y := n.y
	if y.Kind == yaml.AliasNode {
		l.errorf(n.pos(), "the alias `*%s` is not allowed: write the value out", clip(y.Value))
		return // never follow it: its anchor was or will be inspected
	}
	if y.Anchor != "" {
		l.errorf(n.pos(), "the anchor `&%s` is not allowed: write the value out wherever it is needed", clip(y.Anchor))
	}
	if n.tagged() {
		l.errorf(n.pos(), "the tag `%s` is not allowed: a value is what it looks like", clip(y.Tag))
	}
	if n.is("!!merge") {
		l.errorf(n.pos(), "the merge key `<<` is not allowed: write the keys out")
	}
	for _, child := range y.Content {
		l.inspect(node{child})
	}
}

// field is a key of a mapping and its value; the value is the zero node when
// it is absent or was already reported.
type field struct{ key, value node }

// entries returns the entries of a mapping. It reports anything but a mapping,
// keys that are not text, that come twice, and that have no value.
func (l *loader) entries(n node, what string) []field {
	if n.absent() || n.refused() {
		return nil
	}
	if !n.isMapping() {
		l.errorf(n.pos(), "%s must be a mapping, `key: value`, and is %s", what, n.shape())
		return nil
	}
	var fields []field
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		key, value := node{n.y.Content[i]}, node{n.y.Content[i+1]}
		if key.is("!!merge") || key.refused() {
			continue
		}
		if !key.isText() {
			l.errorf(key.pos(), "a key must be text, and is %s: put it in quotes", key.shape())
			continue
		}
		if line, ok := lines[key.y.Value]; ok {
			l.errorf(key.pos(), "duplicate key `%s`: it is on line %d already", clip(key.y.Value), line)
			continue
		}
		lines[key.y.Value] = key.pos().line
		if value.is("!!null") {
			l.errorf(key.pos(), "`%s` has no value", clip(key.y.Value))
			value = node{}
		}
		if value.refused() {
			value = node{}
		}
		fields = append(fields, field{key, value})
	}
	return fields
}

// mapping is a mapping of which all keys are known.
type mapping struct {
	at     pos
	fields map[string]field
}

func (m mapping) has(key string) bool { _, ok := m.fields[key]; return ok }

// value returns the zero node for a key that is absent or was reported.
func (m mapping) value(key string) node { return m.fields[key].value }

// keyPos returns where a key stands, else where its mapping does.
func (m mapping) keyPos(key string) pos {
	if f, ok := m.fields[key]; ok {
		return f.key.pos()
	}
	return m.at
}

// mapping reads a mapping with known keys and reports all others; false means
// that there is none. what is "a grant".
func (l *loader) mapping(n node, what string, known ...string) (mapping, bool) {
	m := mapping{fields: make(map[string]field)}
	if n.absent() {
		return m, false
	}
	m.at = n.pos()
	for _, f := range l.entries(n, what) {
		key := f.key.y.Value
		if !contains(known, key) {
			hint := didYouMean(key, m.free(known))
			if hint == "" {
				hint = " (it can have " + enumerate(known, "and") + ")"
			}
			l.errorf(f.key.pos(), "unknown key `%s` in %s%s", clip(key), what, hint)
			continue
		}
		m.fields[key] = f
	}
	return m, n.isMapping()
}

// free returns the known keys that are not there yet.
func (m mapping) free(known []string) (free []string) {
	for _, key := range known {
		if !m.has(key) {
			free = append(free, key)
		}
	}
	return free
}

// need reports that a key is missing.
func (l *loader) need(m mapping, what string, keys ...string) {
	for _, key := range keys {
		if !m.has(key) {
			l.errorf(m.at, "%s needs `%s`", what, key)
		}
	}
}

// section reads a list that may be empty.
func (l *loader) section(n node, what string) []node {
	if n.absent() || n.refused() {
		return nil
	}
	if !n.isList() {
		l.errorf(n.pos(), "%s must be a list, and is %s", what, n.shape())
		return nil
	}
	var items []node
	for _, item := range n.items() {
		if item.is("!!null") {
			l.errorf(item.pos(), "an item of %s is empty", what)
			continue
		}
		if !item.refused() {
			items = append(items, item)
		}
	}
	return items
}

// list reads a list that must not be empty.
func (l *loader) list(n node, what string) []node {
	if !n.absent() && n.isList() && len(n.y.Content) == 0 {
		l.errorf(n.pos(), "%s is an empty list", what)
		return nil
	}
	if !n.absent() && n.y.Kind == yaml.ScalarNode {
		l.errorf(n.pos(), "%s must be a list, and is %s: write [%s]", what, n.shape(), clip(n.y.Value))
		return nil
	}
	return l.section(n, what)
}

// textItem is a text and where it stands.
type textItem struct {
	value string
	at    pos
}

// texts reads a list of texts that must not be empty, and in which nothing is
// twice.
func (l *loader) texts(n node, what string) []textItem {
	var items []textItem
	seen := make(map[string]bool)
	for _, item := range l.list(n, what) {
		value, ok := l.text(item, "an item of "+what)
		if !ok {
			continue
		}
		if seen[value] {
			l.errorf(item.pos(), "`%s` is twice in %s", clip(value), what)
			continue
		}
		seen[value] = true
		items = append(items, textItem{value, item.pos()})
	}
	return items
}

// maxText is the longest text a policy may hold, in bytes.
const maxText = 1000

// text reads a text: not empty, one line, printable.
func (l *loader) text(n node, what string) (string, bool) {
	if n.absent() || n.refused() {
		return "", false
	}
	if n.is("!!int", "!!float") {
		l.errorf(n.pos(), "%s must be text, and is a number: an ID or a name of digits belongs in quotes, \"%s\"", what, clip(n.y.Value))
		return "", false
	}
	if !n.isText() {
		l.errorf(n.pos(), "%s must be text, and is %s", what, n.shape())
		return "", false
	}
	if r, ok := unprintable(n.y.Value); ok {
		l.errorf(n.pos(), "%s holds the character %U, which does not print", what, r)
		return "", false
	}
	switch {
	case n.y.Value == "":
		l.errorf(n.pos(), "%s is empty", what)
	case strings.TrimSpace(n.y.Value) != n.y.Value:
		l.errorf(n.pos(), "%s begins or ends with a space", what)
	case len(n.y.Value) > maxText:
		l.errorf(n.pos(), "%s is longer than %d characters", what, maxText)
	default:
		return n.y.Value, true
	}
	return "", false
}

// prose is text that may be written over several lines, which become one.
func (l *loader) prose(n node, what string) string {
	if !n.absent() && n.isText() {
		folded := *n.y
		folded.Value = strings.Join(strings.Fields(n.y.Value), " ")
		n = node{&folded}
	}
	s, _ := l.text(n, what)
	return s
}

func unprintable(s string) (rune, bool) {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return r, true
		}
	}
	return 0, false
}

// maxName is the longest name of a person, group, label, role or rule.
const maxName = 64

// name reads a name: letters, digits, dots, dashes and underscores of ASCII,
// so that no two names look alike, and not digits alone, so that none looks
// like an ID.
func (l *loader) name(n node, what string) (string, bool) {
	s, ok := l.text(n, "the name of "+what)
	if !ok {
		return "", false
	}
	letters := false
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		letters = letters || letter
		if !letter && (r < '0' || r > '9') && (i == 0 || !strings.ContainsRune("._-", r)) {
			l.errorf(n.pos(), "`%s` cannot name %s: a name has the letters a to z, digits, and . _ - between them", clip(s), what)
			return "", false
		}
	}
	if !letters {
		l.errorf(n.pos(), "`%s` cannot name %s: it has no letter, and would look like an ID", clip(s), what)
		return "", false
	}
	if len(s) > maxName {
		l.errorf(n.pos(), "the name of %s is longer than %d characters", what, maxName)
		return "", false
	}
	return s, true
}

func contains(all []string, s string) bool {
	for _, other := range all {
		if other == s {
			return true
		}
	}
	return false
}
