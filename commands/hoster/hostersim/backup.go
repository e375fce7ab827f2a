package hostersim

import (
	"net/http"
	"slices"
	"time"
)

const (
	saveTime    = 45 * time.Second
	restoreTime = 120 * time.Second
)

// backup is known by the second in which it was begun.
type backup struct {
	time     int64
	template string // what was installed
}

// saving is a backup that is being made or restored.
type saving struct {
	*task
	restores bool
}

type savingAnswer struct {
	Status   string  `json:"status"`
	Progress float64 `json:"progress"`
}

func (w *world) listBackups(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	times := make([]int64, 0, len(v.backups))
	for _, b := range slices.Backward(v.backups) {
		times = append(times, b.time)
	}
	return times, nil
}

// backupStatus tells of the last backup or restore. One that is under way is
// pending, a restore that has begun to move is restoring.
func (w *world) backupStatus(r *request) (any, error) {
	v, err := w.vm(r)
	switch {
	case err != nil:
		return nil, err
	case v.saving == nil && len(v.backups) == 0:
		return savingAnswer{"none", 0}, nil
	case v.saving == nil:
		return savingAnswer{"finished", 1}, nil
	}
	status, progress := v.saving.at(r.now)
	switch {
	case status == "executing" && v.saving.restores:
		status = "restoring"
	case status == "executing" || status == "queued":
		status = "pending"
	}
	return savingAnswer{status, progress}, nil
}

func (w *world) createBackup(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	b := backup{r.now.Unix(), v.template}
	t := w.newTask(r, saveTime, "", func(time.Time) string {
		for v.find(b.time) >= 0 {
			b.time++
		}
		v.backups = append(v.backups, b)
		slices.SortFunc(v.backups, func(a, b backup) int { return int(a.time - b.time) })
		return ""
	})
	v.saving = &saving{task: t}
	return true, nil
}

// find returns the index of the backup with that time, or -1.
func (v *vm) find(unix int64) int {
	return slices.IndexFunc(v.backups, func(b backup) bool { return b.time == unix })
}

func (w *world) restoreBackup(r *request) (any, error) {
	v, err := w.vm(r)
	if err != nil {
		return nil, err
	}
	i := v.find(int64(r.num("backup")))
	if i < 0 {
		return nil, refuse(http.StatusBadRequest, "0xa5: no target backup defined")
	}
	b := v.backups[i]
	t := w.newTask(r, restoreTime, "", func(at time.Time) string {
		v.template = b.template
		v.boot(at)
		return ""
	})
	v.saving = &saving{task: t, restores: true}
	return "pending", nil
}
