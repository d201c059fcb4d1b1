//! Owns reading a text file: each line goes to the reader of the tool whose output it is in.

use std::io::{self, Read};

use super::decode::Decoded;
use super::section::{self, Begins};
use super::words::short;
use super::{Assembler, conntrack, ipset, messages, nft_text, ovs, route, rules, sockets};
use crate::snapshot::{PartName, Tool};

/// Reads a file line by line.
pub(super) fn read<R: Read>(
    all: &mut Assembler,
    name: &str,
    input: &mut Decoded<R>,
) -> io::Result<()> {
    let mut file = File::new(name);
    while let Some(line) = input.next_line()? {
        if line.cut {
            all.skip(name, line.number, "the line is too long: its end is left out");
        }
        if !line.ended && file.is_cut_in(line.number, &line.text) {
            file.cut(all, line.number);
            break;
        }
        file.take(all, line.number, &line.text);
    }
    file.finish(all);
    Ok(())
}

/// What the present lines are the output of.
enum Section {
    None,
    Rules,
    Nft(Box<nft_text::Reader>),
    Links,
    IpSets,
    Ovs(ovs::Reader),
    Other(Begins),
}

struct File<'a> {
    name: &'a str,
    /// A transcript or a note: other states of the same host are quoted in it.
    only_messages: bool,
    rules: rules::Reader,
    has_rules: bool,
    section: Section,
    /// First line that was not understood, and how many there were.
    strange: Option<(usize, String)>,
    strange_count: usize,
    last: usize,
    /// It ends in the middle of a line.
    is_cut: bool,
}

/// Files that speak about a state and are not one.
fn is_note(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let (stem, end) = name.split_once('.').unwrap_or((&name, ""));
    let is_named =
        matches!(stem, "readme" | "notes" | "note" | "transcript" | "history" | "typescript");
    is_named || matches!(end, "md" | "log")
}

