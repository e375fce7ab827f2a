package bolt_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/store/bolt"
)

// childStore makes this test binary write to the store that it names, until
// it is killed.
const childStore = "BOLT_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childStore); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

// writeForEver creates operations and brings each to its intent, and says so
// on standard output: one line for each write that was acknowledged.
func writeForEver(path string) {
	s, err := bolt.Open(path, options)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var mu sync.Mutex
	said := func(id, version int64) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(id, version)
	}
	for i := range 8 {
		go func() {
			for n := 0; ; n++ {
				op := operation(i*1_000_000 + n + os.Getpid()*8_000_000)
				stored, err := s.Create(ctx, noon, fmt.Sprint(os.Getpid(), "/", i, "/", n), &op, written)
				if err != nil {
					panic(err)
				}
				said(stored.ID, stored.Version)
				for _, state := range []bot.State{bot.Ready, bot.Checking, bot.Intent} {
					op = *stored.Operation
					op.State = state
					if stored, err = s.Advance(ctx, noon, "", &op, written); err != nil {
						panic(err)
					}
					said(stored.ID, stored.Version)
				}
			}
		}()
	}
	select {}
}

func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	acknowledged := map[int64]int64{}
	for round := range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childStore+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := 0
		for in := bufio.NewScanner(out); in.Scan(); {
			var id, version int64
			if n, _ := fmt.Sscan(in.Text(), &id, &version); n != 2 {
				require.NotContains(t, in.Text(), "open", "the child could not open the store")
				continue // the line that the kill cut
			}
			acknowledged[id] = max(acknowledged[id], version)
			if lines++; lines == 300+97*round {
				require.NoError(t, child.Process.Kill())
			}
		}
		require.Error(t, child.Wait())
		require.FileExists(t, path+".holder")

		s := MustOpen(t, path)
		require.NoError(t, s.Check(t.Context()))
		for id, version := range acknowledged {
			op, err := s.Operation(t.Context(), id)
			require.NoError(t, err)
			require.GreaterOrEqual(t, op.Version, version)
		}
		require.NoError(t, s.Close())
	}
}

func TestInUseByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childStore+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	first, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.False(t, strings.HasPrefix(first, "open"), first)
	_, err = bolt.Open(path, options)
	require.ErrorIs(t, err, bolt.ErrInUse)
	require.ErrorContains(t, err, fmt.Sprint("pid ", child.Process.Pid))
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	MustOpen(t, path)
}
