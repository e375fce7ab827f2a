package hostersim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Faults that change the work itself; its handler asks for them by name.
const (
	jobFails    = "job-fails"
	jobStalls   = "job-stalls"
	jobLost     = "job-lost"
	orderSilent = "order-silent"
	orderSlow   = "order-slow"
	recycle     = "recycle"
	attack      = "attack"
	attackOver  = "attack-over"
)

// Besides the endpoints' own names, faults can be armed for these kinds.
const (
	anyCall  = "any"       // the next call to which the fault applies
	anyWrite = "any-write" // the same, mutating calls only
)

const (
	hangTime = 120 * time.Second // longer than any client should wait
	slowTime = 5 * time.Second
)

// fault is one way in which a call can go wrong.
type fault struct {
	name   string
	help   string
	kinds  []string      // to which it applies; nil is all
	writes bool          // it applies to mutating calls only
	times  int           // how many calls it hits; 0 is 1
	skips  bool          // the work is not done
	wait   time.Duration // before the answer, by the Clock
	// answer replaces the answer, which it is given; nil keeps it.
	answer func(*endpoint, *http.Request, reply) reply
}

// armed is a fault that waits for its call.
type armed struct {
	kind string
	fault
}

var (
	taskKinds = []string{"create", "reinstall", "install", "uninstall", "backup-create", "restore"}
	jobKinds  = []string{"create", "reinstall", "install", "uninstall", "job"}
	orderKind = []string{"order"}
)

var faults = []fault{
	{name: "answer-lost", help: "does it, then closes the connection without an answer", answer: answerNothing},
	{name: "request-lost", help: "closes the connection without doing it", skips: true, answer: answerNothing},
	{name: "500-before", help: "answers 500 0xa3 timeout, does nothing", skips: true, answer: answerTimeout},
	{name: "500-after", help: "does it, answers 500 0xa3 timeout", answer: answerTimeout},
	{name: "a1-before", help: "answers 500 0xa1 failed to send, does nothing", skips: true, answer: answerA1},
	{name: "a1-after", help: "does it, answers 500 0xa1 failed to send", answer: answerA1},
	{name: "hang-before", help: "says nothing for 120 s, then closes the connection, does nothing", skips: true, wait: hangTime, answer: answerNothing},
	{name: "hang-after", help: "does it, says nothing for 120 s, then closes the connection", wait: hangTime, answer: answerNothing},
	{name: "html-502", help: "a proxy answers 502 with HTML, nothing is done", skips: true, answer: answerHTML(http.StatusBadGateway)},
	{name: "html-502-after", help: "does it, but a proxy answers 502 with HTML", answer: answerHTML(http.StatusBadGateway)},
	{name: "html-503", help: "a proxy answers 503 with HTML, nothing is done", skips: true, answer: answerHTML(http.StatusServiceUnavailable)},
	{name: "429-once", help: "answers 429 with Retry-After: 2, does nothing", skips: true, answer: answerThrottled},
	{name: "429-twice", help: "answers 429 with Retry-After: 2 to two calls, does nothing", times: 2, skips: true, answer: answerThrottled},
	{name: "half-document", help: "does it, sends half of the answer, then closes the connection", answer: answerHalf},
	{name: "redirect-307", help: "redirects to the same path, does nothing", skips: true, answer: answerRedirect},
	{name: "unauthorized", help: "answers 401 as the web framework does, does nothing", skips: true, answer: answerError(framework(http.StatusUnauthorized, "Unauthenticated."))},
	{name: "422", help: "answers 422 with message and errors, does nothing", skips: true, answer: answerError(invalid("template", "The selected template is invalid."))},
	{name: "bare-404", help: "answers 404 as the web framework does, does nothing", skips: true, answer: answerError(framework(http.StatusNotFound, "Not Found"))},
	{name: "unknown-code", help: "answers 200 with result false and the code 0xee, does nothing", skips: true, answer: answerError(refuse(http.StatusOK, "0xee: node is in maintenance"))},
	{name: "bare-no", help: "answers 200 with result false and no reason, does nothing", skips: true, answer: answerError(refuse(http.StatusOK, ""))},
	{name: "slow", help: "does it, answers after 5 s", wait: slowTime},
	{name: "ignored", help: "answers true, does nothing", writes: true, skips: true, answer: answerTrue},
	{name: "wrong-shape", help: "does it, answers success in a shape that is not documented", answer: answerMisshapen},
	{name: jobFails, help: "the job or backup ends failed at 33 % with 0xb0", kinds: taskKinds},
	{name: jobStalls, help: "the job or backup never moves after 20 %", kinds: taskKinds},
	{name: jobLost, help: "the job is worked on, but its number is not found from now on", kinds: jobKinds},
	{name: orderSilent, help: "answers true, the server never appears and stays on the market", kinds: orderKind},
	{name: orderSlow, help: "the ordered server appears after 15 min", kinds: orderKind},
	{name: recycle, help: "deletes it, and somebody else's VM appears under its number", kinds: []string{"delete"}},
	{name: attack, help: "an attack on the VM has just begun", kinds: []string{"incidents"}},
	{name: attackOver, help: "all attacks on the VM have just ended", kinds: []string{"incidents"}},
}

