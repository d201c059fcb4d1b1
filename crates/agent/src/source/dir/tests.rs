use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{Event, Object, ObjectKind};
use tempfile::TempDir;

use super::*;

mod availability;
mod damage;
mod files;
mod links;
mod scale;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a test watches that something does not come; longer than any quiet time.
const A_WHILE: Duration = Duration::from_millis(1500);

pub(super) fn pod(name: &str, ip: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, uid: uid-{name}}}\nstatus: {{podIP: {ip}}}\n"
    )
}

/// What a receiver of all messages believes.
#[derive(Debug, Default)]
pub(super) struct Belief {
    /// Address by name.
    pods: BTreeMap<String, String>,
    deleted: Vec<String>,
    applied: Vec<String>,
    problems: Vec<Finding>,
    hold: Option<String>,
    unread: Option<String>,
    unknown: Vec<String>,
    listed: usize,
    messages: usize,
}

impl Belief {
    fn take(&mut self, message: SourceMessage) {
        self.messages += 1;
        for event in message.events {
            match event {
                Event::Listed { kinds, objects } => {
                    assert_eq!(self.listed, 0, "only the first message lists");
                    assert_eq!(kinds.len(), 3);
                    self.listed += 1;
                    for object in objects {
                        self.apply(object);
                    }
                }
                Event::Applied(object) => self.apply(object),
                Event::Deleted { kind, namespace, name, uid } => {
                    assert_eq!((kind, &*namespace), (ObjectKind::Pod, "default"));
                    assert!(uid.is_some());
                    assert!(self.pods.remove(&*name).is_some(), "{name} was never told of");
                    self.deleted.push(name.into());
                }
            }
        }
        self.problems = message.problems;
        self.hold = message.hold.map(|hold| hold.reason);
        self.unread = message.unread.map(|unread| unread.reason);
        self.unknown = message.unknown.iter().map(ToString::to_string).collect();
        for problem in &self.problems {
            assert!(!problem.advice.is_empty() && !problem.message.is_empty(), "{problem:?}");
        }
    }

    fn apply(&mut self, object: Object) {
        assert!(self.listed == 1);
        let Object::Pod(pod) = object else { return };
        let ip = pod.pod_ips.first().map(ToString::to_string).unwrap_or_default();
        self.applied.push(pod.meta.name.to_string());
        self.pods.insert(pod.meta.name.to_string(), ip);
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.pods.keys().map(String::as_str).collect()
    }

    /// Whether a finding says all of this.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        self.problems.iter().any(|finding| {
            let all = format!(
                "{} {} {} {}",
                finding.code, finding.subject, finding.message, finding.advice
            );
            words.iter().all(|word| all.contains(word))
        })
    }
}

/// A watched folder in a directory of its own.
pub(super) struct World {
    pub(super) home: TempDir,
    pub(super) root: PathBuf,
    pub(super) belief: Belief,
    receiver: Receiver<SourceMessage>,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), WatchError>>>,
}

impl World {
    /// Watches `home/pods`, which `prepare` may have made.
    pub(super) fn new(options: DirOptions, prepare: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("pods");
        prepare(&root);
        Self::watch(home, root, options)
    }

    pub(super) fn watch(home: TempDir, root: PathBuf, options: DirOptions) -> Self {
        let source = DirSource::open(&root, options).unwrap();
        let (sender, receiver) = mpsc::channel();
        let stop = source.stopper();
        let thread = Some(std::thread::spawn(move || source.watch(&sender)));
        let mut world = Self { home, root, belief: Belief::default(), receiver, stop, thread };
        world.until("the first message", |belief| belief.messages == 1);
        world
    }

    /// Takes messages until the receiver believes this.
    #[track_caller]
    pub(super) fn until(&mut self, what: &str, believes: impl Fn(&Belief) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !believes(&self.belief) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(left) {
                Ok(message) => self.belief.take(message),
                Err(error) => panic!("{what}: {error}; {:#?}", self.belief),
            }
        }
    }

    #[track_caller]
    pub(super) fn until_names(&mut self, names: &[&str]) {
        self.until(&format!("{names:?}"), |belief| belief.names() == names);
    }

    /// Takes whatever comes in a while.
    pub(super) fn a_while(&mut self) {
        let deadline = Instant::now() + A_WHILE;
        loop {
            match self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(message) => self.belief.take(message),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the watch has ended"),
            }
        }
    }

    pub(super) fn write(&self, file: &str, text: &str) {
        fs::write(self.root.join(file), text).unwrap();
    }

    pub(super) fn remove(&self, file: &str) {
        fs::remove_file(self.root.join(file)).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.stop();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// A folder with pod `a` in `a.yaml` and pod `b` in `b.yaml`.
pub(super) fn two(root: &Path) {
    fs::create_dir(root).unwrap();
    fs::write(root.join("a.yaml"), pod("a", "10.0.0.1")).unwrap();
    fs::write(root.join("b.yaml"), pod("b", "10.0.0.2")).unwrap();
}

pub(super) fn world_of_two() -> World {
    let mut world = World::new(DirOptions::default(), two);
    world.until_names(&["a", "b"]);
    assert_eq!((world.belief.messages, world.belief.listed), (1, 1));
    assert_eq!((world.belief.hold.as_deref(), world.belief.problems.len()), (None, 0));
    world
}
