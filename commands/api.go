package commands

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// How long what was read may be shown again. Previews and settling never do.
const (
	configsKept   = 10 * time.Minute
	statusKept    = 10 * time.Second
	listsKept     = 10 * time.Second
	templatesKept = 10 * time.Minute
	marketKept    = time.Minute
)

// callsAtOnce bounds the calls of all lists together.
const callsAtOnce = 8

// provider is what the rows about the provider's things are made of: the
// client, and short-lived copies of what it read. A method of the client's own
// reads now; what is kept is asked for by name: p.configs.get.
type provider struct {
	*hoster.Client
	kinds kinds

	vms       *kept[struct{}, []int]
	statuses  *kept[int, hoster.VMStatus]
	configs   *kept[int, hoster.VMConfig]
	backups   *kept[int, []int64]
	templates *kept[struct{}, []string]

	servers  *kept[struct{}, []hoster.Owned]
	power    *kept[int, hoster.DedicatedStatus]
	offers   *kept[struct{}, []hoster.Offer]
	images   *kept[struct{}, []string]
	packages *kept[struct{}, []hoster.Package]
}

// only is the key of what there is one of.
var only = struct{}{}

func newProvider(api *hoster.Client, clock bot.Clock) *provider {
	p := &provider{Client: api}
	slots := make(chan struct{}, callsAtOnce)
	p.vms = newKept(clock, listsKept, nil, func(ctx context.Context, _ struct{}) ([]int, error) { return api.VMs(ctx) })
	p.statuses = newKept(clock, statusKept, slots, func(ctx context.Context, id int) (hoster.VMStatus, error) { return api.VMStatus(ctx, id) })
	p.configs = newKept(clock, configsKept, slots, func(ctx context.Context, id int) (hoster.VMConfig, error) { return api.VMConfig(ctx, id) })
	p.backups = newKept(clock, listsKept, nil, func(ctx context.Context, vm int) ([]int64, error) { return api.Backups(ctx, vm) })
	p.templates = newKept(clock, templatesKept, nil, func(ctx context.Context, _ struct{}) ([]string, error) { return api.Templates(ctx) })
	p.servers = newKept(clock, listsKept, nil, func(ctx context.Context, _ struct{}) ([]hoster.Owned, error) { return api.Dedicated(ctx) })
	p.power = newKept(clock, statusKept, slots, func(ctx context.Context, id int) (hoster.DedicatedStatus, error) { return api.DedicatedStatus(ctx, id) })
	p.offers = newKept(clock, marketKept, nil, func(ctx context.Context, _ struct{}) ([]hoster.Offer, error) { return api.Market(ctx) })
	p.images = newKept(clock, templatesKept, nil, func(ctx context.Context, _ struct{}) ([]string, error) { return api.DedicatedTemplates(ctx) })
	p.packages = newKept(clock, templatesKept, nil, func(ctx context.Context, _ struct{}) ([]hoster.Package, error) { return api.Software(ctx) })
	p.kinds = newKinds(p)
	return p
}

// forget drops what was kept of the targets, and of all lists: something about
// them has changed.
func (p *provider) forget(targets ...bot.Target) {
	p.vms.drop(only)
	p.servers.drop(only)
	p.offers.drop(only)
	for _, t := range targets {
		id := int(t.ID)
		switch t.Kind {
		case vmTarget:
			p.statuses.drop(id)
			p.configs.drop(id)
			p.backups.drop(id)
		case dedicatedTarget:
			p.power.drop(id)
		}
	}
}

// vmNow is a VM as it was read, as far as it could be.
type vmNow struct {
	id                   int
	status               hoster.VMStatus
	config               hoster.VMConfig
	statusErr, configErr error
}

// gone tells whether the VM was deleted between the list and the look at it.
func (v *vmNow) gone() bool {
	return hoster.IsCode(v.statusErr, hoster.NotFound) || hoster.IsCode(v.configErr, hoster.NotFound)
}

