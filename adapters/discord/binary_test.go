package discord_test

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/adapters/adaptertest"
	"hosterbot/bot"
	"hosterbot/commands/hoster/hostersim"
)

func TestChatsThroughDiscord(t *testing.T) {
	t.Parallel()
	adaptertest.RunChats(t, openWorld, map[string][]string{
		"bad_input": {"ana: vm lst", "ana: vn list", "ana: backup", "ana: vm show 4001 --verbse", "ana: vm list --sate running", "ana: vm delete 4001 --force --force",
			"ana: vm show --vm", "ana: vm list —state “running”", "ana: software install 4001 ts3 --password hunter2"},
		"software": {"ana: software install 4001 nginx --password hunter2"},
	})
}

func TestTheBuiltBotInDiscordEndsWell(t *testing.T) {
	t.Parallel()
	adaptertest.RunHard(t, openWorld)
}

func openWorld(tb testing.TB, s adaptertest.Settings) *adaptertest.World {
	return newWorld(tb, s).World
}

// world is the built bot between the doubles of Discord and of the provider.
type world struct {
	*adaptertest.World
	*fake
}

// newWorld starts the doubles, and the bot unless the world is empty. In the
// end Discord must have had to refuse no call for its pace.
func newWorld(tb testing.TB, s adaptertest.Settings) *world {
	tb.Helper()
	w := &world{fake: overTCP(tb)}
	w.World = adaptertest.NewWorld(tb, s, newProvider, w.fake)
	tb.Cleanup(func() { require.Zero(tb, w.limited, "calls that were too many") })
	return w
}

func newProvider(token string, speed float64, clock *adaptertest.Pace) adaptertest.Provider {
	return hostersim.New(hostersim.Options{Token: token, Seed: 1, Speed: speed, Clock: clock})
}

// overTCP is a double that another process can reach. Nobody is on call yet.
func overTCP(tb testing.TB) *fake {
	tb.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	f := newFakeOn(tb, bot.SystemClock{}, lis, "http://"+lis.Addr().String())
	f.guilds[guildID].members[userID("ben")] = []string{}
	return f
}

var _ adaptertest.Double = (*fake)(nil)

func (f *fake) Env() map[string]string {
	return map[string]string{"DISCORD_BOT_TOKEN": botToken, "DISCORD_GUILD_ID": guildID, "DISCORD_API_URL": f.base + "/"}
}

func (f *fake) Secrets() []string { return []string{botToken, "interaction-canary"} }

func (f *fake) User(person string) string { return userID(person) }

var (
	noAccount = regexp.MustCompile(`(?m)^(  (\w+): \{slack: [^,}]*)\}`)
	asked     = regexp.MustCompile(`(?m)^\s*ask: \[[^]]*`)
	onDiscord = strings.NewReplacer("slack:T01TEAM/C0OPS, discord", "discord", "slack:T01TEAM/C0OPS", "discord:"+guildID+"/"+homeID,
		"slack_usergroup: T01TEAM/S0ONCALL", `discord_role: "`+guildID+"/"+oncallRole+`"`,
		"2026-12-", "2056-12-", "2027-01-", "2057-01-")
)

// Adapt gives everybody of a policy an account of Discord, takes Slack's
// channels from what it says, and puts its freeze where no test will be run.
func (f *fake) Adapt(policy string) string {
	policy = noAccount.ReplaceAllStringFunc(policy, func(line string) string {
		m := noAccount.FindStringSubmatch(line)
		return m[1] + ", discord: " + strconv.Quote(userID(m[2])) + "}"
	})
	first := true // costs are asked in both channels, losses in one
	return asked.ReplaceAllStringFunc(onDiscord.Replace(policy), func(line string) string {
		if first {
			line += ", discord:" + guildID + "/" + leadsID
		}
		first = false
		return line
	})
}

