package hostersim

import (
	"net/http"
	"time"
)

const (
	startTime = 3 * time.Second
	haltTime  = 8 * time.Second
)

// machine is the power of a VM or a dedicated server.
type machine struct {
	running   bool
	booted    time.Time // while running; in the future during a boot
	switching *event    // a start, a shutdown or a reinstallation on its way
}

func (m *machine) state() string {
	if m.running {
		return "running"
	}
	return "halted"
}

// uptime is 0 while halted and while booting.
func (m *machine) uptime(now time.Time) time.Duration {
	if !m.running {
		return 0
	}
	return max(now.Sub(m.booted), 0)
}

// unsent is the documented refusal of a signal.
func unsent(signal string) error {
	return refuse(http.StatusInternalServerError, "0xa1: failed to send %s signal to vm", signal)
}

// signal starts, shuts down, stops, reboots or resets a machine. A start and a
// shutdown take their time, and the same again meanwhile changes nothing; a
// stop is at once; a reboot and a reset set the uptime back at once.
func (w *world) signal(m *machine, signal string, now time.Time) error {
	if m.running == (signal == "start") && (signal != "stop" || m.switching == nil) {
		return unsent(signal)
	}
	switch signal {
	case "start":
		if m.switching == nil {
			m.switching = w.plan(now.Add(w.takes(startTime)), m.boot)
		}
	case "shutdown":
		if m.switching == nil {
			m.switching = w.plan(now.Add(w.takes(haltTime)), func(time.Time) { m.halt() })
		}
	case "stop":
		m.halt()
	case "reboot", "reset":
		m.boot(now.Add(w.takes(startTime)))
	}
	return nil
}

// boot makes it run, with an uptime that counts from at.
func (m *machine) boot(at time.Time) {
	m.halt()
	m.running, m.booted = true, at
}

// halt makes it stop, whatever was on its way.
func (m *machine) halt() {
	m.switching.cancel()
	m.switching = nil
	m.running = false
}
