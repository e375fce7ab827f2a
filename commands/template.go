package commands

import (
	"context"
	"slices"
	"strings"

	"hosterbot/bot"
)

func (p *provider) vmTemplatesRow() bot.Command {
	return bot.Command{
		Words: "vm templates", Summary: "List the systems that a VM can be installed with", Effect: bot.EffectReads,
		Example: "vm templates", List: true,
		Read: func(ctx context.Context, _ *bot.Call) (bot.Card, error) {
			return templatesCard("Templates for VMs")(p.vmTemplates(ctx))
		},
	}
}

func (p *provider) dedicatedTemplatesRow() bot.Command {
	return bot.Command{
		Words: "dedicated templates", Summary: "List the systems that a dedicated server can be installed with", Effect: bot.EffectReads,
		Example: "dedicated templates", List: true,
		Read: func(ctx context.Context, _ *bot.Call) (bot.Card, error) {
			return templatesCard("Templates for dedicated servers")(p.dedicatedTemplates(ctx))
		},
	}
}

func templatesCard(title string) func([]string, error) (bot.Card, error) {
	return func(names []string, err error) (bot.Card, error) {
		if err != nil {
			return bot.Card{}, told(err, "the list of templates")
		}
		return bot.Card{
			Title: title,
			Table: list("Template", names, "The provider lists none."),
			Notes: []string{"The beginning of a name is enough where only one begins so."},
		}, nil
	}
}

// vmTemplates and dedicatedTemplates list the names, each once: the provider
// lists some twice.
func (p *provider) vmTemplates(ctx context.Context) ([]string, error) {
	names, err := p.templates.get(ctx, only)
	return once(names), err
}

func (p *provider) dedicatedTemplates(ctx context.Context) ([]string, error) {
	names, err := p.images.get(ctx, only)
	return once(names), err
}

// once is names in their order without empty ones and repetitions.
func once(names []string) []string {
	var out []string
	for _, name := range names {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// freshTemplate finds the one template of VMs that typed means, as listed now.
func (p *provider) freshTemplate(ctx context.Context, typed string) (string, error) {
	names, err := p.templates.fresh(ctx, only)
	if err != nil {
		return "", told(err, "the list of templates")
	}
	return matchTemplate(once(names), typed, "vm templates")
}

// freshImage is freshTemplate for dedicated servers.
func (p *provider) freshImage(ctx context.Context, typed string) (string, error) {
	names, err := p.images.fresh(ctx, only)
	if err != nil {
		return "", told(err, "the list of templates")
	}
	return matchTemplate(once(names), typed, "dedicated templates")
}

// shownCandidates bounds the list of templates that a few letters could mean.
const shownCandidates = 10

// matchTemplate finds the name that typed is, or is the only one to begin with,
// whatever the case.
func matchTemplate(names []string, typed, command string) (string, error) {
	var same, begin []string
	for _, name := range names {
		folded := strings.Join(strings.Fields(name), " ") // as typed values are
		switch {
		case name == typed || folded == typed:
			return name, nil
		case strings.EqualFold(folded, typed):
			same = append(same, name)
		case strings.HasPrefix(strings.ToLower(folded), strings.ToLower(typed)):
			begin = append(begin, name)
		}
	}
	if len(same) > 0 {
		begin = same
	}
	switch len(begin) {
	case 1:
		return begin[0], nil
	case 0:
		return "", bot.Errorf(bot.Missing, "The provider has no template %s.", bot.Code(typed)).
			WithHint("%s lists them.", bot.Code(command))
	}
	shown := make([]string, 0, shownCandidates)
	for _, name := range begin[:min(len(begin), shownCandidates)] {
		shown = append(shown, bot.Code(name))
	}
	e := bot.Errorf(bot.Invalid, "%s could be %s.", bot.Code(typed), strings.Join(shown, ", "))
	if more := len(begin) - len(shown); more > 0 {
		e = bot.Errorf(bot.Invalid, "%s could be %s and %d more.", bot.Code(typed), strings.Join(shown, ", "), more)
	}
	return "", e.WithHint("Write more of its name.")
}
