//! Owns the layout of the opaque bytes ("userdata") as `nft` writes and prints them.
//!
//! nf_tables keeps up to 256 bytes with every object and never looks at them. `nft` stores type-length-value triples
//! there (one byte each for type and length), among them the comment. Programs may add triples of their own with high
//! type numbers; `nft` skips those it does not know.

use crate::consts::NFT_USERDATA_MAXLEN;

/// Type of the comment in tables, chains, rules, objects and elements.
pub const COMMENT: u8 = 0;
/// Type of the comment in sets.
pub const SET_COMMENT: u8 = 7;
/// Type of the key's byte order in sets: a 32-bit number in the machine's order.
pub const SET_KEY_BYTEORDER: u8 = 0;
/// Type of the datum's byte order in maps.
pub const SET_DATA_BYTEORDER: u8 = 1;

/// A triple does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("userdata would take {bytes} bytes, nf_tables keeps at most 256 and 255 in one value")]
pub struct UserdataTooLong {
    /// Bytes it would take.
    pub bytes: usize,
}

/// Appends one triple.
///
/// # Errors
/// [`UserdataTooLong`]; nothing is appended then.
pub fn push(to: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), UserdataTooLong> {
    let bytes = to.len() + 2 + value.len();
    match u8::try_from(value.len()) {
        Ok(len) if bytes <= NFT_USERDATA_MAXLEN => {
            to.extend_from_slice(&[kind, len]);
            to.extend_from_slice(value);
            Ok(())
        }
        _ => Err(UserdataTooLong { bytes }),
    }
}

/// Appends a text, with the terminating NUL that `nft` wants.
///
/// # Errors
/// [`UserdataTooLong`]; nothing is appended then.
pub fn push_text(to: &mut Vec<u8>, kind: u8, text: &str) -> Result<(), UserdataTooLong> {
    let mut value = [0; NFT_USERDATA_MAXLEN];
    match value.get_mut(..text.len()) {
        Some(place) if text.len() < 255 => {
            place.copy_from_slice(text.as_bytes());
            push(to, kind, &value[..=text.len()])
        }
        _ => Err(UserdataTooLong { bytes: to.len() + 3 + text.len() }),
    }
}

/// The userdata of an object, rule or element with only a comment.
///
/// ```
/// let bytes = nfnl::userdata::comment("hello")?;
/// assert_eq!(bytes, b"\x00\x06hello\x00");
/// assert_eq!(nfnl::userdata::comment_of(&bytes), Some("hello"));
/// # Ok::<(), nfnl::userdata::UserdataTooLong>(())
/// ```
///
/// # Errors
/// [`UserdataTooLong`] over 253 bytes. (`nft` itself writes at most 128.)
pub fn comment(text: &str) -> Result<Vec<u8>, UserdataTooLong> {
    let mut out = Vec::with_capacity(text.len() + 3);
    push_text(&mut out, COMMENT, text)?;
    Ok(out)
}

/// The comment in the userdata of an object, rule or element (for a set: [`text`] with [`SET_COMMENT`]).
pub fn comment_of(userdata: &[u8]) -> Option<&str> {
    text(userdata, COMMENT)
}

/// The text of the first triple of this type.
pub fn text(userdata: &[u8], kind: u8) -> Option<&str> {
    let value = find(userdata, kind)?;
    let value = value.strip_suffix(&[0]).unwrap_or(value);
    std::str::from_utf8(value).ok()
}

/// The value of the first triple of this type.
pub fn find(userdata: &[u8], kind: u8) -> Option<&[u8]> {
    triples(userdata).find_map(|(k, value)| (k == kind).then_some(value))
}

/// All triples; ends at the first malformed one.
pub fn triples(userdata: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = userdata;
    std::iter::from_fn(move || {
        let (&[kind, len], tail) = rest.split_first_chunk::<2>()?;
        let value = tail.get(..usize::from(len))?;
        rest = &tail[usize::from(len)..];
        Some((kind, value))
    })
}
