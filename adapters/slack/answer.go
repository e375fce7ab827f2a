package slack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// A response_url answers five times in half an hour.
// Source: https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
const (
	urlUses  = 5
	urlFor   = 30 * time.Minute
	urlTries = 3                // of one answer
	waitURL  = 10 * time.Second // for a Retry-After, at most
)

// replyURL is a response_url and what stands there.
type replyURL struct {
	mu     sync.Mutex
	url    string
	until  time.Time
	uses   int
	public bool // it belongs to a message for all, which is never replaced
	mine   bool // something for this person stands there: the next takes its place
}

// use takes one of the five answers.
func (u *replyURL) use(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.url == "" || u.uses >= urlUses || now.After(u.until) {
		return false
	}
	u.uses++
	return true
}

// stands tells whether something for this person stands there.
func (u *replyURL) stands() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.mine
}

func (u *replyURL) stood() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mine = true
}

// answer answers one command, click or form.
type answer struct {
	a    *Adapter
	d    *delivery
	call call
	url  *replyURL // nil: none

	mu       sync.Mutex
	answered bool // by anything: a form is no longer possible
}

var (
	_ bot.Responder = (*answer)(nil)

	errFormLate = errors.New("open a form: it has to be the first answer")
	errURLUsed  = errors.New("the response_url is used up")
)

func (a *Adapter) answerTo(d *delivery, c call) *answer {
	ans := &answer{a: a, d: d, call: c}
	switch {
	case c.sort == submission:
		ans.url = a.drawer.find(c.from.Kept)
	case c.url != "":
		ans.url = &replyURL{url: c.url, until: a.clock.Now().Add(urlFor), public: c.sort == press && c.public, mine: c.sort == press && !c.public}
	}
	return ans
}

// Ack implements bot.Responder. A form that was sent closes.
func (s *answer) Ack(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
	return s.d.ack(nil)
}

// Form implements bot.Responder. In answer to a form, what is wrong is said at
// its fields and what was typed stays; where it has closed meanwhile, it opens
// anew, or a button leads back to it.
func (s *answer) Form(ctx context.Context, f bot.Form) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answered {
		return errFormLate
	}
	from := s.call.from
	if s.call.sort != submission {
		from.Kept = s.a.drawer.put(s.url)
	}
	now := s.a.clock.Now()
	view := modal(f, from, now)
	if s.call.sort == submission {
		first, err := s.d.ackFirst(formAnswer(f, view, s.call.fields, now))
		if first {
			s.answered = err == nil
			return err
		}
	} else if err := s.d.ack(nil); err != nil {
		s.a.log.Warn("acknowledgement not delivered", "err", err)
	}
	err := s.a.open(ctx, s.call.trigger, view)
	if err != nil && s.call.sort == submission {
		err = s.reply(ctx, adapters.WayBack(f, s.a.wayBackTo(f, s.call.user)))
	}
	s.answered = err == nil
	return err
}

// Reply implements bot.Responder. Where Slack can, a later card takes the
// place of the one before; to a click on a message that everybody sees it
// cannot, and the card stands below.
func (s *answer) Reply(ctx context.Context, c bot.Card) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
	return s.reply(ctx, c)
}

func (s *answer) reply(ctx context.Context, c bot.Card) error {
	if err := s.d.ack(nil); err != nil {
		s.a.log.Warn("acknowledgement not delivered", "err", err)
	}
	if s.url != nil {
		done, err := s.a.respond(ctx, s.url, s.call.from, render(c, s.a.team(), s.a.clock.Now()), false)
		if done || ctx.Err() != nil {
			return err
		}
		s.a.log.Info("answered without response_url", "err", err)
	}
	return s.a.whisper(ctx, s.call.user, s.call.from, c)
}

// say is Reply for what the adapter itself has to tell.
func (s *answer) say(ctx context.Context, c bot.Card) {
	if err := s.Reply(ctx, c); err != nil && ctx.Err() == nil {
		s.a.log.Warn("answer not delivered", "err", err)
	}
}

