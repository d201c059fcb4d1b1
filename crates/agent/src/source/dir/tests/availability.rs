//! A folder that is missing or empty deletes nothing.

use super::*;

fn unavailable(belief: &Belief) -> bool {
    belief.hold.as_deref().is_some_and(|hold| hold.starts_with("source unavailable: "))
        && belief.says(&["source-unavailable folder", "the source is unavailable"])
}

#[test]
fn a_folder_that_is_not_there_is_a_hold_and_is_listed_when_it_comes() {
    let mut world = World::new(DirOptions::default(), |_| {});
    assert!(unavailable(&world.belief), "{:?}", world.belief);
    assert_eq!(world.belief.listed, 0);
    two(&world.root);
    world.until_names(&["a", "b"]);
    assert_eq!((world.belief.listed, world.belief.hold.as_deref()), (1, None));
    assert_eq!(world.belief.problems, []);
}

#[test]
fn a_folder_whose_parents_are_missing_too_is_found_when_it_comes() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("x/y/pods");
    let mut world = World::watch(home, root.clone(), DirOptions::default());
    assert!(unavailable(&world.belief));
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    two(&root);
    world.until_names(&["a", "b"]);
}

#[test]
fn a_file_in_place_of_the_folder_is_a_hold() {
    let mut world = World::new(DirOptions::default(), |root| fs::write(root, "").unwrap());
    assert!(unavailable(&world.belief) && world.belief.says(&["not a folder"]));
    fs::remove_file(&world.root).unwrap();
    two(&world.root);
    world.until_names(&["a", "b"]);
}

#[test]
fn an_empty_folder_at_the_start_is_a_hold() {
    let mut world = World::new(DirOptions::default(), |root| fs::create_dir(root).unwrap());
    assert!(unavailable(&world.belief) && world.belief.says(&["the folder is empty"]));
    world.write("a.yaml", &pod("a", "10.0.0.1"));
    world.until_names(&["a"]);
    assert_eq!((world.belief.listed, world.belief.hold.as_deref()), (1, None));
}

#[test]
fn a_folder_that_is_emptied_file_by_file_deletes_nothing() {
    let mut world = world_of_two();
    for name in ["c", "d", "e"] {
        world.write(&format!("{name}.yaml"), &pod(name, "10.0.0.9"));
    }
    world.until_names(&["a", "b", "c", "d", "e"]);
    for name in ["a", "b", "c", "d", "e"] {
        world.remove(&format!("{name}.yaml"));
    }
    world.until("a hold", unavailable);
    world.a_while();
    assert_eq!((world.belief.deleted.len(), world.belief.names().len()), (0, 5));
    // it comes back with fewer: what is not in it is gone then
    world.write("a.yaml", &pod("a", "10.0.0.1"));
    world.write("c.yaml", &pod("c", "10.0.0.8"));
    world.until_names(&["a", "c"]);
    assert_eq!((world.belief.hold.as_deref(), world.belief.pods["c"].as_str()), (None, "10.0.0.8"));
}

#[test]
fn a_folder_without_an_object_left_deletes_nothing() {
    let mut world = world_of_two();
    world.write("a.yaml", "apiVersion: v1\nkind: List\nitems: []\n");
    world.remove("b.yaml");
    world.until("a hold", unavailable);
    assert!(world.belief.says(&["no object in the folder's files"]));
    world.a_while();
    assert!(world.belief.deleted.is_empty());
}

#[test]
fn allow_empty_makes_an_empty_folder_mean_no_objects_but_not_a_missing_one() {
    let options = DirOptions { empty: EmptyFolder::MeansNoObjects, ..DirOptions::default() };
    let mut world = World::new(options, |root| fs::create_dir(root).unwrap());
    assert_eq!((world.belief.listed, world.belief.hold.as_deref()), (1, None));
    world.write("a.yaml", &pod("a", "10.0.0.1"));
    world.until_names(&["a"]);
    world.remove("a.yaml");
    world.until_names(&[]);
    assert_eq!(world.belief.hold, None);
    world.write("b.yaml", &pod("b", "10.0.0.1"));
    world.until_names(&["b"]);
    fs::remove_dir_all(&world.root).unwrap();
    world.until("a hold", unavailable);
    world.a_while();
    assert_eq!(world.belief.names(), ["b"]);
}

