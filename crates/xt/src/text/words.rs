//! Owns the words of a line: quoting and its opposite, as iptables-save and iptables-restore do it.

/// Longest line that is read. The longest that the kernel can cause is a rule with some dozens of
/// matches, each below 4 KiB.
pub(crate) const MAX_LINE: usize = 1 << 16;

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// Without quotes and escapes.
    pub(crate) text: String,
    /// As it was written.
    pub(crate) raw: &'a str,
    /// Whether it began with a quote: never an option, then.
    pub(crate) quoted: bool,
}

impl Word<'_> {
    pub(crate) fn is(&self, text: &str) -> bool {
        !self.quoted && self.text == text
    }

    /// Whether it can only be an option.
    pub(crate) fn is_option(&self) -> bool {
        !self.quoted && self.text.len() > 2 && self.text.starts_with("--")
    }
}

/// Splits a line. A quote that is not closed ends with the line.
pub(crate) fn split(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, behind) = first(rest);
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

fn first(line: &str) -> (Word<'_>, &str) {
    let mut text = String::new();
    let mut open: Option<char> = None;
    let mut escaped = false;
    let mut end = line.len();
    for (at, letter) in line.char_indices() {
        match (letter, open) {
            _ if escaped => {
                text.push(letter);
                escaped = false;
            }
            ('\\', Some(_)) => escaped = true,
            (quote, Some(open_quote)) if quote == open_quote => open = None,
            (quote @ '"', None) => open = Some(quote),
            (space, None) if space.is_ascii_whitespace() => {
                end = at;
                break;
            }
            _ => text.push(letter),
        }
    }
    let (raw, behind) = line.split_at(end);
    (Word { text, raw, quoted: raw.starts_with('"') }, behind)
}

/// Appends a space and the value, quoted as `xtables_save_string` of libxtables does: anything but
/// letters, digits, `_` and `-` needs quotes.
pub(crate) fn save_string(value: &str, out: &mut String) {
    let special = |byte: u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    out.push(' ');
    if !value.is_empty() && !any(value, special) {
        out.push_str(value);
        return;
    }
    out.push('"');
    let mut rest = value;
    if any(value, is_escaped) {
        // each piece but the last ends before a letter that is escaped, and begins with one but the first
        while let Some(at) = rest.bytes().skip(1).position(is_escaped).map(|at| at + 1) {
            push_piece(rest.get(..at).unwrap_or_default(), out);
            rest = rest.get(at..).unwrap_or_default();
        }
    }
    push_piece(rest, out);
    out.push('"');
}

/// Whether a byte is of a kind, without stopping at the first: most texts have none, and sixteen at a
/// time are looked at.
fn any(text: &str, is: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |found, byte| found | is(byte))
}

const fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'\'')
}

/// Of its letters only the first may have to be escaped.
fn push_piece(piece: &str, out: &mut String) {
    if piece.bytes().next().is_some_and(is_escaped) {
        out.push('\\');
    }
    out.push_str(piece);
}

/// Appends a space and a name. Names are not quoted, unless they could not be read back otherwise.
pub(crate) fn save_name(name: &str, out: &mut String) {
    let odd = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\\');
    if name.is_empty() || name.starts_with(['-', '!']) || any(name, odd) {
        save_string(name, out);
    } else {
        out.push(' ');
        out.push_str(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_come_back() {
        for (value, saved) in [
            ("a", " a"),
            ("", r#" """#),
            ("a b", r#" "a b""#),
            (r#"it's "x" \"#, r#" "it\'s \"x\" \\""#),
            (r#""""#, r#" "\"\"""#),
            ("-x", " -x"),
            ("ü'ß", r#" "ü\'ß""#),
            ("a/b", r#" "a/b""#),
        ] {
            let mut line = String::new();
            save_string(value, &mut line);
            assert_eq!(line, saved);
            let words = split(&line);
            assert_eq!(words.len(), 1, "{line}");
            assert_eq!(words[0].text, value);
        }
    }

    #[test]
    fn words_are_split_at_spaces_outside_quotes() {
        let words = split("-A INPUT --comment \"a b\" -j X ");
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["-A", "INPUT", "--comment", "a b", "-j", "X"]);
        assert_eq!(words[3].raw, "\"a b\"");
        assert!(words[3].quoted && !words[0].quoted);
    }

    #[test]
    fn an_open_quote_ends_with_the_line() {
        assert_eq!(split("\"a b")[0].text, "a b");
        assert_eq!(split("\"a\\")[0].text, "a");
    }
}
