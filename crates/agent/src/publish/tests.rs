use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const JSON: &str = r#"[{"podPort":8080,"nodeIP":"192.168.0.1","nodePort":61000,"protocol":"tcp","ipFamily":"IPv4"}]"#;
const PATIENCE: Duration = Duration::from_secs(20);

fn pod(namespace: &str, name: &str) -> PodRef {
    let uid = Uid::new(format!("uid-{namespace}-{name}"));
    PodRef { namespace: namespace.into(), name: name.into(), uid }
}

fn value(text: &str) -> Patch {
    Patch::Value(text.to_owned())
}

fn home() -> (TempDir, Publisher) {
    let home = tempfile::tempdir().unwrap();
    let publisher = Publisher::new(home.path());
    (home, publisher)
}

fn said(found: &ReadBack) -> Vec<(String, Option<&str>)> {
    let said = |published: &Published| {
        let PodRef { namespace, name, uid } = &published.pod;
        format!("{namespace}/{name} {uid}")
    };
    found.published.iter().map(|p| (said(p), p.annotation.as_deref())).collect()
}

#[test]
fn a_file_is_a_merge_patch_at_the_documented_place() {
    let (home, mut publisher) = home();
    assert_eq!(publisher.publish(&pod("shop", "web-0"), &value(JSON)).unwrap(), Wrote::Changed);
    let text = fs::read_to_string(home.path().join("published/pods/shop/web-0.yaml")).unwrap();
    assert_eq!(
        text,
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-0\n  namespace: shop\n  uid: \
             uid-shop-web-0\n  annotations:\n    nodeportlocal.antrea.io: '{JSON}'\n# as netkeep \
             wrote it: 84432567ac104e38\n"
        )
    );
    publisher.publish(&pod("shop", "web-0"), &Patch::Null).unwrap();
    let text = fs::read_to_string(home.path().join("published/pods/shop/web-0.yaml")).unwrap();
    assert!(text.contains("    nodeportlocal.antrea.io: null\n"));
}

