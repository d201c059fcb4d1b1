//! Owns how texts of others are shown: letters that would command a terminal, begin a line or turn the
//! direction of writing are spelled out. A comment with a line's end in it would write lines of its own,
//! and one that turns the direction would show another rule than there is.

use std::borrow::Cow;

/// Control characters, ends of lines and paragraphs, and what overrides the direction of writing.
pub fn forges(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// The text as one line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    without(text, forges)
}

/// The text with its own lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    without(text, |letter| letter != '\n' && forges(letter))
}

fn without(text: &str, harms: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harms) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if harms(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_command_a_terminal_or_forge_a_line_is_spelled_out() {
        assert_eq!(lines("a\nb: ü"), "a\nb: ü");
        assert_eq!(one_line("a\nb: ü"), "a\\nb: ü");
        for spell in [one_line, lines] {
            assert_eq!(spell("\x1b[31m\u{9b}\r\0"), "\\u{1b}[31m\\u{9b}\\r\\u{0}");
            let turned = "a\\u{202e}b\\u{2066}\\u{2028}\\u{200f}";
            assert_eq!(spell("a\u{202e}b\u{2066}\u{2028}\u{200f}"), turned);
        }
    }
}
