//! The fixed part of the NodePortLocal table as bytes: table, maps, chains, rules.
//!
//! The same objects as the product's, laid out by hand; `shape_guard` compares the two in the kernel.

use super::bytes::{
    Bytes, NEWCHAIN, NEWRULE, NEWSET, NEWTABLE, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE,
};
use super::objects::{MAP, TABLE};

/// `NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST`.
const OWNER_PERSIST: u32 = 2 | 4;
/// Types as nft numbers them; a concatenation has 6 bits a part.
const TYPE_BITS: u32 = 6;
const IPV4_ADDR: u32 = 7;
const IPV6_ADDR: u32 = 8;
const INET_PROTO: u32 = 12;
const INET_SERVICE: u32 = 13;
const NFT_SET_MAP: u32 = 8;
/// Size hints: with one the kernel takes its hash with a fixed number of buckets.
const HAIRPIN_SIZE: u32 = 16_384;
/// `NFT_REG32_00`, and the register after the 16 bytes of an IPv6 address in it.
const REG: u32 = 8;
const REG_AFTER_IPV6: u32 = REG + 4;
/// `NF_INET_PRE_ROUTING`, `NF_INET_LOCAL_OUT`, `NF_INET_POST_ROUTING` and their priorities.
const HOOKS: [(&str, u32, i32); 3] =
    [("prerouting", 0, -110), ("output", 3, -110), ("postrouting", 4, 90)];
const NPL: &str = "npl";

/// What the families differ in.
struct Family {
    /// `NFPROTO_*`.
    number: u8,
    address: u32,
    length: u32,
    /// Where source and destination are in the network header.
    source: u32,
    destination: u32,
    map: &'static str,
    hairpin: &'static str,
    /// How many bytes of the destination, and which, are not translated: loopback.
    loopback: &'static [u8],
}

const FAMILIES: [Family; 2] = [
    Family {
        number: 2,
        address: IPV4_ADDR,
        length: 4,
        source: 12,
        destination: 16,
        map: MAP,
        hairpin: "hairpin4",
        loopback: &[127],
    },
    Family {
        number: 10,
        address: IPV6_ADDR,
        length: 16,
        source: 8,
        destination: 24,
        map: "npl6",
        hairpin: "hairpin6",
        loopback: &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    },
];

/// Table, maps of this size and sets, into a transaction. The last message asks for the acknowledgement
/// if told.
pub(super) fn maps(bytes: &mut Bytes, size: u32, ack: bool) {
    let table = bytes.message(NEWTABLE, NLM_F_CREATE, 1);
    bytes.text(1, TABLE);
    bytes.number(2, OWNER_PERSIST);
    bytes.end(table);
    for family in &FAMILIES {
        let value = (family.address << TYPE_BITS | INET_SERVICE, family.length + 4);
        set(bytes, family.map, (INET_PROTO << TYPE_BITS | INET_SERVICE, 8), Some(value), (size, 0));
    }
    for (number, family) in FAMILIES.iter().enumerate() {
        let key = (family.address << TYPE_BITS | family.address, family.length * 2);
        let ack = if ack && number + 1 == FAMILIES.len() { NLM_F_ACK } else { 0 };
        set(bytes, family.hairpin, key, None, (HAIRPIN_SIZE, ack));
    }
}

fn set(
    bytes: &mut Bytes,
    name: &str,
    key: (u32, u32),
    value: Option<(u32, u32)>,
    (size, ack): (u32, u16),
) {
    let set = bytes.message(NEWSET, NLM_F_CREATE | ack, 2);
    bytes.text(1, TABLE);
    bytes.text(2, name);
    bytes.number(3, if value.is_some() { NFT_SET_MAP } else { 0 });
    bytes.number(4, key.0);
    bytes.number(5, key.1);
    if let Some((datatype, length)) = value {
        bytes.number(6, datatype);
        bytes.number(7, length);
    }
    let description = bytes.open(9);
    bytes.number(1, size);
    bytes.close(description);
    let id = bytes.0.len() as u32;
    bytes.number(10, id);
    // nft's notes on the byte order of key and value: each part of a concatenation has its own.
    let notes = [0, 4, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0];
    bytes.attribute(13, if value.is_some() { &notes } else { &notes[..6] });
    bytes.end(set);
}

