package commands_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"hosterbot/bot"
	"hosterbot/commands"
)

// Kinds are reached through the parameters that have them. An empty want is a
// value that is refused.
func TestKinds(t *testing.T) {
	cat, err := commands.Catalogue(nil, bot.SystemClock{})
	require.NoError(t, err)
	long := strings.Repeat("a", 63)
	for _, tt := range []struct {
		rule, words, param, text, want string
	}{
		{"a VM's number", "vm show", "vm", "4001", "4001"},
		{"a VM with its kind", "vm show", "vm", "vm/4001", "4001"},
		{"a VM in capitals", "vm show", "vm", " VM/4001 ", "4001"},
		{"another kind is no VM", "vm show", "vm", "dedicated/7", ""},
		{"zero is no VM", "vm show", "vm", "0", ""},
		{"a leading zero is no VM", "vm show", "vm", "04001", ""},
		{"a sign is no VM", "vm show", "vm", "-4001", ""},
		{"a plus is no VM", "vm show", "vm", "+4001", ""},
		{"a fraction is no VM", "vm show", "vm", "4001.0", ""},
		{"hexadecimal is no VM", "vm show", "vm", "0x10", ""},
		{"other digits are no VM", "vm show", "vm", "４００１", ""},
		{"a number beyond all bounds is no VM", "vm show", "vm", "99999999999999999999", ""},
		{"two numbers are no VM", "vm show", "vm", "4001 4002", ""},

		{"a server's number", "dedicated show", "server", "7", "7"},
		{"a server with its kind", "dedicated show", "server", "dedicated/7", "7"},
		{"a VM is no dedicated server", "dedicated show", "server", "vm/7", ""},

		{"any server, a VM", "software install", "server", "vm/4001", "vm/4001"},
		{"any server, dedicated", "software install", "server", "dedicated/7", "dedicated/7"},
		{"any server, a bare number", "software install", "server", "7", "7"},
		{"any server, an address", "software install", "server", "203.0.113.5", "203.0.113.5"},
		{"any server, an address with its kind", "software install", "server", "ip/203.0.113.5", "203.0.113.5"},
		{"any server, IPv6 in one form", "software install", "server", "2001:DB8:0:0::1", "2001:db8::1"},
		{"any server, IPv4 in IPv6", "software install", "server", "::ffff:203.0.113.5", "203.0.113.5"},
		{"no server, a zone", "software install", "server", "fe80::1%eth0", ""},
		{"no server, a host name", "software install", "server", "web.example.com", ""},
		{"no server, another kind", "software install", "server", "host/7", ""},
		{"no server, no number", "software install", "server", "vm/", ""},
		{"no server, a range", "software install", "server", "vm/1-5", ""},
		{"no server, a short address", "software install", "server", "203.0.113", ""},

		{"cores", "vm create", "cores", "4", "4"},
		{"no cores", "vm create", "cores", "0", ""},
		{"too many cores", "vm create", "cores", "100000", ""},
		{"half a core", "vm create", "cores", "1.5", ""},
		{"a number of IPs", "vm create", "ips", "1", "1"},
		{"a VM without an IP", "vm create", "ips", "0", ""},

		{"memory in MiB", "vm create", "mem", "2048", "2048"},
		{"memory in GiB", "vm create", "mem", "2G", "2048"},
		{"memory with a small letter", "vm create", "mem", "2g", "2048"},
		{"memory in GB, which the provider sells as GiB", "vm create", "mem", "2 GB", "2048"},
		{"memory in GiB, written out", "vm create", "mem", "2GiB", "2048"},
		{"memory in M", "vm create", "mem", "512M", "512"},
		{"memory in T", "vm create", "mem", "1T", "1048576"},
		{"no memory", "vm create", "mem", "0", ""},
		{"memory in K", "vm create", "mem", "2048K", ""},
		{"a fraction of memory", "vm create", "mem", "1.5G", ""},
		{"less than no memory", "vm create", "mem", "-2G", ""},
		{"memory without a number", "vm create", "mem", "G", ""},
		{"memory beyond all bounds", "vm create", "mem", "999999T", ""},

		{"a disk", "vm create", "disk", "10G", "10"},
		{"a disk in T", "vm create", "disk", "1T", "1024"},
		{"a disk in whole GiB by M", "vm create", "disk", "2048M", "2"},
		{"a disk in broken GiB", "vm create", "disk", "2000M", ""},
		{"a disk without a unit is in GiB", "vm create", "disk", "10", "10"},
		{"no disk", "vm create", "disk", "0G", ""},

		{"a price", "dedicated market", "max-price", "39", "39"},
		{"a price with cents", "dedicated market", "max-price", "39.90", "39.9"},
		{"a price with a comma", "dedicated market", "max-price", "39,90", "39.9"},
		{"a price with a currency", "dedicated market", "max-price", "39€", ""},
		{"a negative price", "dedicated market", "max-price", "-1", ""},
		{"an exponent is no price", "dedicated market", "max-price", "1e3", ""},
		{"three places are no price", "dedicated market", "max-price", "1.234", ""},
		{"memory on the market", "dedicated market", "min-ram", "32 GB", "32"},

		{"an IPv4 address", "vm set-rdns", "ip", "203.0.113.5", "203.0.113.5"},
		{"an IPv4 address with its kind", "vm set-rdns", "ip", "ip/203.0.113.5", "203.0.113.5"},
		{"an IPv6 address has no rDNS here", "vm set-rdns", "ip", "2001:db8::1", ""},
		{"a leading zero is no address", "vm set-rdns", "ip", "203.0.113.05", ""},
		{"a prefix is no address", "vm set-rdns", "ip", "203.0.113.0/24", ""},

		{"a host name", "vm set-rdns", "hostname", "mail.example.com", "mail.example.com"},
		{"a host name in one form", "vm set-rdns", "hostname", "Mail.Example.COM.", "mail.example.com"},
		{"an IDN in its ASCII form", "vm set-rdns", "hostname", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"an IDN in letters", "vm set-rdns", "hostname", "bücher.example", ""},
		{"one label is not full", "vm set-rdns", "hostname", "mail", ""},
		{"one label is a host name", "dedicated reinstall", "hostname", "mail", "mail"},
		{"an underscore", "vm set-rdns", "hostname", "my_host.example.com", ""},
		{"a hyphen at the end", "vm set-rdns", "hostname", "mail-.example.com", ""},
		{"an empty label", "vm set-rdns", "hostname", "mail..example.com", ""},
		{"an address is no host name", "vm set-rdns", "hostname", "203.0.113.5", ""},
		{"the longest label", "vm set-rdns", "hostname", long + ".example.com", long + ".example.com"},
		{"a label too long", "vm set-rdns", "hostname", long + "a.example.com", ""},
		{"a name too long", "vm set-rdns", "hostname", strings.Repeat(long+".", 4) + "com", ""},

		{"a backup by its timestamp", "backup restore", "backup", "1606685300", "1606685300"},
		{"a backup by its day", "backup restore", "backup", "2026-11-24", "2026-11-24"},
		{"a backup by its minute", "backup restore", "backup", "2026-11-24 14:00", "2026-11-24 14:00"},
		{"a backup by its minute, ISO", "backup restore", "backup", "2026-11-24T14:00Z", "2026-11-24 14:00"},
		{"a backup by its second", "backup restore", "backup", "2026-11-24 14:00:05", "2026-11-24 14:00:05"},
		{"a day that does not exist", "backup restore", "backup", "2026-02-30", ""},
		{"an hour that does not exist", "backup restore", "backup", "2026-11-24 25:00", ""},
		{"a small number is no timestamp", "backup restore", "backup", "20261124", ""},
		{"a German date", "backup restore", "backup", "24.11.2026", ""},

		{"a package", "software install", "package", "ts3", "ts3"},
		{"a package with blanks", "software install", "package", "ts3 server", ""},
		{"a package with a path", "software install", "package", "../ts3", ""},
		{"the lowest port", "software install", "port", "1", "1"},
		{"the highest port", "software install", "port", "65535", "65535"},
		{"port zero", "software install", "port", "0", ""},
		{"a port too high", "software install", "port", "65536", ""},

		{"a state", "vm list", "state", "Running", "running"},
		{"a state that is not documented", "vm list", "state", "paused", "paused"},
		{"two states", "vm list", "state", "running,halted", ""},
		{"a template", "vm create", "template", "Debian12.0", "Debian12.0"},
		{"a template with blanks", "dedicated order", "template", "  Debian  10 Buster (DE) ", "Debian 10 Buster (DE)"},
		{"a copied template", "dedicated order", "template", "[COPY] Debian 10", "[COPY] Debian 10"},
		{"no template", "vm create", "template", "  ", ""},
		{"a template with marks", "vm create", "template", "Deb`ian", ""},

		{"a job", "job show", "job", "15", "15"},
		{"job zero", "job show", "job", "0", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			row, ok := cat.Find(tt.words)
			require.True(t, ok)
			p, ok := row.Param(tt.param)
			require.True(t, ok)
			got, err := p.Kind.Parse(tt.text)
			if tt.want == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			again, err := p.Kind.Parse(got)
			require.NoError(t, err)
			require.Equal(t, got, again, "the canonical form is its own")
		})
	}
}

func TestTargetsOfKinds(t *testing.T) {
	cat, err := commands.Catalogue(nil, bot.SystemClock{})
	require.NoError(t, err)
	for line, want := range map[string]string{
		"vm show vm/4001":                        "vm/4001",
		"dedicated show 7":                       "dedicated/7",
		"dedicated order 9 --template x":         "dedicated/9",
		"software install vm/4001 ts3":           "vm/4001",
		"software install dedicated/7 ts3":       "dedicated/7",
		"software install 203.0.113.5 ts3":       "ip/203.0.113.5",
		"backup restore 4001 2026-11-24":         "vm/4001",
		"vm set-rdns 4001 203.0.113.5 a.example": "vm/4001",
	} {
		p, err := cat.Parse(line, nil)
		require.NoError(t, err, line)
		require.Len(t, p.Targets, 1, line)
		require.Equal(t, want, p.Targets[0].String(), line)
	}
	for _, line := range []string{"vm list", "vm create --template x --cores 1 --mem 1G --disk 1G --ips 1", "job show 15"} {
		p, err := cat.Parse(line, nil)
		require.NoError(t, err, line)
		require.Empty(t, p.Targets, line)
	}
}
