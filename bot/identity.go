package bot

import (
	"context"
	"sync"
	"time"

	"hosterbot/bot/policy"
)

// Account is who somebody is on one platform, by IDs that cannot be chosen.
type Account struct {
	Platform string `json:"platform"`       // "slack", "discord", "demo"
	Team     string `json:"team,omitempty"` // Slack workspace, Discord guild
	User     string `json:"user"`
	Guest    bool   `json:"-"` // a guest, a member of another workspace, or a bot
}

// String is "slack:T01TEAM/U07ANA".
func (a Account) String() string { return a.Platform + ":" + a.ID() }

// ID is the account as the policy file names it: "T01TEAM/U07ANA" in Slack,
// the user's ID in Discord, whose IDs are global.
func (a Account) ID() string {
	if a.Team == "" || a.Platform == "discord" {
		return a.User
	}
	return a.Team + "/" + a.User
}

// Group is a group of the policy whose members the platform knows: a Slack
// user group, a Discord role.
type Group = policy.Group

// PolicyAccount is an account as the policy names it.
type PolicyAccount = policy.Account

// Membership says whether somebody is in a Group.
type Membership = policy.Membership

// The memberships. Unknown denies wherever it could change the answer.
const (
	MemberUnknown = policy.Unknown
	MemberNo      = policy.No
	MemberYes     = policy.Yes
)

// lookUpFor bounds how long a command waits for a look-up of a group: it has to
// be acknowledged within a second.
const lookUpFor = 600 * time.Millisecond

// membersFor is how long a look-up of a group is believed.
const membersFor = time.Minute

// demoPlatform is the platform of people at the console and the web page of
// `demo`: they say who of the policy they are.
const demoPlatform = "demo"

// who finds the person behind an account; "" for a stranger.
func (b *Bot) who(snap *policy.Snapshot, a Account) string {
	if a.Platform == demoPlatform && b.demo {
		for _, p := range snap.People() {
			if p == a.User {
				return p
			}
		}
		return ""
	}
	person, _ := snap.Person(a.Platform, a.ID())
	return person
}

// memberCache keeps looked-up memberships for a minute.
type memberCache struct {
	mu    sync.Mutex
	known map[[2]string]knownMember // by person and group
}

type knownMember struct {
	is    Membership
	until time.Time
}

// member tells whether a person is in a looked-up group. A look-up that fails
// is Unknown, and is tried again the next time.
func (b *Bot) member(ctx context.Context, snap *policy.Snapshot, person, group string) Membership {
	now := b.clock.Now()
	key := [2]string{person, group}
	b.members.mu.Lock()
	known, ok := b.members.known[key]
	b.members.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.is
	}
	// What the chat does not answer in time is unknown for now; its answer is
	// remembered for the next time.
	found := make(chan Membership, 1)
	late := context.WithoutCancel(ctx)
	go func() {
		is := MemberUnknown
		_ = b.survived(0, func() error { is = b.lookUp(late, snap, person, group); return nil }) // it is logged
		found <- b.remember(key, is)
	}()
	over := make(chan struct{})
	defer b.clock.AfterFunc(lookUpFor, func() { close(over) })()
	select {
	case is := <-found:
		return is
	case <-over:
	case <-ctx.Done():
	}
	return MemberUnknown
}

// remember keeps what a look-up found, unless it failed.
func (b *Bot) remember(key [2]string, is Membership) Membership {
	if is == MemberUnknown {
		return is
	}
	now := b.clock.Now()
	b.members.mu.Lock()
	defer b.members.mu.Unlock()
	if b.members.known == nil {
		b.members.known = make(map[[2]string]knownMember)
	}
	if len(b.members.known) > 10_000 { // strangers are never looked up, so this is many teams' worth
		clear(b.members.known)
	}
	b.members.known[key] = knownMember{is, now.Add(membersFor)}
	return is
}

// ForgetMembers makes the next question about a group look it up.
func (b *Bot) ForgetMembers() {
	b.members.mu.Lock()
	defer b.members.mu.Unlock()
	clear(b.members.known)
}

func (b *Bot) lookUp(ctx context.Context, snap *policy.Snapshot, person, group string) Membership {
	for _, g := range snap.LookedUp() {
		if g.Name != group {
			continue
		}
		a, ok := b.adapters[g.Platform]
		if !ok {
			return MemberUnknown
		}
		accounts := snap.Accounts(person)
		var own []PolicyAccount
		for _, acc := range accounts {
			if acc.Platform == g.Platform {
				own = append(own, acc)
			}
		}
		if b.demo {
			own = append(own, PolicyAccount{Platform: demoPlatform, ID: person})
		}
		if len(own) == 0 {
			return MemberNo
		}
		is, err := a.Member(ctx, g, own)
		if err != nil {
			b.log.Warn("group look-up failed", "group", group, "err", err)
			return MemberUnknown
		}
		return is
	}
	return MemberUnknown
}

// memberships looks up every group that the policy uses, for one person.
func (b *Bot) memberships(ctx context.Context, snap *policy.Snapshot, person string) map[string]Membership {
	groups := snap.LookedUp()
	if len(groups) == 0 || person == "" {
		return nil
	}
	found := make([]Membership, len(groups))
	var wait sync.WaitGroup
	for i, g := range groups {
		look := func() { found[i] = b.member(ctx, snap, person, g.Name) }
		if b.serial {
			look()
			continue
		}
		wait.Go(look)
	}
	wait.Wait()
	out := make(map[string]Membership, len(groups))
	for i, g := range groups {
		out[g.Name] = found[i]
	}
	return out
}

// memberFunc is member as the policy asks it for approvers.
func (b *Bot) memberFunc(ctx context.Context, snap *policy.Snapshot) func(person, group string) Membership {
	return func(person, group string) Membership { return b.member(ctx, snap, person, group) }
}
