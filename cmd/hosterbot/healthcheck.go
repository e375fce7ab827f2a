package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthcheckCmd asks a running bot of this machine how it is, for an image in
// which there is no other program that could.
type healthcheckCmd struct {
	Listen string `name:"listen" env:"HOSTERBOT_LISTEN" default:"127.0.0.1:8080" help:"Where the bot serves its health."`
	Ready  bool   `help:"Ask /readyz, and print what is down, instead of /healthz."`
}

// healthcheckFor bounds the question; Docker gives a check 30 s by default.
const healthcheckFor = 5 * time.Second

// Run exits 0 where the bot answers 200, and 1 otherwise.
func (c *healthcheckCmd) Run(ctx context.Context, p *program) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return exit(exitFailed, fmt.Errorf("HOSTERBOT_LISTEN is %q: no health is served there", clip(c.Listen)))
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // the image has no /etc/hosts of its own
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckFor)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return exit(exitFailed, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	resp, err := client.Do(q)
	if err != nil {
		return exit(exitFailed, fmt.Errorf("no bot answers at %s: is it running?", clip(c.Listen)))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return exit(exitFailed, err)
	}
	fmt.Fprintln(p.out, strings.TrimSpace(string(body)))
	if resp.StatusCode != http.StatusOK {
		return exit(exitFailed, errors.New(""))
	}
	return nil
}
