package hostersim

import (
	"net/http"
	"strconv"
	"time"
)

const (
	firstJob = 15 // as in the documentation

	queueShare = 0.04 // of its length, which a task waits before it begins
	failShare  = 0.33 // where a failing task fails
	stallShare = 0.2  // where a stalling task stalls
	lastShare  = 0.95 // the last progress before the end

	overLimits = "0xb0: Requested resources exceed administrative limits"
)

// task is work with a length. Its progress is a function of the time.
type task struct {
	began   time.Time
	length  time.Duration
	ceiling float64 // the progress that it does not pass: 1, or where it stalls or fails
	failure string  // why it fails at its ceiling; "" if it stalls there
}

// newTask begins work. Its end is run when it is there, unless fault or failure
// say otherwise; end returns why it failed after all, or "".
func (w *world) newTask(r *request, length time.Duration, failure string, end func(at time.Time) string) *task {
	t := &task{began: r.now, length: w.takes(length), ceiling: 1, failure: failure}
	if r.fault == jobFails {
		t.failure = overLimits
	}
	switch {
	case t.failure != "":
		t.ceiling = failShare
	case r.fault == jobStalls:
		t.ceiling = stallShare
	default:
		w.plan(t.began.Add(t.length), func(at time.Time) {
			if t.failure = end(at); t.failure != "" {
				t.ceiling = lastShare
			}
		})
	}
	return t
}

// at returns how far the task is: queued, executing, finished or failed.
func (t *task) at(now time.Time) (status string, progress float64) {
	share := 1.0
	if end := t.began.Add(t.length); now.Before(end) {
		share = float64(now.Sub(t.began)) / float64(t.length)
	}
	switch {
	case share < queueShare:
		return "queued", 0
	case share < t.ceiling:
		return "executing", float64(int(share*20)) / 20
	case t.failure != "":
		return "failed", t.ceiling
	case t.ceiling < 1:
		return "executing", t.ceiling
	}
	return "finished", 1
}

type job struct {
	*task
	output *jobOutput // once finished; nil for software
	lost   bool
}

// jobOutput names the VM that a finished job made, and its password.
type jobOutput struct {
	VM       int      `json:"vmid"`
	IPs      []string `json:"ips"`
	User     string   `json:"user"`
	Password string   `json:"password"`
}

// startedJob answers a call that started a job.
type startedJob struct {
	Status   string  `json:"status"`
	ID       int     `json:"jobId"`
	Progress float64 `json:"progress"`
}

type jobAnswer struct {
	Status   string  `json:"status"`
	Progress float64 `json:"progress"`
	Output   any     `json:"output"` // null, a *jobOutput, or why it failed
}

// startJob begins a job that takes about as long as usual. At the end, finish
// does its work and returns the output, or why it failed.
func (w *world) startJob(r *request, usual time.Duration, failure string, finish func(id int, at time.Time) (*jobOutput, string)) startedJob {
	id := firstJob + len(w.jobs)
	length := time.Duration(float64(usual) * (0.9 + 0.2*w.chance("job length", int64(id))))
	j := &job{lost: r.fault == jobLost}
	j.task = w.newTask(r, length, failure, func(at time.Time) (why string) {
		j.output, why = finish(id, at)
		return why
	})
	w.jobs[id] = j
	return startedJob{Status: "queued", ID: id}
}

func (w *world) showJob(r *request) (any, error) {
	id, err := strconv.Atoi(r.id)
	j, ok := w.jobs[id]
	if ok && r.fault == jobLost {
		j.lost = true
	}
	if err != nil || !ok || j.lost {
		return nil, refuse(http.StatusNotFound, "0xc1: job not found")
	}
	a := jobAnswer{}
	a.Status, a.Progress = j.at(r.now)
	switch {
	case a.Status == "failed":
		a.Output = j.failure
	case a.Status == "finished" && j.output != nil:
		a.Output = j.output
		w.give(j.output.Password)
	}
	return a, nil
}
