//! Owns a snapshot as lines under headings, with what is particular to the node replaced.

use std::collections::{BTreeMap, BTreeSet};

use xt::{Backend, Family, text};

use super::normal::{Normal, is_of_pod};
use crate::owners::{self, Owner};
use crate::snapshot::{Link, NftTable, Part, Route, Snapshot};

/// Where lines stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Heading {
    /// Which part of the snapshot.
    pub(super) part: &'static str,
    /// Chain, set, or the part again.
    pub(super) place: String,
}

/// Lines with their owners.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    /// Owner and text.
    pub(super) lines: Vec<(String, String)>,
    /// Whether their order means something.
    pub(super) ordered: bool,
}

/// A snapshot as lines.
#[derive(Default)]
pub(super) struct Paper {
    pub(super) headings: BTreeMap<Heading, Lines>,
    /// Parts that are not there, and why.
    pub(super) absent: BTreeMap<&'static str, String>,
    /// Parts of which only a part is known, and why.
    pub(super) half: BTreeMap<&'static str, String>,
}

impl Paper {
    fn known<'a, T>(&mut self, part: &'static str, value: &'a Part<T>) -> Option<&'a T> {
        if let Part::Absent(why) = value {
            self.absent.insert(part, why.clone());
        }
        value.known()
    }

    fn lines(&mut self, part: &'static str, place: impl Into<String>) -> &mut Lines {
        self.headings.entry(Heading { part, place: place.into() }).or_default()
    }

    fn add(&mut self, part: &'static str, owner: Owner, text: String) {
        self.lines(part, part).lines.push((owner.to_string(), text));
    }
}

/// A snapshot as lines. `links` and `routes` say whether the node may be known by them.
pub(super) fn of(snapshot: &Snapshot, links: bool, routes: bool) -> Paper {
    let normal = Normal::of(snapshot, links, routes);
    let mut paper = Paper::default();
    for partial in &snapshot.partial {
        let why = format!("{}: {}", partial.place, partial.why);
        paper.half.entry(partial.part.as_str()).or_insert(why);
    }
    for backend in [Backend::Legacy, Backend::NftCompat] {
        for family in Family::BOTH {
            rules(&mut paper, &normal, snapshot, backend, family);
        }
    }
    native(&mut paper, &normal, snapshot);
    sets(&mut paper, &normal, snapshot);
    network(&mut paper, &normal, snapshot);
    host(&mut paper, &normal, snapshot);
    // how many Pods there are is no difference
    for lines in paper.headings.values_mut() {
        let mut seen = BTreeSet::new();
        lines.lines.retain(|line| !is_of_pod(&line.1) || seen.insert(line.clone()));
    }
    paper
}

fn part_of(backend: Backend, family: Family) -> &'static str {
    match (backend, family) {
        (Backend::Legacy, Family::V4) => "iptables-legacy IPv4",
        (Backend::Legacy, Family::V6) => "iptables-legacy IPv6",
        (Backend::NftCompat, Family::V4) => "iptables-nft IPv4",
        (Backend::NftCompat, Family::V6) => "iptables-nft IPv6",
    }
}

fn rules(
    paper: &mut Paper,
    normal: &Normal,
    snapshot: &Snapshot,
    backend: Backend,
    family: Family,
) {
    let part = part_of(backend, family);
    let Some(ruleset) = paper.known(part, snapshot.rules.of(backend, family)) else { return };
    for table in &ruleset.tables {
        for chain in &table.chains {
            let name = normal.text(&chain.name);
            let lines = paper.lines(part, format!("{part} {} {name}", table.name));
            lines.ordered = true;
            let owner = owners::of_chain(&chain.name);
            let exists = match chain.kind.policy() {
                Some(policy) => format!(":{name} {}", policy.text()),
                None => format!(":{name} -"),
            };
            lines.lines.push((owner.to_string(), exists));
            for rule in &chain.rules {
                let owner = owners::of_rule(&chain.name, rule);
                let text = normal.text(&text::save_rule(&chain.name, rule));
                lines.lines.push((owner.to_string(), text));
            }
            if is_of_pod(&name) {
                lines.ordered = false;
            }
        }
    }
}

