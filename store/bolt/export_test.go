package bolt

import "go.etcd.io/bbolt"

// Later gives options of a later hosterbot, whose store these steps make of the
// store of this one.
func Later(o Options, steps ...func(tx *bbolt.Tx) error) Options {
	next := plan{append([]step(nil), o.plan().steps...)}
	for _, s := range steps {
		next.steps = append(next.steps, s)
	}
	o.other = &next
	return o
}
