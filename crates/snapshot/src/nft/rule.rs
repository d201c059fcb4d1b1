//! Owns one rule: its expressions as the JSON that nft prints (libnftables-json(5)), which `doctor`
//! knows how to read.
//!
//! Invariant: nothing that narrows a rule is left out. What is not understood is there by its name,
//! as a condition.

mod actions;
mod conditions;

use std::collections::BTreeMap;

use nfnl::expr::{
    Bitwise, BitwiseOp, Cmp, CmpOp, Ct, Fib, FibResult, Immediate, Lookup, Meta, MetaKey, Numgen,
    NumgenType, Payload, Register,
};
use nfnl::{Data, Expr, Set, SetData};
use serde_json::{Value, json};

use super::fields::{self, Headers};
use super::registers::{Loaded, Origin, Registers};
use super::sets::{Content, verdict_json};
use super::types::{Links, Type};

pub(super) use actions::object_name;
use conditions::Dependencies;

/// Most elements of a set inside a rule that are told; the text of a rule is cut anyway.
const INSIDE: usize = 128;

/// What a rule refers to.
pub(super) struct Around<'a> {
    pub(super) family: nfnl::Family,
    pub(super) sets: &'a BTreeMap<String, (Set, Content)>,
    pub(super) links: &'a Links,
}

/// A rule in nft's JSON, and the chains that maps inside it lead to.
pub(super) fn read(expressions: &[Expr], around: &Around<'_>) -> Vec<Value> {
    let network = match around.family {
        nfnl::Family::Ip => Some("ip"),
        nfnl::Family::Ip6 => Some("ip6"),
        nfnl::Family::Arp => Some("arp"),
        _ => None,
    };
    let mut machine = Machine {
        around,
        headers: Headers { network, transport: None },
        registers: Registers::default(),
        dependencies: Dependencies::default(),
        unknown: None,
        out: Vec::new(),
    };
    let mut rest = expressions;
    while let Some((expression, behind)) = rest.split_first() {
        let used = machine.pair(expression, behind.first());
        if used == 1 {
            machine.step(expression);
        }
        rest = rest.get(used..).unwrap_or_default();
    }
    machine.tell_unknown();
    machine.out.into_iter().flatten().collect()
}

struct Machine<'a> {
    around: &'a Around<'a>,
    headers: Headers,
    registers: Registers,
    dependencies: Dependencies,
    /// An expression without a type here that may have loaded a register, and its place.
    unknown: Option<(String, usize)>,
    /// Statements; one that another one implies is taken out again.
    out: Vec<Option<Value>>,
}

