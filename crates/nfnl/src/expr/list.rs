//! Owns lists of expressions: `NFTA_LIST_ELEM { NFTA_EXPR_NAME, NFTA_EXPR_DATA }`.

use super::{Expr, RawExpr};
use crate::{
    consts::{NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_LIST_ELEM},
    wire::{Attributes, DecodeError, Writer},
};

/// How deep a list is nested. Lists inside a list stay raw, which bounds the recursion on hostile bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The list of a rule or element.
    Outer,
    /// A list inside an expression.
    Inner,
}

pub(crate) fn encode_list(list: &[Expr], w: &mut Writer, kind: u16) {
    w.nest(kind, |w| {
        for expr in list {
            w.nest(NFTA_LIST_ELEM, |w| encode_one(expr, w));
        }
    });
}

/// Writes the content of one `NFTA_LIST_ELEM`.
pub(crate) fn encode_one(expr: &Expr, w: &mut Writer) {
    w.put_str(NFTA_EXPR_NAME, expr.name());
    match expr {
        Expr::Raw(raw) if raw.body.is_empty() => {}
        Expr::Raw(raw) => w.put(NFTA_EXPR_DATA | crate::consts::NLA_F_NESTED, &raw.body),
        typed => w.nest(NFTA_EXPR_DATA, |w| typed.put_body(w)),
    }
}

pub(crate) fn decode_list(list: Attributes<'_>, depth: Depth) -> Result<Vec<Expr>, DecodeError> {
    let mut out = Vec::new();
    for element in list {
        let element = element?;
        if element.kind == NFTA_LIST_ELEM {
            out.push(decode_one(element.nested(), depth)?);
        }
    }
    Ok(out)
}

/// Reads the content of one `NFTA_LIST_ELEM`.
pub(crate) fn decode_one(element: Attributes<'_>, depth: Depth) -> Result<Expr, DecodeError> {
    let missing = DecodeError::Missing { of: "expression", kind: NFTA_EXPR_NAME };
    let (mut name, mut body) = (None, &[][..]);
    for attribute in element {
        let attribute = attribute?;
        match attribute.kind {
            NFTA_EXPR_NAME => name = Some(attribute.string()),
            NFTA_EXPR_DATA => body = attribute.payload,
            _ => {}
        }
    }
    let name = name.ok_or(missing)?;
    let typed = match depth {
        Depth::Inner if name == "dynset" => None,
        _ => Expr::typed(&name, &Attributes::new(body)),
    };
    Ok(typed.unwrap_or_else(|| Expr::Raw(RawExpr { name, body: body.to_vec() })))
}
