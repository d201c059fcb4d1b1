//! Owns comparisons, and which of them nft does not print because another one implies them
//! (`meta l4proto tcp` before `tcp dport 80`).

use nfnl::expr::{CtKey, MetaKey, PayloadBase, Register};
use nfnl::{Data, Family};
use serde_json::{Value, json};

use super::super::registers::{Loaded, Origin};
use super::super::sets::prefix_length;
use super::super::types::{Form, number};
use super::Machine;

/// Places of the conditions that say which headers there are.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    network: Option<usize>,
    transport: Option<usize>,
}

impl Machine<'_> {
    /// A field of a header implies the condition that the header is there.
    pub(super) fn implied(&mut self, loaded: &Loaded) {
        let Origin::Fields(fields) = &loaded.origin else { return };
        let Some(field) = fields.first() else { return };
        let Dependencies { network, transport } = &mut self.dependencies;
        let places = match field.base() {
            PayloadBase::Network => [network.take(), None],
            // ICMP is of one family only
            PayloadBase::Transport if field.is_of_icmp() => [network.take(), transport.take()],
            // `th dport` holds for any protocol: it implies none
            PayloadBase::Transport if !field.is_of_any_protocol() => [transport.take(), None],
            _ => [None, None],
        };
        for place in places.into_iter().flatten() {
            if let Some(statement) = self.out.get_mut(place) {
                *statement = None;
            }
        }
    }

    pub(super) fn compare(&mut self, register: Register, op: &str, bytes: &[u8]) {
        let Some(loaded) = self.loaded(register) else { return };
        self.implied(&loaded);
        if let Some((mask, _)) = loaded.mask.clone() {
            return self.compare_masked(&loaded, &mask, op, bytes);
        }
        if op == "==" {
            self.learn(&loaded, bytes);
        }
        match &loaded.origin {
            Origin::Fields(fields) if fields.len() > 1 => {
                let mut rest = bytes;
                for field in fields {
                    let (value, behind) = rest.split_at(rest.len().min(field.len as usize));
                    let value = field.value_type().value(value, self.around.links);
                    self.push(matched(op, &field.json(), &value));
                    rest = behind;
                }
            }
            // the first bytes of an address are a network
            Origin::Fields(fields)
                if fields.first().is_some_and(|field| bytes.len() < field.len as usize) =>
            {
                let len = fields.first().map_or(0, |field| field.len as usize);
                let mut whole = bytes.to_vec();
                whole.resize(len, 0);
                let address = loaded.kind.value(&whole, self.around.links);
                let value = json!({"prefix": {"addr": address, "len": bytes.len() * 8}});
                self.push(matched(op, &loaded.json, &value));
            }
            _ => {
                let value = loaded.kind.value(bytes, self.around.links);
                // states are asked for one by one: nft says `in`
                let op = match loaded.kind.form {
                    Form::Flags(_) if loaded.len > 1 && op == "==" => "in",
                    _ => op,
                };
                self.push(matched(op, &loaded.json, &value));
            }
        }
    }

    fn compare_masked(&mut self, loaded: &Loaded, mask: &[u8], op: &str, bytes: &[u8]) {
        let links = self.around.links;
        let nothing = bytes.iter().all(|byte| *byte == 0);
        let flags = matches!(loaded.kind.form, Form::Flags(_));
        let statement = match prefix_of(mask) {
            _ if flags && nothing && op == "!=" => {
                matched("in", &loaded.json, &loaded.kind.value(mask, links))
            }
            _ if flags && nothing && op == "==" => {
                matched("!", &loaded.json, &loaded.kind.value(mask, links))
            }
            Some(length) if loaded.kind.has_prefixes() => {
                let address = loaded.kind.value(bytes, links);
                matched(op, &loaded.json, &json!({"prefix": {"addr": address, "len": length}}))
            }
            _ => matched(op, &self.masked(loaded), &loaded.kind.value(bytes, links)),
        };
        self.push(statement);
    }

    pub(super) fn range(&mut self, register: Register, op: &str, from: &Data, to: &Data) {
        let (Data::Value(from), Data::Value(to)) = (from, to) else { return };
        let Some(loaded) = self.loaded(register) else { return };
        self.implied(&loaded);
        let links = self.around.links;
        // a range is compared as bytes are: numbers have been turned round before
        let value = |bytes: &[u8]| match bytes {
            bytes if loaded.kind.is_host() && cfg!(target_endian = "little") => {
                loaded.kind.value(&bytes.iter().rev().copied().collect::<Vec<_>>(), links)
            }
            bytes => loaded.kind.value(bytes, links),
        };
        let range = json!({"range": [value(from.bytes()), value(to.bytes())]});
        let left = self.masked(&loaded);
        self.push(matched(op, &left, &range));
    }

    /// Remembers what a condition says about the headers that follow; called before it is pushed.
    fn learn(&mut self, loaded: &Loaded, bytes: &[u8]) {
        let place = self.out.len();
        let value = number(bytes, false);
        let is = |header, name| match &loaded.origin {
            Origin::Fields(fields) => matches!(fields.as_slice(), [one] if one.is(header, name)),
            _ => false,
        };
        match &loaded.origin {
            Origin::Meta(MetaKey::L4Proto) => self.is_transport(value, place),
            Origin::Meta(MetaKey::NfProto) => {
                let network = match value {
                    2 => Some("ip"),
                    10 => Some("ip6"),
                    _ => None,
                };
                self.is_network(network, place);
            }
            Origin::Meta(MetaKey::Protocol) => self.is_network(by_ether_type(value), place),
            Origin::Ct(CtKey::Protocol) => self.headers.transport = u8::try_from(value).ok(),
            Origin::Fields(_) if is("ip", "protocol") || is("ip6", "nexthdr") => {
                self.is_transport(value, place);
            }
            Origin::Fields(_) if is("ether", "type") => {
                self.is_network(by_ether_type(value), place);
            }
            _ => {}
        }
    }

    fn is_transport(&mut self, protocol: u64, place: usize) {
        self.headers.transport = u8::try_from(protocol).ok();
        self.dependencies.transport = Some(place);
    }

    fn is_network(&mut self, network: Option<&'static str>, place: usize) {
        // tables of one family know it without asking
        if matches!(self.around.family, Family::Ip | Family::Ip6 | Family::Arp) {
            return;
        }
        self.headers.network = network;
        self.dependencies.network = network.map(|_| place);
    }
}

fn by_ether_type(number: u64) -> Option<&'static str> {
    match number {
        0x0800 => Some("ip"),
        0x86dd => Some("ip6"),
        0x0806 => Some("arp"),
        _ => None,
    }
}

/// Length of the network that a mask stands for.
fn prefix_of(mask: &[u8]) -> Option<u32> {
    let last: Vec<u8> = mask.iter().map(|byte| !byte).collect();
    prefix_length(&vec![0; mask.len()], &last)
}

fn matched(op: &str, left: &Value, right: &Value) -> Value {
    json!({"match": {"op": op, "left": left, "right": right}})
}
