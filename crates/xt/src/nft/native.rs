//! Owns one rule out of its expressions: compat ones, and the native ones that iptables-nft writes
//! for what nf_tables can do itself.
//!
//! Which those are depends on the version that wrote the rule: interfaces, addresses and protocol
//! always; ports, flags, marks, limits and NFLOG since 1.8.8.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nfnl::{
    Data, Expr, Verdict,
    expr::{
        Cmp, CmpOp, Ct, Fib, Limit, LimitType, Log, Meta, MetaKey, Numgen, PayloadBase, Range,
        RangeOp,
    },
};

use super::{
    compat::carried,
    registers::{Load, Registers, value, words},
};
use crate::{
    matches::{self, Icmp, IcmpType, MarkMatch, Match, Rate, Tcp, TcpFlagTest, Udp},
    target::{Nflog, Target},
    value::{Iface, Masked, Net, PortRange, Proto, TcpFlags, Test},
    view::{Counters, Family, Rule, Selector},
};

/// Reads a rule; its position is for the caller.
pub(crate) fn rule(from: &nfnl::Rule, family: Family) -> Rule {
    let rule = Rule {
        position: 0,
        selector: Selector::default(),
        matches: Vec::new(),
        target: None,
        counters: None,
        handle: from.handle,
    };
    let mut machine = Machine { family, rule, registers: Registers::default(), ports: None };
    for expression in &from.expressions {
        if machine.step(expression).is_none() {
            machine.rule.matches.push(Match::Native(words(expression)));
            // it may have written to any register
            machine.registers.forget();
        }
    }
    let unused: Vec<String> = machine.registers.unused().map(str::to_owned).collect();
    machine.rule.matches.extend(unused.into_iter().map(Match::Native));
    // versions before 1.8.3 kept comments beside the rule, as nft does
    if let Some(comment) = nfnl::userdata::comment_of(&from.userdata) {
        machine.rule.matches.push(Match::Comment(comment.to_owned()));
    }
    machine.rule
}

struct Machine {
    family: Family,
    rule: Rule,
    registers: Registers,
    /// Where the native conditions on ports are collected among the matches.
    ports: Option<usize>,
}

/// What a condition says about a number.
enum Asked {
    Range(Test<PortRange>),
    Bytes(Test<Vec<u8>>),
}

impl Machine {
    /// Takes one expression; nothing if no option of iptables says what it says.
    fn step(&mut self, expression: &Expr) -> Option<()> {
        match expression {
            Expr::Counter(counter) => {
                let counters = Counters { packets: counter.packets, bytes: counter.bytes };
                self.rule.counters.replace(counters).is_none().then_some(())
            }
            Expr::Payload(load) => {
                let from = Load::Payload { base: load.base, offset: load.offset, len: load.len };
                self.registers.put(load.dreg?, from, expression);
                Some(())
            }
            Expr::Meta(Meta { dreg: Some(dreg), key, .. }) => {
                self.registers.put(*dreg, Load::Meta(*key), expression);
                Some(())
            }
            Expr::Ct(Ct { dreg: Some(dreg), .. })
            | Expr::Fib(Fib { dreg, .. })
            | Expr::Numgen(Numgen { dreg, .. }) => {
                self.registers.put(*dreg, Load::Other, expression);
                Some(())
            }
            Expr::Byteorder(order) => {
                self.registers.derive(order.sreg, order.dreg, expression);
                Some(())
            }
            Expr::Bitwise(bitwise) => {
                self.registers.mask(bitwise, expression);
                Some(())
            }
            Expr::Cmp(cmp) => {
                self.cmp(cmp, expression);
                Some(())
            }
            Expr::Range(range) => {
                self.range(range, expression);
                Some(())
            }
            Expr::Lookup(lookup) => {
                self.native(lookup.sreg, expression);
                Some(())
            }
            Expr::Immediate(immediate) => match &immediate.data {
                Data::Verdict(verdict) => self.verdict(verdict),
                Data::Value(_) => {
                    self.registers.put(immediate.dreg, Load::Other, expression);
                    Some(())
                }
            },
            Expr::Limit(limit) => self.limit(limit),
            Expr::Log(log) => self.log(log),
            Expr::Raw(raw) if raw.name == "match" => {
                let found = carried(raw, self.family)?;
                let found = Match::decode(&found.name, found.bytes, found.of);
                self.rule.matches.push(found);
                Some(())
            }
            Expr::Raw(raw) if raw.name == "target" && self.rule.target.is_none() => {
                let found = carried(raw, self.family)?;
                self.rule.target = Some(Target::decode(&found.name, found.bytes, found.of));
                Some(())
            }
            _ => None,
        }
    }

