//! The local socket: how `netkeep show` and `netkeep explain` ask a running agent.
//!
//! One request a connection: a line of JSON in, a line of JSON out. Nothing that can be asked
//! changes anything but how much is logged. Only root and the agent's own user are answered.
//!
//! Invariants: a slow or hostile client costs one thread for at most [`PATIENCE`] and never the
//! loop; a request is at most [`REQUEST_MAX`] bytes.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use thiserror::Error;

use crate::config::SOCKET_DEFAULT;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request.
const REQUEST_MAX: u64 = 64 * 1024;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub enum Request {
    /// All mappings.
    Npl,
    /// All owners with what they hold.
    Owners,
    /// All findings.
    Findings,
    /// Which objects make this so.
    Explain {
        /// A Pod, an IP, a port or a flow.
        query: String,
    },
    /// How the agent is.
    Health,
    /// The metrics, as OpenMetrics text.
    Metrics,
    /// Everything that helps to understand the agent later: configuration, health, ledger, leases,
    /// last plans.
    State,
    /// What is logged from now on; `None`: asks only.
    LogLevel {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: Option<String>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The data, and its text form where there is one.
    Data {
        /// The data.
        json: Json,
        /// The same for a person.
        text: Option<String>,
    },
    /// Why there is none.
    Refused(String),
    /// The question itself makes no sense.
    BadQuestion(String),
}

/// A request on its way to the loop, with the place for its answer.
#[derive(Debug)]
pub struct Query {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: Sender<Answer>,
}

/// The agent could not be asked.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody answers.
    #[error("no agent answers in this network namespace (is `netkeep agent` running?)")]
    NoAgent(#[source] io::Error),
    /// The conversation broke.
    #[error("the agent did not answer")]
    Broken(#[source] io::Error),
    /// The answer makes no sense.
    #[error("the agent's answer cannot be read: is it of another version?")]
    Unreadable(#[source] serde_json::Error),
}

/// Serves a listener until the process ends; each query goes to `send`.
pub fn serve(listener: UnixListener, send: impl Fn(Query) -> bool + Send + Clone + 'static) {
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let send = send.clone();
                let worker = std::thread::Builder::new().name("control-client".into());
                // No thread to be had: the client sees a closed connection and asks again.
                let _ = worker.spawn(move || {
                    if let Err(error) = answer(&stream, &send) {
                        tracing::debug!(%error, "a control client went away");
                    }
                });
            }
        })
        .map_or_else(|error| tracing::error!(%error, "cannot serve the control socket"), drop);
}

fn answer(stream: &UnixStream, send: &impl Fn(Query) -> bool) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    if !peer.uid.is_root() && peer.uid != rustix::process::geteuid() {
        return reply(stream, &Answer::Refused("only root may ask this agent".into()));
    }
    let mut line = String::new();
    BufReader::new(stream.take(REQUEST_MAX)).read_line(&mut line)?;
    if line.is_empty() {
        // A peer that only looks who we are (the lock) sends nothing.
        return Ok(());
    }
    let request: Request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            return reply(stream, &Answer::Refused(format!("not a request: {error}")));
        }
    };
    let (to, from_loop) = mpsc::channel();
    let taken = send(Query { request, reply: to });
    let answer = if taken { from_loop.recv_timeout(PATIENCE).ok() } else { None };
    reply(stream, &answer.unwrap_or_else(|| Answer::Refused("the agent is stopping".into())))
}

fn reply(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(answer)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)
}

/// Why the agent does not listen on a path.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another process listens there.
    #[error("cannot listen on {}: another process does", path.display())]
    Busy {
        /// The path.
        path: PathBuf,
    },
    /// Something is there that is no socket of ours.
    #[error(
        "cannot listen on {}: {what} is there, which is left as it is; give another path, or \
         remove it", path.display()
    )]
    Occupied {
        /// The path.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// There is no folder for it.
    #[error(
        "cannot listen on {}: there is no folder {}; make it, or give another path",
        path.display(), folder.display()
    )]
    NoFolder {
        /// The path.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Whether the folder of a socket is ours to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// It is made if it is not there.
    Ours,
    /// It must be there.
    Anothers,
}

impl Folder {
    /// Of the socket at this path: ours are the default one's, and what is in the state directory.
    pub fn of(path: &Path, state_dir: &Path) -> Self {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        let default = Path::new(SOCKET_DEFAULT).parent();
        let ours = path.parent() == default || path.starts_with(state_dir);
        if ours && !climbs { Self::Ours } else { Self::Anothers }
    }
}

/// Listens on a path. A socket that nobody serves any more is replaced, and nothing else: the path
/// may have been mistyped.
pub fn listen(path: &Path, folder: Folder) -> Result<UnixListener, ListenError> {
    let failed = |source| ListenError::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        match folder {
            Folder::Ours => fs::create_dir_all(parent).map_err(failed)?,
            Folder::Anothers if parent.exists() => {}
            Folder::Anothers => {
                let (path, folder) = (path.to_owned(), parent.to_owned());
                return Err(ListenError::NoFolder { path, folder });
            }
        }
    }
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            make_way(path)?;
            UnixListener::bind(path).map_err(failed)
        }
        outcome => outcome.map_err(failed),
    }
}

