//! Golden plans: what the objects ask (`intent.yaml`), what the kernel holds (`observed.txt`), and
//! the plan as `netkeep plan` prints it (`plan.txt`). `cargo xtask bless` rewrites the last.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![allow(
    clippy::disallowed_methods,
    reason = "the core reads no files; its golden cases are files"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use manifest::Limits;
use model::{
    ChangeOp, Event, Hold, IpFamily, Key, NodePort, ObjectKind, Owner, PodPort, PortRange,
    Protocol, Reason, Uid, Value,
};
use netkeep_plan::{Config, Core, Reserved, render};

macro_rules! cases {
    ($($test:ident = $case:literal,)*) => {
        $(#[test] fn $test() { check($case); })*

        #[test]
        fn every_folder_of_golden_is_a_test() {
            let listed: BTreeSet<String> = [$($case),*].map(str::to_owned).into();
            let found: BTreeSet<String> = fs::read_dir(golden())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(listed, found);
        }
    };
}

cases! {
    add_dual_stack_and_three_protocols = "add-dual-stack-and-three-protocols",
    add_mapping_to_an_empty_node = "add-mapping-to-an-empty-node",
    delete_mapping_of_a_pod_that_is_gone = "delete-mapping-of-a-pod-that-is-gone",
    give_a_contested_ip_to_the_newer_pod = "give-a-contested-ip-to-the-newer-pod",
    give_a_reused_ip_to_the_live_pod = "give-a-reused-ip-to-the-live-pod",
    hold_deletions_while_the_source_is_away = "hold-deletions-while-the-source-is-away",
    keep_a_node_that_is_as_wanted = "keep-a-node-that-is-as-wanted",
    mend_a_damaged_table = "mend-a-damaged-table",
    move_a_mapping_out_of_a_changed_range = "move-a-mapping-out-of-a-changed-range",
    publish_a_host_port_without_a_rule = "publish-a-host-port-without-a-rule",
    replace_mapping_after_an_ip_change = "replace-mapping-after-an-ip-change",
    replace_owner_of_a_reused_name = "replace-owner-of-a-reused-name",
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// What `observed.txt` says.
struct Observed {
    structure: Option<(ChangeOp, String)>,
    range: PortRange,
    elements: Vec<(Key, Value, Option<Arc<Owner>>)>,
}

fn observed(text: &str) -> Observed {
    let mut observed =
        Observed { structure: None, range: PortRange::DEFAULT, elements: Vec::new() };
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["intact"] => {}
            ["absent"] => {
                observed.structure = Some((ChangeOp::Add, "there is no table".to_owned()));
            }
            ["damaged:", ..] => {
                let what = line.trim_start_matches("damaged: ").to_owned();
                observed.structure = Some((ChangeOp::Replace, what));
            }
            ["range", range] => observed.range = range.parse().unwrap(),
            ["hairpin", ip, name, uid] => {
                let key = Key::Hairpin(ip.parse().unwrap());
                observed.elements.push((key, Value::Present, Some(owner(name, uid))));
            }
            [protocol, port, endpoint, name, uid] => {
                let (ip, pod_port) = endpoint.rsplit_once(':').unwrap();
                let ip = ip.parse().unwrap();
                let key = Key::Npl {
                    family: IpFamily::of(&ip),
                    protocol: protocol.parse::<Protocol>().unwrap(),
                    port: NodePort::try_from(port.parse::<i64>().unwrap()).unwrap(),
                };
                let port = PodPort::try_from(pod_port.parse::<i64>().unwrap()).unwrap();
                let value = Value::Endpoint { ip, port };
                observed.elements.push((key, value, Some(owner(name, uid))));
            }
            _ => panic!("{line:?} is not understood"),
        }
    }
    observed
}

fn owner(name: &str, uid: &str) -> Arc<Owner> {
    let (namespace, name) = name.split_once('/').unwrap();
    Arc::new(Owner::pod(namespace, name, Uid::new(uid)))
}

fn check(case: &str) {
    let folder = golden().join(case);
    let intent = fs::read_to_string(folder.join("intent.yaml")).unwrap();
    let Observed { structure, range, elements } =
        observed(&fs::read_to_string(folder.join("observed.txt")).unwrap());
    let mut core = Core::new(Config { node: "n1".into(), range });
    core.observe(elements, &Reason::Wanted);
    if let Some(reason) = intent.strip_prefix("hold: ") {
        core.set_hold(Some(Hold::all(reason.trim_end())));
    } else {
        let parsed = manifest::parse("intent.yaml", intent.as_bytes(), &Limits::default());
        assert!(parsed.summary.syntax.is_none() && parsed.summary.invalid.is_empty(), "{parsed:?}");
        let objects = parsed.objects.into_iter().map(|found| found.object).collect();
        let kinds = vec![ObjectKind::Pod, ObjectKind::Service, ObjectKind::Node];
        core.apply(Event::Listed { kinds, objects });
        core.set_hold(None);
    }
    while let Some((mapping, port)) = core.next_reservation() {
        core.reserved(&mapping, port, Reserved::Ok);
    }
    let mut plan = core.plan(structure);
    plan.findings = core.findings();
    let text = render::text(&plan);
    let file = folder.join("plan.txt");
    if env::var_os("NETKEEP_BLESS").is_some() {
        fs::write(file, text).unwrap();
    } else {
        assert_eq!(text, fs::read_to_string(file).unwrap_or_default(), "{case}");
    }
}
