package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// means says in a sentence or two what each of the provider's codes means and
// what to try.
var means = map[string]string{
	hoster.NotFound:         "The provider does not know what was named. It may have been deleted: look at the list.",
	hoster.Unauthorized:     "The provider refuses the bot's token. An operator of the bot has to give it a valid one.",
	hoster.SignalFailed:     "The provider could not pass that on to the machine. Look at its state, then try again.",
	hoster.Timeout:          "The provider gave up waiting for its own machine, so it may have happened or not. Look before you try again.",
	hoster.NoBackup:         "The provider does not find that backup. `backup list` shows what is there.",
	hoster.Limits:           "That is more than this account may have. Ask for less, or ask the provider for a higher limit.",
	hoster.MissingParameter: "The provider misses a value or does not accept it. Check what was typed; if all of it is right, tell the bot's operators.",
	hoster.JobNotFound:      "The provider does not know this job, or no longer. Look at the server itself.",
}

// meaning explains a code. One that is not documented is left as it is.
func meaning(code string) string {
	if text, ok := means[code]; ok {
		return text
	}
	return "This code is not in the provider's documentation. Its support can say what it means."
}

// meaningOfRead explains a code that a read got: nothing can have happened.
func meaningOfRead(code string) string {
	switch code {
	case hoster.SignalFailed, hoster.Timeout:
		return "The provider could not reach its own machine. Nothing was changed: try again in a moment."
	}
	return meaning(code)
}

// outcome is what came of a mutation. A refusal has the provider's words whole.
func outcome(r hoster.Result, err error) bot.Outcome {
	if err == nil {
		o := bot.Outcome{Class: bot.Accepted, Status: http.StatusOK, Job: r.Job, Followed: r.Job != 0, Secret: r.Password}
		if r.Text != "" { // what is not documented is shown
			o.Result = []bot.Field{{Label: "Answer", Value: bot.Code(r.Text)}}
		}
		return o
	}
	var e *hoster.Error
	if !errors.As(err, &e) {
		return bot.Outcome{Class: bot.NoAnswer, Text: bot.Clean(err.Error()), Means: "Nobody knows whether it happened."}
	}
	o := bot.Outcome{
		Class:      classes[e.Class],
		Status:     e.Status,
		Code:       e.Code,
		Text:       words(e),
		RetryAfter: e.RetryAfter,
	}
	switch {
	case o.Class == "": // a class of the client that is not known here claims nothing
		o.Class = bot.NoAnswer
	case errors.Is(err, hoster.ErrPaused):
		o.Means = "All changes wait until the provider accepts the bot's token again. An operator of the bot has to look at it."
	case e.Class == hoster.Throttled:
		o.Means = "The provider asks to slow down. Nothing was done."
	case e.Class == hoster.NotSent:
		o.Means = "Nothing was sent, so nothing was done."
	case e.Code != "":
		o.Means = meaning(e.Code)
		if _, documented := means[e.Code]; documented && e.Class == hoster.Refused {
			o.Means = "Nothing was done. " + o.Means
		}
	case e.Status == http.StatusUnauthorized:
		o.Means = "Nothing was done. " + meaning(hoster.Unauthorized)
	case e.Class == hoster.Refused:
		o.Means = "Nothing was done. Check what was typed; if all of it is right, tell the bot's operators."
	}
	// 0xa1 means that the machine was not reached: one look at it decides.
	o.Settle = o.Class == bot.NoAnswer && e.Code == hoster.SignalFailed
	return o
}

// classes are the client's classes in the bot's words.
var classes = map[hoster.Class]bot.Class{
	hoster.NotSent:   bot.NotSent,
	hoster.Throttled: bot.Throttled,
	hoster.Refused:   bot.Refused,
	hoster.Accepted:  bot.Accepted,
	hoster.NoAnswer:  bot.NoAnswer,
}

