//! A bearer token in a file, as the kubelet and people write it.
//!
//! Invariants: what surrounds the token (a newline at the end) is no part of it; the file is read
//! again before the token in it can be old; a file that cannot be read keeps the last token, which is
//! good until the server says otherwise.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::ConnectError;

/// How long what was read counts. The kubelet writes a new token long before the old one ends.
const FRESH: Duration = Duration::from_secs(10);

/// See the module's documentation.
pub(super) struct TokenFile {
    path: PathBuf,
    header: HeaderValue,
    read: Instant,
}

impl TokenFile {
    /// The token in this file.
    pub(super) fn open(path: &Path) -> Result<Self, ConnectError> {
        Ok(Self { path: path.to_owned(), header: read(path)?, read: Instant::now() })
    }

    /// What a request says who we are with.
    pub(super) fn header(&mut self, now: Instant) -> HeaderValue {
        if now.saturating_duration_since(self.read) >= FRESH {
            self.read = now;
            match read(&self.path) {
                Ok(header) => self.header = header,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the token is not read again; the last one counts"
                ),
            }
        }
        self.header.clone()
    }
}

fn read(path: &Path) -> Result<HeaderValue, ConnectError> {
    let text = std::fs::read(path)
        .map_err(|source| ConnectError::TokenUnreadable { path: path.to_owned(), source })?;
    header(&text).ok_or_else(|| ConnectError::Token(path.to_owned()))
}

/// The header with the token of a file's content; none if there is no token in it.
fn header(text: &[u8]) -> Option<HeaderValue> {
    let token = text.trim_ascii();
    let is_token = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    let mut header = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
    header.set_sensitive(true);
    is_token.then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_a_token_is_no_part_of_it() {
        for text in ["a.b-c", "a.b-c\n", "a.b-c\r\n", "  a.b-c \n\n"] {
            let header = header(text.as_bytes()).unwrap();
            assert_eq!(header, "Bearer a.b-c");
            assert!(header.is_sensitive());
        }
        for text in [&b""[..], b"\n", b"a b", b"a\nb", b"a\0b", b"\xff"] {
            assert_eq!(header(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_token_is_read_again_in_time_and_the_last_one_counts_while_it_cannot_be() {
        let folder = std::env::temp_dir().join(format!("netkeep-token-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("token");
        std::fs::write(&path, "first\n").unwrap();
        let mut token = TokenFile::open(&path).unwrap();
        let mut now = token.read;
        let mut next = |write: Option<&str>| {
            match write {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let before = token.header(now + FRESH / 2);
            now += FRESH;
            (before, token.header(now))
        };
        assert_eq!(
            next(Some("second\n")),
            ("Bearer first".parse().unwrap(), "Bearer second".parse().unwrap())
        );
        for broken in [Some(""), Some("two words"), None] {
            assert_eq!(next(broken).1, "Bearer second", "{broken:?}");
        }
        assert_eq!(next(Some("third")).1, "Bearer third");
        std::fs::remove_dir_all(&folder).unwrap();
        let error = TokenFile::open(&path).err().unwrap();
        assert!(error.to_string().starts_with("cannot read the token file /"), "{error}");
    }
}
