//! Owns reading one rule: what comes after `-A CHAIN`.
//!
//! Every word ends up somewhere: in the selector, in a match, in the target, or verbatim.

use std::collections::VecDeque;

use super::{
    options::{Opt, Options},
    words::{self, Word},
};
use crate::{
    matches::Match,
    target::Target,
    value::{Iface, Proto, Test},
    view::{Counters, Family, Rule, Selector},
};

/// Options of matches and targets that take no word, as far as the word after them could be taken
/// for one.
const FLAGS: [&str; 30] = [
    "syn",
    "physdev-is-in",
    "physdev-is-out",
    "physdev-is-bridged",
    "limit-iface-in",
    "limit-iface-out",
    "return-nomatch",
    "update-counters",
    "update-subcounters",
    "save-mark",
    "restore-mark",
    "random",
    "random-fully",
    "persistent",
    "notrack",
    "log-tcp-sequence",
    "log-tcp-options",
    "log-ip-options",
    "log-uid",
    "log-macdecode",
    "transparent",
    "nowildcard",
    "rsource",
    "rcheck",
    "reap",
    "clamp-mss-to-pmtu",
    "checksum-fill",
    "rdest",
    "validmark",
    "loose",
];

/// Options whose word may begin with a dash.
const TEXTS: [&str; 6] =
    ["comment", "log-prefix", "nflog-prefix", "string", "hex-string", "expressions"];

/// Options of every rule, short and long.
const HEADER: [(&str, &[&str]); 10] = [
    ("-s", &["--source", "--src"]),
    ("-d", &["--destination", "--dst"]),
    ("-i", &["--in-interface"]),
    ("-o", &["--out-interface"]),
    ("-p", &["--protocol", "--proto"]),
    ("-f", &["--fragment"]),
    ("-m", &["--match"]),
    ("-j", &["--jump"]),
    ("-g", &["--goto"]),
    ("-c", &["--set-counters"]),
];

fn header(word: &Word<'_>) -> Option<&'static str> {
    let named = |(short, long): &&(&'static str, &[&str])| {
        word.text == *short || long.contains(&word.text.as_str())
    };
    if word.quoted { None } else { HEADER.iter().find(named).map(|(short, _)| *short) }
}

/// What the options that follow belong to.
enum Owner {
    /// Nothing yet.
    Header,
    Match(String),
    Target(String, bool),
}

struct Reader<'a> {
    words: VecDeque<Word<'a>>,
    family: Family,
    rule: Rule,
    owner: Owner,
    options: Options,
    raw: Vec<String>,
    not: bool,
}

/// Reads what comes after `-A CHAIN`. Never fails: what it does not know it keeps verbatim.
pub fn parse_rule(text: &str, family: Family) -> Rule {
    read(words::split(text), family)
}

pub(crate) fn read(words: Vec<Word<'_>>, family: Family) -> Rule {
    let rule = Rule {
        position: 0,
        selector: Selector::default(),
        matches: Vec::new(),
        target: None,
        counters: None,
        handle: None,
    };
    let mut reader = Reader {
        words: words.into(),
        family,
        rule,
        owner: Owner::Header,
        options: Options::default(),
        raw: Vec::new(),
        not: false,
    };
    while let Some(word) = reader.words.pop_front() {
        reader.take(&word);
    }
    reader.strand();
    reader.close();
    reader.rule
}

