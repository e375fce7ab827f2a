package bot_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

// understood is a parsed line as one text: words, then name=value.
func understood(p bot.Parsed) string {
	out := []string{p.Command.Words}
	for _, a := range p.Args {
		out = append(out, a.Name+"="+a.Value)
	}
	return strings.Join(out, " | ")
}

func TestParseUnderstands(t *testing.T) {
	w := newWorld(t)
	names := w.rules.Current().Label
	for _, tc := range []struct{ rule, line, want string }{
		{"words are told apart by spaces", "vm delete 4001", "vm delete | vm=4001"},
		{"case of the command's words does not matter", "VM Delete 4001", "vm delete | vm=4001"},
		{"spaces, tabs and new lines around and between do not matter", "\t vm \r\n delete   4001  ", "vm delete | vm=4001"},
		{"a non-breaking space is a space", "vm\u00a0delete\u202f4001", "vm delete | vm=4001"},
		{"an empty line asks for help", "", "help"},
		{"a line of spaces asks for help", "  \u00a0 ", "help"},
		{"a flag stands alone", "vm delete 4001 --force", "vm delete | vm=4001 | force=true"},
		{"a flag may stand first", "vm delete --force 4001", "vm delete | vm=4001 | force=true"},
		{"a flag's name has no case", "vm delete 4001 --FORCE", "vm delete | vm=4001 | force=true"},
		{"--flag=true is the flag", "vm delete 4001 --force=true", "vm delete | vm=4001 | force=true"},
		{"--flag=false is none", "vm delete 4001 --force=false", "vm delete | vm=4001"},
		{"a value after a space", "vm create --cores 2", "vm create | cores=2"},
		{"a value after an equals sign", "vm create --cores=2", "vm create | cores=2"},
		{"only the first equals sign counts", "vm create --cores 2 --template=a=b", "vm create | cores=2 | template=a=b"},
		{"a positional by its name", "vm delete --vm 4001", "vm delete | vm=4001"},
		{"a positional by its name with an equals sign", "vm delete --force --vm=4001", "vm delete | vm=4001 | force=true"},
		{"what was named is not asked for in the row", "op resolve --outcome done 17 --reason x", "op resolve | op=17 | outcome=done | reason=x"},
		{"quoted words are one", `vm create --cores 2 --template "Debian 12 (DE)"`, "vm create | cores=2 | template=Debian 12 (DE)"},
		{"single quotes too", `vm create --cores 2 --template 'Debian 12'`, "vm create | cores=2 | template=Debian 12"},
		{"smart quotes too", "vm create --cores 2 --template “Debian 12”", "vm create | cores=2 | template=Debian 12"},
		{"German and French quotes too", "vm create --cores 2 --template „Debian 12“", "vm create | cores=2 | template=Debian 12"},
		{"guillemets too", "vm create --cores 2 --template «Debian 12»", "vm create | cores=2 | template=Debian 12"},
		{"an apostrophe inside double quotes stays", "op note --text “it’s down”", "op note | text=it's down"},
		{"quotes in the middle of a word join it", `vm create --cores 2 --template=Deb"ian 12"`, "vm create | cores=2 | template=Debian 12"},
		{"a # is no comment", "op note --text #42", "op note | text=#42"},
		{"a # after a space drops nothing", `op note --text "see #42 and #43"`, "op note | text=see #42 and #43"},
		{"a # at the end of a word", "op note --text INC#", "op note | text=INC#"},
		{"a backslash stays", `op note --text C:\new\table`, `op note | text=C:\new\table`},
		{"a backslash at the end stays", `op note --text a\`, `op note | text=a\`},
		{"a backslash in quotes stays", `op note --text "a \n b"`, `op note | text=a \n b`},
		{"a backslash does not quote a quote", `op note --text "a\" `, `op note | text=a\`},
		{"an em dash is two hyphens", "vm delete 4001 —force", "vm delete | vm=4001 | force=true"},
		{"an en dash is two hyphens", "vm delete 4001 –force", "vm delete | vm=4001 | force=true"},
		{"a horizontal bar too", "vm delete 4001 ―force", "vm delete | vm=4001 | force=true"},
		{"a dash and a hyphen are one", "vm delete 4001 –-force", "vm delete | vm=4001 | force=true"},
		{"two en dashes are one", "vm delete 4001 ––force", "vm delete | vm=4001 | force=true"},
		{"a long dash with a value", "vm create —cores=2", "vm create | cores=2"},
		{"a long dash inside a value stays", "op note --text “up — and down”", "op note | text=up — and down"},
		{"a hyphen alone is a word", "op note --text -", "op note | text=-"},
		{"a value may begin with one hyphen", "op note --text -5", "op note | text=-5"},
		{"-- ends the flags", "help -- --force", "help | command=--force"},
		{"the rest is taken whole, flags too", "help vm delete 4001 --force", "help | command=vm delete 4001 --force"},
		{"what was quoted in the rest stays one word", `help vm delete --note "a b" 4001`, `help | command=vm delete --note "a b" 4001`},
		{"in the other quotes if it holds one", `help vm delete --note "it's here"`, `help | command=vm delete --note "it's here"`},
		{"and in single ones", `help vm delete --note 'the "big" one'`, `help | command=vm delete --note 'the "big" one'`},
		{"a rest that is quoted whole is a line", `help "vm delete 4001"`, "help | command=vm delete 4001"},
		{"a target with its kind", "vm show vm/4001", "vm show | vm=4001"},
		{"a label with one target is a name", "vm show web-1", "vm show | vm=4001"},
		{"a label by the flag too", "vm show --vm web-1", "vm show | vm=4001"},
		{"an umlaut is text", "op note --text Übung", "op note | text=Übung"},
		{"an emoji is text", "op note --text 🚀", "op note | text=🚀"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			p, err := w.cat.Parse(tc.line, names)
			require.NoError(t, err)
			require.Equal(t, tc.want, understood(p))
		})
	}
}

