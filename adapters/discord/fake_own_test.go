package discord_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// witness stands in for a test: what the double says that is wrong is kept.
type witness struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// heard is what was said since it was asked last.
func (w *witness) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.said, "\n")
	w.said = nil
	return out
}

// still is a clock that is moved by hand. Nobody waits for it.
type still struct {
	bubble
	mu  sync.Mutex
	now time.Time
}

func (s *still) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *still) forward(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// bench is the double with a client that does what it likes.
type bench struct {
	*fake
	w     *witness
	c     *still
	http  *http.Client
	token string
}

func newBench(t *testing.T) *bench {
	w, c := &witness{TB: t}, &still{now: time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)}
	f := newFake(w, c)
	transport := &http.Transport{DialContext: f.lis.Dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &bench{f, w, c, &http.Client{Transport: transport}, "Bot " + botToken}
}

// said is what came back: its status, Discord's code, and the body.
type said struct {
	status, code int
	body         object
	header       http.Header
}

func (b *bench) do(t *testing.T, method, path, body string) said {
	t.Helper()
	return b.send(t, method, path, "application/json", strings.NewReader(body))
}

func (b *bench) send(t *testing.T, method, path, kind string, body io.Reader) said {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.base+"/api/v9"+path, body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", kind)
	if b.token != "" && !strings.HasPrefix(path, "/interactions/") && !strings.HasPrefix(path, "/webhooks/") {
		r.Header.Set("Authorization", b.token)
	}
	resp, err := b.http.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	out := said{status: resp.StatusCode, header: resp.Header}
	_ = json.Unmarshal(data, &out.body) // a list is no object
	code, _ := out.body["code"].(float64)
	out.code = int(code)
	return out
}

// msg is a message that is fine, but for what is put over it.
func msg(over string) string {
	m := object{"content": "hello", "nonce": "n1", "enforce_nonce": true, "allowed_mentions": object{"parse": []any{}}}
	var o object
	if err := json.Unmarshal([]byte(over), &o); err != nil {
		panic(err)
	}
	maps.Copy(m, o)
	return encoded(m)
}

const posts = "/channels/" + homeID + "/messages"

func TestDoubleRefusesMessages(t *testing.T) {
	t.Parallel()
	button := func(n int) string { return fmt.Sprintf(`{"type":2,"style":1,"label":"l","custom_id":"c%d"}`, n) }
	rows := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, `{"type":1,"components":[`+button(i)+`]}`)
		}
		return `{"components":[` + strings.Join(out, ",") + `]}`
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	embeds := func(n int) string {
		return fmt.Sprintf(`{"embeds":[{"description":"%s"},{"description":"%s"}]}`, long(3000), long(n))
	}
	for name, c := range map[string]struct {
		body string
		code int    // 0: it is taken
		says string // to the test; "": nothing
	}{
		"a message":                          {`{}`, 0, ""},
		"no nonce":                           {`{"nonce":null}`, 0, "nonce"},
		"a nonce that is not enforced":       {`{"enforce_nonce":false}`, 0, "nonce"},
		"no allowed_mentions":                {`{"allowed_mentions":null}`, 50035, "no allowed_mentions"},
		"allowed_mentions that allow all":    {`{"allowed_mentions":{}}`, 50035, "allows everything"},
		"Discord looks for mentions":         {`{"allowed_mentions":{"parse":["users"]}}`, 50035, "lets Discord look"},
		"a ping that names nobody":           {`{"allowed_mentions":{"parse":[],"users":["5"]}}`, 50035, "not named"},
		"a ping":                             {`{"content":"<@5>","allowed_mentions":{"parse":[],"users":["5"]}}`, 0, ""},
		"content as long as may be":          {`{"content":"` + long(2000) + `"}`, 0, ""},
		"content too long":                   {`{"content":"` + long(2001) + `"}`, 50035, "2001"},
		"nothing at all":                     {`{"content":"  "}`, 50006, ""},
		"6000 characters of embeds":          {embeds(3000), 0, ""},
		"6001 characters of embeds":          {embeds(3001), 50035, "6001"},
		"an embed of nothing":                {`{"embeds":[{"color":5}]}`, 50035, "is empty"},
		"a field with a blank value":         {`{"embeds":[{"fields":[{"name":"n","value":" "}]}]}`, 50035, "required"},
		"a title too long":                   {`{"embeds":[{"title":"` + long(257) + `"}]}`, 50035, "title"},
		"a field's name too long":            {`{"embeds":[{"fields":[{"name":"` + long(257) + `","value":"v"}]}]}`, 50035, "name"},
		"a field's value too long":           {`{"embeds":[{"fields":[{"name":"n","value":"` + long(1025) + `"}]}]}`, 50035, "value"},
		"a footer too long":                  {`{"embeds":[{"footer":{"text":"` + long(2049) + `"}}]}`, 50035, "footer"},
		"five rows":                          {rows(5), 0, ""},
		"six rows":                           {rows(6), 50035, "6 rows"},
		"six buttons in a row":               {`{"components":[{"type":1,"components":[` + strings.Join([]string{button(1), button(2), button(3), button(4), button(5), button(6)}, ",") + `]}]}`, 50035, "maxItems"},
		"a custom_id twice":                  {`{"components":[{"type":1,"components":[` + button(1) + `,` + button(1) + `]}]}`, 50035, "twice"},
		"a custom_id of 101":                 {`{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"l","custom_id":"` + long(101) + `"}]}]}`, 50035, "custom_id"},
		"a label of 81":                      {`{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"` + long(81) + `","custom_id":"c"}]}]}`, 50035, "label"},
		"a label of 80":                      {`{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"` + long(80) + `","custom_id":"c"}]}]}`, 0, ""},
		"a button without a label":           {`{"components":[{"type":1,"components":[{"type":2,"style":1,"custom_id":"c"}]}]}`, 50035, "label"},
		"a button that does nothing":         {`{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"l"}]}]}`, 50035, "custom_id"},
		"a link":                             {`{"components":[{"type":1,"components":[{"type":2,"style":5,"label":"l","url":"https://example.com"}]}]}`, 0, ""},
		"a link that runs a script":          {`{"components":[{"type":1,"components":[{"type":2,"style":5,"label":"l","url":"javascript://x"}]}]}`, 50035, "well formed"},
		"a reply to nothing":                 {`{"message_reference":{"message_id":"77777"}}`, 50035, ""},
		"a reply to nothing that may be one": {`{"message_reference":{"message_id":"77777","fail_if_not_exists":false}}`, 0, ""},
		"a property that Discord drops":      {`{"contents":"x"}`, 50035, "unknown property"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			got := b.do(t, "POST", posts, msg(c.body))
			heard := b.w.heard()
			require.Equal(t, c.code, got.code, "%v %s", got.body, heard)
			require.Equal(t, c.code == 0, got.status == http.StatusOK)
			if c.says == "" {
				require.Empty(t, heard)
			} else {
				require.Contains(t, heard, c.says)
			}
			require.Len(t, b.messages, map[bool]int{true: 1}[c.code == 0])
		})
	}
}

func TestDoubleKnowsPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		channel, over string
		status, code  int
	}{
		"home":                   {homeID, `{}`, 200, 0},
		"a thread":               {openThread, `{}`, 200, 0},
		"one that is archived":   {archivedID, `{}`, 200, 0},
		"one that is locked":     {lockedID, `{}`, 400, 50083},
		"no permission":          {closedID, `{}`, 403, 50013},
		"not seen":               {hiddenID, `{}`, 403, 50001},
		"not there":              {"12345", `{}`, 404, 10003},
		"text without embeds":    {plainID, `{}`, 200, 0},
		"an embed where none is": {plainID, `{"content":"","embeds":[{"title":"t"}]}`, 403, 50013},
		"the other guild":        {elsewhereID, `{}`, 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			got := b.do(t, "POST", "/channels/"+c.channel+"/messages", msg(c.over))
			require.Equal(t, c.status, got.status)
			require.Equal(t, c.code, got.code)
			require.Empty(t, b.w.heard())
		})
	}
}

func TestDoubleKeepsMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.do(t, "POST", posts, msg(`{"components":[{"type":1,"components":[{"type":2,"style":1,"label":"l","custom_id":"c"}]}]}`))
	id := str(first.body["id"])
	require.Equal(t, id, b.do(t, "POST", posts, msg(`{}`)).body["id"], "the same nonce is the same message")
	b.c.forward(nonceFor)
	require.NotEqual(t, id, b.do(t, "POST", posts, msg(`{}`)).body["id"], "but not for ever")
	live := func() bool { return b.messages[0].buttons[0].live }
	edit := func(body string) said { return b.do(t, "PATCH", posts+"/"+id, body) }
	const quiet = `"allowed_mentions":{"parse":[]}`
	require.Equal(t, 200, edit(`{"content":"new","components":null,`+quiet+`}`).status)
	require.Equal(t, "new", b.messages[0].text)
	require.True(t, live(), "null keeps buttons")
	require.Equal(t, 200, edit(`{"components":[],`+quiet+`}`).status)
	require.False(t, live())
	require.Equal(t, "new", b.messages[0].text, "what is not named stays")
	require.Equal(t, 50035, edit(`{"content":"no mentions"}`).code)
	require.Contains(t, b.w.heard(), "no allowed_mentions")
	theirs := b.says(userID("ana"), homeID, "hello")
	require.Equal(t, 50005, b.do(t, "PATCH", posts+"/"+theirs.id, `{`+quiet+`}`).code)
	require.Equal(t, 10008, b.do(t, "PATCH", posts+"/12345", `{`+quiet+`}`).code)
	require.Empty(t, b.do(t, "GET", posts+"/"+theirs.id, "").body["content"], "an application without the intent reads only what is its own")
	require.Equal(t, "new", b.do(t, "GET", posts+"/"+id, "").body["content"])
	b.c.forward(oldAfter)
	codes := []int{}
	for range 5 {
		codes = append(codes, edit(`{`+quiet+`}`).code)
		b.c.forward(2 * time.Second)
	}
	require.Contains(t, codes, 30046, "an old message is edited rarely")
	b.c.forward(2 * time.Minute)
	require.Zero(t, edit(`{`+quiet+`}`).code)
	require.True(t, b.deletes(id))
	require.Equal(t, 10008, edit(`{`+quiet+`}`).code)
	require.Empty(t, b.w.heard())
}

