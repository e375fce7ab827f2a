package web

import "hosterbot/bot"

// Quiet returns when the bot has nothing to do for the page.
func (w *Web) Quiet() {
	w.mu.Lock()
	a := w.attached
	w.mu.Unlock()
	if a != nil {
		a.calls.Wait()
	}
}

// Seq is the number of the last change.
func (w *Web) Seq() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// Token is what the link ends with.
func (w *Web) Token() string { return w.token }

// Streams is how many pages listen.
func (w *Web) Streams() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.streams)
}

// Held tells whether a secret is in memory.
func (w *Web) Held() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.messages {
		if len(m.secrets) > 0 {
			return true
		}
	}
	return false
}

// Delete takes a message away, as somebody with the right to would.
func (w *Web) Delete(r bot.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.byID[r.ID]
	m.gone = true
	m.seq = w.change()
}

// MaxStreams is how many pages may listen.
const MaxStreams = maxStreams
