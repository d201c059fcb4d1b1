//! Owns the sysctls that decide what happens to packets, by the names that sysctl(8) prints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Found;

/// Single ones, as paths under /proc/sys.
const SINGLE: [&str; 27] = [
    "kernel/hostname",
    "net/bridge/bridge-nf-call-arptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-filter-vlan-tagged",
    "net/core/somaxconn",
    "net/ipv4/fwmark_reflect",
    "net/ipv4/ip_forward",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/ip_nonlocal_bind",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/ipv4/tcp_l3mdev_accept",
    "net/ipv4/udp_l3mdev_accept",
    "net/ipv6/bindv6only",
    "net/ipv6/ip_nonlocal_bind",
    "net/ipv6/neigh/default/gc_thresh3",
    "net/ipv6/route/max_size",
    "net/netfilter/nf_conntrack_buckets",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
    "net/netfilter/nf_conntrack_tcp_timeout_established",
    "net/netfilter/nf_conntrack_udp_timeout",
    "net/netfilter/nf_conntrack_udp_timeout_stream",
];
/// Those of each link, and of `all` and `default`.
const OF_LINKS: [(&str, &[&str]); 2] = [
    (
        "net/ipv4/conf",
        &[
            "accept_local",
            "arp_announce",
            "arp_ignore",
            "forwarding",
            "proxy_arp",
            "route_localnet",
            "rp_filter",
            "send_redirects",
            "src_valid_mark",
        ],
    ),
    ("net/ipv6/conf", &["accept_ra", "disable_ipv6", "forwarding", "proxy_ndp"]),
];
const ROOT: &str = "/proc/sys";

/// Those of the reading thread's network namespace.
pub(crate) fn read() -> Result<Found<BTreeMap<String, String>>, String> {
    let mut found = BTreeMap::new();
    for path in SINGLE {
        add(&mut found, &path.split('/').map(str::to_owned).collect::<Vec<_>>());
    }
    for (folder, names) in OF_LINKS {
        let Ok(links) = std::fs::read_dir(Path::new(ROOT).join(folder)) else { continue };
        for link in links.flatten() {
            let Ok(link) = link.file_name().into_string() else { continue };
            for name in names {
                let mut path: Vec<String> = folder.split('/').map(str::to_owned).collect();
                path.extend([link.clone(), (*name).to_owned()]);
                add(&mut found, &path);
            }
        }
    }
    if found.is_empty() { Err(format!("{ROOT} cannot be read")) } else { Ok(found.into()) }
}

fn add(found: &mut BTreeMap<String, String>, path: &[String]) {
    let file: PathBuf = std::iter::once(ROOT.to_owned()).chain(path.iter().cloned()).collect();
    // what is not there is not compiled in, or belongs to the first namespace
    if let Ok(value) = std::fs::read_to_string(file) {
        // a link's name may have dots: sysctl(8) prints them as slashes
        let words: Vec<String> = path.iter().map(|word| word.replace('.', "/")).collect();
        found.insert(words.join("."), value.trim().replace('\t', " "));
    }
}
