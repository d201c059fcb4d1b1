//! Owns strategies for arbitrary objects of every type, as a program could make them.

use std::net::IpAddr;

use proptest::{collection::vec, option, prelude::*};

use crate::{
    BaseChain, Chain, Data, Element, ElementFlags, Expr, Family, Hook, Policy, Rule, Set, SetData,
    SetFlags, Stateful, StatefulData, Table, TableFlags, Value, Verdict,
    conntrack::{Entry, L4, Status, Tuple},
    expr::{
        Bitwise, BitwiseOp, Byteorder, ByteorderOp, Cmp, CmpOp, Counter, Ct, CtKey, Dynset,
        DynsetOp, Fib, FibResult, Flags, Immediate, Limit, LimitType, Log, Lookup, Masq, Meta,
        MetaKey, Nat, NatType, Notrack, Numgen, NumgenType, Objref, Payload, PayloadBase, Quota,
        Range, RangeOp, RawExpr, Redir, Register, Reject, RejectType, Single, Tproxy,
    },
};

fn family() -> impl Strategy<Value = Family> {
    any::<u8>().prop_map(Family::from_number)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9_ä-]{1,12}"
}

fn userdata() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn value() -> impl Strategy<Value = Value> {
    vec(any::<u8>(), 1..=64).prop_map(|bytes| Value::new(&bytes).unwrap())
}

fn verdict() -> BoxedStrategy<Verdict> {
    prop_oneof![
        Just(Verdict::Accept),
        Just(Verdict::Drop),
        Just(Verdict::Continue),
        Just(Verdict::Break),
        Just(Verdict::Return),
        name().prop_map(Verdict::Jump),
        name().prop_map(Verdict::Goto),
        (10..1000).prop_map(Verdict::Other),
    ]
    .boxed()
}

fn data() -> BoxedStrategy<Data> {
    prop_oneof![value().prop_map(Data::Value), verdict().prop_map(Data::Verdict)].boxed()
}

fn register() -> impl Strategy<Value = Register> {
    any::<u32>().prop_map(Register::from_number)
}

fn flags() -> impl Strategy<Value = Flags> {
    any::<u32>().prop_map(Flags)
}

fn maybe<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    option::of(strategy)
}

fn loads() -> BoxedStrategy<Expr> {
    let dreg_sreg = || (maybe(register()), maybe(register()));
    prop_oneof![
        (
            dreg_sreg(),
            any::<[u32; 3]>(),
            maybe(any::<u32>()),
            maybe(any::<u32>()),
            maybe(any::<u32>())
        )
            .prop_map(
                |((dreg, sreg), [base, offset, len], csum_type, csum_offset, csum_flags)| {
                    let base = PayloadBase::from(base % 6);
                    Payload { dreg, base, offset, len, sreg, csum_type, csum_offset, csum_flags }
                        .into()
                }
            ),
        (dreg_sreg(), 0..50_u32).prop_map(|((dreg, sreg), key)| {
            Meta { dreg, key: MetaKey::from(key), sreg }.into()
        }),
        (dreg_sreg(), 0..50_u32, maybe(any::<u8>())).prop_map(|((dreg, sreg), key, direction)| {
            Ct { dreg, key: CtKey::from(key), direction, sreg }.into()
        }),
        (register(), any::<[u32; 2]>()).prop_map(|(dreg, [result, flags])| {
            Fib { dreg, result: FibResult::from(result % 5), flags }.into()
        }),
        (register(), data()).prop_map(|(dreg, data)| Immediate { dreg, data }.into()),
        (register(), any::<[u32; 3]>()).prop_map(|(dreg, [modulus, kind, offset])| {
            Numgen { dreg, modulus, kind: NumgenType::from(kind % 3), offset }.into()
        }),
    ]
    .boxed()
}

fn compares() -> BoxedStrategy<Expr> {
    prop_oneof![
        (register(), 0..8_u32, data()).prop_map(|(sreg, op, data)| Cmp {
            sreg,
            op: CmpOp::from(op),
            data
        }
        .into()),
        (register(), 0..3_u32, data(), data()).prop_map(|(sreg, op, from, to)| {
            Range { sreg, op: RangeOp::from(op), from, to }.into()
        }),
        (name(), register(), maybe(register()), maybe(any::<u32>()), flags()).prop_map(
            |(set, sreg, dreg, set_id, flags)| Lookup { set, sreg, dreg, set_id, flags }.into()
        ),
        (
            register(),
            register(),
            any::<u32>(),
            maybe(data()),
            maybe(data()),
            maybe(0..4_u32),
            maybe(data())
        )
            .prop_map(|(sreg, dreg, len, mask, xor, op, data)| {
                let op = op.map(BitwiseOp::from);
                Bitwise { sreg, dreg, len, mask, xor, op, data }.into()
            }),
        (register(), register(), any::<[u32; 3]>()).prop_map(|(sreg, dreg, [op, len, size])| {
            Byteorder { sreg, dreg, op: ByteorderOp::from(op % 3), len, size }.into()
        }),
    ]
    .boxed()
}

