package bot

import (
	"context"
	"strings"
	"time"

	"hosterbot/bot/policy"
	"hosterbot/bot/secret"
)

// Effect is what a command does to the world. It is the policy's class and
// decides the defaults: who may, whether it is confirmed, who sees the answer.
type Effect = policy.Effect

// The effects, mildest first.
const (
	EffectOpen       = policy.Open       // everyone whose chat is served
	EffectReads      = policy.Reads      // looks
	EffectSecrets    = policy.Secrets    // shows a secret
	EffectChanges    = policy.Changes    // can be undone
	EffectInterrupts = policy.Interrupts // a running server goes down
	EffectCosts      = policy.Costs      // spends money
	EffectDestroys   = policy.Destroys   // data or access is lost
	EffectControls   = policy.Controls   // the bot's own levers
)

// Facts are the figures that the policy's limits ask about.
type Facts = policy.Facts

// FactSet says which facts are known.
type FactSet = policy.FactSet

// The facts.
const (
	FactCores = policy.FactCores
	FactMem   = policy.FactMem
	FactDisk  = policy.FactDisk
	FactIPs   = policy.FactIPs
	FactPrice = policy.FactPrice
)

// Target is what a command acts on: vm/4001, dedicated/7, ip/203.0.113.5.
type Target = policy.Target

// ParseTarget reads "vm/4001", "dedicated/7" or "ip/203.0.113.5".
func ParseTarget(text string) (Target, error) { return policy.ParseTarget(text) }

// Command is one row of the catalogue: everything that parsing, policy, help,
// forms, completion and the documentation need to know of what can be typed.
//
// A row has either Read, for what only looks and is answered privately, or
// Run, for what changes something and becomes an Operation.
type Command struct {
	Words   string  // "vm delete", or one word: "help"
	Summary string  // "Delete a VM and its data": a verb first, no full stop, at most 100 characters
	Effect  Effect  //
	Params  []Param // positional ones in the order they are typed, then flags
	Example string  // "vm delete 4001 --force"
	Details string  // what to mind, for help and COMMANDS.md; may be empty

	List  bool // shows several things: filtered by what the person's grants cover
	Whole bool // creates something new: needs a grant that covers all targets
	// Finds are facts of the policy's limits that the preview reads: "price".
	Finds []string

	// Read answers the command. It changes nothing outside the bot.
	Read func(context.Context, *Call) (Card, error)

	// Preview reads the target and says what would happen. It runs before the
	// confirmation and again right before the call; an error that is for
	// people (*Error) refuses the command. Nil only where nothing can be read.
	Preview func(context.Context, *Call) (Preview, error)
	// Run makes the one mutating call and says what came of it. It is called
	// by execute.go alone, after the intent is on disk.
	Run func(context.Context, *Call) Outcome
	// Settle reads whether the effect is there, by comparing with the
	// baseline of the preview. Nil: no read tells.
	Settle func(context.Context, *Call) (Verdict, error)
	// Window is how long the effect may take to show: only after it, and the
	// time in which the call could still land, does absence prove something.
	Window time.Duration
	// Follow reads how an accepted operation is getting on. Nil: it ends with
	// its answer.
	Follow func(context.Context, *Call) (Progress, error)
	// Reveal re-reads the secret that belongs to a finished operation or that
	// a reading command shows, for the eyes of the person who pressed. Nil:
	// there is none.
	Reveal func(context.Context, *Call) (Card, error)

	// Own tells whether what the command acts on is the caller's own, so that
	// no grant is needed. A deny still wins.
	Own func(context.Context, *Call) bool
	// Opens says that Reveal gives a link which lives for ten seconds.
	Opens bool
	// Local says that Run or Read is about the bot itself and asks no provider.
	Local bool
	// Quiet keeps the operation out of the channel, where nobody's approval is
	// needed: its answer is private.
	Quiet bool
	// Patient says that the effect takes its time after the provider said yes,
	// so that it is looked for longer.
	Patient bool
	// SoftLane frees the lane of an unknown outcome after five minutes: for
	// what is harmless to do again.
	SoftLane bool
	// AskSecret names the secret that a form asks for as the last step before
	// the call ("SSH root password of 203.0.113.5"). Empty: none.
	AskSecret string
}

// Noun is the first word of the command.
func (c *Command) Noun() string {
	noun, _, _ := strings.Cut(c.Words, " ")
	return noun
}

// Mutates tells whether the command becomes an Operation.
func (c *Command) Mutates() bool { return c.Run != nil }

