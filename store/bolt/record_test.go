package bolt

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// same holds appendRecord to the bytes of encoding/json.
func same(tb testing.TB, r bot.Record) {
	tb.Helper()
	want, wantErr := json.Marshal(&r)
	got, err := appendRecord(nil, &r)
	require.Equal(tb, wantErr == nil, err == nil, "%v, %v", wantErr, err)
	require.Equal(tb, string(want), string(got))
}

func TestARecordIsSealedAsEncodingJSONWritesIt(t *testing.T) {
	same(t, bot.Record{})
	var whole bot.Record
	n := 0
	fillIn(reflect.ValueOf(&whole).Elem(), &n)
	same(t, whole)
	v := reflect.ValueOf(&whole).Elem()
	for i := range v.NumField() { // each alone: what JSON leaves out is left out
		if v.Type().Field(i).Tag.Get("json") == "-" {
			continue
		}
		var one bot.Record
		reflect.ValueOf(&one).Elem().Field(i).Set(v.Field(i))
		same(t, one)
	}
	same(t, bot.Record{Args: bot.Args{{Name: "vm", Value: "4001"}, {}, {Name: "text", Value: "ä<b>&\"\\\u2028\x7f"}}})
	same(t, bot.Record{Args: bot.Args{}, Line: -1, Text: "\xff"})
	same(t, bot.Record{Time: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)})
	same(t, bot.Record{Time: time.Date(2026, 11, 29, 7, 0, 0, 120, time.FixedZone("", 3600))})
}

func FuzzRecord(f *testing.F) {
	f.Add("vm delete", "it's <5 & \"6\"\n", int64(1), -1)
	f.Add("\xf0\x9f", "\u2029\x00", int64(-1<<62), 7)
	f.Fuzz(func(t *testing.T, a, b string, n int64, m int) {
		same(t, bot.Record{
			Time: time.Unix(n>>24, 5).UTC(), Kind: a, Op: n, State: bot.State(b), Args: bot.Args{{Name: b, Value: a}}, Line: m, Text: b, Count: m, Prev: a,
		})
	})
}