impl<'a> File<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            only_messages: is_note(name),
            rules: rules::Reader::new(name),
            has_rules: false,
            section: Section::None,
            strange: None,
            strange_count: 0,
            last: 0,
            is_cut: false,
        }
    }

    fn take(&mut self, all: &mut Assembler, at: usize, line: &str) {
        self.last = at;
        messages::take(all, self.name, at, line);
        if self.only_messages {
            return;
        }
        if line.trim().is_empty() {
            return;
        }
        if let Section::Nft(reader) = &mut self.section {
            if reader.take(all, self.name, at, line) {
                self.close(all);
            }
            return;
        }
        if by_name(all, self.name, line) {
            return;
        }
        match section::begins(line) {
            Some(begins) if !self.is_of(begins) => self.open(all, begins, at, line),
            _ => {}
        }
        if !self.inside(all, at, line) && !line.starts_with('#') {
            self.strange_count += 1;
            self.strange.get_or_insert_with(|| (at, short(line)));
        }
    }

    /// Whether a last line without its end is the middle of something. What ends a text is whole also if
    /// somebody's script took the line's end off.
    fn is_cut_in(&self, at: usize, line: &str) -> bool {
        match &self.section {
            Section::None => {
                !self.only_messages
                    && !is_bare(self.name)
                    && section::begins(line) != Some(Begins::Tool)
                    // one sysctl is what somebody wrote down
                    && named(self.name).is_some_and(|part| at > 1 || part != PartName::Sysctls)
            }
            Section::Other(Begins::Tool) => false,
            Section::Rules => line.trim() != "COMMIT" && !line.starts_with("# Completed"),
            Section::Nft(_) => line.trim() != "}",
            Section::Links | Section::IpSets | Section::Ovs(_) | Section::Other(_) => {
                !self.only_messages
            }
        }
    }

    /// Notes that the text ends in the middle of a line, which is not taken: half of it may read as
    /// something else.
    fn cut(&mut self, all: &mut Assembler, at: usize) {
        let why = "the text ends in the middle of a line";
        self.is_cut = true;
        let part = match &self.section {
            // not even the first line is whole
            Section::None => match named(self.name) {
                Some(PartName::Nft) => {
                    all.nft.cut(self.name, at, why);
                    return;
                }
                Some(part) => part,
                None => return,
            },
            Section::Rules => return self.rules.cut(at, why),
            Section::Nft(_) => {
                all.nft.cut(self.name, at, why);
                return;
            }
            Section::Links => PartName::Links,
            Section::IpSets => PartName::Ipsets,
            Section::Ovs(_) => PartName::Ovs,
            Section::Other(begins) => match begins {
                Begins::Routes => PartName::Routes,
                Begins::RoutingRules => {
                    PartName::routing_rules(rule_family(self.name).unwrap_or(xt::Family::V4))
                }
                Begins::Neighbours => PartName::Neighbours,
                Begins::Conntrack => PartName::Conntrack,
                Begins::Sysctls => PartName::Sysctls,
                Begins::Sockets => PartName::Listeners,
                _ => return,
            },
        };
        all.half(part, self.name, at, why);
    }

    fn is_of(&self, begins: Begins) -> bool {
        match &self.section {
            Section::None | Section::Nft(_) => false,
            Section::Rules => begins == Begins::Rules,
            Section::Links => begins == Begins::Links,
            Section::IpSets => begins == Begins::IpSets,
            Section::Ovs(_) => begins == Begins::Ovs,
            Section::Other(other) => *other == begins,
        }
    }

    fn open(&mut self, all: &mut Assembler, begins: Begins, at: usize, line: &str) {
        self.close(all);
        self.section = match begins {
            Begins::Rules => {
                self.has_rules = true;
                Section::Rules
            }
            Begins::Nft => Section::Nft(Box::new(nft_text::Reader::new(all, self.name, at, line))),
            Begins::Links => Section::Links,
            Begins::IpSets => Section::IpSets,
            Begins::Ovs => Section::Ovs(ovs::Reader::default()),
            other => Section::Other(other),
        };
    }

    /// Gives a line to its reader; whether it was taken.
    fn inside(&mut self, all: &mut Assembler, at: usize, line: &str) -> bool {
        let name = self.name;
        match &mut self.section {
            Section::None => false,
            Section::Rules => self.rules.take(all, name, at, line),
            // the line that began it is read already
            Section::Nft(_) => true,
            Section::Links => route::take_link(all, name, at, line),
            Section::IpSets => ipset::take(all, name, at, line),
            Section::Ovs(reader) => reader.take(all, line),
            Section::Other(begins) => match begins {
                Begins::Routes => route::take_route(all, name, at, line),
                Begins::RoutingRules => route::take_rule(all, name, line),
                Begins::Neighbours => route::take_neighbour(all, name, at, line),
                Begins::Conntrack => conntrack::take(all, name, at, line),
                Begins::Sockets => sockets::take(all, name, at, line),
                Begins::Sysctls => {
                    let Some((key, value)) = section::sysctl(line) else { return false };
                    let held =
                        all.snapshot.sysctls.known().map_or(0, std::collections::BTreeMap::len);
                    if all.room(held, name, at, PartName::Sysctls) {
                        all.snapshot.sysctls.fill(|known| known.insert(key, value));
                    }
                    true
                }
                Begins::Tool => take_tool(all, line),
                _ => false,
            },
        }
    }

    fn close(&mut self, all: &mut Assembler) {
        match std::mem::replace(&mut self.section, Section::None) {
            Section::Nft(reader) => reader.finish(all, self.name, self.last),
            Section::Ovs(reader) => reader.finish(all),
            _ => {}
        }
    }

    fn finish(mut self, all: &mut Assembler) {
        self.close(all);
        if !self.only_messages && !self.is_cut {
            empty_output(&mut all.snapshot, self.name, self.has_rules);
        }
        if self.has_rules {
            self.rules.finish(all, self.name);
        }
        if let Some((line, text)) = self.strange {
            let more = match self.strange_count {
                1 => String::new(),
                count => format!(" and {} more lines", count - 1),
            };
            all.skip(self.name, line, format!("not understood: {text:?}{more}"));
        }
    }
}

