//! Owns JSON files: of nft, of `ip -j`, and snapshots of netkeep itself.

use std::io::Read;
use std::net::IpAddr;

use serde::de::{DeserializeSeed, Deserializer as _, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};
use xt::{Extent, Family};

use super::decode::Decoded;
use super::nft_json::{Document, Index};
use super::words::destination;
use super::{Assembler, nft_text, route, text};
use crate::snapshot::{
    Address, Link, Neighbour, PartName, Prefix, Route, RoutingRule, Snapshot, VERSION,
};

pub(super) fn read<R: Read>(all: &mut Assembler, file: &str, input: &mut Decoded<R>) {
    let start = match input.peek() {
        Ok(start) => String::from_utf8_lossy(&start[..start.len().min(4_096)]).into_owned(),
        Err(error) => return all.skip(file, 0, error.to_string()),
    };
    let object = start.trim_start().starts_with('{');
    let (rest, before) = input.rest();
    let first = start.trim_start().trim_start_matches('{').trim_start();
    let result = if first.starts_with("\"nftables\"") {
        read_nft(all, file, rest)
    } else if first.starts_with("\"version\"") {
        serde_json::from_reader(rest).map(|snapshot| take_snapshot(all, file, snapshot))
    } else if object {
        serde_json::from_reader::<_, Value>(rest).map(|value| {
            // a snapshot whose keys somebody sorted
            if value.get("version").is_some() && value.get("rules").is_some() {
                match serde_json::from_value(value) {
                    Ok(snapshot) => take_snapshot(all, file, snapshot),
                    Err(error) => all.skip(file, 0, format!("no snapshot: {error}")),
                }
            } else if !take_object(all, file, &value) {
                all.skip(file, 0, "JSON of no kind that is known here");
            }
        })
    } else {
        Deserializer::from_reader(rest).deserialize_seq(Items { all, file })
    };
    if let Err(error) = result {
        let nft = first.starts_with("\"nftables\"");
        half(all, file, before + error.line(), nft);
        let what = match error.classify() {
            serde_json::error::Category::Eof => "the JSON ends in the middle",
            serde_json::error::Category::Io => "the file cannot be read to its end",
            _ => "not JSON that is known here",
        };
        let line = before + error.line();
        let why = format!("{what} (column {}); what came before is used", error.column());
        all.skip(file, line, why);
    }
}

fn read_nft(
    all: &mut Assembler,
    file: &str,
    rest: &mut impl std::io::BufRead,
) -> Result<(), serde_json::Error> {
    // a text that was read before is less exact
    let before = all.snapshot.nft.known().cloned();
    all.snapshot.nft = crate::Part::Known(crate::snapshot::NftRuleset::default());
    let mut document = Document { all, file, index: Index::default() };
    let result = document.deserialize(&mut Deserializer::from_reader(rest));
    all.nft.json = Some(if result.is_ok() { Extent::Whole } else { Extent::Part });
    // a whole text is more than half a JSON
    let text_counts = result.is_err() && all.nft.text == Some(Extent::Whole);
    for table in before.into_iter().flat_map(|before| before.tables) {
        all.snapshot.nft.fill(|nft| {
            let same =
                nft.tables.iter_mut().find(|t| t.family == table.family && t.name == table.name);
            match same {
                Some(known) if text_counts => *known = table,
                Some(known) => nft_text::complete(known, &table),
                // the JSON stopped before it
                None if result.is_err() => nft.tables.push(table),
                None => {}
            }
        });
    }
    result
}

/// Notes what is known in part only because the JSON does not go on.
fn half(all: &mut Assembler, file: &str, line: usize, nft: bool) {
    const WHY: &str = "the JSON ends in the middle";
    if nft {
        all.nft.cut(file, line, WHY);
        return;
    }
    let parts: Vec<PartName> = all.touched.iter().copied().chain(named(file)).collect();
    for part in parts {
        all.half(part, file, line, WHY);
    }
}

/// Notes that a file that should hold JSON holds nothing.
pub(super) fn nothing(all: &mut Assembler, file: &str) {
    let why = "it is empty";
    all.skip(file, 0, why);
    if file.to_ascii_lowercase().contains("nft") {
        all.nft.cut(file, 0, why);
    } else if let Some(part) = named(file) {
        all.half(part, file, 0, why);
    }
}

/// What a file of `ip -j` has, as far as its name says.
fn named(file: &str) -> Option<PartName> {
    let name = file.rsplit('/').next().unwrap_or(file);
    if name.contains("neigh") {
        Some(PartName::Neighbours)
    } else if name.contains("route") {
        Some(PartName::Routes)
    } else if let Some(family) = text::rule_family(name) {
        Some(PartName::routing_rules(family))
    } else {
        (name.contains("link") || name.contains("addr")).then_some(PartName::Links)
    }
}

