//! The command line.

use anyhow::{Context, Result, bail};

/// One line per option.
pub(crate) const USAGE: &str = "\
usage: netkeep-bench [--check] [--quick] [--rounds N] [NAME...]
  --check     exit 1 if a limit is broken or a row cannot run
  --quick     N = 1,000 and 10,000 only
  --rounds N  interleaved rounds (default 5)
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
}

impl Args {
    /// Reads the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut args = Self {
            mode: Mode::Report,
            sizes: vec![1_000, 10_000, 50_000],
            rounds: 5,
            names: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--check" => args.mode = Mode::Check,
                "--quick" => args.sizes.retain(|size| *size <= 10_000),
                "--rounds" => {
                    let number = words.next().context("--rounds needs a number")?;
                    args.rounds = number.parse().with_context(|| format!("--rounds {number}"))?;
                }
                name if !name.starts_with('-') => args.names.push(word),
                _ => bail!("{word:?} is not known"),
            }
        }
        Ok(args)
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
}