#[test]
fn a_file_tells_our_word_in_whichever_life_from_what_others_made_of_it() {
    let (home, mut publisher) = home();
    let path = home.path().join("published/pods/shop/web-0.yaml");
    let author = || Publisher::new(home.path()).read_all().published.remove(0).author;
    for patch in [value(JSON), value("it's"), Patch::Null] {
        publisher.publish(&pod("shop", "web-0"), &patch).unwrap();
        assert_eq!(author(), Author::Us, "{patch:?}");
    }
    publisher.publish(&pod("shop", "web-0"), &value(JSON)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let unsigned = text.split("# as").next().unwrap().to_owned();
    let others = [
        text.replace("61000", "61001"),
        text.replace("uid-shop-web-0", "uid-of-another"),
        text.replace(&format!("'{JSON}'"), "null"),
        unsigned,
    ];
    for other in others {
        fs::write(&path, &other).unwrap();
        assert_eq!(author(), Author::Another, "{other}");
    }
}

#[test]
fn whatever_is_published_is_read_back_as_it_was() {
    let (home, mut publisher) = home();
    let values = [JSON, " ", "it's", "a\nb\u{0}\u{1f600}\u{7f}\"\\", "\u{feff}", "null", "1"];
    let names = ["a", "true", "null", "1e3", "0", "a.b-c", &"n".repeat(253)];
    let mut want = Vec::new();
    for (value_, name) in values.iter().zip(names) {
        let mut pod = pod("default", name);
        pod.uid = Uid::new(format!("0x{name:.20}"));
        publisher.publish(&pod, &value(value_)).unwrap();
        want.push((format!("default/{name} {}", pod.uid), Some(*value_)));
    }
    publisher.publish(&pod("other", "gone"), &Patch::Null).unwrap();
    want.sort();
    want.push(("other/gone uid-other-gone".to_owned(), None));
    let found = Publisher::new(home.path()).read_all();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(said(&found), want);
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let (home, mut publisher) = home();
    let path = home.path().join("published/pods/default/a.yaml");
    publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    for mut publisher in [publisher, Publisher::new(home.path())] {
        let wrote = publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
        assert_eq!(wrote, Wrote::AlreadyThere);
    }
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn nothing_to_say_removes_the_file_and_the_empty_folder() {
    let (home, mut publisher) = home();
    publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
    publisher.publish(&pod("default", "b"), &value(JSON)).unwrap();
    let nothing = |publisher: &mut Publisher, name| {
        publisher.publish(&pod("default", name), &Patch::Nothing).unwrap()
    };
    assert_eq!(nothing(&mut publisher, "a"), Wrote::Changed);
    assert_eq!(nothing(&mut publisher, "a"), Wrote::AlreadyThere);
    assert_eq!(publisher.remove("default", "b").unwrap(), Wrote::Changed);
    assert_eq!(publisher.remove("elsewhere", "b").unwrap(), Wrote::AlreadyThere);
    assert_eq!(fs::read_dir(home.path().join("published/pods")).unwrap().count(), 0);
}

#[test]
fn files_that_make_no_sense_are_named_and_the_others_are_read() {
    let (home, mut publisher) = home();
    publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
    let folder = home.path().join("published/pods/default");
    let text = fs::read_to_string(folder.join("a.yaml")).unwrap();
    fs::write(folder.join("b.yaml"), &text).unwrap();
    fs::write(folder.join("c.yaml"), &text[..70]).unwrap();
    fs::write(folder.join("d.yaml"), [0xff]).unwrap();
    fs::write(folder.join("e.yaml"), "").unwrap();
    fs::write(folder.join("f.yaml"), vec![b'#'; 2 << 20]).unwrap();
    symlink("a.yaml", folder.join("g.yaml")).unwrap();
    fs::create_dir(folder.join("h.yaml")).unwrap();
    let mode = rustix::fs::Mode::from(0o600);
    let cwd = rustix::fs::CWD;
    rustix::fs::mknodat(cwd, folder.join("i.yaml"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    fs::write(folder.join(TEMPORARY), "half").unwrap();
    let found = publisher.read_all();
    assert_eq!(said(&found), [("default/a uid-default-a".to_owned(), Some(JSON))]);
    let mut bad: Vec<_> = found.problems.iter().map(|p| p.path.file_name().unwrap()).collect();
    bad.sort();
    assert_eq!(
        bad,
        ["b.yaml", "c.yaml", "d.yaml", "e.yaml", "f.yaml", "g.yaml", "h.yaml", "i.yaml"]
    );
    // each of them is replaced when it is wanted, except a folder, which is not ours to remove
    for name in ["b", "c", "d", "e", "f", "g", "i"] {
        publisher.publish(&pod("default", name), &value(JSON)).unwrap();
    }
    assert!(publisher.publish(&pod("default", "h"), &value(JSON)).is_err());
    fs::remove_dir(folder.join("h.yaml")).unwrap();
    let found = publisher.read_all();
    assert_eq!((found.published.len(), found.problems.len()), (8, 0), "{found:?}");
}

#[test]
fn a_sweep_removes_what_nobody_wants_and_what_a_killed_writer_left() {
    let (home, mut publisher) = home();
    for (namespace, name) in [("one", "a"), ("one", "b"), ("two", "c")] {
        publisher.publish(&pod(namespace, name), &value(JSON)).unwrap();
    }
    let pods = home.path().join("published/pods");
    for namespace in ["one", "two"] {
        fs::write(pods.join(namespace).join(TEMPORARY), "half").unwrap();
    }
    fs::write(pods.join("one/notes.txt"), "mine").unwrap();
    let wanted = BTreeSet::from([("one".into(), "a".into()), ("three".into(), "x".into())]);
    let problems = Publisher::new(home.path()).sweep(&wanted);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(said(&publisher.read_all()).len(), 1);
    let mut left: Vec<_> =
        fs::read_dir(pods.join("one")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.yaml", "notes.txt"]);
    assert!(!pods.join("two").exists());
}

#[test]
fn nothing_published_is_no_problem() {
    let (_home, mut publisher) = home();
    let found = publisher.read_all();
    assert!(found.published.is_empty() && found.problems.is_empty());
    assert!(publisher.sweep(&BTreeSet::new()).is_empty());
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_and_what_was_there_stays() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("published"), "in the way").unwrap();
    let mut publisher = Publisher::new(home.path());
    let error = publisher.publish(&pod("default", "a"), &value(JSON)).unwrap_err();
    assert!(error.to_string().starts_with("cannot make the folder "), "{error}");
    fs::remove_file(home.path().join("published")).unwrap();
    assert_eq!(publisher.publish(&pod("default", "a"), &value(JSON)).unwrap(), Wrote::Changed);
}

/// What the next test does in a mount namespace of its own, on a disk of a few pages.
#[test]
fn on_a_small_disk() {
    let Some(home) = std::env::var_os("PUBLISH_TEST_DISK") else { return };
    let mut publisher = Publisher::new(Path::new(&home));
    publisher.publish(&pod("default", "a"), &value("old")).unwrap();
    let large = value(&"x".repeat(200_000));
    for name in ["a", "b"] {
        let error = publisher.publish(&pod("default", name), &large).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull, "{error}");
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
    let found = publisher.read_all();
    assert_eq!(said(&found), [("default/a uid-default-a".to_owned(), Some("old"))]);
    assert!(found.problems.is_empty());
    let folder = Path::new(&home).join("published/pods/default");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "no half file is left");

    let remounted =
        std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(&home).status().unwrap();
    assert!(remounted.success());
    let error = publisher.publish(&pod("default", "a"), &value("new")).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::ReadOnlyFilesystem, "{error}");
    let error = publisher.remove("default", "a").unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::ReadOnlyFilesystem, "{error}");
    assert_eq!(publisher.sweep(&BTreeSet::new()).len(), 1);
    let same = publisher.publish(&pod("default", "a"), &value("old")).unwrap();
    assert_eq!(same, Wrote::AlreadyThere, "what is there needs no writing");
}

#[test]
fn a_full_or_read_only_disk_is_an_error_and_leaves_what_was_there() {
    let home = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=128k small \"$PUBLISH_TEST_DISK\" && exec \"$@\"";
    let status = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "publish::tests::on_a_small_disk"])
        .env("PUBLISH_TEST_DISK", home.path())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn readers_never_see_a_part_of_a_file() {
    let (home, mut publisher) = home();
    let path = home.path().join("published/pods/default/a.yaml");
    let long = "x".repeat(100_000);
    publisher.publish(&pod("default", "a"), &value(&long)).unwrap();
    let (done, ended) = mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let mut reads = 0;
        while ended.try_recv() == Err(mpsc::TryRecvError::Empty) || reads == 0 {
            let text = fs::read(&path).unwrap();
            let annotation = format::parse(&text).unwrap().annotation.unwrap();
            assert!(annotation.len() == 100_000 || annotation == "short", "{}", annotation.len());
            reads += 1;
        }
    });
    for round in 0..500 {
        let text = if round % 2 == 0 { "short" } else { long.as_str() };
        publisher.publish(&pod("default", "a"), &value(text)).unwrap();
    }
    drop(done);
    reader.join().unwrap();
}

