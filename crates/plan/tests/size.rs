//! What a mapping costs: memory in steady state, and work that does not grow with the node.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests panic")]

#[path = "support/world.rs"]
mod world;

use model::Protocol;
use netkeep_plan::{Config, Core, Reserved};
use world::*;

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the test looks at itself, not the core")]
    let status = std::fs::read_to_string("/proc/self/statm").expect("procfs is mounted");
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A core of `pods` Pods with `ports` mappings each, programmed and published.
fn node_of(pods: u32, ports: u16) -> Core {
    let mut core = Core::new(Config { node: NODE.into(), range: "1024-65535".parse().unwrap() });
    core.apply(applied(node(&[], &[NODE_IP])));
    core.set_hold(None);
    let targets: Vec<_> = (0..ports).map(|port| (Protocol::Tcp, 8000 + port)).collect();
    core.apply(applied(service("web", &targets)));
    for n in 0..pods {
        let [_, a, b, c] = n.to_be_bytes();
        let name = format!("deployment-7d4b9c6f5-{n:05}");
        let mut pod = pod(&name, &[&format!("10.{a}.{b}.{c}")]);
        pod.meta.uid = model::Uid::new(format!("{n:08x}-0000-4000-8000-000000000000"));
        core.apply(applied(pod));
        if n % 256 == 0 || n + 1 == pods {
            converge(&mut core);
        }
    }
    assert_eq!(core.counts().leases, pods as usize * usize::from(ports));
    core
}

fn converge(core: &mut Core) -> usize {
    while let Some((mapping, port)) = core.next_reservation() {
        core.reserved(&mapping, port, Reserved::Ok);
    }
    let plan = core.plan(None);
    let verified: Vec<_> = plan
        .changes
        .iter()
        .filter_map(|change| match change {
            model::Change::Element { key, after, .. } => Some((*key, *after)),
            model::Change::Structure { .. } => None,
        })
        .collect();
    core.outcome(&verified, &[]);
    core.take_lease_changes();
    core.take_released();
    core.take_publications();
    verified.len()
}

// One test, so that nothing else allocates in this process meanwhile.
#[test]
fn fifty_thousand_mappings_fit_in_the_memory_that_is_promised() {
    drop(node_of(10, 10));
    let before = resident();
    let mut core = node_of(2500, 20);
    let each = (resident() - before) / 50_000;
    println!("{each} bytes of resident memory a mapping, 20 a Pod");
    assert!(each <= 300, "{each} bytes a mapping");

    // One Pod that comes and goes touches its own elements and nothing else.
    core.apply(applied(pod("new", &["10.200.0.1"])));
    assert_eq!(converge(&mut core), 21);
    core.apply(deleted(model::ObjectKind::Pod, "new", None));
    assert_eq!(converge(&mut core), 21);
}

#[test]
fn of_pods_that_came_and_went_nothing_is_remembered() {
    let mut core = node_of(20, 2);
    let before = format!("{core:#?}");
    for n in 0..300_u32 {
        let uid = format!("{n:08x}-0000-4000-9000-000000000000");
        let mut pod = pod(&format!("job-{n:05}"), &["10.9.0.1"]);
        pod.meta.uid = model::Uid::new(uid.as_str());
        core.apply(applied(pod.clone()));
        converge(&mut core);
        // As the API shows it: what was published, then the end.
        pod.npl_annotation = Some(says(8000, 2000).into());
        core.apply(applied(pod.clone()));
        converge(&mut core);
        pod.phase = model::object::Phase::Succeeded;
        core.apply(applied(pod));
        converge(&mut core);
        core.apply(deleted(model::ObjectKind::Pod, &format!("job-{n:05}"), Some(&uid)));
        converge(&mut core);
    }
    let after = format!("{core:#?}");
    let new: Vec<&str> = after.lines().filter(|line| line.contains("9000-000000000000")).collect();
    assert_eq!(new, Vec::<&str>::new());
    assert_eq!(after.lines().count(), before.lines().count());
}
