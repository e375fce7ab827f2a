package hostersim

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

const softwareTime = 30 * time.Second

var (
	software       = []string{"ts3", "nginx", "mariadb", "docker", "minecraft"}
	softwareTitles = map[string]string{
		"ts3": "TeamSpeak 3 server", "nginx": "nginx web server", "mariadb": "MariaDB database",
		"docker": "Docker engine", "minecraft": "Minecraft server",
	}
)

// softwareList is a list of names; its documented shape is unknown, and its
// other one is a map of names and titles.
type softwareList []string

func (w *world) listSoftware(*request) (any, error) { return softwareList(software), nil }

func (w *world) installSoftware(r *request) (any, error)   { return w.software(r) }
func (w *world) uninstallSoftware(r *request) (any, error) { return w.software(r) }

// software starts a job on a VM or a dedicated server, named by number or by
// address. Any password will do; what is installed where is not kept, since no
// call asks for it.
func (w *world) software(r *request) (any, error) {
	target := r.text("sid|ip")
	if !w.has(target) {
		return nil, notFound(target)
	}
	if name := r.text("package"); !slices.Contains(software, name) {
		return nil, refuse(http.StatusNotFound, "0x01: no package with name %s found", name)
	}
	if port := r.num("port"); r.has("port") && (port < 1 || port > 65535) {
		return nil, invalid("port", "The port must be between 1 and 65535.")
	}
	return w.startJob(r, softwareTime, "", func(int, time.Time) (*jobOutput, string) {
		if !w.has(target) {
			return nil, "0x01: no vm with id " + target + " found"
		}
		return nil, ""
	}), nil
}

// has reports whether a number or an address is one of our servers.
func (w *world) has(target string) bool {
	if id, err := strconv.Atoi(target); err == nil {
		d := w.dedicated[id]
		return w.vms[id] != nil || d != nil && d.complete
	}
	ip, err := netip.ParseAddr(target)
	if err != nil {
		return false
	}
	for _, v := range w.vms {
		if v.ipv6 == ip || slices.Contains(v.ipv4, ip) {
			return true
		}
	}
	for _, d := range w.dedicated {
		if d.complete && slices.Contains(d.ips, ip) {
			return true
		}
	}
	return false
}
