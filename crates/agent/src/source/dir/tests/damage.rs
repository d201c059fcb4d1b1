//! What cannot be understood keeps what it said last.

use model::Severity;

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

/// What there is of [`pod`] before its status.
fn half(name: &str) -> String {
    pod(name, "10.0.0.1")
        .split_inclusive('\n')
        .take_while(|line| !line.starts_with("status"))
        .collect()
}

#[test]
fn a_pod_that_loses_its_status_keeps_it_until_it_says_one() {
    let mut world = world_of_two();
    let without_uid = half("a").replace(", uid: uid-a", "");
    assert_ne!(half("a"), without_uid);
    let halves = [half("a"), format!("{}status:\n", half("a")), without_uid];
    for half in halves.map(|half| format!("{half}---\n{}", pod("c", "10.0.0.3"))) {
        world.write("a.yaml", &half);
        world.until("a finding", |belief| {
            belief.says(&[
                "invalid-object file a.yaml",
                "a.yaml:1:1: Pod default/a: status",
                "counts",
            ])
        });
        world.until_names(&["a", "b", "c"]);
        assert_eq!(world.belief.pods["a"], "10.0.0.1");
        world.write("a.yaml", &format!("{}---\n{}", pod("a", "10.0.0.1"), pod("c", "10.0.0.3")));
        world.until("no finding", |belief| belief.problems.is_empty());
    }
    // One that says that there is nothing to say is pending.
    world.write("a.yaml", &format!("{}status: {{}}\n", half("a")));
    world.until("pending", |belief| belief.pods["a"].is_empty());
    // Another Pod of its name, and one that nobody knew, may wait for a status.
    world.write("a.yaml", &pod("a", "10.0.0.1"));
    world.until("its address", |belief| belief.pods["a"] == "10.0.0.1");
    world.write("a.yaml", &half("a").replace("uid-a", "uid-later"));
    world.until("another", |belief| belief.pods["a"].is_empty());
    world.write("d.yaml", &half("d"));
    world.until_names(&["a", "b", "d"]);
    assert_eq!((&world.belief.problems[..], &*world.belief.pods["d"]), (&[][..], ""));
}

#[test]
fn a_pod_that_moves_to_a_file_in_which_it_has_no_status_is_not_gone() {
    let mut world = world_of_two();
    world.write("z.yaml", &half("a"));
    world.until("a finding", |belief| belief.says(&["file z.yaml", "Pod default/a: status"]));
    world.remove("a.yaml");
    world.a_while();
    assert_eq!((world.belief.names(), &*world.belief.pods["a"]), (vec!["a", "b"], "10.0.0.1"));
    world.write("z.yaml", &pod("a", "10.0.0.1"));
    world.until("no finding", |belief| belief.problems.is_empty());
    world.remove("z.yaml");
    world.until_names(&["b"]);
}

#[test]
fn a_file_that_was_empty_from_the_start_is_named_until_it_is_written_or_removed() {
    let mut world = World::new(DirOptions::default(), |root| {
        two(root);
        fs::write(root.join("c.yaml"), "").unwrap();
        fs::write(root.join("d.yaml"), "").unwrap();
    });
    assert_eq!(world.belief.names(), ["a", "b"]);
    let unread = "unreadable file c.yaml (and 1 more) may hold objects";
    assert_eq!(world.belief.unread.as_deref(), Some(unread));
    for file in ["file c.yaml", "file d.yaml"] {
        assert!(world.belief.says(&["invalid-object", file, "empty", "nothing is deleted"]));
    }
    world.write("c.yaml", &pod("c", "10.0.0.3"));
    world.remove("d.yaml");
    world.until_names(&["a", "b", "c"]);
    world.until("no finding", |belief| belief.problems.is_empty() && belief.unread.is_none());
}

#[test]
fn an_object_of_our_kinds_in_a_version_that_there_is_not_is_told_and_keeps_what_it_said() {
    let mut world = world_of_two();
    let v2 = pod("a", "10.0.0.7").replace("v1", "v2");
    world.write("a.yaml", &v2);
    world.until("a warning", |belief| {
        let says =
            ["invalid-object file a.yaml", "a.yaml:1:1: Pod default/a: apiVersion: there is no"];
        belief.says(&says) && belief.problems[0].severity == Severity::Warning
    });
    world.a_while();
    assert_eq!((world.belief.names(), &*world.belief.pods["a"]), (vec!["a", "b"], "10.0.0.1"));
    let others = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n---\n\
                  apiVersion: v2\nkind: Route\n";
    world.write("a.yaml", &format!("{}---\n{others}", pod("a", "10.0.0.7")));
    world.until("no warning", |belief| belief.problems.is_empty());
    assert_eq!(world.belief.pods["a"], "10.0.0.7");
}
