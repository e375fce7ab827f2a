package web

import (
	"slices"
	"strings"
	"time"

	"hosterbot/adapters"
	"hosterbot/bot"
)

// What the page is told. It makes text nodes of all strings, so nothing is
// escaped here; what would turn a line around is taken out.

type helloView struct {
	As        string   `json:"as"`
	People    []string `json:"people"`
	Strangers []string `json:"strangers,omitempty"`
	Channel   string   `json:"channel"`
	Fresh     bool     `json:"fresh,omitempty"`
	Now       int64    `json:"now"`
}

type nowView struct {
	Now int64 `json:"now"` // milliseconds of the demo's clock, which can be set forward
}

type messageView struct {
	ID     string    `json:"id"`
	Number int       `json:"number"`
	Root   string    `json:"root,omitempty"`
	To     string    `json:"to,omitempty"`
	Place  string    `json:"place,omitempty"` // where it is not the channel of the page
	Gone   bool      `json:"gone,omitempty"`
	Line   string    `json:"line,omitempty"`
	Busy   bool      `json:"busy,omitempty"`
	Note   string    `json:"note,omitempty"`
	Stage  string    `json:"stage,omitempty"`
	Copies []string  `json:"copies,omitempty"`
	Card   *cardView `json:"card,omitempty"`
	File   *fileView `json:"file,omitempty"`
	At     int64     `json:"at"` // when it came, in milliseconds since 1970
	Now    int64     `json:"now"`
}

type cardView struct {
	Op       int64        `json:"op,omitempty"`
	Tone     string       `json:"tone,omitempty"`
	Title    []span       `json:"title,omitempty"`
	Lines    [][]span     `json:"lines,omitempty"`
	Fields   []fieldView  `json:"fields,omitempty"`
	Table    *tableView   `json:"table,omitempty"`
	Bar      *barView     `json:"bar,omitempty"`
	Notes    [][]span     `json:"notes,omitempty"`
	Mentions []string     `json:"mentions,omitempty"`
	Buttons  []buttonView `json:"buttons,omitempty"`
	Secrets  []secretView `json:"secrets,omitempty"`
}

// span is a piece of text: adapters.Printable, code, or a moment.
type span struct {
	Text string `json:"t,omitempty"`
	Code string `json:"c,omitempty"`
	At   int64  `json:"at,omitempty"` // seconds since 1970
}

type fieldView struct {
	Label []span `json:"label"`
	Value []span `json:"value"`
}

type tableView struct {
	Columns []columnView `json:"columns"`
	Rows    [][][]span   `json:"rows"`
	Empty   []span       `json:"empty,omitempty"`
}

type columnView struct {
	Name  []span `json:"name"`
	Right bool   `json:"right,omitempty"`
}

type barView struct {
	Percent  int    `json:"percent"` // -1: unknown
	Word     string `json:"word,omitempty"`
	Elapsed  int64  `json:"elapsed"`            // milliseconds
	Expected int64  `json:"expected,omitempty"` // milliseconds in all; 0: unknown
}

type buttonView struct {
	Label string `json:"label"`
	Style string `json:"style,omitempty"`
	Code  string `json:"code"`
}

type secretView struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Link  bool   `json:"link,omitempty"`
}

type fileView struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Size  int    `json:"size"`
	Head  string `json:"head"` // its first lines
	More  int    `json:"more,omitempty"`
}

type formView struct {
	ID     string          `json:"id"`
	Shut   bool            `json:"shut,omitempty"`
	Title  string          `json:"title,omitempty"`
	Text   []span          `json:"text,omitempty"`
	Submit string          `json:"submit,omitempty"`
	Fields []formFieldView `json:"fields,omitempty"`
	Now    int64           `json:"now"`
}

type formFieldView struct {
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Hint     string   `json:"hint,omitempty"`
	Value    string   `json:"value,omitempty"`
	Required bool     `json:"required,omitempty"`
	Long     bool     `json:"long,omitempty"`
	Secret   bool     `json:"secret,omitempty"`
	Lookup   bool     `json:"lookup,omitempty"`
	Choices  []choice `json:"choices,omitempty"`
	Error    string   `json:"error,omitempty"`
	MaxLen   int      `json:"max,omitempty"`
}

type callView struct {
	Number   int64  `json:"number"`
	Kind     string `json:"kind,omitempty"`
	Method   string `json:"method"`
	Path     string `json:"path"`
	Mutating bool   `json:"mutating,omitempty"`
	Status   int    `json:"status"`
	Note     string `json:"note,omitempty"`
	Took     int64  `json:"took"` // milliseconds
	At       int64  `json:"at"`   // milliseconds since 1970
}