/// What a file is the output of, by its name alone.
fn named(name: &str) -> Option<PartName> {
    let stem = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let origin = rules::Origin::of_name(name);
    match (origin.backend, origin.family) {
        (Some(backend), Some(family)) if stem.contains("save") => {
            Some(PartName::rules(backend, family))
        }
        _ if stem.contains("nft") && stem.contains("rules") => Some(PartName::Nft),
        _ if stem.starts_with("conntrack") => Some(PartName::Conntrack),
        _ if stem.starts_with("ipset") => Some(PartName::Ipsets),
        _ if stem.starts_with("sysctl") => Some(PartName::Sysctls),
        _ if stem.contains("neigh") => Some(PartName::Neighbours),
        _ if stem.contains("route") => Some(PartName::Routes),
        _ if stem.contains("ip-addr") || stem.contains("ip-link") => Some(PartName::Links),
        _ => rule_family(&stem).map(PartName::routing_rules),
    }
}

/// Whether a file of this name holds a bare word or two.
fn is_bare(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    matches!(stem, "ip_tables_names" | "ip6_tables_names" | "hostname" | "kernel" | "osrelease")
}

/// Files that are known by their name alone: what they hold is a bare word or two.
fn by_name(all: &mut Assembler, name: &str, line: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let stem = name.split('.').next().unwrap_or_default();
    let word = line.trim();
    if line.starts_with('#') {
        return false;
    }
    match stem {
        "ip_tables_names" => all.snapshot.legacy_tables.fill(|t| t.v4.push(word.to_owned())),
        "ip6_tables_names" => all.snapshot.legacy_tables.fill(|t| t.v6.push(word.to_owned())),
        "hostname" => all.snapshot.node = Some(word.to_owned()),
        "kernel" | "osrelease" if !word.contains(' ') => {
            all.snapshot.kernel = crate::Part::Known(word.to_owned());
        }
        _ => return false,
    }
    true
}

fn take_tool(all: &mut Assembler, line: &str) -> bool {
    if let Some(uname) = line.strip_prefix("Linux ") {
        let Some(release) = uname.split(' ').nth(1) else { return false };
        all.snapshot.kernel = crate::Part::Known(release.to_owned());
        return true;
    }
    let Some((name, version)) = section::tool(line) else { return false };
    all.snapshot.tools.fill(|tools| tools.push(Tool { name, version }));
    true
}

/// A file that is named as the output of a tool, and where the tool had nothing to say, is an
/// answer: there is nothing. Whether the name said so.
pub(super) fn empty_output(snapshot: &mut crate::Snapshot, name: &str, has_rules: bool) -> bool {
    let stem = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let named = |words: &[&str]| words.iter().all(|word| stem.contains(word));
    let origin = rules::Origin::of_name(name);
    match (origin.backend, origin.family) {
        (Some(backend), Some(family)) if named(&["tables", "save"]) => {
            let part = snapshot.rules.of_mut(backend, family);
            if part.known().is_none() && !has_rules {
                *part = crate::Part::Known(xt::Ruleset::new(backend, family));
            }
        }
        _ if stem.starts_with("ip_tables_names") || stem.starts_with("ip6_tables_names") => {
            snapshot.legacy_tables.fill(|_| ());
        }
        _ if named(&["nft", "ruleset"]) => snapshot.nft.fill(|_| ()),
        _ if stem.starts_with("conntrack") => snapshot.conntrack.fill(|_| ()),
        _ if stem.starts_with("ipset") => snapshot.ipsets.fill(|_| ()),
        _ if stem.contains("neigh") => snapshot.neighbours.fill(|_| ()),
        _ if stem.contains("route") => snapshot.routes.fill(|_| ()),
        _ => match rule_family(&stem) {
            Some(xt::Family::V4) => snapshot.routing_rules.v4.fill(|_| ()),
            Some(xt::Family::V6) => snapshot.routing_rules.v6.fill(|_| ()),
            None => return false,
        },
    }
    true
}

/// Of which family the routing rules of a file are, by its name.
pub(super) fn rule_family(name: &str) -> Option<xt::Family> {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let six = ["ip-6-rule", "ip6-rule", "ip_6_rule", "ip6_rule", "ip-rule-6", "ipv6-rule"];
    if six.iter().any(|word| name.contains(word)) {
        return Some(xt::Family::V6);
    }
    let four = ["ip-rule", "ip_rule", "ip-4-rule", "ip4-rule", "ipv4-rule"];
    four.iter().any(|word| name.contains(word)).then_some(xt::Family::V4)
}
