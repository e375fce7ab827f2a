package bot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"
)

// When an anchor is due: after so many records, or after so long if there is a
// new one.
const (
	anchorRecords = 64
	anchorEvery   = time.Hour
)

// LevelAlways is the level of what the log holds however little is asked of it:
// an anchor that is not written cannot show later that records were cut off.
const LevelAlways = slog.LevelError + 4

// Anchor says how far the audit log had come. Kept where the store's keeper
// cannot write, it proves that the tail was not cut since.
type Anchor struct {
	Seq   uint64 // of the last record
	MAC   string // and its MAC
	Count uint64 // of records
}

// String is the anchor as it stands in the log and in the audit channel, which
// is what ParseAnchors looks for.
func (a Anchor) String() string { return fmt.Sprintf("audit-anchor %d %s %d", a.Seq, a.MAC, a.Count) }

var anchorPattern = regexp.MustCompile(`audit-anchor ([1-9][0-9]{0,18}) ([0-9a-f]{64}) ([1-9][0-9]{0,18})\b`)

// anchorLen is how long an anchor can be.
const anchorLen = len("audit-anchor ") + 19 + 1 + 64 + 1 + 19

// ParseAnchors finds the anchors in any text: a log in either format, a
// channel that was saved. Each is returned once, in the order of the text,
// whose lines may have any length.
func ParseAnchors(r io.Reader) ([]Anchor, error) {
	var out []Anchor
	seen := make(map[Anchor]bool)
	buf, kept := make([]byte, 64<<10), 0
	for {
		n, err := io.ReadFull(r, buf[kept:])
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return nil, err
		}
		text := buf[:kept+n]
		for _, m := range anchorPattern.FindAllSubmatchIndex(text, -1) {
			if m[1] == len(text) && !end {
				continue // its last number may go on
			}
			a := Anchor{MAC: string(text[m[4]:m[5]])}
			a.Seq, _ = strconv.ParseUint(string(text[m[2]:m[3]]), 10, 64) // 19 digits always fit
			a.Count, _ = strconv.ParseUint(string(text[m[6]:m[7]]), 10, 64)
			if !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
		if end {
			return out, nil
		}
		kept = copy(buf, text[len(text)-anchorLen:])
	}
}

// counted is a store that counts the audit records which are put into it, so
// that the bot knows without asking when an anchor is due.
type counted struct {
	Store
	fresh atomic.Int64  // records since the last anchor, about
	due   chan struct{} // holds one token: an anchor is due
}

func (s *counted) count(with Written, err error) {
	if err == nil && s.fresh.Add(int64(len(with.Audit))) >= anchorRecords {
		select {
		case s.due <- struct{}{}:
		default: // it has been told
		}
	}
}

func (s *counted) Create(ctx context.Context, now time.Time, key string, op *Operation, with Written) (Stored, error) {
	stored, err := s.Store.Create(ctx, now, key, op, with)
	s.count(with, err)
	return stored, err
}

func (s *counted) Advance(ctx context.Context, now time.Time, key string, op *Operation, with Written) (Stored, error) {
	stored, err := s.Store.Advance(ctx, now, key, op, with)
	s.count(with, err)
	return stored, err
}

func (s *counted) SaveRead(ctx context.Context, now time.Time, r Read, with Written) (Read, error) {
	saved, err := s.Store.SaveRead(ctx, now, r, with)
	s.count(with, err)
	return saved, err
}

func (s *counted) SetLock(ctx context.Context, now time.Time, key string, l Lock, with Written) error {
	err := s.Store.SetLock(ctx, now, key, l, with)
	s.count(with, err)
	return err
}

func (s *counted) ClearLock(ctx context.Context, now time.Time, key, target string, with Written) error {
	err := s.Store.ClearLock(ctx, now, key, target, with)
	s.count(with, err)
	return err
}

func (s *counted) Append(ctx context.Context, now time.Time, key string, with Written) error {
	err := s.Store.Append(ctx, now, key, with)
	s.count(with, err)
	return err
}

func (s *counted) EndRollback(ctx context.Context, now time.Time, with Written) error {
	err := s.Store.EndRollback(ctx, now, with)
	s.count(with, err)
	return err
}

// anchorDue says how far the audit log has come, in the log and in the audit
// channel, when it is time to.
func (b *Bot) anchorDue(ctx context.Context) (time.Time, error) {
	now := b.clock.Now()
	if fresh := b.store.fresh.Load(); fresh == 0 || fresh < anchorRecords && now.Sub(b.anchorAt) < anchorEvery {
		return time.Time{}, nil // looked at again when there are enough, and every half minute
	}
	a, err := b.newAnchor(ctx)
	if err != nil || a == (Anchor{}) {
		return time.Time{}, err
	}
	b.log.Log(ctx, LevelAlways, a.String())
	if owed := b.toHome(Card{Title: "Audit log", Lines: []string{Code(a.String())}}); owed != nil {
		err = b.store.Append(ctx, now, "", Written{Owed: owed})
		b.nudge(b.tell)
	}
	return time.Time{}, err
}

// newAnchor is the end of the audit log; zero if it was anchored before.
func (b *Bot) newAnchor(ctx context.Context) (Anchor, error) {
	b.store.fresh.Store(0)
	newest, err := b.store.Audit(ctx, AuditFilter{Limit: 1})
	if err != nil {
		b.store.fresh.Store(anchorRecords) // it stays due
		return Anchor{}, err
	}
	if len(newest) == 0 || newest[0].Seq == b.anchored.Seq {
		return Anchor{}, nil
	}
	r := newest[0]
	a := Anchor{r.Seq, r.MAC, r.Seq} // no record is ever removed
	b.anchored, b.anchorAt = a, b.clock.Now()
	return a, nil
}

// lastAnchor says in the log how far the audit log has come when the bot stops.
func (b *Bot) lastAnchor(ctx context.Context) {
	if b.store.fresh.Load() == 0 {
		return
	}
	if a, err := b.newAnchor(ctx); err != nil {
		b.log.Error("audit log not anchored", "err", err)
	} else if a != (Anchor{}) {
		b.log.Log(ctx, LevelAlways, a.String())
	}
}

// toHome is an alert or an anchor as a message to the audit channel; nothing if
// there is none.
func (b *Bot) toHome(c Card) []Owed {
	if b.home == (Place{}) {
		return nil
	}
	return []Owed{{Place: b.home, Kind: OwedLine, Card: c}}
}
