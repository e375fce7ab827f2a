package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// orderCommand is the row that orders.
const orderCommand = "dedicated order"

// orderVisible is the word of an order whose server is owned, and not complete.
const orderVisible = "ordered"

// invisibleFor is how long an order may be invisible before that is a bad sign.
const invisibleFor = 10 * time.Minute

func (p *provider) dedicatedMarketRow() bot.Command {
	return bot.Command{
		Words: "dedicated market", Summary: "List the dedicated servers on offer, cheapest first", Effect: bot.EffectReads,
		Params: []bot.Param{
			{Name: "max-price", Kind: priceKind, Summary: "Only those that cost no more"},
			{Name: "cpu", Kind: wordsKind, Summary: "Only those whose CPU has this in its name"},
			{Name: "location", Kind: wordsKind, Summary: "Only those in a place with this in its name"},
			{Name: "min-ram", Kind: ramKind, Summary: "Only those with so much memory, such as 32G"},
		},
		Example: "dedicated market --max-price 100 --min-ram 32G",
		Details: "Prices are as the provider sends them: it names no currency.",
		List:    true,
		Read:    p.listMarket,
	}
}

// byPrice is the offers in the order of their price.
func byPrice(offers []hoster.Offer) []hoster.Offer {
	out := slices.Clone(offers)
	slices.SortStableFunc(out, func(a, b hoster.Offer) int {
		switch {
		case a.Price < b.Price:
			return -1
		case a.Price > b.Price:
			return 1
		}
		return a.ID - b.ID
	})
	return out
}

func (p *provider) listMarket(ctx context.Context, c *bot.Call) (bot.Card, error) {
	offers, err := p.offers.get(ctx, only)
	if err != nil {
		return bot.Card{}, told(err, "the market")
	}
	card := bot.Card{
		Title: "Dedicated servers on the market",
		Table: &bot.Table{
			Columns: []bot.Column{
				{Name: "Server"}, {Name: "Price", Right: true}, {Name: "CPU"}, {Name: "RAM"}, {Name: "Storage"}, {Name: "Place"}, {Name: "Model"},
			},
			Empty: "There are none like that.",
		},
		Notes: []string{"The provider names no currency."},
	}
	for _, o := range byPrice(offers) {
		if !fits(o, c.Args) {
			continue
		}
		cpus := bot.Clean(o.CPU)
		if o.CPUCount > 0 {
			cpus = strconv.Itoa(o.CPUCount) + " × " + cpus
		}
		model := bot.Clean(o.Model)
		if about := bot.CleanMax(o.Description, 60); about != "" {
			model += " (" + about + ")"
		}
		card.Table.Rows = append(card.Table.Rows, []string{
			number(o.ID), price(o.Price), cpus, orUnread(o.RAM), orUnread(o.Storage), orUnread(o.Location), model,
		})
	}
	return card, nil
}

// fits tells whether an offer is what was asked for. One whose memory cannot be
// read is not, if memory was asked for.
func fits(o hoster.Offer, args bot.Args) bool {
	has := func(text, part string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(part)) }
	if args.Has("max-price") {
		if most, err := strconv.ParseFloat(args.Text("max-price"), 64); err != nil || o.Price > most {
			return false
		}
	}
	return has(o.CPU, args.Text("cpu")) && has(o.Location, args.Text("location")) && int64(o.RAMGB) >= args.Int("min-ram")
}

func (p *provider) dedicatedOrderRow() bot.Command {
	return bot.Command{
		Words: orderCommand, Summary: "Order a dedicated server from the market", Effect: bot.EffectCosts,
		Params: []bot.Param{
			{Name: "server", Kind: p.kinds.offer, Summary: "Number of the offer", Required: true, Positional: true},
			{Name: "template", Kind: p.kinds.image, Summary: "System to install", Required: true},
			{Name: "ips", Kind: ipsKind, Summary: "Number of IPs"},
			{Name: "hostname", Kind: hostnameKind, Summary: "Its host name"},
		},
		Example: `dedicated order 9 --template "Debian 10 Buster (DE)" --ips 1`,
		Details: "The provider answers yes even to orders that fail, so the server is looked for until it is there.",
		Whole:   true,
		Finds:   []string{"price"},
		Preview: p.previewOrder,
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.OrderDedicated(ctx, hoster.Order{
				ID: serverOf(c), Template: c.Args.Text("template"),
				IPs: int(c.Args.Int("ips")), Hostname: c.Args.Text("hostname"),
			}))
			o.Followed = o.Class == bot.Accepted
			o.Done = upper(dedicatedThing(serverOf(c))) + " is there."
			return o
		},
		Settle: p.settleOrder, Window: 30 * time.Minute,
		Follow: p.followOrder,
	}
}

