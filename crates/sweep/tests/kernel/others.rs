//! Other programs: their changes are not lost, their locks are waited for, their rules are left to
//! them while they run.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sweep::{Force, Refusal, Step, SweepError, What};
use xt::legacy::LockError;
use xt::{Backend, Family};

use crate::rules;
use crate::support::*;

/// Waits for something, with an end.
#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a writer, also after a failure.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn rules_that_others_write_while_a_sweep_runs_are_not_lost() {
    for of_backend in Of::all() {
        let node = Node::new();
        node.load(of_backend, &rules::copies(100));
        let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut rules = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let number = rules.len().to_string();
                    for chain in ["INPUT", "FORWARD"] {
                        let rule =
                            [chain, "-m", "comment", "--comment", &number, "-j", "ACCEPT", "-w"];
                        node.tool(of_backend, "", &[&["-A"], &rule[..]].concat(), "");
                        // every third one goes again
                        if rules.len() % 3 == 0 {
                            node.tool(of_backend, "", &[&["-D"], &rule[..]].concat(), "");
                        }
                    }
                    rules.push(number);
                    written.store(rules.len(), Ordering::Relaxed);
                    // nf_tables has one generation for all: whoever reads must get a chance
                    std::thread::sleep(Duration::from_millis(500));
                }
                rules
            });
            let stopping = Stop(&stop);
            until("the first writes", || written.load(Ordering::Relaxed) >= 2);
            let swept = node.sweep(of_backend.0, &What::Duplicates);
            assert_eq!(swept.selection.rules.len(), 99);
            let then = written.load(Ordering::Relaxed);
            until("more writes", || written.load(Ordering::Relaxed) >= then + 2);
            drop(stopping);
            let rules = writer.join().unwrap();
            let text = node.plain(of_backend);
            for chain in ["INPUT", "FORWARD"] {
                let theirs: Vec<String> = rules
                    .iter()
                    .enumerate()
                    .filter(|(number, _)| number % 3 != 0)
                    .map(|(_, rule)| format!("-A {chain} -m comment --comment {rule} -j ACCEPT"))
                    .collect();
                let start = format!("-A {chain} -m comment --comment ");
                let mine = |line: &&str| line.starts_with(&start) && line.ends_with("ACCEPT");
                let found: Vec<&str> = text.lines().filter(mine).collect();
                assert_eq!(found, theirs, "{of_backend:?}");
            }
        });
    }
}

/// Copies of nf_tables go in steps of a thousand: each step is for one generation.
#[test]
fn a_change_between_two_steps_is_not_lost_and_the_backup_has_all_that_went() {
    let node = Node::new();
    let of_backend = Of(Backend::NftCompat, Family::V4);
    node.load(of_backend, &rules::copies(3_000));
    let before = node.plain(of_backend);
    let mut times = 0;
    let mut step = |step: Step| {
        if step == Step::Changed && times < 2 {
            times += 1;
            let comment = format!("late {times}");
            let rule = ["-m", "comment", "--comment", &comment, "-j", "ACCEPT"];
            node.tool(of_backend, "", &[&["-I", "FORWARD", "2"], &rule[..]].concat(), "");
        }
    };
    let options = node.options();
    let work = || sweep::sweep(of_backend.0, &What::Duplicates, &options, &mut step).unwrap();
    let swept = run_here(&node.namespace, work);
    assert_eq!((times, swept.selection.rules.len()), (2, 2_999));
    let text = node.plain(of_backend);
    assert_eq!(text.matches("-j KUBE-ROUTER-FORWARD").count(), 1, "{text}");
    assert_eq!(text.matches("--comment \"late").count(), 2, "{text}");
    node.restore();
    let others = |line: &&str| !line.contains("--comment \"late");
    let restored = node.plain(of_backend);
    let restored: Vec<&str> = restored.lines().filter(others).collect();
    assert_same_text(&format!("{}\n", restored.join("\n")), &before);
}

#[test]
fn a_change_between_the_look_and_the_change_is_seen_and_everything_is_decided_again() {
    for of_backend in Of::all() {
        let node = Node::new();
        node.load(of_backend, &rules::copies(20));
        let other_lock = node.folder.path().join("other-lock");
        let mut times = 0;
        let mut step = |step: Step| {
            if step == Step::BackedUp && times < 3 {
                times += 1;
                // a program that does not take the lock: the first copy goes, another one comes
                let lock = format!("XTABLES_LOCKFILE={}", other_lock.display());
                let program = of_backend.program("");
                let run = |args: &[&str]| {
                    node.run("env", &[&[lock.as_str(), &program], args].concat(), "")
                };
                run(&["-D", "FORWARD", "1"]);
                run(&[
                    "-A",
                    "FORWARD",
                    "-s",
                    ["::1", "1.1.1.1"][usize::from(of_backend.1 == Family::V4)],
                    "-m",
                    "comment",
                    "--comment",
                    "late",
                    "-j",
                    "DROP",
                ]);
            }
        };
        let options = node.options();
        let work = || sweep::sweep(of_backend.0, &What::Duplicates, &options, &mut step).unwrap();
        let swept = std::thread::scope(|_| {
            let mut work = Some(work);
            let namespace = node.namespace.try_clone().unwrap();
            run_here(&namespace, work.take().unwrap())
        });
        assert_eq!(times, 3);
        let text = node.plain(of_backend);
        // one of the copies is left although the first ones went, and of the late ones the first
        assert_eq!(text.matches("-j KUBE-ROUTER-FORWARD").count(), 1, "{text}");
        assert_eq!(text.matches("--comment late").count(), 1, "{text}");
        let late = |rule: &&sweep::Picked| rule.rule.contains("late");
        assert_eq!(swept.selection.rules.iter().filter(late).count(), 2);
        // the backup has what went in the end, not what should have gone first
        let restored = node.restore();
        assert_eq!(restored.rules.len(), swept.selection.rules.len());
    }
}

