//! How a story is told: chapters, what happens, what a client sees, and whether that is as it
//! should be.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use crate::output::styled;

const fn bold() -> Style {
    Style::new().bold()
}

fn coloured(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(colour.into()))
}

/// A new chapter.
pub(super) fn chapter(title: &str) {
    let style = bold();
    styled(&format!("\n{style}{title}{style:#}\n"));
}

/// Something happens.
pub(super) fn happens(what: &str) {
    styled(&format!("  - {what}\n"));
}

/// A client or the kernel shows something good.
pub(super) fn good(what: &str) {
    let style = coloured(AnsiColor::Green);
    styled(&format!("      {style}ok{style:#}    {what}\n"));
}

/// A client or the kernel shows something bad, as it was to be shown.
pub(super) fn bad(what: &str) {
    let style = coloured(AnsiColor::Red);
    styled(&format!("      {style}lost{style:#}  {what}\n"));
}

/// The output of a command, indented.
pub(super) fn shows(command: &str, output: &str) {
    let style = bold();
    styled(&format!("  $ {style}{command}{style:#}\n"));
    output.lines().for_each(|line| styled(&format!("      {line}\n")));
}

/// A duration as a person reads it.
pub(super) fn time(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros < 1_000 {
        format!("{micros} µs")
    } else {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    }
}

/// Waits until `ready` answers something, and says how long that took.
pub(super) fn wait<T>(
    what: &str,
    mut ready: impl FnMut() -> Option<T>,
) -> anyhow::Result<(T, Duration)> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Some(value) = ready() {
            return Ok((value, start.elapsed()));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    anyhow::bail!("the demo went wrong: {what} did not happen within 20 s")
}
