package commands

import (
	"context"
	"errors"
	"strconv"
	"time"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// Provider is the API as the core knows it: when a mutation may leave, the
// incidents of a VM, and how the API is doing.
func Provider(api *hoster.Client) bot.Provider { return apiProvider{api} }

type apiProvider struct{ api *hoster.Client }

// Acquire implements bot.Provider.
func (p apiProvider) Acquire(ctx context.Context) error {
	err := p.api.Acquire(ctx, hoster.Mutation)
	if errors.Is(err, hoster.ErrPaused) {
		return bot.Errorf(bot.Unavailable, "the provider, which refuses the bot's token: nothing is changed until a read works").Because(err)
	}
	if err != nil {
		return bot.Errorf(bot.Unavailable, "its turn at the provider's rate limit").Because(err)
	}
	return nil
}

// SendBy implements bot.Provider.
func (p apiProvider) SendBy(ctx context.Context, t time.Time) context.Context {
	return hoster.WithSendBy(ctx, t)
}

// Incidents implements bot.Provider.
func (p apiProvider) Incidents(ctx context.Context, vm int64) ([]bot.Incident, error) {
	list, err := p.api.VMIncidents(hoster.WithPriority(ctx, hoster.Polling), int(vm))
	if err != nil {
		return nil, told(err, vmThing(int(vm)))
	}
	out := make([]bot.Incident, len(list))
	for i, in := range list {
		out[i] = bot.Incident{
			ID: strconv.FormatInt(in.GID, 10), Start: in.StartText, Stop: in.StopText, Host: in.Host,
			Types: in.Types, Impact: in.Impact, Direction: in.Direction, Ongoing: in.Ongoing,
		}
		if in.GID == 0 { // its documentation does not promise one
			out[i].ID = ""
		}
	}
	return out, nil
}

// Health implements bot.Provider.
func (p apiProvider) Health() bot.Health {
	h := p.api.Health()
	out := bot.Health{Name: "HosterAPI", OK: true, Text: "answers", Since: h.LastOK}
	switch {
	case h.TokenRefused:
		out.OK, out.Text, out.Since = false, "refuses the bot's token (HOSTERAPI_TOKEN): nothing is changed until a read works", h.LastErrAt
	case h.LastOK.IsZero() && h.LastErrAt.IsZero():
		out.Text = "not asked yet"
	case !h.Paused.IsZero():
		out.OK, out.Text, out.Since = false, "asks to slow down (HTTP 429): it is not asked again before "+h.Paused.UTC().Format("15:04:05 UTC"), h.LastErrAt
	case !h.Reachable:
		out.OK, out.Text, out.Since = false, "does not answer: "+h.LastErr, h.LastErrAt
	}
	return out
}
