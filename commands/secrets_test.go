package commands_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
)

func TestConsoles(t *testing.T) {
	w := start(t)
	for _, line := range []string{"vm console 4001", "dedicated console 7"} {
		n := len(w.Calls())
		c, err := w.call(line)
		require.NoError(t, err)
		require.True(t, c.Command.Opens)
		card, err := c.Command.Read(t.Context(), c)
		require.NoError(t, err)
		require.Empty(t, card.Secrets)
		require.Equal(t, "The link lives 10 s. Press Open console when you are ready.", card.Lines[0])
		for kind := range w.kindsSince(n) {
			require.NotContains(t, kind, "console", "the link is fetched only when pressed")
		}
		card, err = c.Command.Reveal(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, card.Secrets, 1)
		require.True(t, card.Secrets[0].Link)
		require.True(t, strings.HasPrefix(card.Secrets[0].Value.Reveal(), "https://console.example.com/"))
	}
	require.Equal(t, bot.Warn, w.mustRead("vm console 4007").Tone, "it does not run")
}

func TestDedicatedPasswords(t *testing.T) {
	w := start(t)
	c, err := w.call("dedicated passwords 7")
	require.NoError(t, err)
	card, err := c.Command.Read(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, card.Secrets)
	require.Contains(t, flat(card, w.clock.Now()), "Press Reveal to read the password of root and that of user. Only you will see them.")
	card, err = c.Command.Reveal(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "Password of root", card.Secrets[0].Label)
	require.Equal(t, "Password of user", card.Secrets[1].Label)
	require.Contains(t, w.Secrets(), card.Secrets[1].Value.Reveal())
}

func TestResetPassword(t *testing.T) {
	w := start(t)
	_, o := w.accepted("vm reset-password 4001")
	require.Contains(t, w.Secrets(), o.Secret.Reveal())
	require.Equal(t, "VM `4001` has a new root password.", o.Done)
}

func TestSoftwareTakesThePasswordFromTheForm(t *testing.T) {
	w := start(t)
	c, _, err := w.preview("software install vm/4001 ts3")
	require.NoError(t, err)
	require.NotEmpty(t, c.Command.AskSecret)
	n := len(w.Calls())
	o := c.Command.Run(t.Context(), c)
	require.Equal(t, bot.NotSent, o.Class, "without it nothing is sent")
	require.Empty(t, w.kindsSince(n))
	_, err = w.cat.Parse("software install vm/4001 ts3 --password "+password, nil)
	_, said := personal(t, err)
	require.Contains(t, said, "compromised")
	require.NotContains(t, said, password)
}

// Whatever is shown to others, stored or logged is hunted for every secret that
// the provider ever gave.
func TestNoSecretOutsideItsPlace(t *testing.T) {
	w := start(t)
	var all strings.Builder
	keep := func(v any) { fmt.Fprintf(&all, "%s\n%+v\n%#v\n", text(t, v), v, v) }
	for _, line := range []string{
		"vm list", "vm show 4001", "vm console 4001", "dedicated console 7", "dedicated show 7", "dedicated passwords 7", "dedicated list", "software list",
	} {
		c, err := w.call(line)
		require.NoError(t, err)
		card, err := c.Command.Read(t.Context(), c)
		require.NoError(t, err)
		keep(card)
		if c.Command.Reveal != nil {
			card, err = c.Command.Reveal(t.Context(), c)
			require.NoError(t, err)
			keep(card)
		}
	}
	for _, line := range []string{
		create, "vm reinstall 4009", "vm reset-password 4001", "software install vm/4001 ts3", "software uninstall 203.0.113.6 ts3",
		"dedicated reinstall 7 --template \"Debian Buster\"", "dedicated reboot 7", "vm delete 4003 --force",
	} {
		if line == "dedicated reboot 7" {
			w.clock.skip(3 * time10 * 3)
		}
		_, pv, err := w.preview(line)
		require.NoError(t, err, line)
		keep(pv)
		c, o := w.run(line)
		keep(o)
		if o.Followed {
			keep(w.end(c))
			keep(*c.Op)
			if c.Command.Reveal != nil {
				card, err := c.Command.Reveal(t.Context(), c)
				require.NoError(t, err, line)
				keep(card)
			}
		}
		if c.Command.Settle != nil {
			keep(w.settle(c))
		}
	}
	secrets := append(w.Secrets(), password, "1|token-of-the-tests")
	require.Greater(t, len(secrets), 8)
	for _, s := range secrets {
		require.NotContains(t, all.String(), s)
	}
}
