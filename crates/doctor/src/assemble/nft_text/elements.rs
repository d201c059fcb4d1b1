//! Owns the elements of a set in nft's text: counted all, kept the first ones.

use crate::snapshot::NftSet;

/// Elements while their lines come in.
#[derive(Default)]
pub(super) struct Elements {
    current: String,
    depth: usize,
    quoted: bool,
}

impl Elements {
    /// Takes a line; whether the elements ended in it.
    pub(super) fn take(&mut self, line: &str, set: &mut NftSet, keep: usize) -> bool {
        for letter in line.chars() {
            match letter {
                '"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                '{' => self.depth += 1,
                '}' if self.depth == 0 => {
                    self.push(set, keep);
                    return true;
                }
                '}' => self.depth -= 1,
                ',' if self.depth == 0 => {
                    self.push(set, keep);
                    continue;
                }
                _ => {}
            }
            if self.current.len() < 4_096 {
                self.current.push(letter);
            }
        }
        self.current.push(' ');
        false
    }

    fn push(&mut self, set: &mut NftSet, keep: usize) {
        let text = std::mem::take(&mut self.current);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return;
        }
        set.count += 1;
        for pair in words.windows(2) {
            if matches!(pair, ["goto" | "jump", _]) {
                set.targets.push(pair[1].to_owned());
            }
        }
        if set.elements.len() < keep {
            set.elements.push(without_extras(&words));
        }
    }
}

/// Without comment, counter and time: `10.0.0.1 timeout 3h expires 2h : drop` is `10.0.0.1 : drop`.
fn without_extras(words: &[&str]) -> String {
    let key = words
        .iter()
        .take_while(|word| !matches!(**word, "comment" | "counter" | "timeout" | "expires" | ":"));
    let data = words.iter().skip_while(|word| **word != ":");
    key.chain(data).copied().collect::<Vec<_>>().join(" ")
}