fn native(paper: &mut Paper, normal: &Normal, snapshot: &Snapshot) {
    const PART: &str = "nft";
    let Some(nft) = paper.known(PART, &snapshot.nft) else { return };
    // those of iptables-nft are compared as such, where their rules are known
    let of_iptables = |table: &&NftTable| {
        let family = if table.family == "ip6" { Family::V6 } else { Family::V4 };
        table.is_of_iptables() && snapshot.rules.of(Backend::NftCompat, family).known().is_some()
    };
    for table in nft.tables.iter().filter(|table| !of_iptables(table)) {
        let owner = owners::of_table(&table.name).to_string();
        let place = format!("nft table {} {}", table.family, table.name);
        for chain in &table.chains {
            let lines = paper.lines(PART, format!("{place} chain {}", normal.text(&chain.name)));
            lines.ordered = true;
            let hook = chain.base.as_ref().map_or("no hook".to_owned(), |base| {
                let policy = base.policy.as_deref().unwrap_or("accept");
                format!("{} {} {} {policy}", base.kind, base.hook, base.priority)
            });
            lines.lines.push((owner.clone(), format!("chain: {hook}")));
            let rules = chain.rules.iter().map(|rule| (owner.clone(), normal.text(&rule.text)));
            lines.lines.extend(rules);
        }
        for set in &table.sets {
            let lines = paper.lines(PART, format!("{place} set {}", normal.text(&set.name)));
            lines.lines.push((owner.clone(), format!("type {} {}", set.key, set.flags.join(","))));
            let elements = set.elements.iter().filter(|_| !is_filled_by_packets(&set.flags));
            lines.lines.extend(elements.map(|element| (owner.clone(), normal.text(element))));
        }
    }
}

fn is_filled_by_packets(flags: &[String]) -> bool {
    flags.iter().any(|flag| flag == "dynamic" || flag == "timeout")
}

fn sets(paper: &mut Paper, normal: &Normal, snapshot: &Snapshot) {
    const PART: &str = "ipset";
    let Some(sets) = paper.known(PART, &snapshot.ipsets) else { return };
    for set in sets {
        let owner = set_owner(&set.name).to_string();
        let lines = paper.lines(PART, format!("ipset {}", set.name));
        lines.lines.push((owner.clone(), format!("type {}", set.kind)));
        lines.lines.extend(set.elements.iter().map(|e| (owner.clone(), normal.text(e))));
    }
}

fn set_owner(name: &str) -> Owner {
    match owners::of_chain(name.trim_start_matches("inet6:")) {
        // sets of kube-router and of kube-proxy's IPVS mode begin alike
        Owner::Host if name.starts_with("kube-router") => Owner::KubeRouter,
        owner => owner,
    }
}

fn link_owner(name: &str) -> Owner {
    let by_name = [
        ("flannel", Owner::Flannel),
        ("cali", Owner::Calico),
        ("vxlan.calico", Owner::Calico),
        ("tunl0", Owner::Calico),
        ("docker", Owner::Docker),
        ("cilium", Owner::Cilium),
        ("lxc", Owner::Cilium),
        ("antrea", Owner::Antrea),
        ("ovn", Owner::KubeOvn),
        ("kube-ipvs", Owner::KubeProxy),
        ("kube-bridge", Owner::KubeRouter),
        ("cni", Owner::CniPlugins),
        ("virbr", Owner::Libvirt),
        ("weave", Owner::Weave),
        ("tailscale", Owner::Tailscale),
    ];
    by_name.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(Owner::Host, |found| found.1)
}