// inCode is how long a file may be to be shown where it cannot be sent.
const inCode = 8000

// File implements bot.Responder: it comes as a direct message, and the person
// is told so where he asked. One that cannot be sent is shown, if it is short.
func (s *answer) File(ctx context.Context, f bot.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
	if err := s.d.ack(nil); err != nil {
		s.a.log.Warn("acknowledgement not delivered", "err", err)
	}
	err := s.a.upload(ctx, s.call.user, f)
	if err == nil {
		return s.aside(ctx, bot.Card{Tone: bot.Good, Title: bot.Code(f.Name) + " is in your direct messages with the bot"})
	}
	s.a.log.Warn("file not sent", "err", err)
	why := "Slack did not take the file."
	if code(err) == "missing_scope" {
		why = "The bot may not send files: an admin has to add the scope " + bot.Code("files:write") + " to the app, and install it again."
	}
	if len(f.Data) > inCode {
		return bot.Errorf(bot.Unavailable, "%s", why).WithHint("It is too long to show here. Try again later, or page with Next.").Because(err)
	}
	return s.aside(ctx, bot.Card{Tone: bot.Warn, Title: "The file could not be sent, so here it is", Lines: []string{why}, Table: adapters.FileTable(f)})
}

// aside answers without replacing what stands there.
func (s *answer) aside(ctx context.Context, c bot.Card) error {
	if s.url != nil {
		if done, err := s.a.respond(ctx, s.url, s.call.from, render(c, s.a.team(), s.a.clock.Now()), true); done {
			return err
		}
	}
	return s.a.whisper(ctx, s.call.user, s.call.from, c)
}

// urlMessage is what a response_url takes.
type urlMessage struct {
	Text            string        `json:"text"`
	Blocks          []slack.Block `json:"blocks,omitempty"`
	ResponseType    string        `json:"response_type"`
	ReplaceOriginal bool          `json:"replace_original"`
	ThreadTS        string        `json:"thread_ts,omitempty"`
	UnfurlLinks     bool          `json:"unfurl_links"`
	UnfurlMedia     bool          `json:"unfurl_media"`
}

// respond answers through a response_url; beside leaves standing what stands
// there. done is false if nothing can have been shown, so that another way may
// be tried.
func (a *Adapter) respond(ctx context.Context, u *replyURL, from origin, m message, beside bool) (done bool, err error) {
	beside = beside || u.public
	for _, level := range []func() message{func() message { return m }, m.simple, m.bare} {
		m := level()
		msg := urlMessage{Text: m.text, Blocks: m.blocks, ResponseType: "ephemeral", ReplaceOriginal: !beside && u.stands()}
		if !msg.ReplaceOriginal {
			msg.ThreadTS = from.Thread
		}
		done, err = a.insist(ctx, u, msg, beside)
		if err == nil && !beside {
			u.stood()
		}
		if !badBlocks[code(err)] {
			return done, err
		}
		a.log.Warn("slack refused blocks", "err", err)
	}
	return false, err
}

// insist makes a call of a response_url until it is answered, as long as a
// repetition does no harm: what replaces may be sent twice, what would stand
// beside the first may not.
func (a *Adapter) insist(ctx context.Context, u *replyURL, msg urlMessage, beside bool) (done bool, err error) {
	for try := range urlTries {
		wait := max(adapters.Backoff(try), retryAfter(err))
		if wait > waitURL || a.clock.Sleep(ctx, wait) != nil {
			break
		}
		if !u.use(a.clock.Now()) {
			return false, cmp.Or(err, errURLUsed)
		}
		err = a.postURL(ctx, u.url, msg)
		switch {
		case err == nil, ctx.Err() != nil:
			return true, err
		case retryAfter(err) > 0, adapters.Unsent(err):
		case lost(err) && beside:
			return true, err
		case lost(err):
			msg.ReplaceOriginal, msg.ThreadTS = true, ""
		default:
			return false, err
		}
	}
	return false, err
}

