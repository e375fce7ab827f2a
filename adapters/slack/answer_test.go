package slack_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/bot/secret"
)

func TestAfterFiveAnswersThereIsAnotherWay(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		for i := range 7 {
			require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: fmt.Sprint("Answer ", i)}))
		}
	}}
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm list")
		require.Equal(t, []string{"Answer 4", "Answer 5", "Answer 6"}, titles(h.sees(t, "ana")))
		require.Empty(t, h.Sees(t, "ben"))
	})
}

func TestWhereTheBotIsNotAMemberLateAnswersAreDirectMessages(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "At once"}))
		<-time.After(31 * time.Minute)
		require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "Late", Secrets: []bot.Shown{{Label: "Password", Value: secret.New("canary")}}}))
	}}
	play(t, b, func(t *testing.T, h *harness) {
		h.channels[homeID]["is_member"] = false
		h.Type(t, "ana", "vm list")
		all := h.Sees(t, "ana")
		require.Len(t, all, 2)
		require.Contains(t, all[1].Text, "Late")
		require.Contains(t, all[1].Text, "Type the command again")
		require.NotContains(t, all[1].Text, "canary", "a direct message stays")
	})
}

func TestAnswersThatSlackLosesAreNotShownTwice(t *testing.T) {
	b := &stub{
		OnHandle: func(ctx context.Context, r bot.Request) { _ = r.Answer.Reply(ctx, bot.Card{Title: "The list"}) },
		OnPress:  func(ctx context.Context, p bot.Press) { _ = p.Answer.Reply(ctx, bot.Card{Title: "Not yours"}) },
	}
	play(t, b, func(t *testing.T, h *harness) {
		h.next("response_url", status(http.StatusInternalServerError))
		h.Type(t, "ana", "vm list")
		require.Equal(t, []string{"The list"}, titles(h.sees(t, "ana")), "what replaces is sent again")

		r, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root", Buttons: []bot.Button{{Label: "Deny", Code: "v1:1:deny:n"}}})
		require.NoError(t, err)
		calls := h.count("response_url")
		h.next("response_url", status(http.StatusInternalServerError))
		h.Press(t, "ben", r.ID, "Deny")
		require.Equal(t, calls+1, h.count("response_url"), "what would stand beside it is not")
		require.Equal(t, []string{"Root"}, titles(h.sees(t, "ben")), "the root stays")
	})
}

func TestRetryAfterOfAnAnswerIsObeyed(t *testing.T) {
	play(t, replies(bot.Card{Title: "The list"}), func(t *testing.T, h *harness) {
		h.next("response_url", status(http.StatusTooManyRequests))
		began := time.Now()
		h.Type(t, "ana", "vm list")
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Equal(t, []string{"The list"}, titles(h.sees(t, "ana")))
	})
}

func TestRefusedBlocksBecomeSimplerOnes(t *testing.T) {
	card := bot.Card{Title: "VM " + bot.Code("4001"), Lines: []string{"A line."}, Buttons: []bot.Button{{Label: "Show", Code: "v1:1:show:n"}}}
	ended := card
	ended.Mentions = []bot.Account{{Platform: "slack", Team: team, User: userID("ana")}}
	play(t, replies(card), func(t *testing.T, h *harness) {
		h.next("response_url", refuse("invalid_blocks"))
		h.Type(t, "ana", "vm show 4001")
		seen := h.Sees(t, "ana")
		require.Len(t, seen, 1)
		require.Equal(t, "VM 4001\nA line.\n", seen[0].Text)
		require.Len(t, seen[0].Buttons, 1)

		h.next("chat.postMessage", refuse("invalid_blocks"), refuse("msg_blocks_too_long"))
		r, err := h.a.Post(t.Context(), place(homeID), "root", ended)
		require.NoError(t, err)
		m := h.find(t, r.ID)
		require.Empty(t, m.blocks)
		require.Contains(t, m.text, "<@"+userID("ana")+">", "who is pinged is pinged all the same")
		require.Contains(t, m.text, "A line.")
		require.Contains(t, m.text, "refused the buttons")
	})
}

