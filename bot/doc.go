// Package bot is the core of hosterbot: the words it uses, and the way a
// request takes. It knows no chat, no provider and no database; those know it.
//
// # The pipeline
//
// A chat calls a [Handler]: Handle for a command that was typed, Press for a
// button, Submit for a form, Complete for what could be typed next.
//
//	router.go     who is it (identity.go), is it too much, what was typed (words.go,
//	              parse.go)
//	authorise.go  may they: the policy decides on arguments, and again with facts
//	read.go       a command that only looks: run, answer privately, record
//	confirm.go    a command that changes something becomes an Operation:
//	              store and acknowledge it
//	preview.go    read the target, decide again, show what will be hit
//	vote.go       buttons and forms: confirm, approve, deny, cancel, and all others
//	execute.go    read and decide everything again, take the lane and record the
//	              intent in one transaction, send once
//	outcome.go    what came of it, recorded before anything is said
//	track.go      follow what the provider works on, over restarts
//	recover.go    put right what a crash left behind
//	rollback.go   go on with a store that is an older copy of itself
//	settle.go     outcomes that nobody knows; secrets that only their owner sees
//	announce.go   messages owed: root, thread, end, in order, coalesced
//	watch.go      network incidents of the VMs that the policy watches, a thread each
//	anchor.go     how far the audit log has come, said outside the store
//	look.go       how an operation looks
//
// # The life of an operation
//
//	confirming → pending → ready → checking → intent ── accepted → following → succeeded | failed | lost-track
//	   │           │         │        │         ├── refused ──→ failed
//	   └───────────┴─────────┴────────┘         ├── not sent ─→ checking (a new attempt), or cancelled
//	 denied · cancelled · expired · invalidated └── no answer, or a crash → unknown
//
// After a rollback of the store, what waits is invalidated, and what was
// accepted or followed is unknown too.
//
// What the policy does not ask is passed over. The arrows are the table
// transitions in operation.go, and the store lets no other be taken. A state,
// its audit record and the messages that it owes are one transaction.
//
// Which state may follow which (a test compares this with the code):
//
//	confirming         → pending, ready, denied, cancelled, expired, invalidated
//	pending            → ready, denied, cancelled, expired, invalidated
//	ready              → checking, intent, pending, denied, cancelled, expired, invalidated
//	checking           → ready, pending, intent, denied, cancelled, expired, invalidated
//	intent             → accepted, following, succeeded, failed, checking, cancelled, unknown (holds its lane)
//	accepted           → following, succeeded, failed, lost-track, unknown (holds its lane)
//	following          → succeeded, failed, lost-track, unknown (holds its lane)
//	unknown            → settled-done, settled-not-done, needs-human, failed, resolved-done, resolved-not-done, resolved-unsure (holds its lane)
//	needs-human        → resolved-done, resolved-not-done, resolved-unsure (holds its lane)
//	lost-track         → succeeded, failed, resolved-done, resolved-not-done, resolved-unsure (holds its lane)
//	succeeded          → ended
//	failed             → ended
//	settled-done       → ended
//	settled-not-done   → ended
//	resolved-done      → ended
//	resolved-not-done  → ended
//	resolved-unsure    → ended
//	denied             → ended
//	cancelled          → ended
//	expired            → ended
//	invalidated        → ended
//
// # One attempt
//
// What becomes of an attempt (a test compares this with the code):
//
//	accepted   → accepted; followed if there is something to follow
//	not sent   → tried again, at most 3 times in 15 s
//	throttled  → tried again when the provider says, at most 5 times in 5 min
//	refused    → failed, with the provider's code and text
//	no answer  → unknown, and settled by reading: never sent again
//
// # Decisions
//
// 2026-11-25. From ready to intent an operation passes checking within one
// transaction. Stored by itself it would cost a commit before every call and
// tell nothing: a crash while checking leaves an operation that is ready.
// Checking is stored where an attempt is made anew, after a 429 or a call of
// which nothing was sent.
//
// 2026-11-25. Reads are retried by the client, mutations by execute.go alone.
// A read is called from twenty places, and to repeat one is always safe.
//
// 2026-11-25. The effect of an accepted call without a job is read twice
// within three seconds, and where a system is asked to stop four times within
// half a minute, not once: "still running" after a moment would be noise.
//
// 2026-11-29. What was accepted and never seen succeeds, and is not called done:
// its headline says that it is not seen. A state of its own would keep its lane
// for a person to free after every delete of a provider that takes its time.
//
// 2026-11-25. A number or an address that could be several things is resolved
// before the operation is stored, and so after the acknowledgement: the policy
// decides on what it means. A delivery that is repeated meanwhile has done
// nothing yet.
//
// 2026-11-25. What was accepted or followed in a copy of the store that was
// restored becomes unknown, not lost-track: in the time that was lost it may
// have ended, been resolved, or been undone by somebody, so that its job's last
// word proves less than a read of the effect, and lost-track is never read
// again. Nothing else leads from there to unknown.
//
// 2026-11-25. The audit chain is verified outside the store, by [Chain], over
// the bytes that were sealed: so the key that is tried is the one of whoever
// asks, also while another process holds the store.
package bot
