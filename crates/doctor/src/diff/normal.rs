//! Owns what is particular to one node, and the words that stand for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::owners;
use crate::snapshot::{Prefix, Snapshot, stands_for_another};

/// Names of links that CNIs make for one Pod.
const OF_PODS: [&str; 6] = ["veth", "cali", "lxc", "eni", "tap", "azv"];
/// Chains whose names hold a hash of one Pod of the node.
const OF_POD_CHAINS: [&str; 4] = ["CNI-DN-", "KUBE-POD-FW-", "CNI-", "NETAVARK-DN-"];

/// Replaces what is particular to a node.
pub(super) struct Normal {
    addresses: BTreeMap<IpAddr, &'static str>,
    /// Networks of uplinks and of Pods of this node.
    networks: Vec<(Prefix, &'static str)>,
    names: Vec<String>,
    /// Addresses that stand for others are others in every redacted snapshot.
    redacted: bool,
}

impl Normal {
    pub(super) fn of(snapshot: &Snapshot, links: bool, routes: bool) -> Self {
        let mut normal = Self {
            addresses: BTreeMap::new(),
            networks: Vec::new(),
            names: Vec::new(),
            redacted: snapshot.redacted,
        };
        normal.names.extend(snapshot.node.clone());
        let links = snapshot.links.known().filter(|_| links).into_iter().flatten();
        for link in links.filter(|link| !link.is_loopback()) {
            let pods = owners::is_pod_side_link(link);
            for address in link.global_addresses() {
                let prefix = address.prefix;
                let (own, network) = if pods {
                    ("<pod-gateway>", "<pod-ip>")
                } else {
                    ("<node-ip>", "<neighbour-ip>")
                };
                normal.addresses.entry(prefix.address).or_insert(own);
                if !prefix.is_host() {
                    normal.networks.push((prefix, network));
                }
            }
        }
        let routes = snapshot.routes.known().filter(|_| routes).into_iter().flatten();
        for route in routes.filter(|route| route.kind == "blackhole") {
            normal.networks.extend(route.to.map(|to| (to, "<pod-ip>")));
        }
        normal
    }

    /// A text without what is particular to the node.
    pub(super) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let separates = |letter: char| " \"',;(){}[]=@".contains(letter);
        while !rest.is_empty() {
            let end = rest.find(separates).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            out += &self.word(word);
            let next = behind.find(|letter| !separates(letter)).unwrap_or(behind.len());
            out += &behind[..next];
            rest = &behind[next..];
        }
        out
    }

    fn word(&self, word: &str) -> String {
        if word.is_empty() {
            return String::new();
        }
        if self.names.iter().any(|name| name == word) {
            return "<node>".to_owned();
        }
        if let Some(instead) = name(word) {
            return instead;
        }
        if word.len() == 17 && word.split(':').filter(|byte| byte.len() == 2).count() == 6 {
            return "<mac>".to_owned();
        }
        // the hash by which Calico finds its rules depends on names of links
        if word.starts_with("cali:") {
            return "cali:<hash>".to_owned();
        }
        if let Some((address, length)) = word.split_once('/')
            && let (Ok(address), Ok(length)) = (address.parse(), length.parse::<u8>())
        {
            return self.network(address, length).unwrap_or_else(|| word.to_owned());
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return self.address(address).map_or(word.to_owned(), str::to_owned);
        }
        if let Some((address, port)) = word.rsplit_once(':')
            && let Ok(address) = address.parse::<IpAddr>()
            && let Some(instead) = self.address(address)
        {
            return format!("{instead}:{port}");
        }
        word.to_owned()
    }

    fn address(&self, address: IpAddr) -> Option<&'static str> {
        self.addresses
            .get(&address)
            .copied()
            .or_else(|| {
                let inside = self.networks.iter().find(|(network, _)| network.covers(address));
                inside.map(|(_, instead)| *instead)
            })
            .or_else(|| (self.redacted && stands_for_another(address)).then_some("<redacted-ip>"))
    }

    fn network(&self, address: IpAddr, length: u8) -> Option<String> {
        let prefix = Prefix::new(address, length)?;
        if prefix.is_host() {
            return self.address(address).map(str::to_owned);
        }
        let same =
            |network: &&(Prefix, &str)| network.0.length == length && network.0.covers(address);
        let redacted = (self.redacted && stands_for_another(address)).then_some("<redacted-ip>");
        let instead = self.networks.iter().find(same).map(|(_, instead)| *instead).or(redacted)?;
        Some(format!("{}-net>", instead.trim_end_matches("-ip>")))
    }
}

/// A link or chain of one Pod.
fn name(word: &str) -> Option<String> {
    let link = |word: &str| {
        let prefix = OF_PODS.iter().find(|prefix| word.starts_with(**prefix))?;
        let rest = &word[prefix.len()..];
        // `cali-FORWARD` is no link
        let hash = rest.len() >= 6 && rest.bytes().all(|c| c.is_ascii_hexdigit());
        hash.then_some(*prefix)
    };
    if let Some(prefix) = link(word) {
        return Some(format!("<{prefix}-link>"));
    }
    if let Some((chain, end)) = word.rsplit_once('-')
        && let Some(prefix) = link(end)
    {
        return Some(format!("{chain}-<{prefix}-link>"));
    }
    let prefix = OF_POD_CHAINS.iter().find(|prefix| word.starts_with(**prefix))?;
    let rest = &word[prefix.len()..];
    let hash =
        rest.len() >= 8 && rest.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
    let upper =
        rest.len() == 16 && rest.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    (hash || upper).then(|| format!("{prefix}<pod>"))
}

/// Whether a normalised text is of one Pod, so that how often it is there says how many Pods there
/// are, and their order nothing.
pub(super) fn is_of_pod(text: &str) -> bool {
    ["-link>", "<pod-ip>", "<pod>"].iter().any(|mark| text.contains(mark))
}