// words are what the provider said, whole. Without a code they are made a
// sentence, and so is its silence.
func words(e *hoster.Error) string {
	if e.Text != "" || len(e.Fields) > 0 {
		parts := make([]string, 0, 1+len(e.Fields))
		if e.Text != "" {
			parts = append(parts, e.Text)
		}
		for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
			parts = append(parts, field+": "+e.Fields[field])
		}
		text := bot.CleanMax(strings.Join(parts, " "), 2000)
		if e.Code == "" {
			text = upper(strings.TrimSuffix(text, "."))
			if status := fmt.Sprint(e.Status); e.Status != 0 && !strings.Contains(text, status) {
				text += " (HTTP " + status + ")"
			}
			return text + "."
		}
		return text
	}
	switch {
	case e.Status != 0 && e.Class == hoster.Refused:
		return fmt.Sprintf("The provider gave no reason (HTTP %d).", e.Status)
	case e.Status >= 200 && e.Status < 300:
		return fmt.Sprintf("The provider's answer, HTTP %d, cannot be read.", e.Status)
	case e.Status >= 300 && e.Status < 400:
		return fmt.Sprintf("The provider's answer, HTTP %d, points elsewhere, and is not followed.", e.Status)
	case e.Status != 0:
		return fmt.Sprintf("The provider answered HTTP %d without a reason.", e.Status)
	}
	return "The provider does not answer (" + cause(e) + ")."
}

// cause says in a few words what kept a call from its answer.
func cause(e *hoster.Error) string {
	switch {
	case e.Err == nil:
		return string(e.Class)
	case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return bot.CleanMax(e.Err.Error(), 200)
}

// told makes of a read that failed an error for people. what names the thing
// that was read: "VM `4001`".
func told(err error, what string) error {
	var own *bot.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	var e *hoster.Error
	if !errors.As(err, &e) {
		return bot.Errorf(bot.Unavailable, "Reading %s was broken off.", what).Because(err).WithHint("Try again.")
	}
	switch {
	case e.Code == hoster.NotFound && !strings.HasPrefix(what, "the "): // a list is not what is missing
		return bot.Errorf(bot.Missing, "The provider knows no %s: it says %s.", what, bot.Code(words(e))).Because(err).
			WithHint("It may have been deleted. Look at the list.")
	case e.Code == hoster.JobNotFound:
		return bot.Errorf(bot.Missing, "The provider knows no %s: it says %s.", what, bot.Code(words(e))).Because(err)
	case e.Class == hoster.Throttled:
		return bot.Errorf(bot.Unavailable, "The provider asks to slow down (HTTP 429), so %s could not be read.", what).Because(err).
			WithHint("Try again in %s.", bot.Duration(max(e.RetryAfter, minRetry)))
	case e.Code != "":
		return bot.Errorf(bot.Unavailable, "%s could not be read: the provider says %s.", upper(what), bot.Code(words(e))).Because(err).
			WithHint("%s", meaningOfRead(e.Code))
	case e.Status == http.StatusUnauthorized:
		return bot.Errorf(bot.Unavailable, "%s Reading %s failed.", words(e), what).Because(err).WithHint("%s", meaning(hoster.Unauthorized))
	}
	hint := "Try again in a moment."
	if e.Status >= 300 && (e.Class == hoster.Refused || e.Status < 400) { // the next try gets the same answer
		hint = "Trying again does not help: check what was typed; if all of it is right, tell the bot's operators."
	}
	return bot.Errorf(bot.Unavailable, "%s Reading %s failed.", words(e), what).Because(err).WithHint("%s", hint)
}

// upper begins a sentence.
func upper(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// brief says in one sentence why something could not be read.
func brief(err error) string {
	var e *hoster.Error
	if !errors.As(err, &e) {
		return "The read was broken off."
	}
	if e.Code == "" {
		return words(e)
	}
	return "The provider says " + bot.Code(words(e)) + "."
}

// minRetry is the shortest pause that is worth asking for.
const minRetry = time.Second