    /// Keeps a condition on a register in words.
    fn native(&mut self, register: nfnl::expr::Register, expression: &Expr) {
        let loaded = self.registers.ask(register).map(|loaded| loaded.words.clone());
        let loaded = loaded.unwrap_or_default();
        let text = format!("{loaded} {}", words(expression));
        self.rule.matches.push(Match::Native(text.trim().to_owned()));
    }

    fn cmp(&mut self, cmp: &Cmp, expression: &Expr) {
        if self.known_cmp(cmp).is_none() {
            self.native(cmp.sreg, expression);
        }
    }

    fn known_cmp(&mut self, cmp: &Cmp) -> Option<()> {
        let loaded = self.registers.ask(cmp.sreg)?;
        let (load, mask) = (loaded.load, loaded.mask.clone());
        let bytes = value(Some(&cmp.data))?;
        let not = match cmp.op {
            CmpOp::Eq => Some(false),
            CmpOp::Neq => Some(true),
            _ => None,
        };
        if let Some(not) = not {
            return self.condition(
                load,
                mask.as_deref(),
                &Asked::Bytes(Test::new(not, bytes.to_vec())),
            );
        }
        // only ports are compared by size
        let port = u16::from_be_bytes(bytes.try_into().ok()?);
        let (min, max) = match cmp.op {
            CmpOp::Lt => (0, port.checked_sub(1)?),
            CmpOp::Lte => (0, port),
            CmpOp::Gt => (port.checked_add(1)?, u16::MAX),
            CmpOp::Gte => (port, u16::MAX),
            _ => return None,
        };
        self.condition(load, mask.as_deref(), &Asked::Range(Test::Is(PortRange { min, max })))
    }

    fn range(&mut self, range: &Range, expression: &Expr) {
        if self.known_range(range).is_none() {
            self.native(range.sreg, expression);
        }
    }

    fn known_range(&mut self, range: &Range) -> Option<()> {
        let loaded = self.registers.ask(range.sreg)?;
        let (load, mask) = (loaded.load, loaded.mask.clone());
        let not = match range.op {
            RangeOp::Eq => false,
            RangeOp::Neq => true,
            _ => return None,
        };
        let end = |data| Some(u16::from_be_bytes(value(Some(data))?.try_into().ok()?));
        let range = PortRange { min: end(&range.from)?, max: end(&range.to)? };
        self.condition(load, mask.as_deref(), &Asked::Range(Test::new(not, range)))
    }

    fn condition(&mut self, load: Load, mask: Option<&[u8]>, asked: &Asked) -> Option<()> {
        match (load, asked) {
            (Load::Meta(key), Asked::Bytes(test)) => self.meta(key, mask, test),
            (Load::Payload { base: PayloadBase::Network, offset, len }, Asked::Bytes(test)) => {
                self.header(offset, len, mask, test)
            }
            (Load::Payload { base: PayloadBase::Transport, offset, len }, asked) => {
                self.transport(offset, len, mask, asked)
            }
            _ => None,
        }
    }

    fn meta(&mut self, key: MetaKey, mask: Option<&[u8]>, test: &Test<Vec<u8>>) -> Option<()> {
        let (not, bytes) = (test.is_not(), test.value().as_slice());
        let selector = &mut self.rule.selector;
        match key {
            MetaKey::Mark => {
                let word = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
                let mask = mask.map_or(Some(u32::MAX), word)?;
                let asked = Test::new(not, Masked { value: word(bytes)?, mask });
                self.rule.matches.push(Match::Mark(MarkMatch { mark: asked }));
                Some(())
            }
            _ if mask.is_some() => None,
            MetaKey::L4Proto => fill(&mut selector.protocol, protocol(not, bytes)?),
            MetaKey::IifName => fill(&mut selector.input, interface(not, bytes)?),
            MetaKey::OifName => fill(&mut selector.output, interface(not, bytes)?),
            _ => None,
        }
    }

