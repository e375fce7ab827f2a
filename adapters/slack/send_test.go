package slack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/bot"
)

func refusal(t *testing.T, err error) *bot.PostError {
	t.Helper()
	var post *bot.PostError
	require.ErrorAs(t, err, &post)
	require.NotContains(t, err.Error(), "canary")
	return post
}

func TestAPostWithoutAnAnswerIsMarkedWhenItIsSentAgain(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		h.next("chat.postMessage", h.doneButLost("chat.postMessage"))
		_, err := h.a.Post(t.Context(), place(homeID), "end/17", bot.Card{Title: "Finished"})
		require.True(t, refusal(t, err).Lost)
		r, err := h.a.Post(t.Context(), place(homeID), "end/17", bot.Card{Title: "Finished"})
		require.NoError(t, err)
		require.Equal(t, []string{"Finished\n", "Finished\n(sent again)\n"}, plainTexts(h.sees(t, "ben")))
		again, err := h.a.Post(t.Context(), place(homeID), "end/17", bot.Card{Title: "Finished"})
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func plainTexts(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		for _, r := range text {
			if r != '*' {
				out[i] += string(r)
			}
		}
	}
	return out
}

func TestAPostWithoutAnAnswerIsFoundWhereTheBotMayRead(t *testing.T) {
	for _, inThread := range []bool{false, true} {
		t.Run(fmt.Sprint("in a thread: ", inThread), func(t *testing.T) {
			play(t, &stub{}, func(t *testing.T, h *harness) {
				p := place(homeID)
				if inThread {
					root, err := h.a.Post(t.Context(), p, "root/17", bot.Card{Title: "Root"})
					require.NoError(t, err)
					p.Thread = root.ID
				}
				h.scopes = append(h.scopes, "channels:history")
				require.NoError(t, h.a.Check(t.Context()), "the scope was added")
				before := len(h.Sees(t, "ben"))
				h.next("chat.postMessage", h.doneButLost("chat.postMessage"))
				_, err := h.a.Post(t.Context(), p, "end/17", bot.Card{Title: "Finished"})
				require.True(t, refusal(t, err).Lost)
				r, err := h.a.Post(t.Context(), p, "end/17", bot.Card{Title: "Finished"})
				require.NoError(t, err)
				require.Len(t, h.Sees(t, "ben"), before+1)
				require.Equal(t, h.Sees(t, "ben")[before].ID, r.ID)
			})
		})
	}
}

func TestAfterARestartAPostIsLookedForFirst(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		h.scopes = append(h.scopes, "channels:history")
		require.NoError(t, h.a.Check(t.Context()))
		first, err := h.a.Post(t.Context(), place(homeID), "end/17", bot.Card{Title: "Finished"})
		require.NoError(t, err)
		next := h.adapter(nil) // another process
		require.NoError(t, next.Check(t.Context()))
		second, err := next.Post(t.Context(), place(homeID), "end/17", bot.Card{Title: "Finished since", Again: true})
		require.NoError(t, err)
		require.Equal(t, first, second)
		_, err = next.Post(t.Context(), place("C4MORE"), "end/18", bot.Card{Title: "Never posted", Again: true})
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"Finished since\n", "Never posted\n"}, plainTexts(h.sees(t, "ben")))
	})
}

func TestAfterARestartAPostThatCannotBeLookedForSaysSo(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		next := h.adapter(nil) // another process
		require.NoError(t, next.Check(t.Context()))
		_, err := next.Post(t.Context(), place(homeID), "end/17", bot.Card{Title: "Finished", Again: true})
		require.NoError(t, err)
		require.Equal(t, []string{"Finished\n(sent again)\n"}, plainTexts(h.sees(t, "ben")))
	})
}

// A root message is edited until its end, and the copy that nobody can find is
// not: all that the one shows says so.
func TestARootThatIsSentAgainSaysInAllItsStatesThatACopyMayStand(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		card := bot.Card{Op: 17, Title: "About to be sent"}
		h.next("chat.postMessage", h.doneButLost("chat.postMessage"))
		_, err := h.a.Post(t.Context(), place(homeID), "root/17", card)
		require.True(t, refusal(t, err).Lost)
		r, err := h.a.Post(t.Context(), place(homeID), "root/17", card)
		require.NoError(t, err)
		mark := "(sent again) If a copy of this stands above, that one no longer changes.\n"
		require.Equal(t, []string{"About to be sent\n", "About to be sent\n" + mark}, plainTexts(h.sees(t, "ben")))
		next := h.adapter(nil) // another process, which has the message from the store
		require.NoError(t, next.Check(t.Context()))
		require.NoError(t, next.Edit(t.Context(), r, bot.Card{Op: 17, Title: "Done"}))
		require.Equal(t, []string{"About to be sent\n", "Done\n" + mark}, plainTexts(h.sees(t, "ben")))
	})
}