/// Runs work that is not `Send` inside the namespace, on this thread, which is the test's own.
fn run_here<T>(namespace: &netns::Namespace, work: impl FnOnce() -> T) -> T {
    namespace.enter_on_this_thread().unwrap();
    work()
}

#[test]
fn a_lock_that_is_held_is_waited_for_and_then_its_holder_named() {
    let node = Node::new();
    let of_backend = Of(Backend::Legacy, Family::V4);
    node.load(of_backend, &rules::copies(5));
    // flock(1) stands for a program that holds it
    let child =
        Command::new("flock").arg("-o").arg(node.lock()).args(["sleep", "60"]).spawn().unwrap();
    let child = Running(child);
    until("the lock", || !xt::legacy::lock_holders(node.lock()).unwrap().is_empty());
    let options = sweep::Options { patience: Duration::from_millis(50), ..node.options() };
    let error = node.try_sweep(Backend::Legacy, &What::Duplicates, &options).unwrap_err();
    let SweepError::Lock(LockError::Held { holders, .. }) = &error else { panic!("{error:?}") };
    assert!(holders.iter().any(|holder| holder.pid == child.0.id()), "{error:?}");
    assert!(!node.backup().exists());
    std::thread::scope(|scope| {
        let sweep = scope.spawn(|| node.sweep(Backend::Legacy, &What::Duplicates));
        std::thread::sleep(Duration::from_millis(100));
        drop(child);
        assert_eq!(sweep.join().unwrap().selection.rules.len(), 4);
    });
}

/// A process in the namespace that is called so.
fn start(node: &Node, namespace: &netns::Namespace, name: &str) -> Running {
    let program = node.folder.path().join(name);
    if !program.exists() {
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    }
    let mut command = Command::new(&program);
    command.arg("600").stdin(Stdio::null());
    let child = Running(namespace.spawn(&mut command).unwrap());
    let comm = format!("/proc/{}/comm", child.0.id());
    until("its name", || fs::read_to_string(&comm).unwrap().trim() == name);
    child
}

#[test]
fn rules_of_a_program_that_runs_are_left_to_it_unless_forced() {
    for backend in BACKENDS {
        let node = Node::new();
        node.load(Of(backend, Family::V4), &rules::copies(5));
        let before = node.plain(Of(backend, Family::V4));
        // one in another namespace does not count
        let elsewhere = netns::Namespace::create().unwrap();
        let _other = start(&node, &elsewhere, "kube-router");
        assert_eq!(
            node.namespace
                .run(|| sweep::programs(&[sweep::system("kube-router").unwrap()].into()))
                .unwrap(),
            []
        );
        let running = start(&node, &node.namespace, "kube-router");
        for what in [of("kube-router"), What::Duplicates, matching("KUBE-*")] {
            let error = node.try_sweep(backend, &what, &node.options()).unwrap_err();
            let SweepError::Refused(Refusal::Running { programs, elsewhere: None }) = &error else {
                panic!("{error:?}")
            };
            assert_eq!(
                (programs[0].pid, programs[0].name.as_str()),
                (running.0.id(), "kube-router")
            );
            let text = error.to_string();
            assert!(text.contains("kube-router (pid ") && text.contains("--force"), "{text}");
        }
        // rules of others are no business of it
        assert!(node.sweep(backend, &of("calico")).selection.is_empty());
        assert_same_text(&node.plain(Of(backend, Family::V4)), &before);
        // leftovers of its other backend
        let other = BACKENDS.into_iter().find(|other| *other != backend).unwrap();
        node.load(Of(other, Family::V4), &rules::copies(5));
        let error = node.try_sweep(backend, &of("kube-router"), &node.options()).unwrap_err();
        assert!(error.to_string().contains(&format!("rules in {other} too")), "{error}");
        let options = sweep::Options { force: Force::Yes, ..node.options() };
        let swept = node.try_sweep(backend, &of("kube-router"), &options).unwrap();
        assert!(!swept.selection.is_empty());
    }
}

#[test]
fn rules_that_change_while_one_looks_are_left_alone() {
    for backend in BACKENDS {
        let node = Node::new();
        let of_backend = Of(backend, Family::V4);
        node.load(of_backend, &rules::copies(5));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let args = [
                        "-A",
                        "FORWARD",
                        "-m",
                        "comment",
                        "--comment",
                        "x",
                        "-j",
                        "KUBE-ROUTER-FORWARD",
                        "-w",
                    ];
                    node.tool(of_backend, "", &args, "");
                }
            });
            let options = sweep::Options { watch: Duration::from_secs(2), ..node.options() };
            let stopping = Stop(&stop);
            let result = node.try_sweep(backend, &of("kube-router"), &options);
            drop(stopping);
            let error = result.unwrap_err();
            match &error {
                SweepError::Refused(Refusal::Changing { chain }) => assert_eq!(chain, "FORWARD"),
                // A writer that is fast enough lets nobody read a whole: left alone as well.
                SweepError::Nft(error) => assert!(format!("{error:?}").contains("Changing")),
                error => panic!("{error:?}"),
            }
        });
        assert!(!node.backup().exists());
    }
}
