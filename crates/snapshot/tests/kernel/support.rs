//! A namespace, tools inside it, a look at it.

use std::process::Command;

use doctor::assemble::Assembler;
use doctor::snapshot::{Part, Snapshot};
use netns::Namespace;
use snapshot::Options;

/// A namespace of its own.
pub(crate) struct Node(pub(crate) Namespace);

impl Node {
    pub(crate) fn new() -> Self {
        Self(Namespace::create().unwrap())
    }

    /// Runs a tool with text as its input; what it prints.
    #[track_caller]
    pub(crate) fn tool(&self, line: &str, input: &str) -> String {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        lab::run(&self.0, command.args(words), input)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Runs each line as a command of this tool.
    #[track_caller]
    pub(crate) fn each(&self, tool: &str, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.tool(&format!("{tool} {line}"), "");
        }
    }

    /// The namespace as it is, without asking anything outside of it.
    pub(crate) fn look(&self) -> Snapshot {
        self.look_with(Options { ovsdb: "/nonexistent/db.sock".into(), ..Options::default() })
    }

    pub(crate) fn look_with(&self, options: Options) -> Snapshot {
        self.0.run(|| snapshot::take(options)).unwrap()
    }
}

/// What a part holds; panics with the reason if it is absent.
#[track_caller]
pub(crate) fn known<T>(part: &Part<T>) -> &T {
    match part {
        Part::Known(value) => value,
        Part::Absent(why) => panic!("absent: {why}"),
    }
}

/// A snapshot of what a tool printed.
pub(crate) fn assembled(name: &str, text: &str) -> Snapshot {
    let mut assembler = Assembler::default();
    assembler.add(name, text.as_bytes()).unwrap();
    assembler.finish()
}
