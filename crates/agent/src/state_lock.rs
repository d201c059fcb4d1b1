//! One writer per state directory, whichever network namespace it keeps.
//!
//! Owns: the lock on the file `lock` in the state directory, held by the agent for its whole life and
//! by `apply` and `uninstall` while they work. The kernel frees it when its holder dies, however it
//! dies; the file stays then, and keeps nobody out. What is written in it is who held it last.
//!
//! Invariants: a lock counts only while the file has its name, as another one could be taken under the
//! same name else; reading a state directory needs no lock.
//!
//! Deliberately not here: the lock of the network namespace (`crate::lock`).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use thiserror::Error;

/// The file in the state directory.
pub(crate) const FILE: &str = "lock";
/// How often a file is taken that somebody removes at the same time.
const TRIES: usize = 16;
/// Who only looks whether it is held, holds it for a moment: so often, and so long apart, it is tried
/// until another is said to have it.
const PATIENCE: (usize, Duration) = (5, Duration::from_millis(20));
/// What is read of the file, at most, bytes.
const TOLD_MAX: u64 = 256;

/// Who holds a lock, as far as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(Option<(u32, String)>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((pid, netns)) => write!(f, "pid {pid}, network namespace {netns}"),
            None => f.write_str("it does not say which"),
        }
    }
}

/// The state directory is another one's.
#[derive(Debug, Error)]
#[error(
    "another netkeep ({holder}) has the state directory {}; stop it first, or give another --state-dir",
    directory.display()
)]
pub struct StateHeld {
    /// The directory.
    pub directory: PathBuf,
    /// Whose it is.
    pub holder: Holder,
}

/// The lock of a state directory, held as long as this lives.
#[derive(Debug)]
pub struct StateLock {
    directory: PathBuf,
    file: File,
}

/// Why there is no lock.
enum Refused {
    Held(Holder),
    Io(io::Error),
}

impl StateLock {
    /// Takes the lock, and makes the directory where there is none. `None`: the directory cannot be
    /// written, which keeps everybody from it; whoever needs it says so.
    pub fn take(directory: &Path) -> Result<Option<Self>, StateHeld> {
        let lock = fs::create_dir_all(directory).map_err(Refused::Io);
        Self::outcome(directory, lock.and_then(|()| take(directory)))
    }

    /// Takes the lock of a directory that is there; `None` as for [`StateLock::take`], or if it is not.
    pub fn take_existing(directory: &Path) -> Result<Option<Self>, StateHeld> {
        Self::outcome(directory, take(directory))
    }

    fn outcome(
        directory: &Path,
        outcome: Result<File, Refused>,
    ) -> Result<Option<Self>, StateHeld> {
        let directory = directory.to_owned();
        match outcome {
            Ok(file) => Ok(Some(Self { directory, file })),
            Err(Refused::Held(holder)) => Err(StateHeld { directory, holder }),
            Err(Refused::Io(error)) => {
                let directory = directory.display();
                tracing::debug!(%directory, %error, "the state directory is not locked");
                Ok(None)
            }
        }
    }

    /// Takes the lock again if its file lost its name: somebody removed it, or the directory, and others
    /// could take it. A directory that is gone is not made again.
    pub fn renew(&mut self) -> Result<(), StateHeld> {
        if has_name(&self.file, &self.directory.join(FILE)) {
            return Ok(());
        }
        if let Some(again) = Self::take_existing(&self.directory)? {
            *self = again;
        }
        Ok(())
    }

    /// Removes the file, and lets go.
    pub(crate) fn remove(self) -> io::Result<()> {
        let path = self.directory.join(FILE);
        if has_name(&self.file, &path) { fs::remove_file(path) } else { Ok(()) }
    }
}

/// Who holds the lock of a directory now, if anybody does. Changes nothing.
pub(crate) fn holder(directory: &Path) -> Option<Holder> {
    let file = open(directory, OpenOptions::new().read(true)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Some(read_holder(&file)),
        _ => None,
    }
}