/// A watch on a thread, and what it tells.
fn watched(publisher: &Publisher) -> Receiver<Tampered> {
    let watch = publisher.watch().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let outcome = watch.run(|tampered| match sender.send(tampered) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        outcome.unwrap();
    });
    receiver
}

fn of(namespace: &str, name: &str) -> Tampered {
    Tampered::Pod { namespace: namespace.into(), name: name.into() }
}

/// Takes what is told until it is this.
#[track_caller]
fn until(receiver: &Receiver<Tampered>, want: &Tampered) -> usize {
    let mut before = 0;
    loop {
        let told = receiver.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{want:?}: {e}"));
        if told == *want {
            return before;
        }
        before += 1;
    }
}

#[test]
fn what_others_do_to_a_file_is_told_and_what_we_do_is_not() {
    let (home, mut publisher) = home();
    let receiver = watched(&publisher);
    // everything made after the watch, the folders too
    publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
    publisher.publish(&pod("default", "b"), &value(JSON)).unwrap();
    publisher.publish(&pod("default", "b"), &value("other")).unwrap();
    publisher.publish(&pod("other", "c"), &value(JSON)).unwrap();
    publisher.remove("other", "c").unwrap();
    let file = home.path().join("published/pods/default/a.yaml");
    for tamper in [
        &(|| fs::write(&file, "x").unwrap()) as &dyn Fn(),
        &|| fs::remove_file(&file).unwrap(),
        &|| fs::rename(&file, home.path().join("away")).unwrap(),
        &|| fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"#").unwrap(),
        &|| {
            fs::remove_file(&file).unwrap();
            symlink("/etc/passwd", &file).unwrap();
        },
    ] {
        tamper();
        let told = until(&receiver, &of("default", "a"));
        assert_eq!(told, 0, "nothing that we wrote ourselves is told");
        assert_eq!(publisher.publish(&pod("default", "a"), &value(JSON)).unwrap(), Wrote::Changed);
        while let Ok(told) = receiver.recv_timeout(Duration::from_millis(100)) {
            assert_eq!(told, of("default", "a"));
        }
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_file_that_nobody_published_is_told() {
    let (home, mut publisher) = home();
    publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
    let receiver = watched(&publisher);
    fs::write(home.path().join("published/pods/default/x.yaml"), "x").unwrap();
    until(&receiver, &of("default", "x"));
    publisher.publish(&pod("default", "x"), &Patch::Nothing).unwrap();
    assert!(!home.path().join("published/pods/default/x.yaml").exists());
}

#[test]
fn a_folder_that_is_removed_is_told_file_by_file_and_watched_again() {
    let (home, mut publisher) = home();
    let long = "n".repeat(253);
    publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
    publisher.publish(&pod("default", &long), &value(JSON)).unwrap();
    let receiver = watched(&publisher);
    let moved = tempfile::tempdir().unwrap();
    for (round, folder) in
        ["published/pods/default", "published/pods", "published"].iter().enumerate()
    {
        let folder = home.path().join(folder);
        if round % 2 == 0 {
            fs::remove_dir_all(&folder).unwrap();
        } else {
            fs::rename(&folder, moved.path().join(round.to_string())).unwrap();
        }
        let mut told = BTreeSet::new();
        while told.len() < 2 {
            match receiver.recv_timeout(PATIENCE).unwrap() {
                Tampered::Pod { name, .. } => told.insert(name),
                Tampered::Everything => panic!(),
            };
        }
        publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
        publisher.publish(&pod("default", &long), &value(JSON)).unwrap();
        while receiver.recv_timeout(Duration::from_millis(100)).is_ok() {}
    }
    fs::remove_file(home.path().join("published/pods/default/a.yaml")).unwrap();
    until(&receiver, &of("default", "a"));
}

#[test]
fn the_watch_ends_when_it_is_told_to() {
    let (home, mut publisher) = home();
    publisher.publish(&pod("default", "a"), &value(JSON)).unwrap();
    let watch = publisher.watch().unwrap();
    fs::remove_file(home.path().join("published/pods/default/a.yaml")).unwrap();
    watch.run(|_| ControlFlow::Break(())).unwrap();
}

/// The process that the next test kills.
#[test]
fn a_writer_to_be_killed() {
    let Some(home) = std::env::var_os("PUBLISH_TEST_HOME") else { return };
    let mut publisher = Publisher::new(Path::new(&home));
    publisher.publish(&pod("default", "a"), &value("new")).unwrap();
    publisher.publish(&pod("default", "b"), &value("new")).unwrap();
}

#[test]
fn a_writer_killed_at_any_point_leaves_whole_files_and_nothing_for_long() {
    for (point, want) in [
        ("publish:tmp-written:1", [Some("old"), None]),
        ("publish:renamed:1", [Some("new"), None]),
        ("publish:tmp-written:2", [Some("new"), None]),
        ("publish:renamed:2", [Some("new"), Some("new")]),
    ] {
        let (home, mut publisher) = home();
        publisher.publish(&pod("default", "a"), &value("old")).unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "publish::tests::a_writer_to_be_killed"])
            .env("PUBLISH_TEST_HOME", home.path())
            .env("NETKEEP_KILL_AT", point)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(signal, Some(9), "{point}: {status}");
        let found = publisher.read_all();
        assert!(found.problems.is_empty(), "{point}: {:?}", found.problems);
        let said: Vec<_> = found.published.iter().map(|p| p.annotation.as_deref()).collect();
        assert_eq!(said, want.into_iter().flatten().map(Some).collect::<Vec<_>>(), "{point}");
        let wanted = BTreeSet::from([("default".into(), "a".into())]);
        assert!(publisher.sweep(&wanted).is_empty());
        let left = fs::read_dir(home.path().join("published/pods/default")).unwrap().count();
        assert_eq!(left, 1, "{point}");
    }
}
