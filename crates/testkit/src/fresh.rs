//! The check that keeps kernel tests off the machine's own network.

use std::fs;

use netns::{Identity, Namespace};

/// Panics unless the calling thread is in a fresh network namespace: one that is not that of the
/// machine's first process, and in which there is no link but `lo`. Returns its identity.
#[track_caller]
pub fn require_fresh_netns() -> Identity {
    let here = Namespace::current().expect("the calling thread's network namespace");
    // Inside a user namespace it may not be ours to look at; the links then decide.
    if let Ok(first) = Namespace::of_pid(1) {
        assert!(
            here != first,
            "this test is in the machine's own network namespace; it must enter one of its own \
             (Namespace::create, enter_on_this_thread)"
        );
    }
    let links = links();
    assert_eq!(links, ["lo"], "this network namespace is not fresh: it has links");
    here.identity()
}

/// The names of the links in the calling thread's namespace. Not from `/sys/class/net`, which shows
/// the namespace of whoever mounted it.
fn links() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").expect("the list of links");
    let lines = table.lines().skip(2);
    lines.filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_just_made_is_fresh_and_one_with_links_is_not() {
        let namespace = Namespace::create().unwrap();
        let identity = namespace.run(require_fresh_netns).unwrap();
        assert_eq!(identity, namespace.identity());
        let lab = lab::Lab::new().unwrap();
        let caught = std::panic::catch_unwind(|| lab.node().run(require_fresh_netns));
        caught.unwrap_err();
    }

    #[test]
    fn the_first_process_namespace_is_never_fresh() {
        if let Ok(first) = Namespace::of_pid(1)
            && first.run(|| ()).is_ok()
        {
            std::panic::catch_unwind(|| first.run(require_fresh_netns)).unwrap_err();
        }
    }
}
