//! Splits Rust source into code and comments, line by line.
//!
//! A scanner, not a parser: it knows comments, strings and character literals, which is all that
//! the rules need to look at words and braces. The text of literals is blanked.

/// One line of source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The code, with comments removed and the inside of literals blanked.
    pub(crate) code: String,
    /// The text of comments on the line.
    pub(crate) comment: String,
}

#[derive(Clone, Copy)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text { escapes: bool, hashes: usize },
}

/// Splits the text of a source file.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let chars: Vec<char> = text.chars().collect();
    let mut scanner =
        Scanner { chars: &chars, at: 0, state: State::Code, lines: vec![], line: Line::default() };
    while scanner.at < chars.len() {
        scanner.step();
    }
    if !scanner.line.code.is_empty() || !scanner.line.comment.is_empty() {
        scanner.lines.push(scanner.line);
    }
    scanner.lines
}

struct Scanner<'a> {
    chars: &'a [char],
    at: usize,
    state: State,
    lines: Vec<Line>,
    line: Line,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let c = self.chars[self.at];
        if c == '\n' {
            self.lines.push(std::mem::take(&mut self.line));
            if matches!(self.state, State::LineComment) {
                self.state = State::Code;
            }
            self.at += 1;
            return;
        }
        match self.state {
            State::Code => self.code(c),
            State::LineComment => {
                self.line.comment.push(c);
                self.at += 1;
            }
            State::BlockComment { depth } => self.block_comment(c, depth),
            State::Text { escapes, hashes } => self.text(c, escapes, hashes),
        }
    }

    fn next_is(&self, ahead: usize, expected: char) -> bool {
        self.chars.get(self.at + ahead) == Some(&expected)
    }

    fn code(&mut self, c: char) {
        let in_word = self.line.code.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        match c {
            '/' if self.next_is(1, '/') => {
                self.state = State::LineComment;
                self.line.comment.push_str("//");
                self.at += 2;
            }
            '/' if self.next_is(1, '*') => {
                self.state = State::BlockComment { depth: 1 };
                self.at += 2;
            }
            '"' => self.open(1, true, 0),
            'r' | 'b' | 'c' if !in_word => self.maybe_prefixed(),
            '\'' => self.quote(),
            _ => {
                self.line.code.push(c);
                self.at += 1;
            }
        }
    }

    fn open(&mut self, length: usize, escapes: bool, hashes: usize) {
        self.line.code.push('"');
        self.state = State::Text { escapes, hashes };
        self.at += length;
    }

    /// `r"`, `r#"`, `b"`, `br#"`, `c"`, or just a word that begins so.
    fn maybe_prefixed(&mut self) {
        let mut length = 0;
        let mut raw = false;
        while let Some(c) = self.chars.get(self.at + length)
            && matches!(c, 'r' | 'b' | 'c')
            && length < 2
        {
            raw |= *c == 'r';
            length += 1;
        }
        let mut hashes = 0;
        while raw && self.next_is(length + hashes, '#') {
            hashes += 1;
        }
        if self.next_is(length + hashes, '"') {
            self.open(length + hashes + 1, !raw, hashes);
        } else {
            self.line.code.push(self.chars[self.at]);
            self.at += 1;
        }
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        let length = if self.next_is(1, '\\') {
            let close = self.chars[self.at + 3..].iter().position(|c| *c == '\'');
            close.map(|offset| offset + 4)
        } else if self.next_is(2, '\'') {
            Some(3)
        } else {
            None
        };
        self.line.code.push('\'');
        self.at += length.unwrap_or(1);
        if length.is_some() {
            self.line.code.push('\'');
        }
    }

    fn block_comment(&mut self, c: char, depth: usize) {
        if c == '*' && self.next_is(1, '/') {
            self.state =
                if depth == 1 { State::Code } else { State::BlockComment { depth: depth - 1 } };
            self.at += 2;
        } else if c == '/' && self.next_is(1, '*') {
            self.state = State::BlockComment { depth: depth + 1 };
            self.at += 2;
        } else {
            self.line.comment.push(c);
            self.at += 1;
        }
    }

    fn text(&mut self, c: char, escapes: bool, hashes: usize) {
        if escapes && c == '\\' {
            // A line break after a backslash is still a line.
            self.at += if self.next_is(1, '\n') { 1 } else { 2 };
        } else if c == '"' && (1..=hashes).all(|ahead| self.next_is(ahead, '#')) {
            self.line.code.push('"');
            self.state = State::Code;
            self.at += 1 + hashes;
        } else {
            self.at += 1;
        }
    }
}

/// Whether `code` contains `word` as a whole word.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let boundary = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        boundary(code[..at].chars().next_back()) && boundary(code[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(code("let a = \"unsafe // {\"; // {"), ["let a = \"\"; "]);
        assert_eq!(code("r#\"a \" unsafe\"# b\"x\" 'c' '\\'' b'{'"), ["\"\" \"\" '' '' b''"]);
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), ["fn f<'a>(x: &'a str) {}"]);
        assert_eq!(code("a /* { /* */ } */ b"), ["a  b"]);
        assert_eq!(code("'\\u{7b}' x"), ["'' x"]);
    }

    #[test]
    fn a_text_over_several_lines_keeps_the_line_count() {
        assert_eq!(code("let a = \"x\\\n  y {\nz\";\nb"), ["let a = \"", "", "\";", "b"]);
    }

    #[test]
    fn comments_keep_their_text() {
        assert_eq!(lines("x(); // SAFETY: because")[0].comment, "// SAFETY: because");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("forbid(unsafe_code)", "unsafe"));
    }
}
