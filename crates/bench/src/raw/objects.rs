//! The objects of the NodePortLocal table as bytes: table, map, chains, rules, elements.

use super::bytes::{
    Bytes, DELSETELEM, GETSETELEM, NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM, NEWTABLE, NLM_F_ACK,
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP,
};
use crate::mapping::Mapping;

/// The table's name in every namespace of the floor.
pub(crate) const TABLE: &str = "floor";
/// Its map.
pub(crate) const MAP: &str = "npl4";

/// `inet_proto . inet_service` and `ipv4_addr . inet_service`, as nft numbers datatypes.
const KEY_TYPE: u32 = INET_PROTO << TYPE_BITS | INET_SERVICE;
const DATA_TYPE: u32 = IPV4_ADDR << TYPE_BITS | INET_SERVICE;
const TYPE_BITS: u32 = 6;
const IPV4_ADDR: u32 = 7;
const INET_PROTO: u32 = 12;
const INET_SERVICE: u32 = 13;
const NFT_SET_MAP_CONCAT: u32 = 0x8 | 0x80;
/// `NFT_REG32_00`.
const REG: u32 = 8;
/// The map's size hint: with one the kernel takes its hash with a fixed number of buckets.
const SIZE: u32 = 65_536;
/// As many elements as fit well below the 65,535 bytes of one nested attribute.
const PER_MESSAGE: usize = 500;

/// The fixed structure.
pub(crate) struct Structure;

impl Structure {
    /// Table and map in one transaction.
    pub(crate) fn maps() -> Vec<u8> {
        let mut bytes = Bytes::default();
        bytes.batch_begin();
        let table = bytes.message(NEWTABLE, NLM_F_CREATE, 1);
        bytes.text(1, TABLE);
        bytes.end(table);
        let map = bytes.message(NEWSET, NLM_F_CREATE | NLM_F_ACK, 2);
        bytes.text(1, TABLE);
        bytes.text(2, MAP);
        bytes.number(3, NFT_SET_MAP_CONCAT);
        bytes.number(4, KEY_TYPE);
        bytes.number(5, 8);
        bytes.number(6, DATA_TYPE);
        bytes.number(7, 8);
        let description = bytes.open(9);
        bytes.number(1, SIZE);
        let parts = bytes.open(2);
        for length in [1, 2] {
            let part = bytes.open(1);
            bytes.number(1, length);
            bytes.close(part);
        }
        bytes.close(parts);
        bytes.close(description);
        bytes.number(10, 1);
        bytes.end(map);
        bytes.batch_end();
        bytes.0
    }

    /// The hooked chains with their rules in one transaction.
    pub(crate) fn chains() -> Vec<u8> {
        let mut bytes = Bytes::default();
        bytes.batch_begin();
        // NF_INET_PRE_ROUTING and NF_INET_LOCAL_OUT, ahead of NF_IP_PRI_NAT_DST.
        for (name, hook, ack) in [("prerouting", 0, 0), ("output", 3, NLM_F_ACK)] {
            let chain = bytes.message(NEWCHAIN, NLM_F_CREATE, 1);
            bytes.text(1, TABLE);
            bytes.text(3, name);
            let hooked = bytes.open(4);
            bytes.number(1, hook);
            bytes.attribute(2, &(-110_i32).to_be_bytes());
            bytes.close(hooked);
            bytes.text(7, "nat");
            bytes.end(chain);
            rule(&mut bytes, name, ack);
        }
        bytes.batch_end();
        bytes.0
    }
}

/// `fib daddr type local meta nfproto ipv4 dnat ip to meta l4proto . th dport map @npl4`
fn rule(bytes: &mut Bytes, chain: &str, ack: u16) {
    let rule = bytes.message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND | ack, 2);
    bytes.text(1, TABLE);
    bytes.text(2, chain);
    let list = bytes.open(4);
    expression(bytes, "fib", &[(1, REG), (2, 3), (3, 2)]);
    compare(bytes, &2_u32.to_ne_bytes());
    expression(bytes, "meta", &[(1, REG), (2, 15)]);
    compare(bytes, &[2]);
    expression(bytes, "meta", &[(1, REG), (2, 16)]);
    expression(bytes, "payload", &[(1, REG + 1), (2, 2), (3, 2), (4, 2)]);
    let lookup = open_expression(bytes, "lookup");
    bytes.text(1, MAP);
    bytes.number(2, REG);
    bytes.number(3, REG);
    close_expression(bytes, lookup);
    expression(bytes, "nat", &[(1, 1), (2, 2), (3, REG), (5, REG + 1)]);
    bytes.close(list);
    bytes.end(rule);
}

