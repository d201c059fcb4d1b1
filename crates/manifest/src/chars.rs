//! Bytes to characters: UTF-8 from a reader, in bounded memory, with the place of what is not text.

use std::cell::RefCell;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::rc::Rc;

use granit_parser::ErrorKind;

use crate::problem::Position;

const CHUNK: usize = 32 << 10;

/// Where and why the input stopped being text. The YAML scanner reads ahead and would report the
/// place it has reached itself.
pub(crate) type Failure = Rc<RefCell<Option<(Position, String)>>>;

/// The characters of a reader.
pub(crate) struct Chars<R> {
    input: R,
    buffer: Box<[u8]>,
    /// How many bytes at the start of the buffer are read and not yet text.
    filled: usize,
    text: String,
    /// How much of the text is used up.
    at: usize,
    line: u32,
    column: u32,
    end: bool,
    failure: Failure,
}

impl<R: Read> Chars<R> {
    pub(crate) fn new(input: R) -> (Self, Failure) {
        let failure = Failure::default();
        let chars = Self {
            input,
            buffer: vec![0; CHUNK].into_boxed_slice(),
            filled: 0,
            text: String::new(),
            at: 0,
            line: 1,
            column: 1,
            end: false,
            failure: Rc::clone(&failure),
        };
        (chars, failure)
    }

    fn fail(&mut self, message: String) -> ErrorKind {
        self.end = true;
        let position = Position { line: self.line, column: self.column };
        *self.failure.borrow_mut() = Some((position, message.clone()));
        ErrorKind::InputDecoding { message }
    }

    /// Reads until there is text; false at the end.
    fn refill(&mut self) -> Result<bool, ErrorKind> {
        self.text.clear();
        self.at = 0;
        while self.text.is_empty() {
            // no character of UTF-8 is longer than 4 bytes: what is left of more is none
            if self.filled >= 4 || self.end && self.filled > 0 {
                return Err(self.not_utf8());
            }
            if self.end {
                return Ok(false);
            }
            let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.input.read(free) {
                Ok(0) => self.end = true,
                Ok(read) => {
                    self.filled = (self.filled + read).min(CHUNK);
                    self.take_valid_prefix();
                }
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(format!("cannot read: {error}"))),
            }
        }
        Ok(true)
    }

    /// Moves the leading UTF-8 of the buffer to the text. A cut character waits for its rest.
    fn take_valid_prefix(&mut self) {
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        // of one piece or up to the first error: the first chunk is all the UTF-8 there is
        let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        self.text.push_str(valid);
        let used = valid.len();
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
    }

    fn not_utf8(&mut self) -> ErrorKind {
        let message = match self.buffer.get(..self.filled).unwrap_or_default() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if self.line == 1 && self.column == 1 => {
                "not UTF-8 but UTF-16: save the file as UTF-8".to_owned()
            }
            [byte, ..] => format!("not UTF-8: byte 0x{byte:02x}"),
            [] => "not UTF-8".to_owned(),
        };
        self.fail(message)
    }
}

impl<R: Read> Iterator for Chars<R> {
    type Item = Result<char, ErrorKind>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = loop {
            if let Some(next) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
                break next;
            }
            match self.refill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        };
        if next == '\0' {
            return Some(Err(self.fail("not text: a NUL byte".to_owned())));
        }
        self.at += next.len_utf8();
        match next {
            '\n' => {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            }
            // the byte order mark has no width
            '\u{feff}' => {}
            _ => self.column = self.column.saturating_add(1),
        }
        Some(Ok(next))
    }
}
