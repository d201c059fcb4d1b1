//! What the kernel holds of netkeep, as `nft -j` sees it: an oracle that shares no code with the
//! product.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;

use netns::Namespace;
use serde_json::Value;

/// A mapping's value: where it leads, and the owner that its comment names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leads {
    /// The Pod's IP.
    pub ip: IpAddr,
    /// The Pod's port.
    pub port: u16,
    /// `namespace/name` of the owner.
    pub owner: String,
}

/// The table `inet netkeep`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelTable {
    /// Mappings of both families, by family (4 or 6), protocol and node port.
    pub mappings: BTreeMap<(u8, String, u16), Leads>,
    /// IPs with a hairpin element, and the owner that its comment names.
    pub hairpins: BTreeMap<IpAddr, String>,
    /// Names of the chains.
    pub chains: BTreeSet<String>,
    /// How many rules there are.
    pub rules: usize,
}

impl KernelTable {
    /// The table as it is; none if there is no such table.
    #[track_caller]
    pub fn read(namespace: &Namespace) -> Option<Self> {
        let mut command = Command::new("nft");
        let listed =
            lab::run(namespace, command.args(["-j", "list", "table", "inet", "netkeep"]), "");
        let text = match listed {
            Ok(text) => text,
            Err(error) if error.to_string().contains("No such file") => return None,
            Err(error) => panic!("{error}"),
        };
        let json: Value = serde_json::from_str(&text).unwrap();
        let mut table = Self::default();
        for object in json["nftables"].as_array().unwrap() {
            table.take(object);
        }
        Some(table)
    }

    fn take(&mut self, object: &Value) {
        if let Some(chain) = object.get("chain") {
            self.chains.insert(text(&chain["name"]));
        }
        self.rules += usize::from(object.get("rule").is_some());
        let elements = |set: &Value| set["elem"].as_array().cloned().unwrap_or_default();
        if let Some(map) = object.get("map") {
            let family = if map["name"] == "npl4" { 4 } else { 6 };
            for pair in elements(map) {
                let (key, owner) = unwrapped(&pair[0]);
                let leads = Leads {
                    ip: text(&pair[1]["concat"][0]).parse().unwrap(),
                    port: port(&pair[1]["concat"][1]),
                    owner,
                };
                self.mappings.insert((family, text(&key[0]), port(&key[1])), leads);
            }
        }
        if let Some(set) = object.get("set") {
            for element in elements(set) {
                let (key, owner) = unwrapped(&element);
                assert_eq!(key[0], key[1], "a hairpin of two addresses");
                self.hairpins.insert(text(&key[0]).parse().unwrap(), owner);
            }
        }
    }

    /// The mappings of an owner.
    pub fn of(&self, owner: &str) -> BTreeMap<(u8, String, u16), Leads> {
        let of = self.mappings.iter().filter(|(_, leads)| leads.owner == owner);
        of.map(|(key, leads)| (key.clone(), leads.clone())).collect()
    }
}

/// The generation of the namespace's ruleset: any commit of anybody moves it, and nothing else.
#[track_caller]
pub fn generation(namespace: &Namespace) -> u32 {
    let read = || nfnl::Socket::open().unwrap().generation().unwrap().id;
    namespace.run(read).unwrap()
}

/// Key and comment of an element, which `nft` wraps only if there is a comment.
fn unwrapped(element: &Value) -> (Value, String) {
    match element.get("elem") {
        Some(inner) => (inner["val"]["concat"].clone(), text(&inner["comment"])),
        None => (element["concat"].clone(), String::new()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn port(value: &Value) -> u16 {
    u16::try_from(value.as_u64().unwrap()).unwrap()
}
