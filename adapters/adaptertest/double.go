package adaptertest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Double is the edge of a chat's platform to which the built bot connects, and
// the people of the example policy who use it there.
type Double interface {
	// Env are the environment variables by which the bot finds it.
	Env() map[string]string
	// Secrets are what must be in no log, no store and no message.
	Secrets() []string
	// Adapt is a policy as a team with this chat alone has it: everybody has an
	// account there.
	Adapt(policy string) string
	// User is the ID of a person.
	User(person string) string
	// Join makes a person a member of a group that the platform keeps.
	Join(person, group string) error

	// Await waits until cond is true, for Patience at most. Nothing changes
	// while cond looks; Links, Said and Shown are for cond alone.
	Await(cond func() bool) bool
	// Links are the connections over which the bot hears now, and how many it
	// has at its best.
	Links() (now, most int)
	// Said is everything that was said, oldest first.
	Said() []Said

	// Type makes a person type a command. The error is what the platform's
	// client says of a line that it does not send.
	Type(person, line string) (Deed, error)
	// Click makes a person press a button, which may be gone by now.
	Click(person string, s Said, b Shown) Deed
	// Opened is the form before a person; false: none.
	Opened(person string) (Opened, bool)
	// Submit types values into that form, and sends it.
	Submit(person string, values map[string]string) (Deed, error)
	// Delete makes somebody who may delete a message.
	Delete(id string)
}

// Deed is something that a person did, on its way through the bot.
type Deed interface {
	// Acked waits until the bot has taken it. It fails the test when the
	// platform would have told the person that nobody answers.
	Acked()
	// Shown tells whether the person was given an answer of his own: a message,
	// a form, or what is wrong with the one before him.
	Shown() bool
	// Mark tells what came after it: that has changed at a higher number.
	Mark() uint64
}

// Said is a message as it stands now.
type Said struct {
	ID      string
	Channel string // of a thread: the channel that it is in
	Thread  string // ID of the root message; empty: it is none's
	To      string // the one user who sees it; empty: everybody
	Direct  bool   // it stands in a private conversation with the bot
	Text    string // as it is read
	Raw     string // as it was sent
	Root    int64  // the operation whose root message it is; 0: of none
	Deleted bool
	Made    uint64 // numbers of the first and the last change
	Changed uint64
	Buttons []Shown
}

// Shown is a button that a message has, or had.
type Shown struct {
	Label, Code string
	Live        bool
}

// Opened is a form that a person has open.
type Opened struct {
	Code   string
	Fields map[string]bool // by name; true: what is typed there is secret
}

// Title is the first line of a message, without marks.
func (s *Said) Title() string {
	first, _, _ := strings.Cut(s.Text, "\n")
	return strings.TrimLeft(strings.NewReplacer("*", "", "`", "").Replace(first), "✅❌⚠️⏳ ")
}

var (
	operationCode = regexp.MustCompile(`^v1:(\d+):`)
	operationText = regexp.MustCompile(`[Oo]peration (\d+)`)
	asksPerson    = regexp.MustCompile(`A person has to look|Lost track|no longer counts`)
	endTitle      = regexp.MustCompile(`^(Done|Accepted, but still not seen|Failed|Done after all|Not done|Resolved as done|Resolved as not done|Resolved as unsure|Denied|Cancelled|Expired|Invalidated): `)
)

// number is the first number of a match; 0: there is none.
func number(found []string) int64 {
	var n int64
	if found != nil {
		_, _ = fmt.Sscan(found[1], &n)
	}
	return n
}

// Talk is all that was said by the bot.
type Talk []Said

// Operation is the one that a message is about: as root, or in its thread.
func (c Talk) Operation(s *Said) int64 {
	if s.Thread == "" {
		return s.Root
	}
	for i := range c {
		if c[i].ID == s.Thread {
			return c[i].Root
		}
	}
	return 0
}

// Newest is the highest number of an operation that anybody was told.
func (c Talk) Newest() int64 {
	newest := int64(0)
	for i := range c {
		for _, found := range operationText.FindAllStringSubmatch(strings.ReplaceAll(c[i].Text, "`", ""), -1) {
			newest = max(newest, number(found))
		}
		for _, b := range c[i].Buttons {
			newest = max(newest, number(operationCode.FindStringSubmatch(b.Code)))
		}
	}
	return newest
}

// Roots are the root messages of an operation.
func (c Talk) Roots(op int64) []Said {
	var out []Said
	for _, s := range c {
		if s.Root == op && !s.Deleted {
			out = append(out, s)
		}
	}
	return out
}

// Thread is what stands in the thread of a root message, for all.
func (c Talk) Thread(root *Said) []Said {
	var out []Said
	for _, s := range c {
		if s.Thread == root.ID && s.To == "" && !s.Deleted {
			out = append(out, s)
		}
	}
	return out
}

// Ends are the end messages in a root's thread: they call its requester, and tell
// no one that a person has to look.
func (c Talk) Ends(root *Said) []Said {
	return slices.DeleteFunc(c.Thread(root), func(s Said) bool { return !strings.Contains(s.Raw, "<@") || asksPerson.MatchString(s.Text) })
}

// Over tells whether an operation has ended, and says so everywhere.
func (c Talk) Over(op int64) bool {
	roots := c.Roots(op)
	for i := range roots {
		if !endTitle.MatchString(roots[i].Title()) || len(c.Ends(&roots[i])) == 0 {
			return false
		}
	}
	return len(roots) > 0
}

// Find is the newest button with a label that a user sees, of an operation or
// of something that was read; one that can be pressed goes before one that is
// gone.
func (c Talk) Find(user, label string, op int64) (s Said, b Shown, ok bool) {
	for _, s2 := range slices.Backward(c) {
		for _, b2 := range slices.Backward(s2.Buttons) {
			found := operationCode.FindStringSubmatch(b2.Code)
			if !strings.EqualFold(b2.Label, label) || s2.To != "" && s2.To != user || found != nil && number(found) != op {
				continue
			}
			if b2.Live {
				return s2, b2, true
			}
			if !ok {
				s, b, ok = s2, b2, true
			}
		}
	}
	return s, b, ok
}

// String is the conversation, for who reads a failure.
func (c Talk) String() string {
	var out strings.Builder
	for _, s := range c {
		fmt.Fprintf(&out, "--- %s in %s", s.ID, s.Channel)
		if s.Thread != "" {
			fmt.Fprintf(&out, ", thread %s", s.Thread)
		}
		if s.To != "" {
			fmt.Fprintf(&out, ", only %s", s.To)
		}
		if s.Deleted {
			out.WriteString(", deleted")
		}
		fmt.Fprintf(&out, "\n%s\n", strings.TrimRight(s.Text, "\n"))
		for _, b := range s.Buttons {
			fmt.Fprintf(&out, "[%s]%s ", b.Label, map[bool]string{false: "(gone)"}[b.Live])
		}
		out.WriteString("\n")
	}
	return out.String()
}
