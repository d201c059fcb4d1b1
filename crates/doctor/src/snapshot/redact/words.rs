//! Owns which words are those of the format, of the kernel or of a system known here: a node that is called
//! by one, or by a part of one, cannot be told from it inside of other texts.

use std::collections::BTreeSet;

use serde_json::Value;
use xt::Target;

use super::super::Snapshot;
use crate::owners::{self, Owner};

/// Words of iptables, nft, ip and the kernel, and of names that systems give their chains and links.
const WORDS: &str = "
    accept access addrtype ahead anycast arp audit bird blackhole boot bond bpf bridge broadcast builtin
    bytes cgroup chain checksum classify cluster clusterip clusterips comment common config connbytes
    connection connlimit connmark conntrack container containerd continue contrack control counter
    cpu daemon dead default delayed delete destination destroyed devgroup disabled dispatch dnat dport
    drop dscp dst dummy dynamic ebtables ecn egress elements enabled endpoint endpoints enp eno ens
    equal error established eth0 eth1 ether expected external extra failed false fib filter fin
    firewall flags flannel flow fmark foreign forward forwarding fragment from fully fwmark gateway geneve
    global goto gre group handle hash hashlimit helper hint hmark hook host hostname hostport hostports
    icmp icmp6 icmpv6 iif iifname inactive incomplete inet inet6 info ingress input instance interface
    internal interval invalid ipip iprange ips ipset iptables ip6tables ipv4 ipv6 ipvlan ipvs isolation
    jump kernel kmsg known kube kubernetes l4proto label lan legacy length limit limits link list listen
    load local localhost localnet lock log loopback lower mac macvlan main mangle mark masq masquerade
    match mcast member metric mode multicast multiport nat nats native netdev netfilter netlink netmap
    netpol netwatch network networkmanager networks new nexthop nflog nfqueue nftables nodeport
    nodeports noarp none noprefixroute noqueue notrack npl oif oifname optional options origin original
    output owner parent part pending permanent physdev pkttype plugin pod pods pointopoint policy port
    portals ports postrouting prefix prerouting preserve priority probability process prohibit promisc
    protected proto protocol proxy psh qdisc queue quota ra random randomize range ranges raw reachable
    realm recent redirect redundant ref refer reject related reload rename reply replied reset resolved
    restart restore return rfkill route router routes routing rpfilter rst rule rules running saddr daddr
    save scope sctp search security seen separate server service services set shutdown sigterm skip slave
    snat socket source sport stale stamp start state static statistic status stolen string syn synproxy
    syn_recv sysctl syslog systemd table tables target tcp tcpmss tee timeout time_wait to tokens tos
    total tproxy trace transient translated true tun tunl0 type udp udplite unchanged unicast
    universe unknown unreachable unreplied untracked up uplink urg user valid verdict version veth
    virtual vlan vmap vrf vxlan wan whole wildcard wireguard wlan workload zone zones
    absent node lo ip ip6 br nft v4 v6 sep svc ext fw xlb kubelet sshd dnsmasq ovs ovsdb openvswitch
    bridge-nf-call-iptables ip_forward rp_filter accept_local bridge-nf-call-ip6tables net core conf all
    hostendpoint dnat_and_snat untrack mtu qlen lladdr dev via src onlink linkdown metric pref proto
    lookup suppress fwmark nopref iptables-legacy iptables-nft ip6tables-legacy ip6tables-nft
    sec min hour day second minute nft-compat srcip dstip srcport dstport symmetric
    nf_conntrack_max nf_conntrack nf_tables ip_tables x_tables br_netfilter nf_conntrack_count";

/// Shorter hexadecimal words are parts of addresses, and numbers of marks.
const OF_ADDRESSES: usize = 4;

/// Words of one snapshot, in lower case.
pub(super) enum Words {
    /// Parts of these, and the others as a whole.
    Known { parts: BTreeSet<String>, whole: BTreeSet<String> },
    /// Every name is one.
    Any,
}

