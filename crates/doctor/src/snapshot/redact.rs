//! Owns redaction: a snapshot that can be shown to strangers and still gives the same findings.
//!
//! Addresses of the node's uplinks, and on `lo` those that are no loopback's, keep their host bits and
//! lose their network; two addresses of one network stay in one network. Addresses of Pods and Services
//! are private already and stay.
//! What names the node (its name, short and long, its hardware addresses, its uplinks' addresses) goes
//! from every text in every way it is written there ([`needles`]): within other words, in either case,
//! as bytes in hexadecimal, inside other addresses. A name that is a word of the format or of a system
//! ([`words`]: `filter`, `docker`, `eth0`) cannot be told from it there; it goes only where it stands alone
//! and somebody wrote it for people: the host's name, comments, prefixes of logs, messages.
//! Deliberately kept: names of Services in comments. They are what the rules are about.

mod addresses;
mod needles;
mod words;

use serde_json::Value;

use self::addresses::Addresses;
pub(crate) use self::addresses::stands_for_another;
use self::needles::Needles;
use self::words::Words;
use super::{Part, Snapshot};
use crate::{assemble::messages, owners};

/// Why redaction failed.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot cannot be redacted")]
pub struct RedactError(#[from] serde_json::Error);

/// Keys whose values nobody else may see.
const SECRET_KEYS: [&str; 8] =
    ["token", "password", "passwd", "secret", "credential", "authorization", "cert", "privatekey"];

impl Snapshot {
    /// The same snapshot without secrets and without what identifies the node. The same salt gives
    /// the same result; without it addresses cannot be computed back.
    ///
    /// # Errors
    /// Never for a snapshot that this crate made: it would have to be one that cannot be written.
    pub fn redacted(&self, salt: u64) -> Result<Self, RedactError> {
        let value = serde_json::to_value(self)?;
        // what a name was taken out of may be a word that nobody thought of: then it is one
        let mut redacted = self
            .without_names(value.clone(), salt, &Words::of(self, &value))
            .or_else(|_| self.without_names(value, salt, &Words::Any))?;
        redacted.taken = None;
        redacted.node = None;
        redacted.redacted = true;
        // whatever somebody gave a program as an argument
        if let Part::Known(holders) = &mut redacted.xtables_lock {
            for holder in holders {
                holder.command = None;
            }
        }
        Ok(redacted)
    }

    fn without_names(
        &self,
        mut value: Value,
        salt: u64,
        words: &Words,
    ) -> Result<Self, serde_json::Error> {
        let mut addresses = Addresses::of(self, salt);
        let needles = Needles::of(self, &mut addresses, words);
        let mut veil = Veil { addresses, needles };
        veil.hide(&mut value, Keys::Ours, Place::Format);
        serde_json::from_value(value)
    }
}

/// Whose the keys of an object are: names of fields, or texts that somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Ours,
    Free,
}

/// Parts whose keys are anything: names of sysctls have names of links in them, and the agent's state is
/// its own.
const FREE_KEYS: [&str; 2] = ["sysctls", "agent"];

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Read by checks.
    Format,
    /// The options of a rule that writes to a log.
    Log,
    /// The state of the agent.
    Agent,
    /// Written by somebody for people.
    Prose,
}

impl Place {
    /// Of what stands under a key.
    fn under(self, key: &str) -> Self {
        match (self, key) {
            (Self::Format, "log" | "nflog") => Self::Log,
            (Self::Format, "agent") => Self::Agent,
            (Self::Format, "comment" | "messages" | "kernel.hostname" | "kernel.domainname")
            | (Self::Log, "prefix") => Self::Prose,
            (Self::Agent, key) => {
                let lower = key.to_ascii_lowercase();
                let told = ["node", "host", "message", "reason"];
                if told.iter().any(|part| lower.contains(part)) { Self::Prose } else { self }
            }
            (place, _) => place,
        }
    }
}

struct Veil {
    addresses: Addresses,
    needles: Needles,
}

