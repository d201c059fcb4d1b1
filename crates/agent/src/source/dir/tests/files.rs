//! Files come, change and go.

use std::io::Write as _;

use super::*;

#[test]
fn the_first_message_lists_everything_and_the_next_ones_are_deltas() {
    let mut world = world_of_two();
    world.write("c.yml", &pod("c", "10.0.0.3"));
    world.until_names(&["a", "b", "c"]);
    assert_eq!(world.belief.applied, ["a", "b", "c"]);
    world.write("a.yaml", &pod("a", "10.0.0.9"));
    world.until("the new address", |belief| belief.pods["a"] == "10.0.0.9");
    world.remove("b.yaml");
    world.until_names(&["a", "c"]);
    assert_eq!(world.belief.applied, ["a", "b", "c", "a"]);
    assert_eq!(world.belief.deleted, ["b"]);
}

#[test]
fn initial_reads_once_and_the_watch_goes_on_from_there() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("pods");
    two(&root);
    let mut source = DirSource::open(&root, DirOptions::default()).unwrap();
    let first = source.initial();
    assert!(
        matches!(first.events.as_slice(), [Event::Listed { objects, .. }] if objects.len() == 2)
    );
    let stop = source.stopper();
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || source.watch(&sender));
    fs::write(root.join("c.yaml"), pod("c", "10.0.0.3")).unwrap();
    let next = receiver.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(next.events.as_slice(), [Event::Applied(_)]), "{next:?}");
    stop.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn that_a_manifest_was_read_is_not_written_down_in_its_file_system() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("pods");
    two(&root);
    // Read for the last time before it was written: any other reader's time would be noted now.
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let file = fs::File::options().write(true).open(root.join("a.yaml")).unwrap();
    file.set_times(fs::FileTimes::new().set_accessed(long_ago)).unwrap();
    let mut source = DirSource::open(&root, DirOptions::default()).unwrap();
    let first = source.initial();
    assert!(
        matches!(first.events.as_slice(), [Event::Listed { objects, .. }] if objects.len() == 2)
    );
    assert_eq!(fs::metadata(root.join("a.yaml")).unwrap().accessed().unwrap(), long_ago);
}

#[test]
fn the_watch_ends_when_nobody_listens() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("pods");
    two(&root);
    let source = DirSource::open(&root, DirOptions::default()).unwrap();
    let (sender, receiver) = mpsc::channel();
    drop(receiver);
    source.watch(&sender).unwrap();
}

#[test]
fn a_file_written_without_a_change_of_its_objects_is_not_worth_a_message() {
    let mut world = world_of_two();
    world.write("a.yaml", &format!("# a comment\n{}", pod("a", "10.0.0.1")));
    world.a_while();
    assert_eq!(world.belief.messages, 1);
}

#[test]
fn only_manifests_are_read_and_hidden_names_are_not() {
    let mut world = world_of_two();
    for name in ["x.txt", ".x.yaml", "x.yaml~", "x.yaml.swp", "yaml", "x.YAML.bak"] {
        world.write(name, &pod("x", "10.0.0.7"));
    }
    fs::create_dir(world.root.join(".hidden")).unwrap();
    world.write(".hidden/x.yaml", &pod("x", "10.0.0.7"));
    world.write("y.json", r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"y"}}"#);
    world.until_names(&["a", "b", "y"]);
    world.a_while();
    assert_eq!(world.belief.names(), ["a", "b", "y"]);
}

