//! Namespaces, programs, and what they print.

use std::cell::RefCell;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use netns::Namespace;
use xt::Family;

thread_local! {
    static LOCK: RefCell<PathBuf> = RefCell::default();
}

/// Runs `work` in a new network namespace.
#[track_caller]
pub(crate) fn in_new_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock");
    let namespace = Namespace::create().expect("a network namespace");
    let work = || {
        LOCK.set(lock);
        work()
    };
    namespace.run(work).expect("to enter it")
}

/// The xtables lock of the calling thread's namespace: the usual one is one file for all of them.
pub(crate) fn lock_file() -> PathBuf {
    LOCK.with_borrow(Clone::clone)
}

/// Runs a program in the calling thread's namespace; its output, if it succeeds.
pub(crate) fn try_run(program: &str, args: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    let mut child = command
        .env("XTABLES_LOCKFILE", lock_file())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let text = input.to_owned();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(text.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(stdout)
    } else {
        Err(format!("{program} {}: {}\n{stderr}{stdout}", args.join(" "), output.status))
    }
}

#[track_caller]
pub(crate) fn run(program: &str, args: &[&str], input: &str) -> String {
    try_run(program, args, input).unwrap_or_else(|error| panic!("{error}"))
}

/// `iptables-legacy-restore` and the like.
pub(crate) fn tool(family: Family, rest: &str) -> String {
    match family {
        Family::V4 => format!("iptables-{rest}"),
        Family::V6 => format!("ip6tables-{rest}"),
    }
}

/// A text without its comments and without the numbers of its counters.
pub(crate) fn stripped(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match (line.starts_with(':'), line.find(" [")) {
            (true, Some(at)) => out.push_str(&line[..at]),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// What this crate prints, stripped likewise.
pub(crate) fn printed(ruleset: &xt::Ruleset) -> String {
    let mut bytes = Vec::new();
    xt::text::save(ruleset, xt::text::Shown::Plain, &mut bytes).unwrap();
    stripped(&String::from_utf8(bytes).unwrap())
}

/// Differences a person can read: the first lines that are not the same.
#[track_caller]
pub(crate) fn assert_same_text(ours: &str, theirs: &str) {
    if ours == theirs {
        return;
    }
    let mut lines = ours.lines().zip(theirs.lines());
    let different = lines.find(|(ours, theirs)| ours != theirs);
    let (count, their_count) = (ours.lines().count(), theirs.lines().count());
    panic!("ours and theirs differ ({count} and {their_count} lines), first at:\n{different:#?}");
}

/// Every rule, table by table.
pub(crate) fn rules(ruleset: &xt::Ruleset) -> impl Iterator<Item = &xt::Rule> {
    ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules)
}
