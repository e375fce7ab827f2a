package hoster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
)

// Trust makes c accept servers that the pool vouches for.
func Trust(c *Client, pool *x509.CertPool) {
	c.reads.TLSClientConfig = &tls.Config{RootCAs: pool}
	c.mutations.TLSClientConfig = &tls.Config{RootCAs: pool}
}

// DecodeEnvelope opens a 2xx answer as the client does: the result, or the
// provider's complaint.
func DecodeEnvelope(raw []byte) (result []byte, complaint string, err error) {
	result, trouble, err := decodeEnvelope(raw)
	if trouble != nil {
		complaint = trouble.text
	}
	return result, complaint, err
}

// DecodeMarket reads the largest documented result.
func DecodeMarket(raw []byte) ([]Offer, error) { return decodeMarket(raw) }

// DecodeAll reads a result with every decoder there is.
func DecodeAll(raw json.RawMessage) Result {
	for _, decode := range []func(json.RawMessage) error{
		ignore(decodeIDs[int]), ignore(decodeIDs[int64]), ignore(decodeNames), ignore(decodeVMStatus),
		ignore(decodeVMConfig), ignore(decodeIncidents), ignore(decodeLink), ignore(decodeBackupStatus),
		ignore(decodeMarket), ignore(decodeOwned), ignore(decodeDedicatedStatus), ignore(decodeDedicatedConfig),
		ignore(decodeJob), ignore(decodePackages),
	} {
		_ = decode(raw)
	}
	return decodeResult(raw)
}

func ignore[T any](decode func(json.RawMessage) (T, error)) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		_, err := decode(raw)
		return err
	}
}