// Kinds returns the kinds of call that Fault knows, sorted: one for each
// endpoint, any (the next call) and any-write (the next mutating call).
func Kinds() []string {
	names := []string{anyCall, anyWrite}
	for _, e := range endpoints {
		names = append(names, e.kind)
	}
	slices.Sort(names)
	return names
}

// Faults returns the names of all faults, sorted.
func Faults() []string {
	names := make([]string, 0, len(faults))
	for _, f := range faults {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

// FaultHelp returns one line on what a fault does, or "" for an unknown one.
func FaultHelp(name string) string {
	f, _ := findFault(name)
	return f.help
}

// Fault arms a fault for the next call of a kind. Faults of one kind hit in the
// order in which they were armed, one a call, each once; calls that are refused
// for their token, path or method use none up. The error names what would have
// been right.
func (s *Sim) Fault(kind, name string) error {
	if kinds := Kinds(); !slices.Contains(kinds, kind) {
		return fmt.Errorf("unknown kind %q: did you mean %q? Kinds: %s", kind, nearest(kind, kinds), strings.Join(kinds, ", "))
	}
	f, ok := findFault(name)
	if !ok {
		names := Faults()
		return fmt.Errorf("unknown fault %q: did you mean %q? Faults: %s", name, nearest(name, names), strings.Join(names, ", "))
	}
	if !slices.ContainsFunc(endpoints, func(e endpoint) bool { return covers(kind, &e) && f.applies(&e) }) {
		return fmt.Errorf("fault %q does not apply to %s, only to %s", name, kind, f.scope())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for range max(f.times, 1) {
		s.armed = append(s.armed, armed{kind, f})
	}
	return nil
}

// take uses up and returns the first fault armed for e; the zero fault does
// nothing. The caller holds s.mu.
func (s *Sim) take(e *endpoint) fault {
	i := slices.IndexFunc(s.armed, func(a armed) bool { return covers(a.kind, e) && a.applies(e) })
	if i < 0 {
		return fault{}
	}
	f := s.armed[i].fault
	s.armed = slices.Delete(s.armed, i, i+1)
	return f
}

func covers(kind string, e *endpoint) bool {
	return kind == e.kind || kind == anyCall || kind == anyWrite && e.mutating()
}

func (f *fault) applies(e *endpoint) bool {
	return (f.kinds == nil || slices.Contains(f.kinds, e.kind)) && (!f.writes || e.mutating())
}

func (f *fault) scope() string {
	if f.kinds == nil {
		return "mutating calls"
	}
	return strings.Join(f.kinds, ", ")
}

func findFault(name string) (fault, bool) {
	i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if i < 0 {
		return fault{}, false
	}
	return faults[i], true
}

func answerNothing(*endpoint, *http.Request, reply) reply { return closed }

func answerError(err error) func(*endpoint, *http.Request, reply) reply {
	return func(*endpoint, *http.Request, reply) reply { return refused(err) }
}

func answerTimeout(*endpoint, *http.Request, reply) reply {
	return refused(refuse(http.StatusInternalServerError, "0xa3: timeout"))
}

func answerA1(e *endpoint, _ *http.Request, _ reply) reply {
	if e.kind == "password" {
		return refused(refuse(http.StatusInternalServerError, "0xa1: failed to set config on vm"))
	}
	return refused(unsent(strings.TrimPrefix(e.kind, "dedicated-")))
}

func answerHTML(status int) func(*endpoint, *http.Request, reply) reply {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	page := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
	return func(*endpoint, *http.Request, reply) reply {
		return reply{status: status, header: map[string]string{"Content-Type": "text/html"}, body: []byte(page)}
	}
}

func answerThrottled(*endpoint, *http.Request, reply) reply {
	out := refused(framework(http.StatusTooManyRequests, "Too Many Attempts."))
	out.header = map[string]string{"Retry-After": "2"}
	return out
}

func answerHalf(_ *endpoint, _ *http.Request, out reply) reply {
	out.half = true
	return out
}

// A client that follows the redirect sends its call twice: Calls shows both.
func answerRedirect(_ *endpoint, r *http.Request, _ reply) reply {
	return reply{status: http.StatusTemporaryRedirect, header: map[string]string{"Location": r.URL.EscapedPath()}}
}

func answerTrue(*endpoint, *http.Request, reply) reply { return succeeded(true) }

func answerMisshapen(_ *endpoint, _ *http.Request, out reply) reply {
	if out.result == nil {
		return out // it was refused
	}
	list, ok := out.result.([]incident)
	if !ok {
		return succeeded(misshape(out.result))
	}
	return reply{status: out.status, body: encode(incidentsAnswer{Response: misshape(list)})}
}

// nearest returns the word with the smallest edit distance to what was typed.
func nearest(typed string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int { return distance(typed, a) - distance(typed, b) })
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
