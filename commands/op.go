package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot"
)

// opKind is an operation's number.
var opKind = opsKind(func(ctx context.Context, c *bot.Call, op *bot.Operation) bool {
	switch c.Command.Words {
	case "op approve":
		return op.State == bot.Pending && op.Person != c.Person && c.Bot.Concerns(ctx, c, op)
	case "op deny":
		return op.State.Waiting() && op.State != bot.Confirming && op.Person != c.Person && c.Bot.Concerns(ctx, c, op)
	case "op cancel":
		return op.State.Waiting() && op.Person == c.Person
	}
	return op.Person == c.Person || seesOperation(c, op)
})

// opsKind is the number of an operation of those that a person may have to do
// with.
func opsKind(fits func(context.Context, *bot.Call, *bot.Operation) bool) *bot.Kind {
	k := whole("OP", "an operation's number such as 17", 1, 1<<53, "")
	k.Listed, k.Any = true, true
	k.Complete = func(ctx context.Context, c *bot.Call, prefix string) ([]bot.Choice, error) {
		open := c.Command.Words != "op show"
		ops, err := c.Bot.Operations(ctx, bot.OperationFilter{Open: open})
		if err != nil {
			return nil, fmt.Errorf("complete an operation: %w", err)
		}
		// One that was named may be older than the newest.
		if id, err := k.Parse(prefix); err == nil && !slices.ContainsFunc(ops, func(op bot.Operation) bool { return fmt.Sprint(op.ID) == id }) {
			n, _ := strconv.ParseInt(id, 10, 64)
			if op, err := c.Bot.Operation(ctx, n); err == nil && !(open && op.State.Final()) {
				ops = append([]bot.Operation{op}, ops...)
			}
		}
		var choices []bot.Choice
		for i := range ops {
			if op := &ops[i]; fits(ctx, c, op) {
				id := strconv.FormatInt(op.ID, 10)
				choices = append(choices, bot.Choice{Value: id, Label: joined(id, bot.Flat(op.Title, c.Now), string(op.State), op.Person)})
			}
		}
		return pick(prefix, choices), nil
	}
	return k
}

// unknownKind is the number of an operation that is to be resolved. The policy
// decides on what that operation is about.
var unknownKind = &bot.Kind{
	Name: "OP", Expects: opKind.Expects, Type: bot.Integer, Min: opKind.Min, Max: opKind.Max, Parse: opKind.Parse,
	Listed: true, Complete: opsKind(func(_ context.Context, c *bot.Call, op *bot.Operation) bool {
		return (op.State == bot.Unknown || op.State == bot.NeedsHuman || op.State == bot.LostTrack) && seesOperation(c, op)
	}).Complete,
	Targets: []string{"vm", "dedicated", "ip"}, Ambiguous: true, Labels: true,
	Target: func(string) (bot.Target, error) { return bot.Target{}, nil },
	Resolve: func(ctx context.Context, c *bot.Call, canonical string) (bot.Target, error) {
		op, err := c.Bot.Operation(ctx, c.Args.Int("op"))
		if err != nil {
			return bot.Target{}, err
		}
		return op.Target(), nil
	},
}

// outcomeKind is a person's word on an unknown outcome.
var outcomeKind = choices("OUTCOME", "done, not-done or unsure", "done", "not-done", "unsure")

// reasonKind is why somebody does something: free text, which stands on the
// operation's own card and nowhere else.
var reasonKind = &bot.Kind{Name: "TEXT", Expects: "a sentence or a ticket's number", MaxLen: 300, Hidden: true, Parse: func(text string) (string, error) {
	text = bot.CleanMax(text, 300)
	if text == "" {
		return "", errUnexpected
	}
	return text, nil
}}

// choices is a kind of which every value is known.
func choices(name, expects string, values ...string) *bot.Kind {
	k := &bot.Kind{Name: name, Expects: expects}
	for _, v := range values {
		k.Choices = append(k.Choices, bot.Choice{Value: v, Label: v})
	}
	k.Parse = func(text string) (string, error) {
		text = strings.ToLower(text)
		for _, v := range values {
			if v == text {
				return v, nil
			}
		}
		return "", errUnexpected
	}
	return k
}

