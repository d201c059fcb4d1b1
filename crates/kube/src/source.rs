//! The three watches as one source.
//!
//! Invariants: before every kind has been listed once nothing is told but what goes wrong, and then
//! everything in one message: ports and addresses are settled with all claims known, not with the
//! first that came. Afterwards each event is told as it comes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manifest::ObjectName;
use model::{Event, Finding, Hold, ObjectKind};

use crate::door::Door;
use crate::gate::{Gate, KINDS, State};
use crate::known::Known;
use crate::watch::Watch;

/// Whether an empty list is believed where objects were known, or where the kernel holds what some
/// object wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyList {
    /// It is not: nothing is deleted because of it.
    IsDoubted,
    /// It is.
    IsBelieved,
}

/// What is watched, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node whose Pods count.
    pub node: String,
    /// Whether empty lists are believed.
    pub empty: EmptyList,
    /// Whether the kernel held something of ours at the start.
    pub adopted: bool,
    /// A watch of which nothing was heard for so long, not even a bookmark, is not fresh. API
    /// servers send a bookmark about once a minute.
    pub stale_after: Duration,
    /// How long a watch may last before the server ends it: at most; each is given between half of
    /// it and all of it.
    pub watch_timeout: Duration,
    /// First and longest wait after something went wrong.
    pub retry: (Duration, Duration),
}

impl Options {
    /// The defaults for a node.
    pub fn of(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            empty: EmptyList::IsDoubted,
            adopted: false,
            stale_after: Duration::from_secs(100),
            watch_timeout: Duration::from_secs(580),
            retry: (Duration::from_millis(250), Duration::from_secs(30)),
        }
    }
}

/// What the source says, each time something has changed.
#[derive(Debug, Clone)]
pub struct Message {
    /// What happened to objects, in order.
    pub events: Vec<Event>,
    /// Everything that is wrong with the source and its objects now.
    pub problems: Vec<Finding>,
    /// Why nothing may be deleted now, if so.
    pub hold: Option<Hold>,
    /// Objects that exist and were never understood.
    pub unknown: BTreeSet<ObjectName>,
    /// Which kinds are up to date.
    pub fresh: Vec<(ObjectKind, bool)>,
    /// Whether every kind has been listed once.
    pub listed: bool,
    /// When the bytes arrived.
    pub received: Instant,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Source {
    door: Arc<Door>,
    options: Options,
}

impl Source {
    /// A source that has not asked yet.
    pub const fn new(door: Arc<Door>, options: Options) -> Self {
        Self { door, options }
    }

    /// Watches until the listener says that nobody listens any more.
    pub async fn run(self, listener: impl FnMut(Message) -> ControlFlow<()>) {
        let listener: RefCell<Listener<'_>> = RefCell::new(Box::new(listener));
        let shared = Shared {
            listener,
            gate: RefCell::new(Gate::new()),
            early: RefCell::default(),
            wrong: RefCell::default(),
            over: Cell::new(false),
        };
        let watch = |kind| Watch::new(kind, &self.door, &self.options, &shared).run();
        let [node, pods, services] = KINDS.map(watch);
        tokio::join!(node, pods, services);
    }
}

/// What is wrong with the objects of a kind, and which were never understood.
type Wrong = (Vec<Finding>, BTreeSet<ObjectName>);
type Listener<'l> = Box<dyn FnMut(Message) -> ControlFlow<()> + 'l>;

/// What the watches have in common. They take turns on one thread.
pub(crate) struct Shared<'l> {
    listener: RefCell<Listener<'l>>,
    gate: RefCell<Gate>,
    /// What was said before every kind was listed.
    early: RefCell<Vec<Event>>,
    /// What is wrong with objects, by kind.
    wrong: RefCell<BTreeMap<ObjectKind, Wrong>>,
    over: Cell<bool>,
}

impl Shared<'_> {
    /// Whether nobody listens any more.
    pub(crate) const fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Whether a kind is fresh.
    pub(crate) fn is_fresh(&self, kind: ObjectKind) -> bool {
        self.gate.borrow().is_fresh(kind)
    }

    /// A kind is so now.
    pub(crate) fn set(&self, kind: ObjectKind, state: State, known: &Known) {
        let news = self.gate.borrow_mut().set(kind, state);
        let wrong = self.note(kind, known);
        if news || wrong {
            self.say(Vec::new(), Instant::now());
        }
    }

    /// Something went wrong with a kind.
    pub(crate) fn failed(&self, kind: ObjectKind, why: String, known: &Known) {
        self.gate.borrow_mut().failed(kind, why);
        self.note(kind, known);
        self.say(Vec::new(), Instant::now());
    }

    /// Objects changed.
    pub(crate) fn tell(&self, kind: ObjectKind, events: Vec<Event>, at: Instant, known: &Known) {
        let wrong = self.note(kind, known);
        if !events.is_empty() || wrong {
            self.say(events, at);
        }
    }

    /// Notes what is wrong with the objects of a kind; answers whether that is news.
    fn note(&self, kind: ObjectKind, known: &Known) -> bool {
        let wrong = (known.problems().cloned().collect(), known.unknown().cloned().collect());
        let mut all = self.wrong.borrow_mut();
        let before = all.get(&kind);
        let news = before.map_or(wrong != (Vec::new(), BTreeSet::new()), |b| *b != wrong);
        if news {
            all.insert(kind, wrong);
        }
        news
    }

    fn say(&self, events: Vec<Event>, received: Instant) {
        let mut gate = self.gate.borrow_mut();
        let events = if gate.is_first_time_in_sync() {
            let mut early = self.early.take();
            early.extend(events);
            early
        } else if gate.is_listed() {
            events
        } else {
            self.early.borrow_mut().extend(events);
            Vec::new()
        };
        let wrong = self.wrong.borrow();
        let mut problems = gate.problems();
        problems.extend(wrong.values().flat_map(|(problems, _)| problems).cloned());
        let message = Message {
            events,
            problems,
            hold: gate.hold(),
            unknown: wrong.values().flat_map(|(_, unknown)| unknown).cloned().collect(),
            fresh: KINDS.map(|kind| (kind, gate.is_fresh(kind))).to_vec(),
            listed: gate.is_listed(),
            received,
        };
        drop((gate, wrong));
        if (self.listener.borrow_mut())(message).is_break() {
            self.over.set(true);
        }
    }
}