func (p *provider) previewOrder(ctx context.Context, c *bot.Call) (bot.Preview, error) {
	name, err := p.freshImage(ctx, c.Args.Text("template"))
	if err != nil {
		return bot.Preview{}, err
	}
	id := serverOf(c)
	owned, err := p.ownedIDs(ctx)
	if err != nil {
		return bot.Preview{}, told(err, "the list of dedicated servers")
	}
	if slices.Contains(owned, id) {
		return bot.Preview{}, bot.Errorf(bot.Conflict, "Server %s is yours already, or ordered.", number(id)).
			WithHint("`dedicated list` shows it.")
	}
	offers, err := p.offers.fresh(ctx, only)
	if err != nil {
		return bot.Preview{}, told(err, "the market")
	}
	i := slices.IndexFunc(offers, func(o hoster.Offer) bool { return o.ID == id })
	if i < 0 {
		return bot.Preview{}, bot.Errorf(bot.Missing, "Server %s is not on the market.", number(id)).
			WithHint("`dedicated market` lists what is.")
	}
	o := offers[i]
	offer := []bot.Field{
		{Label: "Price", Value: price(o.Price)},
		{Label: "Hardware", Value: hardware(o)},
		{Label: "Place", Value: orUnread(o.Location)},
		{Label: "Model", Value: orUnread(o.Model)},
	}
	preview := bot.Preview{
		Args:        c.Args.With("template", name),
		Title:       fmt.Sprintf("Order dedicated server %s for %s", number(id), price(o.Price)),
		Fields:      append(slices.Clone(offer), bot.Field{Label: "Template", Value: template(name)}),
		Fingerprint: offer,
		Notes:       []string{"The provider names no currency and no period for the price."},
		Lane:        dedicatedID(id).String(),
		Facts:       bot.Facts{Price: o.Price, Known: bot.FactPrice},
	}
	ips := "as the provider gives"
	if c.Args.Has("ips") {
		preview.Facts.IPs = int(c.Args.Int("ips"))
		preview.Facts.Known |= bot.FactIPs
		ips = c.Args.Text("ips")
	}
	preview.Fields = append(preview.Fields, bot.Field{Label: "IPs", Value: ips})
	if c.Args.Has("hostname") {
		preview.Fields = append(preview.Fields, bot.Field{Label: "Host name", Value: bot.Code(c.Args.Text("hostname"))})
	}
	return preview, nil
}

func (p *provider) settleOrder(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	id := serverOf(c)
	what := upper(dedicatedThing(id))
	owned, err := p.ownedIDs(ctx)
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle an order: %w", err)
	}
	if slices.Contains(owned, id) {
		return bot.Verdict{Is: bot.Done, Text: what + " is among the servers owned."}, nil
	}
	offers, err := p.offers.fresh(ctx, only)
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle an order: %w", err)
	}
	if slices.ContainsFunc(offers, func(o hoster.Offer) bool { return o.ID == id }) {
		return bot.Verdict{Is: bot.NotDone, Text: what + " is not among the servers owned, and still on the market."}, nil
	}
	return bot.Verdict{Is: bot.Person, Text: what + " is neither among the servers owned nor on the market. Ask the provider whether it was ordered."}, nil
}

// followOrder looks for the server that was ordered. The provider answers true
// even when the order is lost, so only the server itself ends it.
func (p *provider) followOrder(ctx context.Context, c *bot.Call) (bot.Progress, error) {
	id := serverOf(c)
	owned, err := p.servers.fresh(ctx, only)
	if err != nil {
		return bot.Progress{}, fmt.Errorf("follow an order: %w", err)
	}
	for _, s := range owned {
		switch {
		case s.ID != id:
		case s.OrderComplete:
			return bot.Progress{
				Phase: bot.Finished, Word: "complete", Fraction: 1,
				Text:    upper(dedicatedThing(id)) + " is there. Its passwords: " + bot.Code(fmt.Sprintf("dedicated passwords %d", id)) + ".",
				Targets: []bot.Target{dedicatedID(id)},
				Result:  []bot.Field{{Label: "Server", Value: number(id)}},
			}, nil
		default:
			return bot.Progress{Phase: bot.Running, Word: orderVisible, Fraction: -1, Text: "The server is visible, and the order is not complete."}, nil
		}
	}
	at := bot.Progress{Phase: bot.Running, Word: "not visible", Fraction: -1, Text: "The server is not visible yet."}
	if c.Now.Sub(accepted(c)) >= invisibleFor {
		at.Text = "The server is not visible yet: the provider says this usually means that the order failed."
	}
	return at, nil
}