#[test]
fn a_folder_that_is_removed_and_made_anew_keeps_everything_meanwhile() {
    let mut world = world_of_two();
    fs::remove_dir_all(&world.root).unwrap();
    world.until("a hold", unavailable);
    world.a_while();
    assert_eq!(world.belief.names(), ["a", "b"]);
    fs::create_dir(&world.root).unwrap();
    world.write("b.yaml", &pod("b", "10.0.0.2"));
    world.write("c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["b", "c"]);
    assert_eq!((&world.belief.hold, world.belief.problems.len()), (&None, 0));
    // and it is watched again
    world.write("d.yaml", &pod("d", "10.0.0.4"));
    world.until_names(&["b", "c", "d"]);
}

#[test]
fn a_folder_that_is_moved_away_and_back_keeps_everything_meanwhile() {
    let mut world = world_of_two();
    let away = world.home.path().join("away");
    fs::rename(&world.root, &away).unwrap();
    world.until("a hold", unavailable);
    fs::write(away.join("c.yaml"), pod("c", "10.0.0.3")).unwrap();
    fs::rename(&away, &world.root).unwrap();
    world.until_names(&["a", "b", "c"]);
    assert_eq!((world.belief.deleted.len(), &world.belief.hold), (0, &None));
}

/// Writes a file again and again, in place and by a name that takes its place, while something is
/// done.
fn while_written_again<T>(file: PathBuf, text: String, during: impl FnOnce() -> T) -> T {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let writer = std::thread::spawn(move || {
        let beside = file.with_extension("yaml.new");
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            fs::write(&file, &text).unwrap();
            std::thread::sleep(Duration::from_millis(10));
            fs::write(&beside, &text).unwrap();
            fs::rename(&beside, &file).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let done = during();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    done
}

#[test]
fn a_file_that_is_written_again_and_again_does_not_keep_a_folder_from_coming_back() {
    let mut world = World::new(DirOptions::default(), |_| {});
    assert!(unavailable(&world.belief));
    two(&world.root);
    let file = world.root.join("b.yaml");
    while_written_again(file, pod("b", "10.0.0.2"), || world.until_names(&["a", "b"]));
    assert_eq!((world.belief.listed, world.belief.hold.as_deref()), (1, None));

    // Neither does it keep an agent that runs from telling what is gone since.
    let away = world.home.path().join("away");
    fs::rename(&world.root, &away).unwrap();
    world.until("a hold", unavailable);
    fs::remove_file(away.join("a.yaml")).unwrap();
    fs::rename(&away, &world.root).unwrap();
    let file = world.root.join("b.yaml");
    while_written_again(file, pod("b", "10.0.0.2"), || world.until_names(&["b"]));
    assert_eq!(world.belief.deleted, ["a"]);
}

#[test]
fn a_folder_that_is_replaced_by_another_is_read_anew() {
    let mut world = world_of_two();
    let other = world.home.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("a.yaml"), pod("a", "10.0.0.7")).unwrap();
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    let cwd = rustix::fs::CWD;
    rustix::fs::renameat_with(cwd, &other, cwd, &world.root, flags).unwrap();
    world.until("the new address", |belief| belief.pods["a"] == "10.0.0.7");
    world.until_names(&["a"]);
    world.write("z.yaml", &pod("z", "10.0.0.9"));
    world.until_names(&["a", "z"]);
}

/// What the next test does in a mount namespace of its own.
#[test]
fn under_mounts() {
    if std::env::var_os("SOURCE_TEST_MOUNTS").is_none() {
        return;
    }
    let mount = |args: &[&str], at: &Path| {
        assert!(
            std::process::Command::new(args[0])
                .args(&args[1..])
                .arg(at)
                .status()
                .unwrap()
                .success()
        );
    };
    let mut world = world_of_two();
    mount(&["mount", "-t", "tmpfs", "none"], &world.root);
    world.until("a hold", unavailable);
    world.write("a.yaml", &pod("a", "10.0.0.7"));
    world.until("the new address", |belief| belief.pods["a"] == "10.0.0.7");
    world.until_names(&["a"]);
    mount(&["umount"], &world.root);
    world.until_names(&["a", "b"]);
    assert_eq!(world.belief.pods["a"], "10.0.0.1");
    // a mount over a sub-folder too
    fs::create_dir(world.root.join("sub")).unwrap();
    world.write("sub/c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["a", "b", "c"]);
    mount(&["mount", "-t", "tmpfs", "none"], &world.root.join("sub"));
    world.until_names(&["a", "b"]);
    mount(&["umount"], &world.root.join("sub"));
    world.until_names(&["a", "b", "c"]);
}

#[test]
fn a_mount_over_the_folder_and_its_end_are_noticed() {
    let status = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "source::dir::tests::availability::under_mounts"])
        .env("SOURCE_TEST_MOUNTS", "1")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
