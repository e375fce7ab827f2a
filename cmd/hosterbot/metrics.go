package main

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hosterbot/adapters/discord"
	"hosterbot/adapters/slack"
	"hosterbot/bot"
	"hosterbot/commands/hoster"
)

// Bounds of one scrape.
const (
	scrapeFor   = 5 * time.Second
	countEvery  = 10 * time.Second // operations and messages are counted at most this often
	countedOwed = 1000             // messages owed, at most
)

// meter is what /metrics shows. The bot, the API's client and the chats tell it
// what happens; what stands somewhere it asks for when it is read. Labels are
// words of the catalogue and of fixed lists, never the ID of anything.
type meter struct {
	registry  *prometheus.Registry
	commands  *prometheus.CounterVec
	decisions *prometheus.HistogramVec
	acks      *prometheus.HistogramVec
	calls     *prometheus.CounterVec
	callTook  *prometheus.HistogramVec
	retries   *prometheus.CounterVec
	waits     *prometheus.HistogramVec
	reached   *prometheus.CounterVec
	messages  *prometheus.CounterVec
	panics    prometheus.Counter
	endpoints sync.Map // those that have their series of calls
}

var (
	_ bot.Metrics          = (*meter)(nil)
	_ prometheus.Collector = (*standing)(nil)
)

// newMeter makes a meter that has seen nothing. What it can count by a label
// of a short fixed list stands there as 0, so that an alert sees the first.
func newMeter() *meter {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &meter{
		registry:  prometheus.NewRegistry(),
		commands:  counter("hosterbot_commands_total", "Commands that were answered, by name and outcome.", "command", "outcome"),
		decisions: histogram("hosterbot_decision_seconds", "How long the policy took to decide.", []float64{1e-6, 5e-6, 25e-6, 1e-4, 1e-3, 1e-2}, "allowed"),
		acks:      histogram("hosterbot_ack_seconds", "From a chat's hand-over to the first answer to it.", []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3}, "kind"),
		calls:     counter("hosterbot_api_calls_total", "Calls to HosterAPI that are over, by endpoint and class.", "endpoint", "class"),
		callTook:  histogram("hosterbot_api_call_seconds", "How long a call to HosterAPI took.", []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90}, "kind"),
		retries:   counter("hosterbot_api_retries_total", "Calls to HosterAPI that were made again: reads, and changes of which nothing was sent.", "kind"),
		waits:     histogram("hosterbot_api_rate_wait_seconds", "How long a call waited for its turn at the rate limit.", []float64{0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300}, "for"),
		reached:   counter("hosterbot_operation_states_total", "Operations that reached a state.", "state"),
		messages:  counter("hosterbot_messages_total", "Messages owed that were sent, or failed to be.", "kind", "result"),
		panics:    prometheus.NewCounter(prometheus.CounterOpts{Name: "hosterbot_panics_total", Help: "Handlers that panicked: a mistake in hosterbot."}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hosterbot_build_info", Help: "What runs.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.commands, m.decisions, m.acks, m.calls, m.callTook, m.retries, m.waits, m.reached, m.messages, m.panics, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, kind := range []bot.OwedKind{bot.OwedRoot, bot.OwedLine, bot.OwedEnd} {
		m.messages.WithLabelValues(string(kind), resultSent)
		m.messages.WithLabelValues(string(kind), resultFailed)
	}
	for _, s := range openStates {
		m.reached.WithLabelValues(string(s))
	}
	for _, kind := range []string{kindRead, kindChange} {
		m.retries.WithLabelValues(kind)
	}
	return m
}

// classes are all that can become of a call.
var classes = []hoster.Class{hoster.NotSent, hoster.Throttled, hoster.Refused, hoster.Accepted, hoster.NoAnswer}

// Values of labels.
const (
	resultSent, resultFailed = "sent", "failed"
	kindRead, kindChange     = "read", "change"
)

// Command implements bot.Metrics.
func (m *meter) Command(words, outcome string, _ time.Duration) {
	m.commands.WithLabelValues(cmp.Or(words, "(not understood)"), outcome).Inc()
}

// Decision implements bot.Metrics.
func (m *meter) Decision(_ string, allowed bool, took time.Duration) {
	word := "no"
	if allowed {
		word = "yes"
	}
	m.decisions.WithLabelValues(word).Observe(took.Seconds())
}

// State implements bot.Metrics. An operation reaches checking in the store
// only where an attempt is made anew.
func (m *meter) State(s bot.State) {
	m.reached.WithLabelValues(string(s)).Inc()
	if s == bot.Checking {
		m.retries.WithLabelValues(kindChange).Inc()
	}
}

// Message implements bot.Metrics.
func (m *meter) Message(kind bot.OwedKind, ok bool) {
	result := resultFailed
	if ok {
		result = resultSent
	}
	m.messages.WithLabelValues(string(kind), result).Inc()
}

// Panic implements bot.Metrics.
func (m *meter) Panic() { m.panics.Inc() }

