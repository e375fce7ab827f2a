// Package store opens what survives a restart: a bot.Store, by its address.
//
// It knows the back ends and nothing of what they store. An address is a
// scheme, a colon and what the back end makes of the rest: "bolt:./hosterbot.db".
//
// # How to add a back end
//
//  1. A folder, store/NAME, with Open and Restore; its database library is
//     imported nowhere else. Every doc comment of bot.Store binds it.
//  2. store/NAME/NAME_test.go: ten lines that call storetest.Run, RunConcurrent
//     and RunReopen. A bug found in one back end becomes a case there.
//  3. A line for its scheme in Open and in Restore, with its ErrInUse, ErrNewer,
//     ErrDamaged and ErrRollback joined to those below.
//  4. Its row in the import rules of cmd/hosterbot/imports_test.go, and
//     HOSTERBOT_STORE in the documentation.
package store

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/store/bolt"
)

// The errors of Open and Restore, to be asked for with errors.Is. Whoever sees
// them on a screen reads the likely cause in the text.
var (
	// ErrInUse: another process holds the store.
	ErrInUse = bolt.ErrInUse
	// ErrNewer: a newer hosterbot made the store.
	ErrNewer = bolt.ErrNewer
	// ErrOlder: an older hosterbot made the store; the next one that runs on it
	// migrates it, and who only looks does not.
	ErrOlder = bolt.ErrOlder
	// ErrDamaged: there is something at the address, and it is no whole store.
	ErrDamaged = bolt.ErrDamaged
	// ErrRollback: the store is older than it was, such as a restored backup.
	ErrRollback = bolt.ErrRollback
)

// Options are what a store needs besides its address.
type Options struct {
	AuditKey []byte           // seals the audit log; empty: nothing that is audited can be written
	Now      func() time.Time // nil: time.Now
	// AcceptRollback opens a store that is older than it was, too. What has to
	// be done then is bot.Bot.AcceptRollback.
	AcceptRollback bool
	// Reading opens a store that there is for who only looks at it, older or
	// not: every write is refused.
	Reading bool
}

// Open opens the store at an address, and makes it if there is none.
func Open(address string, o Options) (bot.Store, error) {
	path, err := pathOf(address)
	if err != nil {
		return nil, err
	}
	s, err := bolt.Open(path, bolt.Options{AuditKey: o.AuditKey, Now: o.Now, AcceptRollback: o.AcceptRollback, Reading: o.Reading})
	if err != nil {
		return nil, err // not s: a nil *bolt.Store is no nil bot.Store
	}
	return s, nil
}

// Restore puts the backup in file in the place of the store at an address,
// whose bot has to be stopped (else ErrInUse). What was there is kept beside
// it, as PATH.before-restore. Nothing changes if the backup is not whole. The
// next Open returns ErrRollback, unless that is accepted.
func Restore(ctx context.Context, address, file string, o Options) error {
	path, err := pathOf(address)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return bolt.Restore(ctx, path, f, bolt.Options{AuditKey: o.AuditKey, Now: o.Now})
}

// pathOf takes a bolt address apart. What follows the scheme of another kind
// may hold a password and is not shown.
func pathOf(address string) (string, error) {
	const expected = "expected bolt:PATH such as bolt:./hosterbot.db"
	scheme, path, _ := strings.Cut(address, ":")
	switch {
	case scheme != "bolt":
		return "", fmt.Errorf("store: unknown kind %q, %s", scheme, expected)
	case path == "":
		return "", fmt.Errorf("store %q: the path is missing, %s", address, expected)
	}
	return path, nil
}
