//! Programs run inside a namespace, for tests that ask `nft`, `conntrack` or `ss` what is true.

use std::io::{self, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use netns::{Namespace, NamespaceError};
use thiserror::Error;

/// Why a command gave no result.
#[derive(Debug, Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("a command could not be started")]
    Start(#[from] NamespaceError),
    /// Talking to it failed.
    #[error("{program}: its input or output broke")]
    Pipe {
        /// The program.
        program: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// It ended badly.
    #[error("{program} ended with {status}: {stderr}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it complained of.
        stderr: String,
    },
}

/// Runs a command inside the namespace with this text as its input, and returns what it printed.
pub fn run(
    namespace: &Namespace,
    command: &mut Command,
    input: &str,
) -> Result<String, CommandError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = namespace
        .spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    // Three pipes at once: a program may fill one while another is being read or written.
    let (wrote, complaint, output) = thread::scope(|scope| {
        let writer = scope.spawn(move || match stdin {
            Some(mut stdin) => stdin.write_all(input.as_bytes()),
            None => Ok(()),
        });
        let reader = scope.spawn(move || text_of(stderr));
        let output = text_of(child.stdout.take());
        let joined = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        (joined(writer), reader.join(), output)
    });
    let status = child.wait();
    let broken = |source| CommandError::Pipe { program: program.clone(), source };
    let status = status.map_err(broken)?;
    let gone = || Err(io::Error::other("a thread ended early"));
    let complaint = complaint.unwrap_or_else(|_| gone()).map_err(broken)?;
    if !status.success() {
        return Err(CommandError::Failed { program, status, stderr: complaint.trim().to_owned() });
    }
    wrote.unwrap_or_else(|_| gone().map(drop::<String>)).map_err(broken)?;
    output.map_err(broken)
}

fn text_of(pipe: Option<impl Read>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