// call takes note of an attempt at HosterAPI.
func (m *meter) call(c hoster.Call) {
	kind := kindChange
	if c.Method == http.MethodGet {
		kind = kindRead
	}
	if _, known := m.endpoints.LoadOrStore(c.Endpoint, true); !known {
		for _, class := range classes { // so that an alert sees the first of each
			m.calls.WithLabelValues(c.Endpoint, string(class))
		}
	}
	m.calls.WithLabelValues(c.Endpoint, string(c.Class)).Inc()
	m.callTook.WithLabelValues(kind).Observe(c.Took.Seconds())
	if c.Attempt > 1 {
		m.retries.WithLabelValues(kind).Inc()
	}
}

// waited takes note of a wait at the rate limit.
func (m *meter) waited(p hoster.Priority, d time.Duration) {
	words := [...]string{hoster.People: "people", hoster.Mutation: "changes", hoster.Settling: "settling", hoster.Polling: "polling"}
	if p >= 0 && int(p) < len(words) {
		m.waits.WithLabelValues(words[p]).Observe(d.Seconds())
	}
}

// serve answers /metrics. What cannot be read is left out: a store that is
// down must not hide that it is.
func (m *meter) serve() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 2 * scrapeFor})
}

// metrics serves what the meter of a life counts, and what stands.
func (l *life) metrics() http.Handler {
	m := l.parts.meter
	m.registry.MustRegister(&standing{of: l})
	return m.serve()
}

// measured is a door into the bot that measures how long the first answer
// takes.
type measured struct {
	bot.Handler
	m     *meter
	clock bot.Clock
}

// Handle implements bot.Handler.
func (h measured) Handle(ctx context.Context, r bot.Request) {
	r.Answer = h.watch(r.Answer, r.Came, "command")
	h.Handler.Handle(ctx, r)
}

// Press implements bot.Handler.
func (h measured) Press(ctx context.Context, p bot.Press) {
	p.Answer = h.watch(p.Answer, p.Came, "button")
	h.Handler.Press(ctx, p)
}

// Submit implements bot.Handler.
func (h measured) Submit(ctx context.Context, s bot.Submission) {
	s.Answer = h.watch(s.Answer, s.Came, "form")
	h.Handler.Submit(ctx, s)
}

func (h measured) watch(r bot.Responder, came time.Time, kind string) bot.Responder {
	if came.IsZero() {
		came = h.clock.Now()
	}
	return &stopwatch{Responder: r, began: came, clock: h.clock, seen: h.m.acks.WithLabelValues(kind)}
}

// stopwatch is a Responder that takes the time of its first answer.
type stopwatch struct {
	bot.Responder
	began time.Time
	clock bot.Clock
	seen  prometheus.Observer
	once  sync.Once
}

func (s *stopwatch) stop() {
	s.once.Do(func() { s.seen.Observe(s.clock.Now().Sub(s.began).Seconds()) })
}

// Ack implements bot.Responder.
func (s *stopwatch) Ack(ctx context.Context) error {
	defer s.stop()
	return s.Responder.Ack(ctx)
}

// Form implements bot.Responder.
func (s *stopwatch) Form(ctx context.Context, f bot.Form) error {
	defer s.stop()
	return s.Responder.Form(ctx, f)
}

// Reply implements bot.Responder.
func (s *stopwatch) Reply(ctx context.Context, c bot.Card) error {
	defer s.stop()
	return s.Responder.Reply(ctx, c)
}

// File implements bot.Responder.
func (s *stopwatch) File(ctx context.Context, f bot.File) error {
	defer s.stop()
	return s.Responder.File(ctx, f)
}

// openStates are the states of operations that have not ended.
var openStates = []bot.State{bot.Confirming, bot.Pending, bot.Ready, bot.Checking, bot.Intent, bot.InProgress, bot.Following, bot.Unknown, bot.NeedsHuman, bot.LostTrack}

// reconnecting is a chat that counts how often it connected anew.
type reconnecting interface{ Reconnects() uint64 }

var (
	_ reconnecting = (*slack.Adapter)(nil)
	_ reconnecting = (*discord.Adapter)(nil)
)

// standing is what stands somewhere at the moment of a scrape.
type standing struct {
	of *life

	mu      sync.Mutex
	counted time.Time
	tally   tally
}

// tally is what the store holds.
type tally struct {
	ok     bool
	states map[bot.State]int
	owed   int
	oldest time.Time // message owed
	head   uint64    // of the audit log
}

