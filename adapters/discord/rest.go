package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// apiError is what Discord answered instead of yes.
type apiError struct {
	status int
	code   int // Discord's own, 0 for none
	text   string
	wait   time.Duration // of a 429
}

func (e *apiError) Error() string {
	if e.code != 0 {
		return fmt.Sprintf("HTTP %d, code %d: %s", e.status, e.code, bot.CleanMax(e.text, 200))
	}
	return fmt.Sprintf("HTTP %d", e.status)
}

// Discord's codes that mean something here.
// Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
const (
	codeUnknownChannel     = 10003
	codeUnknownMessage     = 10008
	codeUnknownInteraction = 10062
	codeUnknownWebhook     = 10015
	codeOldEdits           = 30046 // edits of messages older than an hour
	codeAnswered           = 40060 // the interaction was acknowledged already
	codeForum              = 40058 // a forum holds threads alone
	codeNoAccess           = 50001
	codeNotOurs            = 50005 // somebody else's message
	codeNoDirect           = 50007 // whoever it is takes no direct messages
	codeNotText            = 50008
	codeNoPermission       = 50013
	codeWrongType          = 50024
	codeBadForm            = 50035
	codeArchived           = 50083
	codeNoHistory          = 160002 // an answer to a message that the bot may not read
	codeThreadExists       = 160004
	codeThreadLocked       = 160005
	codeThreadsFull        = 160006
	codeNewsThreadsFull    = 160007
)

var (
	goneCodes      = map[int]bool{codeUnknownMessage: true, codeUnknownChannel: true, codeNotOurs: true, codeOldEdits: true}
	forbiddenCodes = map[int]bool{codeNoAccess: true, codeNoPermission: true, codeNoDirect: true, codeNotText: true, codeWrongType: true, codeArchived: true, codeForum: true, codeNoHistory: true, codeThreadLocked: true}
	// shutCodes say of a thread that nothing can be posted there.
	shutCodes = map[int]bool{codeUnknownChannel: true, codeArchived: true, codeThreadLocked: true}
)

// code is the code that Discord named; 0 if it named none.
func code(err error) int {
	var e *apiError
	if errors.As(err, &e) {
		return e.code
	}
	return 0
}

// status is the HTTP status of an error, 0 for none.
func status(err error) int {
	var e *apiError
	if errors.As(err, &e) {
		return e.status
	}
	return 0
}

// retryAfter is how long Discord asks to wait; 0: it does not.
func retryAfter(err error) time.Duration {
	var e *apiError
	if errors.As(err, &e) {
		return e.wait
	}
	return 0
}

// lost tells whether a call may have been done although its answer says
// nothing: no answer, half an answer, or a fault inside Discord.
func lost(err error) bool {
	var early *bot.PostError // made before the call
	var e *apiError
	switch {
	case err == nil, errors.As(err, &early), adapters.Unsent(err):
		return false
	case errors.As(err, &e):
		return e.status >= http.StatusInternalServerError
	}
	return true
}

// credentials turns a refused token into a FatalError.
func credentials(err error) error {
	if status(err) == http.StatusUnauthorized {
		return &adapters.FatalError{Text: "Discord refuses DISCORD_BOT_TOKEN: it is wrong or was reset (see Discord Developer Portal, Bot, Reset Token)", Err: err}
	}
	return err
}

// postError says what the failure of a post or an edit means.
func postError(what string, err error) error {
	var already *bot.PostError
	if err == nil || errors.As(err, &already) {
		return err
	}
	c := code(err)
	return &bot.PostError{
		Gone: goneCodes[c], Forbidden: forbiddenCodes[c] || c == 0 && status(err) == http.StatusForbidden, Lost: lost(err), RetryAfter: retryAfter(err),
		Err: fmt.Errorf("%s: %w", what, err),
	}
}

// request is one call of the API.
type request struct {
	method, url string
	body        any
	files       []*discordgo.File
	urgency     urgency
	bound       time.Duration // 0: callFor
	out         any           // takes the answer; nil: nobody needs it
}

func (a *Adapter) get(ctx context.Context, url string, out any) error {
	return a.do(ctx, request{method: http.MethodGet, url: url, urgency: result, out: out})
}

// do makes a call at the pace of its route, once. An error is a PostError if
// it was not made, an apiError if it was answered; it never holds the URL.
func (a *Adapter) do(ctx context.Context, r request) error {
	route := routeOf(r.method, r.url)
	done, err := a.limits.enter(ctx, route, r.urgency)
	if err != nil {
		return err
	}
	seen := &seen{}
	err = a.once(context.WithValue(ctx, seenKey{}, seen), r, seen)
	done(seen)
	return err
}

// seen is what the door saw of an answer.
type seen struct {
	status    int
	limit     int           // calls of the bucket; 0: unknown
	remaining int           // of them
	reset     time.Duration // until there are all again
	wait      time.Duration // Retry-After of a 429
	global    bool          // it is for all routes
	code      int           // of a 429, 0 for most
	text      string
}

type seenKey struct{}

