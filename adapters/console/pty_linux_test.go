package console_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/console"
	"hosterbot/bot"
)

// pty is a terminal of the kernel with somebody at its keyboard.
type pty struct {
	*tty
	t      *testing.T
	master *os.File
	slave  *os.File
}

func newPTY(t *testing.T, o *console.Options, width, height int) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	p := &pty{t: t, master: master}
	var number, unlocked int32
	p.control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	p.control(syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	p.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	p.size(width, height)
	p.tty = newTTY(t, o) // what the terminal shows is collected there
	o.In, o.Out, o.Width, o.Height = p.slave, p.slave, width, height
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			_, _ = p.Write(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = master.Close() // a terminal that is hung up
		<-shown
		_ = p.slave.Close()
	})
	return p
}

func (p *pty) control(what uintptr, arg unsafe.Pointer) {
	p.t.Helper()
	conn, err := p.master.SyscallConn()
	require.NoError(p.t, err)
	var errno syscall.Errno
	require.NoError(p.t, conn.Control(func(fd uintptr) { _, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, what, uintptr(arg)) }))
	require.Zero(p.t, errno)
}

// size makes the terminal as large as that.
func (p *pty) size(width, height int) {
	p.t.Helper()
	size := [4]uint16{uint16(height), uint16(width)}
	p.control(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// resize makes it so while somebody looks. A terminal sends the signal to what
// runs on it; here that is this process.
func (p *pty) resize(width, height int) {
	p.t.Helper()
	p.mu.Lock()
	p.out.Reset()
	p.seen = 0
	p.mu.Unlock()
	p.size(width, height)
	require.NoError(p.t, syscall.Kill(os.Getpid(), syscall.SIGWINCH))
	p.wait("\x1b[H")
}

func (p *pty) types(keys string) {
	p.t.Helper()
	_, err := p.master.WriteString(keys)
	require.NoError(p.t, err)
}

// TestResizeDrawsAgain: table, bar and prompt take the new width at once, with
// what is half typed.
func TestResizeDrawsAgain(t *testing.T) {
	o := options(nil)
	p := newPTY(t, &o, 90, 30)
	c := console.New(o)
	m := &team{c: c}
	run(t, c, m)
	ctx, _, ended := interact(t, c)
	p.wait("ana> ")
	p.types("vm list\r")
	p.wait("As a file")
	p.wait("ana> ")
	long := creating(0.4)
	long.Title = "Create a VM with a title that goes on for more than fifty columns"
	_, err := c.Post(ctx, home(), "root/7", long)
	require.NoError(t, err)
	p.wait("ana> ")
	p.types("vm del")
	p.wait("vm del")
	require.Contains(t, onScreen(90, 30, p.shown()), "  ID    Name     State")

	p.resize(50, 30)
	p.wait("ana> vm del")
	narrow := onScreen(50, 30, p.shown())
	require.NotContains(t, narrow, "ID    Name     State")
	require.Contains(t, narrow, "  4001  Name: web-1 · State: running · Cores: 2\n")
	require.Contains(t, narrow, "● Create a VM with a title that goes on for")
	require.Equal(t, 1, strings.Count(narrow, "40 %"), narrow)
	require.True(t, strings.HasPrefix(narrow, "ana> vm list\n"), narrow)
	require.True(t, strings.HasSuffix(narrow, "\n\nana> vm del"), narrow)

	p.resize(90, 12)
	p.wait("ana> vm del")
	low := onScreen(90, 12, p.shown())
	require.NotContains(t, low, "vm list", "what has no room is not drawn")
	require.Contains(t, low, "title that goes on for more than fifty columns\n")
	p.types("\x15exit\r")
	require.NoError(t, <-ended)
}

// TestResizeMasksSecrets: what was shown once is not shown again.
func TestResizeMasksSecrets(t *testing.T) {
	o := options(nil)
	p := newPTY(t, &o, 90, 30)
	c := console.New(o)
	run(t, c, &team{c: c})
	_, _, ended := interact(t, c)
	p.wait("ana> ")
	p.types("vm password 4001\r")
	p.wait("hunter2")
	p.wait("ana> ")
	p.resize(60, 30)
	p.wait("Password: •••")
	p.wait("ana> ")
	require.NotContains(t, p.shown(), "hunter2")
	p.types("exit\r")
	require.NoError(t, <-ended)
}

// TestPlainTerminalHidesSecrets: on a terminal that can draw nothing again a
// secret is not seen while it is typed either, and no codes are sent.
func TestPlainTerminalHidesSecrets(t *testing.T) {
	o := options(nil)
	p := newPTY(t, &o, 80, 24)
	o.Terminal = false
	c := console.New(o)
	sent := make(chan bot.Submission, 1)
	run(t, c, &fakeBot{
		handle: func(ctx context.Context, r bot.Request) {
			require.NoError(t, r.Answer.Form(ctx, bot.Form{Code: "code", Title: "Password", Fields: []bot.FormField{{Name: "password", Secret: true, Required: true}}}))
		},
		submit: func(_ context.Context, s bot.Submission) { sent <- s },
	})
	_, _, ended := interact(t, c)
	p.types("vm ssh\n")
	p.wait("ana> vm ssh")
	p.wait("password")
	require.Eventually(t, func() bool { return !p.echoes() }, 10*time.Second, time.Millisecond, "what is typed is seen")
	p.types("hunter2\n")
	require.Equal(t, "hunter2", (<-sent).Secrets["password"].Reveal())
	p.types("exit\n")
	require.NoError(t, <-ended)
	require.NotContains(t, p.shown(), "hunter2")
	require.NotContains(t, p.shown(), "\x1b[")
}

// echoes tells whether the terminal shows what is typed.
func (p *pty) echoes() bool {
	p.t.Helper()
	var state syscall.Termios
	p.control(syscall.TCGETS, unsafe.Pointer(&state))
	return state.Lflag&syscall.ECHO != 0
}