// errorWord is how a response_url names an error.
var errorWord = regexp.MustCompile(`^[a-z_]{3,60}$`)

// postURL makes one call of a response_url. Its error never holds the URL.
func (a *Adapter) postURL(ctx context.Context, url string, m urlMessage) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("response_url: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return errors.New("response_url: not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("response_url: %w", adapters.Quiet(err))
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if resp.StatusCode == http.StatusTooManyRequests {
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return fmt.Errorf("response_url: %w", &slack.RateLimitedError{RetryAfter: max(time.Duration(seconds)*time.Second, time.Second)})
	}
	var said slack.SlackResponse
	word := strings.TrimSpace(string(text))
	if strings.HasPrefix(word, "{") && json.Unmarshal(text, &said) == nil && said.Error != "" {
		word = said.Error
	}
	switch {
	case word != "ok" && errorWord.MatchString(word):
		return fmt.Errorf("response_url: %w", slack.SlackErrorResponse{Err: word})
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("response_url: %w", slack.StatusCodeError{Code: resp.StatusCode, Status: resp.Status})
	case err != nil:
		return fmt.Errorf("response_url: %w", err)
	}
	return nil
}

// whisper shows a card to one person without a response_url: in the channel,
// else in a direct message. That one stays, so no secret goes there.
func (a *Adapter) whisper(ctx context.Context, user string, from origin, c bot.Card) error {
	now := a.clock.Now()
	var err error
	if from.Channel != "" && !direct(from) {
		err = a.levels(ctx, methodEphemeral, from.Channel, result, render(c, a.team(), now), func(ctx context.Context, options ...slack.MsgOption) error {
			if from.Thread != "" {
				options = append(options, slack.MsgOptionTS(from.Thread))
			}
			_, err := a.api.PostEphemeralContext(ctx, from.Channel, user, options...)
			return err
		})
		if err == nil || lost(err) || ended(ctx, err) {
			return err
		}
	}
	if len(c.Secrets) > 0 {
		c.Secrets = nil
		c.Lines = append(slices.Clone(c.Lines), "What is secret is not shown in a direct message, because it would stay there. Type the command again.")
	}
	channel, err := a.directWith(ctx, user)
	if err != nil {
		return err
	}
	return a.levels(ctx, methodPost, channel, result, render(c, a.team(), now), func(ctx context.Context, options ...slack.MsgOption) error {
		_, _, err := a.api.PostMessageContext(ctx, channel, options...)
		return err
	})
}

// upload sends a file as a direct message.
func (a *Adapter) upload(ctx context.Context, user string, f bot.File) error {
	channel, err := a.directWith(ctx, user)
	if err != nil {
		return err
	}
	if err := a.limits.enter(ctx, methodFiles, "", result); err != nil {
		return err
	}
	up, err := a.api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: f.Name, FileSize: len(f.Data)})
	if err != nil {
		a.limits.pause(methodFiles, "", retryAfter(err))
		return fmt.Errorf("files.getUploadURLExternal: %w", adapters.Quiet(err))
	}
	err = a.api.UploadToURL(ctx, slack.UploadToURLParameters{UploadURL: up.UploadURL, Reader: bytes.NewReader(f.Data), Filename: f.Name})
	if err != nil {
		return fmt.Errorf("upload: %w", adapters.Quiet(err))
	}
	title := f.Title
	if title == "" {
		title = f.Name
	}
	_, err = a.api.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
		Files: []slack.FileSummary{{ID: up.FileID, Title: adapters.Visible(title)}}, Channel: channel,
	})
	if err != nil {
		a.limits.pause(methodFiles, "", retryAfter(err))
		return fmt.Errorf("files.completeUploadExternal: %w", adapters.Quiet(err))
	}
	return nil
}
