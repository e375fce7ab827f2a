package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rule says what a folder may import, besides the standard library.
type rule struct {
	ours   []string // folders of ours
	theirs []string // modules of others
}

// everywhere may be imported from every folder.
var everywhere = []string{"bot/secret", "bot/fail"}

// suites may be imported from every test as well.
var suites = []string{"adapters/adaptertest", "store/storetest", "commands/hoster/hostersim"}

// testLibraries are for tests and suites alone.
var testLibraries = []string{"github.com/stretchr/testify", "go.uber.org/goleak", "pgregory.net/rapid", "github.com/chromedp/chromedp", "github.com/chromedp/cdproto"}

// rules are the walls of the house, one row a folder. An undeclared folder
// fails.
var rules = map[string]rule{
	"bot/secret":                {},
	"bot/fail":                  {},
	"bot/policy":                {theirs: []string{"go.yaml.in/yaml/v4", "github.com/agnivade/levenshtein"}},
	"bot":                       {ours: []string{"bot/policy"}, theirs: []string{"github.com/google/shlex", "github.com/agnivade/levenshtein"}},
	"commands/hoster":           {theirs: []string{"golang.org/x/time", "github.com/cenkalti/backoff/v5"}},
	"commands/hoster/hostersim": {},
	"commands":                  {ours: []string{"bot", "commands/hoster"}, theirs: []string{"github.com/dustin/go-humanize", "golang.org/x/sync"}},
	"adapters":                  {ours: []string{"bot"}, theirs: []string{"golang.org/x/sync"}},
	"adapters/adaptertest":      {ours: []string{"bot"}, theirs: testLibraries},
	"adapters/console":          {ours: []string{"bot", "adapters"}, theirs: []string{"golang.org/x/term", "github.com/mattn/go-runewidth"}},
	"adapters/slack":            {ours: []string{"bot", "adapters"}, theirs: []string{"github.com/slack-go/slack", "github.com/gorilla/websocket", "golang.org/x/time", "golang.org/x/sync"}},
	"adapters/discord":          {ours: []string{"bot", "adapters"}, theirs: []string{"github.com/bwmarrin/discordgo", "github.com/gorilla/websocket", "golang.org/x/time"}},
	"adapters/web":              {ours: []string{"bot", "adapters"}},
	"store":                     {ours: []string{"bot", "store/bolt"}},
	"store/storetest":           {ours: []string{"bot"}, theirs: testLibraries},
	"store/bolt":                {ours: []string{"bot"}, theirs: []string{"go.etcd.io/bbolt"}},
	"cmd/hosterbot": {
		ours:   []string{"bot", "bot/policy", "commands", "commands/hoster", "commands/hoster/hostersim", "adapters", "adapters/console", "adapters/discord", "adapters/slack", "adapters/web", "store"},
		theirs: []string{"github.com/alecthomas/kong", "golang.org/x/term", "golang.org/x/sync", "github.com/prometheus/client_golang", "golang.org/x/crypto/x509roots/fallback"},
	},
}

const module = "hosterbot"

// TestImports reads the files themselves: go list would be served from the
// test cache.
func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		name := d.Name()
		if d.IsDir() && (strings.HasPrefix(name, ".") && name != ".." || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		require.NoError(t, err)
		folder := path.Dir(filepath.ToSlash(rel))
		r, declared := rules[folder]
		require.True(t, declared, "%s is in a folder without a row in the import rules", rel)
		seen[folder] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			require.True(t, r.allows(folder, imported, strings.HasSuffix(name, "_test.go")), "%s may not import %s", rel, imported)
		}
		return nil
	})
	require.NoError(t, err)
	for folder := range rules {
		require.True(t, seen[folder], "%s has a row in the import rules and no file", folder)
	}
}

// reveals are the folders in which a secret may be taken out of its wrapping:
// where it leaves for the provider or a chat, and where the audit key is handed
// to the store.
var reveals = []string{"bot/secret", "commands/hoster", "adapters/", "cmd/hosterbot"}

// TestSecretsAreRevealedInFewPlaces looks for calls of Reveal without
// arguments outside of tests.
func TestSecretsAreRevealedInFewPlaces(t *testing.T) {
	root := filepath.Join("..", "..")
	calls := 0
	require.NoError(t, filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		rel, err := filepath.Rel(root, file)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) > 0 {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Reveal" {
				calls++
				require.True(t, slices.ContainsFunc(reveals, func(p string) bool { return strings.HasPrefix(filepath.ToSlash(rel), p) }), "%s reveals a secret", rel)
			}
			return true
		})
		return nil
	}))
	require.Positive(t, calls)
}

func (r rule) allows(folder, imported string, test bool) bool {
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return slices.Contains(r.ours, ours) || slices.Contains(everywhere, ours) ||
			test && (ours == folder || slices.Contains(suites, ours))
	}
	if !strings.Contains(strings.Split(imported, "/")[0], ".") {
		return true // the standard library
	}
	for _, m := range slices.Concat(r.theirs, map[bool][]string{true: testLibraries}[test]) {
		if imported == m || strings.HasPrefix(imported, m+"/") {
			return true
		}
	}
	return false
}
