package discord_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

type object = map[string]any

// schema is what Discord says of its requests: an OpenAPI 3.1 document.
type schema struct{ doc object }

// loadSchema reads the cut, once for all tests.
var loadSchema = sync.OnceValues(func() (*schema, error) {
	text, err := os.ReadFile(cutSchema)
	if err != nil {
		return nil, err
	}
	s := &schema{}
	return s, json.Unmarshal(text, &s.doc)
})

func newSchema(tb testing.TB) *schema {
	tb.Helper()
	s, err := loadSchema()
	require.NoError(tb, err)
	return s
}

// operation finds what a request asks for: the path's template, the part of the
// document that describes it, and the values in the path.
func (s *schema) operation(method, path string) (template string, op, all object, values map[string]string) {
	paths := s.doc["paths"].(object)
	given := strings.Split(path, "/")
	best := -1
	for _, t := range slices.Sorted(maps.Keys(paths)) {
		want := strings.Split(t, "/")
		if len(want) != len(given) {
			continue
		}
		found, literal := map[string]string{}, 0
		for i, part := range want {
			switch {
			case strings.HasPrefix(part, "{"):
				found[strings.Trim(part, "{}")] = given[i]
			case part == given[i]:
				literal++
			default:
				literal = math.MinInt32
			}
		}
		if literal > best && paths[t].(object)[strings.ToLower(method)] != nil {
			best, template, values = literal, t, found
		}
	}
	if best < 0 {
		return "", nil, nil, nil
	}
	all = paths[template].(object)
	return template, all[strings.ToLower(method)].(object), all, values
}

// request says what is wrong with a request: with its path, its query and its
// JSON body. body is nil where there is none.
func (s *schema) request(method, path string, query url.Values, body []byte) []string {
	_, op, all, values := s.operation(method, path)
	if op == nil {
		return []string{method + " " + path + ": Discord's description, as far as it is cut out, has no such request"}
	}
	c := &checker{s: s}
	known := map[string]bool{}
	for _, p := range append(list(all["parameters"]), list(op["parameters"])...) {
		p := p.(object)
		name := str(p["name"])
		switch p["in"] {
		case "path":
			c.value("path "+name, p["schema"].(object), values[name])
		case "query":
			known[name] = true
			if query.Has(name) {
				c.value("query "+name, p["schema"].(object), fromQuery(c.resolve(p["schema"].(object)), query.Get(name)))
			}
		}
	}
	for name := range query {
		if !known[name] {
			c.bad("query "+name, "unknown parameter")
		}
	}
	asked, _ := op["requestBody"].(object)
	switch {
	case asked == nil && len(body) > 0:
		c.bad("body", "none is expected")
	case asked != nil && len(body) == 0:
		if asked["required"] == true {
			c.bad("body", "required")
		}
	case asked != nil:
		value, err := fromJSON(body)
		if err != nil {
			c.bad("body", "%v", err)
			break
		}
		c.value("body", asked["content"].(object)["application/json"].(object)["schema"].(object), value)
	}
	out := make([]string, len(c.problems))
	for i, p := range c.problems {
		out[i] = method + " " + path + ": " + p
	}
	return out
}

// fromQuery is the value that a text in a query stands for.
func fromQuery(s object, text string) any {
	switch _, err := strconv.ParseInt(text, 10, 64); {
	case s["type"] == "integer" && err == nil:
		return json.Number(text)
	case s["type"] == "boolean" && (text == "true" || text == "false"):
		return text == "true"
	}
	return text
}