// look reads status and config of the VMs, a few at a time, from what is kept
// where it is young enough. It returns ctx's error if that ends first.
func (p *provider) look(ctx context.Context, ids []int) ([]vmNow, error) {
	vms := make([]vmNow, len(ids))
	var g errgroup.Group
	g.SetLimit(callsAtOnce)
	for i, id := range ids {
		v := &vms[i]
		v.id = id
		g.Go(func() error {
			v.config, v.configErr = p.configs.get(ctx, id)
			return nil
		})
		g.Go(func() error {
			v.status, v.statusErr = p.statuses.get(ctx, id)
			return nil
		})
	}
	_ = g.Wait()
	return slices.DeleteFunc(vms, func(v vmNow) bool { return v.gone() }), ctx.Err()
}

// readVM reads a VM now: its status, its config and, if asked, its backups. Its
// error is for people.
func (p *provider) readVM(ctx context.Context, id int, withBackups bool) (vmFacts, error) {
	v := vmFacts{id: id, backed: withBackups}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		v.status, err = p.statuses.fresh(ctx, id)
		return err
	})
	if withBackups {
		g.Go(func() (err error) {
			v.backups, err = p.backups.fresh(ctx, id)
			return err
		})
	}
	var err error
	if v.config, err = p.configs.fresh(ctx, id); err != nil { // here: it spares a goroutine
		g.Go(func() error { return err })
	}
	if err := g.Wait(); err != nil {
		return v, told(err, vmThing(id))
	}
	return v, nil
}

// kept is a read whose answers may be shown again for a while. Two who ask for
// the same at once share one call. Slices in what it gives are shared: read
// them, do not write to them.
type kept[K comparable, V any] struct {
	clock   bot.Clock
	age     time.Duration
	slots   chan struct{} // one for each call under way that get may make; nil: no bound
	read    func(context.Context, K) (V, error)
	flights singleflight.Group

	mu    sync.Mutex
	known map[K]copyOf[V]
	turn  uint64 // counts reads and drops, in the order of their beginning
	floor uint64 // reads begun before this turn are not kept
}

type copyOf[V any] struct {
	value V
	until time.Time
	turn  uint64
}

// maxKept is how many copies may lie around before the old ones are cleared.
const maxKept = 4096

func newKept[K comparable, V any](clock bot.Clock, age time.Duration, slots chan struct{}, read func(context.Context, K) (V, error)) *kept[K, V] {
	return &kept[K, V]{clock: clock, age: age, slots: slots, read: read, known: make(map[K]copyOf[V])}
}

// peek returns what is kept of key, without asking.
func (k *kept[K, V]) peek(key K) (V, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.known[key]
	if !ok || !k.clock.Now().Before(c.until) {
		var none V
		return none, false
	}
	return c.value, true
}

// get returns what is kept of key, or reads it.
func (k *kept[K, V]) get(ctx context.Context, key K) (V, error) {
	if v, ok := k.peek(key); ok {
		return v, nil
	}
	// The call goes on when this asker leaves: others may be waiting for it.
	detached := context.WithoutCancel(ctx)
	flight := k.flights.DoChan(fmt.Sprint(key), func() (any, error) {
		if v, ok := k.peek(key); ok { // another flight has just landed
			return v, nil
		}
		if k.slots != nil {
			k.slots <- struct{}{}
			defer func() { <-k.slots }()
		}
		return k.fresh(detached, key)
	})
	var none V
	select {
	case r := <-flight:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(V), nil
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// fresh reads key now, sharing no call that began before.
func (k *kept[K, V]) fresh(ctx context.Context, key K) (V, error) {
	k.mu.Lock()
	k.turn++
	turn := k.turn
	k.mu.Unlock()
	asked := k.clock.Now()
	v, err := k.read(ctx, key)
	if err != nil {
		return v, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if turn < k.floor || turn < k.known[key].turn {
		return v, nil
	}
	if len(k.known) >= maxKept {
		for old, c := range k.known {
			if !asked.Before(c.until) {
				delete(k.known, old)
			}
		}
	}
	k.known[key] = copyOf[V]{v, asked.Add(k.age), turn}
	return v, nil
}

// drop forgets key. What is being read at this moment is not kept either.
func (k *kept[K, V]) drop(key K) {
	k.flights.Forget(fmt.Sprint(key))
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, key)
	k.turn++
	k.floor = k.turn
}
