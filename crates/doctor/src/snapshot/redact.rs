//! Owns redaction: a snapshot that can be shown to strangers and still gives the same findings.
//!
//! Addresses of the node's uplinks keep their host bits and lose their network; two addresses of one
//! network stay in one network. Addresses of Pods and Services are private already and stay.
//! Deliberately kept: names of Services in comments. They are what the rules are about.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::{Prefix, Snapshot};
use crate::owners;

/// Why redaction failed.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot cannot be redacted")]
pub struct RedactError(#[from] serde_json::Error);

/// Keys of the agent's part whose values nobody else may see.
const SECRET_KEYS: [&str; 8] =
    ["token", "password", "passwd", "secret", "credential", "authorization", "cert", "privatekey"];

impl Snapshot {
    /// The same snapshot without secrets and without what identifies the node. The same salt gives
    /// the same result; without it addresses cannot be computed back.
    ///
    /// # Errors
    /// Never for a snapshot that this crate made: it would have to be one that cannot be written.
    pub fn redacted(&self, salt: u64) -> Result<Self, RedactError> {
        let mut names = BTreeMap::new();
        let hostname = self.sysctls.known().and_then(|all| all.get("kernel.hostname"));
        for name in [self.node.as_ref(), hostname].into_iter().flatten() {
            if name.len() > 2 {
                names.insert(name.clone(), "node".to_owned());
            }
        }
        let mut veil = Veil { uplinks: uplink_networks(self), salt, names, macs: BTreeMap::new() };
        let mut value = serde_json::to_value(self)?;
        veil.hide(&mut value);
        let mut redacted: Self = serde_json::from_value(value)?;
        redacted.taken = None;
        redacted.node = None;
        Ok(redacted)
    }
}

fn uplink_networks(snapshot: &Snapshot) -> Vec<Prefix> {
    let links = snapshot.links.known().into_iter().flatten();
    links
        .filter(|link| !link.is_loopback() && !owners::is_pod_side_link(link))
        .flat_map(|link| link.global_addresses().map(|address| address.prefix))
        .collect()
}

struct Veil {
    uplinks: Vec<Prefix>,
    salt: u64,
    names: BTreeMap<String, String>,
    macs: BTreeMap<String, String>,
}

impl Veil {
    fn hide(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    let key = key.to_ascii_lowercase();
                    if SECRET_KEYS.iter().any(|secret| key.contains(secret)) {
                        *value = Value::from("redacted");
                    } else {
                        self.hide(value);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str) -> String {
        if text.contains("-----BEGIN ") || text.starts_with("eyJ") || text.contains(" eyJ") {
            return "redacted".to_owned();
        }
        let mut text = text.to_owned();
        for (name, instead) in &self.names {
            if text.contains(name.as_str()) {
                text = text.replace(name.as_str(), instead);
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let of_address = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
            let end = rest.find(|c| !of_address(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            out += &self.word(word);
            let next = behind.find(of_address).unwrap_or(behind.len());
            out += &behind[..next];
            rest = &behind[next..];
        }
        out
    }

    /// A word of the letters that addresses have; `10.0.0.1:80` has a port behind.
    fn word(&mut self, word: &str) -> String {
        if word.len() == 17 && word.split(':').filter(|byte| byte.len() == 2).count() == 6 {
            return self.mac(word);
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return self.address(address).to_string();
        }
        if let Some((address, port)) = word.split_once(':')
            && let Ok(address) = address.parse::<Ipv4Addr>()
        {
            return format!("{}:{port}", self.address(address.into()));
        }
        word.to_owned()
    }

    fn mac(&mut self, mac: &str) -> String {
        if mac == "00:00:00:00:00:00" || mac == "ff:ff:ff:ff:ff:ff" {
            return mac.to_owned();
        }
        let number = self.macs.len() as u32 + 1;
        let [_, a, b, c] = number.to_be_bytes();
        let fresh = || format!("02:00:00:{a:02x}:{b:02x}:{c:02x}");
        self.macs.entry(mac.to_owned()).or_insert_with(fresh).clone()
    }

    fn address(&self, address: IpAddr) -> IpAddr {
        let of_uplink = self.uplinks.iter().filter(|net| net.covers(address)).map(|net| net.length);
        match of_uplink.min() {
            Some(length) => self.moved(address, length),
            None if is_public(address) => {
                self.moved(address, if address.is_ipv4() { 32 } else { 128 })
            }
            None => address,
        }
    }

    /// Another network of the same length in a range that is nobody's; the host's bits stay.
    fn moved(&self, address: IpAddr, length: u8) -> IpAddr {
        match address {
            // 100.64.0.0/10, RFC 6598
            IpAddr::V4(v4) => {
                let net = (self.salt as u32 ^ v4.to_bits()) & 0x003f_ffff | 0x6440_0000;
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Ipv4Addr::from_bits(net & mask | v4.to_bits() & !mask).into()
            }
            // fd00::/8, RFC 4193
            IpAddr::V6(v6) => {
                let salt = u128::from(self.salt) << 64 | u128::from(self.salt.rotate_left(17));
                let net = (salt ^ v6.to_bits()) & (u128::MAX >> 8) | 0xfd << 120;
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Ipv6Addr::from_bits(net & mask | v6.to_bits() & !mask).into()
            }
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_documentation()
                || shared;
            // masks look like addresses of class E
            !special && v4.octets()[0] < 224
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Address, Link, Part, Route};

    fn node() -> Snapshot {
        let address = |text: &str| Address {
            prefix: text.parse().unwrap(),
            scope: "global".to_owned(),
            flags: vec![],
        };
        let eth0 = Link {
            name: "eth0".to_owned(),
            mac: Some("52:54:00:12:34:56".to_owned()),
            addresses: vec![address("10.1.2.3/24"), address("2001:db8:7::3/64")],
            ..Link::default()
        };
        let route = Route {
            kind: "unicast".to_owned(),
            to: Some("10.1.2.0/24".parse().unwrap()),
            family: xt::Family::V4,
            via: vec!["10.1.2.1".parse().unwrap()],
            links: vec!["eth0".to_owned()],
            table: "main".to_owned(),
            protocol: None,
            metric: None,
            source: Some("10.1.2.3".parse().unwrap()),
            flags: vec![],
        };
        Snapshot {
            node: Some("worker-7.example.org".to_owned()),
            links: Part::Known(vec![eth0]),
            routes: Part::Known(vec![route]),
            agent: Part::Known(serde_json::json!({
                "bearerToken": "abc", "node": "worker-7.example.org", "api": "https://8.8.8.8:6443",
                "jwt": "eyJhbGciOi", "pod": "10.244.1.5",
            })),
            ..Snapshot::default()
        }
    }

    #[test]
    fn neither_secrets_nor_the_node_are_left() {
        let text = serde_json::to_string(&node().redacted(0x5eed).unwrap()).unwrap();
        for gone in ["worker-7", "10.1.2.", "52:54", "2001:db8:7", "8.8.8.8", "abc", "eyJ"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        assert!(text.contains("10.244.1.5") && text.contains(":6443"));
    }

    #[test]
    fn what_was_in_one_network_stays_in_one_network() {
        let redacted = node().redacted(7).unwrap();
        let links = redacted.links.known().unwrap();
        let routes = redacted.routes.known().unwrap();
        let own = links[0].addresses[0].prefix;
        assert_eq!(own.length, 24);
        assert_eq!(routes[0].source, Some(own.address));
        let network = routes[0].to.unwrap();
        assert!(network.covers(own.address) && network.covers(routes[0].via[0]));
    }

    #[test]
    fn the_same_salt_gives_the_same_and_another_another() {
        assert_eq!(node().redacted(1).unwrap(), node().redacted(1).unwrap());
        assert_ne!(node().redacted(1).unwrap(), node().redacted(0x00ff_00ff).unwrap());
    }
}