func fromJSON(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

// checker gathers what is wrong with a value, by JSON Schema as OpenAPI 3.1 has
// it. In one thing it is stricter than the description: a property that is not
// described is refused, unless it says nothing (null, false, "", 0, []), since
// Discord would drop it without a word.
type checker struct {
	s        *schema
	problems []string
}

func (c *checker) bad(at, format string, args ...any) {
	c.problems = append(c.problems, at+": "+fmt.Sprintf(format, args...))
}

// resolve follows references.
func (c *checker) resolve(s object) object {
	for s["$ref"] != nil {
		name := strings.TrimPrefix(str(s["$ref"]), "#/components/schemas/")
		next, ok := c.s.doc["components"].(object)["schemas"].(object)[name].(object)
		if !ok {
			c.bad(name, "not in the cut")
			return object{}
		}
		s = next
	}
	return s
}

// only are the words of JSON Schema that value knows; the cut has no other.
var only = []string{
	"$ref", "type", "enum", "const", "oneOf", "anyOf", "allOf", "properties", "required", "additionalProperties", "items",
	"minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
	"format", "title", "description", "x-discord-union", "contentEncoding",
}

func (c *checker) value(at string, s object, v any) {
	s = c.resolve(s)
	if !typed(s["type"], v) {
		c.bad(at, "is %s, expected %v", kind(v), s["type"])
		return
	}
	if one := list(s["enum"]); one != nil && !slices.ContainsFunc(one, func(o any) bool { return same(o, v) }) {
		c.bad(at, "is %v, expected one of %v", v, one)
	}
	if s["const"] != nil && !same(s["const"], v) {
		c.bad(at, "is %v, expected %v", v, s["const"])
	}
	for _, part := range list(s["allOf"]) {
		c.value(at, part.(object), v)
	}
	for _, word := range []string{"oneOf", "anyOf"} {
		if list(s[word]) != nil {
			c.some(at, list(s[word]), v)
		}
	}
	switch v := v.(type) {
	case string:
		c.text(at, s, v)
	case json.Number:
		c.number(at, s, v)
	case []any:
		c.array(at, s, v)
	case object:
		c.object(at, s, v)
	}
}

// some wants one of several descriptions to fit. What does not fit is said of
// the one that came nearest: whose kind fits, with the fewest problems.
func (c *checker) some(at string, options []any, v any) {
	var nearest []string
	for _, o := range options {
		o := o.(object)
		try := &checker{s: c.s}
		try.value(at, o, v)
		if len(try.problems) == 0 {
			return
		}
		if r := try.resolve(o); typed(r["type"], v) && fits(c, r, v) && (nearest == nil || len(try.problems) < len(nearest)) {
			nearest = try.problems
		}
	}
	if nearest == nil {
		nearest = []string{fmt.Sprintf("%s: %.200s fits nothing that may stand here", at, encoded(v))}
	}
	c.problems = append(c.problems, nearest...)
}

// fits tells whether an object has the type number that a description is for.
func fits(c *checker, s object, v any) bool {
	o, ok := v.(object)
	if !ok {
		return true
	}
	properties, _ := s["properties"].(object)
	kind, _ := properties["type"].(object)
	if kind == nil || o["type"] == nil {
		return true
	}
	try := &checker{s: c.s}
	try.value("", kind, o["type"])
	return len(try.problems) == 0
}

// typed tells whether a value is of one of the types; none: of any.
func typed(types, v any) bool {
	switch t := types.(type) {
	case nil:
		return true
	case string:
		k := kind(v)
		return t == k || t == "number" && k == "integer"
	default:
		return slices.ContainsFunc(list(t), func(one any) bool { return typed(one, v) })
	}
}

func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// same compares a value of the document, whose numbers are floats, with one of
// a request.
func same(want, v any) bool {
	if n, ok := v.(json.Number); ok {
		f, err := n.Float64()
		return err == nil && want == f
	}
	return reflect.DeepEqual(want, v)
}

func (c *checker) bounds(at, least, most string, s object, n int) {
	if low, ok := s[least].(float64); ok && n < int(low) {
		c.bad(at, "has %d, at least %d are expected (%s)", n, int(low), least)
	}
	if high, ok := s[most].(float64); ok && n > int(high) {
		c.bad(at, "has %d, at most %d are allowed (%s)", n, int(high), most)
	}
}

func (c *checker) text(at string, s object, v string) {
	c.bounds(at, "minLength", "maxLength", s, utf8.RuneCountInString(v))
	if p := str(s["pattern"]); p != "" && !regexp.MustCompile(p).MatchString(v) {
		c.bad(at, "%q is not like %s", v, p)
	}
	switch s["format"] {
	case "uri":
		if u, err := url.Parse(v); err != nil || u.Scheme == "" || u.Host == "" {
			c.bad(at, "%q is no URL", v)
		}
	case "date-time":
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			c.bad(at, "%q is no time", v)
		}
	case "snowflake":
		if _, err := strconv.ParseUint(v, 10, 64); err != nil {
			c.bad(at, "%q is no snowflake", v)
		}
	}
}

func (c *checker) number(at string, s object, v json.Number) {
	n, _ := v.Float64()
	if low, ok := s["minimum"].(float64); ok && n < low {
		c.bad(at, "is %s, at least %v is expected (minimum)", v, low)
	}
	if high, ok := s["maximum"].(float64); ok && n > high {
		c.bad(at, "is %s, at most %v is allowed (maximum)", v, high)
	}
}

func (c *checker) array(at string, s object, v []any) {
	c.bounds(at, "minItems", "maxItems", s, len(v))
	items, _ := s["items"].(object)
	seen := map[string]bool{}
	for i, item := range v {
		if items != nil {
			c.value(fmt.Sprintf("%s[%d]", at, i), items, item)
		}
		if text := encoded(item); s["uniqueItems"] == true && seen[text] {
			c.bad(at, "has %s twice (uniqueItems)", text)
		} else {
			seen[text] = true
		}
	}
}

func (c *checker) object(at string, s object, v object) {
	c.bounds(at, "minProperties", "maxProperties", s, len(v))
	for _, name := range list(s["required"]) {
		if _, ok := v[str(name)]; !ok {
			c.bad(at, "%s is required", name)
		}
	}
	properties, described := s["properties"].(object)
	more, hasMore := s["additionalProperties"].(object)
	for _, name := range slices.Sorted(maps.Keys(v)) {
		p, ok := properties[name].(object)
		switch {
		case ok:
			c.value(at+"."+name, p, v[name])
		case hasMore:
			c.value(at+"."+name, more, v[name])
		case described && !empty(v[name]):
			c.bad(at+"."+name, "unknown property")
		}
	}
}

// empty tells whether a property says nothing.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		return v == "0"
	case []any:
		return len(v) == 0
	}
	return false
}

func encoded(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