func (p *provider) opRows() []bot.Command {
	op := bot.Param{Name: "op", Kind: opKind, Summary: "Number of the operation", Required: true, Positional: true}
	return []bot.Command{
		{
			Words: "op list", Summary: "List operations, the newest first", Effect: bot.EffectReads, Local: true, List: true,
			Params: []bot.Param{
				{Name: "mine", Kind: flagKind, Summary: "Only those you asked for"},
				{Name: "open", Kind: flagKind, Summary: "Only those that have not ended"},
			},
			Example: "op list --open", Read: listOperations,
		},
		{
			Words: "op show", Summary: "Show an operation's whole story", Effect: bot.EffectReads, Local: true, List: true,
			Params: []bot.Param{op}, Example: "op show 17",
			Details: "Who asked, who voted, what was sent, and what came of it.",
			Read:    showOperation,
		},
		{
			Words: "op approve", Summary: "See what waits for approval, with its buttons", Effect: bot.EffectOpen, Local: true,
			Params: []bot.Param{op}, Example: "op approve 17",
			Details: "The card is private, and only the press of its button counts.",
			Read:    opButtons,
		},
		{
			Words: "op deny", Summary: "See what waits for approval, with its buttons to deny it", Effect: bot.EffectOpen, Local: true,
			Params: []bot.Param{op}, Example: "op deny 17",
			Details: "The card is private, and only the press of its button counts.",
			Read:    opButtons,
		},
		{
			Words: "op cancel", Summary: "See an operation of yours, with its button to cancel it", Effect: bot.EffectOpen, Local: true,
			Params: []bot.Param{op}, Example: "op cancel 17",
			Details: "The card is private, and only the press of its button counts.",
			Read:    opButtons,
		},
		{
			Words: "op resolve", Summary: "Say how an operation ended whose outcome is unknown", Effect: bot.EffectControls,
			Params: []bot.Param{
				{Name: "op", Kind: unknownKind, Summary: op.Summary, Required: true, Positional: true},
				{Name: "outcome", Kind: outcomeKind, Summary: "What you found at the provider", Required: true, Positional: true},
				{Name: "reason", Kind: reasonKind, Summary: "How you know", Required: true},
				{Name: "vm", Kind: whole("ID", "the number of the VM that it made", 1, 1<<53, ""), Summary: "VM that it made, where it was a create"},
			},
			Example: `op resolve 17 done --reason "VM 4001 is gone from the provider's list"`,
			Details: "Look at the provider's side first. It frees the target for other operations; doing it again is a new operation with new approvals.",
			Local:   true, Quiet: true,
			Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
				op, err := c.Bot.CheckResolution(ctx, c, resolution(c))
				if err != nil {
					return bot.Preview{}, err
				}
				if vm := int(c.Args.Int("vm")); vm != 0 {
					if err := p.adoptable(ctx, c, &op, vm); err != nil {
						return bot.Preview{}, err
					}
				}
				return bot.Preview{
					Title:  fmt.Sprintf("Resolve operation %d as %s", op.ID, c.Args.Text("outcome")),
					Fields: []bot.Field{{Label: "Operation", Value: op.Title}, {Label: "Unknown since", Value: bot.At(lastSent(&op))}},
				}, nil
			},
			Run: func(ctx context.Context, c *bot.Call) bot.Outcome { return c.Bot.Resolve(ctx, c, resolution(c)) },
		},
	}
}

func resolution(c *bot.Call) bot.Resolution {
	return bot.Resolution{Op: c.Args.Int("op"), Word: c.Args.Text("outcome"), Reason: c.Args.Text("reason"), VM: c.Args.Int("vm")}
}

func lastSent(op *bot.Operation) time.Time {
	if n := len(op.Attempts); n > 0 {
		return op.Attempts[n-1].At
	}
	return op.Created
}

func listOperations(ctx context.Context, c *bot.Call) (bot.Card, error) {
	f := bot.OperationFilter{Open: c.Args.Has("open"), Limit: listed}
	if c.Args.Has("mine") {
		f.Person = c.Person
	}
	ops, err := c.Bot.Operations(ctx, f)
	if err != nil {
		return bot.Card{}, err
	}
	card := bot.Card{Title: "Operations", Table: &bot.Table{
		Columns: []bot.Column{{Name: "Op", Right: true}, {Name: "What"}, {Name: "State"}, {Name: "By"}, {Name: "Asked"}},
		Empty:   "There are none.",
	}}
	for i := range ops {
		if op := &ops[i]; seesOperation(c, op) {
			state := string(op.State)
			if op.Unseen { // "succeeded" alone would be read as done
				state += ", not seen"
			}
			card.Table.Rows = append(card.Table.Rows, []string{fmt.Sprint(op.ID), op.Title, state, bot.Clean(op.Person), bot.At(op.Created)})
		}
	}
	card.Notes = onlyNewest(ops)
	return card, nil
}

// listed is how many operations a list looks at, the newest first.
const listed = 100

// onlyNewest says of a list that there may be more than it shows.
func onlyNewest(ops []bot.Operation) []string {
	if len(ops) < listed {
		return nil
	}
	return []string{fmt.Sprintf("Only the newest %d were looked at. %s shows an older one.", listed, bot.Code("op show NUMBER"))}
}

func showOperation(ctx context.Context, c *bot.Call) (bot.Card, error) {
	op, err := seenOperation(ctx, c)
	if err != nil {
		return bot.Card{}, err
	}
	return c.Bot.OperationCard(c, &op), nil
}

// seenOperation reads an operation that the caller's grants cover.
func seenOperation(ctx context.Context, c *bot.Call) (bot.Operation, error) {
	op, err := c.Bot.Operation(ctx, c.Args.Int("op"))
	if err != nil {
		return op, err
	}
	if op.Person != c.Person && !seesOperation(c, &op) {
		return op, bot.Errorf(bot.Missing, "There is no operation %d that you may see.", op.ID)
	}
	return op, nil
}

// opButtons shows an operation to whoever it concerns: its requester, and who
// may vote on it.
func opButtons(ctx context.Context, c *bot.Call) (bot.Card, error) {
	op, err := c.Bot.Operation(ctx, c.Args.Int("op"))
	if err != nil {
		return bot.Card{}, err
	}
	if !c.Bot.Concerns(ctx, c, &op) {
		return bot.Card{}, bot.Errorf(bot.Forbidden, "Operation %d is not for you to decide.", op.ID)
	}
	return c.Bot.VoteCard(c, &op), nil
}