fn network(paper: &mut Paper, normal: &Normal, snapshot: &Snapshot) {
    if let Some(links) = paper.known("links", &snapshot.links) {
        for link in links {
            paper.add("links", link_owner(&link.name), normal.text(&link_text(link)));
        }
    }
    if let Some(routes) = paper.known("routes", &snapshot.routes) {
        let mut seen = BTreeSet::new();
        for route in routes.iter().filter(|route| route.table != "local") {
            let owner = route.links.first().map_or(Owner::Host, |link| link_owner(link));
            let text = route_text(normal, route);
            // every other node has a route of its own
            if seen.insert(text.clone()) {
                paper.add("routes", owner, text);
            }
        }
    }
    for family in Family::BOTH {
        let part = match family {
            Family::V4 => "routing rules IPv4",
            Family::V6 => "routing rules IPv6",
        };
        let Some(rules) = paper.known(part, snapshot.routing_rules.of(family)) else { continue };
        for rule in rules {
            paper.add(part, Owner::Host, normal.text(&rule.to_string()));
        }
        if paper.headings.contains_key(&Heading { part, place: part.to_owned() }) {
            paper.lines(part, part).ordered = true;
        }
    }
}

fn link_text(link: &Link) -> String {
    let mut text = link.name.clone();
    for (word, value) in [("kind", &link.kind), ("in", &link.master)] {
        if let Some(value) = value {
            text = format!("{text} {word} {value}");
        }
    }
    text += &link.mtu.map_or(String::new(), |mtu| format!(" mtu {mtu}"));
    text += if link.is_up() { " up" } else { " down" };
    for address in link.global_addresses() {
        text = format!("{text} {}", address.prefix);
    }
    text
}

/// Networks of other nodes are as many as there are nodes.
fn route_text(normal: &Normal, route: &Route) -> String {
    let remote = route.links.first().is_some_and(|link| owners::is_pod_side_name(link))
        || route.protocol.as_deref() == Some("bird");
    if remote && !route.via.is_empty() && route.to.is_some() {
        let table = if route.table == "main" { "" } else { " in another table" };
        return format!(
            "<other node's pods> via <other node> dev {}{table}",
            route.links.join(" ")
        );
    }
    let mut text = normal.text(&route.text());
    // the router is the same for all nodes of a network, but not in two networks
    if route.to.is_none() && !route.via.is_empty() {
        text = format!("default via <router> dev {}", route.links.join(" "));
    }
    text
}

/// Sysctls that count, or that name the node.
const NOT_COMPARED: [&str; 3] =
    ["kernel.hostname", "net.netfilter.nf_conntrack_count", "kernel.random"];

fn host(paper: &mut Paper, normal: &Normal, snapshot: &Snapshot) {
    if let Some(sysctls) = paper.known("sysctls", &snapshot.sysctls) {
        for (name, value) in sysctls {
            if NOT_COMPARED.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let words: Vec<String> = name.split('.').map(|word| normal.text(word)).collect();
            paper.add("sysctls", Owner::Host, format!("{} = {value}", words.join(".")));
        }
    }
    if let Some(tools) = paper.known("tools", &snapshot.tools) {
        for tool in tools {
            let version = tool.version.as_deref().unwrap_or("not there");
            paper.add("tools", Owner::Host, format!("{} {version}", tool.name));
        }
    }
    if let Some(kernel) = paper.known("kernel", &snapshot.kernel) {
        paper.add("kernel", Owner::Host, kernel.clone());
    }
    if let Some(tables) = paper.known("legacy tables", &snapshot.legacy_tables) {
        for (family, names) in [("IPv4", &tables.v4), ("IPv6", &tables.v6)] {
            for name in names {
                paper.add("legacy tables", Owner::Host, format!("{family} {name}"));
            }
        }
    }
    if let Some(ovs) = paper.known("Open vSwitch", &snapshot.ovs) {
        if let Some(waits) = ovs.flow_restore_wait {
            let text = format!("flow-restore-wait {waits}");
            paper.add("Open vSwitch", Owner::Antrea, text);
        }
        for port in &ovs.ports {
            let kind = port.kind.as_deref().unwrap_or("system");
            let text = normal.text(&format!("{} port {} {kind}", port.bridge, port.name));
            paper.add("Open vSwitch", Owner::Host, text);
        }
    }
    if let Some(limit) = snapshot.conntrack.known().and_then(|conntrack| conntrack.limit) {
        paper.add("connections", Owner::Host, format!("limit {limit}"));
    }
}
