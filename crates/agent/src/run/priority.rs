//! Which threads come first where processors are few.
//!
//! Publishing, watching what was published and cutting flows follow a change; the next change must
//! not wait for them.

use rustix::process::setpriority_process;
use rustix::thread::gettid;

/// How much nicer than the loop: a tenth of its share where both want to run.
const BEHIND: i32 = 10;

/// Lets the calling thread come after those on the way from event to kernel.
pub(super) fn behind() {
    // On Linux a niceness is a thread's own. The current one counts from what we were started with.
    let thread = Some(gettid());
    let now = rustix::process::getpriority_process(thread).unwrap_or(0);
    if let Err(error) = setpriority_process(thread, (now + BEHIND).min(19)) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}
