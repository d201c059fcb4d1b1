//! Owns looking at one part: on a thread of its own, for a limited time, with a reason if it fails.
//!
//! A thread inherits the network namespace of the one that starts it. One that does not end in time
//! is left behind: it holds nothing but what it reads, and ends when the kernel answers.

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use doctor::snapshot::Part;

use crate::Found;

pub(crate) struct Looker {
    patience: Duration,
    /// Part and remark.
    pub(crate) notes: Vec<(String, String)>,
}

impl Looker {
    pub(crate) const fn new(patience: Duration) -> Self {
        Self { patience, notes: Vec::new() }
    }

    /// What there is, or why nobody could look.
    pub(crate) fn look<T: Send + 'static>(
        &mut self,
        name: &str,
        read: impl FnOnce() -> Result<Found<T>, String> + Send + 'static,
    ) -> Part<T> {
        let answer = self.ask(read);
        self.found(name, answer)
    }

    /// What there is, or why nobody could look.
    pub(crate) fn found<T>(&mut self, name: &str, answer: Result<Found<T>, String>) -> Part<T> {
        match answer {
            Ok(found) => {
                self.notes.extend(found.notes.into_iter().map(|note| (name.to_owned(), note)));
                Part::Known(found.value)
            }
            Err(why) => Part::Absent(why),
        }
    }

    /// Begins to look at something that takes a while.
    pub(crate) fn begin<T: Send + 'static>(
        read: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<mpsc::Receiver<Result<T, String>>, String> {
        let (send, receive) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        // nobody waits for an answer that is late
        let started = thread.spawn(move || drop(send.send(read())));
        started.map_err(|error| format!("no thread to look with: {error}"))?;
        Ok(receive)
    }

    /// The answer, if it comes in time.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        self.wait(&Self::begin(read)?)
    }

    /// The answer to what was begun.
    pub(crate) fn wait<T>(&self, receive: &mpsc::Receiver<Result<T, String>>) -> Result<T, String> {
        match receive.recv_timeout(self.patience) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(format!("it took more than {} s", self.patience.as_secs_f32()))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("looking at it failed".to_owned()),
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn why(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_or_fails_is_absent_with_its_reason() {
        let mut looker = Looker::new(Duration::from_millis(20));
        let (release, held) = mpsc::channel::<()>();
        let part: Part<()> = looker.look("a", move || {
            let _ = held.recv();
            Ok(().into())
        });
        assert_eq!(part, Part::Absent("it took more than 0.02 s".to_owned()));
        drop(release);
        let mut looker = Looker::new(Duration::from_secs(20));
        let part: Part<()> = looker.look("b", || Err("no".to_owned()));
        assert_eq!(part, Part::Absent("no".to_owned()));
        let found = || Ok(Found { value: 7, notes: vec!["half of it".to_owned()] });
        assert_eq!(looker.look("c", found), Part::Known(7));
        assert_eq!(looker.notes, [("c".to_owned(), "half of it".to_owned())]);
    }
}
