//! Owns the text of a difference.

use std::fmt::Write as _;

use super::{ChangeKind, Diff};

pub(super) fn text(diff: &Diff) -> String {
    let mut out = String::new();
    for group in &diff.groups {
        // writing to a String cannot fail
        let _ = writeln!(out, "{}", group.owner);
        let mut place = "";
        for change in &group.changes {
            if change.place != place {
                place = &change.place;
                let _ = writeln!(out, "  {place}");
            }
            let sign = match change.kind {
                ChangeKind::OnlyInA => '-',
                ChangeKind::OnlyInB => '+',
                ChangeKind::Order => '~',
            };
            let times = match change.count {
                1 => String::new(),
                count => format!(" x{count}"),
            };
            let _ = writeln!(out, "    {sign}{times} {}", change.text);
        }
    }
    if !diff.not_compared.is_empty() {
        let _ = writeln!(out, "not compared");
        for part in &diff.not_compared {
            let _ = writeln!(out, "  {}: {}", part.part, part.why);
        }
    }
    out
}
