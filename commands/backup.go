package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

func (p *provider) backupRows() []bot.Command {
	return []bot.Command{p.backupListRow(), p.backupStatusRow(), p.backupCreateRow(), p.backupRestoreRow()}
}

func (p *provider) backupListRow() bot.Command {
	return bot.Command{
		Words: "backup list", Summary: "List a VM's backups, newest first", Effect: bot.EffectReads,
		Params:  []bot.Param{p.vmParam("VM whose backups to list")},
		Example: "backup list 4001",
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			backups, err := p.backups.fresh(ctx, vmOf(c))
			if err != nil {
				return bot.Card{}, told(err, vmThing(vmOf(c)))
			}
			card := bot.Card{
				Title: "Backups of " + titled(c, vmID(vmOf(c))),
				Table: &bot.Table{Columns: []bot.Column{{Name: "Backup"}, {Name: "Taken"}}, Empty: "There are none. `backup create` makes one."},
			}
			for _, at := range slices.Backward(sorted(backups)) {
				card.Table.Rows = append(card.Table.Rows, []string{number(at), bot.At(time.Unix(at, 0))})
			}
			return card, nil
		},
	}
}

func (p *provider) backupStatusRow() bot.Command {
	return bot.Command{
		Words: "backup status", Summary: "Show how a VM's backup or restore is getting on", Effect: bot.EffectReads,
		Params:  []bot.Param{p.vmParam("VM to look at")},
		Example: "backup status 4001",
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			task, err := p.BackupStatus(ctx, vmOf(c))
			if err != nil {
				return bot.Card{}, told(err, vmThing(vmOf(c)))
			}
			card := bot.Card{Title: "Backup task of " + titled(c, vmID(vmOf(c)))}
			if task.Status == "" {
				card.Lines = []string{"The provider has no backup task for it."}
				return card, nil
			}
			card.Fields = []bot.Field{
				{Label: "Status", Value: bot.Clean(task.Status)},
				{Label: "Progress", Value: strconv.Itoa(int(task.Progress*100+0.5)) + " %"},
			}
			return card, nil
		},
	}
}

func (p *provider) backupCreateRow() bot.Command {
	return bot.Command{
		Words: "backup create", Summary: "Back a VM up", Effect: bot.EffectChanges,
		Params:  []bot.Param{p.vmParam("VM to back up")},
		Example: "backup create 4001",
		Details: "It ends when a new backup is in the list.",
		Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
			preview, _, err := p.previewTask(ctx, c, "Back up "+titled(c, vmID(vmOf(c))))
			return preview, err
		},
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.CreateBackup(ctx, vmOf(c)))
			o.Followed = o.Class == bot.Accepted
			o.Done = upper(vmThing(vmOf(c))) + " is backed up."
			return o
		},
		Settle: p.settleBackup, Window: 60 * time.Minute,
		Follow: p.followBackup,
	}
}

// previewTask is the preview of a backup or a restore, with the backups that
// there are. What the provider says of the task before is part of the baseline.
func (p *provider) previewTask(ctx context.Context, c *bot.Call, title string) (bot.Preview, []int64, error) {
	v, err := p.readVM(ctx, vmOf(c), true)
	if err != nil {
		return bot.Preview{}, nil, err
	}
	task, err := p.BackupStatus(ctx, v.id)
	if err != nil {
		return bot.Preview{}, nil, told(err, "the backup task of "+vmThing(v.id))
	}
	preview := v.preview(title)
	preview.Baseline = encode(vmBaseline{Backups: sorted(v.backups), Task: task})
	return preview, v.backups, nil
}

// newBackup finds the backup that was not there before the call.
func newBackup(before, now []int64) (int64, bool) {
	for _, at := range slices.Backward(sorted(now)) {
		if !slices.Contains(before, at) {
			return at, true
		}
	}
	return 0, false
}

func (p *provider) settleBackup(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
	before, err := decode[vmBaseline](c)
	if err != nil {
		return bot.Verdict{}, err
	}
	now, err := p.backups.fresh(ctx, vmOf(c))
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a backup: %w", err)
	}
	what := vmThing(vmOf(c))
	if at, ok := newBackup(before.Backups, now); ok {
		return bot.Verdict{Is: bot.Done, Text: fmt.Sprintf("A new backup of %s is in the list: %s.", what, bot.At(time.Unix(at, 0)))}, nil
	}
	task, err := p.BackupStatus(ctx, vmOf(c))
	if err != nil {
		return bot.Verdict{}, fmt.Errorf("settle a backup: %w", err)
	}
	if task == before.Task {
		return bot.Verdict{Is: bot.NotDone, Text: fmt.Sprintf("No new backup of %s is in the list, and no task has begun.", what)}, nil
	}
	return bot.Verdict{Is: bot.Unclear, Text: fmt.Sprintf("No new backup of %s is in the list yet. The provider says %s.", what, bot.Code(task.Status))}, nil
}

