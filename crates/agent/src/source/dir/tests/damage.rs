//! What cannot be understood keeps what it said last.

use super::*;

#[test]
fn a_file_that_no_longer_parses_keeps_its_objects_and_says_where() {
    let mut world = world_of_two();
    world.write("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: [\n");
    world.until("a finding", |belief| belief.says(&["invalid-object file a.yaml", "a.yaml:3:18"]));
    assert_eq!((world.belief.names(), world.belief.hold.as_deref()), (vec!["a", "b"], None));
    world.write("a.yaml", &pod("a", "10.0.0.7"));
    world.until("the new address", |belief| belief.pods["a"] == "10.0.0.7");
    assert_eq!(world.belief.problems, []);
    assert!(world.belief.deleted.is_empty());
}

#[test]
fn an_object_that_becomes_invalid_keeps_what_it_said_and_its_neighbours_go_on() {
    let mut world = world_of_two();
    world.write("a.yaml", &format!("{}---\n{}", pod("a", "nonsense"), pod("c", "10.0.0.3")));
    world.until_names(&["a", "b", "c"]);
    assert_eq!(world.belief.pods["a"], "10.0.0.1");
    assert!(world.belief.says(&[
        "file a.yaml",
        "a.yaml:4:17: Pod default/a: status.podIP",
        "counts"
    ]));
    assert!(world.belief.unknown.is_empty());
    // the neighbour leaves, the invalid one stays
    world.write("a.yaml", &pod("a", "nonsense"));
    world.until_names(&["a", "b"]);
    world.a_while();
    assert_eq!(world.belief.deleted, ["c"]);
}

#[test]
fn an_object_whose_name_cannot_be_read_might_be_any_so_all_stay() {
    let mut world = world_of_two();
    world.write("a.yaml", &pod("../a", "10.0.0.1"));
    world.until("a finding", |belief| belief.says(&["file a.yaml", "metadata.name"]));
    world.a_while();
    assert_eq!(world.belief.names(), ["a", "b"]);
}

#[test]
fn a_file_that_is_suddenly_empty_keeps_its_objects_and_says_what_to_do() {
    let mut world = world_of_two();
    for empty in ["", "# nothing\n", "---\n"] {
        world.write("a.yaml", empty);
        world
            .until("a finding", |belief| belief.says(&["file a.yaml", "empty", "delete the file"]));
        world.a_while();
        assert_eq!(world.belief.names(), ["a", "b"]);
        world.write("a.yaml", &pod("a", "10.0.0.1"));
        world.until("no finding", |belief| belief.problems.is_empty());
    }
    // a list that says it has no items is not empty: it says so
    world.write("a.yaml", "apiVersion: v1\nkind: List\nitems: []\n");
    world.until_names(&["b"]);
}

#[test]
fn a_file_that_has_never_parsed_may_tell_of_more_and_disturbs_nothing_else() {
    let mut world = World::new(DirOptions::default(), |root| {
        two(root);
        fs::write(root.join("bad.yaml"), "a: [\n").unwrap();
    });
    assert_eq!(world.belief.names(), ["a", "b"]);
    assert_eq!(world.belief.unread.as_deref(), Some("unreadable file bad.yaml may hold objects"));
    assert_eq!(world.belief.hold, None);
    assert!(world.belief.says(&["invalid-object file bad.yaml", "bad.yaml:1:4"]));
    world.write("c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["a", "b", "c"]);
    world.remove("c.yaml");
    world.until_names(&["a", "b"]);
    world.write("bad.yaml", &pod("d", "10.0.0.4"));
    world.until("all is read", |belief| belief.unread.is_none());
    assert_eq!((world.belief.names(), world.belief.problems.len()), (vec!["a", "b", "d"], 0));
}

#[test]
fn deleting_a_file_that_never_parsed_leaves_nothing_unread() {
    let mut world = World::new(DirOptions::default(), |root| {
        two(root);
        fs::write(root.join("bad.yaml"), [0xff, 0xfe, 0]).unwrap();
    });
    assert!(world.belief.unread.is_some());
    world.remove("bad.yaml");
    world.until("all is read", |belief| belief.unread.is_none() && belief.problems.is_empty());
}

#[test]
fn an_object_that_was_never_valid_is_named_as_unknown() {
    let mut world = World::new(DirOptions::default(), |root| {
        two(root);
        fs::write(root.join("c.yaml"), pod("c", "nonsense")).unwrap();
    });
    assert_eq!(world.belief.unknown, ["Pod default/c"]);
    assert_eq!((world.belief.names(), world.belief.hold.as_deref()), (vec!["a", "b"], None));
    // an object that moves and is damaged on the way is not gone
    world.write("c.yaml", &format!("{}---\n{}", pod("c", "10.0.0.3"), pod("a", "nonsense")));
    world.remove("a.yaml");
    world.until_names(&["a", "b", "c"]);
    world.a_while();
    assert_eq!(world.belief.names(), ["a", "b", "c"]);
    assert_eq!(world.belief.unknown, ["Pod default/a"]);
    world.write("c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["b", "c"]);
}

#[test]
fn a_file_that_is_too_large_is_not_read_and_keeps_what_it_said() {
    let options = DirOptions { file_size_limit: 1000, ..DirOptions::default() };
    let mut world = World::new(options, two);
    world.write("a.yaml", &format!("{}#{}\n", pod("a", "10.0.0.5"), "x".repeat(1000)));
    world.until("a finding", |belief| belief.says(&["file a.yaml", "too large (at most 1000"]));
    world.write("big.yaml", &"#".repeat(1001));
    world.until("something unread", |belief| belief.unread.is_some());
    assert_eq!(world.belief.pods["a"], "10.0.0.1");
}

#[test]
fn pipes_sockets_and_devices_are_not_opened() {
    let mut world = World::new(DirOptions::default(), |root| {
        two(root);
        let pipe = root.join("pipe.yaml");
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        std::os::unix::net::UnixListener::bind(root.join("socket.yaml")).unwrap();
        symlink("/dev/zero", root.join("zero.yaml")).unwrap();
    });
    assert_eq!((world.belief.names(), world.belief.hold.as_deref()), (vec!["a", "b"], None));
    assert!(world.belief.says(&["source-unavailable file pipe.yaml", "a named pipe"]));
    assert!(world.belief.says(&["file socket.yaml", "a socket"]));
    assert!(world.belief.says(&["file zero.yaml", "a device"]));
    world.remove("pipe.yaml");
    world.until("the finding to go", |belief| !belief.says(&["pipe.yaml"]));
}

#[test]
fn the_same_object_twice_in_a_file_counts_as_it_is_last() {
    let mut world = world_of_two();
    world.write("c.yaml", &format!("{}---\n{}", pod("c", "10.0.0.3"), pod("c", "10.0.0.4")));
    world.until_names(&["a", "b", "c"]);
    assert_eq!(world.belief.pods["c"], "10.0.0.4");
    assert!(world.belief.says(&["file c.yaml", "Pod default/c is in the file twice"]));
}
