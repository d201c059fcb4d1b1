//! Owns how one field of an expression becomes an attribute and back, and the macros that define expressions.

use super::{Depth, Expr, Flags, Register, decode_list, encode_list};
use crate::{
    Data,
    data::DataRef,
    wire::{Attribute, Attributes, Writer},
};

/// A value with one attribute encoding. `get` is `None` for anything that would not encode to the same bytes again.
pub(crate) trait Field: Sized {
    fn put(&self, w: &mut Writer, kind: u16);
    fn get(attribute: &Attribute<'_>) -> Option<Self>;
    /// The value an absent attribute stands for, if it may be absent.
    fn absent() -> Option<Self> {
        None
    }
}

/// An expression type: its kernel name and its attributes.
pub(crate) trait Kind: Sized {
    const NAME: &'static str;
    fn put_body(&self, w: &mut Writer);
    fn get_body(attributes: Attributes<'_>) -> Option<Self>;
}

impl Field for u8 {
    fn put(&self, w: &mut Writer, kind: u16) {
        w.put_u8(kind, *self);
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        attribute.u8().ok()
    }
}

impl Field for u16 {
    fn put(&self, w: &mut Writer, kind: u16) {
        w.put_be16(kind, *self);
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        attribute.be16().ok()
    }
}

impl Field for u32 {
    fn put(&self, w: &mut Writer, kind: u16) {
        w.put_be32(kind, *self);
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        attribute.be32().ok()
    }
}

impl Field for u64 {
    fn put(&self, w: &mut Writer, kind: u16) {
        w.put_be64(kind, *self);
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        attribute.be64().ok()
    }
}

impl Field for String {
    fn put(&self, w: &mut Writer, kind: u16) {
        w.put_str(kind, self);
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        let text = attribute.payload.split(|b| *b == 0).next().unwrap_or_default();
        std::str::from_utf8(text).ok().map(str::to_owned)
    }
}

impl Field for Register {
    fn put(&self, w: &mut Writer, kind: u16) {
        w.put_be32(kind, self.0);
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        attribute.be32().ok().map(Self)
    }
}

impl Field for Data {
    fn put(&self, w: &mut Writer, kind: u16) {
        self.as_ref().put(w, kind);
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        DataRef::get(attribute.nested()).ok()?.to_owned().ok()
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, w: &mut Writer, kind: u16) {
        if let Some(value) = self {
            value.put(w, kind);
        }
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        T::get(attribute).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl Field for Flags {
    fn put(&self, w: &mut Writer, kind: u16) {
        if self.0 != 0 {
            w.put_be32(kind, self.0);
        }
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        attribute.be32().ok().map(Self)
    }
    fn absent() -> Option<Self> {
        Some(Self(0))
    }
}

/// A list of expressions without another list inside.
impl Field for Vec<Expr> {
    fn put(&self, w: &mut Writer, kind: u16) {
        if !self.is_empty() {
            encode_list(self, w, kind);
        }
    }
    fn get(attribute: &Attribute<'_>) -> Option<Self> {
        decode_list(attribute.nested(), Depth::Inner).ok()
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// Defines an expression's struct and its coding: one attribute a field. Padding attributes are skipped.
macro_rules! expression {
    ($(#[$meta:meta])* $name:ident = $kernel:literal, pad $pad:literal {
        $($(#[$fm:meta])* $field:ident: $ty:ty = $attribute:ident,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fm])* pub $field: $ty,)*
        }

        impl crate::expr::Kind for $name {
            const NAME: &'static str = $kernel;

            fn put_body(&self, w: &mut crate::wire::Writer) {
                let _ = &w; // an expression may have no attributes
                $(crate::expr::Field::put(&self.$field, w, crate::consts::$attribute);)*
            }

            fn get_body(attributes: crate::wire::Attributes<'_>) -> Option<Self> {
                $(let mut $field: Option<$ty> = None;)*
                for attribute in attributes {
                    let attribute = attribute.ok()?;
                    match attribute.kind {
                        $(crate::consts::$attribute => {
                            $field = Some(crate::expr::Field::get(&attribute)?);
                        })*
                        $pad => {}
                        _ => return None,
                    }
                }
                Some(Self {
                    $($field: match $field {
                        Some(value) => value,
                        None => crate::expr::Field::absent()?,
                    },)*
                })
            }
        }
    };
}
pub(super) use expression;

/// Defines an enum of kernel numbers that keeps the ones it does not know.
macro_rules! numbers {
    ($(#[$meta:meta])* $name:ident: $($(#[$vm:meta])* $variant:ident = $number:ident,)*) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vm])* $variant,)*
            /// A number without a name here.
            Other(u32),
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                match number {
                    $(crate::consts::$number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for u32 {
            fn from(name: $name) -> Self {
                match name {
                    $($name::$variant => crate::consts::$number,)*
                    $name::Other(other) => other,
                }
            }
        }

        impl crate::expr::Field for $name {
            fn put(&self, w: &mut crate::wire::Writer, kind: u16) {
                w.put_be32(kind, (*self).into());
            }
            fn get(attribute: &crate::wire::Attribute<'_>) -> Option<Self> {
                attribute.be32().ok().map(Self::from)
            }
        }
    };
}
pub(crate) use numbers;
