package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// The documented words of a job, which backups use as well.
const (
	finished = "finished"
	failed   = "failed"
)

// staleFor is how long a word of the end may still be the one of the task
// before: HosterAPI gives backups and restores no number.
const staleFor = time.Minute

// vmBaseline is a VM right before the call, for settling. It holds no secret.
type vmBaseline struct {
	IPs      []string            `json:"ips,omitempty"`
	Template string              `json:"template,omitempty"`
	Disk     string              `json:"disk,omitempty"`
	DiskGiB  int                 `json:"diskGiB,omitempty"`
	Cores    int                 `json:"cores,omitempty"`
	Mem      int                 `json:"mem,omitempty"`
	State    string              `json:"state,omitempty"`
	Uptime   time.Duration       `json:"uptime,omitempty"`
	Backups  []int64             `json:"backups,omitempty"`
	Task     hoster.BackupStatus `json:"task,omitzero"`
}

func (v *vmFacts) baseline() []byte {
	return encode(vmBaseline{
		IPs: v.config.IPs, Template: v.config.Template, Disk: v.config.Disk, DiskGiB: v.config.DiskGiB,
		Cores: v.config.Cores, Mem: v.config.Mem,
		State: v.status.State, Uptime: v.status.Uptime, Backups: v.backups,
	})
}

func (b *vmBaseline) config() hoster.VMConfig {
	return hoster.VMConfig{Cores: b.Cores, Mem: b.Mem, Disk: b.Disk, DiskGiB: b.DiskGiB, IPs: b.IPs, Template: b.Template}
}

// encode is the JSON of a baseline.
func encode(baseline any) []byte {
	raw, err := json.Marshal(baseline)
	if err != nil { // every field is a plain value
		panic(err)
	}
	return raw
}

// decode reads the baseline that was stored with the intent.
func decode[T any](c *bot.Call) (T, error) {
	var baseline T
	if c.Op == nil {
		return baseline, errors.New("settle: no operation")
	}
	if err := json.Unmarshal(c.Op.Baseline, &baseline); err != nil {
		return baseline, fmt.Errorf("read the baseline of operation %d: %w", c.Op.ID, err)
	}
	return baseline, nil
}

// sent is when the call may have left.
func sent(c *bot.Call) time.Time {
	switch {
	case c.Op == nil:
		return c.Now
	case len(c.Op.Attempts) == 0:
		return c.Op.Created
	}
	return c.Op.Attempts[len(c.Op.Attempts)-1].At
}

// accepted is since when the operation is followed.
func accepted(c *bot.Call) time.Time {
	if c.Op != nil && c.Op.Job != nil && !c.Op.Job.Since.IsZero() {
		return c.Op.Job.Since
	}
	return sent(c)
}

// jobOf is the number of the job that an operation follows, 0 if it has none.
func jobOf(op *bot.Operation) int64 {
	if op == nil || op.Job == nil {
		return 0
	}
	return op.Job.ID
}

// followJob says how the operation's job is getting on.
func (p *provider) followJob(ctx context.Context, c *bot.Call) (bot.Progress, error) {
	id := jobOf(c.Op)
	job, err := p.Job(ctx, id)
	var e *hoster.Error
	if lostTrack(err) && errors.As(err, &e) {
		return bot.Progress{Phase: bot.Lost, Fraction: -1, Text: "The provider does not know job " + number(id) + ": it says " + bot.Code(strings.TrimSuffix(words(e), ".")) + "."}, nil
	}
	if err != nil {
		return bot.Progress{}, fmt.Errorf("read job %d: %w", id, err)
	}
	return jobProgress(job), nil
}

// jobProgress is a job in the bot's words. Only the documented last words end
// it: any other is shown, and waited on.
func jobProgress(job hoster.Job) bot.Progress {
	at := bot.Progress{Phase: bot.Running, Word: bot.CleanMax(job.Status, 60), Fraction: job.Progress}
	switch job.Status {
	case finished:
		at.Phase, at.Fraction = bot.Finished, 1
		at.Secret = !job.Output.Password.IsZero()
		if job.Output.VM > 0 {
			at.Targets = []bot.Target{vmID(job.Output.VM)}
			at.Result = append(at.Result, bot.Field{Label: "VM", Value: number(job.Output.VM)})
		}
		if len(job.Output.IPs) > 0 {
			at.Result = append(at.Result, bot.Field{Label: "IPs", Value: addresses(job.Output.IPs)})
		}
		if at.Secret && job.Output.User != "" {
			at.Result = append(at.Result, bot.Field{Label: "User", Value: bot.Code(job.Output.User)})
		}
	case failed:
		at.Phase = bot.Broken
		at.Code, _ = hoster.CodeOf(job.ErrText)
		at.Text = brokenText(job.ErrText)
	}
	return at
}

// brokenText says how a task failed, in the provider's words and in ours.
func brokenText(text string) string {
	if text == "" {
		return "The provider says that it failed, and not why."
	}
	said := "The provider says " + bot.Code(text) + "."
	if code, _ := hoster.CodeOf(text); code != "" {
		said += " " + meaning(code)
	}
	return said
}

// lostTrack tells whether the provider no longer knows what is followed.
func lostTrack(err error) bool {
	if hoster.IsCode(err, hoster.JobNotFound) {
		return true
	}
	var e *hoster.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// taskProgress says how a backup or a restore is getting on by its status
// alone. A word of the end counts once it is surely of this task: it differs
// from what stood there before the call, or other words came between, or a
// minute is over.
func taskProgress(c *bot.Call, now, before hoster.BackupStatus) bot.Progress {
	at := bot.Progress{Phase: bot.Running, Word: bot.CleanMax(now.Status, 60), Fraction: now.Progress}
	if now.Status == "" {
		at.Fraction = -1
	}
	moved := c.Op != nil && c.Op.Job != nil && c.Op.Job.Last.Word != "" && c.Op.Job.Last.Word != at.Word
	ours := now != before || moved || c.Now.Sub(accepted(c)) >= staleFor
	if !ours {
		return at
	}
	switch {
	case now.Status == failed:
		at.Phase, at.Text = bot.Broken, brokenText("")
	case now.Status == finished, now.Progress >= 1:
		at.Phase, at.Fraction = bot.Finished, 1
	}
	return at
}

// gone reads whether a thing is no longer there: it is not in the list, and its
// status is answered with 0x01. listed says whether it is in the list.
func gone(ctx context.Context, ids func(context.Context) ([]int, error), status func(context.Context, int) error, id int) (isGone, listed bool, err error) {
	all, err := ids(ctx)
	if err != nil {
		return false, false, err
	}
	if slices.Contains(all, id) {
		return false, true, nil
	}
	err = status(ctx, id)
	switch {
	case err == nil:
		return false, false, nil
	case hoster.IsCode(err, hoster.NotFound):
		return true, false, nil
	case hoster.ClassOf(err) == hoster.Refused:
		return false, false, nil // a framework's bare 404 proves nothing
	}
	return false, false, err
}
