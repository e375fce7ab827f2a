package bot

import "time"

// Metrics counts what the bot does. Labels are words of the catalogue and of
// fixed lists, never IDs.
type Metrics interface {
	// Command: a command was answered; outcome is "handled", "invalid",
	// "denied", "stranger", "form" where it has to be filled in, or "failed"
	// where the store, the provider or a chat was at fault.
	Command(words, outcome string, took time.Duration)
	// Decision: the policy decided.
	Decision(words string, allowed bool, took time.Duration)
	// State: an operation reached a state.
	State(s State)
	// Message: a message owed was sent, or failed.
	Message(kind OwedKind, ok bool)
	// Panic: a handler, a call or background work panicked, and the process
	// lives on.
	Panic()
}

type noMetrics struct{}

func (noMetrics) Command(string, string, time.Duration) {}
func (noMetrics) Decision(string, bool, time.Duration)  {}
func (noMetrics) State(State)                           {}
func (noMetrics) Message(OwedKind, bool)                {}
func (noMetrics) Panic()                                {}
