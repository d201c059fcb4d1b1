//! The fixed part of our table: one constant, here.
//!
//! `docs/design/nft-schema.md` shows it as `nft` prints it and says why it is so. Changing anything
//! here changes what a restarted agent takes for intact: it then builds the table anew.

use model::MapName;
use nfnl::expr::{Cmp, Fib, Immediate, Lookup, Masq, Meta, MetaKey, Nat, Payload, Register};
use nfnl::{
    BaseChain, Chain, DataType, Expr, Family, Hook, Policy, Rule, Set, Table, TableFlags, TypeSpec,
    Verdict,
};

/// The name of the table.
pub const TABLE: &str = "netkeep";
/// Its family: IPv4 and IPv6.
pub const FAMILY: Family = Family::Inet;

/// `dstnat - 10`: before everybody at -100, whatever the order of registration.
const DSTNAT: i32 = -110;
/// `srcnat - 10`.
const SRCNAT: i32 = 90;
/// `RTN_LOCAL` of `linux/rtnetlink.h`: an address of this node. Compared in host byte order.
const RTN_LOCAL: u32 = 2;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
/// The most local Pods that can reach themselves.
const HAIRPIN_SIZE: u32 = 16_384;

const NPL: &str = "npl";
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const POSTROUTING: &str = "postrouting";

/// The table itself.
pub(super) fn table(flags: TableFlags) -> Table {
    Table::new(FAMILY, TABLE).with_flags(flags)
}

/// All maps and sets; `map_size` is for those of mappings.
pub(super) fn sets(map_size: u32) -> [Set; 4] {
    MapName::ALL.map(|map| set(map, map_size))
}

fn set(map: MapName, map_size: u32) -> Set {
    let mapping = TypeSpec::concat(&[DataType::INET_PROTO, DataType::INET_SERVICE]);
    let name = map.as_str();
    let to = |ip| {
        let endpoint = TypeSpec::concat(&[ip, DataType::INET_SERVICE]);
        Set::map(FAMILY, TABLE, name, &mapping, &endpoint).with_size(map_size)
    };
    let pair = |ip| {
        let key = TypeSpec::concat(&[ip, ip]);
        Set::new(FAMILY, TABLE, name, &key).with_size(HAIRPIN_SIZE)
    };
    match map {
        MapName::Npl4 => to(DataType::IPV4_ADDR),
        MapName::Npl6 => to(DataType::IPV6_ADDR),
        MapName::Hairpin4 => pair(DataType::IPV4_ADDR),
        MapName::Hairpin6 => pair(DataType::IPV6_ADDR),
    }
}

/// All chains, each after those it jumps to.
pub(super) fn chains() -> [Chain; 4] {
    let nat = |name, hook, priority| {
        let mut base = BaseChain::new("nat", hook, priority);
        base.policy = Some(Policy::Accept);
        Chain::new(FAMILY, TABLE, name).with_base(base)
    };
    [
        Chain::new(FAMILY, TABLE, NPL),
        nat(PREROUTING, Hook::Prerouting, DSTNAT),
        nat(OUTPUT, Hook::Output, DSTNAT),
        nat(POSTROUTING, Hook::Postrouting, SRCNAT),
    ]
}

/// All rules, in order within each chain.
pub(super) fn rules() -> Vec<Rule> {
    let rule = |chain, expressions: Vec<Expr>| Rule::new(FAMILY, TABLE, chain, expressions);
    vec![
        rule(NPL, dnat4()),
        rule(NPL, dnat6()),
        rule(PREROUTING, vec![jump()]),
        rule(OUTPUT, vec![jump()]),
        rule(POSTROUTING, hairpin4()),
        rule(POSTROUTING, hairpin6()),
    ]
}

fn jump() -> Expr {
    Immediate { dreg: Register::VERDICT, data: Verdict::Jump(NPL.to_owned()).into() }.into()
}

fn family(nfproto: u8) -> [Expr; 2] {
    [Meta::load(MetaKey::NfProto, Register::R1).into(), Cmp::eq(Register::R1, [nfproto]).into()]
}

/// `fib daddr type local dnat ip(6) to meta l4proto . th dport map @map`. The map's value starts at
/// register 1, the port in it right after the address.
fn translate(map: MapName, nfproto: u8, port: Register) -> [Expr; 6] {
    [
        Fib::daddr_type(Register::R1).into(),
        Cmp::eq(Register::R1, RTN_LOCAL.to_ne_bytes()).into(),
        Meta::load(MetaKey::L4Proto, Register::R1).into(),
        Payload::th_dport(Register::word(1)).into(),
        Lookup::map(map.as_str(), Register::R1, Register::R1).into(),
        Nat::dnat(nfproto, Register::R1, Some(port)).into(),
    ]
}

fn dnat4() -> Vec<Expr> {
    let mut expressions = Vec::from(family(NFPROTO_IPV4));
    // ip daddr != 127.0.0.0/8: the first byte tells.
    let first = Payload { len: 1, ..Payload::ip_daddr(Register::R1) };
    expressions.push(first.into());
    expressions.push(Cmp::neq(Register::R1, [127u8]).into());
    expressions.extend(translate(MapName::Npl4, NFPROTO_IPV4, Register::word(1)));
    expressions
}

fn dnat6() -> Vec<Expr> {
    let mut expressions = Vec::from(family(NFPROTO_IPV6));
    expressions.push(Payload::ip6_daddr(Register::R1).into());
    expressions.push(Cmp::neq(Register::R1, std::net::Ipv6Addr::LOCALHOST).into());
    expressions.extend(translate(MapName::Npl6, NFPROTO_IPV6, Register::R2));
    expressions
}

fn hairpin4() -> Vec<Expr> {
    let mut expressions = Vec::from(family(NFPROTO_IPV4));
    expressions.push(Payload::ip_saddr(Register::R1).into());
    expressions.push(Payload::ip_daddr(Register::word(1)).into());
    expressions.push(Lookup::set(MapName::Hairpin4.as_str(), Register::R1).into());
    expressions.push(Masq::default().into());
    expressions
}

fn hairpin6() -> Vec<Expr> {
    let mut expressions = Vec::from(family(NFPROTO_IPV6));
    expressions.push(Payload::ip6_saddr(Register::R1).into());
    expressions.push(Payload::ip6_daddr(Register::R2).into());
    expressions.push(Lookup::set(MapName::Hairpin6.as_str(), Register::R1).into());
    expressions.push(Masq::default().into());
    expressions
}