func (a *Adapter) once(ctx context.Context, r request, s *seen) error {
	bound := r.bound
	if bound == 0 {
		bound = callFor
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var body []byte
	contentType := "application/json"
	var err error
	switch {
	case len(r.files) > 0:
		contentType, body, err = discordgo.MultipartBodyWithJSON(r.body, r.files)
	case r.body != nil:
		body, err = json.Marshal(r.body)
	}
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	// A bucket of its own: the library's would wait in a sleep and stay for ever.
	bucket := discordgo.NewRatelimiter().GetBucket("")
	bucket.Lock()
	answer, err := a.session.RequestWithLockedBucket(r.method, r.url, contentType, body, bucket, 0, discordgo.WithContext(ctx))
	switch {
	case s.status == 0:
		if err == nil {
			err = errors.New("no answer")
		}
		return adapters.Quiet(err)
	case s.status < 200 || s.status > 299:
		e := &apiError{status: s.status, code: s.code, text: s.text, wait: s.wait}
		var rest *discordgo.RESTError
		if errors.As(err, &rest) && rest.Message != nil {
			e.code, e.text = rest.Message.Code, rest.Message.Message
		}
		return e
	case err != nil:
		return fmt.Errorf("read the answer: %w", adapters.Quiet(err))
	}
	if r.out != nil && json.Unmarshal(answer, r.out) != nil {
		return errors.New("the answer is not what Discord documents")
	}
	return nil
}

// door is the way to the API: it leads every request to DISCORD_API_URL, keeps
// the token away from routes that need none, notes what is left of each
// limit, and bounds what is read.
type door struct {
	a    *Adapter
	next http.RoundTripper
}

func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	path, ours := strings.CutPrefix(r.URL.String(), discordgo.EndpointDiscord)
	if !ours {
		return nil, errors.New("not an address of the API")
	}
	to, err := url.Parse(d.a.opts.APIURL + path)
	if err != nil {
		return nil, errors.New("not an address of the API")
	}
	out := r.Clone(r.Context())
	out.URL, out.Host = to, to.Host
	if tokened(path) {
		out.Header.Del("Authorization")
	}
	resp, err := d.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	d.a.tell(resp.Header)
	if s, ok := r.Context().Value(seenKey{}).(*seen); ok {
		s.read(resp)
	}
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Reset-After", "X-RateLimit-Global"} {
		resp.Header.Del(name)
	}
	resp.Body = &bounded{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

type bounded struct {
	io.Reader
	io.Closer
}

// read notes what an answer says of limits.
// Source: https://discord.com/developers/docs/topics/rate-limits
func (s *seen) read(resp *http.Response) {
	h := resp.Header
	s.status = resp.StatusCode
	s.limit, _ = strconv.Atoi(h.Get("X-RateLimit-Limit"))
	s.remaining, _ = strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	s.reset = seconds(h.Get("X-RateLimit-Reset-After"))
	if resp.StatusCode == http.StatusTooManyRequests {
		s.wait = max(seconds(h.Get("Retry-After")), s.reset, time.Second)
		s.global = h.Get("X-RateLimit-Global") != "" || h.Get("X-RateLimit-Scope") == "global"
		if body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err == nil {
			var said struct {
				RetryAfter float64 `json:"retry_after"`
				Global     bool    `json:"global"`
				Code       int     `json:"code"`
				Message    string  `json:"message"`
			}
			if json.Unmarshal(body, &said) == nil {
				s.code, s.text = said.Code, said.Message
				s.wait = max(s.wait, min(time.Duration(said.RetryAfter*float64(time.Second)), longest))
				s.global = s.global || said.Global
			}
			resp.Body = &bounded{bytes.NewReader(body), resp.Body}
		}
		if s.code == codeOldEdits { // it is of that message alone
			s.wait, s.global = 0, false
		}
	}
}

// longest bounds what a header may ask to wait.
const longest = time.Hour

func seconds(text string) time.Duration {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) {
		return 0
	}
	return min(time.Duration(min(f, longest.Seconds())*float64(time.Second)), longest)
}

// tell takes the time from an answer: how far Discord's clock is ahead.
func (a *Adapter) tell(h http.Header) {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		a.skew.Store(int64(at.Add(500 * time.Millisecond).Sub(a.clock.Now()))) // Date has whole seconds
	}
}

// tokened tells whether a path has a token of its own, so that the bot's is
// not wanted.
func tokened(path string) bool {
	parts := strings.Split(path, "/")
	return len(parts) > 3 && (parts[2] == "interactions" || parts[2] == "webhooks")
}

// routeOf names the bucket that a call is counted in: its method and path, of
// whose IDs only the first one counts. Answers to interactions have a bucket
// for each token, and none for all together.
func routeOf(method, address string) string {
	path, _, _ := strings.Cut(strings.TrimPrefix(address, discordgo.EndpointAPI), "?")
	parts := strings.Split(path, "/")
	if parts[0] == "interactions" || parts[0] == "webhooks" {
		return "" // each has its own, and is soon over
	}
	for i := 2; i < len(parts); i++ {
		if snowflake.MatchString(parts[i]) && !(parts[0] == "applications" && i == 3) {
			parts[i] = "*"
		}
	}
	return method + " " + strings.Join(parts, "/")
}