    /// A condition on the IP header.
    fn header(
        &mut self,
        offset: u32,
        len: u32,
        mask: Option<&[u8]>,
        test: &Test<Vec<u8>>,
    ) -> Option<()> {
        let (not, bytes) = (test.is_not(), test.value().as_slice());
        let net = || Some(Test::new(not, network(self.family, len, mask, bytes)?));
        let selector = &mut self.rule.selector;
        match (self.family, offset) {
            (Family::V4, 12) | (Family::V6, 8) => fill(&mut selector.source, net()?),
            (Family::V4, 16) | (Family::V6, 24) => fill(&mut selector.destination, net()?),
            (Family::V4, 9) | (Family::V6, 6) if mask.is_none() && len == 1 => {
                fill(&mut selector.protocol, protocol(not, bytes)?)
            }
            // the 13 bits of the fragment's place: none of them set is the first
            (Family::V4, 6) if mask == Some(&[0x1f, 0xff]) && bytes == [0, 0] => {
                fill(&mut selector.fragment, Test::new(!not, ()))
            }
            _ => None,
        }
    }

    /// A condition on the header above IP.
    fn transport(
        &mut self,
        offset: u32,
        len: u32,
        mask: Option<&[u8]>,
        asked: &Asked,
    ) -> Option<()> {
        let Some(Test::Is(protocol)) = self.rule.selector.protocol else { return None };
        match (protocol, offset, len) {
            (Proto::TCP | Proto::UDP, 0 | 2, 2) if mask.is_none() => {
                let range = match asked {
                    Asked::Range(range) => *range,
                    Asked::Bytes(test) => {
                        let port = u16::from_be_bytes(test.value().as_slice().try_into().ok()?);
                        Test::new(test.is_not(), PortRange::one(port))
                    }
                };
                self.port(protocol, offset == 0, range)
            }
            (Proto::TCP | Proto::UDP, 0, 4) if mask.is_none() => {
                let Asked::Bytes(Test::Is(bytes)) = asked else { return None };
                let [a, b, c, d] = bytes.as_slice().try_into().ok()?;
                for (source, bytes) in [(true, [a, b]), (false, [c, d])] {
                    let range = Test::Is(PortRange::one(u16::from_be_bytes(bytes)));
                    self.port(protocol, source, range)?;
                }
                Some(())
            }
            (Proto::TCP, 13, 1) => {
                let Asked::Bytes(test) = asked else { return None };
                let [set] = test.value().as_slice().try_into().ok()?;
                let mask = match mask {
                    None => u8::MAX,
                    Some([mask]) => *mask,
                    Some(_) => return None,
                };
                let flags = TcpFlagTest { mask: TcpFlags(mask), set: TcpFlags(set) };
                fill(&mut self.tcp()?.flags, Test::new(test.is_not(), flags))
            }
            (Proto::ICMP | Proto::ICMP6, 0 | 1, 1 | 2) if mask.is_none() => {
                let Asked::Bytes(test) = asked else { return None };
                self.icmp(protocol, offset, test)
            }
            _ => None,
        }
    }

    fn icmp(&mut self, protocol: Proto, offset: u32, test: &Test<Vec<u8>>) -> Option<()> {
        let (kind, code) = match (offset, test.value().as_slice()) {
            (0, [kind]) => (*kind, None),
            (0, [kind, code]) => (*kind, Some(*code)),
            _ => return None,
        };
        let kind = IcmpType::One { kind, codes: code.map(|code| (code, code)) };
        let icmp = Icmp { kind: Test::new(test.is_not(), kind) };
        let found = match (protocol, self.family) {
            (Proto::ICMP, Family::V4) => Match::Icmp(icmp),
            (Proto::ICMP6, Family::V6) => Match::Icmp6(icmp),
            _ => return None,
        };
        self.rule.matches.push(found);
        Some(())
    }

    /// The match that collects conditions on TCP; a new one if the last match of the kind has been
    /// left behind.
    fn collected(&mut self, empty: fn() -> Match) -> Option<&mut Match> {
        let at = *self.ports.get_or_insert_with(|| {
            self.rule.matches.push(empty());
            self.rule.matches.len() - 1
        });
        self.rule.matches.get_mut(at)
    }