#[test]
fn sub_folders_are_read_when_they_come_and_forgotten_when_they_go() {
    let mut world = world_of_two();
    fs::create_dir_all(world.root.join("x/y")).unwrap();
    world.write("x/y/c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["a", "b", "c"]);
    world.write("x/y/d.yaml", &pod("d", "10.0.0.4"));
    world.until_names(&["a", "b", "c", "d"]);
    fs::rename(world.root.join("x"), world.root.join("z")).unwrap();
    world.write("z/y/e.yaml", &pod("e", "10.0.0.5"));
    world.until_names(&["a", "b", "c", "d", "e"]);
    assert!(world.belief.deleted.is_empty(), "a move deletes nothing");
    fs::rename(world.root.join("z"), world.home.path().join("outside")).unwrap();
    world.until_names(&["a", "b"]);
    fs::rename(world.home.path().join("outside"), world.root.join("z")).unwrap();
    world.until_names(&["a", "b", "c", "d", "e"]);
    fs::remove_dir_all(world.root.join("z")).unwrap();
    world.until_names(&["a", "b"]);
}

#[test]
fn a_rename_into_place_and_a_rename_of_a_file_are_read_at_once() {
    let mut world = world_of_two();
    world.write(".tmp", &pod("a", "10.0.0.8"));
    fs::rename(world.root.join(".tmp"), world.root.join("a.yaml")).unwrap();
    world.until("the new address", |belief| belief.pods["a"] == "10.0.0.8");
    fs::rename(world.root.join("a.yaml"), world.root.join("c.yaml")).unwrap();
    world.write("c2.yaml", &pod("c2", "10.0.0.5"));
    world.until_names(&["a", "b", "c2"]);
    world.a_while();
    assert!(world.belief.deleted.is_empty());
    world.remove("c.yaml");
    world.until_names(&["b", "c2"]);
}

#[test]
fn an_object_may_move_between_files() {
    let mut world = world_of_two();
    world.write("b.yaml", &format!("{}---\n{}", pod("b", "10.0.0.2"), pod("a", "10.0.0.1")));
    world.remove("a.yaml");
    world.write("c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["a", "b", "c"]);
    world.a_while();
    assert!(world.belief.deleted.is_empty());
    assert_eq!(world.belief.problems, []);
}

#[test]
fn a_file_is_read_when_its_writer_closes_it_and_not_before() {
    let mut world = world_of_two();
    let text = format!("{}---\n{}", pod("c", "10.0.0.3"), pod("d", "10.0.0.4"));
    let (half, rest) = text.split_at(text.find("---").unwrap());
    let mut file = fs::File::create(world.root.join("c.yaml")).unwrap();
    file.write_all(half.as_bytes()).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
    drop(file);
    world.until_names(&["a", "b", "c", "d"]);
    assert_eq!(world.belief.messages, 2, "both at once");
}

#[test]
fn a_file_that_is_never_closed_is_read_all_the_same() {
    let mut world = world_of_two();
    let mut file = fs::File::create(world.root.join("c.yaml")).unwrap();
    file.write_all(pod("c", "10.0.0.3").as_bytes()).unwrap();
    world.until_names(&["a", "b", "c"]);
    drop(file);
}

#[test]
fn the_later_of_two_files_with_one_object_wins_and_the_earlier_takes_over_again() {
    let mut world = world_of_two();
    world.write("c.yaml", &pod("a", "10.0.0.5"));
    world.until("the later file's address", |belief| belief.pods["a"] == "10.0.0.5");
    assert!(
        world.belief.says(&["invalid-object file a.yaml", "Pod default/a is also in file c.yaml"])
    );
    world.write("a.yaml", &pod("a", "10.0.0.6"));
    world.write("d.yaml", &pod("d", "10.0.0.7"));
    world.until_names(&["a", "b", "d"]);
    assert_eq!(world.belief.pods["a"], "10.0.0.5", "the earlier file does not count");
    world.remove("c.yaml");
    world.until("the earlier file's address", |belief| belief.pods["a"] == "10.0.0.6");
    assert_eq!(world.belief.problems, []);
    assert!(world.belief.deleted.is_empty());
}

#[test]
fn an_object_made_anew_under_its_name_is_deleted_with_its_old_uid_first() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("pods");
    two(&root);
    let mut source = DirSource::open(&root, DirOptions::default()).unwrap();
    source.initial();
    fs::write(root.join("a.yaml"), pod("a", "10.0.0.1").replace("uid-a", "uid-a2")).unwrap();
    let (sender, receiver) = mpsc::channel();
    let stop = source.stopper();
    let thread = std::thread::spawn(move || source.watch(&sender));
    let message = receiver.recv_timeout(PATIENCE).unwrap();
    let [Event::Deleted { uid: Some(old), .. }, Event::Applied(Object::Pod(new))] =
        message.events.as_slice()
    else {
        panic!("{message:?}")
    };
    assert_eq!((old.to_string(), new.meta.uid.to_string()), ("uid-a".into(), "uid-a2".into()));
    stop.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn the_annotation_proves_a_sandbox_only_where_a_namespace_is() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("left-over");
    fs::write(&file, "").unwrap();
    let root = home.path().join("pods");
    fs::create_dir(&root).unwrap();
    let with = |name: &str, path: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{netkeep.dev/netns: {path}}}}}\n"
        )
    };
    fs::write(root.join("a.yaml"), with("a", "/proc/self/ns/net")).unwrap();
    fs::write(root.join("b.yaml"), with("b", file.to_str().unwrap())).unwrap();
    fs::write(root.join("c.yaml"), with("c", "/nowhere")).unwrap();
    let first = DirSource::open(&root, DirOptions::default()).unwrap().initial();
    let [Event::Listed { objects, .. }] = first.events.as_slice() else { panic!() };
    let proven: Vec<_> = objects
        .iter()
        .map(|object| match object {
            Object::Pod(pod) => pod.sandbox == model::owner::Sandbox::Proven,
            _ => panic!(),
        })
        .collect();
    assert_eq!(proven, [true, false, false]);
}
