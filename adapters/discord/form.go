package discord

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// What a form can hold.
// Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object-modal,
// .../components/reference#label
const (
	maxFormTitle  = 45
	maxFormParts  = 5
	maxFormLabel  = 45
	maxFormHint   = 100
	maxInput      = 4000
	maxOptionText = 100 // of a choice's label, and of its value
	maxFormText   = 1000
)

// The custom IDs of inputs. What is typed into a secret one goes to the
// handler apart from all else.
const (
	valueField  = "value-"
	secretField = "secret-"
	formButton  = "form:" // of a button back to a form that is kept
)

// The parts of today's forms, which discordgo does not have.
const labelComponent discordgo.ComponentType = 18

// modalForm is a form as Discord takes it.
type modalForm struct {
	CustomID   string `json:"custom_id"`
	Title      string `json:"title"`
	Components []any  `json:"components"`
}

// labelled is an input with what is asked.
type labelled struct {
	Type        discordgo.ComponentType `json:"type"`
	Label       string                  `json:"label"`
	Description string                  `json:"description,omitempty"`
	Component   any                     `json:"component"`
}

type textInput struct {
	Type     discordgo.ComponentType  `json:"type"`
	CustomID string                   `json:"custom_id"`
	Style    discordgo.TextInputStyle `json:"style"`
	Value    string                   `json:"value,omitempty"`
	Hint     string                   `json:"placeholder,omitempty"`
	Required bool                     `json:"required"`
	Most     int                      `json:"max_length,omitempty"`
}

type choiceInput struct {
	Type     discordgo.ComponentType      `json:"type"`
	CustomID string                       `json:"custom_id"`
	Hint     string                       `json:"placeholder,omitempty"`
	Required bool                         `json:"required"`
	Least    int                          `json:"min_values"`
	Most     int                          `json:"max_values"`
	Options  []discordgo.SelectMenuOption `json:"options"`
}

// modal is a form as Discord takes it: at most five parts. Fields that are
// needed come first, and what is optional and does not fit is left out. It
// fails where even the others do not fit.
func modal(f bot.Form, now time.Time) (*modalForm, error) {
	fields := slices.Clone(f.Fields)
	slices.SortStableFunc(fields, func(a, b bot.FormField) int { return rank(a) - rank(b) })
	out := &modalForm{CustomID: f.Code, Title: flat(f.Title, "hosterbot", maxFormTitle, now)}
	if len(fields) == 0 || size(f.Code) > maxCode || f.Code == "" {
		return nil, errors.New("open a form: it has no field, or its code is too long")
	}
	text := f.Text
	if len(fields) > maxFormParts {
		text = ""
	}
	if text != "" && len(fields) < maxFormParts {
		out.Components = append(out.Components, discordgo.TextDisplay{Content: cutTo(text, maxFormText)})
	}
	for _, field := range fields {
		if len(out.Components) == maxFormParts {
			if field.Required {
				return nil, errors.New("open a form: it has more fields than Discord's forms")
			}
			break
		}
		out.Components = append(out.Components, labelled{
			Type: labelComponent, Label: flat(field.Label, field.Name, maxFormLabel, now), Description: hint(field, now), Component: input(field, now),
		})
	}
	return out, nil
}

// rank puts what is needed before what is not, and what is wrong before both.
func rank(f bot.FormField) int {
	switch {
	case f.Error != "":
		return 0
	case f.Required:
		return 1
	}
	return 2
}

// hint is the small print of a field: what is wrong, else what to type.
func hint(f bot.FormField, now time.Time) string {
	switch {
	case f.Error != "":
		return flat(f.Error, "", maxFormHint, now)
	case f.Secret:
		return flat("Discord shows what you type: see that nobody looks over your shoulder. "+f.Hint, "", maxFormHint, now)
	}
	return flat(f.Hint, "", maxFormHint, now)
}

// input is what a field is filled in with: a list to choose from, or a line to
// type where it is longer than Discord's lists are.
func input(f bot.FormField, now time.Time) any {
	name := valueField + f.Name
	if f.Secret {
		name = secretField + f.Name
	}
	long := slices.ContainsFunc(f.Choices, func(c bot.Choice) bool { return c.Value == "" || size(c.Value) > maxOptionText })
	if len(f.Choices) == 0 || len(f.Choices) > maxChoices || f.More || long || f.Secret {
		most := maxInput
		if f.MaxLen > 0 {
			most = min(f.MaxLen, maxInput)
		}
		in := textInput{Type: discordgo.TextInputComponent, CustomID: name, Style: discordgo.TextInputShort, Required: f.Required, Most: most}
		if f.Long {
			in.Style = discordgo.TextInputParagraph
		}
		if !f.Secret && size(f.Value) <= most {
			in.Value = f.Value
		}
		return in
	}
	in := choiceInput{Type: discordgo.SelectMenuComponent, CustomID: name, Hint: "Choose", Required: f.Required, Most: 1}
	if f.Required {
		in.Least = 1
	}
	for _, c := range f.Choices {
		in.Options = append(in.Options, discordgo.SelectMenuOption{
			Label: flat(c.Label, c.Value, maxOptionText, now), Value: c.Value, Default: c.Value == f.Value,
		})
	}
	return in
}

// optionChoice is a choice of an option of a kind; false for one that Discord
// would not take.
func optionChoice(c bot.Choice, kind bot.Type) (*discordgo.ApplicationCommandOptionChoice, bool) {
	if c.Value == "" || size(c.Value) > maxOptionText {
		return nil, false
	}
	out := &discordgo.ApplicationCommandOptionChoice{Name: adapters.Truncate(strings.TrimSpace(adapters.Visible(bot.Flat(c.Label, time.Time{}))), maxOptionText), Value: c.Value}
	if out.Name == "" {
		out.Name = c.Value
	} else if !strings.Contains(out.Name, c.Value) && size(c.Value)+size(out.Name)+3 <= maxOptionText {
		out.Name = c.Value + " · " + out.Name
	}
	switch kind {
	case bot.Integer, bot.Number:
		n, ok := number(c.Value)
		if !ok {
			return nil, false
		}
		out.Value = n
	}
	return out, true
}