func TestAPressOnAPrivateCardTakesItsPlace(t *testing.T) {
	b := replies(bot.Card{Title: "Page 1", Buttons: []bot.Button{{Label: "Next", Code: "v1:r1:next:n"}}})
	b.OnPress = func(ctx context.Context, p bot.Press) { _ = p.Answer.Reply(ctx, bot.Card{Title: "Page 2"}) }
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm list")
		h.Press(t, "ana", h.Sees(t, "ana")[0].ID, "Next")
		require.Equal(t, []string{"Page 2"}, titles(h.sees(t, "ana")))
	})
}

func TestAClickInAThreadIsAnsweredThere(t *testing.T) {
	var where bot.Place
	b := &stub{OnPress: func(ctx context.Context, p bot.Press) {
		where = p.Place
		_ = p.Answer.Reply(ctx, bot.Card{Title: "Shown"})
	}}
	play(t, b, func(t *testing.T, h *harness) {
		root, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root"})
		require.NoError(t, err)
		thread := place(homeID)
		thread.Thread = root.ID
		line, err := h.a.Post(t.Context(), thread, "line", bot.Card{Title: "Done", Buttons: []bot.Button{{Label: "Show", Code: "v1:1:show:n"}}})
		require.NoError(t, err)
		h.Press(t, "ana", line.ID, "Show")
		require.Empty(t, where.Thread, "what is begun there belongs to the channel")
		last := h.Sees(t, "ana")[2]
		require.Equal(t, root.ID, last.Thread)
		require.True(t, last.Private)

		require.NoError(t, h.a.Edit(t.Context(), root, bot.Card{Title: "Root", Buttons: []bot.Button{{Label: "Approve", Code: "v1:1:approve:n"}}}))
		click := h.click("U07ANA", h.find(t, root.ID), "Approve")
		click["container"].(map[string]any)["thread_ts"] = root.ID // so Slack names a root that has answers
		h.does(t, "interactive", click)
		require.Empty(t, h.Sees(t, "ana")[3].Thread, "nobody looks into the thread for it")
	})
}

func TestALateClickDoesNotRun(t *testing.T) {
	ran := false
	b := &stub{OnPress: func(context.Context, bot.Press) { ran = true }}
	play(t, b, func(t *testing.T, h *harness) {
		r, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root", Buttons: []bot.Button{{Label: "Approve", Code: "v1:1:approve:n"}}})
		require.NoError(t, err)
		click := h.click("U08BEN", h.find(t, r.ID), "Approve")
		<-time.After(5 * time.Minute) // Slack kept it while nobody was connected
		frame, acked := h.envelope("interactive", click)
		require.True(t, h.newest(0).send(frame))
		require.Nil(t, <-acked)
		synctest.Wait()
		require.False(t, ran)
		require.Contains(t, h.sees(t, "ben")[1], "too late")
	})
}

func TestAFileThatCannotBeSentIsShown(t *testing.T) {
	long := false
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		f := bot.File{Name: "vms.csv", Title: "2 VMs", Data: []byte("id,name\n4001,web-1\n")}
		if long {
			f.Data = bytes.Repeat([]byte("4001,web-1\n"), 2000)
		}
		err := r.Answer.File(ctx, f)
		if long {
			var own *bot.Error
			require.ErrorAs(t, err, &own)
			require.Contains(t, own.Text, "files:write")
			require.NotEmpty(t, own.Hint)
			return
		}
		require.NoError(t, err)
	}}
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm list")
		all := h.sees(t, "ana")
		require.Contains(t, all[0], "4001,web-1")
		require.Contains(t, all[1], "direct messages")
		h.next("files.getUploadURLExternal", refuse("missing_scope"))
		h.Type(t, "ana", "vm list")
		require.Contains(t, h.sees(t, "ana")[2], "4001,web-1")
		require.Contains(t, h.sees(t, "ana")[2], "files:write")
		long = true
		h.next("files.getUploadURLExternal", refuse("missing_scope"))
		h.Type(t, "ana", "vm list")
		require.Empty(t, h.Sees(t, "ben"))
	})
}

func TestSecretsAreInNoLogAndNoNotification(t *testing.T) {
	card := bot.Card{Title: "VM", Secrets: []bot.Shown{
		{Label: "Password", Value: secret.New("canary `x` <&>")}, {Label: "Console", Value: secret.New("https://console.example/canary?a=1&b=2"), Link: true},
	}}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, bot.SystemClock{})
		h.next("response_url", status(http.StatusInternalServerError))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.a.Run(ctx, replies(card)) }()
		h.Type(t, "ana", "vm config 4001")
		m := h.messages[0]
		require.NotContains(t, m.text, "canary")
		text, _ := m.reading()
		require.Contains(t, text, "canary `x` <&>")
		require.Contains(t, text, "https://console.example/canary?a=1&b=2")
		cancel()
		require.NoError(t, <-ended)
	})
}

