package commands

import (
	"context"
	"fmt"
	"time"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// signal is one of the power buttons of a VM or a dedicated server.
type signal struct {
	verb    string // as typed: "start"
	title   string // before the thing: "Start"
	done    string // after the thing: "is running."
	note    string // small print of the preview
	starts  bool   // for machines that stand still; the others are for those that run
	restart bool   // it runs again at the end
	asks    bool   // the machine's system is asked, and takes its time
}

var (
	startSignal    = signal{verb: "start", title: "Start", done: "is running.", starts: true}
	shutdownSignal = signal{verb: "shutdown", title: "Shut down", done: "has shut down.", asks: true, note: "Its system is asked to stop, and may not obey."}
	stopSignal     = signal{verb: "stop", title: "Stop", done: "has stopped.", note: "This pulls the plug: what is not on disk is lost."}
	rebootSignal   = signal{verb: "reboot", title: "Reboot", done: "has restarted.", restart: true, asks: true, note: "Its system is asked to restart, and may not obey."}
	resetSignal    = signal{verb: "reset", title: "Reset", done: "has restarted.", restart: true, note: "This pulls the plug: what is not on disk is lost."}
)

// notes are the small print of the preview: what the signal does, and that it
// makes little sense in the state that was read. It is not refused for that: a
// state can be stale, and the person may know better.
func (s signal) notes(what, state string) []string {
	var notes []string
	if s.note != "" {
		notes = append(notes, s.note)
	}
	switch isRunning := state == running; {
	case s.starts && isRunning:
		notes = append(notes, upper(what)+" is already running.")
	case !s.starts && !isRunning:
		notes = append(notes, upper(what)+" is "+bot.Clean(state)+", not running.")
	}
	return notes
}

// window is how long the signal may take to show.
func (s signal) window() time.Duration {
	if s.starts {
		return 2 * time.Minute
	}
	return 5 * time.Minute
}

// settled tells by a machine's state whether a start or a stop has happened.
// before is its state before the call, "" where that is not known.
func (s signal) settled(what, before, state string) bot.Verdict {
	text := upper(what) + " is " + bot.Clean(state) + "."
	if s.starts == (state == running) {
		if state == before {
			text = upper(what) + " is " + bot.Clean(state) + ", as it was before."
		}
		return bot.Verdict{Is: bot.Done, Text: text}
	}
	if state == running {
		text = upper(what) + " is still running."
	}
	return bot.Verdict{Is: bot.NotDone, Text: text}
}

func (p *provider) vmStartRow() bot.Command {
	row := p.vmPower(startSignal, p.StartVM)
	row.Summary, row.Effect = "Start a VM", bot.EffectChanges
	return row
}

func (p *provider) vmShutdownRow() bot.Command {
	row := p.vmPower(shutdownSignal, p.ShutdownVM)
	row.Summary = "Shut a VM down gracefully"
	row.Details = "Its system is asked to stop. One that does not obey is said so; vm stop pulls the plug."
	return row
}

func (p *provider) vmStopRow() bot.Command {
	row := p.vmPower(stopSignal, p.StopVM)
	row.Summary = "Stop a VM by pulling its plug"
	row.Details = "What its system has not written to disk is lost. Try vm shutdown first."
	return row
}

func (p *provider) vmRebootRow() bot.Command {
	row := p.vmPower(rebootSignal, p.RebootVM)
	row.Summary = "Restart a VM gracefully"
	row.Details = "Its system is asked to restart; vm reset pulls the plug."
	return row
}

func (p *provider) vmResetRow() bot.Command {
	row := p.vmPower(resetSignal, p.ResetVM)
	row.Summary = "Restart a VM by pulling its plug"
	row.Details = "What its system has not written to disk is lost. Try vm reboot first."
	return row
}

// spoken is a signal's verb in a sentence: shutdown is a noun there.
func spoken(verb string) string {
	if verb == shutdownSignal.verb {
		return "shut down"
	}
	return verb
}

// vmPower is the row of a power button of VMs.
func (p *provider) vmPower(s signal, send func(context.Context, int) (hoster.Result, error)) bot.Command {
	row := bot.Command{
		Words: "vm " + s.verb, Effect: bot.EffectInterrupts, Patient: s.asks,
		Params:  []bot.Param{p.vmParam("VM to " + spoken(s.verb))},
		Example: "vm " + s.verb + " 4001",
		Preview: func(ctx context.Context, c *bot.Call) (bot.Preview, error) {
			v, err := p.readVM(ctx, vmOf(c), false)
			if err != nil {
				return bot.Preview{}, err
			}
			preview := v.preview(s.title + " " + titled(c, vmID(v.id)))
			preview.Notes = s.notes(vmThing(v.id), v.status.State)
			return preview, nil
		},
		Run: func(ctx context.Context, c *bot.Call) bot.Outcome {
			o := outcome(send(ctx, vmOf(c)))
			o.Done = upper(vmThing(vmOf(c))) + " " + s.done
			return o
		},
		Window: s.window(),
		Settle: func(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
			now, err := p.statuses.fresh(ctx, vmOf(c))
			if err != nil {
				return bot.Verdict{}, fmt.Errorf("settle a %s: %w", s.verb, err)
			}
			if s.restart {
				return restarted(c, now), nil
			}
			before, _ := decode[vmBaseline](c)
			return s.settled(vmThing(vmOf(c)), before.State, now.State), nil
		},
	}
	return row
}

// restarted tells by the uptime whether a VM has restarted since the call. It
// never tells that it has not: a system may take its time to stop.
func restarted(c *bot.Call, now hoster.VMStatus) bot.Verdict {
	what := upper(vmThing(vmOf(c)))
	switch {
	case now.State != running:
		return bot.Verdict{Is: bot.Unclear, Text: what + " is " + bot.Clean(now.State) + " at the moment."}
	case now.Uptime < c.Now.Sub(sent(c)):
		return bot.Verdict{Is: bot.Done, Text: fmt.Sprintf("%s is running and has been up for %s.", what, bot.Duration(now.Uptime))}
	}
	return bot.Verdict{Is: bot.Unclear, Text: fmt.Sprintf("%s has been up for %s, longer than since the call.", what, bot.Duration(now.Uptime))}
}
