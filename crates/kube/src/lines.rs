//! The lines of a watch as they arrive.
//!
//! Invariants: a line is given out whole or not at all (what is cut off never was); a line is at
//! most [`LINE_MAX`] bytes; bytes that are no UTF-8 are replaced, and the line says so.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use kube_rs::client::Body;

use crate::request::ApiError;

/// The longest line, in bytes: far above what an API server stores (about 1.5 MiB an object).
const LINE_MAX: usize = 16 << 20;
/// A buffer that had to grow for a large line is given back.
const KEEP: usize = 256 << 10;

/// Whether a text is as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// It was UTF-8.
    Sound,
    /// Some of it was not, and was replaced.
    Replaced,
}

/// Some lines that arrived together.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// The lines, without their ends.
    pub(crate) lines: Vec<(String, Encoding)>,
    /// When.
    pub(crate) at: Instant,
}

/// The lines of a body.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Body,
    rest: Vec<u8>,
}

impl Lines {
    pub(crate) const fn new(body: Body) -> Self {
        Self { body, rest: Vec::new() }
    }

    /// The next lines, at least one; `None` at the end. Waits `patience` for any byte.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<Option<Arrived>, ApiError> {
        loop {
            let frame = tokio::time::timeout(patience, self.body.frame())
                .await
                .map_err(|_| ApiError::Silent(patience))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| ApiError::Broken(Box::new(error)))?;
            let Ok(data) = frame.into_data() else { continue };
            let at = Instant::now();
            let lines = self.take(&data)?;
            if !lines.is_empty() {
                return Ok(Some(Arrived { lines, at }));
            }
        }
    }

    pub(crate) fn take(&mut self, mut data: &[u8]) -> Result<Vec<(String, Encoding)>, ApiError> {
        let mut lines = Vec::new();
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            let (line, after) = data.split_at(end);
            data = after.get(1..).unwrap_or_default();
            let line = if self.rest.is_empty() {
                text(line)
            } else {
                self.rest.extend_from_slice(line);
                let line = text(&self.rest);
                self.rest.clear();
                self.rest.shrink_to(KEEP);
                line
            };
            if !line.0.trim().is_empty() {
                lines.push(line);
            }
        }
        if self.rest.len() + data.len() > LINE_MAX {
            return Err(ApiError::Unreadable(format!("a line of more than {LINE_MAX} bytes")));
        }
        self.rest.extend_from_slice(data);
        Ok(lines)
    }
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> (String, Encoding) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), Encoding::Sound),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Encoding::Replaced),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        Lines::new(Body::empty())
    }

    #[test]
    fn a_line_in_pieces_is_one_line_and_half_a_line_is_none() {
        let mut lines = lines();
        assert!(lines.take(b"{\"a\"").unwrap().is_empty());
        let found = lines.take(b":1}\n{\"b\":2}\n\n{\"c").unwrap();
        let found: Vec<_> = found.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(found, ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_told() {
        let found = lines().take(b"a\xffb\n").unwrap();
        assert_eq!(found, [("a\u{fffd}b".to_owned(), Encoding::Replaced)]);
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut lines = lines();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..20).find(|_| lines.take(&piece).is_err());
        assert_eq!(refused, Some(LINE_MAX >> 20));
    }
}
