//! Owns statements: what a rule does, and conditions that need no register.

use nfnl::expr::{
    Dynset, DynsetOp, Limit, LimitType, Log, Nat, NatType, Objref, RawExpr, Register, Reject,
    RejectType,
};
use nfnl::wire::Attributes;
use nfnl::{Expr, Family};
use serde_json::{Map, Value, json};

use super::super::types::Type;
use super::Machine;

/// `NFPROTO_IPV4`
const IPV4: u32 = 2;
/// `NFTA_MATCH_NAME`, `NFTA_TARGET_NAME`
const XT_NAME: u16 = 1;
/// Expressions that do something; all others that are not known here ask or load something.
const STATEMENTS: [&str; 7] =
    ["synproxy", "dup", "fwd", "last", "flow_offload", "tunnel", "ct_expect"];

impl Machine<'_> {
    pub(super) fn act(&mut self, expression: &Expr) {
        let statement = match expression {
            Expr::Counter(counter) => {
                json!({"counter": {"packets": counter.packets, "bytes": counter.bytes}})
            }
            Expr::Limit(limit) => limit_json(limit),
            Expr::Quota(quota) => {
                let over = quota.flags.0 & 1 != 0;
                json!({"quota": {"val": quota.bytes, "val_unit": "bytes", "inv": over}})
            }
            Expr::Log(log) => log_json(log),
            Expr::Reject(reject) => reject_json(reject),
            Expr::Nat(nat) => self.nat(nat),
            Expr::Masq(masq) => match self.port(masq.proto_min, masq.proto_max) {
                Some(port) => json!({"masquerade": {"port": port}}),
                None => json!({"masquerade": null}),
            },
            Expr::Redir(redir) => match self.port(redir.proto_min, redir.proto_max) {
                Some(port) => json!({"redirect": {"port": port}}),
                None => json!({"redirect": null}),
            },
            Expr::Tproxy(tproxy) => {
                let mut body = Map::new();
                if let Some(register) = tproxy.addr {
                    let kind = Type::of(if tproxy.family == IPV4 { 7 } else { 8 });
                    body.insert("addr".to_owned(), self.value_of(register, kind));
                }
                if let Some(port) = self.port(tproxy.port, None) {
                    body.insert("port".to_owned(), port);
                }
                json!({ "tproxy": body })
            }
            Expr::Notrack(_) => json!({"notrack": null}),
            Expr::Objref(object) => self.object(object),
            Expr::Dynset(dynset) => self.dynset(dynset),
            Expr::Raw(raw) => return self.raw(raw),
            other => json!({ other.name(): null }),
        };
        self.push(statement);
    }

    fn port(&mut self, min: Option<Register>, max: Option<Register>) -> Option<Value> {
        let first = self.value_of(min?, Type::of(13));
        match max.filter(|max| Some(*max) != min) {
            Some(max) => Some(json!({"range": [first, self.value_of(max, Type::of(13))]})),
            None => Some(first),
        }
    }

    fn nat(&mut self, nat: &Nat) -> Value {
        let v4 = nat.family == IPV4;
        let kind = Type::of(if v4 { 7 } else { 8 });
        let mut body = Map::new();
        if self.around.family == Family::Inet && nat.addr_min.is_some() {
            body.insert("family".to_owned(), if v4 { "ip" } else { "ip6" }.into());
        }
        if let Some(min) = nat.addr_min {
            let first = self.value_of(min, kind);
            let address = match nat.addr_max.filter(|max| *max != min) {
                // both ends are in one value of a map
                Some(max) if self.registers.get(max).is_none() => first,
                Some(max) => json!({"range": [first, self.value_of(max, kind)]}),
                None => first,
            };
            body.insert("addr".to_owned(), address);
        }
        // a port that lies behind the address in the value of a map is told with it
        if nat.proto_min.is_some_and(|port| self.registers.get(port).is_some())
            && let Some(port) = self.port(nat.proto_min, nat.proto_max)
        {
            body.insert("port".to_owned(), port);
        }
        let verb = if nat.kind == NatType::Snat { "snat" } else { "dnat" };
        json!({ verb: body })
    }

    fn object(&mut self, object: &Objref) -> Value {
        let name = object_name(object.kind.unwrap_or_default());
        match (&object.name, object.sreg, &object.set) {
            (Some(named), _, _) => json!({ name: named }),
            (None, Some(register), Some(set)) => {
                let kind = match self.around.sets.get(set).map(|(set, _)| &set.data) {
                    Some(Some(nfnl::SetData::Object(kind))) => object_name(*kind),
                    _ => name,
                };
                let key = self.key_json(register, set);
                json!({ kind: {"map": {"key": key, "data": self.set_json(set)}} })
            }
            _ => json!({ name: null }),
        }
    }

    fn dynset(&mut self, dynset: &Dynset) -> Value {
        let op = match dynset.op {
            DynsetOp::Add => "add",
            DynsetOp::Update => "update",
            DynsetOp::Delete => "delete",
            _ => "?",
        };
        let key = self.key_json(dynset.sreg_key, &dynset.set);
        json!({"set": {"op": op, "elem": key, "set": format!("@{}", dynset.set)}})
    }

    /// An expression without a type in nfnl.
    fn raw(&mut self, raw: &RawExpr) {
        match raw.name.as_str() {
            kind @ ("match" | "target") => {
                let mut names = Attributes::new(&raw.body).filter_map(Result::ok);
                let name = names.find(|a| a.kind == XT_NAME).map(|a| a.string());
                self.push(json!({"xt": {"type": kind, "name": name.unwrap_or_default()}}));
            }
            "queue" => self.push(json!({"queue": null})),
            name if STATEMENTS.contains(&name) => self.push(json!({ name: null })),
            name => {
                self.tell_unknown();
                // it may have written anywhere
                self.registers.forget();
                self.unknown = Some((name.to_owned(), self.out.len()));
            }
        }
    }
}

/// `NFT_OBJECT_*`, linux/netfilter/nf_tables.h.
pub(crate) fn object_name(kind: u32) -> &'static str {
    match kind {
        1 => "counter",
        2 => "quota",
        3 => "ct helper",
        4 => "limit",
        5 => "connlimit",
        6 => "tunnel",
        7 => "ct timeout",
        8 => "secmark",
        9 => "ct expectation",
        10 => "synproxy",
        _ => "object",
    }
}

fn limit_json(limit: &Limit) -> Value {
    let per = match limit.unit {
        60 => "minute",
        3_600 => "hour",
        86_400 => "day",
        604_800 => "week",
        _ => "second",
    };
    let mut body = json!({ "rate": limit.rate, "burst": limit.burst, "per": per });
    if limit.kind == LimitType::Bytes {
        body["rate_unit"] = "bytes".into();
    }
    if limit.flags.0 & 1 != 0 {
        body["inv"] = true.into();
    }
    json!({ "limit": body })
}

fn log_json(log: &Log) -> Value {
    let mut body = Map::new();
    if let Some(prefix) = log.prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
        body.insert("prefix".to_owned(), prefix.as_str().into());
    }
    if let Some(group) = log.group {
        body.insert("group".to_owned(), group.into());
    }
    if body.is_empty() { json!({"log": null}) } else { json!({ "log": body }) }
}

fn reject_json(reject: &Reject) -> Value {
    let kind = match reject.kind {
        RejectType::TcpReset => "tcp reset",
        RejectType::Icmpx => "icmpx",
        _ => "icmp",
    };
    json!({"reject": {"type": kind, "code": reject.code}})
}