/// A snapshot is taken as it is, unless something was read before.
fn take_snapshot(all: &mut Assembler, file: &str, mut snapshot: Snapshot) {
    if snapshot.version > VERSION {
        let why = format!("a snapshot of version {}, newer than {VERSION}", snapshot.version);
        all.skip(file, 0, why);
    } else if all.snapshot.is_blank() {
        snapshot.skipped.splice(0..0, std::mem::take(&mut all.snapshot.skipped));
        all.snapshot = snapshot;
    } else {
        all.skip(file, 0, "a whole snapshot, but other files were read before: give it alone");
    }
}

struct Items<'a, 'b> {
    all: &'a mut Assembler,
    file: &'b str,
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (mut known, mut strange, mut any) = (0u64, 0u64, false);
        while let Some(item) = seq.next_element::<Value>()? {
            any = true;
            if take_item(self.all, self.file, &item) { known += 1 } else { strange += 1 }
        }
        if !any {
            // `ip -j rule` of a namespace without rules, for example
            by_name(self.all, self.file);
        }
        if strange > 0 {
            let all = known + strange;
            let why = format!("{strange} of {all} objects are of no kind that is known here");
            self.all.skip(self.file, 0, why);
        }
        Ok(())
    }
}

/// An empty list is an answer; the file's name says to what.
fn by_name(all: &mut Assembler, file: &str) {
    let name = file.rsplit('/').next().unwrap_or(file);
    if name.contains("neigh") {
        all.snapshot.neighbours.fill(|_| ());
    } else if name.contains("route") {
        all.snapshot.routes.fill(|_| ());
    } else {
        match text::rule_family(name) {
            Some(Family::V4) => all.snapshot.routing_rules.v4.fill(|_| ()),
            Some(Family::V6) => all.snapshot.routing_rules.v6.fill(|_| ()),
            None => {}
        }
    }
}

/// An object at the top: what the agent says of itself.
fn take_object(all: &mut Assembler, file: &str, value: &Value) -> bool {
    let agent = value.get("npl").is_some() || value.get("findings").is_some();
    if agent || file.contains("agent") {
        all.snapshot.agent = crate::Part::Known(value.clone());
        return true;
    }
    false
}

