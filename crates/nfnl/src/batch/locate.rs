//! Owns finding the element of a message that an offset of the kernel points at.

use crate::{
    consts::{NFTA_SET_ELEM_LIST_ELEMENTS, NLA_F_NESTED},
    wire::{NLMSG_HEADER, align},
};

/// `nlmsghdr` and `nfgenmsg`.
const HEADERS: usize = NLMSG_HEADER + 4;

/// Number of the element in `message` (which starts at its `nlmsghdr`) that contains byte `offset`.
pub(crate) fn element_at(message: &[u8], offset: Option<u32>) -> Option<usize> {
    let offset = usize::try_from(offset?).ok()?;
    let (start, end) =
        attributes(message, HEADERS, message.len()).find_map(|(kind, start, end)| {
            (kind == NFTA_SET_ELEM_LIST_ELEMENTS).then_some((start, end))
        })?;
    if offset < start + 4 {
        return None;
    }
    attributes(message, start + 4, end).position(|(_, start, end)| (start..end).contains(&offset))
}

/// Kind, start and end of each attribute between two offsets.
fn attributes(
    message: &[u8],
    from: usize,
    to: usize,
) -> impl Iterator<Item = (u16, usize, usize)> + '_ {
    let mut at = from;
    std::iter::from_fn(move || {
        let header = message.get(at..to)?.first_chunk::<4>()?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        if len < 4 {
            return None;
        }
        let start = at;
        at += align(len);
        let kind = u16::from_ne_bytes([header[2], header[3]]) & !NLA_F_NESTED;
        Some((kind, start, start + len))
    })
}