func TestParseRefuses(t *testing.T) {
	w := newWorld(t)
	names := w.rules.Current().Label
	for _, tc := range []struct{ rule, line, text, hint string }{
		{"an unknown noun, and says the nearest", "vn delete 4001", "no such command", "vm delete"},
		{"an unknown verb, and says the nearest", "vm delte 4001", "`vm` has no", "vm delete"},
		{"an unknown verb that is near none", "vm xyzzy", "`vm` has no", "It has: list"},
		{"a noun alone", "vm", "`vm` what?", "It has: list"},
		{"what is near nothing", "zzzzzzzz", "no such command", "help"},
		{"an unknown flag, and says the nearest", "vm delete 4001 --forse", "no such flag", "--force"},
		{"an unknown flag that is near none", "vm delete 4001 --xyzzy", "no such flag", "Usage: `vm delete VM"},
		{"a flag with one hyphen", "vm delete 4001 -force", "no such flag", "--force"},
		{"a repeated flag", "vm delete 4001 --force --force", "given twice", "Usage"},
		{"a repeated value", "vm create --cores 2 --cores 3", "given twice", "Usage"},
		{"a positional that is named twice", "vm delete --vm 4001 --vm 4002", "given twice", "Usage"},
		{"a positional given by name and in the row", "vm delete --vm 4001 4002", "too many", "Usage"},
		{"one word too many", "vm delete 4001 4002", "too many", "Usage"},
		{"a flag that is given a word", "vm delete 4001 --force yes", "too many", "Usage"},
		{"a flag that is given a value", "vm delete 4001 --force=maybe", "expected no value", "Usage"},
		{"a value that is missing at the end", "vm create --cores", "needs a value", "Usage"},
		{"a value that is missing before a flag", "vm create --template --cores 2", "needs a value", "Usage"},
		{"a value that is missing before a long dash", "vm create --template —cores 2", "needs a value", "Usage"},
		{"a value that is empty", `vm create --cores ""`, "needs a value", "Usage"},
		{"a value that is empty after =", "vm create --cores=", "needs a value", "Usage"},
		{"an empty positional", `vm delete ""`, "is empty", "Usage"},
		{"an open double quote", `op note --text "abc`, "quote is not closed", "Usage: `op note"},
		{"an open single quote", `op note --text it's`, "quote is not closed", "Usage: `op note"},
		{"an open smart quote", "op note --text “abc", "quote is not closed", "Usage: `op note"},
		{"an open quote before the command's words", `"op note`, "quote is not closed", ""},
		{"an open quote after no command", `vn delete "4001`, "quote is not closed", ""},
		{"a letter in a number", "vm show 4OO1", "expected a VM's number", "Usage"},
		{"zero", "vm show 0", "expected a VM's number", "Usage"},
		{"a negative number", "vm show -- -4001", "expected a VM's number", "Usage"},
		{"a number that is too large", "vm show 99999999999999999999", "expected a VM's number", "Usage"},
		{"another kind of target", "vm show dedicated/7", "expected a VM's number", "Usage"},
		{"a range", "vm show 4001-4002", "expected a VM's number", "Usage"},
		{"a label with two targets", "vm show prod", "label of 2 targets", "Usage"},
		{"a name that is no label", "vm show web-2", "expected a VM's number", "Usage"},
		{"a control character", "vm show 4001\x00", "control character", ""},
		{"an escape", "vm show \x1b[31m4001", "control character", "Usage: `vm show VM`"},
		{"a delete character", "vm show 4001\x7f", "control character", ""},
		{"a C1 character", "vm show 4001\u009b", "control character", ""},
		{"a direction override", "vm show \u202e1004", "control character", ""},
		{"an invisible space", "vm show 40\u200b01", "control character", ""},
		{"a byte order mark", "\ufeffvm show 4001", "control character", ""},
		{"the marks that the parser uses itself", "op note --text \ue000", "control character", ""},
		{"broken UTF-8", "vm show \xff", "not valid UTF-8", ""},
		{"a line of 10 kB", "op note --text " + strings.Repeat("x", 10_000), "too long", ""},
		{"too many words", "help" + strings.Repeat(" x", 100), "words", ""},
		{"a value that is too long", "vm create --cores 2 --template " + strings.Repeat("x", 101), "expected", "Usage"},
		{"a password", "software install 4001 --password hunter22", "password never goes", "compromised"},
		{"a password with =", "software install 4001 --password=hunter22", "password never goes", "compromised"},
		{"a password in capitals", "software install 4001 --PASSWORD hunter22", "password never goes", "compromised"},
		{"a password with one hyphen", "software install 4001 -password hunter22", "password never goes", "compromised"},
		{"a password after a long dash", "software install 4001 —password hunter22", "password never goes", "compromised"},
		{"a password with three hyphens", "software install 4001 ---password hunter22", "password never goes", "compromised"},
		{"a password of a command that has none", "vm show 4001 --password hunter22", "password never goes", "compromised"},
		{"a token", "vm show 4001 --token=hunter22", "password never goes", "compromised"},
		{"a secret", "vm show 4001 --secret hunter22", "password never goes", "compromised"},
		{"a pass", "vm show 4001 --pass hunter22", "password never goes", "compromised"},
		{"a pw", "vm show 4001 --pw=hunter22", "password never goes", "compromised"},
		{"a passwd without a value", "vm show 4001 --passwd", "password never goes", "compromised"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := w.cat.Parse(tc.line, names)
			var e *bot.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, bot.Invalid, e.Kind)
			require.Contains(t, e.Text+" "+e.Hint, tc.text)
			require.Contains(t, e.Hint, tc.hint)
			require.NotContains(t, e.Text+e.Hint, "hunter22")
			require.Less(t, len(e.Text+e.Hint), 600, "one sentence")
		})
	}
}

func TestParseSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ rule, line, missing string }{
		{"nothing was given", "vm delete", "vm"},
		{"only flags were given", "vm delete --force", "vm"},
		{"the second of three", "op resolve 17 --reason x", "outcome"},
		{"a required flag", "op resolve 17 done", "reason"},
		{"a secret is never missing", "software install", "vm"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := w.cat.Parse(tc.line, nil)
			var e *bot.MissingError
			require.ErrorAs(t, err, &e)
			require.Len(t, e.Missing, 1)
			require.Equal(t, tc.missing, e.Missing[0].Name)
			require.NotEmpty(t, e.Error())
		})
	}
	_, err := w.cat.Parse("vm delete 4oo1 --force", nil)
	var missing *bot.MissingError
	require.False(t, errors.As(err, &missing), "what is wrong is not missing")
}

func TestParseFindsTargetsAndFacts(t *testing.T) {
	w := newWorld(t)
	p, err := w.cat.Parse("vm delete web-1", w.rules.Current().Label)
	require.NoError(t, err)
	require.Equal(t, []bot.Target{{Kind: "vm", ID: 4001}}, p.Targets)
	p, err = w.cat.Parse("vm create --cores 9", nil)
	require.NoError(t, err)
	require.Equal(t, bot.Facts{Cores: 9, Known: bot.FactCores}, p.Facts)
}

