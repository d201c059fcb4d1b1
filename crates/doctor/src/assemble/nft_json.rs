//! Owns `nft -j list ruleset`: read one object at a time, so that memory is that of the snapshot.

use std::collections::BTreeMap;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Assembler, nft_render};
use crate::snapshot::{NftBase, NftChain, NftSet, NftTable, PartName};

/// Takes the objects of `{"nftables": […]}` in.
pub(super) struct Document<'a> {
    pub(super) all: &'a mut Assembler,
    pub(super) file: &'a str,
    /// Tables and chains by name.
    pub(super) index: Index,
}

/// Tables and chains by family and name.
#[derive(Default)]
pub(super) struct Index {
    tables: BTreeMap<(String, String), usize>,
    chains: BTreeMap<(usize, String), usize>,
    full: bool,
}

impl<'de> DeserializeSeed<'de> for &mut Document<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with the key \"nftables\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "nftables" {
                map.next_value_seed(Objects(self))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Objects<'a, 'b>(&'a mut Document<'b>);

impl<'de> DeserializeSeed<'de> for Objects<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects of nft")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(object) = seq.next_element::<Value>()? {
            self.0.take(object);
        }
        Ok(())
    }
}

fn text(body: &Value, key: &str) -> String {
    body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A word or a list of words.
fn words(body: &Value, key: &str) -> Vec<String> {
    match body.get(key) {
        Some(Value::Array(items)) => items.iter().map(nft_render::value).collect(),
        Some(Value::String(word)) => vec![word.clone()],
        _ => Vec::new(),
    }
}

impl Document<'_> {
    fn take(&mut self, object: Value) {
        let Value::Object(object) = object else { return };
        let Some((kind, body)) = object.iter().next() else { return };
        match kind.as_str() {
            "table" => {
                let flags = words(body, "flags");
                if let Some(table) = self.table(&text(body, "family"), &text(body, "name")) {
                    table.flags = flags;
                }
            }
            "chain" => self.chain(body),
            "rule" => self.rule(body),
            "set" | "map" => self.set(body),
            // counters, quotas, flow tables, helpers: nothing asks for them
            _ => {}
        }
    }

    fn table_at(&mut self, family: &str, name: &str) -> usize {
        let key = (family.to_owned(), name.to_owned());
        if let Some(at) = self.index.tables.get(&key) {
            return *at;
        }
        let at = self.all.snapshot.nft.fill(|nft| {
            let table =
                NftTable { family: key.0.clone(), name: key.1.clone(), ..NftTable::default() };
            nft.tables.push(table);
            nft.tables.len() - 1
        });
        self.index.tables.insert(key, at);
        at
    }

    fn table(&mut self, family: &str, name: &str) -> Option<&mut NftTable> {
        let at = self.table_at(family, name);
        match &mut self.all.snapshot.nft {
            crate::Part::Known(nft) => nft.tables.get_mut(at),
            crate::Part::Absent(_) => None,
        }
    }

    fn table_of(&mut self, body: &Value) -> Option<&mut NftTable> {
        self.table(&text(body, "family"), &text(body, "table"))
    }

    fn chain(&mut self, body: &Value) {
        let name = text(body, "name");
        let hook = text(body, "hook");
        let base = (!hook.is_empty()).then(|| NftBase {
            kind: text(body, "type"),
            hook,
            priority: body.get("prio").and_then(Value::as_i64).unwrap_or_default() as i32,
            policy: body.get("policy").and_then(Value::as_str).map(str::to_owned),
        });
        let at = self.table_at(&text(body, "family"), &text(body, "table"));
        if let Some(table) = self.table_of(body) {
            table.chains.push(NftChain { name: name.clone(), base, rules: Vec::new() });
            let chain = table.chains.len() - 1;
            self.index.chains.insert((at, name), chain);
        }
    }

    fn rule(&mut self, body: &Value) {
        let limit = self.all.limits.rules;
        if self.all.rules >= limit {
            if !std::mem::replace(&mut self.index.full, true) {
                let why = format!("more than {limit} rules: the rest is left out");
                self.all.skip(self.file, 0, why.clone());
                self.all.half(PartName::Nft, self.file, 0, why);
            }
            return;
        }
        self.all.rules += 1;
        let expressions = body.get("expr").and_then(Value::as_array);
        let mut rule = nft_render::rule(expressions.map(Vec::as_slice).unwrap_or_default());
        rule.handle = body.get("handle").and_then(Value::as_u64);
        rule.comment = body.get("comment").and_then(Value::as_str).map(str::to_owned);
        let at = self.table_at(&text(body, "family"), &text(body, "table"));
        let chain = self.index.chains.get(&(at, text(body, "chain"))).copied();
        let Some(table) = self.table_of(body) else { return };
        if let Some(chain) = chain.and_then(|at| table.chains.get_mut(at)) {
            chain.rules.push(rule);
        }
    }

    fn set(&mut self, body: &Value) {
        let limit = self.all.limits.elements;
        let key = match body.get("type") {
            Some(Value::Array(parts)) => {
                parts.iter().map(nft_render::value).collect::<Vec<_>>().join(" . ")
            }
            Some(other) => nft_render::value(other),
            None => String::new(),
        };
        let elements = body.get("elem").and_then(Value::as_array);
        let elements = elements.map(Vec::as_slice).unwrap_or_default();
        let mut targets: Vec<String> = elements.iter().filter_map(chains_of).collect();
        targets.sort();
        targets.dedup();
        let set = NftSet {
            name: text(body, "name"),
            key,
            data: body.get("map").map(nft_render::value),
            flags: words(body, "flags"),
            auto_merge: body.get("auto-merge").and_then(Value::as_bool).unwrap_or_default(),
            size: body.get("size").and_then(Value::as_u64),
            count: elements.len() as u64,
            elements: elements.iter().take(limit).map(nft_render::element).collect(),
            targets,
        };
        if let Some(table) = self.table_of(body) {
            table.sets.push(set);
        }
    }
}

/// Chains that an element's verdict leads to.
fn chains_of(element: &Value) -> Option<String> {
    let verdict = element.as_array()?.get(1)?.as_object()?;
    let body = verdict.get("jump").or_else(|| verdict.get("goto"))?;
    body.get("target").and_then(Value::as_str).map(str::to_owned)
}
