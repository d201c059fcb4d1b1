//! Owns the expressions `match` and `target`, which carry x_tables' structures:
//! linux/netfilter/nf_tables_compat.h.

use nfnl::{expr::RawExpr, wire::Attributes};

use crate::{info::Of, view::Family};

/// `NFTA_MATCH_NAME`, `NFTA_TARGET_NAME`
const NAME: u16 = 1;
/// `NFTA_MATCH_REV`, `NFTA_TARGET_REV`
const REVISION: u16 = 2;
/// `NFTA_MATCH_INFO`, `NFTA_TARGET_INFO`
const INFO: u16 = 3;

/// What such an expression carries.
pub(crate) struct Carried<'a> {
    pub(crate) name: String,
    pub(crate) of: Of,
    pub(crate) bytes: &'a [u8],
}

/// Takes it out of the expression; nothing if it is no such expression.
pub(crate) fn carried(raw: &RawExpr, family: Family) -> Option<Carried<'_>> {
    let (mut name, mut revision, mut bytes) = (None, 0, &[][..]);
    for attribute in Attributes::new(&raw.body) {
        let attribute = attribute.ok()?;
        match attribute.kind {
            NAME => name = Some(attribute.string()),
            REVISION => revision = attribute.be32().ok()?,
            INFO => bytes = attribute.payload,
            _ => {}
        }
    }
    let revision = u8::try_from(revision).ok()?;
    Some(Carried { name: name?, of: Of { family, revision }, bytes })
}
