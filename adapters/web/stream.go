package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hosterbot/adapters"
)

// How a stream is kept alive.
const (
	beat     = 15 * time.Second // a comment, so that a dead page is noticed
	writeFor = 10 * time.Second // for a page that does not read
)

// stream is one page that listens for one person.
type stream struct {
	person string
	calls  bool  // it shows the provider's calls
	cursor int64 // the last change that it was told
}

// event is one server-sent event. Its number is where a stream goes on.
type event struct {
	seq  int64
	name string
	data any
}

// events tells a page what one person sees: all of it, or what has changed
// since the event that Last-Event-ID names.
func (w *Web) events(rw http.ResponseWriter, r *http.Request) {
	s := &stream{person: r.URL.Query().Get("as"), calls: r.URL.Query().Get("calls") != ""}
	if !slices.Contains(w.opts.People, s.person) {
		fail(rw, refused(http.StatusBadRequest, "There is nobody of that name here."))
		return
	}
	if n, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil && n > 0 {
		s.cursor = n
	}
	if !w.listen(s) {
		fail(rw, refused(http.StatusTooManyRequests, "Too many pages are open. Close some."))
		return
	}
	defer w.leave(s)
	rw.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(rw)
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	if w.send(rc, rw, w.hello(s)) != nil {
		return
	}
	for {
		events, changed := w.news(s)
		if len(events) > 0 && w.send(rc, rw, events) != nil {
			return
		}
		select {
		case <-changed:
		case <-ticks.C:
			_ = rc.SetWriteDeadline(time.Now().Add(writeFor))
			if _, err := rw.Write([]byte(": still here\n\n")); err != nil || rc.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func (w *Web) send(rc *http.ResponseController, rw http.ResponseWriter, events []event) error {
	_ = rc.SetWriteDeadline(time.Now().Add(writeFor))
	var b strings.Builder
	for _, e := range events {
		data, err := json.Marshal(e.data)
		if err != nil {
			return err
		}
		b.WriteString("id: " + strconv.FormatInt(e.seq, 10) + "\nevent: " + e.name + "\ndata: ")
		b.Write(data)
		b.WriteString("\n\n")
	}
	if _, err := rw.Write([]byte(b.String())); err != nil {
		return err
	}
	return rc.Flush()
}

// listen counts a stream in, if there is room.
func (w *Web) listen(s *stream) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.streams) >= maxStreams {
		return false
	}
	if s.cursor > w.seq { // of another life of this process
		s.cursor = 0
	}
	w.streams[s] = true
	return true
}

// leave counts it out. A secret that it was owed is owed no more.
func (w *Web) leave(s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.streams, s)
	for _, m := range w.messages {
		m.told(s)
	}
}

// told notes that a stream was told a secret. The last one ends it.
func (m *message) told(s *stream) {
	if m.owed == nil {
		return
	}
	delete(m.owed, s)
	if len(m.owed) == 0 {
		m.secrets, m.owed = nil, nil
	}
}

// hello is the first event: who and where one is. fresh says that everything
// follows, so that what the page shows is of no use any more.
func (w *Web) hello(s *stream) []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []event{{s.cursor, "hello", helloView{
		As: s.person, People: w.opts.People, Strangers: w.opts.Strangers, Channel: adapters.Printable(w.opts.Channel), Fresh: s.cursor == 0, Now: w.opts.Clock.Now().UnixMilli(),
	}}}
}

// news is what a stream has to be told, in order, and a channel that is closed
// by the next change. The last event says that this is all.
func (w *Web) news(s *stream) ([]event, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.opts.Clock.Now()
	var out []event
	for _, m := range w.messages {
		if m.seq <= s.cursor || !m.visible(s.person) || m.gone && s.cursor == 0 {
			continue
		}
		v := w.view(m, now)
		if m.owed[s] {
			v.Card.Secrets = secretViews(m.secrets)
			m.told(s)
		}
		out = append(out, event{m.seq, "message", v})
	}
	if f := w.forms[s.person]; f != nil && f.seq > s.cursor && !(f.shut && s.cursor == 0) {
		out = append(out, event{f.seq, "form", formViewOf(f, now)})
	}
	if s.calls {
		for _, c := range w.calls {
			if c.seq > s.cursor {
				out = append(out, event{c.seq, "call", callViewOf(c)})
			}
		}
	}
	slices.SortFunc(out, func(a, b event) int { return int(a.seq - b.seq) })
	if w.seq > s.cursor || s.cursor == 0 { // also where nothing of it is for this person
		out = append(out, event{w.seq, "now", nowView{Now: now.UnixMilli()}})
	}
	s.cursor = w.seq
	return out, w.changed
}
