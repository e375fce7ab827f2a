package bolt

import "go.etcd.io/bbolt"

// Later gives options of a later hosterbot, whose store these steps make.
func Later(o Options, steps ...func(tx *bbolt.Tx) error) Options {
	o.other = &plan{}
	for _, s := range steps {
		o.other.steps = append(o.other.steps, s)
	}
	return o
}
