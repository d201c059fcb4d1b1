//! One manifest file: opened without blocking, read in bounded memory, reduced to what differs.

use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use manifest::{Found, Limits, ObjectName, Parsed, Position, Status, Summary};
use model::owner::Sandbox;
use model::{Object, Uid};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::tree::Via;

/// `NSFS_MAGIC` of `linux/magic.h`: what a network namespace's file is on.
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// Files up to this size are read at once.
const SMALL: u64 = 32 << 10;

/// What an object says, in few bytes; compared only within one life of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) uid: Uid,
    pub(super) status: Status,
    digest: u64,
}

impl Content {
    fn of(object: &Object, status: Status) -> Self {
        let mut digest = DefaultHasher::new();
        object.hash(&mut digest);
        Self { uid: object.meta().uid.clone(), status, digest: digest.finish() }
    }
}

/// An object of a file. The object itself is kept only where somebody has to be told of it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: Arc<ObjectName>,
    pub(super) position: Position,
    pub(super) content: Content,
    pub(super) object: Option<Box<Object>>,
}

/// A file as it is now; it may still be wrong.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) signature: Signature,
    pub(super) via: Via,
    pub(super) items: Vec<Item>,
    pub(super) summary: Summary,
}

/// Why a file was not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not there.
    Gone,
    /// It is a folder by now.
    Folder,
    /// It cannot be read, and may or may not hold objects.
    Unreadable { message: String, holds: Holds },
}

/// Whether something unreadable may hold objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A file that cannot be opened or understood.
    Perhaps,
    /// A pipe, a device, a symlink to itself.
    Nothing,
}

/// Changes whenever the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature(u64);

impl Signature {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mut hasher = DefaultHasher::new();
        (metadata.dev(), metadata.ino(), metadata.size()).hash(&mut hasher);
        (metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
        (metadata.ctime(), metadata.ctime_nsec()).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Reads a file, which problems call `name`. `keep` says whether an object of this name and content is to be kept in full;
/// `start` is a buffer that goes from file to file: a larger block of memory for each of them would
/// make the allocator tidy up as often.
pub(super) fn read(
    path: &Path,
    name: &Path,
    size_limit: u64,
    start: &mut Vec<u8>,
    keep: &dyn Fn(&ObjectName, &Content) -> bool,
) -> Result<Reading, Refusal> {
    let Opened { file, metadata, via } = open(path)?;
    if metadata.size() > size_limit {
        let size = metadata.size();
        let message = format!("{size} bytes: too large (at most {size_limit} are read)");
        return Err(Refusal::Unreadable { message, holds: Holds::Perhaps });
    }
    let signature = Signature::of(&metadata);
    let limits = Limits::default();
    let mut input = Capped { file, left: size_limit };
    start.clear();
    // Room for one byte more: the end is seen without another read.
    let room = metadata.size().min(SMALL) + 1;
    start.reserve(usize::try_from(room).unwrap_or_default());
    if metadata.size() <= SMALL && input.by_ref().take(SMALL + 1).read_to_end(start).is_err() {
        // The long way meets the same, and says it.
        start.clear();
        let _ = input.file.rewind();
    }
    if let Some(Parsed { objects, summary }) = manifest::quick(start, &limits) {
        let items = objects.into_iter().map(|found| item(found, keep)).collect();
        return Ok(Reading { signature, via, items, summary });
    }
    let mut items = Vec::new();
    let mut input = start.as_slice().chain(input);
    let shown = name.display().to_string();
    let summary = manifest::read(&shown, &mut input, &limits, &mut |found| {
        items.push(item(found, keep));
    });
    Ok(Reading { signature, via, items, summary })
}

struct Opened {
    file: File,
    metadata: Metadata,
    via: Via,
}

fn open(path: &Path) -> Result<Opened, Refusal> {
    let refuse = |error: io::Error| match error.kind() {
        _ if Errno::from_io_error(&error) == Some(Errno::LOOP) => Refusal::Unreadable {
            message: "a symlink that leads back to itself".to_owned(),
            holds: Holds::Nothing,
        },
        io::ErrorKind::NotFound => Refusal::Gone,
        _ => Refusal::Unreadable {
            message: format!("cannot be read: {error}"),
            holds: Holds::Perhaps,
        },
    };
    // a symlink that leads nowhere is there all the same
    let follow = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Refusal::Unreadable {
            message: "a symlink that leads nowhere".to_owned(),
            holds: Holds::Perhaps,
        },
        _ => refuse(error),
    };
    // look before opening: opening a device can do things
    let found = fs::symlink_metadata(path).map_err(refuse)?;
    let via = if found.is_symlink() { Via::Symlink } else { Via::Name };
    match via {
        Via::Symlink => check_regular(&fs::metadata(path).map_err(follow)?)?,
        Via::Name => check_regular(&found)?,
    }
    let file = open_file(path).map_err(|error| match via {
        Via::Symlink => follow(error),
        Via::Name => refuse(error),
    })?;
    let metadata = file.metadata().map_err(refuse)?;
    check_regular(&metadata)?;
    Ok(Opened { file, metadata, via })
}

fn open_file(path: &Path) -> io::Result<File> {
    // O_NONBLOCK: should it be a pipe by now, opening does not wait for a writer
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = |flags: OFlags| {
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
    };
    // O_NOATIME: that it was read is nobody's news, and writing it down costs as much as the reading;
    // only its owner may ask for that, or who may do what owners do (open(2))
    match open(flags | OFlags::NOATIME) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => open(flags),
        opened => opened,
    }
}

fn check_regular(metadata: &Metadata) -> Result<(), Refusal> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        return Err(Refusal::Folder);
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Refusal::Unreadable {
        message: format!("{what}, not a file: it is not opened"),
        holds: Holds::Nothing,
    })
}

/// A file that may grow while it is read.
struct Capped {
    file: File,
    left: u64,
}

impl Read for Capped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("the file has grown too large"))?;
        Ok(read)
    }
}

fn item(found: Found, keep: &dyn Fn(&ObjectName, &Content) -> bool) -> Item {
    let name = found.name();
    let mut object = found.object;
    if let (Object::Pod(pod), Some(path)) = (&mut object, found.netns)
        && is_namespace(Path::new(&*path))
    {
        pod.sandbox = Sandbox::Proven;
    }
    let content = Content::of(&object, found.status);
    let object = keep(&name, &content).then(|| Box::new(object));
    Item { name: Arc::new(name), position: found.position, content, object }
}

/// Whether a network namespace is bound (or open) there. A leftover file without one proves
/// nothing.
fn is_namespace(path: &Path) -> bool {
    path.is_absolute()
        && rustix::fs::statfs(path).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(NSFS_MAGIC))
}
