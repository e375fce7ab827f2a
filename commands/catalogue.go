// Package commands holds everything that people can type: one row a command,
// with its words, parameters, effect, preview, run and settle.
//
// It knows HosterAPI by its client and the bot by its words. It knows no chat
// and no store, decides no rights and keeps nothing but short-lived copies of
// what it read.
//
// How to add a command:
//  1. Write its row in the file of its noun, and below it what it does.
//  2. Name the row in the noun's list, in the order in which help shows it.
//  3. Say in Settle what a read tells after a lost answer, or leave it nil.
//  4. Give it a case in the tests; a test fails for a row without an example.
//
// How to add a kind of parameter: a bot.Kind in param.go (in newKinds if it
// completes from the provider), and its rows in the table of param_test.go.
//
// How to add an API call: see commands/hoster; a test fails for a call that no
// row makes.
//
// How a lost answer is settled (a test compares this with the rows):
//
//	vm create            a read; absence proves something after 15 min
//	vm resize            a read; absence proves something after 10 min
//	vm start             a read; absence proves something after 2 min
//	vm shutdown          a read; absence proves something after 5 min
//	vm reboot            a read; absence proves something after 5 min
//	vm stop              a read; absence proves something after 5 min
//	vm reset             a read; absence proves something after 5 min
//	vm reinstall         a read; absence proves something after 1 h
//	vm reset-password    a person: no read tells; its lane is freed after 5 min
//	vm set-rdns          a person: no read tells
//	vm delete            a read; absence proves something after 10 min
//	backup create        a read; absence proves something after 1 h
//	backup restore       a person: no read tells
//	dedicated order      a read; absence proves something after 30 min
//	dedicated start      a read; absence proves something after 2 min
//	dedicated shutdown   a read; absence proves something after 5 min
//	dedicated reboot     a person: no read tells; its lane is freed after 5 min
//	dedicated reinstall  a read; absence proves something after 1 h
//	dedicated terminate  a read; absence proves something after 10 min
//	software install     a person: no read tells
//	software uninstall   a person: no read tells
package commands

import (
	"context"
	"slices"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// Catalogue is every command there is, in the order in which help shows them.
// Without an API it still serves for parsing, help, policy and documentation;
// its rows then must not be run. Its error names every row that breaks a rule.
func Catalogue(api *hoster.Client, clock bot.Clock) (*bot.Catalogue, error) {
	p := newProvider(api, clock)
	rows := slices.Concat(
		p.vmRows(),
		p.backupRows(),
		p.dedicatedRows(),
		p.softwareRows(),
		p.jobRows(),
		p.orderRows(),
		p.opRows(),
		lockRows(),
		aboutRows(),
	)
	for i := range rows {
		p.wire(&rows[i])
	}
	return bot.NewCatalogue(rows)
}

// wire puts around the row's functions what all rows have in common: their
// place in the queue for the API, and what to forget after a change.
func (p *provider) wire(row *bot.Command) {
	if run := row.Run; run != nil && !row.Local {
		row.Run = func(ctx context.Context, c *bot.Call) bot.Outcome {
			defer p.forget(c.Targets...)
			return run(ctx, c)
		}
	}
	if settle := row.Settle; settle != nil {
		row.Settle = func(ctx context.Context, c *bot.Call) (bot.Verdict, error) {
			v, err := settle(hoster.WithPriority(ctx, hoster.Settling), c)
			if err == nil && v.Is != bot.Unclear {
				p.forget(c.Targets...)
			}
			return v, err
		}
	}
	if follow := row.Follow; follow != nil {
		row.Follow = func(ctx context.Context, c *bot.Call) (bot.Progress, error) {
			at, err := follow(hoster.WithPriority(ctx, hoster.Polling), c)
			if err == nil && at.Phase != bot.Running {
				p.forget(append(slices.Clone(c.Targets), at.Targets...)...)
			}
			if at.Phase == bot.Finished && at.Text == "" && c.Op != nil {
				at.Text = c.Op.Outcome // what Run said that success would be
			}
			return at, err
		}
	}
}
