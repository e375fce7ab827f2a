package discord_test

import (
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands/hoster/hostersim"
)

const hosterKey = "hoster-token-canary"

// onDiscord is the example policy as a team with Discord alone has it, its
// freeze where no test will be run.
var onDiscord = strings.NewReplacer("slack:T01TEAM/C0OPS, discord", "discord", "slack:T01TEAM/C0OPS", "discord:"+guildID+"/"+homeID,
	"2026-12-", "2056-12-", "2027-01-", "2057-01-")

// built is the bot as it is built, between the doubles of Discord and of the
// provider, over TCP.
type built struct {
	*fake
	t     *testing.T
	sim   *hostersim.Sim
	log   *journal
	start func() // begins the next process, and waits until it serves
	stop  func() // ends it as an operator does
}

func newBuilt(t *testing.T) *built {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "hosterbot")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./cmd/hosterbot")
	build.Dir = filepath.Join("..", "..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(filepath.Join("..", "..", "policies.yaml"))
	require.NoError(t, err)
	policy := onDiscord.Replace(string(text))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "policies.yaml"), []byte(policy), 0o600))
	b := &built{t: t, sim: hostersim.New(hostersim.Options{Token: hosterKey, Seed: 1, Speed: 100}), log: &journal{}}
	provider := httptest.NewServer(b.sim)
	t.Cleanup(provider.Close)
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.fake = newFakeOn(t, bot.SystemClock{}, lis, "http://"+lis.Addr().String())
	var cmd *exec.Cmd
	b.start = func() {
		t.Helper()
		cmd = exec.CommandContext(t.Context(), file, "run")
		cmd.Env = []string{
			"HOSTERAPI_URL=" + provider.URL, "HOSTERAPI_TOKEN=" + hosterKey, "HOSTERBOT_AUDIT_KEY=audit-key-canary", "HOSTERBOT_LISTEN=off", "HOSTERBOT_TIME_SCALE=0.1",
			"DISCORD_BOT_TOKEN=" + botToken, "DISCORD_GUILD_ID=" + guildID, "DISCORD_API_URL=" + b.base + "/", "HOSTERBOT_LOG=debug",
			"HOSTERBOT_POLICY=" + filepath.Join(dir, "policies.yaml"), "HOSTERBOT_STORE=bolt:" + filepath.Join(dir, "bot.db"), "PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		}
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, b.log, b.log
		require.NoError(t, cmd.Start())
		require.True(t, b.await(patience, func() bool { return b.live() != nil && len(b.guilds[guildID].commands) > 0 }), "%s", b.log)
	}
	b.stop = func() {
		t.Helper()
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait(), "%s", b.log)
		require.True(t, b.await(patience, func() bool { return b.live() == nil }))
	}
	b.start()
	return b
}

// TestTheBuiltBotServesDiscord plays a deletion with the bot as it is built:
// typed, confirmed, approved by another, done, and ended.
func TestTheBuiltBotServesDiscord(t *testing.T) {
	t.Parallel()
	f := newBuilt(t)
	log := f.log
	f.answersWith(t, log, "ana", "vm list", "5 VMs")
	f.answersWith(t, log, "ana", "vm delete 4009", "4009")
	f.pressesWhenThere(t, log, "ana", "Confirm")
	require.True(t, f.await(patience, func() bool { return f.modals[userID("ana")] != nil }), "%s", log)
	_, err := f.submits(userID("ana"), map[string]string{"value-reason": "old", "value-target": "4009"})
	require.NoError(t, err)
	f.pressesWhenThere(t, log, "dia", "Approve")
	require.True(t, f.await(patience, func() bool {
		root, end := "", ""
		for _, m := range f.messages {
			switch text := m.reading(); {
			case m.to != "" || m.deleted:
			case m.channel == homeID:
				root = text
			case f.channels[m.channel].parent == homeID:
				end = text
			}
		}
		return strings.Contains(root, "Done: Delete VM") && strings.Contains(end, "<@"+userID("ana")+">")
	}), "%s\n%s", f.conversation(), log)
	f.stop()
	for _, secret := range append(f.sim.Secrets(), botToken, hosterKey, "canary") {
		require.NotContains(t, log.String(), secret)
	}
	require.Zero(t, f.limited)
}

// answersWith makes somebody type a command, and waits for a word in the answer.
func (f *fake) answersWith(t *testing.T, log *journal, person, line, word string) {
	t.Helper()
	d, err := f.typesLine(userID(person), homeID, line)
	require.NoError(t, err)
	require.True(t, f.await(patience, func() bool {
		for _, m := range f.messages {
			if m.changed > d.mark && f.visible(m, d.in.user) && strings.Contains(m.reading(), word) {
				return true
			}
		}
		return false
	}), "%s\n%s", f.conversation(), log)
}

// pressesWhenThere makes somebody press a button as soon as it is there.
func (f *fake) pressesWhenThere(t *testing.T, log *journal, person, label string) {
	t.Helper()
	require.True(t, f.await(patience, func() bool {
		for _, m := range f.messages {
			for _, b := range m.buttons {
				if b.live && b.label == label && f.visible(m, userID(person)) {
					f.pressed(userID(person), m, b)
					return true
				}
			}
		}
		return false
	}), "%s sees no button %s\n%s\n%s", person, label, f.conversation(), log)
}

// conversation is all that was said, for who reads a failure.
func (f *fake) conversation() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, m := range f.messages {
		b.WriteString("--- " + m.id + " in " + m.channel + ", only " + m.to + "\n" + m.reading() + "\n")
		for _, shown := range m.buttons {
			b.WriteString("[" + shown.label + "] ")
		}
	}
	return b.String()
}
