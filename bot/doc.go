// Package bot is the core of hosterbot: the words it uses, and the way a
// request takes. It knows no chat, no provider and no database; those know it.
//
// # The pipeline
//
// A chat calls a [Handler]: Handle for a command that was typed, Press for a
// button, Submit for a form, Complete for what could be typed next.
//
//	router.go     who is it (identity.go), is it too much, what was typed (parse.go)
//	authorise.go  may they: the policy decides on arguments, and again with facts
//	read.go       a command that only looks: run, answer privately, record
//	confirm.go    a command that changes something becomes an Operation:
//	              store, acknowledge, read the target, show what will be hit
//	vote.go       buttons and forms: confirm, approve, deny, cancel, and all others
//	execute.go    read and decide everything again, take the lane and record the
//	              intent in one transaction, send once, record what came of it
//	track.go      follow what the provider works on, over restarts
//	settle.go     outcomes that nobody knows; secrets that only their owner sees
//	announce.go   messages owed: root, thread, end, in order, coalesced
//	look.go       how an operation looks
//
// # The life of an operation
//
//	confirming → pending → ready → checking → intent ── accepted → following → succeeded | failed | lost-track
//	   │           │         │        │         ├── refused ──→ failed
//	   └───────────┴─────────┴────────┘         ├── not sent ─→ checking (a new attempt), or cancelled
//	 denied · cancelled · expired · invalidated └── no answer, or a crash → unknown
//
// What the policy does not ask is passed over. The arrows are the table
// transitions in operation.go, and the store lets no other be taken. A state,
// its audit record and the messages that it owes are one transaction.
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
// 2026-11-25. A number or an address that could be several things is resolved
// before the operation is stored, and so after the acknowledgement: the policy
// decides on what it means. A delivery that is repeated meanwhile has done
// nothing yet.
package bot
