package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Verify the whole audit log with HOSTERBOT_AUDIT_KEY, and name the first record that is wrong."`
	Export auditExportCmd `cmd:"" help:"Write the audit log to standard output, the oldest record first."`
}

type auditVerifyCmd struct {
	storeAt
	Anchors string `placeholder:"FILE" help:"Text with audit-anchor lines, such as the bot's log or a saved channel, which show whether the tail was cut; - is standard input."`
}

// Run prints how many records there are, or what is wrong.
func (c *auditVerifyCmd) Run(ctx context.Context, p *program) error {
	var wrong problems
	key := wrong.secret(p.env, "HOSTERBOT_AUDIT_KEY", true)
	if err := errors.Join(wrong...); err != nil {
		return exit(exitConfig, err)
	}
	anchors, err := c.anchors(p)
	if err != nil {
		return exit(exitFailed, err)
	}
	chain := bot.NewChain([]byte(key.Reveal()), anchors)
	err = c.sealed(ctx, p, func(s bot.Sealed) error {
		if !chain.Add(s) {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	end, err := chain.End()
	switch {
	case err != nil:
		return exit(exitFailed, fmt.Errorf("the audit log is not whole: %w", err))
	case c.Anchors != "" && len(anchors) == 0:
		return exit(exitFailed, fmt.Errorf("%s, whole, but %s holds no line with audit-anchor, so nothing shows whether newer records were cut off. %s",
			plural(int(end.Count), "record"), c.source(), whenAnchored))
	}
	noun, mac := "records", end.MAC
	if end.Count == 1 {
		noun = "record"
	}
	if mac == "" {
		mac = "-"
	}
	fmt.Fprintf(p.out, "%d %s, whole; head %d %s\n", end.Count, noun, end.Seq, mac)
	return nil
}

// whenAnchored says what to do without an anchor.
const whenAnchored = "The bot logs one every 64 records, every hour in which there were some, and when it stops: " +
	"try again then, or without --anchors. If it has logged one already, name that log"

// source names what the anchors are read from.
func (c *auditVerifyCmd) source() string {
	if c.Anchors == "-" {
		return "standard input"
	}
	return c.Anchors
}

// anchors reads the anchors that are given; nil if none are.
func (c *auditVerifyCmd) anchors(p *program) ([]bot.Anchor, error) {
	if c.Anchors == "" {
		return nil, nil
	}
	in := io.Reader(p.in)
	if c.Anchors != "-" {
		f, err := os.Open(c.Anchors)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	anchors, err := bot.ParseAnchors(in)
	if err != nil {
		return nil, fmt.Errorf("anchors of %s: %w", c.source(), err)
	}
	return anchors, nil
}

// keyFits returns an error where the key sealed neither the first nor the newest
// record of a store. One record that was changed is none: audit verify names it.
func keyFits(ctx context.Context, st bot.Store, key []byte) error {
	chain := bot.NewChain(key, nil)
	next := func(after uint64) error {
		err := st.Sealed(ctx, after, func(s bot.Sealed) error {
			chain.Add(s)
			return errEnough
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		return err
	}
	if err := next(0); err != nil {
		return err
	}
	if newest, err := st.Audit(ctx, bot.AuditFilter{Limit: 1}); err == nil && len(newest) > 0 && newest[0].Seq > 1 {
		if err := next(newest[0].Seq - 1); err != nil {
			return err
		}
	}
	if _, err := chain.End(); errors.Is(err, bot.ErrWrongKey) {
		return errors.New("HOSTERBOT_AUDIT_KEY is not the key of this store: expected the one that its audit log was begun with")
	}
	return nil
}

// errEnough ends a walk through the log that has seen what it needs.
var errEnough = errors.New("enough")

// sealed calls f for every audit record, oldest first: of the store, or of the
// running bot that holds it. It returns f's error as it is.
func (c *storeAt) sealed(ctx context.Context, p *program, f func(bot.Sealed) error) error {
	st, get, err := c.reach(p)
	if err != nil {
		return err
	}
	if st != nil {
		defer st.Close()
		return st.Sealed(ctx, 0, f)
	}
	resp, err := get(ctx, "/audit")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the running bot does not give its audit log: is it of another version?")
	}
	for in := json.NewDecoder(resp.Body); ; {
		var s bot.Sealed
		if err = in.Decode(&s); err != nil {
			break
		}
		if err := f(s); err != nil {
			return err
		}
	}
	if !errors.Is(err, io.EOF) || resp.Trailer.Get("Whole") != "yes" {
		return errors.New("the running bot did not send all of its audit log")
	}
	return nil
}

// serveAudit sends every audit record, as storeAt.sealed reads it.
func serveAudit(st bot.Store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Whole")
		out := json.NewEncoder(w)
		if err := st.Sealed(r.Context(), 0, func(s bot.Sealed) error { return out.Encode(s) }); err == nil {
			w.Header().Set("Whole", "yes")
		}
	}
}

type auditExportCmd struct {
	storeAt
	Since  moment `placeholder:"TIME" help:"Only records from this time on: 2026-11-25T14:00:00Z, or a date, from its beginning (UTC)."`
	Until  moment `placeholder:"TIME" help:"Only records before this time; or a date, to its end (UTC)."`
	Format string `enum:"jsonl,csv" default:"jsonl" help:"jsonl, one record a line with its MAC, or csv."`
}

// moment is a time, or a whole day.
type moment struct {
	from, to time.Time // of a time: both are it
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(text []byte) error {
	if day, err := time.Parse(time.DateOnly, string(text)); err == nil {
		*m = moment{day, day.AddDate(0, 0, 1)}
		return nil
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is no time: expected one such as 2026-11-25T14:00:00Z, or a date such as 2026-11-25", clip(string(text)))
	}
	*m = moment{t, t}
	return nil
}

// Run writes record by record.
func (c *auditExportCmd) Run(ctx context.Context, p *program) error {
	write, flush := jsonLines(p.out)
	if c.Format == "csv" {
		write, flush = csvLines(p.out)
	}
	err := c.sealed(ctx, p, func(s bot.Sealed) error {
		r, err := s.Record()
		if err != nil {
			return fmt.Errorf("%w (hosterbot audit verify says more)", err)
		}
		if r.Time.Before(c.Since.from) || !c.Until.to.IsZero() && !r.Time.Before(c.Until.to) {
			return nil
		}
		return write(&s, &r)
	})
	return errors.Join(err, flush())
}

// jsonLines writes records as they are sealed, with "mac" as one more field at
// the end: without it, a line's bytes are what the MAC was made over, after the
// bytes of "prev".
func jsonLines(out io.Writer) (write func(*bot.Sealed, *bot.Record) error, flush func() error) {
	write = func(s *bot.Sealed, _ *bot.Record) error {
		if bytes.ContainsAny(s.Body, "\r\n") || !bytes.HasSuffix(s.Body, []byte("}")) {
			return fmt.Errorf("audit record %d was changed (hosterbot audit verify says more)", s.Seq)
		}
		_, err := fmt.Fprintf(out, "%s,\"mac\":%q}\n", s.Body[:len(s.Body)-1], s.MAC)
		return err
	}
	return write, func() error { return nil }
}

// csvColumns are the header of the CSV: the fields of bot.Record.
var csvColumns = []string{
	"seq", "time", "kind", "op", "state", "person", "account", "place", "command", "target", "args", "digest", "decision", "rule", "line",
	"policy", "attempt", "status", "code", "text", "breakGlass", "count", "prev", "mac",
}

// csvLines writes records as rows under a header.
func csvLines(out io.Writer) (write func(*bot.Sealed, *bot.Record) error, flush func() error) {
	w := csv.NewWriter(out)
	_ = w.Write(csvColumns) // flush tells
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	write = func(_ *bot.Sealed, r *bot.Record) error {
		var args []string
		for _, a := range r.Args {
			args = append(args, a.Name+"="+a.Value)
		}
		glass := ""
		if r.BreakGlass {
			glass = "true"
		}
		row := []string{
			strconv.FormatUint(r.Seq, 10), r.Time.UTC().Format(time.RFC3339Nano), r.Kind, number(r.Op), string(r.State), r.Person, r.Account, r.Place, r.Command,
			r.Target, strings.Join(args, "; "), r.Digest, r.Decision, r.Rule, number(int64(r.Line)), r.Policy, number(int64(r.Attempt)),
			number(int64(r.Status)), r.Code, r.Text, glass, number(int64(r.Count)), r.Prev, r.MAC,
		}
		for i := range row {
			row[i] = plainCell(row[i])
		}
		return w.Write(row)
	}
	return write, func() error { w.Flush(); return w.Error() }
}

// plainCell keeps a spreadsheet from running a cell as a formula.
func plainCell(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
