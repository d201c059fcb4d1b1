//! The `netkeep` program under test: an agent that runs, and commands that end.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netns::Namespace;
use rustix::process::{Pid, Signal, kill_process};

use crate::poll::{DEADLINE, eventually};

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
}

impl Output {
    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// Itself, if it ended with this exit code.
    #[track_caller]
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

/// Runs a command of the program inside the namespace to its end, which must come within
/// [`DEADLINE`].
#[track_caller]
pub fn netkeep(program: &Path, namespace: &Namespace, args: &[&str]) -> Output {
    netkeep_for(DEADLINE, program, namespace, args)
}

/// As [`netkeep`], with another limit of time.
#[track_caller]
pub fn netkeep_for(
    within: Duration,
    program: &Path,
    namespace: &Namespace,
    args: &[&str],
) -> Output {
    let mut command = Command::new(program);
    let mut running = AgentProcess::start(namespace, command.args(args));
    let status = running.ended(within);
    running.finish_reading();
    Output { code: status.code(), stdout: running.stdout(), stderr: running.stderr() }
}

/// A program that runs until it is ended; dropping it kills it.
#[derive(Debug)]
pub struct AgentProcess {
    child: Child,
    stdout: Pipe,
    stderr: Pipe,
}

impl AgentProcess {
    /// Starts a program inside the namespace, with nothing to read and everything it prints kept.
    #[track_caller]
    pub fn start(namespace: &Namespace, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = namespace.spawn(command).unwrap_or_else(|error| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            panic!("{error}: {}", why.unwrap_or_default())
        });
        let stdout = Pipe::read(child.stdout.take());
        let stderr = Pipe::read(child.stderr.take());
        Self { child, stdout, stderr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has printed to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until the predicate has a value, while the program runs. Panics with the predicate's
    /// last error and what the program printed if it ended, or did not get there in time.
    #[track_caller]
    pub fn ready<T>(
        &mut self,
        within: Duration,
        mut predicate: impl FnMut() -> Result<T, String>,
    ) -> T {
        let start = Instant::now();
        eventually(within, || {
            let outcome = predicate();
            let trouble = match (&outcome, self.child.try_wait().unwrap()) {
                (Ok(_), _) => return outcome,
                (Err(error), Some(status)) => format!("it ended with {status}: {error}"),
                (Err(error), None) if start.elapsed() < within => return Err(error.clone()),
                (Err(error), None) => error.clone(),
            };
            panic!("{trouble}\n--- stdout\n{}--- stderr\n{}---", self.stdout(), self.stderr())
        })
    }

    /// SIGTERM, and its end, which must come within the time.
    #[track_caller]
    pub fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended(within)
    }

    /// SIGKILL, and its end: a crash.
    #[track_caller]
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: it hangs until [`AgentProcess::resume`].
    #[track_caller]
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    #[track_caller]
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end by itself, which must come within the time.
    #[track_caller]
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        eventually(within, || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(format!(
                "it still runs\n--- stdout\n{}--- stderr\n{}---",
                self.stdout.text(),
                self.stderr.text()
            )),
        })
    }

    /// Reads what an ended program has left in its pipes.
    fn finish_reading(&mut self) {
        self.stdout.finish();
        self.stderr.finish();
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe that is read to its end on a thread.
#[derive(Debug)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Pipe {
    fn read(source: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            let Some(mut source) = source else { return };
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                sink.extend_from_slice(&buffer[..length]);
            }
        });
        Self { bytes, thread: Some(thread) }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[cfg(test)]
mod tests;
