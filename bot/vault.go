package bot

import (
	"maps"
	"sync"
	"time"

	"hosterbot/bot/secret"
)

// vault holds secrets in memory that exist nowhere else, until somebody has
// taken them or their time is over.
type vault struct {
	mu    sync.Mutex
	clock Clock
	items map[int64]heldSecret
}

type heldSecret struct {
	value secret.Secret
	until time.Time
}

func (v *vault) put(op int64, s secret.Secret, until time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.items == nil {
		v.items = make(map[int64]heldSecret)
	}
	v.items[op] = heldSecret{s, until}
}

func (v *vault) get(op int64) (secret.Secret, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	it, ok := v.items[op]
	if ok && v.clock.Now().After(it.until) {
		delete(v.items, op)
		return secret.Secret{}, false
	}
	return it.value, ok
}

// clean forgets all whose time is over.
func (v *vault) clean(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.items, func(_ int64, it heldSecret) bool { return now.After(it.until) })
}

func (v *vault) drop(op int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.items, op)
}