func form(fields ...bot.FormField) bot.Form {
	return bot.Form{Code: "v1:1:confirm:n", Title: "Confirm", Submit: "Send", Fields: fields}
}

func TestAFormWhoseTriggerHasEndedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		wait time.Duration
		what fault
	}{
		"too late":       {4 * time.Second, nil},
		"used":           {0, refuse("exchanged_trigger_id")},
		"slack is down":  {0, status(http.StatusBadGateway)},
		"slack is slow":  {0, status(http.StatusTooManyRequests)},
		"an answer lost": {0, func(w http.ResponseWriter, _ *http.Request) bool { _, _ = io.WriteString(w, "{"); return true }},
	} {
		t.Run(name, func(t *testing.T) {
			b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
				<-time.After(c.wait)
				require.Error(t, r.Answer.Form(ctx, form(bot.FormField{Name: "reason", Label: "Why"})))
				require.NoError(t, r.Answer.Reply(ctx, bot.Card{Title: "Type it"}), "there is still an answer")
			}}
			play(t, b, func(t *testing.T, h *harness) {
				if c.what != nil {
					h.next("views.open", c.what)
				}
				h.Type(t, "ana", "vm delete")
				require.Equal(t, []string{"Type it"}, titles(h.sees(t, "ana")))
			})
		})
	}
}

func TestAFormAfterTheAdaptersOwnAcknowledgementOpens(t *testing.T) {
	b := &stub{OnHandle: func(ctx context.Context, r bot.Request) {
		<-time.After(2500 * time.Millisecond)
		require.NoError(t, r.Answer.Form(ctx, form(bot.FormField{Name: "reason", Label: "Why"})))
	}}
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm delete")
		_, open := h.Form(t, "ana")
		require.True(t, open)
	})
}

func opensThen(then func(context.Context, bot.Submission)) *stub {
	return &stub{
		OnHandle: func(ctx context.Context, r bot.Request) {
			_ = r.Answer.Form(ctx, form(bot.FormField{Name: "reason", Label: "Why", Required: true}))
		},
		OnSubmit: then,
	}
}

func TestAFormIsAnsweredWhereItsCommandWasTyped(t *testing.T) {
	b := opensThen(func(ctx context.Context, s bot.Submission) {
		require.NoError(t, s.Answer.Reply(ctx, bot.Card{Title: "Heard " + s.Values["reason"]}))
		require.Equal(t, place(homeID), s.Place)
		require.True(t, strings.HasPrefix(s.Key, "slack/T01TEAM/view/V"))
	})
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm delete")
		h.Submit(t, "ana", map[string]string{"reason": "INC-42"})
		_, open := h.Form(t, "ana")
		require.False(t, open)
		require.Equal(t, []string{"Heard INC-42"}, titles(h.sees(t, "ana")))
		require.Empty(t, h.Sees(t, "ben"))
	})
}

func TestAFormFromBeforeARestartIsAnsweredTheLongWay(t *testing.T) {
	b := opensThen(func(ctx context.Context, s bot.Submission) {
		require.NoError(t, s.Answer.Reply(ctx, bot.Card{Title: "Heard"}))
	})
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm delete")
		v := h.views["U07ANA"]
		v.body["private_metadata"] = `{"c":"C0OPS","k":"FORGOTTEN"}`
		h.Submit(t, "ana", map[string]string{"reason": "INC-42"})
		require.Equal(t, []string{"Heard"}, titles(h.sees(t, "ana")))
		require.Equal(t, 1, h.count("chat.postEphemeral"))
	})
}

