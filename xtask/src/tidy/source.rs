//! One Rust file as the rules see it: its lines, which of them are tests, its functions.

use super::scan::{self, Line};

/// How a file takes part in its crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Part of a library or binary.
    Product,
    /// Compiled for tests, benchmarks, examples or builds only.
    Test,
    /// No `mod` leads to it: never compiled.
    Dead,
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Its first line, counted from 0.
    pub(crate) first: usize,
    /// Its last line, counted from 0.
    pub(crate) last: usize,
}

/// A Rust file.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Relative to the root, for example `crates/plan/src/lib.rs`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// Its lines.
    pub(crate) lines: Vec<Line>,
    /// For each line whether it belongs to a `#[cfg(test)]` item.
    pub(crate) in_test: Vec<bool>,
    /// Its part in the crate.
    pub(crate) reach: Reach,
}

impl Source {
    /// Scans the text; a file counts as product until the module graph says otherwise.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let lines = scan::lines(text);
        let in_test = test_lines(&lines);
        Self { path: path.to_owned(), text: text.to_owned(), lines, in_test, reach: Reach::Product }
    }

    /// The directory of the package: `crates/plan`, `xtask`, `fuzz`.
    pub(crate) fn package(&self) -> &str {
        let depth = if self.path.starts_with("crates/") { 2 } else { 1 };
        self.path.match_indices('/').nth(depth - 1).map_or("", |(at, _)| &self.path[..at])
    }

    /// The lines of product code with their numbers, counted from 0.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &Line)> {
        let product = self.reach == Reach::Product;
        self.lines.iter().enumerate().filter(move |(number, _)| product && !self.in_test[*number])
    }

    /// All functions with a body, inner ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (first, line) in self.lines.iter().enumerate() {
            let Some(after) = fn_name_at(&line.code) else { continue };
            let name: String = line.code[after..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if let Some(last) = item_end(&self.lines, first, after)
                && !name.is_empty()
                && self.lines[first..=last].iter().any(|line| line.code.contains('{'))
            {
                found.push(Function { name, first, last });
            }
        }
        found
    }
}

/// Where the name begins after a `fn` keyword.
fn fn_name_at(code: &str) -> Option<usize> {
    let at = code.find("fn ")?;
    let whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    whole.then_some(at + 3)
}

/// The line on which the item that begins at (`line`, `column`) ends: with its closing brace, or
/// with the semicolon if it has no body.
fn item_end(lines: &[Line], line: usize, column: usize) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (number, text) in lines.iter().enumerate().skip(line) {
        let from = if number == line { column } else { 0 };
        for c in text.code[from..].chars() {
            match c {
                '{' => braces += 1,
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                '}' if braces <= 1 => return Some(number),
                '}' => braces -= 1,
                ';' if braces == 0 && brackets == 0 => return Some(number),
                _ => {}
            }
        }
    }
    None
}

fn test_lines(lines: &[Line]) -> Vec<bool> {
    let mut in_test = vec![false; lines.len()];
    let mut number = 0;
    while number < lines.len() {
        let code = &lines[number].code;
        let attribute = ["#[cfg(test)]", "#[cfg(all(test"].iter().find_map(|a| code.find(a));
        // The attribute itself ends with `]`; the item follows.
        let end = attribute.and_then(|at| {
            let close = code[at..].find(']').map_or(code.len(), |offset| at + offset + 1);
            item_end(lines, number, close)
        });
        if let Some(end) = end {
            in_test[number..=end].fill(true);
            number = end;
        }
        number += 1;
    }
    in_test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_are_not_product_code() {
        let text = "//! x\nfn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn b() {}\n";
        let source = Source::new("crates/x/src/lib.rs", text);
        let product: Vec<usize> = source.product_lines().map(|(number, _)| number).collect();
        assert_eq!(product, [0, 1, 2, 7]);
        assert_eq!(source.package(), "crates/x");
    }

    #[test]
    fn a_test_module_in_its_own_file_is_one_declaration() {
        let source = Source::new("xtask/src/a.rs", "#[cfg(test)]\nmod tests;\nfn b() {}\n");
        assert_eq!(source.product_lines().count(), 1);
        assert_eq!(source.package(), "xtask");
    }

    #[test]
    fn functions_end_at_their_brace_and_declarations_are_none() {
        let text =
            "trait T {\n    fn a(x: [u8; 4]);\n    fn b() {\n        if x {\n        }\n    }\n}\n";
        let functions = Source::new("crates/x/src/lib.rs", text).functions();
        assert_eq!(functions, [Function { name: "b".into(), first: 2, last: 5 }]);
    }
}