impl Veil {
    fn hide(&mut self, value: &mut Value, keys: Keys, place: Place) {
        match value {
            Value::String(text) => {
                if place == Place::Prose {
                    *text = self.prose(text);
                }
                *text = self.text(text);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item, keys, place)),
            Value::Object(fields) => {
                for (key, value) in fields.iter_mut() {
                    let lower = key.to_ascii_lowercase();
                    if keys == Keys::Free && SECRET_KEYS.iter().any(|secret| lower.contains(secret))
                    {
                        *value = Value::from("redacted");
                        continue;
                    }
                    let inner = if FREE_KEYS.contains(&key.as_str()) { Keys::Free } else { keys };
                    self.hide(value, inner, place.under(key));
                }
                if keys == Keys::Free {
                    let old = std::mem::take(fields);
                    fields.extend(old.into_iter().map(|(key, value)| (self.text(&key), value)));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Without names that are words too, unless that changes whose it is, or what it says went wrong.
    fn prose(&self, text: &str) -> String {
        let without = self.needles.replaced_words(text);
        let says = |text: &str| {
            let known = messages::KNOWN.map(|known| text.contains(known));
            (owners::of_comment(text), known)
        };
        if says(&without) == says(text) { without } else { text.to_owned() }
    }

    fn text(&mut self, text: &str) -> String {
        if has_secret(text) {
            return "redacted".to_owned();
        }
        let text = without_secret_values(text);
        let text = without_secret_bytes(&text);
        let text = self.needles.replaced(&text);
        self.addresses.replaced(&text)
    }
}

/// Beginnings of a private key and of a token (JSON in base64).
const SECRETS: [&str; 2] = ["-----BEGIN ", "eyJ"];

/// Whether a text holds a key or a token.
fn has_secret(text: &str) -> bool {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    text.contains(SECRETS[0])
        || text.match_indices(SECRETS[1]).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let length = text[at..].chars().take_while(|c| of_token(*c)).count();
            // a letter before it is the middle of a word, or of a hash of sixteen letters
            length >= if before.is_some_and(|c| c.is_ascii_alphanumeric()) { 20 } else { 8 }
        })
}

/// The text with the values of `token=…` and `password: …` and the like hidden. (`vault/token:http` is
/// a port of a Service.)
fn without_secret_values(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut secret = false;
    for word in text.split_inclusive([' ', '\n']) {
        let body = word.trim_end_matches([' ', '\n']);
        let lower = body.to_ascii_lowercase();
        let named = SECRET_KEYS.iter().find_map(|key| Some(lower.find(key)? + key.len()));
        let rest = named.and_then(|end| Some((end, body.get(end..)?)));
        match rest {
            _ if secret && !body.is_empty() => {
                out += "redacted";
                secret = false;
            }
            Some((end, rest)) if rest.starts_with('=') => {
                out += &body[..=end];
                out += "redacted";
            }
            _ => {
                secret = rest.is_some_and(|(_, rest)| rest == ":");
                out += body;
            }
        }
        out += &word[body.len()..];
    }
    out
}

/// The text with bytes in hexadecimal that hold a key or a token made zero.
fn without_secret_bytes(text: &str) -> String {
    let hex = |secret: &str| xt::Hex(secret.as_bytes().to_vec()).to_string();
    let lower = text.to_ascii_lowercase();
    let secrets = SECRETS.map(hex);
    if !secrets.iter().any(|secret| lower.contains(secret)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        let run_lower = run.to_ascii_lowercase();
        if run.len() >= 16 && secrets.iter().any(|secret| run_lower.contains(secret)) {
            out.extend(std::iter::repeat_n('0', run.len()));
        } else {
            out += run;
        }
        let next = behind.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(behind.len());
        out += &behind[..next];
        rest = &behind[next..];
    }
    out
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
    fn addresses_on_lo_are_the_node_s_own_and_the_loopback_s_stay() {
        let mut node = node();
        let on = |scope: &str, text: &str| Address {
            prefix: text.parse().unwrap(),
            scope: scope.to_owned(),
            flags: vec![],
        };
        let lo = Link {
            name: "lo".to_owned(),
            flags: vec!["LOOPBACK".to_owned()],
            addresses: vec![
                on("host", "127.0.0.1/8"),
                on("host", "::1/128"),
                on("global", "10.77.0.5/32"),
                on("host", "192.0.2.9/32"),
                on("global", "fd77::5/128"),
            ],
            ..Link::default()
        };
        let Part::Known(links) = &mut node.links else { panic!("links are known") };
        links.push(lo);
        node.agent = Part::Known(serde_json::json!({
            "listen": "10.77.0.5:80 and 127.0.0.53:53", "bytes": "0a4d0005",
        }));
        let text = serde_json::to_string(&node.redacted(0x5eed).unwrap()).unwrap();
        for gone in ["10.77.0.5", "192.0.2.9", "fd77::5", "0a4d0005"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        for kept in ["127.0.0.1/8", "::1/128", "127.0.0.53:53"] {
            assert!(text.contains(kept), "{kept} not in {text}");
        }
    }

    #[test]
    fn the_same_salt_gives_the_same_and_another_another() {
        assert_eq!(node().redacted(1).unwrap(), node().redacted(1).unwrap());
        assert_ne!(node().redacted(1).unwrap(), node().redacted(0x00ff_00ff).unwrap());
    }
}
