package bot

import (
	"context"
	"fmt"
	"time"
)

// AcceptRollback goes on with a store that was opened although it is older
// than it was. What people approved may have been done since, and what was
// under way has ended somehow: open approvals are invalidated, and open
// operations are unknown, to be settled. It does nothing where there is no
// rollback, is called once, before Recover, and may be cut short at any point:
// it is then found and done again.
func (b *Bot) AcceptRollback(ctx context.Context) error {
	why := b.store.Rollback()
	if why == "" {
		return nil
	}
	b.log.Warn("going on with a store that is older than it was", "why", why)
	open, err := b.store.Open(ctx)
	if err != nil {
		return err
	}
	invalidated, unknown := 0, 0
	for _, id := range open {
		op, err := b.store.Operation(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case op.State.Waiting():
			op.Hint = "It may have been done after that copy was made: look at the target before you ask again."
			_, err = b.end(ctx, "", &op, Invalidated, "The store was restored from an older copy.", Record{Kind: "state", Text: "rollback"})
			invalidated++
		case op.State == Intent, op.State == InProgress, op.State == Following:
			err = b.disown(ctx, op)
			unknown++
		}
		if err != nil {
			return fmt.Errorf("operation %d: %w", id, err)
		}
	}
	c := Card{
		Tone: Bad, Title: "The bot goes on with an older copy of its store",
		Lines: []string{
			"What was recorded after that copy is lost: operations, votes, locks, audit records. The provider may have done more than is known here.",
			fmt.Sprintf("Approvals invalidated: %d. Operations whose outcome is unknown now: %d. %s shows what is open.", invalidated, unknown, Code("op list --open")),
		},
		Notes: []string{Clean(why) + "."},
	}
	now := b.clock.Now()
	return b.store.EndRollback(ctx, now, Written{Audit: []Record{{Kind: "rollback", Decision: "accepted", Text: why, Time: now}}, Owed: b.toHome(c)})
}

// disown makes an operation unknown that was under way in the older copy.
func (b *Bot) disown(ctx context.Context, op Operation) error {
	op.State, op.Looks, op.Expires = Unknown, 0, time.Time{}
	op.Outcome = "The store was restored from an older copy, so nobody here knows how this ended. It is not sent again."
	op.NextAt = b.clock.Now().Add(b.scaled(settleFirst))
	owed := b.owedUnknown(&op)
	_, err := b.advanceOwing(ctx, "", &op, owed, Record{Kind: "state", Text: "rollback"})
	return err
}
