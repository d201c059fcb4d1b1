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

use std::borrow::Cow;

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
    let mut bytes = Vec::with_capacity(owner.qualified_name().len() + 28);
    encode_into(owner, &mut bytes);
    bytes
}

/// Appends the userdata that marks an element as this owner's.
pub fn encode_into(owner: &Owner, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(&[TYPE_COMMENT, 0]);
    bytes.extend_from_slice(cut(owner.qualified_name(), COMMENT_MAX).as_bytes());
    bytes.push(0);
    // At most COMMENT_MAX and the NUL.
    bytes[start + 1] = (bytes.len() - start - 2) as u8;

    let kind = match owner.kind {
        OwnerKind::Pod => KIND_POD,
        OwnerKind::Netkeep => KIND_NETKEEP,
    };
    bytes.push(TYPE_IDENTITY);
    if let Some(uuid) = owner.uid.uuid() {
        bytes.extend_from_slice(&[3 + 16, VERSION, kind, UID_UUID]);
        bytes.extend_from_slice(&uuid);
    } else {
        let text = owner.uid.text();
        let text = cut(&text, UID_MAX);
        bytes.extend_from_slice(&[3 + text.len() as u8, VERSION, kind, UID_TEXT]);
        bytes.extend_from_slice(text.as_bytes());
    }
}

/// The owner that the userdata names; `None` if it is not a mark of ours.
pub fn decode(userdata: &[u8]) -> Option<Owner> {
    Mark::read(userdata).map(Mark::owner)
}

/// A mark that was read, its comment still as bytes: many elements are of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The kind of the owner.
    pub kind: OwnerKind,
    /// Its UID.
    pub uid: Uid,
    comment: &'a [u8],
}

impl<'a> Mark<'a> {
    /// The mark in the userdata; `None` if it is not one of ours.
    pub fn read(mut userdata: &'a [u8]) -> Option<Self> {
        let mut comment: &[u8] = &[];
        let mut identity = None;
        while let [kind, len, rest @ ..] = userdata {
            let (value, after) = rest.split_at_checked(usize::from(*len))?;
            match *kind {
                TYPE_COMMENT => comment = value,
                TYPE_IDENTITY => identity = Some(value),
                _ => {}
            }
            userdata = after;
        }
        let (kind, uid) = parse_identity(identity?)?;
        Some(Self { kind, uid, comment })
    }

    /// The owner that it names.
    pub fn owner(self) -> Owner {
        let comment = self.comment.strip_suffix(&[0]).unwrap_or(self.comment);
        // what is right is known faster than where it is wrong
        let comment = std::str::from_utf8(comment)
            .map_or_else(|_| String::from_utf8_lossy(comment), Cow::Borrowed);
        Owner::of_qualified_name(self.kind, &comment, self.uid)
    }
}

fn parse_identity(identity: &[u8]) -> Option<(OwnerKind, Uid)> {
    let [VERSION, kind, form, uid @ ..] = identity else { return None };
    let kind = match *kind {
        KIND_POD => OwnerKind::Pod,
        KIND_NETKEEP => OwnerKind::Netkeep,
        _ => return None,
    };
    let uid = match *form {
        UID_UUID => Uid::from_uuid(uid.try_into().ok()?),
        UID_TEXT => Uid::new(std::str::from_utf8(uid).ok()?),
        _ => return None,
    };
    Some((kind, uid))
}

/// The longest prefix of at most `max` bytes that ends between characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
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
            assert_eq!(&*back.uid.text(), uid);
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
