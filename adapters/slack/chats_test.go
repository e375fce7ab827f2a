package slack_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scripts are the transcripts of the demo; paths in them start beside it.
const (
	demoDir = "cmd/hosterbot"
	scripts = demoDir + "/testdata/chats"
)

// leftOut are the lines of transcripts that make no sense where time is real,
// and operations that end otherwise without them.
var leftOut = map[string]struct {
	lines []string
	other []int64 // operations whose end is not the transcript's
	why   string
}{
	"denial": {lines: []string{":skip 7150h"}, why: "no test waits for Christmas; the example's freeze is far away, and the wish after it is an ordinary one"},
	"guards": {lines: []string{":skip 30h", "cho: press Back up first", "wait 3"}, other: []int64{3},
		why: "the provider's backup is three hours old, and gets no older in seconds, so none has to be made first"},
}

// scales are for transcripts in which something has to be quicker than a
// waiting time; the others run at a hundredth.
var scales = map[string]float64{
	"op_resolve":             0.03, // three people are too early within 160 s
	"provider_trouble":       0.03, // what the provider asks for by Retry-After is not scaled
	"restart_keeps_progress": 0.05, // the job has to outlive the bot
}

// TestChatsThroughSlack plays every transcript of the demo with the built bot,
// in Slack: what people see there is looked at by the rules of every chat, and
// each operation ends as it does in the transcript's golden file.
func TestChatsThroughSlack(t *testing.T) {
	t.Parallel()
	from, err := root()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(from, scripts, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(filepath.Base(file), ".txt")
	}
	for _, table := range [][]string{slices.Collect(maps.Keys(leftOut)), slices.Collect(maps.Keys(scales))} {
		require.Subset(t, names, table)
	}
	for i, file := range files {
		t.Run(names[i], func(t *testing.T) {
			t.Parallel()
			playFile(t, from, file, names[i])
		})
	}
}

// player plays one transcript.
type player struct {
	*world
	from     string          // the module
	pressers map[string]bool // who asked to see a secret
	typed    []string        // secrets that somebody typed
}

func playFile(t *testing.T, from, file, name string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	p := &player{world: newWorld(t, settings{scale: scales[name]}), from: from, pressers: make(map[string]bool)}
	left := slices.Clone(leftOut[name].lines)
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.line(line); err != nil {
			require.FailNow(t, "a line could not run", "%s:%d: %s: %v\n%s", file, n+1, line, err, p.conversation())
		}
	}
	require.Empty(t, left, "these lines are no longer in the transcript")
	golden, err := os.ReadFile(strings.TrimSuffix(file, ".txt") + ".golden")
	require.NoError(t, err)
	p.finish(string(golden), leftOut[name].other)
	p.stop()
	p.noSecrets()
}

// line does what a line of a transcript says; its grammar is in the console's
// script.go. A line that is not answered fails the test.
func (p *player) line(line string) error {
	p.tb.Helper()
	words := strings.Fields(line)
	switch words[0] {
	case "wait":
		p.ended(number(words[1]))
		return nil
	case "watch": // a terminal keeps the newest in sight; in a chat it stands there
		p.mu.Lock()
		op := p.newestOperation()
		p.mu.Unlock()
		p.ended(op)
		return nil
	case ":fault":
		return p.sim.Fault(words[1], words[2])
	case ":restart":
		p.kill()
		p.start()
		p.connected()
		return nil
	case ":skip":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			return err
		}
		<-time.After(time.Duration(float64(d) * p.scale))
		return nil
	case ":policy":
		return p.policy(words[1])
	case ":member":
		if words[2] != "oncall" {
			return fmt.Errorf("there is no group %s", words[2])
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.groups["S0ONCALL"] = append(p.groups["S0ONCALL"], accounts[words[1]])
		return nil
	}
	person, rest, ok := strings.Cut(line, ":")
	if !ok || accounts[person] == "" {
		return errors.New("nobody says that")
	}
	rest = strings.TrimSpace(rest)
	verb, what, _ := strings.Cut(rest, " ")
	switch verb {
	case "press":
		return p.press(person, what)
	case "fill":
		return p.fill(person, what)
	}
	p.types(person, rest)
	// In a transcript nobody presses Cancel before the target is read.
	p.await(patience, func() bool {
		return !slices.ContainsFunc(p.messages, func(m *message) bool {
			text, _ := m.reading()
			return rootOf(m) != 0 && strings.Contains(text, "About to be sent.")
		})
	})
	return nil
}

