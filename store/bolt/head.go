package bolt

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"hosterbot/bot"
)

// errInvalid is the cause of an error for something that cannot be stored.
var errInvalid = errors.New("cannot be stored")

// errHead is a value whose head is no head.
var errHead = fmt.Errorf("%w: head of the value", ErrDamaged)

// The packers of all that is packed.
var (
	packOp     = packerOf[bot.Operation]()
	packOwed   = packerOf[bot.Owed]()
	packPlace  = packerOf[bot.Place]()
	packThread = packerOf[bot.Thread]()
	packRead   = packerOf[bot.Read]()
	packLock   = packerOf[bot.Lock]()
	packTold   = packerOf[bot.Told]()
)

// opHead is what the committer has to know of an operation: it stands before
// the packed rest, in which ID, Version, State, Lane and NextAt are zero.
type opHead struct {
	version int64
	nextAt  int64 // nanos
	final   bool
	holds   bool // its lane
	state   bot.State
	lane    string
}

// open tells whether the operation is in the index: it has not ended, or there
// is something left to look at.
func (h *opHead) open() bool { return !h.final || h.nextAt != 0 }

// isFinal tells whether an operation's value is of one that has ended.
func isFinal(v []byte) bool { return len(v) > flagsAt && v[flagsAt]&flagFinal != 0 }

// flagsAt is where the flags stand in an operation's value.
const flagsAt = 16

// opSize is room enough for the value of most operations.
const opSize = 448

const (
	flagFinal = 1 << iota
	flagHolds
)

func headOf(op *bot.Operation, version int64) opHead {
	return opHead{version, nanos(op.NextAt), op.State.Final(), op.HoldsLane(), op.State, op.Lane}
}

// encodeOp makes the value of an operation, which fits any number.
func encodeOp(op *bot.Operation, version int64) ([]byte, opHead, error) {
	h := headOf(op, version)
	if len(h.state) > 255 || len(h.lane) > 1<<15 {
		return nil, h, fmt.Errorf("%w: state or lane is too long", errInvalid)
	}
	rest := restOfOp.Get().(*bot.Operation)
	*rest = *op
	rest.ID, rest.Version, rest.State, rest.Lane, rest.NextAt = 0, 0, "", "", time.Time{}
	var flags byte
	if h.final {
		flags |= flagFinal
	}
	if h.holds {
		flags |= flagHolds
	}
	out := make([]byte, 0, opSize)
	out = binary.BigEndian.AppendUint64(out, uint64(version))
	out = binary.BigEndian.AppendUint64(out, uint64(h.nextAt))
	out = append(out, flags, byte(len(h.state)))
	out = append(out, h.state...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(h.lane)))
	out = append(out, h.lane...)
	out = packOp.pack(out, rest)
	*rest = bot.Operation{} // it keeps nothing alive
	restOfOp.Put(rest)
	return out, h, nil
}

// restOfOp spares the packer, which wants a pointer, a copy on the heap.
var restOfOp = sync.Pool{New: func() any { return new(bot.Operation) }}

// splitOp takes an operation's value apart. The head keeps nothing of it.
func splitOp(v []byte) (opHead, []byte, error) {
	if len(v) < 20 {
		return opHead{}, nil, errHead
	}
	h := opHead{
		version: int64(binary.BigEndian.Uint64(v)),
		nextAt:  int64(binary.BigEndian.Uint64(v[8:])),
		final:   v[flagsAt]&flagFinal != 0,
		holds:   v[flagsAt]&flagHolds != 0,
	}
	n := int(v[17])
	if v = v[18:]; len(v) < n+2 {
		return opHead{}, nil, errHead
	}
	h.state = bot.State(v[:n])
	v = v[n:]
	n = int(binary.BigEndian.Uint16(v))
	if v = v[2:]; len(v) < n {
		return opHead{}, nil, errHead
	}
	h.lane = string(v[:n])
	return h, v[n:], nil
}

// decodeOp is encodeOp's inverse.
func decodeOp(id uint64, v []byte) (bot.Operation, error) {
	h, body, err := splitOp(v)
	var op bot.Operation
	if err == nil {
		err = packOp.unpack(body, &op)
	}
	if err != nil {
		return bot.Operation{}, fmt.Errorf("operation %d: %w", id, err)
	}
	op.ID, op.Version = int64(id), h.version
	op.State, op.Lane, op.NextAt = h.state, h.lane, moment(h.nextAt)
	return op, nil
}

// owedHead is what changes of a message owed while it waits, or is known only
// to the committer: it stands before the packed rest, in which these are zero.
type owedHead struct {
	op, version   int64
	at, notBefore int64 // nanos
	tries         uint32
	root          bool
}

const owedHeadLen = 37

func (h *owedHead) append(out []byte) []byte {
	out = binary.BigEndian.AppendUint64(out, uint64(h.op))
	out = binary.BigEndian.AppendUint64(out, uint64(h.version))
	out = binary.BigEndian.AppendUint64(out, uint64(h.at))
	out = binary.BigEndian.AppendUint64(out, uint64(h.notBefore))
	out = binary.BigEndian.AppendUint32(out, h.tries)
	if h.root {
		return append(out, 1)
	}
	return append(out, 0)
}

// splitOwed takes the value of a message owed apart.
func splitOwed(v []byte) (owedHead, []byte, error) {
	if len(v) < owedHeadLen {
		return owedHead{}, nil, errHead
	}
	u := func(i int) int64 { return int64(binary.BigEndian.Uint64(v[i:])) }
	return owedHead{u(0), u(8), u(16), u(24), binary.BigEndian.Uint32(v[32:]), v[36] == 1}, v[owedHeadLen:], nil
}

// value is the head with a body.
func (h *owedHead) value(body []byte) []byte {
	return append(h.append(make([]byte, 0, owedHeadLen+len(body))), body...)
}

// decodeOwed makes the message of a value.
func decodeOwed(seq uint64, v []byte) (bot.Owed, error) {
	h, body, err := splitOwed(v)
	var o bot.Owed
	switch {
	case err != nil:
	case h.root:
		o.Kind = bot.OwedRoot
		err = packPlace.unsized(body, &o.Place)
	default:
		err = packOwed.unpack(body, &o)
	}
	if err != nil {
		return bot.Owed{}, fmt.Errorf("message owed %d: %w", seq, err)
	}
	o.Seq, o.Op, o.Version = seq, h.op, h.version
	o.At, o.NotBefore, o.Tries = moment(h.at), moment(h.notBefore), int(h.tries)
	return o, nil
}

// decode reads JSON that this store wrote.
func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// timed is a value with a moment before it: a key's, a read's, a lock's.
func timed(t time.Time, body []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(body)), uint64(nanos(t))), body...)
}
