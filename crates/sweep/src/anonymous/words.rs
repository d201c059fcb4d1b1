//! Owns the text of a set without a name: its elements as nft writes those of known types, the bytes of
//! others. Two different sets have different texts.

use nfnl::{DataType, Set, SetData, SetFlags};
use xt::Hex;

use super::{Datum, ElementRecord, SetRecord, keeps_order, verdict};

/// Elements that are written out; of more there are a number and a sum of all.
const MOST: usize = 16;

pub(super) fn of(record: &SetRecord, set: &Set) -> String {
    let mut words = Vec::new();
    let mut elements = record.in_order().into_iter().peekable();
    let ranges = set.flags.contains(SetFlags::INTERVAL) && !keeps_order(set);
    while let Some(element) = elements.next() {
        // where no range is
        if element.is_end() {
            continue;
        }
        let key = match (&element.key_end, ranges) {
            (Some(end), _) => range(set.key_type, &element.key.0, &end.0),
            (None, true) => match elements.peek() {
                Some(end) => range(set.key_type, &element.key.0, &before(&end.key.0)),
                None => range(set.key_type, &element.key.0, &vec![0xff; element.key.0.len()]),
            },
            (None, false) if element.key.0.is_empty() => "*".to_owned(),
            (None, false) => value(set.key_type, &element.key.0),
        };
        words.push(key + &datum(element, set));
    }
    if words.len() > MOST {
        let more = words.len() - MOST;
        words.truncate(MOST);
        words.push(format!("and {more} more, sum {:016x}", sum(&record.key())));
    }
    format!("{{ {} }}", words.join(", "))
}

fn range(datatype: u32, from: &[u8], to: &[u8]) -> String {
    if from == to {
        return value(datatype, from);
    }
    format!("{}-{}", value(datatype, from), value(datatype, to))
}

/// The key before this one.
fn before(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    for byte in key.iter_mut().rev() {
        let borrows = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrows {
            break;
        }
    }
    key
}

fn datum(element: &ElementRecord, set: &Set) -> String {
    match (&element.datum, &set.data) {
        (None, _) => String::new(),
        (Some(Datum::Verdict { code, chain }), _) => format!(" : {}", verdict(*code, chain)),
        (Some(Datum::Object(name)), _) => format!(" : {name}"),
        (Some(Datum::Value(bytes)), Some(SetData::Value { datatype, .. })) => {
            format!(" : {}", value(*datatype, &bytes.0))
        }
        (Some(Datum::Value(bytes)), _) => format!(" : 0x{bytes}"),
    }
}

/// A value of a type, or of a concatenation: 6 bits a part, each padded to 4 bytes.
fn value(datatype: u32, bytes: &[u8]) -> String {
    let mut types = Vec::new();
    let mut rest = datatype;
    while rest != 0 {
        types.push(rest & 0x3f);
        rest >>= 6;
    }
    types.reverse();
    match types.as_slice() {
        [] => return unknown(bytes),
        [one] => return part(*one, bytes).unwrap_or_else(|| unknown(bytes)),
        _ => {}
    }
    parts(&types, bytes).map_or_else(|| unknown(bytes), |parts| parts.join(" . "))
}

fn unknown(bytes: &[u8]) -> String {
    format!("0x{}", Hex(bytes.to_vec()))
}

fn parts(types: &[u32], mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for number in types {
        let len = KNOWN.iter().find(|known| known.number == *number)?.len as usize;
        let (now, later) = bytes.split_at_checked(len.next_multiple_of(4))?;
        words.push(part(*number, now.get(..len)?)?);
        bytes = later;
    }
    bytes.is_empty().then_some(words)
}

const KNOWN: [DataType; 11] = [
    DataType::NF_PROTO,
    DataType::IPV4_ADDR,
    DataType::IPV6_ADDR,
    DataType::INET_PROTO,
    DataType::INET_SERVICE,
    DataType::ICMP_TYPE,
    DataType::MARK,
    DataType::IFACE_INDEX,
    DataType::CT_STATE,
    DataType::ICMPV6_TYPE,
    DataType::IFNAME,
];

fn part(number: u32, bytes: &[u8]) -> Option<String> {
    let known = KNOWN.iter().find(|known| known.number == number)?;
    if known.len as usize != bytes.len() {
        return None;
    }
    if *known == DataType::IPV4_ADDR {
        return Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string());
    }
    if *known == DataType::IPV6_ADDR {
        return Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string());
    }
    if *known == DataType::IFNAME {
        let name: Vec<u8> = bytes.iter().copied().take_while(|byte| *byte != 0).collect();
        let plain =
            name.iter().all(u8::is_ascii_graphic) && bytes[name.len()..].iter().all(|b| *b == 0);
        return if plain { String::from_utf8(name).ok() } else { None };
    }
    match bytes {
        [byte] => Some(byte.to_string()),
        [high, low] => Some(u16::from_be_bytes([*high, *low]).to_string()),
        _ => Some(format!("{:#x}", u32::from_ne_bytes(bytes.try_into().ok()?))),
    }
}

/// FNV-1a.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_known_types_are_written_as_nft_does_and_others_as_bytes() {
        for (datatype, bytes, expected) in [
            (13, &[0, 80][..], "80"),
            (7, &[10, 0, 0, 1], "10.0.0.1"),
            (0x30d, &[6, 0, 0, 0, 1, 0xbb, 0, 0], "6 . 443"),
            (0x1ff, &[10, 0, 0, 1, 1, 2, 3, 4], "0x0a00000101020304"),
            (13, &[0], "0x00"),
            (0, &[], "0x"),
        ] {
            assert_eq!(value(datatype, bytes), expected);
        }
        assert_eq!((before(&[1, 0]), before(&[0, 0])), (vec![0, 0xff], vec![0xff, 0xff]));
    }
}
