//! One kind: listed, watched, listed again. The life of a watch.
//!
//! ```text
//!        list (streaming, else in pages) --> watch from its version --> ended: watch on from the last
//!          ^                                     |
//!          +--- 410, an older word, a doubt -----+--- lost: not fresh; watch on after a wait
//!          +--- no word for the patience --------+
//! ```
//!
//! Invariants: a version is taken over only from a complete list, an event or a bookmark; what is
//! older than what we know is not believed, nor any object in it. Freshness counts from the server's
//! last word ([`heard`]), not from the last connection: while nothing was said for the patience the
//! kind is not fresh, however many watches were taken and ended well, and only a complete list makes
//! it fresh again. A watch that goes on after a loss is believed with its first word, and the core
//! has that word before it has the freshness.

mod follow;
mod heard;
mod list;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use model::{Event, ObjectKind};

use crate::backoff::Backoff;
use crate::door::Door;
use crate::gate::State;
use crate::known::Known;
use crate::request::{self, ApiError};
use crate::source::{Options, Shared};
use heard::Heard;

/// How long the head of an answer, or the next part of a list, may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Objects in a page of a list.
const PAGE: usize = 500;
/// So often in a row a list may be older than what we know before it is believed: then the server's
/// data were set back (restored from a backup), and will not come forward again.
const OLDER_MAX: u32 = 10;
/// So many watches in a row may be lost before it is listed again: the server may not know the
/// version that we watch from (it was restored from a backup) and say so in its own words.
const LOST_MAX: u32 = 5;
/// A watch that ends so soon was no watch: wait before the next.
const SHORT: Duration = Duration::from_secs(1);

/// How lists are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    /// As the first events of a watch (KEP-3157).
    Streaming,
    /// Page by page: the server refuses the other.
    Pages,
}

/// Why a stretch of watching ended.
enum End {
    /// The server closed it, as it does every few minutes.
    Closed,
    /// The version we watch from is gone; or what we know must be looked at again.
    Relist(String),
    /// Something broke.
    Lost(ApiError),
}

/// See the module's documentation.
pub(crate) struct Watch<'s, 'l> {
    kind: ObjectKind,
    door: &'s Door,
    options: &'s Options,
    shared: &'s Shared<'l>,
    known: Known,
    listing: Listing,
    /// Failures of streaming lists in a row that may or may not mean that they are not served.
    doubts: u32,
    /// The version up to which everything is known.
    version: Option<String>,
    /// When the server said something last.
    heard: Heard,
    older: u32,
    backoff: Backoff,
    /// Whether a list was ever believed: until then the kernel knows more than we do.
    believed: bool,
    /// Whether nobody believes that the list is empty.
    emptied: bool,
    /// When to ask again whether it still is.
    doubt_until: Option<Instant>,
    /// What the list being read says of objects that may be older than what we know. Told once the
    /// list turns out to be none of the past.
    old: Vec<Event>,
    /// Whether the list that was begun last was read to its end.
    complete: bool,
    /// Watches in a row that could not be had.
    lost: u32,
}

impl<'s, 'l> Watch<'s, 'l> {
    pub(crate) fn new(
        kind: ObjectKind,
        door: &'s Door,
        options: &'s Options,
        shared: &'s Shared<'l>,
    ) -> Self {
        Self {
            kind,
            door,
            options,
            shared,
            known: Known::new(kind),
            listing: Listing::Streaming,
            doubts: 0,
            version: None,
            heard: Heard::new(options.stale_after, Instant::now()),
            older: 0,
            backoff: Backoff::new(options.retry.0, options.retry.1),
            believed: false,
            emptied: false,
            doubt_until: None,
            old: Vec::new(),
            complete: false,
            lost: 0,
        }
    }

    /// Until nobody listens any more.
    pub(crate) async fn run(mut self) {
        let mut relist = true;
        while !self.shared.is_over() {
            let began = Instant::now();
            if !relist && self.heard.is_old(began) {
                self.fell_silent();
                relist = true;
            }
            self.complete &= !relist;
            let end = match (relist, self.listing) {
                (true, Listing::Streaming) => self.stream_list().await,
                (true, Listing::Pages) => match self.page_list().await {
                    Ok(()) => self.watch().await,
                    Err(end) => end,
                },
                (false, _) => self.watch().await,
            };
            self.known.give_up_list();
            self.old.clear();
            relist = self.after(end, began.elapsed()).await;
        }
    }

    /// Waits as long as the end of a stretch asks for; answers whether to list again.
    async fn after(&mut self, end: End, lasted: Duration) -> bool {
        let kind = self.kind.as_str();
        match end {
            End::Closed => {
                if lasted < SHORT {
                    // It is believed meanwhile, but not for longer than its last word is.
                    let until = self.heard.until();
                    let _ = tokio::time::timeout_at(until.into(), self.wait(None)).await;
                }
            }
            End::Relist(why) => {
                tracing::info!(kind, %why, "listing again");
                self.shared.failed(self.kind, why, &self.known);
                self.wait(None).await;
                return true;
            }
            End::Lost(error) => {
                let why = error.told();
                tracing::warn!(kind, error = %why, "the watch is lost");
                self.lost += 1;
                // A server that fell silent may take the next watch and be silent in that one too.
                self.complete &= !matches!(error, ApiError::Silent(_));
                self.shared.failed(self.kind, why, &self.known);
                self.wait(error.retry_after()).await;
            }
        }
        !self.complete || self.emptied || self.lost >= LOST_MAX
    }

    async fn wait(&mut self, asked: Option<Duration>) {
        tokio::time::sleep(self.backoff.next(asked)).await;
    }

    /// Watches were had and ended, but nothing was said in them for too long.
    fn fell_silent(&self) {
        if self.shared.is_fresh(self.kind) {
            let why = self.silence().told();
            tracing::warn!(kind = self.kind.as_str(), error = %why, "the watches say nothing");
            self.shared.failed(self.kind, why, &self.known);
        }
    }

    const fn silence(&self) -> ApiError {
        ApiError::Silent(self.heard.patience())
    }

    fn query(&self, more: &str) -> String {
        let path = request::path(self.kind);
        let selector = request::selector(self.kind, &self.options.node);
        let selector = selector.map(|s| format!("fieldSelector={s}&")).unwrap_or_default();
        format!("{path}?{selector}{more}")
    }

    /// The timeout asked of the server: different for every watch, so that not all end at once.
    fn timeout(&self) -> u64 {
        let whole = self.options.watch_timeout.as_secs().max(2);
        fastrand::u64(whole / 2..=whole)
    }

    /// Versions are decimal numbers that grow (KEP-5504); where one is not, nothing is said.
    fn is_older(&self, version: &str) -> bool {
        let known = self.version.as_deref().and_then(number);
        matches!((number(version), known), (Some(new), Some(known)) if new < known)
    }

    fn fresh(&self) {
        if !self.emptied {
            self.shared.set(self.kind, State::Fresh, &self.known);
        }
    }

    fn tell(&self, events: Vec<Event>, at: Instant) {
        self.shared.tell(self.kind, events, at, &self.known);
    }
}

/// A version as a number.
fn number(version: &str) -> Option<u128> {
    version.parse().ok()
}

/// A value in a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // writing to a string does not fail
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_query_is_escaped() {
        assert_eq!(escaped("aB9-._~"), "aB9-._~");
        assert_eq!(escaped("a+b/c=ä"), "a%2Bb%2Fc%3D%C3%A4");
    }
}
