package commands

import (
	"context"
	"strings"
	"time"

	"hosterbot/bot"
)

// longestLock is how long a lock may last.
const longestLock = 24 * time.Hour

// lockTargetKind is what can be locked. A label is checked against the policy
// when the command runs.
var lockTargetKind = &bot.Kind{
	Name: "TARGET", Expects: "vm/4001, dedicated/7, a label, or all", MaxLen: 64,
	Targets: []string{"vm", "dedicated", "ip"}, Labels: true,
	Target: func(canonical string) (bot.Target, error) {
		t, err := bot.ParseTarget(canonical)
		if err != nil {
			return bot.Target{}, nil // a label, or all: whoever may lock everything may lock that
		}
		return t, nil
	},
	Parse: func(text string) (string, error) {
		text = bot.CleanMax(text, 64)
		if text == "" || strings.ContainsAny(text, " `\"'") {
			return "", errUnexpected
		}
		if t, err := bot.ParseTarget(text); err == nil {
			return t.String(), nil
		}
		return text, nil
	},
}

// lockedFor is a length of time that a lock may last.
var lockedFor = &bot.Kind{Name: "DURATION", Expects: "30m, 4h or another time up to 24h", Parse: func(text string) (string, error) {
	value, err := parseDuration(text)
	if err != nil {
		return "", err
	}
	if d, err := time.ParseDuration(value); err != nil || d > longestLock || d < time.Minute {
		return "", errUnexpected
	}
	return value, nil
}}

func lockRows() []bot.Command {
	target := bot.Param{Name: "target", Kind: lockTargetKind, Summary: "What to lock: vm/4001, dedicated/7, a label, or all", Required: true, Positional: true}
	return []bot.Command{
		{
			Words: "lock set", Summary: "Keep everybody off a target for a while", Effect: bot.EffectControls, Local: true,
			Params: []bot.Param{
				target,
				{Name: "reason", Kind: reasonKind, Summary: "Why, for those who are refused", Required: true},
				{Name: "for", Kind: lockedFor, Summary: "How long, at most 24h; 1h if it is not said"},
			},
			Example: `lock set vm/4001 --reason "disk being replaced" --for 2h`,
			Details: "Refusals show who, why, and until when. Reading still works.",
			Preview: func(_ context.Context, c *bot.Call) (bot.Preview, error) {
				t, err := lockable(c)
				if err != nil {
					return bot.Preview{}, err
				}
				return bot.Preview{Title: "Lock " + bot.Code(t), Args: c.Args.With("target", t), Fields: []bot.Field{
					{Label: "For", Value: bot.Duration(lockLength(c))}, {Label: "Reason", Value: bot.Clean(c.Args.Text("reason"))},
				}}, nil
			},
			Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
				return c.Bot.SetLock(ctx, c, c.Args.Text("target"), c.Args.Text("reason"), lockLength(c))
			},
		},
		{
			Words: "lock list", Summary: "List the locks in force", Effect: bot.EffectReads, Local: true, List: true,
			Example: "lock list",
			Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
				locks, err := c.Bot.Locks(ctx)
				if err != nil {
					return bot.Card{}, err
				}
				card := bot.Card{Title: "Locks", Table: &bot.Table{
					Columns: []bot.Column{{Name: "Target"}, {Name: "By"}, {Name: "Until"}, {Name: "Reason"}}, Empty: "Nothing is locked.",
				}}
				for _, l := range locks {
					card.Table.Rows = append(card.Table.Rows, []string{bot.Code(l.Target), bot.Clean(l.By), bot.At(l.Until), bot.Clean(l.Reason)})
				}
				return card, nil
			},
		},
		{
			Words: "lock clear", Summary: "Take a lock away", Effect: bot.EffectControls, Local: true,
			Params: []bot.Param{target}, Example: "lock clear vm/4001",
			Details: "One's own lock may always be cleared.",
			Own:     ownLock,
			Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
				t, err := lockable(c)
				if err != nil {
					return bot.Preview{}, err
				}
				l, ok, err := lockOn(ctx, c, t)
				if err != nil {
					return bot.Preview{}, err
				}
				if !ok {
					return bot.Preview{}, bot.Errorf(bot.Missing, "There is no lock on %s.", bot.Code(t)).WithHint("%s shows them.", bot.Code("lock list"))
				}
				return bot.Preview{Title: "Unlock " + bot.Code(t), Args: c.Args.With("target", t), Fields: []bot.Field{
					{Label: "Locked by", Value: bot.Clean(l.By)}, {Label: "Until", Value: bot.At(l.Until)}, {Label: "Reason", Value: bot.Clean(l.Reason)},
				}}, nil
			},
			Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
				return c.Bot.ClearLock(ctx, c, c.Args.Text("target"))
			},
		},
	}
}

// ownLock tells whether the lock that is to be cleared is the caller's own.
func ownLock(ctx context.Context, c *bot.Call) bool {
	t, err := lockable(c)
	if err != nil {
		return false
	}
	l, ok, err := lockOn(ctx, c, t)
	return err == nil && ok && l.By == c.Person
}

func lockOn(ctx context.Context, c *bot.Call, target string) (bot.Lock, bool, error) {
	locks, err := c.Bot.Locks(ctx)
	if err != nil {
		return bot.Lock{}, false, err
	}
	for _, l := range locks {
		if l.Target == target {
			return l, true, nil
		}
	}
	return bot.Lock{}, false, nil
}

// lockable is the target in its one form: vm/4001, dedicated/7, ip/..., a
// label of the policy, or all.
func lockable(c *bot.Call) (string, error) {
	text := c.Args.Text("target")
	if strings.EqualFold(text, "all") {
		return "all", nil
	}
	if targets, ok := c.Policy.Label(text); ok {
		if len(targets) == 1 {
			return targets[0].String(), nil
		}
		return text, nil
	}
	if t, err := bot.ParseTarget(text); err == nil {
		return t.String(), nil
	}
	return "", bot.Errorf(bot.Invalid, "That is nothing that can be locked.").
		WithHint("Write %s, %s, a label of the policy, or %s.", bot.Code("vm/4001"), bot.Code("dedicated/7"), bot.Code("all"))
}

func lockLength(c *bot.Call) time.Duration {
	if d, err := time.ParseDuration(c.Args.Text("for")); err == nil {
		return d
	}
	return time.Hour
}