func TestRefusedPostsSayWhatIsWrong(t *testing.T) {
	gone := place(homeID)
	gone.Thread = "1.000001"
	elsewhere := place(homeID)
	elsewhere.Team = "T02OTHER"
	for name, c := range map[string]struct {
		place bot.Place
		fault fault
		want  bot.PostError
	}{
		"archived":             {place("C2OLD"), nil, bot.PostError{Forbidden: true}},
		"not a member":         {place("C1CLOSED"), nil, bot.PostError{Forbidden: true}},
		"no such channel":      {place("C9NONE"), nil, bot.PostError{Forbidden: true}},
		"no channel":           {place(""), nil, bot.PostError{Forbidden: true}},
		"another workspace":    {elsewhere, nil, bot.PostError{Forbidden: true}},
		"a deleted thread":     {gone, nil, bot.PostError{Gone: true}},
		"one that left a mark": {place(homeID), refuse("cannot_reply_to_message"), bot.PostError{Gone: true}},
		"only threads here":    {place(homeID), refuse("restricted_action_thread_only_channel"), bot.PostError{Forbidden: true}},
		"too fast":             {place(homeID), status(http.StatusTooManyRequests), bot.PostError{RetryAfter: 2 * time.Second}},
		"too many":             {place(homeID), refuse("rate_limited"), bot.PostError{RetryAfter: 10 * time.Second}},
		"no answer":            {place(homeID), status(http.StatusBadGateway), bot.PostError{Lost: true}},
		"a fault inside Slack": {place(homeID), refuse("internal_error"), bot.PostError{Lost: true}},
		"a code nobody knows":  {place(homeID), refuse("something_new"), bot.PostError{}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &stub{}, func(t *testing.T, h *harness) {
				if c.fault != nil {
					h.next("chat.postMessage", c.fault)
				}
				_, err := h.a.Post(t.Context(), c.place, "root/1", bot.Card{Title: "Root"})
				got := *refusal(t, err)
				require.Error(t, got.Err)
				got.Err = nil
				require.Equal(t, c.want, got)
				require.LessOrEqual(t, h.count("chat.postMessage"), 1, "nothing is posted twice")
			})
		})
	}
}

// TestAThreadThatTakesNoReplies: lines are left out there, and the end, for
// which somebody waits, stands in the channel and says why.
func TestAThreadThatTakesNoReplies(t *testing.T) {
	for code, says := range map[string]string{
		"restricted_action_thread_locked":          "No thread here: it is locked.",
		"restricted_action_non_threadable_channel": "No thread here: this channel has none.",
	} {
		t.Run(code, func(t *testing.T) {
			play(t, &stub{}, func(t *testing.T, h *harness) {
				root, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root"})
				require.NoError(t, err)
				in := place(homeID)
				in.Thread = root.ID
				h.next("chat.postMessage", refuse(code))
				_, err = h.a.Post(t.Context(), in, "line", bot.Card{Title: "ben approved"})
				require.True(t, refusal(t, err).Forbidden)
				h.next("chat.postMessage", refuse(code))
				end := bot.Card{Title: "ana: done", Mentions: []bot.Account{member("U07ANA")}}
				ref, err := h.a.Post(t.Context(), in, "end", end)
				require.NoError(t, err)
				require.Empty(t, ref.Place.Thread)
				require.Empty(t, h.find(t, ref.ID).thread)
				all := plainTexts(h.sees(t, "ben"))
				require.Len(t, all, 2)
				require.Contains(t, all[1], "ana: done\n"+says)
				again, err := h.a.Post(t.Context(), in, "end", end)
				require.NoError(t, err)
				require.Equal(t, ref, again)

				next := h.adapter(nil) // another process, after a kill
				require.NoError(t, next.Check(t.Context()))
				h.next("chat.postMessage", refuse(code))
				end.Again = true
				_, err = next.Post(t.Context(), in, "end", end)
				require.NoError(t, err)
				all = plainTexts(h.sees(t, "ben"))
				require.Equal(t, 1, strings.Count(all[2], "(sent again)"))
			})
		})
	}
}

func TestRetryAfterOfAPostKeepsTheChannelStill(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		h.next("chat.postMessage", status(http.StatusTooManyRequests))
		_, err := h.a.Post(t.Context(), place(homeID), "a", bot.Card{Title: "A"})
		require.Equal(t, 2*time.Second, refusal(t, err).RetryAfter)
		began := time.Now()
		_, err = h.a.Post(t.Context(), place("C4MORE"), "b", bot.Card{Title: "B"})
		require.NoError(t, err)
		require.Zero(t, time.Since(began), "another channel does not wait")
		_, err = h.a.Post(t.Context(), place(homeID), "a", bot.Card{Title: "A"})
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	})
}

