package commands

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hosterbot/bot"
)

// errUnexpected is a value that is none of its kind. The parser says what was
// expected, from Kind.Expects.
var errUnexpected = errors.New("unexpected value")

// Bounds of what is typed: far above what any provider sells, they catch a
// slip of the finger.
const (
	maxCores  = 1024
	maxIPs    = 1024
	maxMemory = 64 << 20  // MiB
	maxDisk   = 1_000_000 // GiB
	maxPrice  = 1e9
)

// flagKind is a parameter that is there or not.
var flagKind = &bot.Kind{Name: "FLAG", Expects: "no value", Type: bot.Flag, Parse: func(text string) (string, error) {
	if text != "true" {
		return "", errUnexpected
	}
	return text, nil
}}

// The kinds of value that need no provider.
var (
	coresKind = whole("CORES", "a number of cores such as 2", 1, maxCores, "cores")
	ipsKind   = whole("COUNT", "a number of IPs such as 1", 1, maxIPs, "ips")
	portKind  = whole("PORT", "a port from 1 to 65535", 1, 65535, "")
	countKind = whole("COUNT", "a number from 1 to 1000", 1, 1000, "")

	memoryKind = &bot.Kind{
		Name: "MEMORY", Expects: "an amount of memory such as 2G, 512M or 2048 (MiB)", Fact: "mem",
		Parse: func(text string) (string, error) { return parseSize(text, "M", maxMemory) },
	}
	diskKind = &bot.Kind{
		Name: "DISK", Expects: "a disk size such as 10G or 1T", Fact: "disk",
		Parse: func(text string) (string, error) { return parseSize(text, "G", maxDisk) },
	}
	ramKind = &bot.Kind{
		Name: "GB", Expects: "an amount of memory such as 32G",
		Parse: func(text string) (string, error) { return parseSize(text, "G", maxMemory) },
	}
	priceKind    = &bot.Kind{Name: "PRICE", Expects: "a price such as 39 or 39.90", Type: bot.Number, Parse: parsePrice}
	ipv4Kind     = &bot.Kind{Name: "IP", Expects: "an IPv4 address such as 203.0.113.5", Parse: parseIPv4}
	fqdnKind     = &bot.Kind{Name: "HOSTNAME", Expects: "a full host name such as mail.example.com", MaxLen: 254, Parse: func(text string) (string, error) { return parseHost(text, 2) }}
	hostnameKind = &bot.Kind{Name: "HOSTNAME", Expects: "a host name such as db1.example.com", MaxLen: 254, Parse: func(text string) (string, error) { return parseHost(text, 1) }}
	durationKind = &bot.Kind{Name: "DURATION", Expects: "a length of time such as 30m, 24h or 7d", Parse: parseDuration}
	wordsKind    = &bot.Kind{Name: "TEXT", Expects: "a word or two, such as Frankfurt", MaxLen: 60, Hidden: true, Parse: parseWords}
	stateKind    = &bot.Kind{
		Name: "STATE", Expects: "a state such as running or halted", MaxLen: 20,
		Choices: []bot.Choice{{Value: running, Label: running}, {Value: "halted", Label: "halted"}},
		Parse:   parseState,
	}
)

// whole is a kind of whole number.
func whole(name, expects string, least, most int64, fact string) *bot.Kind {
	return &bot.Kind{
		Name: name, Expects: expects, Type: bot.Integer, Min: least, Max: most, Fact: fact,
		Parse: func(text string) (string, error) { return parseWhole(text, least, most) },
	}
}

func parseWhole(text string, least, most int64) (string, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < least || n > most {
		return "", errUnexpected
	}
	return strconv.FormatInt(n, 10), nil
}

var sizePattern = regexp.MustCompile(`^([0-9]{1,12}) ?(?:([MGT])(?:I?B)?)?$`)

// parseSize reads "2G", "2 GB", "2GiB" into a whole number of unit, which is
// what a bare number has. The units are binary: the provider sells 1 G as
// 1024 M.
func parseSize(text, unit string, most int64) (string, error) {
	m := sizePattern.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(text)))
	if m == nil {
		return "", errUnexpected
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return "", errUnexpected
	}
	if m[2] == "" {
		m[2] = unit
	}
	const steps = "MGT"
	for range strings.Index(steps, m[2]) {
		n <<= 10
	}
	for range strings.Index(steps, unit) {
		if n%1024 != 0 {
			return "", errUnexpected
		}
		n >>= 10
	}
	if n < 1 || n > most {
		return "", errUnexpected
	}
	return strconv.FormatInt(n, 10), nil
}

var pricePattern = regexp.MustCompile(`^[0-9]{1,9}(?:[.,][0-9]{1,2})?$`)

