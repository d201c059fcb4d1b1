//! Many files, large files, lost events.

use std::fmt::Write as _;

use super::*;

#[test]
fn ten_thousand_files_are_read_and_the_change_of_one_is_one_event() {
    const FILES: usize = 10_000;
    let mut world = World::new(DirOptions::default(), |root| {
        fs::create_dir(root).unwrap();
        for n in 0..FILES {
            let text = pod(&format!("p{n}"), &format!("10.1.{}.{}", n / 250, n % 250 + 1));
            fs::write(root.join(format!("{n}.yaml")), text).unwrap();
        }
    });
    assert_eq!(world.belief.pods.len(), FILES);
    world.write("77.yaml", &pod("p77", "10.2.0.1"));
    world.until("the new address", |belief| belief.pods["p77"] == "10.2.0.1");
    assert_eq!((world.belief.messages, world.belief.applied.len()), (2, FILES + 1));
    // the folder goes file by file, longer than any quiet time
    for n in 0..FILES {
        world.remove(&format!("{n}.yaml"));
    }
    world.until("a hold", |belief| belief.hold.is_some());
    assert_eq!(world.belief.names().len(), FILES);
}

#[test]
fn events_that_the_kernel_lost_are_made_up_for() {
    let mut world = world_of_two();
    let queue: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    // two names in turn, so that the kernel does not merge equal events
    for n in 0..queue {
        let name = format!("x{}.yaml", n % 2);
        fs::File::create(world.root.join(&name)).unwrap();
        fs::remove_file(world.root.join(&name)).unwrap();
    }
    world.write("c.yaml", &pod("c", "10.0.0.3"));
    world.until_names(&["a", "b", "c"]);
}

/// A list of `count` Pods that is `size` bytes at least.
fn list(count: usize, size: usize, ip: impl Fn(usize) -> String) -> String {
    let padding = "x".repeat(size / count);
    let mut text = String::from("apiVersion: v1\nitems:\n");
    for n in 0..count {
        let _ = write!(
            text,
            "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: p{n}\n    annotations:\n      note: \
             {padding}\n  status:\n    podIP: {}\n",
            ip(n)
        );
    }
    text + "kind: List\n"
}

#[test]
fn a_list_of_fifty_megabytes_is_read_and_one_change_in_it_is_one_event() {
    let ip = |n: usize| format!("10.1.{}.{}", n / 250, n % 250 + 1);
    let mut world = World::new(DirOptions::default(), |root| {
        fs::create_dir(root).unwrap();
        fs::write(root.join("all.yaml"), list(5000, 50_000_000, ip)).unwrap();
    });
    assert_eq!(world.belief.pods.len(), 5000);
    let changed = |n: usize| if n == 4321 { "10.9.9.9".to_owned() } else { ip(n) };
    world.write("all.yaml", &list(5000, 50_000_000, changed));
    world.until("the new address", |belief| belief.pods["p4321"] == "10.9.9.9");
    assert_eq!((world.belief.messages, world.belief.applied.len()), (2, 5001));
}

#[test]
fn incremental_reading_ends_where_reading_anew_does() {
    // a small deterministic generator: what is done to which of a few files and objects
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut world = world_of_two();
    world.write("keep.yaml", &pod("keep", "10.0.0.99"));
    for _ in 0..300 {
        let file = format!("f{}.yaml", next(4));
        let other = format!("f{}.yaml", next(4));
        match next(5) {
            0 => drop(fs::remove_file(world.root.join(&file))),
            1 => drop(fs::rename(world.root.join(&file), world.root.join(&other))),
            _ => {
                let pods: Vec<_> = (0..=next(3))
                    .map(|_| pod(&format!("p{}", next(6)), &format!("10.0.1.{}", next(5) + 1)))
                    .collect();
                world.write(&file, &pods.join("---\n"));
            }
        }
    }
    world.write("last.yaml", &pod("last", "10.0.0.98"));
    let fresh = DirSource::open(&world.root, DirOptions::default()).unwrap().initial();
    let mut anew = Belief::default();
    anew.take(fresh);
    world.until("the same", |belief| belief.pods == anew.pods && belief.problems == anew.problems);
}