/// Removes a socket that nobody serves.
pub(crate) fn make_way(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Io { path: path.to_owned(), source };
    let kind = fs::symlink_metadata(path).map_err(failed)?.file_type();
    if !kind.is_socket() {
        let what = match kind {
            kind if kind.is_file() => "a file",
            kind if kind.is_dir() => "a folder",
            kind if kind.is_symlink() => "a symlink",
            _ => "something that is no socket",
        };
        return Err(ListenError::Occupied { path: path.to_owned(), what });
    }
    match UnixStream::connect(path) {
        // What the kernel says of a stream socket without a listener (unix(7)).
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        // Gone by itself meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => {
            let what = "a socket of another kind";
            Err(ListenError::Occupied { path: path.to_owned(), what })
        }
        Err(source) => Err(failed(source)),
        Ok(_) => Err(ListenError::Busy { path: path.to_owned() }),
    }
}

/// Asks the agent that listens on a path, whichever network namespace it keeps.
pub fn ask(path: &Path, request: &Request) -> Result<Answer, AskError> {
    exchange(&UnixStream::connect(path).map_err(AskError::NoAgent)?, request)
}

/// Asks the agent of this network namespace: by the name of its lock, or, where somebody else has that
/// name, at the path, which agents of several namespaces may see.
pub fn ask_here(path: &Path, request: &Request) -> Result<Answer, AskError> {
    let by_lock = crate::lock::address().and_then(|address| UnixStream::connect_addr(&address));
    let stream = by_lock.or_else(|error| {
        let found = UnixStream::connect(path).ok();
        found.filter(is_of_this_namespace).ok_or(error)
    });
    exchange(&stream.map_err(AskError::NoAgent)?, request)
}

/// Whether the process at the other end is in the caller's network namespace. One that cannot be looked
/// at is taken for a stranger.
fn is_of_this_namespace(stream: &UnixStream) -> bool {
    let namespace = |of: &str| {
        let metadata = fs::metadata(format!("/proc/{of}/ns/net"));
        metadata.map(|metadata| (metadata.dev(), metadata.ino())).ok()
    };
    let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else { return false };
    let theirs = namespace(&peer.pid.as_raw_nonzero().to_string());
    theirs.is_some() && theirs == namespace("thread-self")
}

fn exchange(mut stream: &UnixStream, request: &Request) -> Result<Answer, AskError> {
    let mut converse = || -> io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(PATIENCE * 2))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bytes = serde_json::to_vec(request)?;
        bytes.push(b'\n');
        stream.write_all(&bytes)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let bytes = converse().map_err(AskError::Broken)?;
    serde_json::from_slice(&bytes).map_err(AskError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_at_the_shared_path_is_asked_only_if_it_is_in_this_network_namespace() {
        let (here, _peer) = UnixStream::pair().unwrap();
        assert!(is_of_this_namespace(&here));
        let elsewhere = netns::Namespace::create().unwrap();
        assert!(!elsewhere.run(move || is_of_this_namespace(&here)).unwrap());
    }

    #[test]
    fn a_question_is_answered_over_a_real_socket_and_garbage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/agent.sock");
        let listener = listen(&path, Folder::Ours).unwrap();
        serve(listener, |query: Query| {
            let answer =
                Answer::Data { json: Json::from(format!("{:?}", query.request)), text: None };
            query.reply.send(answer).is_ok()
        });
        let answer = ask(&path, &Request::Explain { query: "tcp 61000".into() }).unwrap();
        assert!(
            matches!(answer, Answer::Data { json: Json::String(s), .. } if s.contains("61000"))
        );

        let mut garbage = UnixStream::connect(&path).unwrap();
        garbage.write_all(b"{\"ask\":\"reboot\"}\n").unwrap();
        let mut text = String::new();
        garbage.read_to_string(&mut text).unwrap();
        assert!(text.contains("not a request"), "{text}");
    }

    #[test]
    fn a_socket_file_left_by_a_killed_agent_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        drop(listen(&path, Folder::Anothers).unwrap());
        let live = listen(&path, Folder::Anothers).unwrap();
        assert!(matches!(listen(&path, Folder::Ours), Err(ListenError::Busy { .. })));
        drop(live);
    }

    #[test]
    fn only_folders_of_ours_are_made_for_a_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mistyped/run/agent.sock");
        let error = listen(&path, Folder::Anothers).unwrap_err();
        assert!(error.to_string().contains("there is no folder"), "{error}");
        assert!(!dir.path().join("mistyped").exists());
        let of = |path: &str| Folder::of(path.as_ref(), "/var/lib/x".as_ref());
        for ours in [SOCKET_DEFAULT, "/run/netkeep/b.sock", "/var/lib/x/a/b.sock"] {
            assert_eq!(of(ours), Folder::Ours, "{ours}");
        }
        for other in ["/run/netkep/a.sock", "/var/lib/xy/a", "/var/lib/x/../y/a", "a.sock"] {
            assert_eq!(of(other), Folder::Anothers, "{other}");
        }
    }

    #[test]
    fn what_is_no_stale_socket_of_ours_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("notes"), "mine").unwrap();
        fs::create_dir(at("folder")).unwrap();
        drop(listen(&at("stale"), Folder::Ours).unwrap());
        std::os::unix::fs::symlink("stale", at("symlink")).unwrap();
        let datagrams = std::os::unix::net::UnixDatagram::bind(at("datagrams")).unwrap();
        for name in ["notes", "folder", "symlink", "datagrams"] {
            let error = listen(&at(name), Folder::Ours).unwrap_err();
            assert!(matches!(error, ListenError::Occupied { .. }), "{name}: {error:?}");
            let told = error.to_string();
            assert!(told.contains(name) && told.lines().count() == 1, "{told}");
        }
        assert_eq!(fs::read_to_string(at("notes")).unwrap(), "mine");
        assert!(at("folder").is_dir() && at("datagrams").exists());
        assert!(fs::symlink_metadata(at("symlink")).unwrap().is_symlink());
        drop(datagrams);
    }
}
