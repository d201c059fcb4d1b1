//! What a row found out: figures, and limits that held or broke. It passes from the row's process to the
//! run's as JSON.

use serde::{Deserialize, Serialize};

/// One measured number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// How many mappings there were.
    pub(crate) n: usize,
    /// Who was measured.
    pub(crate) who: String,
    /// What was measured, with its unit last, for example `add us`.
    pub(crate) what: String,
    /// The number.
    pub(crate) value: f64,
    /// Times the floor's number of the same rounds.
    pub(crate) to_floor: Option<f64>,
}

/// In which direction a limit binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sense {
    /// No more than this.
    AtMost,
    /// No less than this.
    AtLeast,
}

/// A limit and the number it was compared with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// The goal, as the README of this crate numbers them.
    pub(crate) goal: String,
    /// What is limited.
    pub(crate) what: String,
    /// What was measured.
    pub(crate) value: f64,
    /// The limit.
    pub(crate) limit: f64,
    /// Its direction.
    pub(crate) sense: Sense,
    /// Whether the machine was quiet enough to judge.
    pub(crate) quiet: bool,
}

impl Verdict {
    /// Whether the limit held.
    pub(crate) fn held(&self) -> bool {
        match self.sense {
            Sense::AtMost => self.value <= self.limit,
            Sense::AtLeast => self.value >= self.limit,
        }
    }
}

/// All that a row found out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The numbers.
    pub(crate) figures: Vec<Figure>,
    /// The limits.
    pub(crate) verdicts: Vec<Verdict>,
    /// What a reader should know besides.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    /// Adds a number that has no floor.
    pub(crate) fn figure(&mut self, n: usize, who: &str, what: &str, value: f64) {
        let (who, what) = (who.to_owned(), what.to_owned());
        self.figures.push(Figure { n, who, what, value, to_floor: None });
    }

    /// Adds a limit that must not be exceeded.
    pub(crate) fn at_most(&mut self, goal: &str, what: String, value: f64, limit: f64) {
        let (goal, sense) = (goal.to_owned(), Sense::AtMost);
        self.verdicts.push(Verdict { goal, what, value, limit, sense, quiet: true });
    }

    /// Adds a limit that must be reached.
    pub(crate) fn at_least(&mut self, goal: &str, what: String, value: f64, limit: f64) {
        let (goal, sense) = (goal.to_owned(), Sense::AtLeast);
        self.verdicts.push(Verdict { goal, what, value, limit, sense, quiet: true });
    }
}
