//! Concatenated JSON documents, as `kubectl` and `jq` write and read them, made YAML: before each
//! document but the first a `---` is put in.
//!
//! Invariants: a stream that does not begin with `{` passes unchanged; line numbers stay, columns of
//! the first line of a later document are four more than in the file.

use std::io::{self, BufRead, BufReader, Read};

/// Where in a document the last byte was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nothing but white space so far.
    Start,
    /// Not JSON: everything passes.
    Other,
    /// Between values of documents.
    Between,
    /// In a document, outside of strings.
    Value,
    /// In a string.
    Text,
    /// In a string, behind a backslash.
    Escape,
}

/// The adapter.
pub(crate) struct Documents<R> {
    input: BufReader<R>,
    at: At,
    depth: usize,
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Documents<R> {
    pub(crate) fn new(input: R) -> Self {
        let input = BufReader::new(input);
        Self { input, at: At::Start, depth: 0, ready: Vec::new(), given: 0 }
    }

    fn take(&mut self, byte: u8) {
        match (self.at, byte) {
            (At::Start | At::Between, b' ' | b'\t' | b'\r' | b'\n') | (At::Other, _) => {}
            (At::Start, b'{') => (self.at, self.depth) = (At::Value, 1),
            (At::Between, b'{') => {
                // A mark counts at the start of a line only.
                let starts_line = self.ready.last().is_none_or(|last| *last == b'\n');
                self.ready.extend_from_slice(if starts_line { b"--- " } else { b"\n--- " });
                (self.at, self.depth) = (At::Value, 1);
            }
            (At::Start | At::Between, _) => self.at = At::Other,
            (At::Value, b'{' | b'[') => self.depth += 1,
            (At::Value, b'}' | b']') => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.at = At::Between;
                }
            }
            (At::Value, b'"') | (At::Escape, _) => self.at = At::Text,
            (At::Text, b'"') => self.at = At::Value,
            (At::Text, b'\\') => self.at = At::Escape,
            (At::Value | At::Text, _) => {}
        }
        self.ready.push(byte);
    }
}

impl<R: Read> Read for Documents<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            // The last byte tells whether the next document starts a line.
            let last = self.ready.last().copied();
            self.ready.clear();
            self.ready.extend(last);
            self.given = self.ready.len();
            let chunk = self.input.fill_buf()?.to_vec();
            self.input.consume(chunk.len());
            for byte in chunk {
                self.take(byte);
            }
        }
        let rest = &self.ready[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str) -> String {
        let mut out = String::new();
        Documents::new(text.as_bytes()).read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn documents_are_parted_and_anything_else_is_left_alone() {
        assert_eq!(through("{}\n{\"a\": \"}\\\"{\"}\n"), "{}\n--- {\"a\": \"}\\\"{\"}\n");
        assert_eq!(through("{} {}"), "{} \n--- {}");
        assert_eq!(through("[{}, {}]\n{}"), "[{}, {}]\n{}");
        assert_eq!(through("a: {}\n---\nb: {}\n"), "a: {}\n---\nb: {}\n");
        assert_eq!(through(""), "");
    }
}