fn text_of(item: &Value, key: &str) -> Option<String> {
    item.get(key).and_then(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn words_of(item: &Value, key: &str) -> Vec<String> {
    let items = item.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn number_of<T: TryFrom<u64>>(item: &Value, key: &str) -> Option<T> {
    item.get(key).and_then(Value::as_u64).and_then(|number| T::try_from(number).ok())
}

/// An object of `ip -j`.
fn take_item(all: &mut Assembler, file: &str, item: &Value) -> bool {
    let has = |key: &str| item.get(key).is_some();
    let held = |part: Option<usize>| part.unwrap_or_default();
    // `ip -j addr show type x` gives empty objects for links of other types
    if item.as_object().is_some_and(serde_json::Map::is_empty) {
        return true;
    }
    if has("ifname") && has("flags") {
        if all.room(held(all.snapshot.links.known().map(Vec::len)), file, 0, PartName::Links) {
            route::add_link(all, link(item));
        }
        return true;
    }
    if has("priority") && has("src") {
        let Some(rule) = rule(item) else { return false };
        let six = rule.asks.split(' ').any(|word| word.contains(':'));
        let of = match text::rule_family(file) {
            Some(family) => family,
            None if six => Family::V6,
            None => Family::V4,
        };
        let rules = match of {
            Family::V4 => &mut all.snapshot.routing_rules.v4,
            Family::V6 => &mut all.snapshot.routing_rules.v6,
        };
        all.touched.insert(PartName::routing_rules(of));
        let limit = all.limits.entries;
        rules.fill(|rules| {
            if rules.len() < limit {
                rules.push(rule);
            }
        });
        return true;
    }
    if has("dst") && has("state") {
        let Some(neighbour) = neighbour(item) else { return false };
        if all.room(
            held(all.snapshot.neighbours.known().map(Vec::len)),
            file,
            0,
            PartName::Neighbours,
        ) {
            all.snapshot.neighbours.fill(|known| known.push(neighbour));
        }
        return true;
    }
    if has("dst") {
        let Some(route) = json_route(item, file) else { return false };
        if all.room(held(all.snapshot.routes.known().map(Vec::len)), file, 0, PartName::Routes) {
            all.snapshot.routes.fill(|known| known.push(route));
        }
        return true;
    }
    false
}

fn link(item: &Value) -> Link {
    let info = item.get("linkinfo");
    let addresses = item.get("addr_info").and_then(Value::as_array);
    let addresses = addresses.map(Vec::as_slice).unwrap_or_default();
    let lower = info.and_then(|info| info.get("info_data")).and_then(|data| text_of(data, "link"));
    Link {
        index: number_of(item, "ifindex").unwrap_or_default(),
        name: text_of(item, "ifname").unwrap_or_default(),
        flags: words_of(item, "flags"),
        kind: info.and_then(|info| text_of(info, "info_kind")),
        master: text_of(item, "master"),
        lower: text_of(item, "link").or(lower),
        mtu: number_of(item, "mtu"),
        state: text_of(item, "operstate"),
        mac: text_of(item, "address"),
        other_names: words_of(item, "altnames"),
        addresses: addresses.iter().filter_map(address).collect(),
    }
}

fn address(item: &Value) -> Option<Address> {
    let known = ["tentative", "dadfailed", "secondary", "deprecated", "dynamic", "nodad"];
    let flags = known.into_iter().filter(|flag| item.get(*flag) == Some(&Value::Bool(true)));
    Some(Address {
        prefix: Prefix::new(text_of(item, "local")?.parse().ok()?, number_of(item, "prefixlen")?)?,
        scope: text_of(item, "scope").unwrap_or_default(),
        flags: flags.map(str::to_owned).collect(),
    })
}

fn json_route(item: &Value, file: &str) -> Option<Route> {
    let to = destination(&text_of(item, "dst")?)?;
    let hops =
        item.get("nexthops").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let each = || std::iter::once(item).chain(hops);
    let gateway = |hop: &Value| {
        let via = hop.get("via").and_then(|via| text_of(via, "host"));
        text_of(hop, "gateway").or(via)?.parse::<IpAddr>().ok()
    };
    let via: Vec<IpAddr> = each().filter_map(gateway).collect();
    let named_six = file.contains("ip6") || file.contains("ip-6") || file.contains("ipv6");
    let six = to
        .map(|to| to.address)
        .or(via.first().copied())
        .map_or(item.get("pref").is_some() || named_six, |address| address.is_ipv6());
    Some(Route {
        kind: text_of(item, "type").unwrap_or_else(|| "unicast".to_owned()),
        to,
        family: if six { Family::V6 } else { Family::V4 },
        via,
        links: each().filter_map(|hop| text_of(hop, "dev")).collect(),
        table: text_of(item, "table").unwrap_or_else(|| "main".to_owned()),
        protocol: text_of(item, "protocol"),
        metric: number_of(item, "metric"),
        source: text_of(item, "prefsrc").and_then(|source| source.parse().ok()),
        flags: words_of(item, "flags"),
    })
}

fn rule(item: &Value) -> Option<RoutingRule> {
    let from = match (text_of(item, "src")?, text_of(item, "srclen")) {
        (source, Some(length)) => format!("{source}/{length}"),
        (source, None) => source,
    };
    let not = if item.get("not").is_some() { "not " } else { "" };
    let mut asks = format!("{not}from {from}");
    if let Some(to) = text_of(item, "dst") {
        asks += " to ";
        asks += &to;
        asks += &text_of(item, "dstlen").map_or(String::new(), |length| format!("/{length}"));
    }
    if let Some(mark) = text_of(item, "fwmark") {
        let mask = text_of(item, "fwmask").map_or(String::new(), |mask| format!("/{mask}"));
        asks = format!("{asks} fwmark {mark}{mask}");
    }
    for (key, word) in [("iif", "iif"), ("oif", "oif"), ("ipproto", "ipproto"), ("tos", "tos")] {
        asks += &text_of(item, key).map_or(String::new(), |value| format!(" {word} {value}"));
    }
    let does = match (text_of(item, "table"), text_of(item, "action")) {
        (Some(table), _) => format!("lookup {table}"),
        (None, action) => action.unwrap_or_default(),
    };
    Some(RoutingRule {
        priority: number_of(item, "priority")?,
        asks,
        does,
        protocol: text_of(item, "protocol"),
    })
}

fn neighbour(item: &Value) -> Option<Neighbour> {
    Some(Neighbour {
        address: text_of(item, "dst")?.parse().ok()?,
        link: text_of(item, "dev").unwrap_or_default(),
        mac: text_of(item, "lladdr"),
        state: words_of(item, "state").into_iter().next(),
    })
}
