//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// One line per option.
pub(crate) const USAGE: &str = "\
usage: netkeep-bench [--check] [--quick] [--rounds N] [NAME...]
  --check     exit 1 if a limit is broken or a row cannot run
  --quick     N = 1,000 and 10,000 only
  --rounds N  interleaved rounds (default 5)
  --one FILE  run the row NAME in this process and write what it found out to FILE, as each row of a run
              is run
  NAME        rows to run (default all)";

/// What the exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Whether the benchmarks ran.
    Report,
    /// Whether every limit held.
    Check,
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Args {
    /// What the exit status says.
    pub(crate) mode: Mode,
    /// How many mappings exist, one after the other.
    pub(crate) sizes: Vec<usize>,
    /// How often each contender runs.
    pub(crate) rounds: usize,
    /// The rows; empty for all.
    pub(crate) names: Vec<String>,
    /// Where the one row's outcome goes; otherwise each row has a process of its own.
    pub(crate) one: Option<PathBuf>,
}

impl Args {
    /// Reads the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut args = Self {
            mode: Mode::Report,
            sizes: vec![1_000, 10_000, 50_000],
            rounds: 5,
            names: Vec::new(),
            one: None,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--check" => args.mode = Mode::Check,
                "--quick" => args.sizes.retain(|size| *size <= 10_000),
                "--rounds" => {
                    let number = words.next().context("--rounds needs a number")?;
                    args.rounds = number.parse().with_context(|| format!("--rounds {number}"))?;
                }
                "--one" => args.one = Some(words.next().context("--one needs a file")?.into()),
                name if !name.starts_with('-') => args.names.push(word),
                _ => bail!("{word:?} is not known"),
            }
        }
        Ok(args)
    }

    /// The words that run one of the rows as this run would, its outcome to a file.
    pub(crate) fn of_one(&self, name: &str, file: &Path) -> Vec<OsString> {
        let rounds = self.rounds.to_string();
        let mut words: Vec<OsString> = vec!["--rounds".into(), rounds.into()];
        if self.largest() <= 10_000 {
            words.push("--quick".into());
        }
        words.extend(["--one".into(), file.into(), name.into()]);
        words
    }

    /// The least N of the run.
    pub(crate) fn smallest(&self) -> usize {
        self.sizes.iter().copied().min().unwrap_or(0)
    }

    /// The greatest N of the run.
    pub(crate) fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_leaves_the_large_size_out() {
        let args = Args::parse(["--quick", "cold_npl"].map(String::from).into_iter()).unwrap();
        assert_eq!(args.sizes, [1_000, 10_000]);
        assert_eq!(args.names, ["cold_npl"]);
        assert!(Args::parse(["--slow".to_owned()].into_iter()).is_err());
    }

    #[test]
    fn a_row_of_its_own_runs_as_the_run_would() {
        for quick in [None, Some("--quick")] {
            let words = quick.into_iter().chain(["--rounds", "3", "rss_n", "churn"]);
            let run = Args::parse(words.map(String::from)).unwrap();
            let words = run.of_one("churn", Path::new("/f")).into_iter();
            let one = Args::parse(words.map(|word| word.into_string().unwrap())).unwrap();
            assert_eq!((&one.sizes, one.rounds), (&run.sizes, run.rounds));
            assert_eq!((one.names, one.one), (vec!["churn".to_owned()], Some("/f".into())));
        }
    }
}