/// The chains and their rules, into a transaction; the last message asks for the acknowledgement.
pub(super) fn chains(bytes: &mut Bytes) {
    let npl = bytes.message(NEWCHAIN, NLM_F_CREATE, 1);
    bytes.text(1, TABLE);
    bytes.text(3, NPL);
    bytes.end(npl);
    for (name, hook, priority) in HOOKS {
        let chain = bytes.message(NEWCHAIN, NLM_F_CREATE, 1);
        bytes.text(1, TABLE);
        bytes.text(3, name);
        let hooked = bytes.open(4);
        bytes.number(1, hook);
        bytes.attribute(2, &priority.to_be_bytes());
        bytes.close(hooked);
        bytes.number(5, 1); // NF_ACCEPT
        bytes.text(7, "nat");
        bytes.end(chain);
    }
    for family in &FAMILIES {
        rule(bytes, NPL, 0, |bytes| translate(bytes, family));
    }
    for chain in ["prerouting", "output"] {
        rule(bytes, chain, 0, jump);
    }
    for (number, family) in FAMILIES.iter().enumerate() {
        let ack = if number + 1 == FAMILIES.len() { NLM_F_ACK } else { 0 };
        rule(bytes, "postrouting", ack, |bytes| hairpin(bytes, family));
    }
}

fn rule(bytes: &mut Bytes, chain: &str, ack: u16, content: impl FnOnce(&mut Bytes)) {
    let rule = bytes.message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND | ack, 2);
    bytes.text(1, TABLE);
    bytes.text(2, chain);
    let list = bytes.open(4);
    content(bytes);
    bytes.close(list);
    bytes.end(rule);
}

fn jump(bytes: &mut Bytes) {
    let open = open_expression(bytes, "immediate");
    bytes.number(1, 0); // NFT_REG_VERDICT
    let data = bytes.open(2);
    let verdict = bytes.open(2);
    bytes.attribute(1, &(-3_i32).to_be_bytes()); // NFT_JUMP
    bytes.text(2, NPL);
    bytes.close(verdict);
    bytes.close(data);
    close_expression(bytes, open);
}

/// `meta nfproto F ip daddr != loopback fib daddr type local dnat to meta l4proto . th dport map @m`
fn translate(bytes: &mut Bytes, family: &Family) {
    only(bytes, family);
    let length = family.loopback.len() as u32;
    network(bytes, REG, family.destination, length);
    compare(bytes, 1, family.loopback); // NFT_CMP_NEQ
    expression(bytes, "fib", &[(1, REG), (2, 3), (3, 2)]);
    compare(bytes, 0, &2_u32.to_ne_bytes()); // RTN_LOCAL
    expression(bytes, "meta", &[(1, REG), (2, 16)]); // NFT_META_L4PROTO
    expression(bytes, "payload", &[(1, REG + 1), (2, 2), (3, 2), (4, 2)]);
    lookup(bytes, family.map, Some(REG));
    let port = if family.length == 4 { REG + 1 } else { REG_AFTER_IPV6 };
    expression(bytes, "nat", &[(1, 1), (2, u32::from(family.number)), (3, REG), (5, port)]);
}

/// `meta nfproto F ip saddr . ip daddr @set masquerade`
fn hairpin(bytes: &mut Bytes, family: &Family) {
    only(bytes, family);
    network(bytes, REG, family.source, family.length);
    let after = if family.length == 4 { REG + 1 } else { REG_AFTER_IPV6 };
    network(bytes, after, family.destination, family.length);
    lookup(bytes, family.hairpin, None);
    expression(bytes, "masq", &[]);
}

fn only(bytes: &mut Bytes, family: &Family) {
    expression(bytes, "meta", &[(1, REG), (2, 15)]); // NFT_META_NFPROTO
    compare(bytes, 0, &[family.number]);
}

/// `NFT_PAYLOAD_NETWORK_HEADER`.
fn network(bytes: &mut Bytes, register: u32, offset: u32, length: u32) {
    expression(bytes, "payload", &[(1, register), (2, 1), (3, offset), (4, length)]);
}

fn lookup(bytes: &mut Bytes, set: &str, into: Option<u32>) {
    let open = open_expression(bytes, "lookup");
    bytes.text(1, set);
    bytes.number(2, REG);
    if let Some(register) = into {
        bytes.number(3, register);
    }
    close_expression(bytes, open);
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

fn compare(bytes: &mut Bytes, operation: u32, value: &[u8]) {
    let open = open_expression(bytes, "cmp");
    bytes.number(1, REG);
    bytes.number(2, operation);
    let data = bytes.open(3);
    bytes.attribute(1, value);
    bytes.close(data);
    close_expression(bytes, open);
}
