package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// jobKind is the number of any job of the provider's.
var jobKind = func() *bot.Kind {
	k := whole("JOB", "a job's number such as 15", 1, 1<<53, "")
	k.Any = true
	k.Complete = func(ctx context.Context, c *bot.Call, prefix string) ([]bot.Choice, error) {
		choices, err := completeJob(ctx, c, prefix, func(*bot.Operation) bool { return true })
		id, wrong := k.Parse(prefix)
		if wrong == nil && err == nil && len(choices) < bot.MaxListed && !slices.ContainsFunc(choices, func(o bot.Choice) bool { return o.Value == id }) {
			choices = append(choices, bot.Choice{Value: id, Label: id}) // the bot need not have started it
		}
		return choices, err
	}
	return k
}()

// completeJob lists the jobs of operations that fit and that the person sees.
func completeJob(ctx context.Context, c *bot.Call, prefix string, fits func(*bot.Operation) bool) ([]bot.Choice, error) {
	ops, err := c.Bot.Operations(ctx, bot.OperationFilter{Jobs: true})
	if err != nil {
		return nil, fmt.Errorf("complete a job: %w", err)
	}
	var choices []bot.Choice
	for i := range ops {
		if op := &ops[i]; op.Job != nil && op.Job.ID != 0 && seesOperation(c, op) && fits(op) {
			id := strconv.FormatInt(op.Job.ID, 10)
			choices = append(choices, bot.Choice{Value: id, Label: joined(id, bot.Flat(op.Title, c.Now), string(op.State))})
		}
	}
	return pick(prefix, choices), nil
}

func (p *provider) jobRows() []bot.Command {
	return []bot.Command{p.jobListRow(), p.jobShowRow(), p.jobRevealRow()}
}

func (p *provider) jobListRow() bot.Command {
	return bot.Command{
		Words: "job list", Summary: "List the jobs, backups and orders that the bot follows or has followed", Effect: bot.EffectReads,
		Example: "job list", List: true,
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			ops, err := c.Bot.Operations(ctx, bot.OperationFilter{Jobs: true, Limit: listed})
			if err != nil {
				return bot.Card{}, fmt.Errorf("list jobs: %w", err)
			}
			card := bot.Card{Title: "Jobs", Table: &bot.Table{
				Columns: []bot.Column{
					{Name: "Job"}, {Name: "Operation"}, {Name: "Command"}, {Name: "Target"}, {Name: "State"},
					{Name: "Progress", Right: true}, {Name: "Since"}, {Name: "By"},
				},
				Empty: "The bot follows nothing.",
			}}
			for i := range ops {
				if op := &ops[i]; op.Job != nil && seesOperation(c, op) {
					card.Table.Rows = append(card.Table.Rows, jobRow(op))
				}
			}
			card.Notes = onlyNewest(ops)
			return card, nil
		},
	}
}

// targetsOf are the things an operation is about, with those that came of it.
func targetsOf(op *bot.Operation) []bot.Target {
	return append(append([]bot.Target(nil), op.Targets...), op.Made...)
}

// seesOperation tells whether the caller's grants cover all that an operation
// is about. One that is about nothing yet is seen by those who see any.
func seesOperation(c *bot.Call, op *bot.Operation) bool {
	for _, t := range targetsOf(op) {
		if !allows(c, t) {
			return false
		}
	}
	return true
}

func jobRow(op *bot.Operation) []string {
	id, target := "–", "–"
	if op.Job.ID != 0 {
		id = number(op.Job.ID)
	}
	if targets := targetsOf(op); len(targets) > 0 {
		target = bot.Code(targets[len(targets)-1].String())
	}
	return []string{
		id, number(op.ID), op.Command, target, string(op.State),
		share(op.Job.Last), bot.At(op.Job.Since), bot.Clean(op.Person),
	}
}

// share is a progress in per cent.
func share(at bot.Progress) string {
	if at.Fraction < 0 {
		return "–"
	}
	return strconv.Itoa(int(at.Fraction*100+0.5)) + " %"
}

func (p *provider) jobShowRow() bot.Command {
	return bot.Command{
		Words: "job show", Summary: "Show how a job is getting on", Effect: bot.EffectReads,
		Params:  []bot.Param{{Name: "job", Kind: jobKind, Summary: "Number of the job", Required: true, Positional: true}},
		Example: "job show 15", List: true,
		Details: "Of a job that the bot did not start, only status, progress and error code are shown.",
		Read:    p.showJob,
	}
}