func (f *fake) Join(person, group string) error {
	if group != "oncall" {
		return fmt.Errorf("there is no role %s", group)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	members := f.guilds[guildID].members
	members[userID(person)] = append(members[userID(person)], oncallRole)
	return nil
}

func (f *fake) Await(cond func() bool) bool { return f.await(patience, cond) }

// Links is the one connection, if the bot has its command too: nobody can type
// without. The caller holds mu.
func (f *fake) Links() (now, most int) {
	if f.live() != nil && len(f.guilds[guildID].commands) > 0 {
		now = 1
	}
	return now, 1
}

var byline = regexp.MustCompile(`(?m)^-# Operation (\d+), asked by `)

// Said is everything that was said. The caller holds mu.
func (f *fake) Said() []adaptertest.Said {
	var out []adaptertest.Said
	for _, m := range f.messages {
		if m.thinking {
			continue
		}
		ch := f.channels[m.channel]
		s := adaptertest.Said{
			ID: m.id, Channel: m.channel, To: m.to, Direct: ch.kind == directChannel, Text: unescape.Replace(m.reading()), Raw: m.reading(),
			Deleted: m.deleted, Made: m.made, Changed: m.changed,
		}
		if ch.kind == threadChannel {
			s.Channel, s.Thread = ch.parent, ch.id
		} else if found := byline.FindStringSubmatch(s.Raw); found != nil && m.to == "" {
			s.Root, _ = strconv.ParseInt(found[1], 10, 64)
		}
		for _, b := range m.buttons {
			if b.url == "" {
				s.Buttons = append(s.Buttons, adaptertest.Shown{Label: b.label, Code: b.code, Live: b.live && !m.deleted})
			}
		}
		out = append(out, s)
	}
	return out
}

func (f *fake) Type(person, line string) (adaptertest.Deed, error) {
	return f.typesLine(userID(person), homeID, line)
}

func (f *fake) Click(person string, s adaptertest.Said, b adaptertest.Shown) adaptertest.Deed {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		for _, shown := range m.buttons {
			if m.id == s.ID && shown.code == b.Code && shown.label == b.Label {
				return f.pressed(userID(person), m, shown)
			}
		}
	}
	require.Fail(f.tb, "no such button", "%s on %s", b.Label, s.Text)
	return nil
}

// Opened is the form before a person. The caller holds mu.
func (f *fake) Opened(person string) (adaptertest.Opened, bool) {
	m := f.modals[userID(person)]
	if m == nil {
		return adaptertest.Opened{}, false
	}
	form := adaptertest.Opened{Code: str(m.body["custom_id"]), Fields: make(map[string]bool)}
	for id := range m.values {
		kind, name, _ := strings.Cut(id, "-")
		form.Fields[name] = kind == "secret"
	}
	return form, true
}

func (f *fake) Submit(person string, values map[string]string) (adaptertest.Deed, error) {
	m := f.form(userID(person))
	typed := make(map[string]string)
	for name, v := range values {
		typed[m.input(name)] = v
	}
	return f.submits(userID(person), typed)
}

func (f *fake) Delete(id string) { f.deletes(id) }

// Acked waits for the first answer.
func (d *deed) Acked() {
	d.f.tb.Helper()
	require.True(d.f.tb, d.acked(firstFor), "%s is told that the application did not respond: %v", d.in.user, d.in.payload["data"])
}

// Shown tells whether an answer came. The caller holds mu.
func (d *deed) Shown() bool { return d.in.shown > 0 }

// Mark tells what came after it.
func (d *deed) Mark() uint64 { return d.mark }

// TestWhereTheBotMayNotPost: it says so before anything is confirmed, and what
// to grant; a command that reads is answered all the same.
func TestWhereTheBotMayNotPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{})
	does := func(channel, line string) string {
		t.Helper()
		d, err := w.typesLine(userID("ana"), channel, line)
		require.NoError(t, err)
		require.True(t, w.await(patience, func() bool { return d.in.said != "" }), "%s", w.Journal)
		return d.in.said
	}
	said := does(closedID, "vm delete 4009")
	require.Contains(t, said, "it lacks the permission Send Messages")
	require.Contains(t, said, "Grant it in the channel's settings under Permissions")
	require.Contains(t, does(closedID, "vm list"), "5 VMs")
	require.Zero(t, w.Newest(), "nothing was begun\n%s", w.Conversation())

	// Without threads it goes on in the message, which says why, and the end
	// answers it.
	_, err := w.typesLine(userID("ana"), threadless, "vm start 4009")
	require.NoError(t, err)
	require.True(t, w.await(patience, func() bool {
		for _, m := range w.messages {
			if m.channel == threadless && m.reply != "" && strings.Contains(m.reading(), "ana: done.") {
				return true
			}
		}
		return false
	}), "%s", w.Conversation())
	root := w.Talk().Roots(1)
	require.Len(t, root, 1)
	require.Contains(t, root[0].Title(), "Done: Start VM 4009")
	require.Contains(t, root[0].Text, "No thread here: the bot lacks the permission Create Public Threads.")
	w.Stop()
}

func TestChoicesOfOperationsAndJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, adaptertest.Settings{Scale: 0.03})
	offers := func(person, words, option, typed string) []string {
		t.Helper()
		d, err := w.completes(userID(person), homeID, words, option, typed, nil)
		require.NoError(t, err)
		require.True(t, d.acked(firstFor))
		w.mu.Lock()
		defer w.mu.Unlock()
		out := []string{}
		for _, c := range d.in.choices {
			if option != "vm" {
				require.IsType(t, 0.0, c.(object)["value"], "a number, as the option is")
			}
			out = append(out, str(c.(object)["name"]))
		}
		return out
	}
	adaptertest.Offers(t, w.World, offers)
	require.Empty(t, offers("ben", "job reveal", "job", "1"), "he may see no secrets")
	w.Stop()
}
