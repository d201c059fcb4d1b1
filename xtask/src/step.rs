//! Steps of a run, and the summary at its end.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The steps done so far. A failed step does not stop the run: one run shows everything.
#[derive(Default)]
pub(crate) struct Steps(Vec<Step>);

struct Step {
    name: String,
    took: Duration,
    failure: Option<String>,
}

impl Steps {
    /// Runs one step and remembers how it went.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let failure = work().err().map(|error| format!("{error:#}"));
        if let Some(failure) = &failure {
            eprintln!("==> {name} FAILED: {failure}");
        }
        self.0.push(Step { name: name.to_owned(), took: start.elapsed(), failure });
    }

    /// Whether every step so far went well.
    pub(crate) fn all_well(&self) -> bool {
        self.0.iter().all(|step| step.failure.is_none())
    }

    /// Prints the summary; fails if any step failed.
    pub(crate) fn finish(self) -> Result<()> {
        print!("\n{}", self.summary());
        let failed = self.0.iter().filter(|step| step.failure.is_some()).count();
        if failed > 0 {
            bail!("{failed} of {} steps failed", self.0.len());
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let mut text = String::from("summary\n");
        for step in &self.0 {
            let verdict = if step.failure.is_some() { "FAILED" } else { "ok" };
            let seconds = step.took.as_secs_f64();
            let reason = step.failure.iter().map(|failure| format!("         {failure}\n"));
            text.extend([format!("  {verdict:6} {seconds:7.1} s  {}\n", step.name)]);
            text.extend(reason);
        }
        text
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(crate::root());
    command
}

/// Runs a command to its end; anything but exit status 0 is an error that shows the command.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let shown = words.join(" ");
    let status = command.status().with_context(|| format!("running `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}`: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_in_the_summary_and_fails_the_run() {
        let mut steps = Steps::default();
        steps.run("first", || Ok(()));
        assert!(steps.all_well());
        steps.run("second", || bail!("no such tool"));
        steps.run("third", || Ok(()));
        let summary = steps.summary();
        assert!(summary.contains("no such tool"), "{summary}");
        assert!(summary.contains("third"), "{summary}");
        assert_eq!(steps.finish().unwrap_err().to_string(), "1 of 3 steps failed");
    }

    #[test]
    fn a_missing_tool_is_an_error_and_not_a_skip() {
        let error = succeed(&mut Command::new("no-such-tool-anywhere")).unwrap_err();
        assert!(error.to_string().contains("no-such-tool-anywhere"));
    }
}