impl Words {
    /// Beside what is written here, words of the format and of the chains that known systems made there.
    pub(super) fn of(snapshot: &Snapshot, value: &Value) -> Self {
        let (mut words, mut whole) = (BTreeSet::new(), BTreeSet::new());
        words.extend(WORDS.split_ascii_whitespace().map(str::to_owned));
        words.extend(owners::words().map(str::to_ascii_lowercase));
        let said = crate::assemble::messages::KNOWN.iter().flat_map(|text| text.split(' '));
        words.extend(said.map(str::to_ascii_lowercase));
        keys(value, &mut words);
        let mut of_name = |name: &str| {
            // with a number in it, it is of something that was made on the node
            let plain = |part: &&str| !part.bytes().any(|letter| letter.is_ascii_digit());
            let parts = name.split(['-', '_']).filter(plain);
            words.extend(parts.map(str::to_ascii_lowercase));
            whole.insert(name.to_ascii_lowercase());
        };
        let mut of_pods = BTreeSet::new();
        for table in snapshot.rules.known().flat_map(|rules| &rules.tables) {
            for chain in &table.chains {
                for selector in chain.rules.iter().map(|rule| &rule.selector) {
                    let asked = selector.input.iter().chain(&selector.output);
                    let names = asked.map(|asked| &asked.value().0);
                    of_pods.extend(names.filter(|name| owners::is_pod_side_name(name)).cloned());
                }
                let to = chain.rules.iter().filter_map(|rule| rule.target.as_ref());
                let to = to.filter_map(Target::chain).chain([chain.name.as_str()]);
                to.filter(|name| owners::of_chain(name) != Owner::Host).for_each(&mut of_name);
            }
        }
        for table in snapshot.nft.known().into_iter().flat_map(|nft| &nft.tables) {
            if owners::of_table(&table.name) != Owner::Host {
                let chains = table.chains.iter().map(|chain| &chain.name);
                chains.chain(table.sets.iter().map(|set| &set.name)).for_each(|name| of_name(name));
            }
        }
        let links = snapshot.links.known().into_iter().flatten();
        let links = links.filter(|link| owners::is_pod_side_link(link)).map(|link| &link.name);
        let listeners = snapshot.listeners.known().into_iter().flatten();
        let programs = listeners.filter_map(|listener| listener.process.as_ref());
        let sysctls = snapshot.sysctls.known().into_iter().flat_map(|all| all.keys());
        let names = links.chain(&of_pods).chain(programs).chain(sysctls);
        for name in names.map(|name| name.to_ascii_lowercase()) {
            // of a name with a full stop, both sides are looked for
            whole.extend(name.split_once('.').map(|(_, domain)| domain.to_owned()));
            whole.insert(name);
        }
        Self::Known { parts: words, whole }
    }

    /// Whether the name, in lower case, cannot be told from a word.
    pub(super) fn has(&self, name: &str) -> bool {
        let Self::Known { parts, whole } = self else { return true };
        let number = name.bytes().all(|letter| letter.is_ascii_hexdigit() || letter == b'.')
            && (name.len() <= OF_ADDRESSES
                || name.contains('.')
                || name.bytes().all(|b| b.is_ascii_digit()));
        number
            || of_link(name)
            || whole.contains(name)
            || parts.iter().any(|word| word.contains(name))
    }
}

/// Names of links as the kernel and systemd give them: `eth0`, `enp0s3`, `br-lan`.
fn of_link(name: &str) -> bool {
    let begins =
        ["eth", "ens", "enp", "eno", "enx", "wlan", "bond", "br", "tun", "tap", "veth", "cni"];
    begins.iter().any(|begin| {
        let rest = name.strip_prefix(begin);
        rest.is_some_and(|rest| {
            rest.starts_with(|letter: char| letter.is_ascii_digit()) && rest.len() <= 6
        })
    })
}

/// Keys of the format. Those of sysctls and of the agent's state are whatever somebody wrote.
fn keys(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                words.insert(key.to_ascii_lowercase());
                if !super::FREE_KEYS.contains(&key.as_str()) {
                    keys(value, words);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, words)),
        _ => {}
    }
}
