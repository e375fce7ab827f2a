package adapters

import (
	"context"
	"errors"
	"strings"
	"time"

	"hosterbot/bot"
)

// PlaceChecks are the checks of doctor that the bot may post where it has to,
// on one platform. known fails where it is no use to ask.
func PlaceChecks(n bot.Needs, platform string, known func(context.Context) error, canPost func(context.Context, bot.Place) error) []bot.Check {
	var checks []bot.Check
	for _, p := range n.Places {
		if p.Platform != platform || p.Direct {
			continue
		}
		checks = append(checks, bot.Check{Name: "channel " + p.String(), Run: func(ctx context.Context) (string, error) {
			if err := known(ctx); err != nil {
				return "", err
			}
			if err := canPost(ctx, p); err != nil {
				return "", advice(err)
			}
			return "the bot may post there", nil
		}})
	}
	return checks
}

// advice is an error for people in one line, with its hint.
func advice(err error) error {
	var e *bot.Error
	if !errors.As(err, &e) {
		return err
	}
	return errors.New(strings.TrimSpace(bot.Flat(e.Text+" "+e.Hint, time.Time{})))
}
