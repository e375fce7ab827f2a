package bolt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"hosterbot/bot"
	"hosterbot/store/bolt"
	"hosterbot/store/storetest"
)

// BenchmarkFsync is what the disk can do: a page written and synced.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	require.NoError(b, err)
	defer f.Close()
	page := make([]byte, 4096)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		_, err := f.WriteAt(page, int64(n%256)*4096)
		require.NoError(b, err)
		require.NoError(b, syscall.Fdatasync(int(f.Fd())))
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "fsync/s")
}

// BenchmarkWrites compares durable operations (a Create and an Advance by
// turns, each with a key, an audit record and a root owed) with what a group
// commit on the same disk can do at best: one small record and nothing else.
func BenchmarkWrites(b *testing.B) {
	for _, n := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprint(n, "-callers"), func(b *testing.B) {
			b.ReportAllocs()
			var raw, ours float64
			rounds := 0
			for b.Loop() { // by turns, so that both see the same disk
				raw += rawWrites(b, n)
				ours += storeWrites(b, n)
				rounds++
			}
			b.ReportMetric(raw/float64(rounds), "raw/s")
			b.ReportMetric(ours/float64(rounds), "writes/s")
			b.ReportMetric(ours/raw, "ratio")
		})
	}
}

// How a bench of writes measures: after a warm-up, for so long.
const (
	benchWarm = 100 * time.Millisecond
	benchLong = 700 * time.Millisecond
)

func rawWrites(b *testing.B, n int) float64 {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "raw.db"), 0o600, &bbolt.Options{
		NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 256 << 20, NoStatistics: true,
	})
	require.NoError(b, err)
	defer db.Close()
	db.AllocSize = 4 << 20
	type put struct {
		value []byte
		done  chan error
	}
	intake := make(chan put, 1024)
	go func() {
		for first := range intake {
			batch := []put{first}
			err := db.Update(func(tx *bbolt.Tx) error {
				bk, err := tx.CreateBucketIfNotExists([]byte("b"))
				if err != nil {
					return err
				}
				bk.FillPercent = 0.9
				for {
					seq, _ := bk.NextSequence()
					if err := bk.Put(key(seq), batch[len(batch)-1].value); err != nil {
						return err
					}
					select {
					case next := <-intake:
						batch = append(batch, next)
					default:
						return nil
					}
				}
			})
			for _, p := range batch {
				p.done <- err
			}
		}
	}()
	defer close(intake)
	value := make([]byte, 100)
	return storetest.Rate(b, n, benchWarm, benchLong, func(int, int) error {
		p := put{value, make(chan error, 1)}
		intake <- p
		return <-p.done
	})
}

func storeWrites(b *testing.B, n int) float64 {
	s := MustOpen(b, filepath.Join(b.TempDir(), "store.db"))
	ops := make([]bot.Operation, n)
	return storetest.Rate(b, n, benchWarm, benchLong, func(caller, i int) error {
		trigger := fmt.Sprintf("slack/T01TEAM/%d.%d", time.Now().UnixNano(), caller)
		op, write := &ops[caller], s.Advance
		if i%2 == 0 {
			*op, write = benchOp(trigger), s.Create
		} else {
			op.State = bot.Ready
			op.Votes = []bot.Vote{{Person: "ben", Approve: true, Digest: "d", At: noon}}
		}
		w := benchWritten
		w.Owed = []bot.Owed{{Op: op.ID, Kind: bot.OwedRoot, Place: bot.Place{Thread: "1"}, At: noon}}
		stored, err := write(ctx, noon, trigger, new(*op), w)
		*op = *stored.Operation
		return err
	})
}

// benchOp and benchWritten are of the size that they have in earnest.
func benchOp(trigger string) bot.Operation {
	return bot.Operation{
		Key: trigger, State: bot.Pending, Command: "vm delete", Args: bot.Args{{Name: "vm", Value: "4001"}}, Targets: []bot.Target{{Kind: "vm", ID: 4001}},
		Lane: "vm/4001", Person: "ana", Account: bot.Account{Platform: "slack", Team: "T01TEAM", User: "U07ANA"}, Title: "Delete VM `4001` (web-1)",
		Fields:      []bot.Field{{Label: "IPs", Value: "203.0.113.5"}, {Label: "Template", Value: "debian-12"}, {Label: "Disk", Value: "20 GB"}},
		Fingerprint: []bot.Field{{Label: "IPs", Value: "203.0.113.5"}, {Label: "Template", Value: "debian-12"}},
		Nonce:       "0123456789", Created: noon, Expires: noon.Add(time.Hour), NextAt: noon.Add(time.Hour),
	}
}

var benchWritten = bot.Written{
	Audit: []bot.Record{{
		Time: noon, Kind: "command", Person: "ana", Account: "slack:T01TEAM/U07ANA", Place: "slack:T01TEAM/C0OPS", Command: "vm delete",
		Target: "vm/4001", Args: bot.Args{{Name: "vm", Value: "4001"}}, Decision: "allow", Rule: "ops", Line: 12, Policy: "0123456789abcdef",
	}},
}

// BenchmarkCommitAfterDeleting compares a commit after half of many records
// were deleted with one before. A million takes a minute to make; the effect
// shows with fewer.
func BenchmarkCommitAfterDeleting(b *testing.B) {
	const records = 200_000
	var before, after time.Duration
	b.ReportAllocs()
	rounds := 0
	for b.Loop() {
		s := MustOpen(b, filepath.Join(b.TempDir(), "store.db")).(*bolt.Store)
		batch := make([]bot.Owed, 1000)
		for i := range batch {
			batch[i] = bot.Owed{Kind: bot.OwedLine, At: noon, Card: bot.Card{Title: "a small record"}}
		}
		for range records / len(batch) {
			require.NoError(b, s.Append(ctx, noon, "", bot.Written{Owed: batch}))
		}
		before += commits(b, s)
		all, _, err := s.Owed(ctx, noon, "", records)
		require.NoError(b, err)
		var wg sync.WaitGroup
		for part := range 256 { // every second one: holes all over the file
			wg.Go(func() {
				for i := 2 * part; i < len(all); i += 2 * 256 {
					if err := s.Deliver(ctx, noon, all[i], bot.Thread{}); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		after += commits(b, s)
		rounds++
	}
	b.ReportMetric(float64(before.Microseconds())/float64(rounds), "µs/before")
	b.ReportMetric(float64(after.Microseconds())/float64(rounds), "µs/after")
	b.ReportMetric(float64(after)/float64(before), "ratio")
}

// commits is the mean length of a commit.
func commits(b *testing.B, s *bolt.Store) time.Duration {
	const n = 500
	begin := time.Now()
	for i := range n {
		_, err := s.Create(ctx, noon, "", new(operation(i)), written)
		require.NoError(b, err)
	}
	return time.Since(begin) / n
}
