package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	// version is the one version of the format there is.
	version = "1"
	// maxFile is the size of the largest policy that is read.
	maxFile = 1 << 20
	// maxPeople and maxRules bound the compiled tables, 25 and 20 times what a
	// large team has.
	maxPeople = 5000
	maxRules  = 1000
)

// Load reads a policy and runs its tests. What is wrong with the content comes
// as Problems, all of it at once, failed tests included; a file that cannot be
// read as another error. The Snapshot is nil with either.
func Load(file string, v Vocabulary) (*Snapshot, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, data, v)
}

// LoadUntested is Load without running the tests, so that the verdict of each
// can be shown with RunTests.
func LoadUntested(file string, v Vocabulary) (*Snapshot, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return parse(file, data, v)
}

// Parse is Load for content that was read already; file names it in problems.
func Parse(file string, data []byte, v Vocabulary) (*Snapshot, error) {
	s, err := parse(file, data, v)
	if err != nil {
		return nil, err
	}
	if failed := s.failures(); len(failed) > 0 {
		return nil, failed
	}
	return s, nil
}

// readFile reads a policy, and one byte more than allowed at most.
func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read policy: %w (is the name right? without a policy nobody may do anything)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return data, nil
}

// loader collects a snapshot and the problems of its file.
type loader struct {
	snap     *Snapshot
	problems Problems
	ids      map[string]Rule // of all rules read so far

	nouns     []string
	patterns  []string // everything `commands` and `allow` accept
	roles     []role
	roleAt    map[string]int
	denies    []*deny
	limits    []*limit
	guards    []*guard
	freezes   []*freeze
	glasses   []*glass
	allocated int // targets that got a bit
	vocab     Vocabulary
}

func (l *loader) errorf(at pos, format string, args ...any) {
	l.problems = append(l.problems, l.problem(at, format, args...))
}

func (l *loader) warnf(at pos, format string, args ...any) {
	l.snap.warnings = append(l.snap.warnings, l.problem(at, format, args...))
}

func (l *loader) problem(at pos, format string, args ...any) Problem {
	return Problem{File: l.snap.file, Line: max(at.line, 1), Col: max(at.col, 1), Message: fmt.Sprintf(format, args...)}
}

func parse(file string, data []byte, v Vocabulary) (*Snapshot, error) {
	sum := sha256.Sum256(data)
	l := &loader{
		snap: &Snapshot{
			file: file, hash: hex.EncodeToString(sum[:]),
			personAt: make(map[string]int), accountAt: make(map[Account]int), groupAt: make(map[string]int),
			labelAt: make(map[string]int), nameOf: make(map[Target]string), named: make(map[Place]bool),
			commandAt: make(map[string]int),
		},
		ids: make(map[string]Rule), roleAt: make(map[string]int), vocab: v,
	}
	l.learn(v.Commands())
	if root, ok := l.document(data); ok {
		l.inspect(root)
		l.walk(root)
		l.compile()
		l.check()
	}
	if len(l.problems) > 0 {
		return nil, Problems(sorted(l.problems))
	}
	l.snap.warnings = sorted(l.snap.warnings)
	return l.snap, nil
}

// document parses the one document of the file.
func (l *loader) document(data []byte) (node, bool) {
	if len(data) > maxFile {
		l.errorf(pos{}, "the file is larger than 1 MiB, the most a policy may have")
		return node{}, false
	}
	if !l.clean(data) {
		return node{}, false
	}
	reader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		l.errorf(pos{}, "%v", err)
		return node{}, false
	}
	var document, second yaml.Node
	if err := reader.Load(&document); err == io.EOF {
		l.errorf(pos{}, "the file is empty: a policy begins with `version: 1`")
		return node{}, false
	} else if err != nil {
		l.syntax(data, err)
		return node{}, false
	}
	switch err := reader.Load(&second); {
	case err == nil:
		l.errorf(pos{second.Line, second.Column}, "a second document begins here: a policy is one document")
	case err != io.EOF:
		l.syntax(data, err)
	}
	root := node{document.Content[0]}
	if root.is("!!null") {
		l.errorf(root.pos(), "the file is empty: a policy begins with `version: 1`")
		return node{}, false
	}
	return root, true
}

// syntax reports what the YAML parser stumbled over.
func (l *loader) syntax(data []byte, err error) {
	var bad *yaml.LoadError
	if !errors.As(err, &bad) {
		l.errorf(pos{}, "this is no YAML: %v", err)
		return
	}
	context := ""
	if bad.ContextMsg != "" {
		context = " " + bad.ContextMsg
		if line := bad.ContextMark.Line; line > 0 && line != bad.Mark.Line {
			context += fmt.Sprintf(" from line %d", line)
		}
	}
	at := pos{bad.Mark.Line, bad.Mark.Column}
	if tabAt(data, at) {
		l.errorf(at, "this is no YAML: a tab stands here: indent with spaces")
		return
	}
	l.errorf(at, "this is no YAML: %s%s", bad.Message, context)
}

// tabAt tells whether a tab stands at a place of the file.
func tabAt(data []byte, at pos) bool {
	for line := range bytes.Lines(data) {
		if at.line--; at.line == 0 {
			return at.col > 0 && at.col <= len(line) && line[at.col-1] == '\t'
		}
	}
	return false
}

// clean reports bytes that are no UTF-8, and characters that make a file look
// different from what it says: controls, other line ends, and marks that turn
// the direction of writing.
func (l *loader) clean(data []byte) bool {
	before := len(l.problems)
	text := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	at := pos{1, 1}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			l.errorf(at, "the byte 0x%02x is no UTF-8: save the file as UTF-8", text[i])
			return false
		case r == '\r' && (i+1 == len(text) || text[i+1] != '\n'):
			l.errorf(at, "a carriage return without a line feed")
		case r == '\n', r == '\r', r == '\t':
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\ufeff':
			l.errorf(at, "the character %U does not belong in a policy: it does not print", r)
		}
		i += size
		at.col++
		if r == '\n' {
			at = pos{at.line + 1, 1}
		}
	}
	return len(l.problems) == before
}

// walk reads the sections, those first that others name.
func (l *loader) walk(root node) {
	sections := []struct {
		name string
		read func(node)
	}{
		{"version", l.versionSection},
		{"people", l.peopleSection},
		{"groups", l.groupSection},
		{"labels", l.labelSection},
		{"roles", l.roleSection},
		{"grants", l.grantSection},
		{"limits", l.limitSection},
		{"denies", l.denySection},
		{"guards", l.guardSection},
		{"freezes", l.freezeSection},
		{"break_glass", l.glassSection},
		{"incidents", l.incidentSection},
		{"tests", l.testSection},
	}
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	m, ok := l.mapping(root, "a policy", names...)
	if !ok {
		return
	}
	l.need(m, "a policy", "version", "people")
	for _, s := range sections {
		if v := m.value(s.name); !v.absent() {
			s.read(v)
		}
	}
	if len(l.snap.people) > maxPeople {
		l.errorf(m.keyPos("people"), "more than %d people", maxPeople)
	}
	if len(l.ids) > maxRules {
		l.errorf(m.at, "more than %d rules", maxRules)
	}
}

func (l *loader) versionSection(n node) {
	if n.is("!!int") && n.y.Value == version {
		return
	}
	if n.is("!!int") {
		l.errorf(n.pos(), "version %s is not known: this hosterbot reads version %s", clip(n.y.Value), version)
		return
	}
	l.errorf(n.pos(), "`version` must be the number %s, and is %s", version, n.shape())
}