func (w *Web) view(m *message, now time.Time) messageView {
	v := messageView{ID: m.ref.ID, Number: m.number, To: m.to, Gone: m.gone, Now: now.UnixMilli()}
	if m.gone {
		return v
	}
	v.At = m.at.UnixMilli()
	v.Line, v.Busy, v.Note, v.Stage, v.Copies = adapters.Printable(m.line), m.busy, m.note, adapters.Printable(m.stage), m.copies
	if m.root != nil {
		v.Root = m.root.ref.ID
	}
	if !w.home(m.ref.Place) {
		v.Place = adapters.Printable(m.ref.Place.String())
	}
	if m.card != nil {
		v.Card = w.cardView(m.card)
	}
	if m.file != nil {
		v.File = fileViewOf(m.file)
	}
	return v
}

func (w *Web) cardView(c *bot.Card) *cardView {
	v := &cardView{Op: c.Op, Tone: string(c.Tone), Title: spans(c.Title), Notes: lines(c.Notes), Lines: lines(c.Lines)}
	for _, f := range c.Fields {
		v.Fields = append(v.Fields, fieldView{spans(f.Label), spans(f.Value)})
	}
	if t := c.Table; t != nil {
		v.Table = &tableView{Columns: []columnView{}, Rows: [][][]span{}}
		if len(t.Rows) == 0 {
			v.Table.Empty = spans(t.Empty)
		}
		for _, col := range t.Columns {
			v.Table.Columns = append(v.Table.Columns, columnView{spans(col.Name), col.Right})
		}
		for _, row := range t.Rows {
			cells := make([][]span, len(t.Columns))
			for i := range cells {
				cells[i] = []span{}
				if i < len(row) {
					cells[i] = spans(row[i])
				}
			}
			v.Table.Rows = append(v.Table.Rows, cells)
		}
	}
	if b := c.Bar; b != nil {
		v.Bar = &barView{b.Percent(), adapters.Printable(b.Word), b.Elapsed.Milliseconds(), b.Expected.Milliseconds()}
	}
	for _, a := range c.Mentions {
		v.Mentions = append(v.Mentions, adapters.Printable(w.opts.Name(a)))
	}
	for _, b := range c.Buttons {
		v.Buttons = append(v.Buttons, buttonView{adapters.Printable(b.Label), string(b.Style), b.Code})
	}
	return v
}

// lines are paragraphs; a line break begins a new one.
func lines(texts []string) [][]span {
	var out [][]span
	for _, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			out = append(out, spans(line))
		}
	}
	return out
}

func spans(text string) []span {
	out := []span{}
	for s := range bot.Spans(text) {
		switch {
		case !s.Time.IsZero():
			out = append(out, span{At: s.Time.Unix()})
		case s.Code:
			out = append(out, span{Code: adapters.Printable(s.Text)})
		default:
			out = append(out, span{Text: adapters.Printable(s.Text)})
		}
	}
	return out
}

func secretViews(shown []bot.Shown) []secretView {
	var out []secretView
	for _, s := range shown {
		out = append(out, secretView{adapters.Printable(s.Label), s.Value.Reveal(), s.Link})
	}
	return out
}

// headLines is how much of a file is shown.
const headLines = 8

func fileViewOf(f *bot.File) *fileView {
	all := strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
	head := slices.Clone(all[:min(len(all), headLines)])
	for i := range head {
		head[i] = bot.CleanMax(head[i], 200)
	}
	return &fileView{adapters.Printable(f.Name), adapters.Printable(f.Title), len(f.Data), strings.Join(head, "\n"), len(all) - len(head)}
}

func formViewOf(f *openForm, now time.Time) formView {
	if f.shut {
		return formView{ID: f.id, Shut: true, Now: now.UnixMilli()}
	}
	v := formView{ID: f.id, Title: adapters.Printable(f.Title), Text: spans(f.Text), Submit: adapters.Printable(f.Submit), Now: now.UnixMilli()}
	for _, field := range f.Fields {
		one := formFieldView{
			Name: field.Name, Label: adapters.Printable(field.Label), Hint: adapters.Printable(field.Hint), Value: field.Value, Required: field.Required,
			Long: field.Long, Secret: field.Secret, Lookup: field.Lookup, Error: adapters.Printable(field.Error), MaxLen: field.MaxLen,
		}
		if field.Secret {
			one.Value = ""
		}
		for _, c := range field.Choices {
			one.Choices = append(one.Choices, choice{adapters.Printable(c.Value), adapters.Printable(c.Label)})
		}
		v.Fields = append(v.Fields, one)
	}
	return v
}

func callViewOf(c seenCall) callView {
	return callView{c.seq, adapters.Printable(c.Kind), adapters.Printable(c.Method), adapters.Printable(bot.CleanMax(c.Path, 200)), c.Mutating, c.Status, adapters.Printable(c.Note), c.Took.Milliseconds(), c.At.UnixMilli()}
}