// Confirmed tells whether the command is always confirmed, whatever the
// policy asks.
func (c *Command) Confirmed() bool {
	switch c.Effect {
	case EffectInterrupts, EffectCosts, EffectDestroys:
		return true
	}
	return false
}

// Param finds a parameter by its name.
func (c *Command) Param(name string) (*Param, bool) {
	for i := range c.Params {
		if c.Params[i].Name == name {
			return &c.Params[i], true
		}
	}
	return nil, false
}

// Usage is the command as it is typed: "vm delete VM [--force]".
func (c *Command) Usage() string {
	var b strings.Builder
	b.WriteString(c.Words)
	for i := range c.Params {
		p := &c.Params[i]
		if p.Secret { // never typed
			continue
		}
		b.WriteByte(' ')
		if !p.Required {
			b.WriteByte('[')
		}
		switch {
		case p.Positional:
			b.WriteString(p.Placeholder())
			if p.Rest {
				b.WriteString("...")
			}
		case p.Kind.Type == Flag:
			b.WriteString("--" + p.Name)
		default:
			b.WriteString("--" + p.Name + " " + p.Placeholder())
		}
		if !p.Required {
			b.WriteByte(']')
		}
	}
	return b.String()
}

// Param is one parameter of a command.
type Param struct {
	Name       string // "vm", "template": lower case, as in --vm
	Kind       *Kind
	Summary    string // "VM to delete", at most 100 characters
	Required   bool
	Positional bool // typed without --name; by name it works too
	Rest       bool // takes all words that are left
	Secret     bool // never typed in a line; asked for in a form
}

// Placeholder is how usage lines show the value: VM, TEMPLATE.
func (p *Param) Placeholder() string {
	if p.Positional {
		return strings.ToUpper(p.Name)
	}
	return p.Kind.Name
}

// Type is what a chat with typed options needs to know of a kind.
type Type int

// The types of value.
const (
	Text Type = iota
	Integer
	Number
	Flag // true or absent
)

// Kind is a sort of value: it parses, checks and completes itself.
type Kind struct {
	Name     string // "VM", "SIZE": upper case, for usage lines
	Expects  string // "a VM's number such as 4001": completes "expected ..."
	Type     Type
	Min, Max int64 // of Integer; both 0: no bounds
	MaxLen   int   // characters of Text; 0: 100
	Choices  []Choice
	// Parse checks a value and returns its one canonical form. Its error is
	// for people and says what was expected.
	Parse func(text string) (string, error)
	// Target gives what a canonical value points at; nil: not a target.
	Target func(canonical string) (Target, error)
	// Targets are the kinds of target it can point at ("vm", "dedicated", "ip").
	Targets []string
	// Labels says that a label stands for all its targets, and is a value by
	// itself; otherwise it is a name, and has to have one target. Target gives
	// the zero Target for what is no single one.
	Labels bool
	// Listed says that what Complete gives is what the person may touch: its
	// values are not the targets that Target makes of them.
	Listed bool
	// Ambiguous says that a value can mean several targets, so that it has
	// to be resolved against the provider before the policy is asked.
	Ambiguous bool
	// Resolve finds what an ambiguous value means, by asking the provider.
	// Its error is for people.
	Resolve func(ctx context.Context, c *Call, canonical string) (Target, error)
	// Fact is the fact of the policy's limits that it gives: "cores", "mem",
	// "disk", "ips"; empty: none. Its canonical value is a whole number in
	// the policy's unit.
	Fact string
	// Hidden says that free text stands in it, which is never stored or
	// echoed outside the operation's own card.
	Hidden bool
	// Any says that a value may be right that Complete lists only where it is
	// typed.
	Any bool
	// After names the parameter that Complete needs: a form asks for that one
	// first.
	After string
	// Complete lists values that begin with or contain prefix, best first, at
	// most MaxListed. Nil: Choices only.
	Complete func(ctx context.Context, c *Call, prefix string) ([]Choice, error)
}

// Choice is a value a person can pick.
type Choice struct {
	Value string // what is typed
	Label string // what is shown, at most 75 characters
}

// Arg is one argument in its canonical form.
type Arg struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Args are the arguments of one command, in the order of its parameters.
// Secrets are never among them.
type Args []Arg

// Text returns an argument, "" if it was not given.
func (a Args) Text(name string) string {
	for i := range a {
		if a[i].Name == name {
			return a[i].Value
		}
	}
	return ""
}

// Has tells whether an argument was given.
func (a Args) Has(name string) bool {
	for i := range a {
		if a[i].Name == name {
			return true
		}
	}
	return false
}