// policy puts another policy in the place of the one in force.
func (p *player) policy(file string) error {
	text, err := os.ReadFile(filepath.Join(p.from, demoDir, file))
	if err != nil {
		return err
	}
	p.journal.says(p.tb, 0, "msg=running") // before that a hangup ends it
	at := len(p.journal.String())
	p.writePolicy(onSlack(string(text)))
	p.signal(syscall.SIGHUP)
	word := "policy reloaded"
	if strings.Contains(file, "broken") {
		word = "policy reload failed"
	}
	p.journal.says(p.tb, at, word)
	return nil
}

// newestOperation is the highest number that anybody was told. The caller
// holds mu.
func (f *fake) newestOperation() int64 {
	newest := int64(0)
	for _, m := range f.messages {
		text, _ := m.reading()
		for _, found := range operationText.FindAllStringSubmatch(strings.ReplaceAll(text, "`", ""), -1) {
			newest = max(newest, number(found[1]))
		}
		for _, b := range m.buttons {
			if found := operationCode.FindStringSubmatch(b.value); found != nil {
				newest = max(newest, number(found[1]))
			}
		}
	}
	return newest
}

// find is the newest button with a label that somebody sees, of an operation
// or of something that was read; one that can be pressed goes before one that
// is gone. The caller holds mu.
func (f *fake) find(user, label string, op int64) (*message, shownButton, bool) {
	var gone *message
	var old shownButton
	for _, m := range slices.Backward(f.messages) {
		for _, b := range slices.Backward(m.buttons) {
			found := operationCode.FindStringSubmatch(b.value)
			if !strings.EqualFold(b.label, label) || m.to != "" && m.to != user || found != nil && number(found[1]) != op {
				continue
			}
			if b.live {
				return m, b, true
			}
			if gone == nil {
				gone, old = m, b
			}
		}
	}
	return gone, old, gone != nil
}

// press presses a button, which may take a moment to be there: the newest of
// the operation that was last begun, or of the one that is named.
func (p *player) press(person, what string) error {
	p.tb.Helper()
	label, op := what, int64(0)
	if i := strings.LastIndexByte(what, ' '); i > 0 && number(what[i+1:]) > 0 {
		label, op = what[:i], number(what[i+1:])
	}
	var payload map[string]any
	var pressed int64
	user := accounts[person]
	ok := p.await(patience, func() bool {
		of := op
		if of == 0 {
			of = p.newestOperation()
		}
		m, b, ok := p.find(user, label, of)
		if !ok {
			return false
		}
		payload = p.pressed(user, m, b)
		if found := operationCode.FindStringSubmatch(b.value); found != nil {
			pressed = number(found[1])
		}
		return true
	})
	if !ok {
		return fmt.Errorf("%s sees no button %q", person, label)
	}
	if label == "Reveal" || label == "Open console" {
		p.pressers[user] = true
	}
	d := p.deed(user, "interactive", payload)
	d.acked()
	d.answered(pressed)
	return nil
}

var pair = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)

