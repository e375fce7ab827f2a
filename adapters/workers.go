package adapters

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"hosterbot/bot"
)

// How many calls a chat works on.
const (
	CallsMost      = 1200                   // waiting or under way; the rest is told that the bot is busy
	pressesMore    = 200                    // beyond them, for who decides about what is under way
	callsAtOnce    = 64                     // side by side until they are acknowledged,
	restsAtOnce    = 64                     // and after that;
	restsMeanwhile = 2                      // fewer while calls are not acknowledged yet
	idleMost       = 32                     // goroutines that are kept for the next
	busyAtOnce     = 128                    // who is told at once that the bot is busy
	callWaits      = 250 * time.Millisecond // for other calls, which may hang, at most
	restWaits      = 25 * time.Millisecond  // for calls, at most
)

// Recovered, deferred, logs a panic: one strange payload is not the end of all
// others.
func Recovered(log *slog.Logger) {
	if v := recover(); v != nil {
		log.Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

// Workers are the goroutines on which a chat calls its handler. What people do
// comes first, until it is acknowledged; what is left of it comes after. What
// waits holds no stack: a thousand commands at once take little memory.
type Workers struct {
	clock bot.Clock

	mu    sync.Mutex
	open  bool
	wait  sync.WaitGroup
	held  int // calls, until all of them is done
	busy  int
	calls line
	rests line        // that do not ask the provider
	slow  line        // that do
	idle  []chan task // goroutines that wait for more to do

	settled chan struct{} // nil: nobody waits; closed when nothing is left, and
	before  int           // so many calls have ended: those of an earlier
	age     int           // than this
}

// line is jobs of one kind: some run, and others wait for them to end.
type line struct {
	most    int           // run at once, also of those that have waited long
	waits   time.Duration // what of it waits longer has waited long
	timer   bool          // it is looked at when that is
	waiting []job
	running int
}

type job struct {
	do    func(since time.Time) bot.Rest
	since time.Time
	age   int // of a call
}

// task is a job of a line, on a goroutine.
type task struct {
	job
	of *line
}

func (l *line) empty() bool { return l.running == 0 && len(l.waiting) == 0 }

// take takes the first job to run it; the zero job if there is none.
func (l *line) take() job {
	if len(l.waiting) == 0 {
		return job{}
	}
	j := l.waiting[0]
	l.waiting[0] = job{}
	l.waiting = l.waiting[1:]
	l.running++
	return j
}

// NewWorkers makes workers that let nothing begin until Open.
func NewWorkers(clock bot.Clock) *Workers {
	return &Workers{clock: clock, calls: line{most: CallsMost, waits: callWaits},
		rests: line{most: restsAtOnce, waits: restWaits}, slow: line{most: restsAtOnce, waits: restWaits}}
}

// Open lets calls begin.
func (w *Workers) Open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = true
}

// Settle waits until what is under way has ended, or ctx has. What begins
// meanwhile is not waited for, but for what it leaves.
func (w *Workers) Settle(ctx context.Context) {
	w.mu.Lock()
	settled := make(chan struct{})
	w.settled, w.before = settled, w.calls.running+len(w.calls.waiting)
	w.age++
	w.settle()
	w.mu.Unlock()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// settle tells Settle when it is over.
func (w *Workers) settle() {
	if w.settled != nil && w.before <= 0 && w.rests.empty() && w.slow.empty() {
		close(w.settled)
		w.settled = nil
	}
}

// Close lets nothing begin any more, and returns when all has ended.
func (w *Workers) Close() {
	w.mu.Lock()
	w.open = false
	w.mu.Unlock()
	w.wait.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, more := range w.idle {
		close(more)
	}
	w.idle = nil
}

// Call calls do on a goroutine, with the time of now, and later what do returns
// as left to do. Call never waits, and is false if there is too much to do;
// presses may be a few more. After Close it does nothing: the process ends, and
// whoever asks sees that nobody answers.
func (w *Workers) Call(press bool, do func(since time.Time) bot.Rest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.open:
		return true
	case w.held >= CallsMost+pressesMore, w.held >= CallsMost && !press:
		return false
	}
	w.held++
	w.wait.Add(1)
	w.calls.waiting = append(w.calls.waiting, job{do, w.clock.Now(), w.age})
	if w.calls.running < callsAtOnce {
		w.start(&w.calls)
	} else {
		w.lookAfter(&w.calls, callWaits)
	}
	return true
}

// Busy tells somebody that there is too much to do, by calling f on a
// goroutine. It is false if too many are told at once.
func (w *Workers) Busy(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.open:
		return true
	case w.busy == busyAtOnce:
		return false
	}
	w.busy++
	w.wait.Go(func() {
		f()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.busy--
	})
	return true
}

// start runs the first job of a line, and whatever comes after it.
func (w *Workers) start(l *line) {
	j := l.take()
	if j.do == nil {
		return
	}
	if last := len(w.idle) - 1; last >= 0 {
		w.idle[last] <- task{j, l}
		w.idle = w.idle[:last]
		return
	}
	go w.work(task{j, l})
}

// work is a goroutine. It stays for what comes next, where there are not too many
// of them: a new one would have to grow its stack first.
func (w *Workers) work(t task) {
	more := make(chan task, 1)
	for ok := true; ok; t, ok = <-more {
		for t.do != nil {
			t = w.next(t, t.do(t.since), more)
		}
	}
}

// next ends a task, which has left a rest or nil, and takes another one. If
// there is none, the zero task is returned, and one may come through more.
func (w *Workers) next(t task, rest bot.Rest, more chan task) task {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.of.running--
	if t.of == &w.calls && t.age < w.age {
		w.before--
	}
	left := &w.slow
	if !rest.Asks {
		left = &w.rests
	}
	if rest.Run == nil {
		w.held--
		w.wait.Done()
	} else {
		left.waiting = append(left.waiting, job{do: func(time.Time) bot.Rest { rest.Run(); return bot.Rest{} }, since: w.clock.Now()})
	}
	var mine task
	if w.calls.running < callsAtOnce {
		mine = task{w.calls.take(), &w.calls}
	}
	for _, l := range []*line{&w.rests, &w.slow} {
		for l.running < w.room() && len(l.waiting) > 0 {
			if mine.do != nil {
				w.start(l)
				continue
			}
			mine = task{l.take(), l}
		}
		if len(l.waiting) > 0 && l.running < l.most {
			w.lookAfter(l, restWaits)
		}
	}
	w.settle()
	switch {
	case mine.do != nil:
	case w.open && len(w.idle) < idleMost:
		w.idle = append(w.idle, more)
	default:
		close(more)
	}
	return mine
}

// room is how many rests may run now.
func (w *Workers) room() int {
	if w.calls.running > 0 || len(w.calls.waiting) > 0 {
		return restsMeanwhile
	}
	return restsAtOnce
}

// lookAfter sees to it that nothing of a line waits long for calls that hang.
func (w *Workers) lookAfter(l *line, in time.Duration) {
	if l.timer {
		return
	}
	l.timer = true
	w.clock.AfterFunc(in, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		l.timer = false
		for now := w.clock.Now(); len(l.waiting) > 0 && l.running < l.most; w.start(l) {
			if left := l.waits - now.Sub(l.waiting[0].since); left > 0 {
				w.lookAfter(l, left)
				return
			}
		}
	})
}
