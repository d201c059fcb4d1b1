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

mod heard;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use http::Method;
use model::{Event, ObjectKind};

use crate::backoff::Backoff;
use crate::door::Door;
use crate::gate::State;
use crate::known::Known;
use crate::lines::{Arrived, Encoding, Lines, text};
use crate::request::{self, ApiError};
use crate::source::{EmptyList, Options, Shared};
use crate::wire::{Bookmark, Head, Line, Page, Status};
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

    // ------------------------------------------------------------------ lists

    /// Lists by a watch that begins with everything, and stays in it.
    async fn stream_list(&mut self) -> End {
        let uri = self.query(&format!(
            "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&\
             allowWatchBookmarks=true&timeoutSeconds={}",
            self.timeout()
        ));
        let body = match request::send(self.door, Method::GET, &uri, None, ANSWER).await {
            Ok(body) => body,
            Err(error) => {
                // Servers without the feature call one of the parameters forbidden or invalid.
                if matches!(error.code(), Some(400 | 422)) {
                    tracing::info!(
                        kind = self.kind.as_str(),
                        error = %error.told(),
                        "the API server serves no streaming lists; listing in pages"
                    );
                    self.listing = Listing::Pages;
                    return self.page_list().await.err().unwrap_or(End::Closed);
                }
                return End::Lost(error);
            }
        };
        self.begin_list();
        let end = self.follow(Lines::new(body), true).await;
        if self.known.is_listing() && !matches!(end, End::Relist(_)) {
            // It never said that the list was complete: old servers ignore what they do not know.
            self.doubts += 1;
            if self.doubts >= 2 {
                self.listing = Listing::Pages;
                self.doubts = 0;
            }
            if matches!(end, End::Closed) {
                let why = "the list broke off".to_owned();
                return End::Lost(ApiError::Unreadable(why));
            }
        }
        end
    }

    /// Lists page by page.
    async fn page_list(&mut self) -> Result<(), End> {
        let mut token = String::new();
        loop {
            let uri = self.query(&if token.is_empty() {
                format!("limit={PAGE}")
            } else {
                format!("limit={PAGE}&continue={}", escaped(&token))
            });
            let page = self.page(&uri).await.map_err(|error| match error.code() {
                // The rest of the list is no longer there: begin again.
                Some(410) => End::Relist("410: the list went out of date half way".to_owned()),
                _ => End::Lost(error),
            })?;
            let at = Instant::now();
            let (json, encoding) = text(&page);
            let page: Page<'_> = serde_json::from_str(&json).map_err(|error| {
                End::Lost(ApiError::Unreadable(format!("a page of a list: {error}")))
            })?;
            if token.is_empty() {
                self.begin_list();
                self.believe(&page.metadata.resource_version)?;
            }
            let mut events = Vec::new();
            for item in page.items.unwrap_or_default() {
                self.applied(item.get(), encoding, &mut events);
            }
            self.tell(events, at);
            token = page.metadata.r#continue;
            if token.is_empty() {
                return self.complete(&page.metadata.resource_version, at);
            }
            // Others have their turn: a list of ten thousand takes a while.
            tokio::task::yield_now().await;
        }
    }

    async fn page(&self, uri: &str) -> Result<Vec<u8>, ApiError> {
        let body = request::send(self.door, Method::GET, uri, None, ANSWER).await?;
        request::whole(body, ANSWER).await
    }

    fn begin_list(&mut self) {
        self.known.begin_list();
        self.old.clear();
    }

    /// Takes in an object. In a list, what is not newer than what we know waits until the list is
    /// known not to be older.
    fn applied(&mut self, json: &str, encoding: Encoding, events: &mut Vec<Event>) {
        let Some(event) = self.known.applied(json, encoding) else { return };
        let newer = || {
            let head: Head<'_> = serde_json::from_str(json).ok()?;
            let known = number(self.version.as_deref()?)?;
            Some(number(&head.metadata.resource_version)? > known)
        };
        if !self.known.is_listing() || self.version.is_none() || newer() == Some(true) {
            events.push(event);
        } else {
            self.old.push(event);
        }
    }

    /// Refuses a list of this version if it is older than what is known.
    fn believe(&mut self, version: &str) -> Result<(), End> {
        if !self.is_older(version) {
            return Ok(());
        }
        if self.older + 1 < OLDER_MAX {
            self.older += 1;
            let known = self.version.as_deref().unwrap_or_default();
            let why = format!("the list is of version {version}, older than {known}, known");
            return Err(End::Relist(why));
        }
        tracing::warn!(
            kind = self.kind.as_str(),
            version,
            "lists stay older than what is known: the server's data were set back"
        );
        Ok(())
    }

    /// A list is complete, up to this version.
    fn complete(&mut self, version: &str, at: Instant) -> Result<(), End> {
        self.believe(version)?;
        self.heard.word(at);
        self.older = 0;
        self.doubts = 0;
        self.lost = 0;
        self.complete = true;
        self.version = Some(version.to_owned());
        if self.known.listed() == 0 && self.is_unbelievable() {
            self.known.give_up_list();
            self.doubt();
            return Ok(());
        }
        self.backoff.reset();
        self.emptied = false;
        self.believed = true;
        self.doubt_until = None;
        let mut events = std::mem::take(&mut self.old);
        events.extend(self.known.end_list());
        self.tell(events, at);
        self.fresh();
        Ok(())
    }

    /// Nobody believes that there is nothing. It is asked again, with growing waits.
    fn doubt(&mut self) {
        self.emptied = true;
        self.doubt_until = Some(Instant::now() + self.backoff.next(None));
        let state = State::Emptied { known: self.known.count() };
        self.shared.set(self.kind, state, &self.known);
    }

    /// Whether an empty list contradicts what we know.
    fn is_unbelievable(&self) -> bool {
        let known = self.known.count() > 0 || (!self.believed && self.options.adopted);
        known && self.options.empty == EmptyList::IsDoubted
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

    // ---------------------------------------------------------------- watching

    /// Watches on from the version that is known.
    async fn watch(&mut self) -> End {
        let Some(version) = self.version.clone() else {
            return End::Relist("no list yet".to_owned());
        };
        let uri = self.query(&format!(
            "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            escaped(&version),
            self.timeout()
        ));
        let patience = ANSWER.min(self.options.stale_after);
        let answer = request::send(self.door, Method::GET, &uri, None, patience);
        match tokio::time::timeout_at(self.heard.until().into(), answer).await {
            Ok(Ok(body)) => self.follow(Lines::new(body), false).await,
            // The version stays noted, to tell an older list by.
            Ok(Err(error)) if error.code() == Some(410) => End::Relist(error.told()),
            Ok(Err(error)) => End::Lost(error),
            Err(_) => End::Lost(self.silence()),
        }
    }

    /// Takes in the lines of a watch until it ends.
    async fn follow(&mut self, mut lines: Lines, mut listing: bool) -> End {
        loop {
            let Arrived { lines: arrived, at } = match self.next(&mut lines, listing).await {
                Ok(Some(arrived)) => arrived,
                Ok(None) => return End::Closed,
                Err(end) => return end,
            };
            let mut events = Vec::new();
            let (mut seen, mut word) = (false, false);
            for (line, encoding) in arrived {
                match self.line(&line, encoding, &mut events) {
                    Ok(Next::ListEnds(version)) if listing => {
                        self.tell(std::mem::take(&mut events), at);
                        if let Err(end) = self.complete(&version, at) {
                            return end;
                        }
                        listing = false;
                    }
                    Ok(next) => {
                        word |= !listing && !matches!(next, Next::Nothing);
                        seen |= matches!(next, Next::Seen);
                    }
                    Err(end) => {
                        self.tell(events, at);
                        return end;
                    }
                }
            }
            self.tell(events, at);
            if word {
                self.goes_on(at);
            }
            if seen && self.emptied && !listing {
                return End::Relist("there are objects again after an empty list".to_owned());
            }
        }
    }

    /// The next lines of a watch, or of a list that a watch begins with.
    async fn next(&self, lines: &mut Lines, listing: bool) -> Result<Option<Arrived>, End> {
        if listing {
            let patience = ANSWER.min(self.options.stale_after);
            return lines.next(patience).await.map_err(End::Lost);
        }
        let until =
            self.doubt_until.map_or(self.heard.until(), |doubt| doubt.min(self.heard.until()));
        let next = lines.next(self.options.stale_after);
        match tokio::time::timeout_at(until.into(), next).await {
            Ok(arrived) => arrived.map_err(End::Lost),
            Err(_) if self.heard.is_old(Instant::now()) => Err(End::Lost(self.silence())),
            Err(_) => Err(End::Relist("an empty list is not believed".to_owned())),
        }
    }

    /// A watch has said something, which the core has been told: so the server serves it, and goes on
    /// where it stopped.
    fn goes_on(&mut self, at: Instant) {
        self.heard.word(at);
        self.lost = 0;
        self.backoff.reset();
        if !self.shared.is_fresh(self.kind) {
            self.fresh();
        }
    }

    /// Takes in one line.
    fn line(
        &mut self,
        line: &str,
        encoding: Encoding,
        events: &mut Vec<Event>,
    ) -> Result<Next, End> {
        let unreadable = |error: serde_json::Error| {
            // Something may have been missed: only a list tells what.
            End::Relist(format!("a line of the watch cannot be read: {error}"))
        };
        let Line { r#type, object } = serde_json::from_str(line).map_err(unreadable)?;
        let json = object.get();
        let head: Head<'_> = serde_json::from_str(json).unwrap_or_default();
        let version = &*head.metadata.resource_version;
        if !self.known.is_listing() && self.is_older(version) {
            let known = self.version.as_deref().unwrap_or_default();
            // The past again, or another server's: neither proves that nothing was missed.
            let why = format!("the watch says {type} of version {version}, but {known} is known");
            return Err(End::Relist(why));
        }
        let next = match &*r#type {
            "ADDED" | "MODIFIED" => {
                self.applied(json, encoding, events);
                Next::Seen
            }
            // What a node holds is not let go because its Node object is gone.
            "DELETED" if self.kind == ObjectKind::Node => {
                self.doubt();
                Next::Go
            }
            "DELETED" => {
                events.extend(self.known.deleted(json));
                Next::Go
            }
            "BOOKMARK" => {
                let bookmark: Bookmark = serde_json::from_str(json).unwrap_or_default();
                match (version, bookmark.ends_list()) {
                    ("", _) => Next::Nothing,
                    (version, true) => Next::ListEnds(version.to_owned()),
                    (_, false) => Next::Go,
                }
            }
            "ERROR" => {
                let status: Status = serde_json::from_str(json).unwrap_or_default();
                let error = ApiError::of_status(status);
                return Err(match error.code() {
                    Some(410) => End::Relist(error.told()),
                    _ => End::Lost(error),
                });
            }
            other => {
                return Err(End::Relist(format!("the watch says {other:?}, which is unknown")));
            }
        };
        // How far everything is known. While a list is being read its objects come in any order.
        if !self.known.is_listing() && !version.is_empty() {
            self.version = Some(version.to_owned());
        }
        Ok(next)
    }
}

/// What follows from a line.
enum Next {
    /// The next line.
    Go,
    /// The next line; this one said nothing, not even how far everything is known.
    Nothing,
    /// There is an object.
    Seen,
    /// The list is complete, up to this version.
    ListEnds(String),
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
