package bot

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// freedLanes are the operations that let go of their lanes although nobody
// knows their outcome. They are few, and are remembered so that no command has
// to look through all that is open.
type freedLanes struct {
	mu  sync.Mutex
	ops map[string][]int64 // by lane
}

func (f *freedLanes) add(op *Operation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ops == nil {
		f.ops = make(map[string][]int64)
	}
	if !slices.Contains(f.ops[op.Lane], op.ID) {
		f.ops[op.Lane] = append(f.ops[op.Lane], op.ID)
	}
}

func (f *freedLanes) of(lane string) []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops[lane])
}

func (f *freedLanes) drop(lane string, id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops[lane] = slices.DeleteFunc(f.ops[lane], func(other int64) bool { return other == id })
	if len(f.ops[lane]) == 0 {
		delete(f.ops, lane)
	}
}

// freed warns of an operation that let go of this one's lane although nobody
// knows its outcome; "" if there is none.
func (b *Bot) freed(ctx context.Context, op *Operation) string {
	for _, id := range b.free.of(op.Lane) {
		other, err := b.store.Operation(ctx, id)
		switch {
		case err != nil:
			b.log.Warn("freed lane not read", "op", id, "err", err)
		case other.State.Final():
			b.free.drop(op.Lane, id)
		default:
			return fmt.Sprintf("The outcome of operation %d on the same target is unknown: %s.", id, Code(other.Command))
		}
	}
	return ""
}