func TestTypedArgumentsTakeTheSameRules(t *testing.T) {
	w := newWorld(t)
	arg := func(kv ...string) (out []bot.Arg) {
		for i := 0; i < len(kv); i += 2 {
			out = append(out, bot.Arg{Name: kv[i], Value: kv[i+1]})
		}
		return out
	}
	for _, tc := range []struct {
		rule, words string
		args        []bot.Arg
		want        string // or the error
	}{
		{"options in any order", "vm delete", arg("force", "true", "vm", "4001"), "vm delete | vm=4001 | force=true"},
		{"a flag that is false is none", "vm delete", arg("vm", "4001", "force", "false"), "vm delete | vm=4001"},
		{"a label", "vm show", arg("vm", "web-1"), "vm show | vm=4001"},
		{"an unknown command", "vm fly", nil, "no such command"},
		{"an unknown option", "vm show", arg("vm", "4001", "x", "1"), "no such parameter"},
		{"a wrong value", "vm show", arg("vm", "x"), "expected"},
		{"a secret", "software install", arg("vm", "4001", "password", "hunter22"), "never"},
		{"a value that is too long", "op note", arg("text", strings.Repeat("x", 5000)), "too long"},
		{"a flag that is neither", "vm delete", arg("vm", "4001", "force", "perhaps"), "expected"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			p, err := w.cat.ParseTyped(tc.words, tc.args, w.rules.Current().Label)
			if err != nil {
				require.Contains(t, err.Error(), tc.want)
				require.NotContains(t, err.Error(), "hunter22")
				return
			}
			require.Equal(t, tc.want, understood(p))
		})
	}
}

func TestCatalogueRefusesARowThatBreaksARule(t *testing.T) {
	read := func() bot.Command {
		return bot.Command{Words: "vm show", Summary: "Show", Effect: bot.EffectReads, Read: newWorld(t).cat.All()[0].Read}
	}
	for _, tc := range []struct {
		rule   string
		change func(*bot.Command)
		want   string
	}{
		{"capitals", func(c *bot.Command) { c.Words = "VM show" }, "lower-case"},
		{"three words", func(c *bot.Command) { c.Words = "vm show all" }, "one or two"},
		{"no words", func(c *bot.Command) { c.Words = "" }, "one or two"},
		{"no summary", func(c *bot.Command) { c.Summary = "" }, "summary"},
		{"a full stop", func(c *bot.Command) { c.Summary = "Show it." }, "full stop"},
		{"neither Read nor Run", func(c *bot.Command) { c.Read = nil }, "either Read or Run"},
		{"a Run that only reads", func(c *bot.Command) { c.Read = nil; c.Run = newWorld(t).run }, "changes something"},
		{"a parameter without a kind", func(c *bot.Command) { c.Params = []bot.Param{{Name: "x", Summary: "X"}} }, "no kind"},
		{"a parameter in capitals", func(c *bot.Command) { c.Params = []bot.Param{{Name: "X", Kind: vmKind, Summary: "X"}} }, "lower-case"},
		{"a required one after an optional one", func(c *bot.Command) {
			c.Params = []bot.Param{{Name: "a", Kind: vmKind, Summary: "A", Positional: true}, {Name: "b", Kind: vmKind, Summary: "B", Positional: true, Required: true}}
		}, "before optional"},
		{"a rest that is not last", func(c *bot.Command) {
			c.Params = []bot.Param{{Name: "a", Kind: vmKind, Summary: "A", Positional: true, Rest: true}, {Name: "b", Kind: vmKind, Summary: "B", Positional: true}}
		}, "takes the rest"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			c := read()
			tc.change(&c)
			_, err := bot.NewCatalogue([]bot.Command{c})
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := bot.NewCatalogue([]bot.Command{read(), read()})
	require.ErrorContains(t, err, "twice")
}

// quoted writes a value so that the parser reads it back.
func quoted(v string) string {
	switch {
	case !strings.Contains(v, `"`):
		return `"` + v + `"`
	case !strings.Contains(v, "'"):
		return "'" + v + "'"
	}
	return `"` + strings.ReplaceAll(v, `"`, `"'"'"`) + `"`
}

// One lexer reads many lines: none of them sees anything of another's, also
// after one that it could not read to its end.
func TestParseKeepsLinesApart(t *testing.T) {
	w := newWorld(t)
	names := w.rules.Current().Label
	var wg sync.WaitGroup
	wrong := make(chan string, 8*200)
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				if _, err := w.cat.Parse(fmt.Sprintf(`op note --text "left open %d`, i), names); err == nil {
					wrong <- "an open quote was taken"
				}
				text := fmt.Sprintf("note %d of 'many'", i)
				p, err := w.cat.Parse(fmt.Sprintf("op note --text %q", text), names)
				if got := p.Args.Text("text"); err != nil || got != text {
					wrong <- fmt.Sprintf("%q became %q: %v", text, got, err)
				}
			}
		})
	}
	wg.Wait()
	close(wrong)
	for w := range wrong {
		require.Fail(t, w)
	}
}