fn nats() -> BoxedStrategy<Expr> {
    let registers = || [maybe(register()), maybe(register()), maybe(register()), maybe(register())];
    prop_oneof![
        (0..3_u32, any::<u32>(), registers(), flags()).prop_map(
            |(kind, family, [addr_min, addr_max, proto_min, proto_max], flags)| {
                let kind = NatType::from(kind);
                Nat { kind, family, addr_min, addr_max, proto_min, proto_max, flags }.into()
            }
        ),
        (registers(), flags()).prop_map(|([proto_min, proto_max, ..], flags)| {
            Masq { flags, proto_min, proto_max }.into()
        }),
        (registers(), flags()).prop_map(|([proto_min, proto_max, ..], flags)| {
            Redir { proto_min, proto_max, flags }.into()
        }),
        (any::<u32>(), registers()).prop_map(|(family, [addr, port, ..])| Tproxy {
            family,
            addr,
            port
        }
        .into()),
    ]
    .boxed()
}

fn states() -> BoxedStrategy<Expr> {
    prop_oneof![
        any::<[u64; 2]>().prop_map(|[bytes, packets]| Counter { bytes, packets }.into()),
        (any::<[u64; 2]>(), any::<u32>(), 0..3_u32, flags()).prop_map(
            |([rate, unit], burst, kind, flags)| {
                Limit { rate, unit, burst, kind: LimitType::from(kind), flags }.into()
            }
        ),
        (any::<u64>(), flags(), maybe(any::<u64>())).prop_map(|(bytes, flags, consumed)| Quota {
            bytes,
            flags,
            consumed
        }
        .into()),
        (maybe(any::<u32>()), maybe(name()), maybe(register()), maybe(name()), maybe(any::<u32>()))
            .prop_map(|(kind, name, sreg, set, set_id)| {
                Objref { kind, name, sreg, set, set_id }.into()
            }),
    ]
    .boxed()
}

fn actions() -> BoxedStrategy<Expr> {
    prop_oneof![
        (maybe(any::<[u16; 2]>()), maybe(name()), maybe(any::<[u32; 2]>()), flags()).prop_map(
            |(small, prefix, large, flags)| {
                Log {
                    group: small.map(|s| s[0]),
                    prefix,
                    snaplen: large.map(|l| l[0]),
                    qthreshold: small.map(|s| s[1]),
                    level: large.map(|l| l[1]),
                    flags,
                }
                .into()
            }
        ),
        (0..4_u32, maybe(any::<u8>())).prop_map(|(kind, code)| Reject {
            kind: RejectType::from(kind),
            code
        }
        .into()),
        Just(Notrack {}.into()),
        ("x[a-z]{1,6}", userdata()).prop_map(|(name, body)| RawExpr { name, body }.into()),
    ]
    .boxed()
}

fn flat() -> BoxedStrategy<Expr> {
    prop_oneof![loads(), compares(), nats(), states(), actions()].boxed()
}

fn dynset() -> BoxedStrategy<Expr> {
    (
        (name(), maybe(any::<u32>()), 0..4_u32, register(), maybe(register())),
        (maybe(any::<u64>()), flags(), maybe(flat()), vec(flat(), 0..3)),
    )
        .prop_map(
            |((set, set_id, op, sreg_key, sreg_data), (timeout_ms, flags, one, expressions))| {
                Dynset {
                    set,
                    set_id,
                    op: DynsetOp::from(op),
                    sreg_key,
                    sreg_data,
                    timeout_ms,
                    flags,
                    expression: one.map(|one| Single(Box::new(one))),
                    expressions,
                }
                .into()
            },
        )
        .boxed()
}

fn expr() -> BoxedStrategy<Expr> {
    prop_oneof![9 => flat(), 1 => dynset()].boxed()
}

pub(super) fn table() -> impl Strategy<Value = Table> {
    (family(), name(), any::<u32>(), userdata()).prop_map(|(family, name, flags, userdata)| {
        let flags = TableFlags::from_bits(flags);
        Table { userdata, ..Table::new(family, name).with_flags(flags) }
    })
}

pub(super) fn chain() -> impl Strategy<Value = Chain> {
    let policy = maybe(prop_oneof![Just(Policy::Accept), Just(Policy::Drop)]);
    let base = (name(), 0..8_u32, any::<i32>(), policy, vec(name(), 0..3)).prop_map(
        |(kind, hook, priority, policy, devices)| BaseChain {
            kind,
            hook: Hook::from(hook),
            priority,
            policy,
            devices,
        },
    );
    (family(), name(), name(), maybe(base), userdata()).prop_map(
        |(family, table, name, base, userdata)| Chain {
            base,
            userdata,
            ..Chain::new(family, table, name)
        },
    )
}

