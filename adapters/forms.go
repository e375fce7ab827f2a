package adapters

import (
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"hosterbot/bot"
)

// Forms keeps forms that were not accepted and have closed, as they were, until
// the button of their WayBack is pressed. Secrets are never among what is kept.
// After a restart there are none.
type Forms struct {
	clock bot.Clock
	life  time.Duration

	mu   sync.Mutex
	kept map[string]keptForm
}

type keptForm struct {
	form  bot.Form
	user  string
	until time.Time
}

// formsHeld bounds how many are kept.
const formsHeld = 2000

// NewForms keeps each form for life.
func NewForms(clock bot.Clock, life time.Duration) *Forms {
	return &Forms{clock: clock, life: life, kept: make(map[string]keptForm)}
}

// Keep keeps a form for one person, without its secrets, and returns its key.
func (s *Forms) Keep(user string, f bot.Form) string {
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		if f.Fields[i].Secret {
			f.Fields[i].Value = ""
		}
	}
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= formsHeld {
		maps.DeleteFunc(s.kept, func(_ string, f keptForm) bool { return now.After(f.until) })
		if len(s.kept) >= formsHeld {
			clear(s.kept)
		}
	}
	key := rand.Text()
	s.kept[key] = keptForm{f, user, now.Add(s.life)}
	return key
}

// Find returns the form of a key, to the person for whom it was kept.
func (s *Forms) Find(key, user string) (bot.Form, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.kept[key]
	if !ok || f.user != user || s.clock.Now().After(f.until) {
		return bot.Form{}, false
	}
	return f.form, true
}
