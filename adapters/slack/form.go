package slack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// What a form can hold.
// Source: https://docs.slack.dev/reference/views, .../block-kit/block-elements
const (
	maxFormTitle = 24
	maxFormLabel = 2000
	maxChoices   = 100
	maxChoice    = 75  // characters shown of a choice
	maxChosen    = 150 // of its value
	maxInput     = 3000
	maxMetadata  = 3000
	maxWrong     = 500 // characters of what is said at a field
)

// The action IDs of inputs. What is typed into a secret one goes to the
// handler apart from all else.
const (
	valueAction  = "value-"
	secretAction = "secret-"
)

// origin is where a form was asked for. It travels in the form itself.
type origin struct {
	Channel string `json:"c"`
	Name    string `json:"n,omitempty"`
	Thread  string `json:"t,omitempty"` // answers go there
	Kept    string `json:"k,omitempty"` // key of the response_url in the drawer
}

// parseOrigin reads what String wrote; of anything else nothing.
func parseOrigin(text string) origin {
	var o origin
	if len(text) > maxMetadata || json.Unmarshal([]byte(text), &o) != nil {
		return origin{}
	}
	return o
}

func (o origin) String() string {
	text, err := json.Marshal(o)
	if err != nil || len(text) > maxMetadata {
		return "{}"
	}
	return string(text)
}

// drawer keeps response URLs while their forms are open: Slack gives none with
// the form that comes back. After a restart it is empty, and answers take the
// long way.
type drawer struct {
	clock bot.Clock

	mu   sync.Mutex
	kept map[string]*replyURL
}

const drawerHolds = 10_000

func newDrawer(clock bot.Clock) *drawer {
	return &drawer{clock: clock, kept: make(map[string]*replyURL)}
}

// wayBack begins the code of a button back to a form that is kept. Behind the
// key stands the form's own code.
const wayBack = "form:"

// wayBackTo keeps a form for one person, and returns the code of the button that
// opens it.
func (a *Adapter) wayBackTo(f bot.Form, user string) string {
	return wayBack + a.forms.Keep(user, f) + "/" + f.Code
}

// formOf finds the form that a button leads back to; else the code to press
// instead.
func (a *Adapter) formOf(button, user string) (f bot.Form, code string, found bool) {
	rest, ok := strings.CutPrefix(button, wayBack)
	if !ok {
		return f, button, false
	}
	key, code, _ := strings.Cut(rest, "/")
	f, found = a.forms.Find(key, user)
	return f, code, found
}

// put keeps a URL, and returns its key.
func (d *drawer) put(u *replyURL) string {
	if u == nil {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kept) >= drawerHolds {
		now := d.clock.Now()
		for k, u := range d.kept {
			if now.After(u.until) {
				delete(d.kept, k)
			}
		}
		if len(d.kept) >= drawerHolds {
			clear(d.kept)
		}
	}
	key := rand.Text()
	d.kept[key] = u
	return key
}

func (d *drawer) find(key string) *replyURL {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept[key]
}

// modal is a form as a view.
func modal(f bot.Form, from origin, now time.Time) slack.ModalViewRequest {
	v := slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: f.Code, PrivateMetadata: from.String(),
		Title: plain(fitOr(f.Title, "hosterbot", maxFormTitle, now)), Submit: plain(fitOr(f.Submit, "Send", maxFormTitle, now)), Close: plain("Cancel"),
	}
	if f.Text != "" {
		for _, part := range pieces(f.Text, fitChunk, now) {
			v.Blocks.BlockSet = append(v.Blocks.BlockSet, slack.NewSectionBlock(words(part, now), nil, nil))
		}
	}
	for _, field := range f.Fields {
		b := slack.NewInputBlock(field.Name, plain(fitOr(field.Label, field.Name, maxFormLabel, now)), nil, input(field, now))
		b.Optional = !field.Required
		hint := field.Hint
		if field.Secret {
			hint = strings.TrimSpace(hint + " Slack shows what you type: see that nobody looks over your shoulder.")
		}
		if hint != "" {
			b.Hint = plain(fit(hint, maxFormLabel, now))
		}
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, b)
	}
	return v
}

func fitOr(text, other string, most int, now time.Time) string {
	if text = fit(text, most, now); blank(text) {
		return other
	}
	return text
}

