package commands

import (
	"context"
	"fmt"

	"hosterbot/bot"
)

func (p *provider) orderRows() []bot.Command { return []bot.Command{p.orderListRow()} }

func (p *provider) orderListRow() bot.Command {
	return bot.Command{
		Words: "order list", Summary: "List the dedicated servers ordered here, and whether they are visible", Effect: bot.EffectReads,
		Example: "order list", List: true,
		Details: "The provider gives an order no number: the server itself is looked for among those owned.",
		Read:    p.listOrders,
	}
}

func (p *provider) listOrders(ctx context.Context, c *bot.Call) (bot.Card, error) {
	ops, err := c.Bot.Operations(ctx, bot.OperationFilter{Command: orderCommand, Limit: listed})
	if err != nil {
		return bot.Card{}, fmt.Errorf("list orders: %w", err)
	}
	card := bot.Card{Title: "Orders", Table: &bot.Table{
		Columns: []bot.Column{{Name: "Server"}, {Name: "Operation"}, {Name: "State"}, {Name: "Ordered"}, {Name: "Visible"}, {Name: "By"}},
		Empty:   "Nothing was ordered here.",
	}}
	card.Notes = onlyNewest(ops)
	owned, ownedErr := p.servers.get(ctx, only)
	if ownedErr != nil {
		card.Tone = bot.Warn
		card.Notes = append(card.Notes, "Which of them are visible could not be read. "+brief(ownedErr))
	}
	for i := range ops {
		op := &ops[i]
		if op.Job == nil || !seesOperation(c, op) {
			continue
		}
		visible := "no"
		for _, s := range owned {
			switch {
			case int64(s.ID) != op.Args.Int("server"):
			case s.OrderComplete:
				visible = "yes, complete"
			default:
				visible = "yes, not complete"
			}
		}
		switch {
		case ownedErr != nil:
			visible = unread
		case visible == "no" && op.Job.Last.Word == orderVisible:
			visible = "no, last seen after " + bot.At(op.Job.MovedAt)
			card.Tone = bot.Warn
		}
		card.Table.Rows = append(card.Table.Rows, []string{
			number(op.Args.Int("server")), number(op.ID), string(op.State), bot.At(op.Job.Since), visible, bot.Clean(op.Person),
		})
	}
	return card, nil
}
