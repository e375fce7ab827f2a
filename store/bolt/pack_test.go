package bolt

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// fillIn gives every field a value of its own, but for those that JSON leaves
// out.
func fillIn(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) * 1_000_003 * int64(1-*n%2*2)) // signs by turns
	case reflect.Uint, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 3)
	case reflect.String:
		v.SetString(strings.Repeat("ä\x00", *n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0, 0xff})
			return
		}
		fillIn(v.Index(0), n) // the other stays zero
	case reflect.Struct:
		if v.Type() == typeOfTime {
			v.Set(reflect.ValueOf(time.Unix(int64(*n)*1e7-1e9, int64(*n)).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fillIn(v.Field(i), n)
			}
		}
	}
}

// packs proves a packer on a value with every field.
func packs[T any](t *testing.T, p packer[T]) {
	var whole, back, none T
	n := 0
	fillIn(reflect.ValueOf(&whole).Elem(), &n)
	value := p.pack(nil, &whole)
	require.NoError(t, p.unpack(value, &back))
	require.Equal(t, whole, back)
	require.Empty(t, p.pack(nil, &none), "what is zero takes no space")
	require.NoError(t, p.unpack(nil, &none))
	require.Equal(t, *new(T), none)
	for cut := range value { // no cut panics, and none but between two fields is taken for whole
		var part T
		if err := p.unpack(value[:cut], &part); err == nil {
			require.Equal(t, value[:cut], p.pack([]byte{}, &part))
		} else {
			require.ErrorIs(t, err, ErrDamaged)
		}
	}
}

func TestPackedValuesComeBackWhole(t *testing.T) {
	t.Run("operation", func(t *testing.T) { packs(t, packOp) })
	t.Run("message owed", func(t *testing.T) { packs(t, packOwed) })
	t.Run("place", func(t *testing.T) { packs(t, packPlace) })
	t.Run("thread", func(t *testing.T) { packs(t, packThread) })
	t.Run("read", func(t *testing.T) { packs(t, packRead) })
	t.Run("lock", func(t *testing.T) { packs(t, packLock) })
}

// odd has what no stored type has today.
type odd struct {
	Times  []time.Time `json:"times"`
	Limits []int64     `json:"limits,omitempty"`
	Float  float64     `json:"float"`
	Count  uint64      `json:"count"`
	Inner  *odder      `json:"inner"`
	Rows   [][]string  `json:"rows"`
	Secret string      `json:"-"`
}

type odder struct{ Text []string }

func TestPackedEdges(t *testing.T) {
	p := packerOf[odd]()
	for name, v := range map[string]odd{
		"zero times in a list":   {Times: []time.Time{{}, time.Unix(-1, 999_999_999).UTC(), time.Date(9999, 12, 31, 0, 0, 0, 1, time.UTC)}},
		"the ends of numbers":    {Limits: []int64{math.MinInt64, -1, 0, 1, math.MaxInt64}, Count: math.MaxUint64, Float: math.MaxFloat64},
		"a list of nothing":      {Limits: []int64{}, Inner: &odder{Text: []string{}}},
		"a pointer to nothing":   {Inner: &odder{}},
		"a list of empty texts":  {Inner: &odder{Text: []string{"", "", ""}}},
		"lengths about a varint": {Inner: &odder{Text: []string{strings.Repeat("x", 127), strings.Repeat("y", 128), strings.Repeat("z", 1<<14)}}},
		"nothing in a list":      {Rows: [][]string{nil, {}, {"x"}}},
		"infinity":               {Float: math.Inf(-1)},
	} {
		t.Run(name, func(t *testing.T) {
			var back odd
			require.NoError(t, p.unpack(p.pack([]byte("head"), &v)[4:], &back))
			require.Equal(t, v, back)
		})
	}
	var back odd
	require.NoError(t, p.unpack(p.pack(nil, &odd{Secret: "s3cret"}), &back))
	require.Empty(t, back.Secret, "what JSON leaves out is not stored")
	local := odd{Times: []time.Time{time.Date(2026, 11, 25, 13, 0, 0, 0, time.FixedZone("CET", 3600))}}
	require.NoError(t, p.unpack(p.pack(nil, &local), &back))
	require.Equal(t, []time.Time{time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}, back.Times)
}

func TestPackedByAnotherVersion(t *testing.T) {
	type older struct {
		Person string `json:"person"`
		Gone   string `json:"gone"`
		Count  int    `json:"count"`
		Kind   string `json:"kind"`
	}
	type newer struct {
		New    []string `json:"new"`
		Kind   int      `json:"kind"` // of another kind: another field
		Count  int      `json:"count"`
		Person string   `json:"person"`
	}
	var back newer
	require.NoError(t, packerOf[newer]().unpack(packerOf[older]().pack(nil, &older{"ana", "x", 7, "y"}), &back))
	require.Equal(t, newer{Count: 7, Person: "ana"}, back)
}

func TestWhatCannotBePackedIsRefusedAtOnce(t *testing.T) {
	require.Panics(t, func() { packerOf[struct{ hidden int }]() })
	require.Panics(t, func() { packerOf[struct{ C chan int }]() })
	require.Panics(t, func() { packerOf[struct{ L []*odder }]() })
	require.Panics(t, func() { packerOf[struct{ M map[string]int }]() })
	require.Panics(t, func() {
		packerOf[struct {
			A int `json:"B"`
			B int
		}]()
	})
}

func TestPackedFieldIsFoundByItsBytes(t *testing.T) {
	op := bot.Operation{Person: "ana", Command: "vm delete", Job: &bot.Job{}}
	value := string(packOp.pack(nil, &op))
	require.Contains(t, value, string(packed("person", "ana")))
	require.Contains(t, value, string(packed("command", "vm delete")))
	require.NotContains(t, value, string(packed("person", "an")))
	require.Contains(t, value, string(appendTag(nil, tagOf("job", true))))
}

// FuzzUnpack: nothing that stands in a file panics, or takes more memory than
// its size allows, and what is read packs again.
func FuzzUnpack(f *testing.F) {
	var whole bot.Operation
	n := 0
	fillIn(reflect.ValueOf(&whole).Elem(), &n)
	f.Add(packOp.pack(nil, &whole))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		var op bot.Operation
		if err := packOp.unpack(in, &op); err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		var again bot.Operation
		require.NoError(t, packOp.unpack(packOp.pack(nil, &op), &again))
	})
}

func BenchmarkEncode(b *testing.B) {
	op := bot.Operation{
		State: bot.Pending, Command: "vm delete", Args: bot.Args{{Name: "vm", Value: "4001"}}, Lane: "vm/4001", Person: "ana",
		Title: "Delete VM", Fields: []bot.Field{{Label: "IPs", Value: "203.0.113.5"}}, Created: time.Unix(1, 0), NextAt: time.Unix(2, 0),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := encodeOp(&op, 1); err != nil {
			b.Fatal(err)
		}
	}
}