func TestAFormThatClosedMeanwhileOpensAgain(t *testing.T) {
	wait := 2500 * time.Millisecond
	b := opensThen(func(ctx context.Context, s bot.Submission) {
		<-time.After(wait)
		require.NoError(t, s.Answer.Form(ctx, form(bot.FormField{Name: "reason", Label: "Why", Value: s.Values["reason"], Error: "No such ticket."})))
	})
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm delete")
		v := h.views["U07ANA"]
		v.typed["reason"] = "INC-42"
		require.Nil(t, h.does(t, "interactive", h.sent(v)), "it closes: Slack waits three seconds only")
		got, open := h.Form(t, "ana")
		require.True(t, open)
		require.Equal(t, "INC-42", got.Fields[0].Value)

		wait = 5 * time.Second
		v = h.views["U07ANA"]
		h.settle(v, h.does(t, "interactive", h.sent(v)))
		_, open = h.Form(t, "ana")
		require.False(t, open)
		last := h.Sees(t, "ana")[0]
		require.Contains(t, last.Text, "No such ticket.")
		frame, acked := h.envelope("interactive", h.click("U07ANA", h.find(t, last.ID), "Open it again"))
		require.True(t, h.newest(0).send(frame))
		require.Nil(t, <-acked)
		synctest.Wait()
		got, open = h.Form(t, "ana")
		require.True(t, open)
		require.Equal(t, "INC-42", got.Fields[0].Value, "what was typed stays")

		wait = 0
		h.Submit(t, "ana", map[string]string{"reason": "INC-43"})
		got, _ = h.Form(t, "ana")
		require.Equal(t, "No such ticket.", got.Fields[0].Error)

		pressed := make(chan string, 1)
		b.OnPress = func(_ context.Context, p bot.Press) { pressed <- p.Code }
		other := h.click("U08BEN", h.find(t, last.ID), "Open it again")
		h.does(t, "interactive", other)
		require.Equal(t, "v1:1:confirm:n", <-pressed, "for others, and after a restart, it is the form's own button")
	})
}

func TestErrorsOfFieldsThatAreNotThereAreSaidAtOneThatIs(t *testing.T) {
	b := opensThen(func(ctx context.Context, s bot.Submission) {
		require.NoError(t, s.Answer.Form(ctx, form(bot.FormField{Name: "reason", Label: "Why"}, bot.FormField{Name: "size", Label: "Size", Error: "Too small."})))
	})
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm delete")
		h.Submit(t, "ana", map[string]string{"reason": "x"})
		got, _ := h.Form(t, "ana")
		require.Equal(t, "Size: Too small.", got.Fields[0].Error)
	})
}

func TestAnotherFormTakesThePlaceOfTheFirst(t *testing.T) {
	b := opensThen(func(ctx context.Context, s bot.Submission) {
		f := form(bot.FormField{Name: "target", Label: "Type 4001 to go on"})
		f.Title = "Sure?"
		require.NoError(t, s.Answer.Form(ctx, f))
	})
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm delete")
		h.Submit(t, "ana", map[string]string{"reason": "x"})
		got, open := h.Form(t, "ana")
		require.True(t, open)
		require.Equal(t, "Sure?", got.Title)
	})
}

func TestChoicesAreSearched(t *testing.T) {
	var asked bot.Completion
	many := make([]bot.Choice, 150)
	for i := range many {
		many[i] = bot.Choice{Value: fmt.Sprint(4000 + i), Label: fmt.Sprintf("%d · web-%d", 4000+i, i)}
	}
	b := &stub{
		OnHandle: func(ctx context.Context, r bot.Request) {
			require.NoError(t, r.Answer.Form(ctx, form(bot.FormField{Name: "vm", Label: "VM", Lookup: true, Choices: many, Value: "4002"})))
		},
		OnComplete: func(c bot.Completion) []bot.Choice {
			asked = c
			if c.Prefix == "nothing" {
				return nil
			}
			return many[:25]
		},
	}
	play(t, b, func(t *testing.T, h *harness) {
		h.Type(t, "ana", "vm show")
		v := h.views["U07ANA"]
		ask := func(text string) []any {
			frame, acked := h.envelope("interactive", map[string]any{
				"type": "block_suggestion", "team": map[string]any{"id": team}, "user": map[string]any{"id": "U07ANA", "team_id": team},
				"action_id": "value-vm", "block_id": "vm", "value": text, "view": v.payload(),
			})
			require.True(t, h.newest(0).send(frame))
			return (<-acked)["options"].([]any)
		}
		require.Len(t, ask("40"), 25)
		require.Equal(t, bot.Completion{Account: h.Account("ana"), Place: place(homeID), Code: "v1:1:confirm:n", Param: "vm", Prefix: "40"}, asked)
		require.NotNil(t, ask("nothing"))
		require.Empty(t, ask("nothing"))
	})
}

