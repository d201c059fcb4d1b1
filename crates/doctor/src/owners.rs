//! Owns the one table of who makes what: systems known by their chains, tables, comments and links.

use std::fmt;

use serde::{Deserialize, Serialize};
use xt::{Rule, Target};

use crate::snapshot::Link;

macro_rules! owners {
    ($($(#[$doc:meta])* $name:ident $slug:literal chains $chains:expr, tables $tables:expr,
       comments $comments:expr;)*) => {
        /// A system that writes rules.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Owner {
            $($(#[$doc])* $name,)*
            /// Nobody that is known here: the administrator, or a program of theirs.
            Host,
        }

        impl Owner {
            /// The name that people use.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $slug,)* Self::Host => "host" }
            }
        }

        /// Prefixes of chains in iptables; more special ones first.
        const CHAINS: &[(Owner, &[&str])] = &[$((Owner::$name, &$chains),)*];
        /// Prefixes of native tables.
        const TABLES: &[(Owner, &[&str])] = &[$((Owner::$name, &$tables),)*];
        /// Prefixes of comments.
        const COMMENTS: &[(Owner, &[&str])] = &[$((Owner::$name, &$comments),)*];
        /// [`by_letter`] of [`CHAINS`].
        static OF_CHAINS: [u32; 256] = by_letter(CHAINS);
    };
}

owners! {
    /// netkeep.
    Netkeep "netkeep" chains [], tables ["netkeep"], comments ["netkeep"];
    /// kube-router.
    KubeRouter "kube-router"
        chains ["KUBE-ROUTER-", "KUBE-POD-FW-", "KUBE-NWPLCY-"], tables ["kube-router-"],
        comments ["kube-router "];
    /// kubelet.
    Kubelet "kubelet"
        chains ["KUBE-KUBELET-", "KUBE-IPTABLES-HINT", "KUBE-FIREWALL", "KUBE-MARK-DROP"],
        tables [], comments [];
    /// kube-proxy.
    KubeProxy "kube-proxy" chains ["KUBE-"], tables ["kube-proxy"],
        comments ["kubernetes ", "kubernetes:"];
    /// Calico.
    Calico "calico" chains ["cali-", "calif", "cali", "felix-"], tables ["calico"],
        comments ["cali:"];
    /// flannel.
    Flannel "flannel" chains ["FLANNEL-"], tables ["flannel-"], comments ["flanneld"];
    /// Cilium.
    Cilium "cilium" chains ["CILIUM_", "OLD_CILIUM_"], tables ["cilium"], comments ["cilium"];
    /// Antrea.
    Antrea "antrea" chains ["ANTREA-"], tables ["antrea"], comments ["Antrea: "];
    /// Kube-OVN.
    KubeOvn "kube-ovn" chains ["OVN-", "KUBE-OVN-"], tables [], comments ["kube-ovn"];
    /// OVN-Kubernetes.
    OvnKubernetes "ovn-kubernetes" chains ["OVN-KUBE-"], tables ["ovn-kubernetes"], comments [];
    /// Weave Net.
    Weave "weave" chains ["WEAVE"], tables [], comments [];
    /// The CNI of AWS.
    AwsVpc "aws-vpc-cni" chains ["AWS-SNAT-CHAIN", "AWS-CONNMARK-CHAIN"], tables [],
        comments ["AWS"];
    /// The CNI plugins portmap, bridge and firewall.
    CniPlugins "cni-plugins" chains ["CNI-"], tables ["cni_"], comments [];
    /// Submariner.
    Submariner "submariner" chains ["SUBMARINER-", "SM-"], tables [], comments [];
    /// Istio.
    Istio "istio" chains ["ISTIO_"], tables ["istio"], comments [];
    /// Docker.
    Docker "docker" chains ["DOCKER"], tables ["docker-"], comments [];
    /// Podman.
    Podman "podman" chains ["NETAVARK"], tables ["netavark"], comments [];
    /// libvirt.
    Libvirt "libvirt" chains ["LIBVIRT_"], tables ["libvirt"], comments [];
    /// firewalld.
    Firewalld "firewalld"
        chains ["INPUT_direct", "INPUT_ZONES", "FORWARD_direct", "FORWARD_IN_", "FORWARD_OUT_",
            "IN_", "FWDI_", "FWDO_", "FWD_", "OUTPUT_direct", "PREROUTING_", "PRE_", "POSTROUTING_",
            "POST_"],
        tables ["firewalld"], comments [];
    /// ufw.
    Ufw "ufw" chains ["ufw"], tables [], comments [];
    /// fail2ban.
    Fail2ban "fail2ban" chains ["f2b-"], tables ["f2b-"], comments [];
    /// Tailscale.
    Tailscale "tailscale" chains ["ts-"], tables [], comments [];
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which systems have a prefix that begins with a letter, a bit each in the order of the table: names
/// are looked up for every chain, and most systems are ruled out by one letter.
const fn by_letter(table: &[(Owner, &[&str])]) -> [u32; 256] {
    let mut letters = [0; 256];
    let mut system = 0;
    while system < table.len() {
        let mut prefix = 0;
        while prefix < table[system].1.len() {
            letters[table[system].1[prefix].as_bytes()[0] as usize] |= 1 << system;
            prefix += 1;
        }
        system += 1;
    }
    letters
}

fn find(table: &[(Owner, &[&str])], name: &str) -> Option<Owner> {
    longest(table.iter(), name)
}

/// The system that has the longest prefix of a name.
fn longest<'a>(
    systems: impl Iterator<Item = &'a (Owner, &'a [&'a str])>,
    name: &str,
) -> Option<Owner> {
    // the longest prefix wins: OVN-KUBE- is not Kube-OVN's
    let prefixes = systems.flat_map(|(owner, all)| all.iter().map(move |one| (*one, *owner)));
    prefixes
        .filter(|(prefix, _)| name.starts_with(prefix))
        .max_by_key(|(p, _)| p.len())
        .map(|f| f.1)
}

/// Whose a chain of iptables is.
pub fn of_chain(name: &str) -> Owner {
    let letter = name.bytes().next().unwrap_or_default();
    let bits = OF_CHAINS[usize::from(letter)];
    let systems = CHAINS.iter().enumerate().filter(|(system, _)| bits & 1 << system != 0);
    longest(systems.map(|(_, system)| system), name).unwrap_or(Owner::Host)
}

/// Whose a native table is.
pub fn of_table(name: &str) -> Owner {
    find(TABLES, name).unwrap_or(Owner::Host)
}

/// Whose a comment is.
pub fn of_comment(text: &str) -> Option<Owner> {
    find(COMMENTS, text)
}

/// Whose a rule is: of its chain, else of where it jumps, else of its comment.
pub fn of_rule(chain: &str, rule: &Rule) -> Owner {
    match of_chain(chain) {
        Owner::Host => {}
        owner => return owner,
    }
    let target = rule.target.as_ref().and_then(Target::chain);
    match target.map_or(Owner::Host, of_chain) {
        Owner::Host => of_comments(rule),
        owner => owner,
    }
}

/// Whose a rule is by its comments.
pub(crate) fn of_comments(rule: &Rule) -> Owner {
    rule.comments().find_map(of_comment).unwrap_or(Owner::Host)
}

/// Links that belong to Pods, containers or overlays, not to the node's own network.
const POD_SIDE: [&str; 27] = [
    "cni",
    "docker",
    "veth",
    "cali",
    "flannel",
    "lxc",
    "cilium",
    "tunl0",
    "vxlan",
    "antrea-",
    "kube-",
    "nodelocaldns",
    "weave",
    "ovn",
    "virbr",
    "podman",
    "lxdbr",
    "tap",
    "dummy",
    "genev",
    "gre",
    "wg",
    "tailscale",
    "eni",
    "ovs-system",
    "kube-ipvs",
    "mpqemubr",
];

/// Words that tell systems and kinds of links apart: whoever replaces a part of one takes a system for
/// another.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    let tables = [CHAINS, TABLES, COMMENTS].into_iter().flatten();
    let systems =
        tables.flat_map(|(owner, all)| [owner.as_str()].into_iter().chain(all.iter().copied()));
    systems.chain(POD_SIDE)
}

/// Whether a link is of that kind, by its kind or its name.
pub fn is_pod_side_link(link: &Link) -> bool {
    let by_kind =
        matches!(link.kind.as_deref(), Some("vxlan" | "dummy" | "ipip" | "geneve" | "tun"));
    by_kind || is_pod_side_name(&link.name)
}

/// Whether a link of this name belongs to Pods, containers or overlays.
pub fn is_pod_side_name(name: &str) -> bool {
    // Docker calls its bridges br- and twelve hexadecimal digits of the network's number
    let of_docker = name.strip_prefix("br-").is_some_and(|rest| {
        rest.len() == 12 && rest.bytes().all(|letter| letter.is_ascii_hexdigit())
    });
    of_docker || POD_SIDE.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_name_their_makers() {
        for (chain, owner) in [
            ("KUBE-SEP-X", Owner::KubeProxy),
            ("KUBE-ROUTER-INPUT", Owner::KubeRouter),
            ("KUBE-FIREWALL", Owner::Kubelet),
            ("cali-FORWARD", Owner::Calico),
            ("OVN-PREROUTING", Owner::KubeOvn),
            ("OVN-KUBE-NODEPORT", Owner::OvnKubernetes),
            ("DOCKER-USER", Owner::Docker),
            ("ufw6-user-input", Owner::Ufw),
            ("INPUT", Owner::Host),
            ("MY-RULES", Owner::Host),
        ] {
            assert_eq!(of_chain(chain), owner, "{chain}");
        }
    }

    #[test]
    fn a_rule_in_a_builtin_chain_is_of_where_it_jumps_or_of_its_comment() {
        let rule = |text| xt::text::parse_rule(text, xt::Family::V4);
        assert_eq!(of_rule("FORWARD", &rule("-j cali-FORWARD")), Owner::Calico);
        let masq = rule("-s 10.244.0.0/16 -m comment --comment \"flanneld masq\" -j MASQUERADE");
        assert_eq!(of_rule("POSTROUTING", &masq), Owner::Flannel);
        assert_eq!(of_rule("INPUT", &rule("-p tcp --dport 22 -j ACCEPT")), Owner::Host);
    }
}
