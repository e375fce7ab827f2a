package hostersim

import (
	"net/netip"
	"time"
)

// The demo world is the one that the example policy speaks of: VMs 4001 and
// 4002 are production, 4009 is scratch, dedicated server 7 is production too.
var demoVMs = []struct {
	id       int
	size     size
	template string
	ipv4     string
	ipv6     string
	up       time.Duration // 0 is halted
	backups  []time.Duration
}{
	{4001, size{2, 2048, 100}, "Debian12.0", "203.0.113.5", "2001:db8:0:4001::1", 12*day + 4*time.Hour, []time.Duration{51 * time.Hour, 27 * time.Hour, 3 * time.Hour}},
	{4002, size{4, 8192, 200}, "Ubuntu22.04", "203.0.113.6", "2001:db8:0:4002::1", 41*day + 7*time.Hour, []time.Duration{44 * time.Hour, 20 * time.Hour}},
	{4003, size{1, 1024, 20}, "Debian11.0", "203.0.113.7", "2001:db8:0:4003::1", 5 * time.Hour, nil},
	{4007, size{2, 4096, 80}, "CentOS7.9", "203.0.113.11", "2001:db8:0:4007::1", 0, nil},
	{4009, size{1, 1024, 10}, "Debian12.0", "203.0.113.13", "2001:db8:0:4009::1", 0, []time.Duration{9 * day}},
}

const day = 24 * time.Hour

func (w *world) populate(now time.Time) {
	for _, row := range demoVMs {
		v := &vm{
			id: row.id, size: row.size, template: row.template,
			ipv4: []netip.Addr{netip.MustParseAddr(row.ipv4)}, ipv6: netip.MustParseAddr(row.ipv6),
		}
		if row.up > 0 {
			v.boot(now.Add(-row.up))
		}
		for _, age := range row.backups {
			v.backups = append(v.backups, backup{now.Add(-age).Unix(), row.template})
		}
		w.vmIPs.reserve(v.ipv4...)
		w.vms[v.id] = v
	}
	at := func(ago time.Duration) string { return now.Add(-ago).UTC().Format(time.DateTime) }
	w.vms[4002].incidents = []incident{
		{215486, at(11 * time.Minute), "", "203.0.113.6", 1, 412_330_112, []string{"NTP Amplification", "DNS Amplification"}, 1},
		{117896, at(9 * day), at(9*day - 23*time.Minute), "203.0.113.6", 1, 90_107_632, []string{"SYN Flood"}, 0},
	}

	d := &dedicated{offer: serverSeven, complete: true, ips: []netip.Addr{netip.MustParseAddr("192.0.2.7")}}
	w.install(d, "Debian 10 Buster - Software RAID (DE)", now.Add(-93*day))
	w.dedicatedIPs.reserve(d.ips...)
	w.dedicated[d.ID] = d
}

var serverSeven = offer{7, "HP ProLiant DL360 G9", nil, hardware{
	cpu{"Intel Xeon E5-2640 v4", "2"}, ram{"DDR4 ECC", "64"}, storage{"SSD", "2", "480"},
	89, location{2, "Maincubes, Frankfurt"},
}}

var market = []offer{
	{9, "HP ProLiant BL460c G8", text(""), hardware{
		cpu{"Intel Xeon E5-2609 v2", "1"}, ram{"DDR3 ECC", "32"}, storage{"SSD", "2", "250"},
		39, location{2, "Maincubes, Frankfurt"},
	}},
	{12, "Dell PowerEdge R630", text("Refurbished, two power supplies"), hardware{
		cpu{"Intel Xeon E5-2680 v4", "2"}, ram{"DDR4 ECC", "128 GB"}, storage{"SSD", "4", "480"},
		119, location{3, "SkyLink, Eygelshoven"},
	}},
	{84, "Generic", nil, hardware{
		cpu{"AMD Ryzen 7 3800X", "1"}, ram{"DDR4 ECC", "32 GB DDR4 ECC"}, storage{"NVMe", "2", "256"},
		139, location{1, "Maincubes, Frankfurt"},
	}},
	{101, "Generic", nil, hardware{
		cpu{"AMD Ryzen 9 5950X", "1"}, ram{"DDR4", "64"}, storage{"NVMe", "2", "1000 GB"},
		99, location{1, "Maincubes, Frankfurt"},
	}},
	{130, "Supermicro AS-1114S", text("10 Gbit/s"), hardware{
		cpu{"AMD EPYC 7502P", "1"}, ram{"DDR4 ECC REG", "256 GB DDR4 ECC REG"}, storage{"NVMe", "2", "3840"},
		289, location{2, "Maincubes, Frankfurt"},
	}},
}

func text(s string) *string { return &s }

// dedicatedTemplates is the documented list, duplicates and all.
var dedicatedTemplates = []string{
	"CentOS 7 (latest) (DE)", "Debian 8 Jessie (DE)", "Debian 9 Stretch (DE)", "Ubuntu 16.04 LTS",
	"Ubuntu 18.04 LTS (DE)", "OpenSuse 42.3", "VMware ESXi 6.5 U1", "VMware ESXi 6.5 U2",
	"Debian 10 Buster (DE)", "Proxmox VE 6 (DE)", "Debian 10 Buster - Software RAID (DE)",
	"[COPY] Debian 10 Buster - Software RAID (DE) Test", "CentOS 7 (latest)", "Debian Jessie",
	"Debian Stretch", "Ubuntu 16.04 LTS", "Ubuntu 18.04 LTS", "OpenSuse 42.3", "VMware ESXi 6.5 U1",
	"VMware ESXi 6.5 U2", "Debian Buster", "Proxmox VE 6", "Ubuntu 20.04 LTS",
}
