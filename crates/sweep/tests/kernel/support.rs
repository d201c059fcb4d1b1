//! Namespaces, programs, rule sets, and sweeps of them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netns::Namespace;
use sweep::{Backup, Force, Options, Restored, SweepError, Swept, What};
use xt::{Backend, Family};

pub(crate) const BACKENDS: [Backend; 2] = [Backend::Legacy, Backend::NftCompat];

/// A network namespace, a lock and a folder for backups.
pub(crate) struct Node {
    pub(crate) namespace: Namespace,
    pub(crate) folder: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new() -> Self {
        let namespace = Namespace::create().expect("a network namespace");
        Self { namespace, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.path().join("lock")
    }

    pub(crate) fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.json")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            force: Force::No,
            lock: self.lock(),
            patience: Duration::from_secs(30),
            watch: Duration::from_millis(10),
            backup: self.backup(),
            created: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    pub(crate) fn try_sweep(
        &self,
        backend: Backend,
        what: &What,
        options: &Options,
    ) -> Result<Swept, SweepError> {
        self.namespace.run(|| sweep::sweep(backend, what, options, &mut |_| {})).unwrap()
    }

    #[track_caller]
    pub(crate) fn sweep(&self, backend: Backend, what: &What) -> Swept {
        self.try_sweep(backend, what, &self.options()).unwrap_or_else(|error| panic!("{error:?}"))
    }

    #[track_caller]
    pub(crate) fn restore(&self) -> Restored {
        self.restore_from(&self.backup())
    }

    #[track_caller]
    pub(crate) fn restore_from(&self, path: &Path) -> Restored {
        self.try_restore_from(path, Force::No).unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub(crate) fn try_restore_from(
        &self,
        path: &Path,
        force: Force,
    ) -> Result<Restored, SweepError> {
        let backup = Backup::read(path).unwrap();
        let patience = Duration::from_secs(30);
        let options = sweep::ReturnOptions { force, lock: self.lock(), patience };
        self.namespace.run(|| sweep::restore(&backup, &options)).unwrap()
    }

    /// What of the backup is missing.
    pub(crate) fn missing(&self) -> Restored {
        let backup = Backup::read(&self.backup()).unwrap();
        self.namespace.run(|| sweep::what_is_missing(&backup).unwrap()).unwrap()
    }

    /// Runs a program; its output, if it succeeds.
    pub(crate) fn try_run(
        &self,
        program: &str,
        args: &[&str],
        input: &str,
    ) -> Result<String, String> {
        let mut command = Command::new(program);
        command
            .args(args)
            .env("XTABLES_LOCKFILE", self.lock())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.namespace.spawn(&mut command).map_err(|error| error.to_string())?;
        let text = input.to_owned();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(text.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program} {}: {}\n{stderr}{stdout}", args.join(" "), output.status))
    }

    #[track_caller]
    pub(crate) fn run(&self, program: &str, args: &[&str], input: &str) -> String {
        self.try_run(program, args, input).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Destroys all IP sets. The kernel lets go of what a deleted rule of nf_tables held
    /// in a worker, after the transaction is acknowledged
    /// (`nf_tables_trans_destroy_work`): until then a set is "in use".
    #[track_caller]
    pub(crate) fn destroy_sets(&self) {
        let end = Instant::now() + Duration::from_mins(1);
        while let Err(error) = self.try_run("ipset", &["destroy"], "") {
            assert!(error.contains("in use") && Instant::now() < end, "{error}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// One of iptables' programs.
    #[track_caller]
    pub(crate) fn tool(&self, of: Of, rest: &str, args: &[&str], input: &str) -> String {
        self.run(&of.program(rest), args, input)
    }

    #[track_caller]
    pub(crate) fn load(&self, of: Of, text: &str) {
        self.tool(of, "-restore", &["--counters"], text);
    }

    /// What iptables-save prints, without its comments.
    #[track_caller]
    pub(crate) fn saved(&self, of: Of) -> String {
        let text = self.tool(of, "-save", &["--counters"], "");
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
    }

    #[track_caller]
    pub(crate) fn plain(&self, of: Of) -> String {
        without_counters(&self.saved(of))
    }
}

/// A backend and a family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of(pub(crate) Backend, pub(crate) Family);

impl Of {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        BACKENDS.into_iter().flat_map(|backend| Family::BOTH.map(|family| Self(backend, family)))
    }

    pub(crate) fn program(self, rest: &str) -> String {
        let backend = match self.0 {
            Backend::Legacy => "legacy",
            Backend::NftCompat => "nft",
        };
        match self.1 {
            Family::V4 => format!("iptables-{backend}{rest}"),
            Family::V6 => format!("ip6tables-{backend}{rest}"),
        }
    }
}

/// Without the counters of rules and chains.
pub(crate) fn without_counters(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = match (line.strip_prefix('['), line.starts_with(':')) {
            (Some(rest), _) => rest.split_once("] ").map_or(rest, |(_, rule)| rule),
            (None, true) => line.split_once(" [").map_or(line, |(chain, _)| chain),
            (None, false) => line,
        };
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[track_caller]
pub(crate) fn assert_same_text(ours: &str, theirs: &str) {
    if ours == theirs {
        return;
    }
    let different = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    let (count, their_count) = (ours.lines().count(), theirs.lines().count());
    panic!("the texts differ ({count} and {their_count} lines), first at:\n{different:#?}");
}

pub(crate) fn of(name: &str) -> What {
    What::Of(sweep::system(name).unwrap())
}

pub(crate) fn matching(pattern: &str) -> What {
    What::Match(sweep::Pattern::new(pattern))
}
