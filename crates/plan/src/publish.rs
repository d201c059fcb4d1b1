//! What is to be said on the objects.

use model::Uid;

/// What the annotation of a Pod shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Annotation {
    /// This text.
    Set(String),
    /// There shall be none.
    Remove,
}

/// One annotation to write. The UID is a precondition: a newer Pod of the same name is not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The Pod's namespace.
    pub namespace: Box<str>,
    /// The Pod's name.
    pub name: Box<str>,
    /// The Pod's UID.
    pub uid: Uid,
    /// What its annotation shall be.
    pub annotation: Annotation,
}