func TestOneChannelDoesNotDelayAnother(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		var wait sync.WaitGroup
		for i := range 10 {
			wait.Go(func() {
				_, err := h.a.Post(t.Context(), place(homeID), fmt.Sprint("line ", i), bot.Card{Title: fmt.Sprint("Line ", i)})
				require.NoError(t, err)
			})
		}
		began := time.Now()
		_, err := h.a.Post(t.Context(), place("C4MORE"), "b", bot.Card{Title: "B"})
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
		wait.Wait() // the double fails for two posts within a second
		_, err = h.a.Post(t.Context(), place(homeID), "last", bot.Card{Title: "Last"})
		require.NoError(t, err)
	})
}

func TestResultsGoBeforeProgress(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		var refs []bot.Ref
		for i := range 20 {
			r, err := h.a.Post(t.Context(), place(homeID), fmt.Sprint("root/", i), bot.Card{Title: "Root"})
			require.NoError(t, err)
			refs = append(refs, r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		late := 0
		var mu sync.Mutex
		for _, r := range refs {
			wait.Go(func() {
				for ctx.Err() == nil {
					err := h.a.Edit(ctx, r, bot.Card{Title: "Root", Bar: &bot.Bar{Fraction: 0.5}})
					var post *bot.PostError
					if errors.As(err, &post) && post.RetryAfter > 0 {
						mu.Lock()
						late++
						mu.Unlock()
					}
					<-time.After(time.Second)
				}
			})
		}
		<-time.After(time.Minute)
		began := time.Now()
		require.NoError(t, h.a.Edit(t.Context(), refs[0], bot.Card{Title: "Finished", Tone: bot.Good}))
		require.Less(t, time.Since(began), time.Second)
		cancel()
		wait.Wait()
		require.Positive(t, late, "progress is told to come later")
	})
}

func TestEditsAreMadeAgain(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		r, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root"})
		require.NoError(t, err)
		h.next("chat.update", h.doneButLost("chat.update"), status(http.StatusBadGateway))
		require.NoError(t, h.a.Edit(t.Context(), r, bot.Card{Title: "Changed"}))
		require.Equal(t, []string{"Changed\n"}, plainTexts(h.sees(t, "ben")))
		require.Equal(t, 3, h.count("chat.update"))

		h.next("chat.update", status(http.StatusTooManyRequests))
		require.Equal(t, 2*time.Second, refusal(t, h.a.Edit(t.Context(), r, bot.Card{Title: "Again"})).RetryAfter)

		h.channels[homeID]["is_archived"] = true
		require.True(t, refusal(t, h.a.Edit(t.Context(), r, bot.Card{Title: "Again"})).Forbidden)
	})
}

func TestADeletedMessageIsPostedAnewUnderItsKey(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		r, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root"})
		require.NoError(t, err)
		h.Delete(t, r)
		require.True(t, refusal(t, h.a.Edit(t.Context(), r, bot.Card{Title: "Root"})).Gone)
		again, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root"})
		require.NoError(t, err)
		require.NotEqual(t, r, again)
	})
}

func TestPostsWaitForTheFirstConnection(t *testing.T) {
	h := open(t, &adaptertest.Hasty{})
	posted := make(chan error, 1)
	go func() {
		_, err := h.a.Post(t.Context(), place(homeID), "root", bot.Card{Title: "Root"})
		posted <- err
	}()
	require.NoError(t, h.a.Check(t.Context()))
	require.NoError(t, <-posted)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.adapter(nil).Post(ctx, place(homeID), "root", bot.Card{Title: "Root"})
	require.Error(t, err)
}

// TestAPostUnderWayIsNotCutOff: the end of the process, that is of its context,
// lets a post be answered that Slack has already.
func TestAPostUnderWayIsNotCutOff(t *testing.T) {
	play(t, &stub{}, func(t *testing.T, h *harness) {
		ctx, stop := context.WithCancel(t.Context())
		h.next("chat.postMessage", func(_ http.ResponseWriter, r *http.Request) bool {
			stop()
			select {
			case <-r.Context().Done(): // whoever asked has gone
			case <-time.After(time.Second):
			}
			return false
		})
		ref, err := h.a.Post(ctx, place(homeID), "end/17", bot.Card{Title: "Finished"})
		require.NoError(t, err)
		require.NotEmpty(t, ref.ID)
	})
}