// Int returns an argument as a number, 0 if it was not given. Kinds of
// numbers have checked it when it was parsed.
func (a Args) Int(name string) int64 {
	var n int64
	for _, r := range a.Text(name) {
		if r < '0' || r > '9' {
			return 0
		}
		n = n*10 + int64(r-'0')
	}
	return n
}

// With returns a copy in which name has the value; "" removes it.
func (a Args) With(name, value string) Args {
	out := make(Args, 0, len(a)+1)
	done := value == ""
	for _, arg := range a {
		if arg.Name != name {
			out = append(out, arg)
			continue
		}
		if !done {
			out = append(out, Arg{name, value})
			done = true
		}
	}
	if !done {
		out = append(out, Arg{name, value})
	}
	return out
}

// Call is one use of a command: what a row's functions get.
type Call struct {
	Bot     *Bot
	Command *Command
	Args    Args
	Targets []Target // resolved; in the order of the arguments
	Person  string   // name in the policy
	Account Account
	Place   Place
	Policy  *policy.Snapshot // the one that decided
	Op      *Operation       // nil for a Read
	Page    int              // page of a Read that is turned by Next, from 0
	Now     time.Time
	// Secrets are the answers of a form, by the field's name. They live as
	// long as the call.
	Secrets map[string]secret.Secret
	// Allows tells whether the person may use this command on a target: for
	// lists that show only what the person's grants cover.
	Allows func(Target) bool
	who    *asker // who calls, for decisions about other commands
}

// Target is the first target, the zero Target if there is none.
func (c *Call) Target() Target {
	if len(c.Targets) == 0 {
		return Target{}
	}
	return c.Targets[0]
}

// Scaled is a waiting time as the bot that runs the command waits it.
func (c *Call) Scaled(d time.Duration) time.Duration {
	if c.Bot == nil {
		return d
	}
	return c.Bot.scaled(d)
}

// Preview is what a mutating command would do, as read a moment ago.
type Preview struct {
	// Args are the arguments with everything filled in that had to be read: a
	// template's whole name, a backup's timestamp. Nil: as they were.
	Args Args
	// Targets replaces the targets where they had to be resolved. Nil: as they were.
	Targets []Target

	Title  string  // "Delete VM `4001` (web-1)": what will happen, in one line
	Fields []Field // the target as it is: size, IPs, template, state, last backup
	Loses  string  // "All data on its disk, and its IPs": what cannot be undone; may be empty
	Notes  []string

	// Fingerprint identifies the target as a thing, not by its number: its
	// fields are compared when the call is made and shown where they differ.
	// Empty for commands that create something.
	Fingerprint []Field
	// Baseline is what Settle compares with; JSON without secrets.
	Baseline []byte
	Lane     string // "vm/4001", "account/create"; empty: none
	Facts    Facts
	// Backed says that the command wipes a disk of which there can be backups:
	// then the policy's wish for a young one is asked for. LastBackup is the
	// youngest, as far as it was read; zero: none.
	Backed     bool
	LastBackup time.Time
	Expected   time.Duration // how long it usually takes; 0: unknown
}

// Class says what may be concluded from one attempt at a mutation.
type Class string

// The classes of outcome.
const (
	NotSent   Class = "not sent"  // no byte has left: safe to send again
	Throttled Class = "throttled" // 429: safe to send again, later
	Refused   Class = "refused"   // answered no
	Accepted  Class = "accepted"  // answered yes
	NoAnswer  Class = "no answer" // nobody knows: never sent again
)

// Outcome is what came of one attempt.
type Outcome struct {
	Class      Class
	Status     int           // HTTP status, 0 for none
	Code       string        // "0x01", "" for none
	Text       string        // the provider's words, scrubbed and whole
	Means      string        // one sentence: what that means and what to try
	Settle     bool          // a NoAnswer that one settling read decides (0xa1)
	RetryAfter time.Duration // of Throttled, 0 if it was not said
	Job        int64         // the job to follow, 0 for none
	Followed   bool          // goes on after the answer: a job, a backup, an order
	Secret     secret.Secret // a password that exists only in this answer
	Done       string        // "VM `4001` is deleted": what to say on success
	Result     []Field       // figures of the result
}

// Verdict is what a settling read concluded.
type Verdict struct {
	Is   Settled
	Text string // "VM `4001` is no longer in the list": what was seen
	VM   int64  // a VM that is probably the one asked for; 0: none
}

// Settled is the word of a Verdict.
type Settled string

// What a settling read can say.
const (
	Done    Settled = "done"     // the effect is there
	NotDone Settled = "not-done" // the effect is not there, as long as the window is over
	Unclear Settled = "unclear"  // cannot be told yet, or by this read
	Person  Settled = "person"   // a person has to look: Text says what differs
)