// followBackup says how a backup is getting on. The list decides, not the
// task's word: what counts is that the backup is there.
func (p *provider) followBackup(ctx context.Context, c *bot.Call) (bot.Progress, error) {
	before, err := decode[vmBaseline](c)
	if err != nil {
		return bot.Progress{}, err
	}
	now, err := p.backups.fresh(ctx, vmOf(c))
	if lostTrack(err) {
		return vmLost(c), nil
	}
	if err != nil {
		return bot.Progress{}, fmt.Errorf("follow a backup: %w", err)
	}
	if at, ok := newBackup(before.Backups, now); ok {
		return bot.Progress{
			Phase: bot.Finished, Word: finished, Fraction: 1,
			Result: []bot.Field{{Label: "Backup", Value: number(at)}, {Label: "Taken", Value: bot.At(time.Unix(at, 0))}},
		}, nil
	}
	task, err := p.BackupStatus(ctx, vmOf(c))
	if err != nil {
		return bot.Progress{}, fmt.Errorf("follow a backup: %w", err)
	}
	at := taskProgress(c, task, before.Task)
	if at.Phase == bot.Finished {
		at.Phase, at.Text = bot.Running, "The provider says it is done, but the backup is not in the list yet."
	}
	return at, nil
}

// vmLost is the progress of what happens to a VM that is no longer there.
func vmLost(c *bot.Call) bot.Progress {
	return bot.Progress{Phase: bot.Lost, Fraction: -1, Text: "The provider does not know " + vmThing(vmOf(c)) + "."}
}

func (p *provider) backupRestoreRow() bot.Command {
	return bot.Command{
		Words: "backup restore", Summary: "Put a VM back to a backup and lose all that came after it", Effect: bot.EffectDestroys,
		Params: []bot.Param{
			p.vmParam("VM to put back"),
			{Name: "backup", Kind: p.kinds.backup, Summary: "Timestamp of the backup, or its date in UTC", Required: true, Positional: true},
		},
		Example: "backup restore 4001 2026-11-24",
		Details: "A date or a time in UTC is enough where it means exactly one backup.",
		Preview: p.previewRestore,
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(p.RestoreBackup(ctx, vmOf(c), c.Args.Int("backup")))
			o.Followed = o.Class == bot.Accepted
			o.Done = fmt.Sprintf("%s is back at its backup of %s.", upper(vmThing(vmOf(c))), bot.At(time.Unix(c.Args.Int("backup"), 0)))
			return o
		},
		Follow: p.followRestore,
	}
}

func (p *provider) previewRestore(ctx context.Context, c *bot.Call) (bot.Preview, error) {
	preview, backups, err := p.previewTask(ctx, c, "")
	if err != nil {
		return bot.Preview{}, err
	}
	at, err := findBackup(backups, c.Args.Text("backup"), vmOf(c))
	if err != nil {
		return bot.Preview{}, err
	}
	taken := time.Unix(at, 0).UTC()
	preview.Args = c.Args.With("backup", strconv.FormatInt(at, 10))
	preview.Title = fmt.Sprintf("Put %s back to its backup of %s", titled(c, vmID(vmOf(c))), bot.At(taken))
	preview.Fields = append(preview.Fields,
		bot.Field{Label: "Backup", Value: number(at)},
		bot.Field{Label: "Age", Value: bot.Duration(max(c.Now.Sub(taken), 0))},
	)
	preview.Loses = "Everything that was written since " + bot.At(taken) + "."
	preview.Notes = []string{"No read of the API tells whether a restore has happened, only how its task is getting on."}
	return preview, nil
}

// findBackup finds the one backup that typed means: its timestamp, or a date, a
// minute or a second in UTC in which exactly one was taken.
func findBackup(backups []int64, typed string, vm int) (int64, error) {
	var found []int64
	for _, at := range slices.Backward(sorted(backups)) {
		if strconv.FormatInt(at, 10) == typed {
			return at, nil
		}
		for _, layout := range backupLayouts {
			if len(layout) == len(typed) && time.Unix(at, 0).UTC().Format(layout) == typed {
				found = append(found, at)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, bot.Errorf(bot.Missing, "%s has no backup %s.", upper(vmThing(vm)), bot.Code(typed)).
			WithHint("%s shows what is there.", bot.Code(fmt.Sprintf("backup list %d", vm)))
	}
	shown := make([]string, len(found))
	for i, at := range found {
		shown[i] = number(at) + " of " + bot.Code(time.Unix(at, 0).UTC().Format(time.DateTime))
	}
	return 0, bot.Errorf(bot.Invalid, "%s means %d backups: %s.", bot.Code(typed), len(found), strings.Join(shown, ", ")).
		WithHint("Write the timestamp of one.")
}

func (p *provider) followRestore(ctx context.Context, c *bot.Call) (bot.Progress, error) {
	before, err := decode[vmBaseline](c)
	if err != nil {
		return bot.Progress{}, err
	}
	task, err := p.BackupStatus(ctx, vmOf(c))
	if lostTrack(err) {
		return vmLost(c), nil
	}
	if err != nil {
		return bot.Progress{}, fmt.Errorf("follow a restore: %w", err)
	}
	if task == (hoster.BackupStatus{}) {
		return bot.Progress{Phase: bot.Running, Fraction: -1, Text: "The provider shows no task."}, nil
	}
	return taskProgress(c, task, before.Task), nil
}