// TestChoicesThatComeTooLateAreNone: Slack shows an error where it gets no list.
func TestChoicesThatComeTooLateAreNone(t *testing.T) {
	b := &stub{OnComplete: func(c bot.Completion) []bot.Choice {
		if c.Prefix == "bad" {
			panic("oops")
		}
		<-time.After(5 * time.Second)
		return []bot.Choice{{Value: "4001"}}
	}}
	play(t, b, func(t *testing.T, h *harness) {
		for _, prefix := range []string{"slow", "bad"} {
			frame, acked := h.envelope("interactive", map[string]any{
				"type": "block_suggestion", "team": map[string]any{"id": team}, "user": map[string]any{"id": "U07ANA", "team_id": team},
				"action_id": "value-vm", "block_id": "vm", "value": prefix, "view": map[string]any{"id": "V1", "callback_id": "v1:r1:args:n"},
			})
			began := time.Now()
			require.True(t, h.newest(0).send(frame))
			ack := <-acked
			require.NotNil(t, ack["options"], prefix)
			require.Empty(t, ack["options"], prefix)
			require.LessOrEqual(t, time.Since(began), time.Second)
		}
	})
}

// TestWhatTakesLongShowsThatItIsAtWork: what comes later takes its place where
// Slack can replace it; beside what everybody sees it stands below.
func TestWhatTakesLongShowsThatItIsAtWork(t *testing.T) {
	button := bot.Card{Title: "Card", Buttons: []bot.Button{{Label: "Go", Code: "v1:1:go:n"}}}
	works := func(ctx context.Context, to bot.Responder) {
		<-time.After(time.Second) // as the core does
		_ = to.Reply(ctx, bot.Card{Tone: bot.Busy, Title: "Working on it …"})
		<-time.After(5 * time.Second)
		_ = to.Reply(ctx, bot.Card{Title: "Heard"})
	}
	b := opensThen(func(ctx context.Context, s bot.Submission) { works(ctx, s.Answer) })
	form := b.OnHandle
	b.OnHandle = func(ctx context.Context, r bot.Request) {
		switch r.Line {
		case "form":
			form(ctx, r)
		case "card":
			_ = r.Answer.Reply(ctx, button)
		default:
			works(ctx, r.Answer)
		}
	}
	b.OnPress = func(ctx context.Context, p bot.Press) { works(ctx, p.Answer) }
	for name, c := range map[string]struct {
		does   func(t *testing.T, h *harness) (kind string, payload any)
		before []string // what stands there and stays
		twice  bool     // and what shows that it is at work
	}{
		"a command": {func(_ *testing.T, h *harness) (string, any) { return "slash_commands", h.slash("U07ANA", "vm list") }, nil, false},
		"a press on a private card": {func(t *testing.T, h *harness) (string, any) {
			h.Type(t, "ana", "card")
			return "interactive", h.click("U07ANA", h.messages[0], "Go")
		}, nil, false},
		"a form": {func(t *testing.T, h *harness) (string, any) {
			h.Type(t, "ana", "form")
			return "interactive", h.sent(h.views["U07ANA"])
		}, nil, false},
		"a press on what everybody sees": {func(t *testing.T, h *harness) (string, any) {
			r, err := h.a.Post(t.Context(), place(homeID), "root", button)
			require.NoError(t, err)
			return "interactive", h.click("U07ANA", h.find(t, r.ID), "Go")
		}, []string{"Card"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, b, func(t *testing.T, h *harness) {
				kind, payload := c.does(t, h)
				frame, acked := h.envelope(kind, payload)
				began := time.Now()
				require.True(t, h.newest(0).send(frame))
				require.Nil(t, <-acked)
				require.LessOrEqual(t, time.Since(began), time.Second)
				<-time.After(2*time.Second - time.Since(began))
				at := append(slices.Clone(c.before), "⏳ Working on it …")
				require.Equal(t, at, titles(h.sees(t, "ana")))
				<-h.a.returned
				if !c.twice {
					at = at[:len(at)-1]
				}
				require.Equal(t, append(at, "Heard"), titles(h.sees(t, "ana")))
			})
		})
	}
}
