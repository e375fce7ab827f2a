package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"hosterbot/commands/hoster/hostersim"
)

type simulateCmd struct {
	Listen string  `default:"127.0.0.1:8099" help:"Address to listen on."`
	Token  string  `default:"simulator" help:"Bearer token that it accepts."`
	Speed  float64 `default:"1" help:"How many times faster than a real provider its jobs run."`
	Seed   uint64  `default:"1" help:"Of its figures and passwords."`
	Empty  bool    `help:"Begin without servers."`
}

// Run serves the simulator until it is told to stop.
func (c *simulateCmd) Run(ctx context.Context, p *program) error {
	if !(c.Speed > 0 && c.Speed <= 10_000) {
		return exit(exitConfig, fmt.Errorf("--speed is %v: expected a number above 0, at most 10000", c.Speed))
	}
	sim := hostersim.New(hostersim.Options{Token: c.Token, Seed: c.Seed, Speed: c.Speed, Empty: c.Empty})
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return exit(exitConfig, fmt.Errorf("--listen is %q: %w", clip(c.Listen), err))
	}
	fmt.Fprintf(p.out, "The simulator serves http://%s/api/v1 for the token %q. Stop it with Ctrl-C.\n", l.Addr(), c.Token)
	return serve(ctx, l, sim, 0) // it may be asked to hang
}

// writeFor is how long one answer of health, metrics or a chat may take.
const writeFor = 30 * time.Second

// serve serves until ctx ends, and then waits a moment for what is under way.
// An answer may take as long as write; 0: as long as it likes.
func serve(ctx context.Context, l net.Listener, h http.Handler, write time.Duration) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute, WriteTimeout: write, MaxHeaderBytes: 64 << 10}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(last); err != nil {
		_ = s.Close() // what hangs on purpose does not hold up the end
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
