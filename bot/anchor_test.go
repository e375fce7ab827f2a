package bot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

var mac = strings.Repeat("0123456789abcdef", 4)

func TestAnchorsAreFoundInAnyText(t *testing.T) {
	a := func(seq, count uint64) bot.Anchor { return bot.Anchor{Seq: seq, MAC: mac, Count: count} }
	line := a(64, 64).String()
	require.Equal(t, "audit-anchor 64 "+mac+" 64", line)
	var many strings.Builder
	var all []bot.Anchor
	for i := range uint64(3000) {
		all = append(all, a(i+1, i+1))
		fmt.Fprintf(&many, "%s audit-anchor %d %s %d ", strings.Repeat("x", int(i%97)), i+1, mac, i+1)
	}
	for name, tc := range map[string]struct {
		text string
		want []bot.Anchor
	}{
		"a line":                {line, []bot.Anchor{a(64, 64)}},
		"a log":                 {"time=2026-11-25T12:00:00Z level=INFO msg=\"" + line + "\"\nmsg=other\n", []bot.Anchor{a(64, 64)}},
		"a log in JSON":         {`{"level":"INFO","msg":"` + line + `"}` + "\n", []bot.Anchor{a(64, 64)}},
		"a saved channel":       {`[{"text":"Audit log\n` + "`" + line + "`" + `"},{"text":"*` + a(128, 128).String() + `*"}]`, []bot.Anchor{a(64, 64), a(128, 128)}},
		"said twice":            {line + "\n" + line, []bot.Anchor{a(64, 64)}},
		"one line of megabytes": {many.String(), all},
		"largest":               {"audit-anchor 9999999999999999999 " + mac + " 9999999999999999999", []bot.Anchor{a(9999999999999999999, 9999999999999999999)}},
		"nothing":               {"", nil},
		"a short MAC":           {"audit-anchor 64 " + mac[1:] + " 64", nil},
		"a long MAC":            {"audit-anchor 64 " + mac + "0 64", nil},
		"in capitals":           {"audit-anchor 64 " + strings.ToUpper(mac) + " 64", nil},
		"no count":              {"audit-anchor 64 " + mac + " ", nil},
		"number 0":              {"audit-anchor 0 " + mac + " 0", nil},
		"a number too large":    {"audit-anchor 64 " + mac + " 12345678901234567890", nil},
		"two spaces":            {"audit-anchor  64 " + mac + " 64", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := bot.ParseAnchors(strings.NewReader(tc.text))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	errBroken := errors.New("broken")
	_, err := bot.ParseAnchors(io.MultiReader(strings.NewReader(line), iotest.ErrReader(errBroken)))
	require.ErrorIs(t, err, errBroken)
}

// FuzzParseAnchors: reading piece by piece finds what is in the whole.
func FuzzParseAnchors(f *testing.F) {
	f.Add("audit-anchor 64 "+mac+" 64\n", 0)
	f.Add("audit-anchor audit-anchor 1 "+mac+" 1audit-anchor 2 "+mac+" 22", 65430)
	f.Fuzz(func(t *testing.T, text string, before int) {
		if before < 0 || before > 70_000 {
			return
		}
		text = strings.Repeat("-", before) + text + "\n" + text
		var want []string
		whole := regexp.MustCompile(`audit-anchor [1-9][0-9]{0,18} [0-9a-f]{64} [1-9][0-9]{0,18}\b`)
		for _, s := range whole.FindAllString(text, -1) {
			if !slices.Contains(want, s) {
				want = append(want, s)
			}
		}
		for _, r := range []io.Reader{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text))} {
			found, err := bot.ParseAnchors(r)
			require.NoError(t, err)
			var got []string
			for _, a := range found {
				got = append(got, a.String())
			}
			require.Equal(t, want, got)
		}
	})
}

// logged is a log that is read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// running is a bot at work in a synctest bubble, with its log and an audit
// channel.
func running(t *testing.T) (w *world, log *logged, stop func()) {
	log = &logged{}
	w = newWorld(t, func(_ *world, c *bot.Config) {
		c.Clock, c.Serial, c.Home, c.Logger = nil, false, alarm, slog.New(slog.NewTextHandler(log, nil))
	})
	ctx, cancel := contextOf(t)
	done := make(chan error)
	go func() { done <- w.bot.Run(ctx) }()
	synctest.Wait()
	return w, log, func() { cancel(); require.NoError(t, <-done) }
}

