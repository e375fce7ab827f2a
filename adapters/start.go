package adapters

import (
	"context"
	"errors"
	"time"

	"hosterbot/bot"
)

// Introduce asks a chat who the bot is until it says so, ctx ends, or it
// refuses the credentials: only then there is an error. trouble is told what
// came of the other tries.
func Introduce(ctx context.Context, clock bot.Clock, known func() bool, ask func(context.Context) error, trouble func(error)) error {
	for failures := 0; !known(); failures++ {
		if clock.Sleep(ctx, Backoff(failures)) != nil {
			return nil
		}
		err := ask(ctx)
		var fatal *FatalError
		switch {
		case errors.As(err, &fatal):
			return err
		case err != nil && ctx.Err() == nil:
			trouble(err)
		}
	}
	return nil
}

// Await waits until known is closed, for at most d. It is false if that did
// not happen.
func Await(ctx context.Context, clock bot.Clock, known <-chan struct{}, d time.Duration) (bool, error) {
	late := make(chan struct{})
	defer clock.AfterFunc(d, func() { close(late) })()
	select {
	case <-known:
		return true, nil
	case <-late:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