// What a command takes as the rest of its line is a line again: each word of it
// comes back as it was typed.
func TestParseKeepsWordsOfTheRest(t *testing.T) {
	w := newWorld(t)
	names := w.rules.Current().Label
	for _, text := range []string{"plain", "two words", "it's", `say "no"`, `it's "it" and 'that'`, `"`, "'", `a\b #c`} {
		typed := `"` + strings.ReplaceAll(text, `"`, `"'"'"`) + `"`
		p, err := w.cat.Parse("help op note --text "+typed, names)
		require.NoError(t, err, text)
		again, err := w.cat.Parse(p.Args.Text("command"), names)
		require.NoError(t, err, "%s became %s", text, p.Args.Text("command"))
		require.Equal(t, text, again.Args.Text("text"))
	}
}

// FuzzParse: nothing panics, every error is for people, and what was
// understood, typed again in its canonical form, is understood the same.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"", "vm delete 4001 --force", `vm create --cores 2 --template "Debian 12"`, "op note --text “it’s”", "help vm delete --force",
		"vm delete —force 4001", "op resolve 17 done --reason=#42", `op note --text a\`, "vm show web-1", "software install 4001 --password x", "-- - --- =", "vm --vm=1",
	} {
		f.Add(line)
	}
	w := newWorld(f)
	names := w.rules.Current().Label
	f.Fuzz(func(t *testing.T, line string) {
		p, err := w.cat.Parse(line, names)
		if err != nil {
			var e *bot.Error
			var missing *bot.MissingError
			if !errors.As(err, &missing) {
				require.ErrorAs(t, err, &e)
				require.NotEmpty(t, e.Text)
				require.True(t, utf8.ValidString(e.Text+e.Hint))
			}
			return
		}
		again := p.Command.Words
		for _, a := range p.Args {
			if param, _ := p.Command.Param(a.Name); param.Rest {
				again += " -- " + quoted(a.Value)
			} else {
				again += " --" + a.Name + "=" + quoted(a.Value)
			}
		}
		q, err := w.cat.Parse(again, names)
		if utf8.RuneCountInString(again) > 2000 {
			return
		}
		require.NoError(t, err, again)
		require.Equal(t, understood(p), understood(q), again)
		require.Equal(t, p.Targets, q.Targets)
	})
}

func BenchmarkParse(b *testing.B) {
	w := newWorld(b)
	names := w.rules.Current().Label
	for _, tc := range []struct{ name, line string }{
		{"plain", "vm delete 4001 --force"},
		{"quoted", `vm create --cores 2 --template "Debian 12 (DE)"`},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.cat.Parse(tc.line, names); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAPasswordIsNeverEchoed(t *testing.T) {
	for _, line := range []string{
		"software install 4009 --root-password=" + canary,
		"software install 4009 --ssh-password=" + canary,
		"software install 4009 --passwort=" + canary,
		"software install 4009 --pwd=" + canary,
		"software install 4009 -p" + canary,
		"software install 4009 password=" + canary,
		"software install 4009 " + canary,
		"vm show " + canary,
		canary,
	} {
		w := newWorld(t)
		a := w.say("ana", line)
		require.NotContains(t, words(a.card()), canary, line)
		require.NotContains(t, string(w.store.dump()), canary, line)
	}
}

func TestAFlagThatIsGivenTwiceIsRefused(t *testing.T) {
	w := newWorld(t)
	_, err := w.cat.Parse("vm delete 4009 --force=false --force", nil)
	require.Error(t, err)
}

func TestASecretParameterNeedsNoKind(t *testing.T) {
	cat, err := bot.NewCatalogue([]bot.Command{{
		Words: "vm login", Summary: "Log in", Effect: bot.EffectChanges, Run: newWorld(t).run,
		Params: []bot.Param{{Name: "vm", Kind: vmKind, Summary: "VM", Required: true, Positional: true}, {Name: "password", Summary: "Password", Secret: true}},
	}})
	if err != nil {
		return // refused by the catalogue: just as well
	}
	_, err = cat.Parse("vm login 1 2", nil)
	require.Error(t, err)
}
