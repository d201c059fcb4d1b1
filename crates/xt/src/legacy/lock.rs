//! Owns the lock that programs that write legacy rules take: an exclusive flock on one file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, major, minor};
use serde::{Deserialize, Serialize};

/// Where iptables-legacy has it since 1.8.5 (`XTABLES_LOCKFILE` says otherwise).
pub const LOCK_PATH: &str = "/run/xtables.lock";
/// How long between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct XtablesLock {
    _file: File,
}

/// Why the lock is not held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The file is not to be had.
    #[error("the lock file {path} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody holds it for longer than we waited.
    #[error("the xtables lock {path} is held by {}", who(.holders))]
    Held {
        /// The file.
        path: PathBuf,
        /// Who, as far as it can be seen from here.
        holders: Vec<Holder>,
    },
}

fn who(holders: &[Holder]) -> String {
    let holding = holders.iter().filter(|holder| holder.holds);
    let names: Vec<String> =
        holding.map(|holder| format!("{} (pid {})", holder.process, holder.pid)).collect();
    if names.is_empty() {
        "somebody who cannot be seen from here".to_owned()
    } else {
        names.join(", ")
    }
}

/// A process at the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name; empty if it is gone or not ours to see.
    pub process: String,
    /// Holds it; else it waits.
    pub holds: bool,
}

impl XtablesLock {
    /// Takes the lock; waits for it up to `patience`.
    ///
    /// # Errors
    /// [`LockError`]
    pub fn acquire(path: impl AsRef<Path>, patience: Duration) -> Result<Self, LockError> {
        let path = path.as_ref();
        let failed = |source| LockError::Open { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        // as iptables makes it
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(failed)?;
        let end = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < end => {
                    std::thread::sleep(PAUSE);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let holders = lock_holders(path).unwrap_or_default();
                    return Err(LockError::Held { path: path.to_owned(), holders });
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

/// Who holds the lock, and who waits for it: /proc/locks shows processes of this and inner process
/// namespaces. Nobody if there is no such file.
///
/// # Errors
/// Of the file or of /proc/locks.
pub fn lock_holders(path: impl AsRef<Path>) -> io::Result<Vec<Holder>> {
    let file = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let device = (major(file.dev()), minor(file.dev()));
    let found = holders_in(&std::fs::read_to_string("/proc/locks")?, device, file.ino());
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let holder = |(pid, holds)| Holder { pid, process: name(pid).trim().to_owned(), holds };
    Ok(found.into_iter().map(holder).collect())
}

/// `1: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF`, with `->` before `FLOCK` for one who waits.
fn holders_in(locks: &str, device: (u32, u32), inode: u64) -> Vec<(u32, bool)> {
    let mut found = Vec::new();
    for line in locks.lines() {
        let mut words = line.split_ascii_whitespace().skip(1).peekable();
        let holds = words.next_if_eq(&"->").is_none();
        let words: Vec<&str> = words.collect();
        let ["FLOCK", _, _, pid, place, ..] = words.as_slice() else { continue };
        let place: Vec<&str> = place.split(':').collect();
        let [major, minor, number] = place.as_slice() else { continue };
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let same = hex(major).zip(hex(minor)) == Some(device) && number.parse() == Ok(inode);
        if let (true, Ok(pid)) = (same, pid.parse::<u32>()) {
            found.push((pid, holds));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_and_those_who_wait_are_told_apart() {
        let locks = "1: POSIX  ADVISORY  WRITE 9 00:1a:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 12 00:1a:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 13 00:1a:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 14 00:1a:78 0 EOF\nrubbish\n";
        assert_eq!(holders_in(locks, (0, 0x1a), 77), [(12, true), (13, false)]);
    }

    #[test]
    fn a_lock_that_is_held_names_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert_eq!(lock_holders(&path).unwrap(), []);
        let first = XtablesLock::acquire(&path, Duration::ZERO).unwrap();
        let error = XtablesLock::acquire(&path, Duration::from_millis(30)).unwrap_err();
        let LockError::Held { holders, .. } = &error else { panic!("{error}") };
        assert_eq!(holders.first().map(|holder| holder.pid), Some(std::process::id()));
        drop(first);
        XtablesLock::acquire(&path, Duration::ZERO).unwrap();
        assert_eq!(lock_holders(&path).unwrap(), []);
    }
}
