//! Watching one kind on from what is known, line by line.

use std::time::Instant;

use http::Method;
use model::{Event, ObjectKind};

use super::{ANSWER, End, Watch, escaped};
use crate::lines::{Arrived, Encoding, Lines};
use crate::request::{self, ApiError};
use crate::wire::{Bookmark, Head, Line, Status};

impl Watch<'_, '_> {
    /// Watches on from the version that is known.
    pub(super) async fn watch(&mut self) -> End {
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
    pub(super) async fn follow(&mut self, mut lines: Lines, mut listing: bool) -> End {
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