    fn tcp(&mut self) -> Option<&mut Tcp> {
        match self.collected(|| Match::Tcp(Tcp::default()))? {
            Match::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    fn udp(&mut self) -> Option<&mut Udp> {
        match self.collected(|| Match::Udp(Udp::default()))? {
            Match::Udp(udp) => Some(udp),
            _ => None,
        }
    }

    fn port(&mut self, protocol: Proto, source: bool, range: Test<PortRange>) -> Option<()> {
        let asked = matches::asked(range.is_not(), range.value().min, range.value().max);
        let place = match (protocol, source) {
            (Proto::TCP, true) => &mut self.tcp()?.source,
            (Proto::TCP, false) => &mut self.tcp()?.destination,
            (_, true) => &mut self.udp()?.source,
            (_, false) => &mut self.udp()?.destination,
        };
        match (*place, asked) {
            (None, asked) => *place = asked,
            // from and to may be two conditions
            (Some(Test::Is(one)), Some(Test::Is(other))) => {
                let (min, max) = (one.min.max(other.min), one.max.min(other.max));
                *place = (min <= max).then_some(Some(Test::Is(PortRange { min, max })))?;
            }
            _ => return None,
        }
        Some(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> Option<()> {
        let target = match verdict {
            Verdict::Accept => Target::Accept,
            Verdict::Drop => Target::Drop,
            Verdict::Return => Target::Return,
            Verdict::Jump(chain) => Target::Jump(chain.clone()),
            Verdict::Goto(chain) => Target::Goto(chain.clone()),
            _ => return None,
        };
        fill(&mut self.rule.target, target)
    }

    fn limit(&mut self, limit: &Limit) -> Option<()> {
        if limit.kind != LimitType::Packets || limit.flags.0 != 0 {
            return None;
        }
        // as x_tables keeps it: steps of 0.1 ms between two packets
        let period = 10_000_u64.checked_mul(limit.unit)?.checked_div(limit.rate)?;
        let rate = Rate::from_period(u32::try_from(period).ok()?)?;
        self.rule.matches.push(Match::Limit(matches::Limit { rate, burst: limit.burst }));
        Some(())
    }

    /// With a group it is NFLOG; without one it is nft's own log to the kernel's.
    fn log(&mut self, log: &Log) -> Option<()> {
        let group = log.group?;
        if log.level.is_some() || log.flags.0 != 0 || self.rule.target.is_some() {
            return None;
        }
        self.rule.target = Some(Target::Nflog(Box::new(Nflog {
            prefix: log.prefix.clone().unwrap_or_default(),
            group,
            size: log.snaplen,
            range: 0,
            threshold: log.qthreshold.unwrap_or(0),
        })));
        Some(())
    }
}

/// Fills a place that is empty.
fn fill<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

fn protocol(not: bool, bytes: &[u8]) -> Option<Test<Proto>> {
    let [number] = bytes.try_into().ok()?;
    Some(Test::new(not, Proto(u16::from(u8::from_be_bytes([number])))))
}

/// An exact name has its NUL, a prefix ends without one. What can never match, `! -i +`, is written
/// as a name that no interface can have.
fn interface(not: bool, bytes: &[u8]) -> Option<Test<Iface>> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let name = String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len()))?).into_owned();
    if !not && name == "INVAL/D" {
        return Some(Test::Not(Iface("+".to_owned())));
    }
    let name = if end.is_some() || bytes.len() >= 16 { name } else { format!("{name}+") };
    Some(Test::new(not, Iface(name)))
}

/// An address under a mask, or only the first bytes of one.
fn network(family: Family, len: u32, mask: Option<&[u8]>, bytes: &[u8]) -> Option<Net> {
    let len = usize::try_from(len).ok()?;
    let whole = |bytes: &[u8]| {
        let mut all = [0; 16];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(all)
    };
    if bytes.len() != len || mask.is_some_and(|mask| mask.len() != len) {
        return None;
    }
    let ones = [0xff; 16];
    let (address, mask) = (whole(bytes)?, whole(mask.or(ones.get(..len))?)?);
    let address_of = |bytes: [u8; 16]| {
        let [a, b, c, d, ..] = bytes;
        match family {
            Family::V4 if len <= 4 => Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
            Family::V4 => None,
            Family::V6 => Some(IpAddr::V6(Ipv6Addr::from_octets(bytes))),
        }
    };
    Some(Net { address: address_of(address)?, mask: address_of(mask)? })
}
