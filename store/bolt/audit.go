package bolt

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"
	"time"

	"hosterbot/bot"
	"hosterbot/bot/fail"
)

// A record's value is its MAC and its canonical JSON: bot.Record as
// encoding/json writes it. The MAC is HMAC-SHA256 over the MAC of the record
// before, as bytes (none before the first), and the JSON.
const macLen = sha256.Size

// defaultLimit is how many a list holds if nothing is said.
const defaultLimit = 100

// skew is how far records may be out of the order of their times: each has the
// clock of its caller.
const skew = time.Hour

// glance is after how many that do not fit a list looks how old one is: else
// what is rare would be looked for back to the first of all.
const glance = 64

// chain is the end of the audit log.
type chain struct {
	seq uint64
	mac [macLen]byte
}

// prev is what the next record's MAC begins with.
func (c *chain) prev() []byte {
	if c.seq == 0 {
		return nil
	}
	return c.mac[:]
}

// sealer computes MACs.
type sealer struct {
	h   hash.Hash
	mac [macLen]byte // the last one, here so that none is made on the heap
}

func newSealer(key []byte) *sealer { return &sealer{h: hmac.New(sha256.New, key)} }

func (s *sealer) sum(prev, body []byte) [macLen]byte {
	s.h.Reset()
	s.h.Write(prev)
	s.h.Write(body)
	s.h.Sum(s.mac[:0])
	return s.mac
}

// What encodeRecord leaves open for append, as encoding/json writes it. None
// of it can stand inside a string, where quotes are escaped.
var (
	openSeq  = []byte(`{"seq":0,`)
	openOp   = []byte(`"op":` + strconv.FormatInt(newOp, 10) + `,`)
	openPrev = []byte(`"prev":""}`)
)

// recordSize is room enough for the JSON of most records.
const recordSize = 448

// encodeRecord makes a record's JSON but for its sequence number, the MAC
// before it and the number of a new operation.
func encodeRecord(r bot.Record) ([]byte, error) {
	r.Seq, r.Prev = 0, ""
	body, err := appendRecord(make([]byte, 0, recordSize), &r)
	if err != nil {
		return nil, fmt.Errorf("%w: audit record: %w", errInvalid, err)
	}
	if !bytes.HasPrefix(body, openSeq) || !bytes.HasSuffix(body, openPrev) {
		return nil, fmt.Errorf("%w: audit record does not begin with seq and end with prev", errInvalid)
	}
	return body, nil
}

// append seals a record and adds it to the log; id is the number of a new
// operation.
func (t *tx) append(body []byte, id uint64) {
	fail.Point("in_audit")
	seq := t.chain.seq + 1
	v := make([]byte, macLen, macLen+len(body)+2*macLen+20)
	v = append(v, openSeq[:len(openSeq)-2]...)
	v = strconv.AppendUint(v, seq, 10)
	v = append(v, ',')
	middle := body[len(openSeq) : len(body)-len(openPrev)]
	if i := bytes.Index(middle, openOp); i >= 0 {
		v = append(v, middle[:i]...)
		v = append(v, openOp[:5]...)
		v = strconv.AppendUint(v, id, 10)
		middle = middle[i+len(openOp)-1:]
	}
	v = append(v, middle...)
	v = append(v, openPrev[:len(openPrev)-2]...)
	v = hex.AppendEncode(v, t.chain.prev())
	v = append(v, `"}`...)
	mac := t.seal.sum(t.chain.prev(), v[macLen:])
	copy(v, mac[:])
	t.put(audit, be(seq), v)
	t.chain = chain{seq, mac}
}

// lastOfChain reads the end of the log.
func lastOfChain(t *tx) (chain, error) {
	k, v := t.bucket(audit).Cursor().Last()
	if k == nil {
		return chain{}, nil
	}
	if len(k) != 8 || len(v) < macLen {
		return chain{}, fmt.Errorf("%w: last audit record", ErrDamaged)
	}
	return chain{number(k), [macLen]byte(v[:macLen])}, nil
}