impl Reader<'_> {
    fn take(&mut self, word: &Word<'_>) {
        if word.is("!") {
            self.strand();
            self.not = true;
        } else if let Some(short) = header(word) {
            self.take_header(short, word);
        } else if word.is_option() {
            self.take_option(word);
        } else {
            self.stray(word.raw);
        }
    }

    /// A word that belongs to no option.
    fn stray(&mut self, raw: &str) {
        self.strand();
        self.raw.push(raw.to_owned());
        self.options.0.push(Opt { not: false, name: String::new(), args: vec![raw.to_owned()] });
    }

    /// A `!` behind which nothing comes that it could deny. Whoever reads the options must see that there
    /// is more than they know.
    fn strand(&mut self) {
        if std::mem::take(&mut self.not) {
            self.stray("!");
        }
    }

    /// The word of an option, with the `!` that old versions wrote before it. Another option is not
    /// that word.
    fn argument(&mut self) -> Option<String> {
        if self.words.front().is_some_and(|word| word.is("!")) && self.word_follows() {
            self.words.pop_front();
            self.not = true;
        }
        let option = |word: &Word<'_>| word.is("!") || word.is_option() || header(word).is_some();
        if self.words.front().is_none_or(option) {
            return None;
        }
        self.words.pop_front().map(|word| word.text)
    }

    fn take_header(&mut self, short: &'static str, word: &Word<'_>) {
        match short {
            "-m" | "-j" | "-g" => {
                self.strand();
                self.close();
                let Some(name) = self.argument() else { return self.keep_header(word.raw, None) };
                self.owner = match short {
                    "-m" => Owner::Match(name),
                    _ => Owner::Target(name, short == "-g"),
                };
                self.strand();
            }
            "-f" => {
                self.rule.selector.fragment = Some(Test::new(std::mem::take(&mut self.not), ()));
            }
            "-c" => {
                let mut number = || self.words.pop_front()?.text.parse().ok();
                if let (Some(packets), Some(bytes)) = (number(), number()) {
                    self.rule.counters = Some(Counters { packets, bytes });
                }
            }
            _ => {
                let Some(argument) = self.argument() else {
                    return self.keep_header(word.raw, None);
                };
                if self.select(short, &argument, self.not).is_none() {
                    self.keep_header(word.raw, Some(&argument));
                }
                self.not = false;
            }
        }
    }

    fn select(&mut self, short: &str, text: &str, not: bool) -> Option<()> {
        let selector = &mut self.rule.selector;
        let iface = || (!text.is_empty()).then(|| Iface(text.to_owned()));
        match short {
            "-s" | "-d" => {
                let net: crate::Net = text.parse().ok()?;
                let of_family = net.address.is_ipv4() == (self.family == Family::V4);
                let place = match short {
                    "-s" => &mut selector.source,
                    _ => &mut selector.destination,
                };
                if !of_family || place.is_some() {
                    return None;
                }
                *place = Selector::net(not, net);
            }
            "-i" | "-o" => {
                let place = if short == "-i" { &mut selector.input } else { &mut selector.output };
                if place.is_some() {
                    return None;
                }
                let asks = not || text != "+";
                *place = if asks { Some(Test::new(not, iface()?)) } else { None };
            }
            _ => {
                let protocol: Proto = text.parse().ok()?;
                if selector.protocol.is_some() {
                    return None;
                }
                let asks = not || protocol.0 != 0;
                selector.protocol = asks.then(|| Test::new(not, protocol));
            }
        }
        Some(())
    }

    /// Keeps an option of the selector that cannot be read or came twice.
    fn keep_header(&mut self, name: &str, argument: Option<&str>) {
        if matches!(self.owner, Owner::Header) {
            self.close();
        }
        let mut words = Vec::new();
        if std::mem::take(&mut self.not) {
            words.push("!".to_owned());
        }
        words.push(name.to_owned());
        if let Some(argument) = argument {
            let mut quoted = String::new();
            words::save_name(argument, &mut quoted);
            words.push(quoted.split_off(1));
        }
        self.rule.matches.push(Match::Verbatim { name: String::new(), words });
    }

    fn take_option(&mut self, word: &Word<'_>) {
        let name = word.text.trim_start_matches("--").to_owned();
        if matches!(self.owner, Owner::Header) {
            self.open_implied();
        }
        let mut raw = vec![word.raw.to_owned()];
        let mut args = Vec::new();
        if TEXTS.contains(&name.as_str()) {
            if let Some(text) = self.words.pop_front() {
                raw.push(text.raw.to_owned());
                args.push(text.text);
            }
        } else if !FLAGS.contains(&name.as_str()) {
            while let Some(next) = self.words.front() {
                let bang = next.is("!");
                if bang && args.is_empty() && !self.not && self.word_follows() {
                    self.not = true;
                    self.words.pop_front();
                    continue;
                }
                if bang || next.is_option() || header(next).is_some() {
                    break;
                }
                if let Some(next) = self.words.pop_front() {
                    raw.push(next.raw.to_owned());
                    args.push(next.text);
                }
            }
        }
        let not = std::mem::take(&mut self.not);
        if not {
            self.raw.push("!".to_owned());
        }
        self.raw.append(&mut raw);
        self.options.0.push(Opt { not, name, args });
    }

    /// Whether behind a `!` comes a word and no option: the old way of writing.
    fn word_follows(&self) -> bool {
        let plain = |word: &Word<'_>| !word.is("!") && !word.is_option() && header(word).is_none();
        self.words.get(1).is_some_and(plain)
    }

    /// `-p tcp --dport 80` means `-p tcp -m tcp --dport 80`.
    fn open_implied(&mut self) {
        let name = match self.rule.selector.protocol {
            Some(Test::Is(Proto::TCP)) => "tcp",
            Some(Test::Is(Proto::UDP)) => "udp",
            Some(Test::Is(Proto::SCTP)) => "sctp",
            Some(Test::Is(Proto::ICMP)) => "icmp",
            Some(Test::Is(Proto::ICMP6)) => "icmp6",
            _ => "",
        };
        self.owner = Owner::Match(name.to_owned());
    }

    /// Ends the match or target whose options were read.
    fn close(&mut self) {
        let options = std::mem::take(&mut self.options);
        let words = std::mem::take(&mut self.raw);
        match std::mem::replace(&mut self.owner, Owner::Header) {
            Owner::Header if words.is_empty() => {}
            Owner::Header => {
                self.rule.matches.push(Match::Verbatim { name: String::new(), words });
            }
            Owner::Match(name) => {
                let found = Match::read(&name, options, self.family);
                self.rule.matches.push(found.unwrap_or(Match::Verbatim { name, words }));
            }
            Owner::Target(name, goes) => {
                let found = match goes {
                    true if words.is_empty() => Some(Target::Goto(name.clone())),
                    true => None,
                    false => Target::read(&name, options, self.family),
                };
                self.rule.target = Some(found.unwrap_or(Target::Verbatim { name, words }));
            }
        }
    }
}