fn open_expression(bytes: &mut Bytes, name: &str) -> (usize, usize) {
    let element = bytes.open(1);
    bytes.text(1, name);
    (element, bytes.open(2))
}

fn close_expression(bytes: &mut Bytes, (element, data): (usize, usize)) {
    bytes.close(data);
    bytes.close(element);
}

fn expression(bytes: &mut Bytes, name: &str, attributes: &[(u16, u32)]) {
    let open = open_expression(bytes, name);
    for (kind, value) in attributes {
        bytes.number(*kind, *value);
    }
    close_expression(bytes, open);
}

fn compare(bytes: &mut Bytes, value: &[u8]) {
    let open = open_expression(bytes, "cmp");
    bytes.number(1, REG);
    bytes.number(2, 0);
    let data = bytes.open(3);
    bytes.attribute(1, value);
    bytes.close(data);
    close_expression(bytes, open);
}

/// Transactions and requests on elements of the map.
pub(crate) struct Elements;

impl Elements {
    /// One transaction that adds all; the last message asks for the acknowledgement.
    pub(crate) fn add(mappings: &[Mapping]) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(mappings.len() * 100 + 200));
        bytes.batch_begin();
        Self::change(NEWSETELEM, NLM_F_CREATE, mappings, &mut bytes);
        bytes.batch_end();
        bytes.0
    }

    /// One transaction that deletes all.
    pub(crate) fn delete(mappings: &[Mapping]) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(mappings.len() * 40 + 200));
        bytes.batch_begin();
        Self::change(DELSETELEM, 0, mappings, &mut bytes);
        bytes.batch_end();
        bytes.0
    }

    /// One transaction that gives one key another value.
    pub(crate) fn replace(before: &Mapping, after: &Mapping) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(400));
        bytes.batch_begin();
        Self::change(DELSETELEM, 0, std::slice::from_ref(before), &mut bytes);
        Self::change(NEWSETELEM, NLM_F_CREATE, std::slice::from_ref(after), &mut bytes);
        bytes.batch_end();
        bytes.0
    }

    fn change(kind: u16, flags: u16, mappings: &[Mapping], into: &mut Bytes) {
        let chunks = mappings.len().div_ceil(PER_MESSAGE);
        for (number, chunk) in mappings.chunks(PER_MESSAGE).enumerate() {
            let ack = if number + 1 == chunks { NLM_F_ACK } else { 0 };
            let message = into.message(kind, flags | ack, 1);
            into.text(1, TABLE);
            into.text(2, MAP);
            let list = into.open(3);
            for mapping in chunk {
                element(into, mapping, kind == NEWSETELEM);
            }
            into.close(list);
            into.end(message);
        }
    }

    /// The request for one element of any table's map.
    pub(crate) fn get(table: &str, map: &str, key: [u8; 8]) -> Vec<u8> {
        let mut bytes = Bytes(Vec::with_capacity(100));
        one(&mut bytes, GETSETELEM, (table, map), key);
        bytes.0
    }

    /// The request for all elements of any table's map.
    pub(crate) fn dump(table: &str, map: &str) -> Vec<u8> {
        let mut bytes = Bytes::default();
        let message = bytes.message(GETSETELEM, NLM_F_DUMP, 1);
        bytes.text(1, table);
        bytes.text(2, map);
        bytes.end(message);
        bytes.0
    }

    /// A transaction that deletes one element of somebody else's map: a foreign writer.
    pub(crate) fn foreign_delete(table: &str, map: &str, key: [u8; 8]) -> Vec<u8> {
        let mut bytes = Bytes::default();
        bytes.batch_begin();
        one(&mut bytes, DELSETELEM, (table, map), key);
        bytes.batch_end();
        bytes.0
    }
}

fn one(into: &mut Bytes, kind: u16, (table, map): (&str, &str), key: [u8; 8]) {
    let message = into.message(kind, NLM_F_ACK, 1);
    into.text(1, table);
    into.text(2, map);
    let list = into.open(3);
    let element = into.open(1);
    let nest = into.open(1);
    into.attribute(1, &key);
    into.close(nest);
    into.close(element);
    into.close(list);
    into.end(message);
}

fn element(into: &mut Bytes, mapping: &Mapping, whole: bool) {
    let element = into.open(1);
    let key = into.open(1);
    into.attribute(1, &mapping.key());
    into.close(key);
    if whole {
        let data = into.open(2);
        into.attribute(1, &mapping.data());
        into.close(data);
        into.attribute(6, &mapping.mark);
    }
    into.close(element);
}
