//! Owns turning bytes of unknown encoding into lines: UTF-8 with and without a mark, UTF-16 (what
//! PowerShell redirects), anything else byte by byte.

use std::io::{self, BufRead, BufReader, Read};

/// Longest line kept; of longer ones the end is left out.
pub(crate) const MAX_LINE: usize = 1 << 16;

/// What a file seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Json,
    Empty,
    /// Not text, and what it is.
    Binary(&'static str),
}

/// A file as UTF-8.
pub(crate) struct Decoded<R: Read> {
    input: BufReader<Transcoder<R>>,
    line: usize,
}

/// One line.
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
    /// Whether its end was left out.
    pub(crate) cut: bool,
    /// Whether the line's end is there: the last line of a text that is cut has none.
    pub(crate) ended: bool,
}

impl<R: Read> Decoded<R> {
    pub(crate) fn new(input: R) -> io::Result<Self> {
        Ok(Self { input: BufReader::with_capacity(1 << 16, Transcoder::new(input)?), line: 0 })
    }

    /// What it is, by its beginning. Comment lines before JSON are passed over.
    pub(crate) fn kind(&mut self) -> io::Result<Kind> {
        loop {
            let start = self.input.fill_buf()?;
            if start.is_empty() {
                return Ok(if self.line == 0 { Kind::Empty } else { Kind::Text });
            }
            if start.starts_with(&[0x1f, 0x8b]) || start.starts_with(b"\x28\xb5\x2f\xfd") {
                return Ok(Kind::Binary("it is compressed: unpack it first"));
            }
            if start.starts_with(b"PK\x03\x04") || start.get(257..262) == Some(b"ustar") {
                return Ok(Kind::Binary("it is an archive: unpack it first"));
            }
            if is_binary(start) {
                return Ok(Kind::Binary("it is not text"));
            }
            let blank = start.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            match start.get(blank) {
                Some(b'{') => return Ok(Kind::Json),
                // `[1:60] -A …` is a rule with its counters
                Some(b'[') if !is_counter(&start[blank..]) => return Ok(Kind::Json),
                Some(b'#') if json_follows(start) => {
                    self.next_line()?;
                }
                Some(_) => return Ok(Kind::Text),
                None => {
                    self.input.consume(blank);
                    self.line += 1;
                }
            }
        }
    }

    /// The next line, without its end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let cut = read == MAX_LINE && bytes.last() != Some(&b'\n');
        if cut {
            self.pass_over_line()?;
        }
        let ended = cut || bytes.last() == Some(&b'\n');
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches(['\n', '\r', '\0']).to_owned();
        Ok(Some(Line { number: self.line, text, cut, ended }))
    }

    fn pass_over_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.input.fill_buf()?;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(bytes.len(), |end| end + 1);
            let over = end.is_some() || bytes.is_empty();
            self.input.consume(length);
            if over {
                return Ok(());
            }
        }
    }

    /// The rest, for a parser that reads by itself; and the line it begins at.
    pub(crate) fn rest(&mut self) -> (&mut impl BufRead, usize) {
        (&mut self.input, self.line)
    }

    /// The beginning, as far as it is in memory.
    pub(crate) fn peek(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }
}

/// Whether one byte in sixteen, and no few, is a control character that no tool prints.
fn is_binary(start: &[u8]) -> bool {
    let start = start.get(..4_096).unwrap_or(start);
    let control = |byte: &&u8| matches!(**byte, 0..=8 | 14..=26 | 28..=31 | 127);
    let found = start.iter().filter(control).count();
    found > 16 && found > start.len() / 16
}

/// Whether the first line that is no comment begins as JSON does.
fn json_follows(start: &[u8]) -> bool {
    let mut lines = start.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    first.is_some_and(|line| line.starts_with(b"{") || line.starts_with(b"[") && !is_counter(line))
}

fn is_counter(bytes: &[u8]) -> bool {
    let inner = bytes.get(1..).unwrap_or_default();
    let digits = inner.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && inner.get(digits) == Some(&b':')
}

