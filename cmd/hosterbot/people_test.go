package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/policy"
	"hosterbot/store"
	"hosterbot/store/storetest"
)

// How a bench of people measures: after a warm-up, for so long.
const (
	benchWarm = 200 * time.Millisecond
	benchLong = time.Second
)

// BenchmarkPeople has people type a command that changes something, each the
// next one when the call of the last has left: two writes come before that, and
// outcome and messages are stored behind it. Beside it stands what a group
// commit on the same disk can do at best, in the same run; the ratio is that of
// all durable writes.
func BenchmarkPeople(b *testing.B) {
	for _, n := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprint(n, "-people"), func(b *testing.B) {
			b.ReportAllocs()
			var raw, ours, writes float64
			rounds := 0
			for b.Loop() { // by turns, so that both see the same disk
				raw += rawCommits(b, n)
				done, stored := operations(b, n)
				ours, writes = ours+done, writes+stored
				rounds++
			}
			b.ReportMetric(raw/float64(rounds), "raw/s")
			b.ReportMetric(ours/float64(rounds), "operations/s")
			b.ReportMetric(writes/float64(rounds), "writes/s")
			b.ReportMetric(writes/raw, "ratio")
		})
	}
}

// rawCommits: whoever waits shares one commit, which is what every store that
// writes in place needs: the data synced, then a page that points to it.
func rawCommits(b *testing.B, n int) float64 {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	require.NoError(b, err)
	defer f.Close()
	const size, record = 32 << 20, 100
	_, err = f.Write(make([]byte, size))
	require.NoError(b, err)
	require.NoError(b, f.Sync())
	intake := make(chan chan error, 1024)
	go func() {
		at := int64(4096)
		for first := range intake {
			batch := []chan error{first}
			for more := true; more; {
				select {
				case next := <-intake:
					batch = append(batch, next)
				default:
					more = false
				}
			}
			data := make([]byte, (len(batch)*record+4095)&^4095)
			if at+int64(len(data)) > size {
				at = 4096
			}
			_, err := f.WriteAt(data, at)
			if err == nil {
				err = f.Sync()
			}
			if err == nil {
				_, err = f.WriteAt(data[:4096], 0)
			}
			if err == nil {
				err = f.Sync()
			}
			at += int64(len(data))
			for _, done := range batch {
				done <- err
			}
		}
	}()
	defer close(intake)
	return storetest.Rate(b, n, benchWarm, benchLong, func(int, int) error {
		done := make(chan error, 1)
		intake <- done
		return <-done
	})
}

// crowd is how many people there are: each may type only so much in a minute.
const crowd = 3000

// counting counts the writes of a bot at work.
type counting struct {
	bot.Store
	n atomic.Int64
}

func (c *counting) Create(ctx context.Context, now time.Time, key string, op *bot.Operation, with bot.Written) (bot.Stored, error) {
	c.n.Add(1)
	return c.Store.Create(ctx, now, key, op, with)
}

func (c *counting) Advance(ctx context.Context, now time.Time, key string, op *bot.Operation, with bot.Written) (bot.Stored, error) {
	c.n.Add(1)
	return c.Store.Advance(ctx, now, key, op, with)
}

func (c *counting) Deliver(ctx context.Context, now time.Time, o bot.Owed, th bot.Thread) error {
	c.n.Add(1)
	return c.Store.Deliver(ctx, now, o, th)
}