pub(super) fn rule() -> impl Strategy<Value = Rule> {
    (family(), name(), name(), vec(expr(), 0..8), userdata(), maybe(any::<u64>())).prop_map(
        |(family, table, chain, expressions, userdata, position)| Rule {
            userdata,
            position,
            ..Rule::new(family, table, chain, expressions)
        },
    )
}

fn set_data() -> BoxedStrategy<SetData> {
    prop_oneof![
        (0..0xff_u32, any::<u32>()).prop_map(|(datatype, len)| SetData::Value { datatype, len }),
        Just(SetData::Verdict),
        any::<u32>().prop_map(SetData::Object),
    ]
    .boxed()
}

pub(super) fn set() -> impl Strategy<Value = Set> {
    let numbers =
        (maybe(any::<u32>()), maybe(any::<u64>()), maybe(any::<u32>()), maybe(any::<u32>()));
    let fields = prop_oneof![Just(vec![]), vec(any::<u32>(), 2..5)];
    (
        (family(), name(), name(), any::<[u32; 4]>(), maybe(set_data())),
        (fields, numbers, vec(flat(), 0..3), userdata()),
    )
        .prop_map(|((family, table, name, [flags, key_type, key_len, id], data), rest)| {
            let (fields, (size, timeout_ms, gc_interval_ms, policy), expressions, userdata) = rest;
            // the parts of a key are only sent with these flags
            let ranges = SetFlags::INTERVAL | SetFlags::CONCAT;
            let flags = match fields.len() {
                0 => SetFlags::from_bits(flags),
                _ => SetFlags::from_bits(flags) | ranges,
            };
            Set {
                family,
                table,
                name,
                flags,
                key_type,
                key_len,
                data,
                fields,
                size,
                timeout_ms,
                gc_interval_ms,
                policy,
                expressions,
                userdata,
                id: Some(id),
                handle: None,
                count: None,
            }
        })
}

pub(super) fn stateful() -> impl Strategy<Value = Stateful> {
    let data = prop_oneof![
        any::<[u64; 2]>()
            .prop_map(|[bytes, packets]| StatefulData::Counter(Counter { bytes, packets })),
        (any::<u64>(), flags(), maybe(any::<u64>())).prop_map(|(bytes, flags, consumed)| {
            StatefulData::Quota(Quota { bytes, flags, consumed })
        }),
        (3..20_u32, userdata()).prop_map(|(kind, body)| StatefulData::Raw { kind, body }),
    ];
    (family(), name(), name(), data, userdata()).prop_map(
        |(family, table, name, data, userdata)| Stateful {
            userdata,
            ..Stateful::new(family, table, name, data)
        },
    )
}

pub(super) fn element() -> impl Strategy<Value = Element> {
    (
        (value(), maybe(value()), maybe(data()), any::<u32>(), maybe(name())),
        (maybe(any::<u64>()), maybe(any::<u64>()), userdata(), vec(expr(), 0..3)),
    )
        .prop_map(|((key, key_end, data, flags, object), rest)| {
            let (timeout_ms, expiration_ms, userdata, expressions) = rest;
            let flags = ElementFlags::from_bits(flags);
            Element {
                key,
                key_end,
                data,
                flags,
                timeout_ms,
                expiration_ms,
                userdata,
                object,
                expressions,
            }
        })
}

fn tuple() -> BoxedStrategy<Tuple> {
    let addresses = prop_oneof![
        any::<[[u8; 4]; 2]>().prop_map(|pair| pair.map(IpAddr::from)),
        any::<[[u8; 16]; 2]>().prop_map(|pair| pair.map(IpAddr::from)),
    ];
    let l4 = prop_oneof![
        Just(L4::None),
        any::<[u16; 2]>().prop_map(|[src, dst]| L4::Ports { src, dst }),
        (any::<u16>(), any::<[u8; 2]>()).prop_map(|(id, [kind, code])| L4::Icmp { id, kind, code }),
    ];
    (addresses, any::<u8>(), l4, maybe(any::<u16>()))
        .prop_map(|([src, dst], protocol, l4, zone)| Tuple { src, dst, protocol, l4, zone })
        .boxed()
}

pub(super) fn entry() -> impl Strategy<Value = Entry> {
    (
        tuple(),
        tuple(),
        any::<[u32; 2]>(),
        any::<u16>(),
        maybe(any::<[u32; 2]>()),
        maybe(any::<u8>()),
    )
        .prop_map(|(orig, reply, [status, mark], zone, large, tcp_state)| Entry {
            orig,
            reply,
            status: Status::from_bits(status),
            timeout_s: large.map(|l| l[0]),
            mark,
            zone,
            id: large.map(|l| l[1]),
            tcp_state,
        })
}
