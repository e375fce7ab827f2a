package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/store"
)

type storeCmd struct {
	Backup  storeBackupCmd  `cmd:"" help:"Write a copy of the store to a file, also while the bot runs."`
	Check   storeCheckCmd   `cmd:"" help:"Read the whole store and print every damage."`
	Restore storeRestoreCmd `cmd:"" help:"Put a backup in the store's place, with the bot stopped."`
}

// storeAt is the store that a subcommand is about.
type storeAt struct {
	Store string `name:"store" env:"HOSTERBOT_STORE" default:"bolt:./hosterbot.db" help:"Address of the store."`
}

// socketMost is how long the path of a socket may be, the zero at its end left
// out: sun_path has 108 bytes on Linux (unix(7)) and 104 on macOS (sys/un.h).
func socketMost() int {
	if runtime.GOOS == "linux" {
		return 107
	}
	return 103
}

// socketOf is where a running bot serves its store.
func socketOf(address string) string { return strings.TrimPrefix(address, "bolt:") + ".sock" }

// serveStore serves the store of a running bot on a socket beside it, for
// `store backup`, `store check`, `audit` and `doctor`.
func serveStore(address string, st bot.Store) (stop func(), err error) {
	path := socketOf(address)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen beside the store: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /backup", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Whole")
		if err := st.Backup(r.Context(), w); err == nil {
			w.Header().Set("Whole", "yes")
		}
	})
	mux.HandleFunc("GET /check", func(w http.ResponseWriter, r *http.Request) {
		if err := st.Check(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, r *http.Request) {
		if err := st.Ping(r.Context(), time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("GET /audit", serveAudit(st))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { _ = server.Serve(l); close(done) }()
	return func() { _ = server.Close(); <-done }, nil
}

// reach opens the store to be read, or reaches the running bot that holds it: then open
// is nil, and get asks it.
func (c *storeAt) reach(p *program) (open bot.Store, get func(ctx context.Context, path string) (*http.Response, error), err error) {
	path := strings.TrimPrefix(c.Store, "bolt:")
	if _, err := os.Stat(path); err != nil {
		return nil, nil, exit(exitStore, fmt.Errorf("there is no store at %s: set HOSTERBOT_STORE, or --store, to the bot's; hosterbot run makes it", path))
	}
	if get := running(c.Store); get != nil {
		return nil, get, nil
	}
	var wrong problems
	key := wrong.secret(p.env, "HOSTERBOT_AUDIT_KEY", false)
	if err := errors.Join(wrong...); err != nil {
		return nil, nil, exit(exitConfig, err)
	}
	st, err := store.Open(c.Store, store.Options{AuditKey: []byte(key.Reveal()), Reading: true})
	if err != nil {
		return nil, nil, exit(exitStore, err)
	}
	return st, nil, nil
}

// running asks the bot that holds a store; nil where none does.
func running(address string) (get func(ctx context.Context, path string) (*http.Response, error)) {
	conn, err := net.DialTimeout("unix", socketOf(address), time.Second)
	if err != nil {
		return nil
	}
	_ = conn.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", socketOf(address))
	}}}
	return func(ctx context.Context, path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://store"+path, nil)
		if err != nil {
			return nil, err
		}
		return client.Do(r)
	}
}

type storeBackupCmd struct {
	storeAt
	File string `arg:"" help:"File to write; it must not exist."`
}

// Run writes the copy beside its name first, so that the name stands only for
// a whole one.
func (c *storeBackupCmd) Run(ctx context.Context, p *program) error {
	st, get, err := c.reach(p)
	if err != nil {
		return err
	}
	if st != nil {
		defer st.Close()
	}
	if _, err := os.Lstat(c.File); err == nil {
		return exit(exitFailed, fmt.Errorf("%s exists already: name another file", c.File))
	}
	tmp, err := os.CreateTemp(filepath.Dir(c.File), ".backup-")
	if err != nil {
		return exit(exitFailed, fmt.Errorf("no file can be made in %s (%w): make the folder, or name another", filepath.Dir(c.File), cause(err)))
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if st != nil {
		err = st.Backup(ctx, tmp)
	} else {
		err = fetchBackup(ctx, get, tmp)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.Link(tmp.Name(), c.File) // fails where somebody made it meanwhile
	}
	if err != nil {
		return exit(exitFailed, fmt.Errorf("back up the store: %w", err))
	}
	fmt.Fprintf(p.out, "The store is copied to %s.\n", c.File)
	return nil
}

func fetchBackup(ctx context.Context, get func(context.Context, string) (*http.Response, error), w io.Writer) error {
	resp, err := get(ctx, "/backup")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return err
	}
	if resp.Trailer.Get("Whole") != "yes" {
		return errors.New("the running bot did not send all of it")
	}
	return nil
}

type storeCheckCmd struct{ storeAt }

// Run prints every damage.
func (c *storeCheckCmd) Run(ctx context.Context, p *program) error {
	st, get, err := c.reach(p)
	if err != nil {
		return err
	}
	if st != nil {
		defer st.Close()
		err = st.Check(ctx)
	} else {
		err = faultOf(ctx, get, "/check")
	}
	if err != nil {
		return exit(exitFailed, fmt.Errorf("the store is damaged:\n%w", err))
	}
	fmt.Fprintln(p.out, "The store is whole.")
	return nil
}

// faultOf is what the running bot finds wrong; nil where it is nothing.
func faultOf(ctx context.Context, get func(context.Context, string) (*http.Response, error), path string) error {
	resp, err := get(ctx, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
	case path == "/ping" && resp.StatusCode == http.StatusNotFound: // an older bot, which cannot tell
	case resp.StatusCode != http.StatusOK:
		err = errors.New(strings.TrimSpace(string(text)))
	}
	return err
}

type storeRestoreCmd struct {
	storeAt
	File string `arg:"" help:"The backup."`
}

// Run puts the backup in place. The store that was there is kept.
func (c *storeRestoreCmd) Run(ctx context.Context, p *program) error {
	var wrong problems
	key := wrong.secret(p.env, "HOSTERBOT_AUDIT_KEY", false)
	if err := errors.Join(wrong...); err != nil {
		return exit(exitConfig, err)
	}
	err := store.Restore(ctx, c.Store, c.File, store.Options{AuditKey: []byte(key.Reveal())})
	switch {
	case errors.Is(err, store.ErrInUse), errors.Is(err, store.ErrNewer), errors.Is(err, store.ErrDamaged):
		return exit(exitStore, err)
	case err != nil:
		return exit(exitFailed, fmt.Errorf("restore: %w", err))
	}
	path := strings.TrimPrefix(c.Store, "bolt:")
	fmt.Fprintf(p.out, "%s is in place of %s, which is kept as %s.before-restore.\nThe next start needs: hosterbot run --accept-rollback\n", c.File, path, path)
	return nil
}