// addRecords adds audit records.
func (w *world) addRecords(n int) {
	for range n {
		w.bot.PolicyLooked(w.ctx, true, nil) // a reload is one record
	}
	synctest.Wait()
}

// anchors are those that were logged.
func anchors(t *testing.T, log *logged) []bot.Anchor {
	log.mu.Lock()
	defer log.mu.Unlock()
	got, err := bot.ParseAnchors(bytes.NewReader(log.b.Bytes()))
	require.NoError(t, err)
	return got
}

func TestAnAnchorComesAfter64RecordsOrAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log, stop := running(t)
		w.addRecords(63)
		<-time.After(time.Minute)
		synctest.Wait()
		require.Len(t, anchors(t, log), 1, "64 with what may have come before the start")
		w.addRecords(63)
		<-time.After(58 * time.Minute)
		synctest.Wait()
		require.Len(t, anchors(t, log), 1)
		<-time.After(2 * time.Minute)
		synctest.Wait()
		require.Len(t, anchors(t, log), 2, "after an hour")
		<-time.After(10 * time.Hour)
		synctest.Wait()
		require.Len(t, anchors(t, log), 2, "not without a new record")
		w.addRecords(64)
		require.Len(t, anchors(t, log), 3, "at once after 64")
		w.addRecords(1)
		stop()
		got := anchors(t, log)
		require.Len(t, got, 4, "and at the end, what is new")
		records := w.records()
		for i, seq := range []uint64{63, 126, 190, 191} {
			require.Equal(t, bot.Anchor{Seq: seq, MAC: records[seq-1].MAC, Count: seq}, got[i])
		}
		posted := w.slack.roots(alarm)
		require.Len(t, posted, 3)
		for i, m := range posted {
			require.Contains(t, words(m.card), got[i].String())
		}
		require.Equal(t, 191, len(records), "an anchor is no record")
	})
}

func TestAnAnchorThatCouldNotBeReadStaysDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log, stop := running(t)
		fails := true
		w.store.before = func(method string) error {
			w.lookMu.Lock()
			defer w.lookMu.Unlock()
			if method == "Audit" && fails {
				return bot.ErrUnavailable
			}
			return nil
		}
		w.addRecords(64)
		require.Empty(t, anchors(t, log))
		w.lookMu.Lock()
		fails = false
		w.lookMu.Unlock()
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Len(t, anchors(t, log), 1)
		stop()
	})
}

func TestAPolicyThatIsNotReloadedIsSaidInTheAuditChannelOnce(t *testing.T) {
	w := newWorld(t, func(_ *world, c *bot.Config) { c.Home = alarm })
	broken := errors.New("policies.yaml:5:14: unknown person `bob`")
	for range 3 {
		w.bot.PolicyLooked(w.ctx, false, broken)
	}
	w.due()
	posted := w.slack.roots(alarm)
	require.Len(t, posted, 1)
	require.Contains(t, words(posted[0].card), "The policy was not reloaded: the one before stays in force")
	require.Contains(t, words(posted[0].card), "policies.yaml:5:14: unknown person 'bob'")
	w.bot.PolicyLooked(w.ctx, true, nil)
	w.bot.PolicyLooked(w.ctx, false, broken)
	w.due()
	require.Len(t, w.slack.roots(alarm), 2)
}

func TestWithoutAnAuditChannelNothingIsOwed(t *testing.T) {
	w := newWorld(t)
	w.bot.PolicyLooked(context.Background(), false, errors.New("broken"))
	require.Empty(t, w.store.owed)
	require.Equal(t, []string{"policy"}, w.kinds(0))
}

// The last anchor stands in the log of a bot that stops, however little that log
// is asked to hold.
func TestTheLastAnchorIsLoggedAlways(t *testing.T) {
	var log strings.Builder
	w := newWorld(t, func(_ *world, c *bot.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	})
	w.say("ana", "vm start 4009")
	w.due()
	over, stop := context.WithCancel(w.ctx)
	stop()
	_ = w.bot.Run(over) // it ends at once
	require.Regexp(t, `msg="audit-anchor [1-9]\d* [0-9a-f]{64} [1-9]\d*"`, log.String())
	require.NotContains(t, log.String(), "msg=request")
}
