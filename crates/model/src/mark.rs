//! The mark: how an element says whose it is, so that a restarted agent with no memory knows.
//!
//! Owns both directions, making and recognising; nobody else reads or writes element userdata.
//! The mark lives in the element's userdata (`NFTA_SET_ELEM_USERDATA`, at most 256 bytes:
//! `NFT_USERDATA_MAXLEN` of `linux/netfilter/nf_tables.h`) as type-length-value records, the form
//! that libnftnl uses, so that `nft list` shows the owner's name as the element's comment:
//!
//! - type 0 (`NFTNL_UDATA_SET_ELEM_COMMENT`): `namespace/name`, cut if long, with a final NUL;
//! - type 78: version, kind, form of the UID, UID. The identity; the comment is for people.
//!
//! Invariant: `decode(encode(owner)) == owner` (identity), for every owner; decoding is total.

use crate::owner::{Owner, OwnerKind, Uid};

/// Longest element userdata that the kernel takes (`NFT_USERDATA_MAXLEN`).
pub const USERDATA_MAX: usize = 256;
/// Longest UID that a mark can carry; sources refuse longer ones.
pub const UID_MAX: usize = 120;
/// Longest name as a comment, without its NUL; libnftnl's own limit is 128 with it.
const COMMENT_MAX: usize = 119;

const TYPE_COMMENT: u8 = 0;
const TYPE_IDENTITY: u8 = 78;
const VERSION: u8 = 1;
const KIND_POD: u8 = 1;
const KIND_NETKEEP: u8 = 2;
const UID_TEXT: u8 = 0;
const UID_UUID: u8 = 1;

/// The userdata that marks an element as this owner's.
pub fn encode(owner: &Owner) -> Vec<u8> {
    let name = owner.qualified_name();
    let comment = cut(&name, COMMENT_MAX);
    let mut bytes = Vec::with_capacity(comment.len() + 24);
    bytes.push(TYPE_COMMENT);
    bytes.push(comment.len() as u8 + 1);
    bytes.extend_from_slice(comment.as_bytes());
    bytes.push(0);

    let kind = match owner.kind {
        OwnerKind::Pod => KIND_POD,
        OwnerKind::Netkeep => KIND_NETKEEP,
    };
    let text = cut(owner.uid.as_str(), UID_MAX);
    bytes.push(TYPE_IDENTITY);
    if let Some(uuid) = parse_uuid(text) {
        bytes.extend_from_slice(&[3 + 16, VERSION, kind, UID_UUID]);
        bytes.extend_from_slice(&uuid);
    } else {
        bytes.extend_from_slice(&[3 + text.len() as u8, VERSION, kind, UID_TEXT]);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The owner that the userdata names; `None` if it is not a mark of ours.
pub fn decode(mut userdata: &[u8]) -> Option<Owner> {
    let mut comment = None;
    let mut identity = None;
    while let [kind, len, rest @ ..] = userdata {
        let (value, after) = rest.split_at_checked(usize::from(*len))?;
        match *kind {
            TYPE_COMMENT => comment = Some(value),
            TYPE_IDENTITY => identity = Some(value),
            _ => {}
        }
        userdata = after;
    }
    let [VERSION, kind, form, uid @ ..] = identity? else { return None };
    let kind = match *kind {
        KIND_POD => OwnerKind::Pod,
        KIND_NETKEEP => OwnerKind::Netkeep,
        _ => return None,
    };
    let uid = match *form {
        UID_UUID => Uid::new(std::str::from_utf8(&format_uuid(uid.try_into().ok()?)).ok()?),
        UID_TEXT => Uid::new(std::str::from_utf8(uid).ok()?),
        _ => return None,
    };
    let comment = comment.map(|c| c.strip_suffix(&[0]).unwrap_or(c)).unwrap_or_default();
    let comment = String::from_utf8_lossy(comment);
    let (namespace, name) = comment.split_once('/').unwrap_or(("", &comment));
    Some(Owner { kind, namespace: namespace.into(), name: name.into(), uid })
}

/// The longest prefix of at most `max` bytes that ends between characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// The 16 bytes of a UUID in its canonical lower-case form, and of nothing else: any other spelling
/// must come back as it was.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut bytes = [0u8; 16];
    let mut digits = 0usize;
    for (at, c) in text.bytes().enumerate() {
        let digit = match (at, c) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => c - b'0',
            (_, b'a'..=b'f') => c - b'a' + 10,
            _ => return None,
        };
        bytes[digits / 2] |= if digits.is_multiple_of(2) { digit << 4 } else { digit };
        digits += 1;
    }
    Some(bytes)
}

/// The canonical lower-case form, in ASCII.
fn format_uuid(bytes: [u8; 16]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(namespace: &str, name: &str, uid: &str) -> Owner {
        Owner::pod(namespace, name, Uid::new(uid))
    }

    #[test]
    fn a_mark_comes_back_as_the_owner_it_was_made_from() {
        for uid in [
            "0a1b2c3d-0000-4000-8000-ffffffffffff",
            "0A1B2C3D-0000-4000-8000-FFFFFFFFFFFF",
            "u",
            "",
        ] {
            let owner = pod("default", "web-0", uid);
            let back = decode(&encode(&owner)).unwrap();
            assert_eq!(back, owner);
            assert_eq!(back.uid.as_str(), uid);
            assert_eq!(back.qualified_name(), "default/web-0");
        }
    }

    #[test]
    fn the_longest_names_still_fit_the_kernels_limit() {
        let owner = pod(&"n".repeat(63), &"p".repeat(253), &"u".repeat(UID_MAX));
        let mark = encode(&owner);
        assert!(mark.len() <= USERDATA_MAX);
        assert_eq!(decode(&mark).unwrap(), owner);
    }

    #[test]
    fn userdata_that_is_not_a_mark_is_nobodys() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(b"\x00\x04abc\0"), None);
        assert_eq!(decode(&[TYPE_IDENTITY, 200, 1]), None);
        assert_eq!(decode(&[TYPE_IDENTITY, 3, 99, KIND_POD, UID_TEXT]), None);
    }
}