// decodeRecord makes the record of a value.
func decodeRecord(seq uint64, v []byte) (bot.Record, error) {
	if len(v) < macLen {
		return bot.Record{}, fmt.Errorf("audit record %d: %w", seq, errHead)
	}
	var r bot.Record
	if err := decode(v[macLen:], &r); err != nil {
		return bot.Record{}, fmt.Errorf("audit record %d: %w", seq, err)
	}
	r.MAC = hex.EncodeToString(v[:macLen])
	return r, nil
}

// Append implements bot.Store.
func (s *Store) Append(ctx context.Context, now time.Time, key string, with bot.Written) error {
	ready, err := s.prepare(now, with, nil, 0, false)
	if err == nil {
		err = validKey(key)
	}
	if err == nil {
		err = s.write(ctx, func(t *tx) error {
			if _, ok := t.knows(now, key); ok {
				return nil
			}
			t.learn(now, key, 0)
			ready.put(t, 0)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return nil
}

// Audit implements bot.Store.
func (s *Store) Audit(ctx context.Context, f bot.AuditFilter) ([]bot.Record, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	// Most records are ruled out by their bytes, which spares the decoder.
	var needles [][]byte
	if f.Person != "" {
		needles = append(needles, needle("person", f.Person))
	}
	if f.Target != "" {
		needles = append(needles, needle("target", f.Target))
	}
	if f.Op != 0 {
		needles = append(needles, []byte(`"op":`+strconv.FormatInt(f.Op, 10)+`,`))
	}
	var out []bot.Record
	passed := 0
	err := s.view(ctx, func(t *tx) error {
		var err error
		t.descend(audit, f.Before, func(k, v []byte) bool {
			if err = ctx.Err(); err != nil {
				return false
			}
			fits := containsAll(v, needles)
			if passed++; !fits && (f.Since.IsZero() || passed%glance != 0) {
				return true
			}
			var r bot.Record
			if r, err = decodeRecord(number(k), v); err != nil {
				return false
			}
			if !f.Since.IsZero() && r.Time.Before(f.Since) {
				return !r.Time.Before(f.Since.Add(-skew))
			}
			if !fits || f.Person != "" && r.Person != f.Person || f.Target != "" && r.Target != f.Target || f.Op != 0 && r.Op != f.Op {
				return true
			}
			out = append(out, r)
			return len(out) < limit
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return out, nil
}

// pageOfLog is how many records Sealed reads in one transaction, so that a slow
// taker keeps no old pages from being used again.
const pageOfLog = 500

// Sealed implements bot.Store.
func (s *Store) Sealed(ctx context.Context, after uint64, f func(bot.Sealed) error) error {
	for {
		var page []bot.Sealed
		err := s.view(ctx, func(t *tx) error {
			c := t.bucket(audit).Cursor()
			k, v := c.First()
			if after > 0 {
				k, v = c.Seek(be(after + 1))
			}
			for ; k != nil && len(page) < pageOfLog; k, v = c.Next() {
				r := bot.Sealed{Seq: number(k), Body: bytes.Clone(v)}
				if len(k) != 8 || r.Seq <= after {
					return fmt.Errorf("%w: the key of an audit record is no number", ErrDamaged)
				}
				if len(v) >= macLen {
					r.MAC, r.Body = hex.EncodeToString(v[:macLen]), r.Body[macLen:]
				}
				after = r.Seq
				page = append(page, r)
			}
			return nil
		})
		for i := 0; i < len(page) && err == nil; i++ {
			if err := f(page[i]); err != nil {
				return err
			}
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
		if len(page) < pageOfLog {
			return nil
		}
	}
}

// needle is how a field with a value stands in JSON.
func needle(name, value string) []byte {
	v, err := json.Marshal(value)
	if err != nil { // a string always encodes
		panic(err)
	}
	return append([]byte(`"`+name+`":`), v...)
}

func containsAll(v []byte, needles [][]byte) bool {
	for _, n := range needles {
		if !bytes.Contains(v, n) {
			return false
		}
	}
	return true
}