/// Makes UTF-8 of UTF-16; passes everything else through.
struct Transcoder<R> {
    input: R,
    encoding: Encoding,
    /// Decoded and not read yet.
    ready: Vec<u8>,
    at: usize,
    /// A unit or a surrogate that waits for its other half.
    half: Option<u8>,
    high: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Bytes,
    Utf16Le,
    Utf16Be,
}

impl<R: Read> Transcoder<R> {
    fn new(mut input: R) -> io::Result<Self> {
        let mut start = Vec::new();
        // enough to tell what it is
        (&mut input).take(1 << 13).read_to_end(&mut start)?;
        let (encoding, mark) = match start.as_slice() {
            [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Bytes, 3),
            _ => (Encoding::Bytes, 0),
        };
        let mut transcoder =
            Self { input, encoding, ready: Vec::new(), at: 0, half: None, high: None };
        transcoder.decode(&start[mark..]);
        Ok(transcoder)
    }

    fn decode(&mut self, bytes: &[u8]) {
        if self.encoding == Encoding::Bytes {
            self.ready.extend_from_slice(bytes);
            return;
        }
        for &byte in bytes {
            let Some(first) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            let unit = match self.encoding {
                Encoding::Utf16Le => u16::from_le_bytes([first, byte]),
                _ => u16::from_be_bytes([first, byte]),
            };
            let units: &[u16] = match self.high.take() {
                Some(high) => &[high, unit],
                None if unit & 0xfc00 == 0xd800 => {
                    self.high = Some(unit);
                    continue;
                }
                None => &[unit],
            };
            let text = String::from_utf16_lossy(units);
            self.ready.extend_from_slice(text.as_bytes());
        }
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            self.ready.clear();
            self.at = 0;
            if self.encoding == Encoding::Bytes {
                return self.input.read(out);
            }
            let mut bytes = [0; 4096];
            let read = self.input.read(&mut bytes)?;
            if read == 0 {
                return Ok(0);
            }
            self.decode(&bytes[..read]);
        }
        let length = out.len().min(self.ready.len() - self.at);
        out[..length].copy_from_slice(&self.ready[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut input = Decoded::new(bytes).unwrap();
        std::iter::from_fn(|| input.next_line().unwrap().map(|line| line.text)).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_lines() {
        let text = "*filter\r\n:INPUT ACCEPT [0:0]\n# ü\n";
        let expected = ["*filter", ":INPUT ACCEPT [0:0]", "# ü"];
        assert_eq!(lines(text.as_bytes()), expected);
        let marked: Vec<u8> = [0xef, 0xbb, 0xbf].into_iter().chain(text.bytes()).collect();
        assert_eq!(lines(&marked), expected);
        for big in [false, true] {
            let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let utf16: Vec<u8> =
                std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(unit).collect();
            assert_eq!(lines(&utf16), expected);
        }
        assert_eq!(lines(b"a\xffb\n"), ["a\u{fffd}b"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_is_read() {
        let mut text = "x".repeat(3 * MAX_LINE);
        text.push_str("\nnext\n");
        let mut input = Decoded::new(text.as_bytes()).unwrap();
        let first = input.next_line().unwrap().unwrap();
        assert!(first.cut && first.text.len() == MAX_LINE);
        assert_eq!(input.next_line().unwrap().unwrap().text, "next");
    }

    #[test]
    fn json_is_found_behind_comments_and_counters_are_no_json() {
        let kind = |bytes: &[u8]| Decoded::new(bytes).unwrap().kind().unwrap();
        assert_eq!(kind(b"# a\n# b\n {\"nftables\":[]}"), Kind::Json);
        assert_eq!(kind(b"[{\"ifname\":\"lo\"}]"), Kind::Json);
        assert_eq!(kind(b"[1:60] -A INPUT -j DROP"), Kind::Text);
        assert_eq!(kind(b"# a\n*filter\n"), Kind::Text);
        assert_eq!(kind(b""), Kind::Empty);
        assert!(matches!(kind(&[0x1f, 0x8b, 8, 0]), Kind::Binary(_)));
        let every: Vec<u8> = (0..=255).cycle().take(8_192).collect();
        assert!(matches!(kind(&every), Kind::Binary(_)));
    }
}
