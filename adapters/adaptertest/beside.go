package adaptertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// besideEnv makes a test binary serve its double instead of running tests.
const besideEnv = "HOSTERBOT_TEST_BESIDE"

// lookEvery is how often what is said in another process is looked at.
const lookEvery = 20 * time.Millisecond

// Beside is the double of another chat, served by the test binary of its folder
// such as "slack". What goes wrong there fails the test.
func Beside(tb testing.TB, folder string) Double {
	tb.Helper()
	from, err := Root()
	require.NoError(tb, err)
	sources, err := filepath.Glob(filepath.Join(from, "adapters", folder, "*.go"))
	require.NoError(tb, err)
	for _, source := range sources { // the test cache counts the files that a test looks at
		_, err := os.Stat(source)
		require.NoError(tb, err)
	}
	file := filepath.Join(tb.TempDir(), folder+".test")
	build := exec.Command("go", "test", "-c", "-o", file, "./adapters/"+folder)
	build.Dir = from
	out, err := build.CombinedOutput()
	require.NoError(tb, err, "%s", out)
	cmd := exec.Command(file)
	cmd.Dir, cmd.Env = filepath.Join(from, "adapters", folder), append(os.Environ(), besideEnv+"=1")
	errs := &Journal{}
	cmd.Stderr = errs
	in, err := cmd.StdinPipe()
	require.NoError(tb, err)
	answers, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	r := &remote{tb: tb, client: rpc.NewClient(pipe{bufio.NewReader(answers), in})}
	tb.Cleanup(func() {
		_ = r.client.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the double of %s: %v\n%s", folder, err, errs)
		}
	})
	r.call("About", struct{}{}, &r.about)
	return r
}

// pipe is what comes in and what goes out, in one.
type pipe struct {
	io.Reader
	io.WriteCloser
}

// serve serves a double on the process's own pipes until they are closed, and
// returns the exit code.
func serve(open func(tb testing.TB) Double) int {
	tb := &alone{}
	server := rpc.NewServer()
	if err := server.RegisterName("Double", &service{Double: open(tb)}); err != nil {
		tb.Errorf("%v", err)
	}
	server.ServeConn(pipe{os.Stdin, os.Stdout})
	return tb.end()
}

// alone is a test of which nobody knows: what goes wrong is printed.
type alone struct {
	testing.TB // what is not below is not there

	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

func (a *alone) Helper()                 {}
func (a *alone) Name() string            { return "beside" }
func (a *alone) Logf(f string, v ...any) { fmt.Fprintf(os.Stderr, f+"\n", v...) }
func (a *alone) Error(v ...any)          { a.Errorf("%s", fmt.Sprintln(v...)) }
func (a *alone) Fatalf(f string, v ...any) {
	a.Errorf(f, v...)
	a.FailNow()
}

func (a *alone) Errorf(f string, v ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = true
	a.Logf(f, v...)
}

func (a *alone) FailNow() {
	a.Errorf("a test that goes no further")
	runtime.Goexit()
}

func (a *alone) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

func (a *alone) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *alone) end() int {
	for i := len(a.cleanups) - 1; i >= 0; i-- {
		a.cleanups[i]()
	}
	if a.Failed() {
		return 1
	}
	return 0
}

// The arguments and answers of service, which net/rpc wants exported.
type (
	About struct {
		Env     map[string]string
		Secrets []string
		Users   map[string]string
	}
	Act struct {
		Verb, Person, Text string
		Said               Said
		Shown              Shown
		Values             map[string]string
	}
	Acted struct {
		Deed    int
		Mark    uint64
		Refused string // what the client says of it
	}
	Seen struct {
		Now, Most int
		Said      []Said
		Opened    map[string]Opened
		Answered  map[int]bool // deeds
	}
)

// service serves a Double.
type service struct {
	Double

	mu    sync.Mutex
	deeds []Deed
}

var people = []string{"ana", "ben", "cho", "dia"}

func (s *service) About(_ struct{}, out *About) error {
	*out = About{Env: s.Env(), Secrets: s.Secrets(), Users: make(map[string]string)}
	for _, p := range people {
		out.Users[p] = s.User(p)
	}
	return nil
}

