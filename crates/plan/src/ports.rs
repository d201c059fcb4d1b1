//! The port table.

/// What came of the attempt to bind a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The socket is bound.
    Ok,
    /// Another process has the port; the text names it (empty if not known).
    Taken(String),
    /// It could not be tried (for example: no more open files); the text says why.
    Failed(String),
}
