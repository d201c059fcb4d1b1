//! UIDs: what an object is, whatever it is called and wherever it runs.
//!
//! Nearly every UID is a UUID in its canonical form: it is kept as two numbers, so that copying and
//! comparing it touches no other memory and calls nothing: every map of the core is searched by UIDs.
//! Any other text is kept as it is.
//!
//! Invariant: one text has one representation, and order, equality and spelling are those of the text.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The UID of a Kubernetes object: what stays the same for its whole life, and is never reused.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uid(Form);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// A canonical (lower-case) UUID, its first half in the first number: numbers are in the order of
    /// the bytes.
    Uuid([u64; 2]),
    /// Any other text.
    Text(Arc<str>),
}

/// The length of a UUID as text.
const UUID_TEXT: usize = 36;

impl Uid {
    /// Takes any text: real UIDs are UUIDs, mirror Pods carry a hash, tests write words.
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        parse_uuid(text).map_or_else(|| Self(Form::Text(text.into())), Self::from_uuid)
    }

    /// The UID that is this UUID.
    pub const fn from_uuid(uuid: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(uuid);
        Self(Form::Uuid([(number >> 64) as u64, number as u64]))
    }

    /// The bytes of the UUID, if it is one in its canonical form.
    pub const fn uuid(&self) -> Option<[u8; 16]> {
        match &self.0 {
            Form::Uuid(halves) => Some(bytes(*halves)),
            Form::Text(_) => None,
        }
    }

    /// The text of the UID.
    pub fn text(&self) -> UidText<'_> {
        match &self.0 {
            Form::Uuid(halves) => UidText::Uuid(format_uuid(bytes(*halves))),
            Form::Text(text) => UidText::Text(text),
        }
    }
}

/// A UID as text; may be used like a `&str`.
#[derive(Debug, Clone, Copy)]
pub enum UidText<'a> {
    /// Spelled out from its bytes: ASCII.
    Uuid([u8; UUID_TEXT]),
    /// As it is kept.
    Text(&'a str),
}

impl Deref for UidText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            // Hexadecimal digits and hyphens: always valid.
            Self::Uuid(text) => std::str::from_utf8(text).unwrap_or_default(),
            Self::Text(text) => text,
        }
    }
}

impl PartialOrd for Uid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Uid {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            // Hyphens stand at the same places, and hexadecimal digits are in order in ASCII.
            (Form::Uuid(mine), Form::Uuid(theirs)) => mine.cmp(theirs),
            _ => self.text().cmp(&*other.text()),
        }
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Uid").field(&&*self.text()).finish()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// The 16 bytes of a UUID in its canonical lower-case form, and of nothing else: any other spelling
/// must come back as it was.
const fn bytes([first, second]: [u64; 2]) -> [u8; 16] {
    ((first as u128) << 64 | second as u128).to_be_bytes()
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; UUID_TEXT] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0u8; 16];
    let mut digits = 0usize;
    for (at, c) in text.iter().enumerate() {
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
fn format_uuid(bytes: [u8; 16]) -> [u8; UUID_TEXT] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; UUID_TEXT];
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
    use proptest::prelude::*;

    use super::*;

    /// UUIDs, what nearly is one, and other words.
    fn texts() -> impl Strategy<Value = String> {
        let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        let nearly = "[0-9a-fA-F]{8}-[0-9a-f-]{4}-[0-9a-g]{4}-[0-9a-f]{4}.[0-9a-f]{12}";
        prop_oneof![uuid, nearly, "[0-9a-f-]{0,4}", any::<String>()]
    }

    proptest! {
        #[test]
        fn a_uid_is_its_text(a in texts(), b in texts()) {
            let (first, second) = (Uid::new(&a), Uid::new(&b));
            prop_assert_eq!(&*first.text(), a.as_str());
            prop_assert_eq!(first.to_string(), a.clone());
            prop_assert_eq!(format!("{first:?}"), format!("Uid({a:?})"));
            prop_assert_eq!(first == second, a == b);
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
        }
    }

    #[test]
    fn only_the_canonical_form_is_kept_as_bytes() {
        let canonical = Uid::new("0a1b2c3d-0000-4000-8000-ffffffffffff");
        assert_eq!(Uid::from_uuid(canonical.uuid().unwrap()), canonical);
        assert_eq!(Uid::new("0A1B2C3D-0000-4000-8000-FFFFFFFFFFFF").uuid(), None);
        assert_eq!(Uid::new("").uuid(), None);
    }
}
