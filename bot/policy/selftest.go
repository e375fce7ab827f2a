package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// selfTest is an entry of `tests`.
type selfTest struct {
	at       pos
	question Question
	run      string
	timed    bool // has `at`, and so obeys freezes
	expect   string
	count    int
	by       []string
	rule     string
}

// TestResult is how a test of the file went.
type TestResult struct {
	Line      int
	As, Run   string
	Want, Got string // "approve, count 2, by rule prod-two"
	OK        bool
	Rules     []Rule // that decided
}

// nowhere is where a test runs that names no place: a channel that no rule
// names.
var nowhere = Place{Platform: "test", Team: "test", Channel: "test"}

// testSection reads `tests`.
func (l *loader) testSection(n node) {
	for _, item := range l.section(n, "`tests`") {
		l.test(item)
	}
}

func (l *loader) test(n node) {
	m, ok := l.mapping(n, "a test", "as", "run", "expect", "count", "by", "rule", "in", "at", "member", "price")
	if !ok {
		return
	}
	l.need(m, "a test", "as", "run", "expect")
	t := selfTest{at: m.at, question: Question{Place: nowhere, Member: make(map[string]Membership)}}
	q := &t.question
	if q.Person, ok = l.text(m.value("as"), "`as`"); ok {
		if _, ok := l.snap.personAt[q.Person]; !ok {
			l.errorf(m.value("as").pos(), "unknown person `%s`%s", clip(q.Person), didYouMean(q.Person, l.snap.People()))
		}
	}
	if t.run, ok = l.text(m.value("run"), "`run`"); ok {
		l.parseRun(&t, m.value("run").pos())
	}
	t.expect, _ = l.choice(m.value("expect"), "`expect`", verdicts...)
	for _, key := range []string{"count", "by"} {
		if m.has(key) && t.expect != verdictApprove && t.expect != "" {
			l.errorf(m.keyPos(key), "`%s` goes with `expect: approve` only", key)
		}
	}
	if count, ok := l.number(m.value("count"), "`count`", 1); ok {
		t.count = int(min(count, maxCount+1))
	}
	if by := l.party(m.value("by"), "`by`"); by != nil {
		t.by = by.names
	}
	if t.rule, ok = l.text(m.value("rule"), "`rule`"); ok {
		l.checkRule(t.rule, m.value("rule").pos())
	}
	if in, ok := l.text(m.value("in"), "`in`"); ok {
		q.Place, _ = l.place(textItem{in, m.value("in").pos()}, "")
	}
	q.Time, t.timed = l.moment(m.value("at"), "`at`"), m.has("at")
	if price, ok := l.price(m.value("price"), "`price`"); ok {
		q.Facts.Price = price
		q.Facts.Known |= FactPrice
	}
	for i := range l.snap.groups {
		if l.snap.groups[i].lookedUp() {
			q.Member[l.snap.groups[i].name] = No
		}
	}
	for _, item := range l.texts(m.value("member"), "`member`") {
		i, ok := l.snap.groupAt[item.value]
		switch {
		case !ok:
			l.errorf(item.at, "unknown group `%s`%s", clip(item.value), didYouMean(item.value, l.lookedUpNames()))
		case !l.snap.groups[i].lookedUp() && !l.snap.groups[i].broken:
			l.errorf(item.at, "`member` names groups that are looked up, and the file lists who is in `%s`", item.value)
		default:
			q.Member[item.value] = Yes
		}
	}
	l.snap.tests = append(l.snap.tests, t)
}

func (l *loader) lookedUpNames() (names []string) {
	for _, g := range l.snap.LookedUp() {
		names = append(names, g.Name)
	}
	return names
}

// checkRule reports a rule that a test expects and that there is not.
func (l *loader) checkRule(id string, at pos) {
	if _, ok := l.ids[id]; ok || reserved(id) {
		return
	}
	var known []string
	for k := range l.ids {
		known = append(known, k)
	}
	slices.Sort(known)
	l.errorf(at, "unknown rule `%s`%s", clip(id), didYouMean(id, known))
}

// parseRun reads the command line of a test.
func (l *loader) parseRun(t *selfTest, at pos) {
	parsed, err := l.snap.ParseLine(l.vocab, t.run)
	if err != nil {
		l.errorf(at, "`run` is no command line: %v", err)
		return
	}
	t.question.Command, t.question.Targets, t.question.Facts = parsed.Command, parsed.Targets, parsed.Facts
}

// RunTests runs the tests of the file. They run on the arguments alone, and
// ignore freezes unless they say when.
func (s *Snapshot) RunTests() []TestResult {
	results := make([]TestResult, len(s.tests))
	for i := range s.tests {
		results[i] = s.run(&s.tests[i])
	}
	return results
}

func (s *Snapshot) run(t *selfTest) TestResult {
	q := t.question
	q.timeless = !t.timed
	a, _ := s.decide(&q)
	want, got := []string{t.expect}, []string{a.Verdict()}
	ok := t.expect == a.Verdict()
	if t.count > 0 || t.by != nil {
		count := votes(a.Requirement.Approve, t.by)
		ok = ok && count > 0 && (t.count == 0 || t.count == count)
		if t.count > 0 {
			want = append(want, "count "+strconv.Itoa(t.count))
		}
		if t.by != nil {
			want = append(want, "by "+enumerate(t.by, "and"))
		}
	}
	if len(a.Requirement.Approve) > 0 {
		got = append(got, approvalList(a.Requirement.Approve))
	}
	if t.rule != "" {
		want = append(want, "rule "+t.rule)
		ok = ok && slices.ContainsFunc(a.Rules, func(r Rule) bool { return r.ID == t.rule })
	}
	for _, r := range a.Rules {
		got = append(got, "by "+s.short(r))
	}
	return TestResult{
		Line: t.at.line, As: q.Person, Run: t.run,
		Want: strings.Join(want, ", "), Got: strings.Join(got, ", "),
		OK: ok, Rules: a.Rules,
	}
}

// votes counts the slots of the approvals, only those of one list if by is
// given.
func votes(approvals []Approval, by []string) (n int) {
	for _, a := range approvals {
		if by == nil || a.sameBy(Approval{By: by}) {
			n += a.Count
		}
	}
	return n
}

func approvalList(approvals []Approval) string {
	texts := make([]string, len(approvals))
	for i, a := range approvals {
		texts[i] = a.String()
	}
	return enumerate(texts, "and")
}

// short names a rule and its line.
func (s *Snapshot) short(r Rule) string {
	if r.Line == 0 {
		return r.ID
	}
	return fmt.Sprintf("%s %s (line %d)", r.Kind, r.ID, r.Line)
}

// failures runs the tests and returns a problem for each that fails.
func (s *Snapshot) failures() (failed Problems) {
	for i, r := range s.RunTests() {
		if !r.OK {
			at := s.tests[i].at
			failed = append(failed, Problem{s.file, at.line, at.col, fmt.Sprintf("this test fails: %s, `%s`: want %s; got %s", r.As, clip(r.Run), r.Want, r.Got)})
		}
	}
	return failed
}