var (
	readyDesc      = prometheus.NewDesc("hosterbot_ready", "1 where /readyz says so.", nil, nil)
	partDesc       = prometheus.NewDesc("hosterbot_part_up", "1 for a part that works: store, policy, HosterAPI, and each chat.", []string{"part"}, nil)
	refusedDesc    = prometheus.NewDesc("hosterbot_api_token_refused", "1 while HosterAPI refuses HOSTERAPI_TOKEN, and nothing is changed.", nil, nil)
	operationsDesc = prometheus.NewDesc("hosterbot_operations", "Operations that have not ended, by state: unknown and needs-human hold their lane.", []string{"state"}, nil)
	followedDesc   = prometheus.NewDesc("hosterbot_jobs_followed", "Jobs, backups and orders that are followed to their end.", nil, nil)
	owedDesc       = prometheus.NewDesc("hosterbot_messages_owed", "Messages that the chats have not taken yet; counted to 1000.", nil, nil)
	oldestDesc     = prometheus.NewDesc("hosterbot_message_oldest_seconds", "Age of the oldest message owed; 0 where none is.", nil, nil)
	headDesc       = prometheus.NewDesc("hosterbot_audit_head", "Number of the newest audit record.", nil, nil)
	reconnectsDesc = prometheus.NewDesc("hosterbot_chat_reconnects_total", "How often a chat connected anew, refreshes included.", []string{"chat"}, nil)
	policyDesc     = prometheus.NewDesc("hosterbot_policy_info", "The policy in force, by the first twelve digits of its hash.", []string{"hash"}, nil)
	loadedDesc     = prometheus.NewDesc("hosterbot_policy_loaded_timestamp_seconds", "When the policy in force was loaded.", nil, nil)
	ageDesc        = prometheus.NewDesc("hosterbot_policy_age_seconds", "How long the policy has been in force.", nil, nil)
	reloadDesc     = prometheus.NewDesc("hosterbot_policy_last_reload_successful", "0 where the last reload failed and the policy before it stays in force.", nil, nil)
	reloadedDesc   = prometheus.NewDesc("hosterbot_policy_last_reload_timestamp_seconds", "When the policy was last loaded, or failed to be.", nil, nil)
)

// Describe implements prometheus.Collector.
func (s *standing) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		readyDesc, partDesc, refusedDesc, operationsDesc, followedDesc, owedDesc, oldestDesc, headDesc, reconnectsDesc,
		policyDesc, loadedDesc, ageDesc, reloadDesc, reloadedDesc,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *standing) Collect(out chan<- prometheus.Metric) {
	l := s.of
	ctx, cancel := context.WithTimeout(context.Background(), scrapeFor)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	health := l.bot.Health(ctx)
	gauge(readyDesc, bit(readiness(health).Ready))
	for _, h := range health {
		gauge(partDesc, bit(h.OK), h.Name)
	}
	gauge(refusedDesc, bit(l.api.Health().TokenRefused))
	for _, chat := range l.parts.chats {
		if r, ok := chat.(reconnecting); ok {
			out <- prometheus.MustNewConstMetric(reconnectsDesc, prometheus.CounterValue, float64(r.Reconnects()), chat.Health().Name)
		}
	}
	now := l.parts.clock.Now()
	st := l.parts.policy.State()
	last := st.LoadedAt
	if st.LastErr != nil {
		last = st.LastErrAt
	}
	gauge(policyDesc, 1, strings.ToLower(st.Hash[:min(12, len(st.Hash))]))
	gauge(loadedDesc, seconds(st.LoadedAt))
	gauge(ageDesc, now.Sub(st.LoadedAt).Seconds())
	gauge(reloadDesc, bit(st.LastErr == nil))
	gauge(reloadedDesc, seconds(last))

	t := s.count(ctx, l.store, now)
	if !t.ok {
		return
	}
	for _, state := range openStates {
		gauge(operationsDesc, float64(t.states[state]), string(state))
	}
	gauge(followedDesc, float64(t.states[bot.Following]))
	gauge(owedDesc, float64(t.owed))
	age := 0.0
	if t.owed > 0 {
		age = max(0, now.Sub(t.oldest).Seconds())
	}
	gauge(oldestDesc, age)
	gauge(headDesc, float64(t.head))
}

// count asks the store what it holds, if that was not done a moment ago.
func (s *standing) count(ctx context.Context, st bot.Store, now time.Time) tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := now.Sub(s.counted); s.tally.ok && d >= 0 && d < countEvery {
		return s.tally
	}
	s.counted, s.tally = now, countStore(ctx, st, now)
	return s.tally
}

// countStore counts what has not ended; what ends meanwhile is left out.
func countStore(ctx context.Context, st bot.Store, now time.Time) tally {
	t := tally{states: make(map[bot.State]int)}
	open, err := st.Open(ctx)
	if err != nil {
		return t
	}
	for _, id := range open {
		op, err := st.Operation(ctx, id)
		if err != nil {
			return t
		}
		t.states[op.State]++
	}
	owed, _, err := st.Owed(ctx, now.AddDate(10, 0, 0), "", countedOwed) // those that were put off as well
	if err != nil {
		return t
	}
	t.owed = len(owed)
	for i := range owed {
		if t.oldest.IsZero() || owed[i].At.Before(t.oldest) {
			t.oldest = owed[i].At
		}
	}
	records, err := st.Audit(ctx, bot.AuditFilter{Limit: 1})
	if err != nil {
		return t
	}
	for i := range records {
		t.head = records[i].Seq
	}
	t.ok = true
	return t
}

func bit(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// seconds is a moment as Prometheus has it.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
