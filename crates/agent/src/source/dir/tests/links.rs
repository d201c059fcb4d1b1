//! Symlinks are followed, loops are not.

use super::*;

#[test]
fn symlinked_files_and_folders_are_followed() {
    let mut world = world_of_two();
    let outside = world.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("c.yaml"), pod("c", "10.0.0.3")).unwrap();
    fs::write(world.home.path().join("d.yaml"), pod("d", "10.0.0.4")).unwrap();
    symlink(&outside, world.root.join("linked")).unwrap();
    symlink("../d.yaml", world.root.join("d.yaml")).unwrap();
    world.until_names(&["a", "b", "c", "d"]);
    // what changes behind the links is noticed
    fs::write(outside.join("c.yaml"), pod("c", "10.0.0.5")).unwrap();
    world.until("the new address", |belief| belief.pods["c"] == "10.0.0.5");
    fs::write(world.home.path().join("d.yaml"), pod("d", "10.0.0.6")).unwrap();
    world.until("the new address", |belief| belief.pods["d"] == "10.0.0.6");
    let tmp = world.home.path().join("d.tmp");
    fs::write(&tmp, pod("d", "10.0.0.7")).unwrap();
    fs::rename(&tmp, world.home.path().join("d.yaml")).unwrap();
    world.until("the new address", |belief| belief.pods["d"] == "10.0.0.7");
    world.remove("linked");
    world.until_names(&["a", "b", "d"]);
    world.remove("d.yaml");
    world.until_names(&["a", "b"]);
}

#[test]
fn a_loop_of_symlinks_is_named_and_hurts_nobody() {
    let mut world = World::new(DirOptions::default(), |root| {
        two(root);
        fs::create_dir_all(root.join("x/y")).unwrap();
        symlink("../..", root.join("x/y/up")).unwrap();
        symlink("self.yaml", root.join("self.yaml")).unwrap();
    });
    assert_eq!((world.belief.names(), world.belief.hold.as_deref()), (vec!["a", "b"], None));
    assert!(
        world.belief.says(&["file x/y/up", "loops", "the folder itself"]),
        "{:?}",
        world.belief
    );
    assert!(world.belief.says(&["file self.yaml", "leads back to itself"]));
    world.write("x/y/c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["a", "b", "c"]);
    assert_eq!(world.belief.applied.len(), 3, "each file is read once");
}

#[test]
fn many_ways_to_one_folder_are_one() {
    let world = World::new(DirOptions::default(), |root| {
        two(root);
        let mut folder = root.to_owned();
        for level in 0..20 {
            let next = folder.join(format!("{level}"));
            fs::create_dir(&next).unwrap();
            symlink(&next, folder.join(format!("l{level}"))).unwrap();
            folder = next;
        }
        fs::write(folder.join("c.yaml"), pod("c", "10.0.0.3")).unwrap();
    });
    assert_eq!((world.belief.names(), world.belief.problems.len()), (vec!["a", "b", "c"], 0));
}

#[test]
fn a_link_that_leads_nowhere_may_tell_of_more_until_it_leads_somewhere() {
    let mut world = World::new(DirOptions::default(), |root| {
        two(root);
        symlink("../later.yaml", root.join("c.yaml")).unwrap();
    });
    assert_eq!(world.belief.unread.as_deref(), Some("unreadable file c.yaml may hold objects"));
    assert!(world.belief.says(&["file c.yaml", "leads nowhere"]));
    fs::write(world.home.path().join("later.yaml"), pod("c", "10.0.0.3")).unwrap();
    world.until_names(&["a", "b", "c"]);
    assert_eq!(world.belief.unread, None);
    // and when it leads nowhere again, what it said stays
    fs::remove_file(world.home.path().join("later.yaml")).unwrap();
    world.until("a finding", |belief| belief.says(&["file c.yaml", "leads nowhere"]));
    world.a_while();
    assert_eq!(world.belief.names(), ["a", "b", "c"]);
}

/// As the kubelet does: a new hidden folder, then one rename of the link through which all lead.
fn swap(root: &Path, stamp: &str, files: &[(&str, String)]) {
    let folder = root.join(format!("..{stamp}"));
    fs::create_dir(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    let old = fs::read_link(root.join("..data"));
    symlink(format!("..{stamp}"), root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    for (name, _) in files {
        let _ = symlink(format!("..data/{name}"), root.join(name));
    }
    if let Ok(old) = old {
        fs::remove_dir_all(root.join(old)).unwrap();
    }
}

#[test]
fn the_swap_of_a_config_map_volume_is_noticed() {
    let mut world = World::new(DirOptions::default(), |root| {
        fs::create_dir(root).unwrap();
        let files = [("a.yaml", pod("a", "10.0.0.1")), ("b.yaml", pod("b", "10.0.0.2"))];
        swap(root, "1", &files);
    });
    assert_eq!(world.belief.names(), ["a", "b"]);
    for round in 2..5 {
        let files =
            [("a.yaml", pod("a", &format!("10.0.{round}.1"))), ("b.yaml", pod("b", "10.0.0.2"))];
        swap(&world.root, &round.to_string(), &files);
        world.until("the new address", |belief| belief.pods["a"] == format!("10.0.{round}.1"));
    }
    world.a_while();
    assert_eq!(world.belief.deleted.len(), 0);
    assert_eq!(world.belief.problems, []);
}

#[test]
fn a_folder_reached_through_a_symlink_is_noticed_when_the_link_is_swapped() {
    let home = tempfile::tempdir().unwrap();
    let [one, two_] = ["one", "two"].map(|name| home.path().join(name));
    two(&one);
    fs::create_dir(&two_).unwrap();
    fs::write(two_.join("a.yaml"), pod("a", "10.0.0.8")).unwrap();
    let root = home.path().join("current");
    symlink(&one, &root).unwrap();
    let mut world = World::watch(home, root, DirOptions::default());
    assert_eq!(world.belief.names(), ["a", "b"]);
    symlink(&two_, world.home.path().join("next")).unwrap();
    fs::rename(world.home.path().join("next"), &world.root).unwrap();
    world.until("the new address", |belief| belief.pods["a"] == "10.0.0.8");
    world.until_names(&["a"]);
}
