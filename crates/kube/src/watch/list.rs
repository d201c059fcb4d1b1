//! Lists of one kind: as the beginning of a watch, or page by page; and whether one is believed.

use std::time::Instant;

use http::Method;
use model::Event;

use super::{ANSWER, End, Listing, OLDER_MAX, PAGE, Watch, escaped, number};
use crate::gate::State;
use crate::lines::{Encoding, Lines, text};
use crate::request::{self, ApiError};
use crate::source::EmptyList;
use crate::wire::{Head, Page};

impl Watch<'_, '_> {
    /// Lists by a watch that begins with everything, and stays in it.
    pub(super) async fn stream_list(&mut self) -> End {
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
    pub(super) async fn page_list(&mut self) -> Result<(), End> {
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
    pub(super) fn applied(&mut self, json: &str, encoding: Encoding, events: &mut Vec<Event>) {
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
    pub(super) fn complete(&mut self, version: &str, at: Instant) -> Result<(), End> {
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
    pub(super) fn doubt(&mut self) {
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
}
