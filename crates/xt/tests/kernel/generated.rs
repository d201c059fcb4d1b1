//! Rule sets out of a generator: random combinations of everything, in both backends and families.

#![allow(clippy::format_push_string)] // rules are put together of words, which reads best so

use nfnl::Socket;
use xt::{Backend, Family, KernelNames, Ruleset, legacy, nft, text};

use crate::support::*;

/// A small generator of numbers (xorshift), so that a failure comes back with its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn bang(&mut self) -> &'static str {
        if self.roll(4) == 0 { " !" } else { "" }
    }

    fn port(&mut self) -> u16 {
        u16::try_from(self.roll(65_536)).unwrap()
    }

    fn ports(&mut self) -> String {
        let (one, other) = (self.port(), self.port());
        if self.roll(2) == 0 {
            one.to_string()
        } else {
            format!("{}:{}", one.min(other), one.max(other))
        }
    }

    fn net(&mut self, family: Family) -> String {
        let random =
            u128::from(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(self.0);
        match family {
            Family::V4 => {
                let length = 1 + self.roll(32);
                format!("{}/{length}", std::net::Ipv4Addr::from_bits((random >> 64) as u32))
            }
            Family::V6 => {
                let length = 1 + self.roll(128);
                format!("{}/{length}", std::net::Ipv6Addr::from_bits(random))
            }
        }
    }

    /// `-s -d -i -o` as the chain allows.
    fn selector(&mut self, chain: &str, family: Family) -> String {
        let mut out = String::new();
        for option in ["-s", "-d"] {
            if self.roll(3) == 0 {
                out += &format!("{} {option} {}", self.bang(), self.net(family));
            }
        }
        let ifaces = ["lo", "eth0", "cali+", "br-0123456789ab", "v+"];
        if chain != "OUTPUT" && chain != "POSTROUTING" && self.roll(4) == 0 {
            out += &format!("{} -i {}", self.bang(), self.one(&ifaces));
        }
        if chain != "INPUT" && chain != "PREROUTING" && self.roll(4) == 0 {
            out += &format!("{} -o {}", self.bang(), self.one(&ifaces));
        }
        out
    }

    /// `-p` and a match on its header.
    fn protocol(&mut self, family: Family) -> String {
        let icmp = match family {
            Family::V4 => ("icmp", "icmp", "icmp-type"),
            Family::V6 => ("ipv6-icmp", "icmp6", "icmpv6-type"),
        };
        match self.roll(7) {
            0 => format!("{} -p {}", self.bang(), self.one(&["tcp", "udp", "sctp", "esp", "253"])),
            1 => format!(
                " -p {} -m {}{} --{} {}/{}",
                icmp.0,
                icmp.1,
                self.bang(),
                icmp.2,
                self.roll(250),
                self.roll(200)
            ),
            kind @ 2..=4 => {
                let name = ["tcp", "udp", "sctp"][kind - 2];
                let mut out = format!(" -p {name} -m {name}");
                // both with `!`: see nft.rs
                let mut bang = self.bang();
                for option in ["--sport", "--dport"] {
                    if self.roll(2) == 0 {
                        out += &format!("{bang} {option} {}", self.ports());
                        bang = "";
                    }
                }
                if name == "tcp" && self.roll(3) == 0 {
                    let all = ["FIN", "SYN", "RST", "ACK", "SYN,ACK", "FIN,URG,PSH", "ALL"];
                    out += &format!(
                        "{} --tcp-flags {} {}",
                        self.bang(),
                        self.one(&all),
                        self.one(&all)
                    );
                }
                out
            }
            5 => {
                let list: Vec<String> = (0..=self.roll(6)).map(|_| self.ports()).collect();
                let (bang, option) = (self.bang(), self.one(&["--sports", "--dports", "--ports"]));
                format!(
                    " -p {} -m multiport{bang} {option} {}",
                    self.one(&["tcp", "udp"]),
                    list.join(",")
                )
            }
            _ => String::new(),
        }
    }

    fn others(&mut self) -> String {
        let mut out = String::new();
        for _ in 0..self.roll(4) {
            let bang = self.bang();
            let (a, b) = (self.port(), self.port());
            out += &match self.roll(9) {
                0 => format!(
                    " -m comment --comment \"{}\"",
                    self.one(&["a", "ns/pod:port", "it's", "a \\\"b\\\" c"])
                ),
                1 => format!(
                    " -m addrtype{bang} --dst-type {}",
                    self.one(&["LOCAL", "UNICAST,ANYCAST", "MULTICAST"])
                ),
                2 => format!(
                    " -m conntrack{bang} --ctstate {}",
                    self.one(&["NEW", "INVALID", "RELATED,ESTABLISHED", "DNAT"])
                ),
                3 => format!(" -m mark{bang} --mark {a:#x}/{:#x}", a | b),
                4 => format!(" -m connmark{bang} --mark {a:#x}/{:#x}", a | b),
                5 => format!(" -m statistic --mode random{bang} --probability 0.{a:05}"),
                6 => format!(
                    " -m statistic --mode nth{bang} --every {} --packet {}",
                    usize::from(a) + 1,
                    self.roll(usize::from(a) + 1)
                ),
                7 => format!(
                    " -m limit --limit {}/{} --limit-burst {}",
                    1 + self.roll(100),
                    self.one(&["sec", "min", "hour"]),
                    1 + self.roll(50)
                ),
                _ => format!(" -m state{bang} --state {}", self.one(&["NEW", "ESTABLISHED"])),
            };
        }
        out
    }

    fn rule(&mut self, table: &str, chain: &str, family: Family) -> String {
        let mut out =
            format!("-A {chain}{}{}", self.selector(chain, family), self.protocol(family));
        out += &self.others();
        let (a, b) = (self.port(), self.port());
        out += &match (table, chain, self.roll(4)) {
            ("mangle", _, 0) => format!(" -j MARK --set-xmark {a:#x}/{b:#x}"),
            ("mangle", _, 1) => {
                format!(" -j CONNMARK --restore-mark --nfmask {a:#x} --ctmask {b:#x}")
            }
            ("filter", _, 0) => format!(" -j NFLOG --nflog-group {a} --nflog-threshold {b}"),
            ("filter", _, 1) => {
                format!(" -j LOG --log-level {} --log-prefix \"p {a}\"", self.roll(8))
            }
            ("filter", _, 2) => " -j REJECT".to_owned(),
            ("nat", "PREROUTING", 0 | 1) => match family {
                Family::V4 => format!(" -j DNAT --to-destination 10.0.{}.1", self.roll(256)),
                Family::V6 => format!(" -j DNAT --to-destination fd00::{a:x}"),
            },
            ("nat", "POSTROUTING", 0 | 1) => " -j MASQUERADE --random-fully".to_owned(),
            _ => self.one(&[" -j ACCEPT", " -j RETURN", " -j USER", " -g USER", ""]).to_owned(),
        };
        out + "\n"
    }

    fn text(&mut self, family: Family, rules: usize) -> String {
        let mut out = String::new();
        for (table, chains) in [
            ("filter", ["INPUT", "FORWARD", "OUTPUT", "USER"]),
            ("mangle", ["PREROUTING", "INPUT", "POSTROUTING", "USER"]),
            ("nat", ["PREROUTING", "OUTPUT", "POSTROUTING", "USER"]),
        ] {
            out += &format!("*{table}\n:USER - [0:0]\n");
            for _ in 0..rules {
                // no loops: USER leads nowhere
                let chain = self.one(&chains);
                let rule = self.rule(table, chain, family);
                if chain != "USER" || !rule.contains(" USER") {
                    out += &rule;
                }
            }
            out += "COMMIT\n";
        }
        out
    }
}

