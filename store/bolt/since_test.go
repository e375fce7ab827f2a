package bolt_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// asked counts how often a list asks whether it shall go on: once for each that
// it looks at.
type asked struct {
	context.Context
	times int
}

func (a *asked) Err() error {
	a.times++
	return nil
}

// What nobody did lately is not looked for among all that was ever done.
func TestAListSinceAMomentEndsThere(t *testing.T) {
	s := open(t)
	var wait sync.WaitGroup
	for w := range 8 {
		wait.Go(func() {
			for i := range 100 {
				if _, err := s.Create(t.Context(), noon, "", new(operation(100*w+i)), written); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	late := noon.Add(48 * time.Hour)
	last := operation(4000)
	last.Created, last.Person = late, "ben"
	_, err := s.Create(t.Context(), late, "", &last, bot.Written{Audit: []bot.Record{{Time: late, Kind: "command", Person: "ben"}}})
	require.NoError(t, err)

	look := &asked{Context: t.Context()}
	ops, err := s.Operations(look, bot.OperationFilter{Person: "ben", Since: late.Add(-time.Minute)})
	require.NoError(t, err)
	require.Len(t, ops, 1)
	require.Less(t, look.times, 100)

	look = &asked{Context: t.Context()}
	records, err := s.Audit(look, bot.AuditFilter{Person: "ben", Since: late.Add(-time.Minute)})
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Less(t, look.times, 100)

	ops, err = s.Operations(t.Context(), bot.OperationFilter{Person: "ana", Since: noon, Limit: 1000})
	require.NoError(t, err)
	require.Len(t, ops, 800)
	ops, err = s.Operations(t.Context(), bot.OperationFilter{Person: "ben", Since: noon})
	require.NoError(t, err)
	require.Len(t, ops, 1)
}
