package console

import "hosterbot/bot"

// Seen is a message before a person's eyes.
type Seen struct {
	Ref     bot.Ref
	To      string
	Root    string
	Text    string
	Buttons []Numbered
}

// Numbered is a button with its number.
type Numbered struct {
	bot.Button
	Number int
}

// Seen lists what a person sees. Its text is what the screen was given, but
// for secrets, which only the screen has.
func (c *Console) Seen(person string) []Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Seen
	for _, m := range c.messages {
		if m.gone || m.copy || m.to != "" && m.to != person {
			continue
		}
		s := Seen{Ref: m.ref, To: m.to}
		if m.root != nil {
			s.Root = m.root.ref.ID
		}
		for _, line := range c.body(m.card, m.buttons) {
			s.Text += line + "\n"
		}
		for _, b := range m.buttons {
			if b.live {
				s.Buttons = append(s.Buttons, Numbered{b.Button, b.number})
			}
		}
		out = append(out, s)
	}
	return out
}

// Open is the form that a person has open.
func (c *Console) Open(person string) (bot.Form, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.forms[person]
	if f == nil {
		return bot.Form{}, false
	}
	return f.Form, true
}

// Delete takes a message away, as somebody with the right to would.
func (c *Console) Delete(r bot.Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[r.ID].gone = true
}