// fill types into the form that is open before somebody, and sends it.
func (p *player) fill(person, what string) error {
	p.tb.Helper()
	user := accounts[person]
	var v *view
	if !p.await(patience, func() bool { v = p.views[user]; return v != nil }) {
		return fmt.Errorf("no form is open before %s", person)
	}
	op := int64(0)
	if found := operationCode.FindStringSubmatch(str(v.body["callback_id"])); found != nil {
		op = number(found[1])
	}
	p.mu.Lock()
	for _, found := range pair.FindAllStringSubmatch(what, -1) {
		name, value := found[1], strings.Trim(found[2], `"`)
		i := slices.IndexFunc(v.inputs(), func(b map[string]any) bool { return b["block_id"] == name })
		if i < 0 {
			p.mu.Unlock()
			return fmt.Errorf("the form has no field %q", name)
		}
		v.typed[name] = value
		if strings.HasPrefix(str(v.inputs()[i]["element"].(map[string]any)["action_id"]), "secret-") {
			p.typed = append(p.typed, value)
		}
	}
	p.mu.Unlock()
	d := p.deed(user, "interactive", p.sent(v))
	ack := d.acked()
	p.settle(v, ack)
	if ack["response_action"] == nil {
		d.answered(op)
	}
	return nil
}

// finish waits until every operation has become what the golden file says, and
// nothing is owed any more; then it counts: one root in each place of an
// operation, and one end message in the thread of each that ended.
func (p *player) finish(golden string, other []int64) {
	p.tb.Helper()
	want := make(map[int64]string)
	for _, found := range goldenRoot.FindAllStringSubmatch(golden, -1) {
		want[number(found[1])] = strings.TrimLeft(found[2], "✓✗!● ")
	}
	for _, op := range other {
		delete(want, op)
	}
	var problem string
	require.True(p.tb, p.await(patience, func() bool { problem = p.unlike(want); return problem == "" }), "%s\n%s", problem, p.conversation())
	p.mu.Lock()
	defer p.mu.Unlock()
	for op := int64(1); op <= p.newestOperation(); op++ {
		places := make(map[string]int)
		for _, r := range p.roots(op) {
			places[r.channel]++
			require.LessOrEqual(p.tb, len(p.ends(r)), 1, "end messages of operation %d, %s", op, r.title())
		}
		for channel, n := range places {
			require.Equal(p.tb, 1, n, "root messages of operation %d in %s", op, channel)
		}
	}
}

var goldenRoot = regexp.MustCompile(`(?m)^#\S+ · operation (\d+)(?: \(edited\))?\n  (.*)$`)

// unlike says what operation has not become what it should; "": none. The
// caller holds mu.
func (p *player) unlike(want map[int64]string) string {
	for _, op := range slices.Sorted(maps.Keys(want)) {
		roots := p.roots(op)
		if len(roots) == 0 {
			return fmt.Sprintf("operation %d is nowhere", op)
		}
		for _, r := range roots {
			is := strings.TrimLeft(r.title(), "✅❌⚠️⏳ ")
			over := endTitle.MatchString(r.title())
			switch {
			case is != want[op]:
				return fmt.Sprintf("operation %d in %s is %q, not %q", op, r.channel, is, want[op])
			case over != (len(p.ends(r)) > 0):
				return fmt.Sprintf("operation %d, %q, has %d end messages in %s", op, is, len(p.ends(r)), r.channel)
			}
		}
	}
	return ""
}

// noSecrets hunts every secret of the provider and of the settings: one of the
// provider's is only in a private answer, to somebody who asked and may.
func (p *player) noSecrets() {
	p.tb.Helper()
	logged := p.journal.String()
	store, err := os.ReadFile(filepath.Join(p.dir, "bot.db"))
	require.NoError(p.tb, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	never := append(slices.Clone(p.typed), "hunter2", botToken, appToken, auditKey, hosterKey)
	for _, secret := range append(p.sim.Secrets(), never...) {
		require.NotContains(p.tb, logged, secret, "the log")
		require.NotContains(p.tb, string(store), secret, "the store")
		for _, m := range p.messages {
			text, raw := m.reading()
			if !strings.Contains(text+raw+unescaped(raw), secret) {
				continue
			}
			require.NotContains(p.tb, never, secret, "%s", text)
			require.True(p.tb, m.to != "" && !strings.HasPrefix(m.channel, "D"), "a secret before everybody: %s", text)
			require.True(p.tb, p.pressers[m.to], "a secret for %s, who did not ask: %s", m.to, text)
			require.NotEqual(p.tb, accounts["ben"], m.to, "ben may see no secret: %s", text)
		}
	}
}
