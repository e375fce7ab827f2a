package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// refused are the codes of a token that Slack does not take, and what to do.
// Source: https://docs.slack.dev/reference/methods/auth.test#errors
var refused = map[string]string{
	"invalid_auth":            "it is wrong, or of another workspace",
	"not_authed":              "it is wrong",
	"account_inactive":        "the app was removed from the workspace: install it again",
	"token_revoked":           "it was revoked: install the app again",
	"token_expired":           "it has expired: switch token rotation off, and install the app again",
	"not_allowed_token_type":  "it is of the wrong kind",
	"missing_scope":           "it lacks a scope",
	"no_permission":           "it lacks a permission",
	"access_denied":           "the workspace denies it access",
	"team_access_not_granted": "the app is not installed in this workspace",
}

// code is the error that Slack named; "" if it named none.
func code(err error) string {
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) {
		return answer.Err
	}
	return ""
}

// The settings that tokens come from, and where Slack shows them.
const (
	botSetting = "SLACK_BOT_TOKEN"
	appSetting = "SLACK_APP_TOKEN"
	// signingSetting is what requests of the HTTP mode are checked with.
	signingSetting = "SLACK_SIGNING_SECRET"
)

var shownAt = map[string]string{
	botSetting: "OAuth & Permissions",
	appSetting: "Basic Information, App-Level Tokens",
}

// credentials turns a refused token into an adapters.FatalError.
func credentials(setting string, err error) error {
	why, ok := refused[code(err)]
	if !ok {
		return err
	}
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) && answer.Needed != "" {
		why += " (" + bot.Clean(answer.Needed) + ")"
	}
	return &adapters.FatalError{Text: fmt.Sprintf("Slack refuses %s: %s (see %s)", setting, why, shownAt[setting]), Err: err}
}

// Codes of chat.* that say where the fault lies.
// Source: https://docs.slack.dev/reference/methods/chat.postMessage#errors
var (
	gone = set("message_not_found", "thread_not_found", "cannot_reply_to_message", "cant_update_message", "edit_window_closed")

	forbidden = set("not_in_channel", "channel_not_found", "is_archived", "restricted_action", "restricted_action_read_only_channel",
		"restricted_action_thread_only_channel", "restricted_action_non_threadable_channel", "restricted_action_thread_locked",
		"user_not_in_channel", "channel_is_archived", "team_access_not_granted", "missing_scope", "messages_tab_disabled",
		"cannot_dm_bot", "user_disabled", "user_not_found", "not_allowed_token_type")

	// Why there is no thread in which something could be posted.
	noThread = map[string]string{
		"restricted_action_thread_locked":          "it is locked",
		"restricted_action_non_threadable_channel": "this channel has none",
	}

	badBlocks = set("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "invalid_attachments", "invalid_payload")

	tooMany = set("rate_limited", "ratelimited", "message_limit_exceeded")

	// Something of the call may have been done.
	unsure = set("internal_error", "fatal_error", "service_unavailable", "request_timeout")
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// fullFor is how long is waited where Slack says that there were too many
// messages, and not until when.
const fullFor = 10 * time.Second

// retryAfter is how long Slack asks to wait; 0: it does not.
func retryAfter(err error) time.Duration {
	var limited *slack.RateLimitedError
	if !errors.As(err, &limited) {
		if tooMany[code(err)] {
			return fullFor
		}
		return 0
	}
	return max(limited.RetryAfter, time.Second)
}

// lost tells whether a call may have been done although its answer says
// nothing: no answer, half an answer, or a fault inside Slack.
func lost(err error) bool {
	var early *bot.PostError // made before the call
	if err == nil || errors.As(err, &early) || retryAfter(err) > 0 || adapters.Unsent(err) {
		return false
	}
	if c := code(err); c != "" {
		return unsure[c]
	}
	var status slack.StatusCodeError
	if errors.As(err, &status) {
		return status.Code >= http.StatusInternalServerError
	}
	return true
}

// postError says what the failure of a post or an edit means.
func postError(what string, err error) error {
	var already *bot.PostError
	if err == nil || errors.As(err, &already) {
		return err
	}
	c := code(err)
	return &bot.PostError{
		Gone: gone[c], Forbidden: forbidden[c], Lost: lost(err), RetryAfter: retryAfter(err),
		Err: fmt.Errorf("%s: %w", what, adapters.Quiet(err)),
	}
}

// ended tells whether an error only says that ctx has ended.
func ended(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }
