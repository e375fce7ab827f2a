package hoster

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"hosterbot/bot/secret"
)

// Package is software that the provider can install.
type Package struct{ Name, Description string }

// SoftwareCall says what to install or uninstall, and where.
type SoftwareCall struct {
	Server   string // the ID of a server, or an IP
	Package  string
	Password secret.Secret // of root, for SSH
	Port     int           // of SSH; 0: the provider's default
}

// Software lists what can be installed. The provider documents no successful
// answer: a list of names, a list or map of objects, or a map of names to
// descriptions are all understood.
func (c *Client) Software(ctx context.Context) ([]Package, error) {
	return read(ctx, c, "software-list", "/software/list", decodePackages)
}

// InstallSoftware installs a package; the result is a job.
func (c *Client) InstallSoftware(ctx context.Context, s SoftwareCall) (Result, error) {
	return c.mutate(ctx, "software-install", http.MethodPost, "/software/install", s.body(), s.Password)
}

// UninstallSoftware uninstalls a package; the result is a job.
func (c *Client) UninstallSoftware(ctx context.Context, s SoftwareCall) (Result, error) {
	return c.mutate(ctx, "software-uninstall", http.MethodPost, "/software/uninstall", s.body(), s.Password)
}

func (s SoftwareCall) body() any {
	return struct {
		Server   string `json:"sid|ip"` // literally
		Package  string `json:"package"`
		Password string `json:"password"`
		Port     int    `json:"port,omitempty"`
	}{s.Server, s.Package, s.Password.Reveal(), s.Port}
}

func decodePackages(raw json.RawMessage) ([]Package, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil && len(fields) > 0 && !numbered(fields) {
		if inner, ok := wrapped(fields); ok {
			return decodePackages(inner)
		}
		packages := make([]Package, 0, len(fields))
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			p := decodePackage(fields[name])
			if _, isText := asText(fields[name]); isText {
				p = Package{Description: p.Name}
			}
			packages = append(packages, Package{Name: name, Description: p.Description})
		}
		return packages, nil
	}
	if string(raw) == "true" {
		return nil, nil
	}
	items, err := decodeList[json.RawMessage](raw)
	if err != nil {
		return nil, err
	}
	packages := make([]Package, 0, len(items))
	for _, item := range items {
		if p := decodePackage(item); p.Name != "" {
			packages = append(packages, p)
		}
	}
	return packages, nil
}

// wrapped finds the list in {"packages": [...]}.
func wrapped(fields map[string]json.RawMessage) (json.RawMessage, bool) {
	for key, raw := range fields {
		switch strings.ToLower(key) {
		case "packages", "software", "data", "list", "items":
			return raw, len(fields) == 1 && (raw[0] == '[' || raw[0] == '{')
		}
	}
	return nil, false
}

// numbered tells a PHP list with gaps from a map of names.
func numbered(fields map[string]json.RawMessage) bool {
	for key := range fields {
		if strings.Trim(key, "0123456789") != "" {
			return false
		}
	}
	return true
}

// decodePackage reads a name, or an object with a name under one of the usual
// keys.
func decodePackage(raw json.RawMessage) Package {
	if s, ok := asText(raw); ok {
		return Package{Name: s}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return Package{}
	}
	pick := func(keys ...string) string {
		for _, key := range keys {
			if s, ok := asText(fields[key]); ok && s != "" {
				return s
			}
		}
		return ""
	}
	p := Package{
		Name:        pick("package", "name", "slug", "id", "title"),
		Description: pick("description", "title", "label", "name"),
	}
	// The answer is not documented, so what came beside that is shown as well.
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if s, ok := asText(fields[key]); ok && s != "" && s != p.Name && s != p.Description && !sensitive(key) {
			p.Description = strings.TrimPrefix(p.Description+", "+key+": "+s, ", ")
		}
	}
	return p
}

func asText(raw json.RawMessage) (string, bool) {
	var s text
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return string(s), true
}
