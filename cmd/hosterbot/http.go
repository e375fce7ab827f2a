package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"hosterbot/bot"
)

// health serves /healthz and /readyz from the state of the bot's parts.
func health(parts func(context.Context) []bot.Health) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready := readiness(parts(r.Context()))
		w.Header().Set("Content-Type", "application/json")
		if !ready.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(ready) // who asked has gone
	})
	return mux
}

// ready is what /readyz answers.
type ready struct {
	Ready    bool              `json:"ready"`
	Down     map[string]string `json:"down,omitempty"`     // why it is not ready
	Degraded map[string]string `json:"degraded,omitempty"` // what does not work, though it is ready
}

func readiness(parts []bot.Health) ready {
	r := ready{Ready: true, Down: map[string]string{}, Degraded: map[string]string{}}
	for _, h := range parts {
		switch {
		case h.OK:
		case h.Fatal:
			r.Ready = false
			r.Down[h.Name] = h.Text
		default:
			r.Degraded[h.Name] = h.Text
		}
	}
	return r
}

// listenAt listens where a setting says. or is what may be expected besides an
// address.
func listenAt(name, address, or string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	var op *net.OpError
	switch {
	case err == nil:
		return l, nil
	case errors.As(err, &op):
		err = op.Err // without the address, which is said already
	}
	return nil, exit(exitConfig, fmt.Errorf("%s is %q: %w: expected an address of this machine, and a port that no other program has (is another hosterbot running?)%s", name, clip(address), err, or))
}