func (s *service) Adapted(policy string, out *string) error {
	*out = s.Adapt(policy)
	return nil
}

func (s *service) Act(a Act, out *Acted) error {
	var d Deed
	var err error
	switch a.Verb {
	case "join":
		return s.Join(a.Person, a.Text)
	case "delete":
		s.Delete(a.Text)
		return nil
	case "type":
		d, err = s.Type(a.Person, a.Text)
	case "click":
		d = s.Click(a.Person, a.Said, a.Shown)
	case "submit":
		d, err = s.Submit(a.Person, a.Values)
	}
	if err != nil {
		out.Refused = err.Error()
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deeds = append(s.deeds, d)
	out.Deed, out.Mark = len(s.deeds)-1, d.Mark()
	return nil
}

func (s *service) Taken(n int, _ *struct{}) error {
	s.mu.Lock()
	d := s.deeds[n]
	s.mu.Unlock()
	d.Acked()
	return nil
}

func (s *service) Look(_ struct{}, out *Seen) error {
	s.mu.Lock()
	deeds := s.deeds[:len(s.deeds):len(s.deeds)]
	s.mu.Unlock()
	s.Await(func() bool {
		*out = Seen{Said: s.Said(), Opened: make(map[string]Opened), Answered: make(map[int]bool)}
		out.Now, out.Most = s.Links()
		for _, p := range people {
			if form, open := s.Opened(p); open {
				out.Opened[p] = form
			}
		}
		for i, d := range deeds {
			out.Answered[i] = d.Shown()
		}
		return true
	})
	return nil
}

// remote is a Double in another process.
type remote struct {
	tb     testing.TB
	client *rpc.Client
	about  About

	mu   sync.Mutex
	seen Seen // of the newest look
}

var _ Double = (*remote)(nil)

func (r *remote) call(method string, in, out any) {
	r.tb.Helper()
	require.NoError(r.tb, r.client.Call("Double."+method, in, out))
}

func (r *remote) Env() map[string]string    { return maps.Clone(r.about.Env) }
func (r *remote) Secrets() []string         { return r.about.Secrets }
func (r *remote) User(person string) string { return r.about.Users[person] }
func (r *remote) Links() (now, most int)    { return r.seen.Now, r.seen.Most }
func (r *remote) Said() []Said              { return r.seen.Said }

func (r *remote) Opened(person string) (Opened, bool) {
	form, open := r.seen.Opened[person]
	return form, open
}

func (r *remote) Adapt(policy string) (out string) {
	r.call("Adapted", policy, &out)
	return out
}

func (r *remote) Await(cond func() bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for end := time.Now().Add(Patience); ; <-tick.C {
		var now Seen
		r.call("Look", struct{}{}, &now)
		r.seen = now
		if cond() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func (r *remote) act(a Act) (Deed, error) {
	r.tb.Helper()
	var out Acted
	r.call("Act", a, &out)
	if out.Refused != "" {
		return nil, errors.New(out.Refused)
	}
	return &remoteDeed{r, out}, nil
}

func (r *remote) Join(person, group string) error {
	_, err := r.act(Act{Verb: "join", Person: person, Text: group})
	return err
}

func (r *remote) Delete(id string) { _, _ = r.act(Act{Verb: "delete", Text: id}) }

func (r *remote) Type(person, line string) (Deed, error) {
	return r.act(Act{Verb: "type", Person: person, Text: line})
}

func (r *remote) Click(person string, s Said, b Shown) Deed {
	d, err := r.act(Act{Verb: "click", Person: person, Said: s, Shown: b})
	require.NoError(r.tb, err)
	return d
}

func (r *remote) Submit(person string, values map[string]string) (Deed, error) {
	return r.act(Act{Verb: "submit", Person: person, Values: values})
}

type remoteDeed struct {
	r *remote
	Acted
}

func (d *remoteDeed) Acked()       { d.r.call("Taken", d.Deed, new(struct{})) }
func (d *remoteDeed) Shown() bool  { return d.r.seen.Answered[d.Deed] }
func (d *remoteDeed) Mark() uint64 { return d.Acted.Mark }
