//! Named places at which a test may kill this process, as `kill -9` would.
//!
//! `NETKEEP_KILL_AT=name` (or `name:3` for the third time) ends the process with SIGKILL right
//! there: no destructor, no flush. Only in builds with debug assertions or the feature
//! `failpoints`; elsewhere [`hit`] is empty.

/// All failpoints, in the order in which one change passes them. Tests go through this list, so
/// that a new point cannot be forgotten.
pub const ALL: &[&str] = &[
    "ports:reserved",
    "journal:noted",
    "journal:written",
    "kernel:before-commit",
    "kernel:committed",
    "core:outcome",
    "ports:released",
    "flows:cut",
    "publish:journal-synced",
    "publish:tmp-written",
    "publish:renamed",
];

/// Ends the process here if the environment says so.
#[inline]
pub fn hit(name: &str) {
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    armed::hit(name);
    #[cfg(not(any(debug_assertions, feature = "failpoints")))]
    let _ = name;
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Armed {
        name: String,
        left: AtomicU32,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub(super) fn hit(name: &str) {
        let armed = ARMED.get_or_init(|| {
            let text = std::env::var("NETKEEP_KILL_AT").ok()?;
            let (name, count) = match text.rsplit_once(':') {
                Some((name, count)) if count.parse::<u32>().is_ok() => {
                    (name.to_owned(), count.parse().unwrap_or(1))
                }
                _ => (text, 1),
            };
            Some(Armed { name, left: AtomicU32::new(count) })
        });
        if let Some(armed) = armed
            && armed.name == name
            && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    }
}
