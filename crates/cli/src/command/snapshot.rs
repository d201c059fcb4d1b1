//! `netkeep snapshot`: all that `netkeep doctor` looks at, in one file.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::agent::control::{Answer, Request};
use ::doctor::Snapshot;
use ::snapshot::Options;
use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use crate::args::{SnapshotArgs, SocketArg};
use crate::output;

pub(super) fn run(args: SnapshotArgs) -> Result<ExitCode> {
    let mut snapshot = live(args.socket);
    if args.redact {
        // addresses cannot be computed back without it, and nobody has it
        snapshot = snapshot.redacted(RandomState::new().build_hasher().finish())?;
    }
    let Some(path) = args.output.filter(|path| path.as_os_str() != "-") else {
        return to_stdout(&snapshot);
    };
    write(&path, &snapshot).with_context(|| format!("cannot write {}", path.display()))?;
    output::say(&format!("{} is written", path.display()));
    for (part, why) in ::snapshot::absent(&snapshot) {
        output::say(&format!("without {part}: {why}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// This network namespace as it is, and what the agent says if one answers.
pub(super) fn live(socket: SocketArg) -> Snapshot {
    let agent = move || state(&socket);
    ::snapshot::take(Options { agent: Some(Box::new(agent)), ..Options::default() })
}

/// For those who need the rules: nothing is diagnosed where none of them can be seen.
pub(super) fn live_with_rules() -> Result<Snapshot> {
    let snapshot = live(SocketArg { socket: None });
    if let (0, Some((_, why))) =
        (snapshot.rules.known().count(), ::snapshot::absent(&snapshot).first())
        && snapshot.nft.known().is_none()
    {
        bail!("the rules of this node cannot be seen: {why}");
    }
    Ok(snapshot)
}

fn state(socket: &SocketArg) -> Result<Json, String> {
    match super::show::ask(socket, &Request::State) {
        Ok(Answer::Data { json, .. }) => Ok(json),
        Ok(Answer::Refused(why) | Answer::BadQuestion(why)) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

fn to_stdout(snapshot: &Snapshot) -> Result<ExitCode> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        output::json(snapshot)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = BufWriter::new(stdout.lock());
    let written = serde_json::to_writer(&mut out, snapshot);
    let written =
        written.map_err(io::Error::from).and_then(|()| writeln!(out)).and_then(|()| out.flush());
    match written {
        // nobody reads any more
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS).context("cannot write to standard output"),
    }
}

/// All or nothing, and for its owner's eyes only. What is there and is no file (`/dev/null`, a pipe)
/// is written to, not replaced.
fn write(path: &Path, snapshot: &Snapshot) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return write_to(&OpenOptions::new().write(true).open(path)?, snapshot);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = write_to(&file, snapshot)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // it is ours and of no use; the error that matters is the first
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_to(file: &File, snapshot: &Snapshot) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    serde_json::to_writer(&mut out, snapshot)?;
    writeln!(out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.json");
        fs::write(&path, "what was there").unwrap();
        write(&path, &Snapshot::default()).unwrap();
        let back: Snapshot = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(back, Snapshot::default());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_not_replaced_and_a_failure_leaves_nothing() {
        use std::os::unix::fs::FileTypeExt;
        write(Path::new("/dev/null"), &Snapshot::default()).unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("no/such/folder"), &Snapshot::default()).unwrap_err();
        write(folder.path(), &Snapshot::default()).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
