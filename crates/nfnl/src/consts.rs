//! Owns every number of the kernel's netlink, nfnetlink, nf_tables, conntrack and ipset interfaces that this crate uses.
//!
//! Names are the kernel's own, so that they can be searched for. A test parses the installed uapi headers and
//! compares every value by name.
#![allow(missing_docs)] // the kernel's headers document these names

/// Defines public constants and, for the tests, a list of them as `(name, value)`.
macro_rules! constants {
    ($($name:ident: $ty:ty = $value:expr;)*) => {
        $(pub const $name: $ty = $value;)*
        #[cfg(test)]
        #[allow(clippy::cast_possible_wrap)] // the lengths are small
        pub(super) const ALL: &[(&str, i64)] = &[$((stringify!($name), $name as i64)),*];
    };
}
use constants;

mod ct;
mod expr;
mod ipset;
mod nft;
mod nl;
#[cfg(test)]
mod tests;

pub use self::{ct::*, expr::*, ipset::*, nft::*, nl::*};
