//! Publishing to files: what would be patched into the API, under `STATE_DIR/published`.
//!
//! Owns: `published/pods/<namespace>/<name>.yaml`, one merge patch a file, and the watch that
//! notices when somebody else alters them. Names too long for a file name are cut and get a digest.
//!
//! Invariants: a file is complete or absent, whenever the process ends (a temporary file in the
//! same folder, then a rename); what is there already is not written again; an error leaves what
//! was there.
//!
//! Deliberately not here: what to say, and when to try again after an error.

mod format;
mod places;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Uid;
use thiserror::Error;

use self::places::{Place, TEMPORARY};
pub use self::watch::PublishWatch;
use crate::failpoint;

/// The largest published file that is read back, in bytes; an annotation has at most 256 KiB.
const FILE_MAX: u64 = 1 << 20;

/// A Pod whose annotation is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its UID.
    pub uid: Uid,
}

/// What is to be said about a Pod's annotation `nodeportlocal.antrea.io`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// It has this value.
    Value(String),
    /// It is to be removed: the object itself still carries one.
    Null,
    /// Nothing is to be said: there is no file.
    Nothing,
}

/// What a published file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The Pod.
    pub pod: PodRef,
    /// The annotation's value; `None` if the file asks for its removal.
    pub annotation: Option<String>,
    /// Who wrote it.
    pub author: Author,
}

/// Who wrote what a published file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// We did: perhaps a while ago, and have promised something else since.
    Us,
    /// Somebody else, after us.
    Another,
}

/// Everything found at the start.
#[derive(Debug, Default)]
pub struct ReadBack {
    /// What the readable files say, in order of namespace and name.
    pub published: Vec<Published>,
    /// Files that could not be read or understood; they are written anew when wanted.
    pub problems: Vec<PublishError>,
}

/// Whether a call to publish touched the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// It did.
    Changed,
    /// What is there is what is wanted.
    AlreadyThere,
}

/// A published file could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} {}", path.display())]
pub struct PublishError {
    /// What was tried: `read`, `write`, `remove` …
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl PublishError {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// A published file that is no longer as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tampered {
    /// The file of one Pod; publish it again.
    Pod {
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
    },
    /// Unknown which; publish everything again.
    Everything,
}

/// What is in the files that this publisher wrote, shared with the watch. Whoever holds the lock
/// sees each file as it is said here, unless somebody else wrote it.
type Expected = Arc<Mutex<BTreeMap<Place, Content>>>;

/// What a file says and of which Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    name: Box<str>,
    digest: u64,
}

fn lock(expected: &Expected) -> MutexGuard<'_, BTreeMap<Place, Content>> {
    // every update is one insert or remove: a panic elsewhere leaves it usable
    expected.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes published files. One writer at a time for one state directory.
#[derive(Debug)]
pub struct Publisher {
    state_dir: PathBuf,
    expected: Expected,
}