// operations has n of them type at once. It returns how many calls left in a
// second, and how many writes were stored.
func operations(b *testing.B, n int) (calls, writes float64) {
	var left sync.Map // VM → channel that is closed when its call left
	vm := &bot.Kind{
		Name: "VM", Expects: "a VM's number", Targets: []string{"vm"},
		Parse:  func(text string) (string, error) { _, err := strconv.Atoi(text); return text, err },
		Target: func(v string) (bot.Target, error) { return bot.ParseTarget("vm/" + v) },
	}
	catalogue, err := bot.NewCatalogue([]bot.Command{{
		Words: "vm start", Summary: "Start a VM", Effect: bot.EffectChanges,
		Params: []bot.Param{{Name: "vm", Kind: vm, Summary: "VM", Required: true, Positional: true}},
		Preview: func(_ context.Context, c *bot.Call) (bot.Preview, error) {
			t := c.Target().String()
			ips := []bot.Field{{Label: "IPs", Value: "203.0.113.5"}, {Label: "Template", Value: "Debian12.0"}}
			return bot.Preview{Title: "Start " + t, Fields: ips, Fingerprint: ips, Lane: t, Baseline: []byte(`{"state":"stopped"}`)}, nil
		},
		Run: func(_ context.Context, c *bot.Call) bot.Outcome {
			if ch, ok := left.LoadAndDelete(c.Target().String()); ok {
				close(ch.(chan struct{}))
			}
			return bot.Outcome{Class: bot.Accepted, Status: 200, Done: "It runs."}
		},
	}})
	require.NoError(b, err)
	var file strings.Builder
	file.WriteString("version: 1\npeople:\n")
	names := make([]string, crowd)
	for i := range names {
		names[i] = fmt.Sprint("p", i)
		fmt.Fprintf(&file, "  p%d: {slack: T01TEAM/U%d}\n", i, i)
	}
	fmt.Fprintf(&file, "groups:\n  ops: [%s]\nroles:\n  operator: {allow: [all changes]}\ngrants:\n  - {id: ops, to: [ops], role: operator}\n", strings.Join(names, ", "))
	snap, err := policy.Parse("policies.yaml", []byte(file.String()), catalogue.Vocabulary())
	require.NoError(b, err)
	opened, err := store.Open("bolt:"+filepath.Join(b.TempDir(), "s.db"), store.Options{AuditKey: []byte("k")})
	require.NoError(b, err)
	st := &counting{Store: opened}
	hoster, err := bot.New(bot.Config{Catalogue: catalogue, Store: st, Policy: still{snap}, Provider: willing{}, Adapters: []bot.Adapter{silent{}}})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	var background sync.WaitGroup
	background.Go(func() { _ = hoster.Run(ctx) })
	var typed atomic.Int64
	begin := time.Now()
	calls = storetest.Rate(b, n, benchWarm, benchLong, func(int, int) error {
		i := typed.Add(1)
		ch := make(chan struct{})
		left.Store(fmt.Sprint("vm/", i), ch)
		said := &told{}
		hoster.Handle(ctx, bot.Request{
			Key: fmt.Sprintf("slack/T01TEAM/%d", i), Line: fmt.Sprint("vm start ", i), Answer: said,
			Account: bot.Account{Platform: "slack", Team: "T01TEAM", User: fmt.Sprint("U", i%crowd)},
			Place:   bot.Place{Place: policy.Place{Platform: "slack", Team: "T01TEAM", Channel: "C0OPS"}},
		})
		select {
		case <-ch:
			return nil
		case <-time.After(20 * time.Second):
			return fmt.Errorf("no call left: %s", said.Text())
		}
	})
	writes = float64(st.n.Load()) / time.Since(begin).Seconds()
	hoster.Stop()
	hoster.Finish()
	cancel()
	background.Wait()
	require.NoError(b, st.Close())
	return calls, writes
}

// still is a policy that never changes.
type still struct{ snap *policy.Snapshot }

func (s still) Current() *policy.Snapshot { return s.snap }
func (s still) State() policy.State       { return policy.State{Hash: s.snap.Hash()} }

// willing is a provider that takes every call at once.
type willing struct{}

func (willing) Acquire(context.Context) error                            { return nil }
func (willing) SendBy(ctx context.Context, _ time.Time) context.Context  { return ctx }
func (willing) Incidents(context.Context, int64) ([]bot.Incident, error) { return nil, nil }
func (willing) Health() bot.Health                                       { return bot.Health{OK: true} }

// silent is a chat that takes every message at once.
type silent struct{}

func (silent) Platforms() []string                          { return []string{"slack"} }
func (silent) Run(ctx context.Context, _ bot.Handler) error { <-ctx.Done(); return nil }
func (silent) Limits() bot.Limits                           { return bot.Limits{Rows: 20} }
func (silent) CanPost(context.Context, bot.Place) error     { return nil }
func (silent) Post(_ context.Context, p bot.Place, key string, _ bot.Card) (bot.Ref, error) {
	return bot.Ref{Place: p, ID: key}, nil
}
func (silent) Edit(context.Context, bot.Ref, bot.Card) error { return nil }
func (silent) Member(context.Context, bot.Group, []bot.PolicyAccount) (bot.Membership, error) {
	return bot.MemberNo, nil
}
func (silent) Health() bot.Health { return bot.Health{OK: true} }

// told keeps the last card that somebody was answered.
type told struct {
	mu   sync.Mutex
	card bot.Card
}

func (l *told) Ack(context.Context) error            { return nil }
func (l *told) Form(context.Context, bot.Form) error { return nil }
func (l *told) File(context.Context, bot.File) error { return nil }
func (l *told) Reply(_ context.Context, c bot.Card) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.card = c
	return nil
}

// Text is what it says.
func (l *told) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.card.Title + " " + strings.Join(l.card.Lines, " ")
}