fn take(directory: &Path) -> Result<File, Refused> {
    for _ in 0..TRIES {
        let mut file = open(directory, OpenOptions::new().read(true).write(true).create(true))
            .map_err(Refused::Io)?;
        lock(&file)?;
        if has_name(&file, &directory.join(FILE)) {
            // Who reads it wants a name to call; without one the lock is as good.
            let _ = sign(&mut file);
            return Ok(file);
        }
    }
    Err(Refused::Io(io::Error::other("somebody goes on removing the file")))
}

fn lock(file: &File) -> Result<(), Refused> {
    let (tries, pause) = PATIENCE;
    for _ in 0..tries {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(pause),
            Err(errno) => return Err(Refused::Io(errno.into())),
        }
    }
    Err(Refused::Held(read_holder(file)))
}

/// Only who may write the directory may lock it: a lock that everybody may take keeps everybody out.
fn open(directory: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits().cast_signed()).open(directory.join(FILE))
}

fn has_name(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let named = fs::symlink_metadata(path).map(identity).ok();
    named.is_some() && named == file.metadata().map(identity).ok()
}

fn sign(file: &mut File) -> io::Result<()> {
    let netns = netns::Namespace::current().map(|here| here.identity().to_string());
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{} {}", std::process::id(), netns.unwrap_or_else(|_| "unknown".into()))
}

fn read_holder(file: &File) -> Holder {
    let mut text = String::new();
    let _ = file.take(TOLD_MAX).read_to_string(&mut text);
    let said = text.trim().split_once(' ');
    Holder(said.and_then(|(pid, netns)| Some((pid.parse().ok()?, printable(netns)?))))
}

/// What is said goes into one line.
fn printable(text: &str) -> Option<String> {
    text.chars().all(|c| c.is_ascii_graphic()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_of_the_first_and_a_file_that_was_left_keeps_nobody_out() {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("a/state");
        assert!(StateLock::take_existing(&state).unwrap().is_none());
        assert!(!state.exists());
        let first = StateLock::take(&state).unwrap().unwrap();
        let held = StateLock::take(&state).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(held.contains(&format!("pid {pid}, ")), "{held}");
        assert!(held.contains("a/state") && held.lines().count() == 1, "{held}");
        assert!(holder(&state).is_some());
        drop(first);
        assert!(state.join(FILE).exists());
        assert_eq!(holder(&state), None);
        // What another left there is not taken for the holder's word.
        fs::write(state.join(FILE), "a long \x1b[31m story\n").unwrap();
        let again = StateLock::take_existing(&state).unwrap().unwrap();
        let told = fs::read_to_string(state.join(FILE)).unwrap();
        assert!(told.starts_with(&format!("{pid} ")) && told.lines().count() == 1, "{told}");
        again.remove().unwrap();
        assert!(!state.join(FILE).exists());
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_taken_again_unless_another_was_faster() {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        let mut lock = StateLock::take(&state).unwrap().unwrap();
        lock.renew().unwrap();
        fs::remove_dir_all(&state).unwrap();
        lock.renew().unwrap();
        assert!(!state.exists());
        fs::create_dir(&state).unwrap();
        lock.renew().unwrap();
        assert!(StateLock::take(&state).is_err());
        fs::remove_dir_all(&state).unwrap();
        let other = StateLock::take(&state).unwrap();
        assert!(lock.renew().is_err());
        drop(other);
        lock.renew().unwrap();
        assert!(StateLock::take(&state).is_err());
    }

    #[test]
    fn where_no_file_can_be_made_there_is_no_lock() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("state").join(FILE)).unwrap();
        assert!(StateLock::take(&home.path().join("state")).unwrap().is_none());
        assert!(
            StateLock::take(&home.path().join("state").join(FILE).join("x")).unwrap().is_some()
        );
        fs::write(home.path().join("file"), "").unwrap();
        assert!(StateLock::take(&home.path().join("file")).unwrap().is_none());
    }
}
