package bot

import (
	"context"
	"log/slog"
	"time"
)

// logged writes the one line of a request: what it was, from whom, what came of
// it, and the number of its operation. Arguments stay out of it: the audit log
// has them, without secrets.
func (b *Bot) logged(ctx context.Context, kind, words string, who *asker, start time.Time) {
	attrs := [8]slog.Attr{
		slog.String("kind", kind), slog.String("command", CleanMax(words, 40)), slog.String("outcome", who.outcome),
		slog.String("person", CleanMax(who.name(), 100)), slog.String("platform", who.account.Platform), slog.Duration("took", b.clock.Now().Sub(start)),
	}
	n := 6
	if who.op != 0 {
		attrs[n] = slog.Int64("op", who.op)
		n++
	}
	b.log.LogAttrs(ctx, slog.LevelInfo, "request", attrs[:n]...)
}
