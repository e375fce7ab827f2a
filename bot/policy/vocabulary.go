package policy

import "strings"

// Vocabulary is what the policy needs to know of the commands. The catalogue
// of bot implements it.
type Vocabulary interface {
	// Commands returns every command there is.
	Commands() []Command
	// Parse reads a command line as a chat would, without any call. The file's
	// tests and explain use it.
	Parse(line string) (Parsed, error)
}

// Effect is what a command does to the world, and the policy's class of it.
type Effect string

const (
	Open       Effect = "open"       // needs no grant
	Reads      Effect = "reads"      // shows something
	Secrets    Effect = "secrets"    // shows a secret
	Changes    Effect = "changes"    // can be undone
	Interrupts Effect = "interrupts" // a running server goes down
	Costs      Effect = "costs"      // spends money
	Destroys   Effect = "destroys"   // data or access is lost
	Controls   Effect = "controls"   // the bot's own levers, granted by name only
)

// grantable are the effects that `all EFFECT` may name.
var grantable = []Effect{Reads, Secrets, Changes, Interrupts, Costs, Destroys}

// confirmed tells whether commands of this effect always need a button.
func (e Effect) confirmed() bool { return e == Interrupts || e == Costs || e == Destroys }

// lockable tells whether a lock stops commands of this effect.
func (e Effect) lockable() bool { return e == Changes || e.confirmed() }

// Command is one command as the policy sees it.
type Command struct {
	Name    string // "vm delete"
	Effect  Effect
	Targets []string // kinds of target: "vm", "dedicated", "ip"; empty: none
	List    bool     // needs any grant of its own, and shows only what grants cover
	Whole   bool     // needs a grant without targets: vm create, dedicated order
	Facts   []string // facts that limits can ask: "cores", "mem", "disk", "ips", "price"
}

// Parsed is a command line that was read.
type Parsed struct {
	Command string
	Targets []Target
	Facts   Facts
}

// FactSet is a set of facts.
type FactSet uint8

const (
	FactCores FactSet = 1 << iota
	FactMem
	FactDisk
	FactIPs
	FactPrice
)

// factNames are the names of the facts, by the number of their bit.
var factNames = [...]string{"cores", "mem", "disk", "ips", "price"}

// Has tells whether all facts of f are in the set.
func (s FactSet) Has(f FactSet) bool { return s&f == f }

// Names returns the names of the facts, in a fixed order, nil for none.
func (s FactSet) Names() []string { return factLists[s&(1<<len(factNames)-1)] }

// String returns the names, "mem and price".
func (s FactSet) String() string { return enumerate(s.Names(), "and") }

// factLists holds the names of every set, so that an answer needs no
// allocation.
var factLists = func() (lists [1 << len(factNames)][]string) {
	for set := range lists {
		for bit, name := range factNames {
			if set&(1<<bit) != 0 {
				lists[set] = append(lists[set], name)
			}
		}
	}
	return lists
}()

// factSet returns the set of the facts that are named; unknown names are left
// out.
func factSet(names []string) (s FactSet) {
	for _, name := range names {
		for bit, known := range factNames {
			if name == known {
				s |= 1 << bit
			}
		}
	}
	return s
}

// Facts are what a command would use or cost. Only those in Known are known.
type Facts struct {
	Cores, IPs int
	Mem        int64 // MiB
	Disk       int64 // GiB
	Price      float64
	Known      FactSet
}

// command is a Command with what the compiler made of it.
type command struct {
	Command
	facts FactSet
}

// noun is the first word of "vm delete"; a command of one word has none.
func (c *command) noun() string {
	noun, _, ok := strings.Cut(c.Name, " ")
	if !ok {
		return ""
	}
	return noun
}

// takes tells whether the command can have a target of this kind.
func (c *command) takes(kind string) bool {
	for _, k := range c.Targets {
		if k == kind {
			return true
		}
	}
	return false
}
