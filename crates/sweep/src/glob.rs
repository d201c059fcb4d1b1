//! Owns patterns: `*` for any letters, `?` for one, everything else for itself.

/// A pattern over a whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Of a text; every text is a pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it fits the whole text. Linear in practice, quadratic at worst.
    pub fn fits(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) =
            (self.0.chars().collect(), text.chars().collect());
        let (mut at, mut from) = (0, 0);
        // the last star, and where the text went on behind it
        let mut star: Option<(usize, usize)> = None;
        while from < text.len() {
            match (pattern.get(at), text.get(from)) {
                (Some('*'), _) => {
                    star = Some((at, from));
                    at += 1;
                }
                (Some('?'), Some(_)) => (at, from) = (at + 1, from + 1),
                (Some(wanted), Some(letter)) if wanted == letter => {
                    (at, from) = (at + 1, from + 1);
                }
                _ => match &mut star {
                    Some((behind, taken)) => {
                        *taken += 1;
                        (at, from) = (*behind + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        pattern.iter().skip(at).all(|letter| *letter == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_for_the_whole_text() {
        for (pattern, text, fits) in [
            ("KUBE-*", "KUBE-SERVICES", true),
            ("KUBE-*", "X-KUBE-SERVICES", false),
            ("*10.0.?.1/32*", "-A INPUT -s 10.0.7.1/32 -j DROP", true),
            ("*a*b", "aXbYb", true),
            ("*a*b", "aXbY", false),
            ("INPUT", "INPUT", true),
            ("", "", true),
            ("", "a", false),
            ("**", "", true),
            ("?", "ü", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }
}