impl Publisher {
    /// The publisher of `STATE_DIR/published`; touches nothing yet.
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), expected: Expected::default() }
    }

    /// What was published before we started.
    pub fn read_all(&mut self) -> ReadBack {
        let mut found = ReadBack::default();
        for place in self.places(&mut found.problems) {
            let path = place.path(&self.state_dir);
            match read_back(&place, &path) {
                Ok(Some(published)) => found.published.push(published),
                Ok(None) => {}
                Err(error) => found.problems.push(PublishError::at("read", &path)(error)),
            }
        }
        found.published.sort_by(|a, b| a.pod.cmp(&b.pod));
        found
    }

    /// Makes the Pod's file say `patch`; compares first and writes only a difference.
    pub fn publish(&mut self, pod: &PodRef, patch: &Patch) -> Result<Wrote, PublishError> {
        let annotation = match patch {
            Patch::Value(value) => Some(value.as_str()),
            Patch::Null => None,
            Patch::Nothing => return self.remove(&pod.namespace, &pod.name),
        };
        let text = format::render(pod, annotation);
        let place = Place::of(&pod.namespace, &pod.name);
        let target = place.path(&self.state_dir);
        let content = Content { name: pod.name.clone(), digest: format::digest(text.as_bytes()) };
        if read_small(&target).is_ok_and(|there| there.as_deref() == Some(text.as_bytes())) {
            lock(&self.expected).insert(place, content);
            return Ok(Wrote::AlreadyThere);
        }
        let temporary = self.write_temporary(&target, text.as_bytes())?;
        failpoint::hit("publish:tmp-written");
        let mut expected = lock(&self.expected);
        if let Err(error) = fs::rename(&temporary, &target) {
            let _ = fs::remove_file(&temporary);
            return Err(PublishError::at("write", &target)(error));
        }
        expected.insert(place, content);
        drop(expected);
        failpoint::hit("publish:renamed");
        Ok(Wrote::Changed)
    }

    /// Writes a file of its own beside `path`; leaves nothing behind if that fails.
    fn write_temporary(&self, path: &Path, bytes: &[u8]) -> Result<PathBuf, PublishError> {
        let folder = path.parent().unwrap_or(&self.state_dir);
        fs::create_dir_all(folder).map_err(PublishError::at("make the folder", folder))?;
        // one writer at a time: the name need not be unique, and a killed writer's file is reused
        let temporary = folder.join(TEMPORARY);
        let _ = fs::remove_file(&temporary);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&temporary)
            .and_then(|mut file| file.write_all(bytes));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(PublishError::at("write", path)(error));
        }
        Ok(temporary)
    }

    /// Removes the file of whatever Pod has this name (the Pod is gone).
    pub fn remove(&mut self, namespace: &str, name: &str) -> Result<Wrote, PublishError> {
        self.remove_place(&Place::of(namespace, name))
    }

    fn remove_place(&mut self, place: &Place) -> Result<Wrote, PublishError> {
        let path = place.path(&self.state_dir);
        let mut expected = lock(&self.expected);
        let removed = match fs::remove_file(&path) {
            Ok(()) => Ok(Wrote::Changed),
            Err(error) if is_absent(&error) => Ok(Wrote::AlreadyThere),
            Err(error) => return Err(PublishError::at("remove", &path)(error)),
        };
        expected.remove(place);
        drop(expected);
        if let Some(folder) = path.parent() {
            // a namespace's last file takes its folder with it; while others are there this fails
            let _ = fs::remove_dir(folder);
        }
        removed
    }

    /// Removes every file that is not of one of these Pods (namespace, name), and what a killed
    /// writer left.
    pub fn sweep(&mut self, wanted: &BTreeSet<(Box<str>, Box<str>)>) -> Vec<PublishError> {
        let wanted: BTreeSet<Place> =
            wanted.iter().map(|(namespace, name)| Place::of(namespace, name)).collect();
        let mut problems = Vec::new();
        for place in self.places(&mut problems) {
            if !wanted.contains(&place)
                && let Err(error) = self.remove_place(&place)
            {
                problems.push(error);
            }
        }
        problems
    }

    /// A watch over the published files, to be run on a thread of its own. It knows what this
    /// publisher writes from what others do.
    pub fn watch(&self) -> Result<PublishWatch, PublishError> {
        PublishWatch::open(self.state_dir.clone(), Arc::clone(&self.expected))
    }

    /// All published files, temporary ones included.
    fn places(&self, problems: &mut Vec<PublishError>) -> Vec<Place> {
        let (places, troubles) = places::all(&self.state_dir);
        problems.extend(
            troubles.into_iter().map(|(path, error)| PublishError::at("read", &path)(error)),
        );
        places
    }
}

/// The files of a state directory that some netkeep wrote: in their place, in our words and signed, or
/// left half written. No other file below `published` is ours to remove.
pub fn written(state_dir: &Path) -> Vec<PathBuf> {
    let (places, _) = places::all(state_dir);
    let ours = |place: Place| {
        let path = place.path(state_dir);
        let bytes = read_small(&path).ok()??;
        let said = || {
            format::parse(&bytes).ok().map(|said| Place::of(&said.pod.namespace, &said.pod.name))
        };
        let ours =
            place.is_temporary() || format::is_ours(&bytes) && said().as_ref() == Some(&place);
        ours.then_some(path)
    };
    places.into_iter().filter_map(ours).collect()
}

/// The folders in which [`written`] files are, each after those in it.
pub fn folders(state_dir: &Path) -> Vec<PathBuf> {
    let pods = places::pods(state_dir);
    let mut folders: Vec<PathBuf> =
        places::namespaces(&pods).into_iter().map(|namespace| pods.join(namespace)).collect();
    folders.extend(pods.parent().map(Path::to_owned).into_iter().chain([pods]).rev());
    folders
}

/// Whether nothing is there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What a file says; `None` for a temporary one, or if it is gone by now.
fn read_back(place: &Place, path: &Path) -> io::Result<Option<Published>> {
    if place.is_temporary() {
        return Ok(None);
    }
    let Some(bytes) = read_small(path)? else { return Ok(None) };
    let published = format::parse(&bytes).map_err(io::Error::other)?;
    if Place::of(&published.pod.namespace, &published.pod.name) != *place {
        let said = format!("{}/{}", published.pod.namespace, published.pod.name);
        return Err(io::Error::other(format!("it speaks of another Pod, {said}")));
    }
    Ok(Some(published))
}

/// A small regular file's bytes; `None` if there is none. Follows no symlink, waits for no pipe.
fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    use rustix::fs::OFlags;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("this is no file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::other(format!("it is too large (at most {FILE_MAX} bytes)")));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
