package adaptertest

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

// demoDir is where the transcripts of the demo are; paths in them start there.
const demoDir = "cmd/hosterbot"

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

// unhurried is for transcripts in which nothing waits long: what has to be sent
// within some seconds is not too late on a machine with other work.
const unhurried = 0.03

// scales are for transcripts in which something has to be quicker than a
// waiting time, such as the ten seconds in which a change has to be sent; the
// others that wait run at a hundredth.
var scales = map[string]float64{
	"denial":                   0.03, // what it waits for is left out
	"effects":                  0.03, // it waits for ten seconds alone
	"guards":                   0.02,
	"lost_answer":              0.03, // it settles within 24 s
	"op_resolve":               0.03, // three people are too early within 160 s
	"order_to_its_end":         0.02,
	"provider_trouble":         0.03, // what the provider asks for by Retry-After is not scaled
	"restart_keeps_progress":   0.05, // the job has to outlive the bot
	"restart_while_confirming": 0.05, // the wish has to outlive it too
}

// RunChats plays every transcript of the demo with the built bot in one chat:
// what people see there is looked at by the rules of every chat, and each
// operation ends as it does in the transcript's golden file. refused are the
// lines that the platform's client does not send, by transcript; it has to
// refuse them.
func RunChats(t *testing.T, open func(tb testing.TB, s Settings) *World, refused map[string][]string) {
	from, err := Root()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(from, demoDir, "testdata", "chats", "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(filepath.Base(file), ".txt")
	}
	for _, table := range [][]string{slices.Collect(maps.Keys(leftOut)), slices.Collect(maps.Keys(scales)), slices.Collect(maps.Keys(refused))} {
		require.Subset(t, names, table)
	}
	for i, file := range files {
		t.Run(names[i], func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			scale := scales[names[i]]
			if scale == 0 && !strings.Contains(string(text), ":skip") {
				scale = unhurried
			}
			w := open(t, Settings{Scale: scale})
			w.play(string(text), names[i], slices.Clone(leftOut[names[i]].lines), slices.Clone(refused[names[i]]))
			golden, err := os.ReadFile(strings.TrimSuffix(file, ".txt") + ".golden")
			require.NoError(t, err)
			w.finish(string(golden), leftOut[names[i]].other)
			w.Stop()
			w.NoSecrets()
		})
	}
}

// play does what the lines of a transcript say, but for those that are left
// out.
func (w *World) play(text, name string, left, refused []string) {
	w.tb.Helper()
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		err := w.line(line)
		if i := slices.Index(refused, line); i >= 0 && err != nil {
			refused = slices.Delete(refused, i, i+1)
			continue
		}
		require.NoError(w.tb, err, "%s.txt:%d: %s\n%s", name, n+1, line, w.Conversation())
	}
	require.Empty(w.tb, left, "these lines are no longer in the transcript")
	require.Empty(w.tb, refused, "these lines are sent, or no longer in the transcript")
}

// line does what a line of a transcript says; its grammar is in the console's
// script.go. A line that is not answered fails the test; the error says why one
// could not run.
func (w *World) line(line string) error {
	w.tb.Helper()
	words := strings.Fields(line)
	switch words[0] {
	case "wait":
		w.Ended(number(words))
		return nil
	case "watch": // a terminal keeps the newest in sight; in a chat it stands there
		w.Ended(w.Newest())
		return nil
	case ":fault":
		return w.Sim.Fault(words[1], words[2])
	case ":restart":
		w.Restart()
		return nil
	case ":skip":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			return err
		}
		<-time.After(time.Duration(float64(d) * w.Scale))
		return nil
	case ":policy":
		return w.policy(words[1])
	case ":member":
		return w.chats[0].Join(words[1], words[2])
	}
	person, rest, ok := strings.Cut(line, ":")
	if !ok || w.chats[0].User(person) == "" {
		return errors.New("nobody says that")
	}
	rest = strings.TrimSpace(rest)
	verb, what, _ := strings.Cut(rest, " ")
	switch verb {
	case "press":
		return w.Press(person, what)
	case "fill":
		return w.Fill(person, what)
	}
	if _, err := w.types(person, rest); err != nil {
		return err
	}
	// In a transcript nobody presses Cancel before the target is read.
	w.Until(func(c Talk) bool {
		return !slices.ContainsFunc(c, func(s Said) bool { return s.Root != 0 && strings.Contains(s.Text, "About to be sent.") })
	})
	return nil
}

// policy puts another policy in the place of the one in force. It lies beside
// the transcripts.
func (w *World) policy(file string) error {
	from, err := Root()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(from, demoDir, "testdata", "chats", file))
	if err != nil {
		return err
	}
	w.Journal.Says(w.tb, 0, "msg=running") // before that a hangup ends it
	at := len(w.Journal.String())
	w.WritePolicy(w.chats[0].Adapt(string(text)))
	w.Signal(syscall.SIGHUP)
	word := "policy reloaded"
	if strings.Contains(file, "broken") {
		word = "policy reload failed"
	}
	w.Journal.Says(w.tb, at, word)
	return nil
}

// finish waits until every operation has become what the golden file says, and
// nothing is owed any more; then it counts: one root in each place of an
// operation, and one end message in the thread of each that ended.
func (w *World) finish(golden string, other []int64) {
	w.tb.Helper()
	want := make(map[int64]string)
	for _, found := range goldenRoot.FindAllStringSubmatch(golden, -1) {
		want[number(found)] = strings.TrimLeft(found[2], "✓✗!● ")
	}
	for _, op := range other {
		delete(want, op)
	}
	var problem string
	require.True(w.tb, w.Until(func(c Talk) bool { problem = c.unlike(want); return problem == "" }), "%s\n%s", problem, w.Conversation())
	for op := range w.Newest() {
		w.Once(op + 1)
	}
}

var goldenRoot = regexp.MustCompile(`(?m)^#\S+ · operation (\d+)(?: \(edited\))?\n  (.*)$`)

// unlike says what operation has not become what it should; "": none.
func (c Talk) unlike(want map[int64]string) string {
	for _, op := range slices.Sorted(maps.Keys(want)) {
		roots := c.Roots(op)
		if len(roots) == 0 {
			return fmt.Sprintf("operation %d is nowhere", op)
		}
		for i := range roots {
			r := &roots[i]
			switch {
			case r.Title() != want[op]:
				return fmt.Sprintf("operation %d in %s is %q, not %q", op, r.Channel, r.Title(), want[op])
			case endTitle.MatchString(r.Title()) != (len(c.Ends(r)) > 0):
				return fmt.Sprintf("operation %d, %q, has %d end messages in %s", op, r.Title(), len(c.Ends(r)), r.Channel)
			}
		}
	}
	return ""
}
