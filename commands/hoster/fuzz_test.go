package hoster_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/commands/hoster"
)

func FuzzDecode(f *testing.F) {
	for _, doc := range documents(f) {
		for _, answer := range doc.ExampleResponses {
			f.Add([]byte(answer.Body))
		}
	}
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `{"result":`, `{"result":{"jobId":"x","progress":"1e999%"}}`, `{"error":{"a":[true]}}`,
		`{"result":{"0":1,"00":2,"-1":3}}`, `{"result":"0x01"}`, `{"response":{},"error":0}`, `{"result":{"ips":""}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		result, complaint, err := hoster.DecodeEnvelope(raw)
		switch {
		case err != nil:
			require.Nil(t, result)
			require.Empty(t, complaint)
			require.NotContains(t, err.Error(), "\n")
		case result == nil:
			require.True(t, json.Valid(raw))
		default:
			require.True(t, json.Valid(result))
			got := hoster.DecodeAll(result)
			require.GreaterOrEqual(t, got.Progress, 0.0)
			require.LessOrEqual(t, got.Progress, 1.0)
			if secret := got.Password.Reveal(); len(secret) > 12 {
				require.NotContains(t, got.JobStatus, secret)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, doc := range documents(b) {
		if doc.Path != "/api/v1/datacenter/dedicated/market" {
			continue
		}
		body := doc.ExampleResponses[0].Body
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			result, _, err := hoster.DecodeEnvelope(body)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := hoster.DecodeMarket(result); err != nil {
				b.Fatal(err)
			}
		}
	}
}
