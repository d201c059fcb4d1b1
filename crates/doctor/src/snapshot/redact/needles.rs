//! Owns what to look for in every text: the node's names, hardware addresses and addresses in the ways
//! that programs write them beside the usual one.

use std::net::IpAddr;

use super::super::Snapshot;
use super::addresses::Addresses;
use super::words::Words;

/// Shorter names are looked for as whole words only.
const SHORT: usize = 4;

/// Something to look for, in lower case, and what to put there.
struct Needle {
    text: String,
    instead: String,
    beside: Beside,
}

/// What may stand beside what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Anything,
    /// No digit: numbers begin and end with it.
    NoDigit,
    /// No letter and no digit: it is a word.
    NoLetter,
}

impl Beside {
    fn forbids(self, letter: Option<char>) -> bool {
        letter.is_some_and(|letter| match self {
            Self::Anything => false,
            Self::NoDigit => letter.is_ascii_digit(),
            Self::NoLetter => letter.is_alphanumeric(),
        })
    }
}

pub(super) struct Needles {
    all: Vec<Needle>,
    /// Names of the node that are words of the format too, in lower case, and what to put there.
    ordinary: Vec<(String, String)>,
}

fn hex(bytes: &[u8]) -> String {
    xt::Hex(bytes.to_vec()).to_string()
}

/// The text's bytes in base64, as far as they do not depend on what is beside, for each of the three
/// places that it can begin at.
fn base64(text: &str) -> Vec<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let of = |skip: usize| {
        let bits = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let bits: Vec<u8> = bits.skip((6 - skip * 8 % 6) % 6).collect();
        let letters = bits.chunks_exact(6).filter_map(|six| {
            let number = six.iter().fold(0_usize, |all, bit| all << 1 | usize::from(*bit));
            LETTERS.get(number).map(|letter| char::from(*letter))
        });
        letters.collect::<String>()
    };
    (0..3).map(of).filter(|text| text.len() >= 8).collect()
}

impl Needles {
    pub(super) fn of(snapshot: &Snapshot, addresses: &mut Addresses, words: &Words) -> Self {
        let mut all = Self { all: Vec::new(), ordinary: Vec::new() };
        let sysctl = |name: &str| snapshot.sysctls.known().and_then(|all| all.get(name)).cloned();
        let hosts = [snapshot.node.clone(), sysctl("kernel.hostname")];
        for name in hosts.into_iter().flatten() {
            let name = name.trim().to_owned();
            all.name(&name, "node", words);
            if let Some((short, domain)) = name.split_once('.') {
                all.name(short, "node", words);
                all.name(domain, "domain", words);
            }
        }
        if let Some(domain) = sysctl("kernel.domainname").filter(|name| name != "(none)") {
            all.name(domain.trim(), "domain", words);
        }
        for (mac, instead) in addresses.macs() {
            all.add(hex(&mac), hex(&instead), Beside::Anything);
            let dashed = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join("-");
            all.add(dashed(mac), dashed(instead), Beside::Anything);
            // the end of an address made of it, between other letters
            let eui64 = |[a, b, c, d, e, f]: [u8; 6]| {
                let parts = [[a ^ 2, b], [c, 0xff], [0xfe, d], [e, f]].map(u16::from_be_bytes);
                parts.map(|part| format!("{part:x}")).join(":")
            };
            all.add(eui64(mac), eui64(instead), Beside::Anything);
            let dotted = |mac: [u8; 6]| {
                let text = hex(&mac);
                format!("{}.{}.{}", &text[..4], &text[4..8], &text[8..])
            };
            all.add(dotted(mac), dotted(instead), Beside::Anything);
        }
        for address in addresses.known.clone() {
            match (address, addresses.address(address)) {
                (IpAddr::V4(old), IpAddr::V4(new)) => {
                    let (old, new) = (old.octets(), new.octets());
                    let reversed = |mut octets: [u8; 4]| {
                        octets.reverse();
                        octets
                    };
                    all.add(hex(&old), hex(&new), Beside::Anything);
                    all.add(hex(&reversed(old)), hex(&reversed(new)), Beside::Anything);
                    // 0xa010203
                    let short = |octets: [u8; 4]| format!("0x{:x}", u32::from_be_bytes(octets));
                    all.add(short(old), short(new), Beside::NoLetter);
                    let joined = |octets: [u8; 4], by| octets.map(|o| o.to_string()).join(by);
                    all.add(joined(old, "-"), joined(new, "-"), Beside::NoDigit);
                    let arpa = |octets| format!("{}.in-addr", joined(reversed(octets), "."));
                    all.add(arpa(old), arpa(new), Beside::NoDigit);
                }
                (IpAddr::V6(old), IpAddr::V6(new)) => {
                    all.add(hex(&old.octets()), hex(&new.octets()), Beside::Anything);
                    all.add(old.to_string(), new.to_string(), Beside::Anything);
                }
                _ => {}
            }
        }
        // a longer one may have a shorter one in it
        all.all.sort_by_key(|needle| std::cmp::Reverse(needle.text.len()));
        all
    }

    fn name(&mut self, name: &str, instead: &str, words: &Words) {
        if name.is_empty() || name == "(none)" || name == "localhost" {
            return;
        }
        let lower = name.to_ascii_lowercase();
        if words.has(&lower) {
            self.ordinary.push((lower, instead.to_owned()));
            return;
        }
        let beside = if name.len() < SHORT { Beside::NoLetter } else { Beside::Anything };
        self.add(name.to_ascii_lowercase(), instead.to_owned(), beside);
        if name.len() < SHORT {
            return;
        }
        // bytes stay as many as they are
        for name in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            self.add(hex(name.as_bytes()), "00".repeat(name.len()), Beside::Anything);
            for encoded in base64(&name) {
                let zeros = "A".repeat(encoded.len());
                self.add(encoded.to_ascii_lowercase(), zeros, Beside::Anything);
            }
        }
    }

    fn add(&mut self, text: String, instead: String, beside: Beside) {
        if !self.all.iter().any(|known| known.text == text) && text != instead {
            self.all.push(Needle { text, instead, beside });
        }
    }

    /// A text that somebody wrote for people, with names that are words too replaced where they stand
    /// alone.
    pub(super) fn replaced_words(&self, text: &str) -> String {
        let of_word = |letter: char| letter.is_alphanumeric() || "-_./:".contains(letter);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|letter| !of_word(letter)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            let body = word.trim_end_matches(['.', ':']);
            let lower = body.to_ascii_lowercase();
            let known = self.ordinary.iter().find(|(name, _)| *name == lower);
            out += known.map_or(body, |(_, instead)| instead);
            out += &word[body.len()..];
            let next = behind.find(of_word).unwrap_or(behind.len());
            out += &behind[..next];
            rest = &behind[next..];
        }
        out
    }

    /// The text with everything that was looked for replaced.
    pub(super) fn replaced(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for needle in &self.all {
            let lower = text.to_ascii_lowercase();
            let mut out = String::new();
            let mut from = 0;
            for (at, _) in lower.match_indices(&needle.text) {
                let end = at + needle.text.len();
                let beside = [lower[..at].chars().next_back(), lower[end..].chars().next()];
                let forbidden = beside.into_iter().any(|letter| needle.beside.forbids(letter));
                if at < from || forbidden {
                    continue;
                }
                out += &text[from..at];
                out += &needle.instead;
                from = end;
            }
            if from > 0 {
                out += &text[from..];
                text = out;
            }
        }
        text
    }
}
