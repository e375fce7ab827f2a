package hostersim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
)

// reply is what goes over the wire.
type reply struct {
	status int // 0 closes the connection without an answer
	header map[string]string
	body   []byte
	half   bool // send half of body, then close the connection
	result any  // what body holds, if the call succeeded
}

var closed = reply{}

func (out reply) write(rw http.ResponseWriter) {
	if out.status == 0 {
		panic(http.ErrAbortHandler)
	}
	h := rw.Header()
	h.Set("Content-Type", "application/json")
	for k, v := range out.header {
		h.Set(k, v)
	}
	h.Set("Content-Length", strconv.Itoa(len(out.body)))
	rw.WriteHeader(out.status)
	if !out.half {
		_, _ = rw.Write(out.body) // an error means that the client went away
		return
	}
	_, _ = rw.Write(out.body[:len(out.body)/2])
	_ = http.NewResponseController(rw).Flush()
	panic(http.ErrAbortHandler)
}

type (
	success struct {
		Result any `json:"result"`
	}
	failure struct {
		Result bool   `json:"result"`
		Error  string `json:"error"`
	}
	// incidentsAnswer is the one answer with an envelope of its own.
	incidentsAnswer struct {
		Response any  `json:"response"`
		Error    bool `json:"error"`
	}
	// message is what the provider's web framework says on its own.
	message struct {
		Message string              `json:"message"`
		Errors  map[string][]string `json:"errors,omitempty"`
	}
)

// refusal is an error as the provider answers it.
type refusal struct {
	status int
	body   any
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %v", r.status, r.body) }

// refuse is a documented refusal: "0xNN: text".
func refuse(status int, format string, args ...any) error {
	return &refusal{status, failure{Error: fmt.Sprintf(format, args...)}}
}

// framework is a refusal by the web framework, before HosterAPI has a say.
func framework(status int, text string) error {
	return &refusal{status, message{Message: text}}
}

func invalid(field, format string, args ...any) error {
	return &refusal{http.StatusUnprocessableEntity, message{
		Message: "The given data was invalid.",
		Errors:  map[string][]string{field: {fmt.Sprintf(format, args...)}},
	}}
}

func notFound(id any) error {
	return refuse(http.StatusNotFound, "0x01: no vm with id %v found", id)
}

func succeeded(result any) reply {
	return reply{status: http.StatusOK, result: result, body: encode(envelope(result))}
}

// refused answers err, which a handler or the checks before it returned.
func refused(err error) reply {
	r := err.(*refusal) // a handler that returns any other error is a bug
	return reply{status: r.status, body: encode(r.body)}
}

func envelope(result any) any {
	if list, ok := result.([]incident); ok {
		return incidentsAnswer{Response: list}
	}
	return success{result}
}

// encode writes JSON as PHP does: slashes escaped, ampersands not.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // only our own types come here
	}
	return bytes.ReplaceAll(bytes.TrimSpace(b.Bytes()), []byte("/"), []byte(`\/`))
}

// misshape returns result in a shape that is not documented for it, but that
// such providers are known to send; PHP makes objects of lists, for one.
func misshape(result any) any {
	switch r := result.(type) {
	case bool:
		return map[string]string{"status": "success"}
	case startedJob:
		return true
	case newPassword:
		return r.Password
	case string:
		return map[string]string{"value": r}
	case softwareList:
		return softwareTitles
	}
	v := reflect.ValueOf(result)
	if v.Kind() != reflect.Slice {
		return []any{result}
	}
	m := map[string]any{}
	for i := range v.Len() {
		m[strconv.Itoa(i)] = v.Index(i).Interface()
	}
	return m
}