fn read(backend: Backend, family: Family) -> Ruleset {
    let sets = &mut KernelNames::default();
    match backend {
        Backend::Legacy => legacy::read(family, sets).unwrap(),
        Backend::NftCompat => {
            nft::read(&mut Socket::open().unwrap(), family, sets).unwrap().ruleset
        }
    }
}

#[test]
fn generated_rules_are_read_as_the_tools_read_them() {
    for seed in 1..=6 {
        for family in Family::BOTH {
            let text = Dice(seed * 0x1234_5678_9abc_def1).text(family, 120);
            for (backend, word) in [(Backend::Legacy, "legacy"), (Backend::NftCompat, "nft")] {
                in_new_namespace(|| {
                    if let Err(error) =
                        try_run(&tool(family, &format!("{word}-restore")), &[], &text)
                    {
                        let numbers = error.split("line ").skip(1);
                        let numbers = numbers.filter_map(|rest| {
                            rest.split(|letter: char| !letter.is_ascii_digit())
                                .next()?
                                .parse::<usize>()
                                .ok()
                        });
                        let refused: Vec<_> =
                            numbers.filter_map(|at| text.lines().nth(at - 1)).collect();
                        panic!("{error}\n{refused:#?}");
                    }
                    let theirs = run(&tool(family, &format!("{word}-save")), &[], "");
                    let ours = read(backend, family);
                    let unknown: Vec<_> = rules(&ours).filter(|rule| !rule.is_known()).collect();
                    assert!(unknown.is_empty(), "seed {seed}\n{unknown:#?}");
                    assert_same_text(&printed(&ours), &stripped(&theirs));
                    let parsed = text::parse_str(backend, family, &theirs).unwrap();
                    for (parsed, ours) in rules(&parsed).zip(rules(&ours)) {
                        assert!(parsed.says_the_same(ours), "seed {seed}\n{parsed:?}\n{ours:?}");
                    }
                });
            }
        }
    }
}

#[test]
fn recorded_rules_come_back_from_the_kernel_in_both_backends() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let family = match name.as_str() {
            name if name.ends_with(".v4.txt") => Family::V4,
            name if name.ends_with(".v6.txt") => Family::V6,
            _ => continue,
        };
        let recorded = std::fs::read_to_string(&path).unwrap();
        // its counter objects are not there
        let lines = recorded.lines().filter(|line| !line.contains("-m nfacct"));
        let recorded = lines.collect::<Vec<_>>().join("\n") + "\n";
        for (backend, word) in [(Backend::Legacy, "legacy"), (Backend::NftCompat, "nft")] {
            in_new_namespace(|| {
                run(&tool(family, &format!("{word}-restore")), &[], &recorded);
                let theirs = run(&tool(family, &format!("{word}-save")), &[], "");
                assert_same_text(&printed(&read(backend, family)), &stripped(&theirs));
            });
        }
    }
}
