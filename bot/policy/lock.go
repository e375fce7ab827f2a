package policy

import "strings"

// lockHits tells whether a lock holds what is asked. A lock on what the policy
// cannot read, such as a label that is gone, holds everything until it ends or
// is cleared, and so does any lock where the target is not known.
func (s *Snapshot) lockHits(lock *Lock, q *Question, where []int) bool {
	if lock.Target == "all" || where[0] == classAny {
		return true
	}
	if strings.Contains(lock.Target, "/") {
		held, err := parseSpan(lock.Target)
		if err != nil {
			return true
		}
		for i := range q.Targets {
			if held.contains(&q.Targets[i]) {
				return true
			}
		}
		return false
	}
	l, ok := s.labelAt[lock.Target]
	if !ok {
		return true
	}
	for _, class := range where {
		if s.classes.all[class].in.has(s.labels[l].set) {
			return true
		}
	}
	return false
}

func (s *span) contains(t *Target) bool {
	return s.kind == t.Kind && s.addr == t.Addr && s.from <= t.ID && t.ID <= s.to
}
