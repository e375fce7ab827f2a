package bot

import "context"

// Check is one thing that `doctor` looks at. It changes nothing anywhere.
type Check struct {
	Name string // a setting, or what it is about: "SLACK_BOT_TOKEN", "channel slack:T01TEAM/C0OPS"
	// Run looks. It returns what it found, in a few words; or, as an error for
	// people, what is missing and where to grant it. Neither holds a secret.
	Run func(ctx context.Context) (string, error)
}

// Needs are what the policy and the settings want of a chat.
type Needs struct {
	Places []Place // in which the bot has to be able to post
	Groups []Group // of which it has to know the members
}

// Examined is a chat that has checks for `doctor`: of its credentials, of what
// they allow, and of what of the needs is on its platforms. They may be run
// without Run, and do not disturb another process that runs the same chat.
type Examined interface {
	Checks(n Needs) []Check
}