func TestDoubleKnowsThreads(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const body = `{"name":"n","auto_archive_duration":1440}`
	begin := func(channel string) (string, said) {
		id := str(b.do(t, "POST", "/channels/"+channel+"/messages", msg(`{"nonce":"`+channel+`"}`)).body["id"])
		return id, b.do(t, "POST", "/channels/"+channel+"/messages/"+id+"/threads", body)
	}
	id, got := begin(homeID)
	require.Equal(t, 201, got.status)
	require.Equal(t, id, got.body["id"], "a thread has the ID of its message")
	require.Equal(t, 160004, b.do(t, "POST", posts+"/"+id+"/threads", body).code)
	require.Equal(t, 200, b.do(t, "POST", "/channels/"+id+"/messages", msg(`{"nonce":"in"}`)).status)
	_, got = begin(threadless)
	require.Equal(t, 50013, got.code)
	_, got = begin(openThread)
	require.Equal(t, 50024, got.code, "no thread in a thread")
	require.Equal(t, 10008, b.do(t, "POST", posts+"/12345/threads", body).code)
	require.Empty(t, b.w.heard())
	require.Equal(t, 50035, b.do(t, "POST", posts+"/"+id+"/threads", `{"name":"n","auto_archive_duration":5}`).code)
	require.Contains(t, b.w.heard(), "auto_archive_duration")
	b.do(t, "PATCH", "/channels/"+id, `{"name":"m"}`)
	require.Contains(t, b.w.heard(), "renames")
	require.Equal(t, 200, b.do(t, "PATCH", "/channels/"+id, `{"archived":true}`).status)
	require.Equal(t, 50083, b.do(t, "PATCH", "/channels/"+id+"/messages/"+b.messages[1].id, `{"allowed_mentions":{"parse":[]}}`).code, "edits do not open a thread")
	require.Equal(t, 200, b.do(t, "POST", "/channels/"+id+"/messages", msg(`{"nonce":"again"}`)).status, "messages do")
	require.Equal(t, 204, b.do(t, "PUT", "/channels/"+id+"/thread-members/@me", "").status)
	require.Empty(t, b.w.heard())
}

func TestDoubleKnowsWhoAsks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, token := range []string{"", "Bot wrong", botToken, "Bearer " + botToken} {
		b.token = token
		require.Equal(t, 401, b.do(t, "GET", "/users/@me", "").status, token)
	}
	b.token = "Bot " + botToken
	require.Equal(t, botUser, b.do(t, "GET", "/users/@me", "").body["id"])
	require.Equal(t, appID, b.do(t, "GET", "/applications/@me", "").body["id"])
	require.Equal(t, appID, b.do(t, "GET", "/oauth2/applications/@me", "").body["id"])
	member := b.do(t, "GET", "/guilds/"+guildID+"/members/"+userID("dia"), "").body
	require.Equal(t, []any{leadsRole}, member["roles"])
	require.Equal(t, 10007, b.do(t, "GET", "/guilds/"+guildID+"/members/"+userID("eve"), "").code)
	require.Equal(t, []any{leadsThere, oncallThere}, b.do(t, "GET", "/guilds/"+otherGuild+"/members/"+userID("eve"), "").body["roles"], "roles of the same name, others all the same")
	require.Equal(t, 10004, b.do(t, "GET", "/guilds/12345", "").code)
	require.Equal(t, 50033, b.do(t, "POST", "/users/@me/channels", `{"recipient_id":"`+userID("rob")+`"}`).code)
	dm := str(b.do(t, "POST", "/users/@me/channels", `{"recipient_id":"`+userID("shy")+`"}`).body["id"])
	require.Equal(t, 50007, b.do(t, "POST", "/channels/"+dm+"/messages", msg(`{}`)).code)
	dm = str(b.do(t, "POST", "/users/@me/channels", `{"recipient_id":"`+userID("ben")+`"}`).body["id"])
	require.Equal(t, dm, b.do(t, "POST", "/users/@me/channels", `{"recipient_id":"`+userID("ben")+`"}`).body["id"])
	require.Equal(t, 200, b.do(t, "POST", "/channels/"+dm+"/messages", msg(`{}`)).status)
	require.Equal(t, userID("ben"), b.messages[0].to)
	require.Empty(t, b.w.heard())
	require.Equal(t, 400, b.do(t, "GET", "/channels/1/pins", "").status)
	require.Contains(t, b.w.heard(), "no such request")
}

func TestDoubleTakesFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	form := func(field string) (string, io.Reader) {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		require.NoError(t, m.WriteField("payload_json", msg(`{"content":""}`)))
		part, err := m.CreateFormFile(field, "vms.csv")
		require.NoError(t, err)
		_, _ = part.Write([]byte("id\n4001\n"))
		require.NoError(t, m.Close())
		return m.FormDataContentType(), &body
	}
	kind, body := form("files[0]")
	require.Equal(t, 200, b.send(t, "POST", posts, kind, body).status)
	require.Equal(t, []file{{"vms.csv", "id\n4001\n"}}, b.messages[0].files)
	require.Empty(t, b.w.heard())
	kind, body = form("file")
	require.Equal(t, 400, b.send(t, "POST", posts, kind, body).status)
	require.Contains(t, b.w.heard(), "files[n]")
}

func TestDoubleKeepsThePace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for n := range 5 {
		got := b.do(t, "POST", posts, msg(fmt.Sprintf(`{"nonce":"%d"}`, n)))
		require.Equal(t, 200, got.status)
		require.Equal(t, fmt.Sprint(4-n), got.header.Get("X-RateLimit-Remaining"))
	}
	got := b.do(t, "POST", posts, msg(`{}`))
	require.Equal(t, 429, got.status)
	require.Equal(t, 5.0, got.body["retry_after"])
	require.Equal(t, false, got.body["global"])
	require.Equal(t, "5", got.header.Get("Retry-After"))
	require.Equal(t, 200, b.do(t, "POST", "/channels/"+leadsID+"/messages", msg(`{"nonce":"other"}`)).status, "another channel has another bucket")
	b.c.forward(5 * time.Second)
	require.Equal(t, 200, b.do(t, "POST", posts, msg(`{}`)).status)
	b.next("GET /users/@me", tooMany(1.5, true), status(503), refuse(403, 50013))
	got = b.do(t, "GET", "/users/@me", "")
	require.Equal(t, []any{429, true, "global"}, []any{got.status, got.body["global"], got.header.Get("X-RateLimit-Scope")})
	require.Equal(t, 503, b.do(t, "GET", "/users/@me", "").status)
	require.Equal(t, 50013, b.do(t, "GET", "/users/@me", "").code)
	b.c.forward(time.Second)
	statuses := map[int]int{}
	for n := range 60 {
		statuses[b.do(t, "GET", fmt.Sprintf("/users/%d", n+1), "").status]++
	}
	require.Equal(t, 10, statuses[404], "its bucket")
	require.Equal(t, 50, statuses[429])
	require.Empty(t, b.w.heard())
}

func TestDoubleLosesAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.next("POST /channels/{channel_id}/messages", b.doneButLost())
	require.Equal(t, 502, b.do(t, "POST", posts, msg(`{}`)).status)
	require.Len(t, b.messages, 1)
	require.Equal(t, b.messages[0].id, b.do(t, "POST", posts, msg(`{}`)).body["id"])
	require.Equal(t, 2, b.count("POST /channels/{channel_id}/messages"))
	b.stays("GET /users/@me", status(500))
	require.Equal(t, 500, b.do(t, "GET", "/users/@me", "").status)
	require.Equal(t, 500, b.do(t, "GET", "/users/@me", "").status)
	b.stays("GET /users/@me", nil)
	require.Equal(t, 200, b.do(t, "GET", "/users/@me", "").status)
	wrong, arrived, let := b.slow()
	b.next("GET /users/@me", wrong)
	done := make(chan int, 1)
	go func() { done <- b.do(t, "GET", "/users/@me", "").status }()
	<-arrived
	require.Equal(t, 200, b.do(t, "GET", "/applications/@me", "").status, "others are not held up")
	let()
	require.Equal(t, 200, <-done)
}