impl Machine<'_> {
    fn push(&mut self, statement: Value) {
        self.out.push(Some(statement));
    }

    /// Two expressions that are one condition: from and to. Returns how many were taken, 1 if it is
    /// no such pair.
    fn pair(&mut self, expression: &Expr, next: Option<&Expr>) -> usize {
        if let (Expr::Cmp(from), Some(Expr::Cmp(to))) = (expression, next)
            && (from.op, to.op, from.sreg) == (CmpOp::Gte, CmpOp::Lte, to.sreg)
        {
            self.range(from.sreg, "==", &from.data, &to.data);
            return 2;
        }
        1
    }

    fn step(&mut self, expression: &Expr) {
        match expression {
            Expr::Payload(payload) => self.payload(payload),
            Expr::Meta(meta) => self.meta(meta),
            Expr::Ct(ct) => self.ct(ct),
            Expr::Fib(fib) => self.fib(fib),
            Expr::Numgen(numgen) => self.numgen(numgen),
            Expr::Immediate(immediate) => self.immediate(immediate),
            Expr::Bitwise(bitwise) => self.bitwise(bitwise),
            Expr::Byteorder(order) => {
                if let Some(loaded) = self.registers.get(order.sreg).cloned() {
                    self.registers.put(order.dreg, loaded);
                }
            }
            Expr::Lookup(lookup) => self.lookup(lookup),
            Expr::Cmp(cmp) => self.cmp(cmp),
            Expr::Range(range) => {
                let op = if range.op == nfnl::expr::RangeOp::Neq { "!=" } else { "==" };
                self.range(range.sreg, op, &range.from, &range.to);
            }
            other => self.act(other),
        }
    }

    fn load(&mut self, register: Register, origin: Origin, json: Value, kind: Type, len: usize) {
        self.registers.put(register, Loaded { origin, json, kind, len, mask: None });
    }

    fn payload(&mut self, payload: &Payload) {
        let Payload { base, offset, len, .. } = *payload;
        let fields = self.headers.fields(base, offset, len);
        let (json, kind) = match fields.as_slice() {
            [one] => (one.json(), one.value_type()),
            _ => (fields::raw(base, offset, len), Type::INTEGER),
        };
        match (payload.dreg, payload.sreg) {
            (Some(register), _) => {
                let origin = if fields.is_empty() { Origin::Other } else { Origin::Fields(fields) };
                self.load(register, origin, json, kind, len as usize);
            }
            (None, Some(register)) => {
                let value = self.value_of(register, kind);
                self.push(json!({"mangle": {"key": json, "value": value}}));
            }
            (None, None) => {}
        }
    }

    fn meta(&mut self, meta: &Meta) {
        let (key, kind, len) = meta_key(meta.key);
        let json = json!({ "meta": { "key": key } });
        match (meta.dreg, meta.sreg) {
            (Some(register), _) => self.load(register, Origin::Meta(meta.key), json, kind, len),
            (None, Some(register)) => {
                let value = self.value_of(register, kind);
                self.push(json!({"mangle": {"key": json, "value": value}}));
            }
            (None, None) => {}
        }
    }

    fn ct(&mut self, ct: &Ct) {
        let (key, kind, len) = ct_key(ct);
        let mut json = json!({ "ct": { "key": key } });
        if let Some(direction) = ct.direction {
            json["ct"]["dir"] = if direction == 0 { "original" } else { "reply" }.into();
        }
        match (ct.dreg, ct.sreg) {
            (Some(register), _) => self.load(register, Origin::Ct(ct.key), json, kind, len),
            (None, Some(register)) => {
                let value = self.value_of(register, kind);
                self.push(json!({"mangle": {"key": json, "value": value}}));
            }
            (None, None) => {}
        }
    }

    fn fib(&mut self, fib: &Fib) {
        const NAMES: [(u32, &str); 5] =
            [(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")];
        const PRESENT: u32 = 32;
        let names = NAMES.iter().filter(|(bit, _)| fib.flags & bit != 0).map(|(_, name)| *name);
        let (result, kind, len) = match fib.result {
            FibResult::Oif => ("oif", Type::of(20), 4),
            FibResult::OifName => ("oifname", Type::of(41), 16),
            FibResult::AddrType => ("type", Type::of(38), 4),
            _ => ("?", Type::HOST, 4),
        };
        let (kind, len) = if fib.flags & PRESENT == 0 { (kind, len) } else { (Type::of(39), 1) };
        let json = json!({"fib": {"result": result, "flags": names.collect::<Vec<_>>()}});
        self.load(fib.dreg, Origin::Other, json, kind, len);
    }

    fn numgen(&mut self, numgen: &Numgen) {
        let mode = if numgen.kind == NumgenType::Random { "random" } else { "inc" };
        let Numgen { modulus, offset, .. } = numgen;
        let json = json!({"numgen": {"mode": mode, "mod": modulus, "offset": offset}});
        self.load(numgen.dreg, Origin::Other, json, Type::HOST, 4);
    }

    fn immediate(&mut self, immediate: &Immediate) {
        match &immediate.data {
            Data::Verdict(verdict) => self.push(verdict_json(verdict)),
            Data::Value(value) => {
                let bytes = value.bytes();
                let (json, kind) = (Type::INTEGER.value(bytes, self.around.links), Type::INTEGER);
                self.load(immediate.dreg, Origin::Given(bytes.to_vec()), json, kind, bytes.len());
            }
        }
    }

    fn bitwise(&mut self, bitwise: &Bitwise) {
        let Some(mut loaded) = self.loaded(bitwise.sreg) else { return };
        let bytes = |data: &Option<Data>| match data {
            Some(Data::Value(value)) => value.bytes().to_vec(),
            _ => Vec::new(),
        };
        let plain = bitwise.op.is_none_or(|op| op == BitwiseOp::MaskXor);
        if plain && loaded.mask.is_none() {
            loaded.mask = Some((bytes(&bitwise.mask), bytes(&bitwise.xor)));
        } else {
            let sign = match bitwise.op {
                Some(BitwiseOp::Lshift) => "<<",
                Some(BitwiseOp::Rshift) => ">>",
                _ => "&",
            };
            let by = bytes(&if plain { bitwise.mask.clone() } else { bitwise.data.clone() });
            let by = Type::HOST.value(&by, self.around.links);
            loaded.json = json!({ sign: [self.masked(&loaded), by] });
            (loaded.mask, loaded.origin) = (None, Origin::Other);
        }
        self.registers.put(bitwise.dreg, loaded);
    }

    /// What is in a register; an expression that is not understood may have put it there.
    fn loaded(&mut self, register: Register) -> Option<Loaded> {
        if let Some(loaded) = self.registers.get(register) {
            return Some(loaded.clone());
        }
        let (name, _) = self.unknown.take()?;
        let json = json!({ name: null });
        Some(Loaded { origin: Origin::Other, json, kind: Type::INTEGER, len: 4, mask: None })
    }

    /// A condition that nobody asked about is still one.
    fn tell_unknown(&mut self) {
        if let Some((name, at)) = self.unknown.take() {
            let condition = json!({"match": {"op": "==", "left": {name: null}, "right": ""}});
            self.out.insert(at.min(self.out.len()), Some(condition));
        }
    }

    /// What a statement takes out of a register.
    fn value_of(&mut self, register: Register, kind: Type) -> Value {
        let Some(loaded) = self.loaded(register) else { return Value::Null };
        self.implied(&loaded);
        match &loaded.origin {
            Origin::Given(bytes) if loaded.mask.is_none() => kind.value(bytes, self.around.links),
            _ => self.masked(&loaded),
        }
    }

    /// With its mask, as nft writes it: `x | 1`, `x & 1`, `x & 1 ^ 2`.
    fn masked(&self, loaded: &Loaded) -> Value {
        let Some((mask, turned)) = &loaded.mask else { return loaded.json.clone() };
        let value = |bytes: &[u8]| loaded.kind.value(bytes, self.around.links);
        let sets = mask.iter().zip(turned).all(|(mask, turned)| *mask == !*turned);
        if sets {
            return json!({"|": [loaded.json, value(turned)]});
        }
        let kept = if mask.iter().all(|byte| *byte == 0xff) {
            loaded.json.clone()
        } else {
            json!({"&": [loaded.json, value(mask)]})
        };
        if turned.iter().all(|byte| *byte == 0) {
            kept
        } else {
            json!({"^": [kept, value(turned)]})
        }
    }

    /// A set by name, or what an unnamed one holds.
    fn set_json(&self, name: &str) -> Value {
        match self.around.sets.get(name) {
            Some((set, content)) if set.flags.contains(nfnl::SetFlags::ANONYMOUS) => {
                json!({"set": content.json(set, INSIDE, self.around.links)})
            }
            _ => format!("@{name}").into(),
        }
    }

    /// The key of a lookup: one value or several joined.
    fn key_json(&mut self, register: Register, set: &str) -> Value {
        let len = self.around.sets.get(set).map_or(4, |(set, _)| set.key_len as usize);
        let row: Vec<Loaded> = self.registers.row(register, len).into_iter().cloned().collect();
        for loaded in &row {
            self.implied(loaded);
        }
        // several fields of one load are several parts
        let parts: Vec<Value> = row
            .iter()
            .flat_map(|loaded| match &loaded.origin {
                Origin::Fields(fields) if fields.len() > 1 => {
                    fields.iter().map(|field| field.json()).collect()
                }
                _ => vec![self.masked(loaded)],
            })
            .collect();
        match parts.as_slice() {
            [] => self.loaded(register).map_or(Value::Null, |loaded| loaded.json),
            [one] => one.clone(),
            _ => json!({ "concat": parts }),
        }
    }

    fn lookup(&mut self, lookup: &Lookup) {
        let key = self.key_json(lookup.sreg, &lookup.set);
        let data = self.set_json(&lookup.set);
        match lookup.dreg {
            None => {
                let op = if lookup.flags.0 == 0 { "==" } else { "!=" };
                self.push(json!({"match": {"op": op, "left": key, "right": data}}));
            }
            Some(Register::VERDICT) => self.push(json!({"vmap": {"key": key, "data": data}})),
            Some(register) => {
                let (kind, len) = match self.around.sets.get(&lookup.set).map(|(set, _)| &set.data)
                {
                    Some(Some(SetData::Value { datatype, len })) => {
                        (Type::of(*datatype), *len as usize)
                    }
                    _ => (Type::INTEGER, 4),
                };
                let json = json!({"map": {"key": key, "data": data}});
                self.load(register, Origin::Other, json, kind, len);
            }
        }
    }

    fn cmp(&mut self, cmp: &Cmp) {
        let Data::Value(value) = &cmp.data else { return };
        let op = match cmp.op {
            CmpOp::Eq => "==",
            CmpOp::Neq => "!=",
            CmpOp::Lt => "<",
            CmpOp::Lte => "<=",
            CmpOp::Gt => ">",
            CmpOp::Gte => ">=",
            _ => "?",
        };
        self.compare(cmp.sreg, op, value.bytes());
    }
}

/// Name, type and bytes of what `meta` loads.
fn meta_key(key: MetaKey) -> (&'static str, Type, usize) {
    match key {
        MetaKey::Len => ("length", Type::HOST, 4),
        MetaKey::Protocol => ("protocol", Type::of(10), 2),
        MetaKey::Priority => ("priority", Type::of(23), 4),
        MetaKey::Mark => ("mark", Type::of(19), 4),
        MetaKey::Iif => ("iif", Type::of(20), 4),
        MetaKey::Oif => ("oif", Type::of(20), 4),
        MetaKey::IifName => ("iifname", Type::of(41), 16),
        MetaKey::OifName => ("oifname", Type::of(41), 16),
        MetaKey::IifType => ("iiftype", Type::of(21), 2),
        MetaKey::OifType => ("oiftype", Type::of(21), 2),
        MetaKey::SkUid => ("skuid", Type::of(24), 4),
        MetaKey::SkGid => ("skgid", Type::of(25), 4),
        MetaKey::NfTrace => ("nftrace", Type::INTEGER, 1),
        MetaKey::NfProto => ("nfproto", Type::of(2), 1),
        MetaKey::L4Proto => ("l4proto", Type::of(12), 1),
        MetaKey::BridgeIifName => ("ibrname", Type::of(41), 16),
        MetaKey::BridgeOifName => ("obrname", Type::of(41), 16),
        MetaKey::PktType => ("pkttype", Type::of(31), 1),
        MetaKey::Cpu => ("cpu", Type::HOST, 4),
        MetaKey::IifGroup => ("iifgroup", Type::of(35), 4),
        MetaKey::OifGroup => ("oifgroup", Type::of(35), 4),
        MetaKey::Cgroup => ("cgroup", Type::HOST, 4),
        MetaKey::Random => ("random", Type::HOST, 4),
        _ => ("?", Type::HOST, 4),
    }
}

/// Name, type and bytes of what `ct` loads.
fn ct_key(ct: &Ct) -> (&'static str, Type, usize) {
    use nfnl::expr::CtKey;
    match ct.key {
        CtKey::State => ("state", Type::of(26), 4),
        CtKey::Direction => ("direction", Type::of(27), 1),
        CtKey::Status => ("status", Type::of(28), 4),
        CtKey::Mark => ("mark", Type::of(19), 4),
        CtKey::Expiration => ("expiration", Type::HOST, 4),
        CtKey::Helper => ("helper", Type::of(5), 16),
        CtKey::L3Protocol => ("l3proto", Type::of(2), 1),
        CtKey::Protocol => ("protocol", Type::of(12), 1),
        CtKey::ProtoSrc => ("proto-src", Type::of(13), 2),
        CtKey::ProtoDst => ("proto-dst", Type::of(13), 2),
        CtKey::Labels => ("label", Type::HOST, 16),
        CtKey::Packets => ("packets", Type::HOST, 8),
        CtKey::Bytes => ("bytes", Type::HOST, 8),
        CtKey::Zone => ("zone", Type::HOST, 2),
        CtKey::SrcIp => ("ip saddr", Type::of(7), 4),
        CtKey::DstIp => ("ip daddr", Type::of(7), 4),
        CtKey::SrcIp6 => ("ip6 saddr", Type::of(8), 16),
        CtKey::DstIp6 => ("ip6 daddr", Type::of(8), 16),
        CtKey::Id => ("id", Type::HOST, 4),
        _ => ("?", Type::HOST, 4),
    }
}
