//! The only door to the Kubernetes API.
//!
//! ```text
//! door (client, token, CA, proxy) -> request -> stream of lines -> known (pure) -> events -> agent
//!                                                              \-> gate (pure) -> hold, findings
//! agent -> publish (patches on pods/status), announce (Events)  -> door
//! ```
//!
//! Owns: connecting, listing and watching the Pods of one node, all Services and the own Node;
//! what may be believed of a list (gates); annotations and Events on their way to the API.
//!
//! Invariants: nothing that the API server says or leaves out makes an object gone but a DELETED
//! event or its absence from a complete list that is newer than what we know; whatever is not heard
//! of in time is not fresh, which is a Hold; an object that cannot be read keeps its last good
//! content; no request waits without a limit; nothing here blocks the data path.
//!
//! Deliberately not here: what the objects mean (`plan`), their conversion (`manifest`), threads.

#![forbid(unsafe_code)]

mod announce;
mod backoff;
mod door;
mod gate;
mod known;
mod lines;
#[doc(hidden)]
pub mod offline;
mod once;
mod publish;
mod request;
mod source;
mod watch;
mod wire;

pub use announce::{Announcement, Announcer, Regarding};
pub use door::{Access, ConnectError, Door};
pub use once::{Once, list_once};
pub use publish::{Patch, PodPatch, Publisher, Report};
pub use request::ApiError;
pub use source::{EmptyList, Message, Options, Source};