// input is what a field is filled in with: a list to choose from, a list that
// is searched where it is longer than Slack's lists are, or a line to type.
func input(f bot.FormField, now time.Time) slack.BlockElement {
	action := valueAction + f.Name
	if f.Secret {
		action = secretAction + f.Name
	}
	long := slices.ContainsFunc(f.Choices, func(c bot.Choice) bool { return c.Value == "" || size(c.Value) > maxChosen })
	if len(f.Choices) == 0 || long || f.Secret {
		e := &slack.PlainTextInputBlockElement{Type: slack.METPlainTextInput, ActionID: action, Multiline: f.Long}
		most := maxInput
		if f.MaxLen > 0 && f.MaxLen < maxInput {
			most = f.MaxLen
			e.MaxLength = most
		}
		if !f.Secret && size(f.Value) <= most {
			e.InitialValue = f.Value
		}
		return e
	}
	e := &slack.SelectBlockElement{Type: slack.OptTypeStatic, ActionID: action, Placeholder: plain("Choose")}
	all := optionObjects(f.Choices, now)
	for i, c := range f.Choices {
		if c.Value == f.Value {
			e.InitialOption = all[i]
		}
	}
	if len(all) > maxChoices || f.More {
		if e.InitialOption == nil && f.Value != "" && size(f.Value) <= maxChosen {
			e.InitialOption = optionObjects([]bot.Choice{{Value: f.Value}}, now)[0]
		}
		none := 0
		e.Type, e.MinQueryLength, e.Placeholder = slack.OptTypeExternal, &none, plain("Type to search")
		return e
	}
	e.Options = all
	return e
}

func optionObjects(choices []bot.Choice, now time.Time) []*slack.OptionBlockObject {
	out := make([]*slack.OptionBlockObject, len(choices))
	for i, c := range choices {
		shown := fit(c.Label, maxChoice, now)
		if blank(shown) {
			shown = fitOr(c.Value, "…", maxChoice, now)
		}
		out[i] = slack.NewOptionBlockObject(c.Value, plain(shown), nil)
	}
	return out
}

// optionList answers a question for choices. Slack wants the list even where
// it is empty.
type optionList struct {
	Options []*slack.OptionBlockObject `json:"options"`
}

var noOptions = optionList{Options: []*slack.OptionBlockObject{}}

func options(choices []bot.Choice) optionList {
	choices = slices.DeleteFunc(slices.Clone(choices), func(c bot.Choice) bool { return c.Value == "" || size(c.Value) > maxChosen })
	return optionList{optionObjects(choices[:min(len(choices), maxChoices)], time.Time{})}
}

// formErrors say at the fields of an open form what is wrong there.
func formErrors(at map[string]string) *slack.ViewSubmissionResponse {
	return slack.NewErrorsViewSubmissionResponse(at)
}

// formAnswer shows a form again that was sent. open are the fields it had:
// Slack takes errors for those alone. Without any, the new form takes its
// place.
func formAnswer(f bot.Form, view slack.ModalViewRequest, open []string, now time.Time) any {
	at := make(map[string]string)
	for _, field := range f.Fields {
		wrong := adapters.Truncate(bot.Flat(field.Error, now), maxWrong)
		switch {
		case wrong == "":
		case slices.Contains(open, field.Name):
			at[field.Name] = wrong
		case len(open) > 0:
			first := slices.Min(open)
			at[first] = strings.TrimSpace(at[first] + " " + field.Label + ": " + wrong)
		}
	}
	if len(at) > 0 {
		return formErrors(at)
	}
	answer := slack.NewUpdateViewSubmissionResponse(&view)
	if _, err := ackFrame(strings.Repeat("x", 64), answer); err != nil && len(open) > 0 {
		return formErrors(map[string]string{slices.Min(open): "This is not accepted. Close the form and begin again."})
	}
	return answer
}

// open shows a form. The trigger of a click or a command works for three
// seconds, and once.
func (a *Adapter) open(ctx context.Context, trigger string, view slack.ModalViewRequest) error {
	if err := a.limits.enter(ctx, methodViews, "", progress); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	if _, err := a.api.OpenViewContext(ctx, trigger, view); err != nil {
		a.limits.pause(methodViews, "", retryAfter(err))
		return fmt.Errorf("%s: %w", methodViews, adapters.Quiet(err))
	}
	return nil
}
