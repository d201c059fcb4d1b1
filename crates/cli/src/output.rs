//! What people and scripts see: tables, findings, JSON. Colour only on a terminal (`anstream`).
//!
//! A closed pipe (`netkeep show npl | head`) ends the output, not the program. Anything else that
//! cannot be written (a full disk) makes the command fail in the end, whatever it did. Rules, names and dumps
//! are written by others: what of them would command a terminal is shown, not done.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use comfy_table::{Table, presets};
use doctor::spell;
use model::{Finding, Severity};
use serde::Serialize;
use serde_json::Value as Json;

/// Prints text with its own lines; what would command a terminal is spelled out.
pub(crate) fn print(text: &str) {
    styled(&spell::lines(text));
}

/// Prints one line, whatever is in it.
pub(crate) fn line(text: &str) {
    styled(&format!("{}\n", spell::one_line(text)));
}

/// Says one line on standard error.
pub(crate) fn say(text: &str) {
    anstream::eprintln!("netkeep: {}", spell::one_line(text));
}

/// Prints text of our own, with its colours.
pub(crate) fn styled(text: &str) {
    note(anstream::stdout().write_all(text.as_bytes()));
}

/// The first thing that could not be written.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // Nothing panics while it is held.
        LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Whether everything printed has been written.
pub(crate) fn finish() -> io::Result<()> {
    note(io::stdout().flush());
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// Prints how grave a finding is.
pub(crate) fn severity(severity: Severity) {
    let colour = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    };
    let style = Style::new().fg_color(Some(colour.into())).bold();
    styled(&format!("{style}{}{style:#}", severity.as_str()));
}

/// Prints indented JSON. What would command a terminal is escaped as JSON escapes it: inside of
/// strings, where alone it can be, so that it is the same document.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut text = escaped_json(&serde_json::to_string_pretty(value)?);
    text.push('\n');
    styled(&text);
    Ok(())
}

/// JSON whose strings hold nothing that commands a terminal or turns the direction of writing: of that,
/// `serde_json` escapes control characters of ASCII but DEL alone.
fn escaped_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter != '\n' && spell::forges(letter) {
            let _ = write!(shown, "\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Prints an array of objects as a table; columns are (title, key).
pub(crate) fn table(columns: &[(&str, &str)], rows: &Json) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|(title, _)| *title));
    for row in rows.as_array().into_iter().flatten() {
        table.add_row(columns.iter().map(|(_, key)| cell(row.get(key))));
    }
    for line in table.lines() {
        print(&format!("{}\n", line.trim()));
    }
}

fn cell(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(items)) => {
            items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// Prints findings, the gravest first.
pub(crate) fn findings(findings: &[Finding]) {
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        let Finding { code, subject, message, advice, .. } = finding;
        severity(finding.severity);
        print(&format!(" {code}: {subject}: {message}\n"));
        if !advice.is_empty() {
            print(&format!("    {advice}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_every_control_character_is_the_same_json() {
        let all: String = (0..0xb0)
            .filter_map(char::from_u32)
            .chain(['\u{2028}', '\u{202e}', '\u{2066}', 'ü'])
            .collect();
        let value = serde_json::json!({ &all: [&all] });
        let text = escaped_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains(|letter: char| letter != '\n' && spell::forges(letter)), "{text:?}");
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), value);
    }
}
