//! The module graph: which file names which with `mod`.

use std::collections::BTreeMap;

use super::source::{Reach, Source};

/// Marks every source with how it is reached from the roots of its package's targets.
///
/// `roots` are the target roots that cargo knows, relative to the workspace, with the reach that
/// they give.
pub(crate) fn mark(sources: &mut [Source], roots: &[(String, Reach)]) {
    let paths: BTreeMap<String, usize> =
        sources.iter().enumerate().map(|(index, source)| (source.path.clone(), index)).collect();
    for source in sources.iter_mut() {
        source.reach = Reach::Dead;
    }
    let mut open: Vec<(usize, Reach, bool)> =
        roots.iter().filter_map(|(path, reach)| Some((*paths.get(path)?, *reach, true))).collect();
    while let Some((index, reach, is_root)) = open.pop() {
        let current = sources[index].reach;
        if current == reach || current == Reach::Product {
            continue;
        }
        sources[index].reach = reach;
        for (child, in_test) in children(&sources[index], is_root) {
            let reach = if in_test { Reach::Test } else { reach };
            open.extend(
                child.iter().find_map(|path| paths.get(path)).map(|at| (*at, reach, false)),
            );
        }
    }
}

/// The files that a source may mean by each of its `mod` lines (and `include!`), and whether the
/// line is a test.
fn children(source: &Source, is_root: bool) -> Vec<(Vec<String>, bool)> {
    let (directory, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let base =
        if is_root || stem == "mod" { directory.to_owned() } else { format!("{directory}/{stem}") };
    let mut found = Vec::new();
    let mut path_attribute = None;
    for (number, (line, raw)) in source.lines.iter().zip(source.text.lines()).enumerate() {
        if line.code.contains("#[path") || line.code.contains("include!(") {
            path_attribute = raw.split('"').nth(1).map(|name| format!("{directory}/{name}"));
            if line.code.contains("include!(") {
                found.push((path_attribute.take().into_iter().collect(), source.in_test[number]));
            }
        }
        if let Some(name) = module_name(&line.code) {
            let candidates = match path_attribute.take() {
                Some(path) => vec![path],
                None => vec![
                    format!("{base}/{name}.rs"),
                    format!("{base}/{name}/mod.rs"),
                    // inside an inline `mod tests { mod name; }`
                    format!("{base}/tests/{name}.rs"),
                ],
            };
            found.push((candidates, source.in_test[number]));
        }
    }
    found
}

/// The name in a line `mod name;`.
fn module_name(code: &str) -> Option<&str> {
    let code = code.trim();
    let code = code.rsplit_once(']').map_or(code, |(_, after)| after.trim());
    let (before, name) = code.strip_suffix(';')?.rsplit_once("mod ")?;
    let visibility = before.is_empty() || before.starts_with("pub");
    visibility.then_some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_reached_through_mod_lines_only() {
        let mut sources = [
            Source::new("crates/x/src/lib.rs", "mod a;\n#[cfg(test)]\nmod laws;\n// mod c;\n"),
            Source::new("crates/x/src/a.rs", "pub(crate) mod b;\n"),
            Source::new("crates/x/src/a/b.rs", ""),
            Source::new("crates/x/src/c.rs", ""),
            Source::new("crates/x/src/laws.rs", ""),
            Source::new("crates/x/tests/all.rs", "mod part;\n"),
            Source::new("crates/x/tests/part.rs", ""),
        ];
        let roots = [
            ("crates/x/src/lib.rs".to_owned(), Reach::Product),
            ("crates/x/tests/all.rs".to_owned(), Reach::Test),
        ];
        mark(&mut sources, &roots);
        let reach: Vec<Reach> = sources.iter().map(|source| source.reach).collect();
        let (product, test, dead) = (Reach::Product, Reach::Test, Reach::Dead);
        assert_eq!(reach, [product, product, product, dead, test, test, test]);
    }

    #[test]
    fn module_lines_are_recognised() {
        assert_eq!(module_name("    pub(crate) mod b;"), Some("b"));
        assert_eq!(module_name("#[cfg(test)] mod tests;"), Some("tests"));
        assert_eq!(module_name("mod inline {"), None);
        assert_eq!(module_name("let x = y mod z;"), None);
    }
}
