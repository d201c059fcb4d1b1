//! What people and scripts see: tables, findings, JSON. Colour only on a terminal (`anstream`).
//!
//! A closed pipe (`netkeep show npl | head`) ends the output, not the program.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use comfy_table::{Table, presets};
use model::{Finding, Severity};
use serde::Serialize;
use serde_json::Value as Json;

/// Prints text as it is.
pub(crate) fn print(text: &str) {
    let _ = anstream::stdout().write_all(text.as_bytes());
}

/// Prints indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text);
    Ok(())
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
        let colour = match finding.severity {
            Severity::Error => AnsiColor::Red,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Info => AnsiColor::Cyan,
        };
        let style = Style::new().fg_color(Some(colour.into())).bold();
        let Finding { severity, code, subject, message, advice, .. } = finding;
        let severity = severity.as_str();
        print(&format!("{style}{severity}{style:#} {code}: {subject}: {message}\n"));
        if !advice.is_empty() {
            print(&format!("    {advice}\n"));
        }
    }
}