func (p *provider) showJob(ctx context.Context, c *bot.Call) (bot.Card, error) {
	id := c.Args.Int("job")
	op, ours, err := operationOf(ctx, c, id)
	if err != nil {
		return bot.Card{}, err
	}
	job, err := p.Job(ctx, id)
	if err != nil {
		return bot.Card{}, told(err, "job "+number(id))
	}
	at := jobProgress(job)
	card := bot.Card{Title: "Job " + number(id), Fields: []bot.Field{
		{Label: "Status", Value: at.Word},
		{Label: "Progress", Value: share(at)},
	}}
	switch at.Phase {
	case bot.Finished:
		card.Tone = bot.Good
	case bot.Broken:
		card.Tone = bot.Bad
	default:
		card.Tone = bot.Busy
	}
	if !ours || !seesOperation(c, &op) {
		if at.Phase == bot.Broken {
			code := at.Code
			if code == "" {
				code = "none"
			}
			card.Fields = append(card.Fields, bot.Field{Label: "Code", Value: bot.Code(code)})
		}
		card.Notes = []string{"It belongs to no operation of yours here, so its output is not shown."}
		return card, nil
	}
	card.Fields = append(card.Fields, bot.Field{Label: "Operation", Value: fmt.Sprintf("%s, %s by %s", number(op.ID), bot.Code(op.Command), bot.Clean(op.Person))})
	card.Fields = append(card.Fields, at.Result...)
	if at.Text != "" {
		card.Lines = append(card.Lines, at.Text)
	}
	if at.Secret {
		card.Notes = []string{"Its password: " + bot.Code(fmt.Sprintf("job reveal %d", id)) + "."}
	}
	return card, nil
}

// operationOf finds the operation that started a job; ours is false if there
// is none.
func operationOf(ctx context.Context, c *bot.Call, job int64) (op bot.Operation, ours bool, err error) {
	op, err = c.Bot.OperationOfJob(ctx, job)
	if errors.Is(err, bot.ErrNotFound) {
		return op, false, nil
	}
	if err != nil {
		return op, false, fmt.Errorf("find the operation of job %d: %w", job, err)
	}
	return op, true, nil
}

func (p *provider) jobRevealRow() bot.Command {
	return bot.Command{
		Words: "job reveal", Summary: "Reveal the password in a finished job of the bot's", Effect: bot.EffectSecrets,
		Params:  []bot.Param{{Name: "job", Kind: p.kinds.ourJob, Summary: "Number of the job", Required: true, Positional: true}},
		Example: "job reveal 15",
		Details: "It is read from the provider when you press Reveal, and shown to you alone.",
		Read: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			id := c.Args.Int("job")
			if _, err := p.finishedJob(ctx, c, id); err != nil {
				return bot.Card{}, err
			}
			return bot.Card{
				Title: "Password from job " + number(id),
				Lines: []string{"Press Reveal to read it from the provider. Only you will see it."},
			}, nil
		},
		Reveal: func(ctx context.Context, c *bot.Call) (bot.Card, error) {
			id := c.Args.Int("job")
			job, err := p.finishedJob(ctx, c, id)
			if err != nil {
				return bot.Card{}, err
			}
			return jobPassword(id, job)
		},
	}
}

// finishedJob reads a job that an operation here started and that gave a
// password. Jobs of others are never read for their output.
func (p *provider) finishedJob(ctx context.Context, c *bot.Call, id int64) (hoster.Job, error) {
	op, err := ourOperation(ctx, c, id)
	if err != nil {
		return hoster.Job{}, err
	}
	job, err := p.Job(ctx, id)
	if err != nil {
		return hoster.Job{}, told(err, "job "+number(id))
	}
	if _, err := jobPassword(id, job); err != nil {
		return hoster.Job{}, err
	}
	if vm := vmID(job.Output.VM); job.Output.VM != 0 && c.Target() != vm {
		return hoster.Job{}, bot.Errorf(bot.Conflict, "Job %s is about %s, not about what operation %s says.", number(id), thing(vm), number(op.ID))
	}
	return job, nil
}

func ourOperation(ctx context.Context, c *bot.Call, job int64) (bot.Operation, error) {
	op, ours, err := operationOf(ctx, c, job)
	if err == nil && !ours {
		err = bot.Errorf(bot.Missing, "Job %s belongs to no operation of this bot, so its output is not shown.", number(job))
	}
	return op, err
}

// resolveJob finds the VM that a job of ours is about.
func (p *provider) resolveJob(ctx context.Context, c *bot.Call, canonical string) (bot.Target, error) {
	id, err := strconv.ParseInt(canonical, 10, 64)
	if err != nil {
		return bot.Target{}, err
	}
	op, err := ourOperation(ctx, c, id)
	if err != nil {
		return bot.Target{}, err
	}
	targets := targetsOf(&op)
	if len(targets) == 0 && op.State.Final() {
		return bot.Target{}, bot.Errorf(bot.Missing, "Job %s has made no VM, so it has no password: operation %d is %s.", number(id), op.ID, bot.Code(string(op.State)))
	}
	if len(targets) == 0 {
		return bot.Target{}, bot.Errorf(bot.Conflict, "Job %s has made no VM yet: a password comes at its end.", number(id))
	}
	return targets[len(targets)-1], nil
}
