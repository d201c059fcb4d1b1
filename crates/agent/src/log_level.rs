//! How much is logged, to be asked and changed while the agent runs.
//!
//! Deliberately not here: who writes the log, and where to (`cli`).

use std::sync::Arc;

type Set = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// How much is logged.
#[derive(Clone)]
pub struct LogLevel {
    get: Arc<dyn Fn() -> String + Send + Sync>,
    set: Arc<Set>,
}

impl LogLevel {
    /// Of whoever writes the log.
    pub fn new(
        get: impl Fn() -> String + Send + Sync + 'static,
        set: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { get: Arc::new(get), set: Arc::new(set) }
    }

    /// The level now.
    pub(crate) fn get(&self) -> String {
        (self.get)()
    }

    /// Another level; an error says why not.
    pub(crate) fn set(&self, level: &str) -> Result<(), String> {
        (self.set)(level)
    }
}
