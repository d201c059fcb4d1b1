//! Bytes to characters: UTF-8 from a reader, in bounded memory, with the place of what is not text.

use std::cell::RefCell;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::rc::Rc;

use granit_parser::ErrorKind;

use crate::problem::Position;

const CHUNK: usize = 64 << 10;

/// Where and why the input stopped being text. The YAML scanner reads ahead and would report the
/// place it has reached itself.
pub(crate) type Failure = Rc<RefCell<Option<(Position, String)>>>;

/// The characters of a reader.
pub(crate) struct Chars<R> {
    input: R,
    /// Bytes read; those before `at` are used up, those before `valid` are UTF-8.
    chunk: Vec<u8>,
    text: String,
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
            chunk: Vec::new(),
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
            if self.end {
                return if self.chunk.is_empty() { Ok(false) } else { Err(self.not_utf8()) };
            }
            let kept = self.chunk.len();
            if kept >= 4 {
                // no UTF-8 character is longer than 4 bytes: what is kept is none
                return Err(self.not_utf8());
            }
            self.chunk.resize(CHUNK, 0);
            match self.input.read(&mut self.chunk[kept..]) {
                Ok(0) => {
                    self.chunk.truncate(kept);
                    self.end = true;
                }
                Ok(read) => {
                    self.chunk.truncate(kept + read);
                    self.take_valid_prefix();
                }
                Err(error) if error.kind() == IoErrorKind::Interrupted => self.chunk.truncate(kept),
                Err(error) => return Err(self.fail(format!("cannot read: {error}"))),
            }
        }
        Ok(true)
    }

    /// Moves the leading UTF-8 of the chunk to the text. A cut character waits for its rest.
    fn take_valid_prefix(&mut self) {
        let valid = match std::str::from_utf8(&self.chunk) {
            Ok(text) => {
                self.text.push_str(text);
                self.chunk.len()
            }
            Err(error) => {
                let valid = error.valid_up_to();
                if let Ok(text) = std::str::from_utf8(&self.chunk[..valid]) {
                    self.text.push_str(text);
                }
                valid
            }
        };
        self.chunk.drain(..valid);
    }

    fn not_utf8(&mut self) -> ErrorKind {
        let message = match self.chunk.as_slice() {
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
