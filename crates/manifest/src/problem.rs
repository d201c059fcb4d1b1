//! Problems and their places.

use std::fmt;
use std::sync::Arc;

use model::{Object, ObjectKind, Uid};

/// A place in a file. Both numbers count from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// An object by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace (empty for cluster-scoped objects).
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl ObjectName {
    /// The UID that an object of this name has if it says none.
    pub fn uid_unless_said(&self) -> Uid {
        crate::convert::synthetic_uid(self)
    }

    /// The name of an object.
    pub fn of(object: &Object) -> Self {
        let meta = object.meta();
        Self { kind: object.kind(), namespace: meta.namespace.clone(), name: meta.name.clone() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_str();
        if self.namespace.is_empty() {
            write!(f, "{kind} {}", self.name)
        } else {
            write!(f, "{kind} {}/{}", self.namespace, self.name)
        }
    }
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The name of the file, as the caller gave it.
    pub file: Arc<str>,
    /// Where.
    pub position: Position,
    /// In which object, where that much could be read.
    pub object: Option<ObjectName>,
    /// In which field of the object, as `spec.ports[0].port`; empty for the object itself.
    pub path: String,
    /// What is wrong, one line.
    pub message: String,
}

impl Problem {
    /// What is wrong and in which field, without the place: one line.
    pub fn in_object(&self) -> String {
        if self.path.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.path, self.message)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.position)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