func parsePrice(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !pricePattern.MatchString(text) {
		return "", errUnexpected
	}
	amount, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || amount > maxPrice {
		return "", errUnexpected
	}
	return strconv.FormatFloat(amount, 'f', -1, 64), nil
}

func parseIPv4(text string) (string, error) {
	ip, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSpace(text), ipTarget+"/"))
	switch {
	case err != nil:
		return "", errUnexpected
	case !ip.Is4():
		return "", bot.Errorf(bot.Invalid, "%s is an IPv6 address: the provider takes IPv4 only here.", bot.Code(ip.String()))
	}
	return ip.String(), nil
}

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// parseHost reads a host name of at least so many labels (RFC 1123), in lower
// case and without the dot of the root.
func parseHost(text string, labels int) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), ".")
	if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) }) {
		return "", bot.Errorf(bot.Invalid, "%s has letters outside ASCII.", bot.Code(name)).WithHint("Write it in its `xn--` form.")
	}
	parts := strings.Split(name, ".")
	if len(name) > 253 || len(parts) < labels {
		return "", errUnexpected
	}
	for _, part := range parts {
		if !hostLabel.MatchString(part) {
			return "", errUnexpected
		}
	}
	if last := parts[len(parts)-1]; strings.Trim(last, "0123456789") == "" { // an address is no name
		return "", errUnexpected
	}
	return name, nil
}

var dayPattern = regexp.MustCompile(`^([0-9]{1,4})d$`)

// parseDuration reads what time.ParseDuration does, and days. Its canonical
// form is time.Duration's own.
func parseDuration(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if m := dayPattern.FindStringSubmatch(text); m != nil {
		days, _ := strconv.Atoi(m[1])
		text = strconv.Itoa(days*24) + "h"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		return "", errUnexpected
	}
	return d.Round(time.Second).String(), nil
}

// parseWords reads free text to search by.
func parseWords(text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" || text != bot.Clean(text) {
		return "", errUnexpected
	}
	return text, nil
}

var statePattern = regexp.MustCompile(`^[a-z][a-z_-]{1,19}$`)

func parseState(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if !statePattern.MatchString(text) {
		return "", errUnexpected
	}
	return text, nil
}

// parseID reads "4001" and "vm/4001" into "4001".
func parseID(kind string) func(string) (string, error) {
	return func(text string) (string, error) {
		text = strings.ToLower(strings.TrimSpace(text))
		return parseDigits(strings.TrimPrefix(text, kind+"/"))
	}
}

// parseDigits reads an ID: decimal digits without a sign or a leading zero.
func parseDigits(text string) (string, error) {
	if text == "" || text[0] == '0' || len(text) > 15 || strings.Trim(text, "0123456789") != "" {
		return "", errUnexpected
	}
	return text, nil
}

// targetOf gives the target of an ID of one kind.
func targetOf(kind string) func(string) (bot.Target, error) {
	return func(canonical string) (bot.Target, error) { return bot.ParseTarget(kind + "/" + canonical) }
}

// parseServer reads "vm/4001", "dedicated/7", a bare number or an address. An
// address stays bare: whose it is, is looked up.
func parseServer(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, kind := range []string{vmTarget, dedicatedTarget} {
		if id, ok := strings.CutPrefix(text, kind+"/"); ok {
			id, err := parseDigits(id)
			return kind + "/" + id, err
		}
	}
	if id, err := parseDigits(text); err == nil {
		return id, nil
	}
	ip, err := netip.ParseAddr(strings.TrimPrefix(text, ipTarget+"/"))
	if err != nil || ip.Zone() != "" {
		return "", errUnexpected
	}
	return ip.Unmap().String(), nil
}

// guessServer is what a server's canonical value points at before anybody was
// asked whose number or address it is.
func guessServer(canonical string) (bot.Target, error) {
	if strings.Contains(canonical, "/") {
		return bot.ParseTarget(canonical)
	}
	if _, err := parseDigits(canonical); err == nil {
		return bot.ParseTarget(vmTarget + "/" + canonical)
	}
	return bot.ParseTarget(ipTarget + "/" + canonical)
}

// The ways to write a backup: its timestamp, or the date or minute or second in
// which exactly one was taken, in UTC.
var backupLayouts = []string{time.DateOnly, "2006-01-02 15:04", time.DateTime}

func parseBackup(text string) (string, error) {
	text = strings.TrimSpace(text)
	if _, err := parseDigits(text); err == nil && len(text) >= 9 {
		return text, nil
	}
	text = strings.TrimSuffix(strings.TrimSuffix(strings.Replace(text, "T", " ", 1), "Z"), " UTC")
	for _, layout := range backupLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format(layout), nil
		}
	}
	return "", errUnexpected
}

var packagePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+@-]{0,63}$`)

func parsePackage(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !packagePattern.MatchString(text) {
		return "", errUnexpected
	}
	return text, nil
}
