//! What is so of a folder only: missing, empty, half written, unreadable. Nothing is deleted, it is
//! told, and once the folder is well again everything goes on by itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "metrics are counts")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use model::object::Phase;
use model::{IpFamily, Protocol};
use serde_json::Value;
use testkit::{
    AgentProcess, DEADLINE, KernelTable, Manifest, Stage, Steady, World, foreign, generation,
    manifest_of, serve, service_for,
};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const WEB: &str = "default/web-0";

fn ports(mappings: &[Value]) -> BTreeMap<String, u64> {
    let key = |m: &Value| format!("{} {} {}", m["pod"], m["protocol"], m["podPort"]);
    mappings.iter().map(|m| (key(m), m["nodePort"].as_u64().unwrap())).collect()
}

/// An agent without the right to pass over file permissions, as a service manager may start it.
fn start_bound_by_permissions(stage: &Stage) -> AgentProcess {
    let agent = stage.command("agent");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]);
    command.arg(agent.get_program()).args(agent.get_args());
    AgentProcess::start(stage.node(), &mut command)
}

/// Starts an agent on a folder that somebody has damaged, and expects it to wait: nothing deleted,
/// the hold and its cause told, and everything as before once the damage is undone.
fn survives(damage: impl Fn(&Stage), code: &str, says: &str, mend: impl Fn(&Stage)) {
    let stage = Stage::new(NETKEEP);
    let webs = [stage.web(WEB, "10.10.0.1"), stage.web("default/web-1", "10.10.0.2")];
    let mut agent = stage.agent();
    let before = ports(&stage.programmed(4));
    let files = stage.publishes(2);
    let (table, written) = (KernelTable::read(stage.node()), generation(stage.node()));
    let clients = stage.clients(WEB);
    agent.terminate(DEADLINE);

    damage(&stage);
    let (code_of_plan, plan) = stage.plan();
    assert!(plan["hold"].is_string(), "{plan:#}");
    // Nothing is to be done as far as can be told, and that is not far.
    assert_eq!((code_of_plan, &plan["changes"]), (1, &serde_json::json!([])), "{plan:#}");
    let mut agent = stage.start();
    agent.ready(DEADLINE, || stage.ask("health").map(drop));
    let finding = stage.finding(code, |f| f["message"].as_str().unwrap().contains(says));
    assert!(!finding["advice"].as_str().unwrap().is_empty(), "{finding}");
    clients.answered(20);
    assert_eq!(KernelTable::read(stage.node()), table, "{says}: {}", agent.stderr());
    assert_eq!(stage.publications(), files);
    // The hold is told wherever one may look, and so is what the kernel serves meanwhile.
    let health = stage.ask("health").unwrap();
    assert_eq!((&health["healthy"], &health["ready"]), (&true.into(), &false.into()), "{health}");
    assert!(health["hold"].is_string(), "{health}");
    assert_eq!(stage.metric("netkeep_on_hold") as u64, 1, "{says}");
    assert_eq!(stage.metric("netkeep_holds_total") as u64, 1, "{says}");
    let shown = stage.ask("npl").unwrap();
    let shown = shown.as_array().unwrap();
    assert_eq!(ports(shown), before, "{shown:#?}");
    for mapping in shown {
        assert_eq!(mapping["state"], "programmed", "{mapping}");
    }
    let adopted = |mapping: &&Value| mapping["reason"].as_str().unwrap().contains("no source");
    assert!(shown.iter().filter(adopted).count() >= 2, "{shown:#?}");

    mend(&stage);
    stage.ready(&mut agent);
    assert_eq!(stage.ask("health").unwrap()["hold"], Value::Null);
    assert_eq!(stage.metric("netkeep_on_hold") as u64, 0, "{says}");
    stage.no_finding(code);
    assert_eq!(ports(&stage.programmed(4)), before);
    assert_eq!(generation(stage.node()), written, "{says}: {}", agent.stderr());
    // It goes on as ever: a deletion is a deletion again.
    stage.folder().remove(&webs[1].manifest);
    stage.programmed(2);
    stage.nothing_to_do();
    clients.lost_nothing();
}

/// The folder under another name.
fn aside(stage: &Stage) -> PathBuf {
    stage.folder().path().with_extension("aside")
}

fn move_aside(stage: &Stage) {
    fs::rename(stage.folder().path(), aside(stage)).unwrap();
}

fn move_back(stage: &Stage) {
    fs::rename(aside(stage), stage.folder().path()).unwrap();
}

/// A Pod's file of a stage.
fn file(stage: &Stage) -> PathBuf {
    stage.folder().file("pod-default-web-0.yaml")
}

#[test]
fn a_start_without_the_folder_deletes_nothing_and_recovers_by_itself() {
    survives(move_aside, "source-unavailable", "does not exist", move_back);
}

#[test]
fn a_start_with_an_empty_folder_deletes_nothing_and_recovers_by_itself() {
    let empty = |stage: &Stage| {
        move_aside(stage);
        fs::create_dir(stage.folder().path()).unwrap();
    };
    let fill = |stage: &Stage| {
        fs::remove_dir(stage.folder().path()).unwrap();
        move_back(stage);
    };
    survives(empty, "source-unavailable", "empty", fill);
}

#[test]
fn a_start_with_a_file_in_the_folders_place_deletes_nothing_and_recovers_by_itself() {
    let replace = |stage: &Stage| {
        move_aside(stage);
        fs::write(stage.folder().path(), "not a folder").unwrap();
    };
    let restore = |stage: &Stage| {
        fs::remove_file(stage.folder().path()).unwrap();
        move_back(stage);
    };
    survives(replace, "source-unavailable", "not a folder", restore);
}

#[test]
fn a_start_with_a_half_written_file_deletes_nothing_and_recovers_by_itself() {
    let keep = |stage: &Stage| file(stage).with_extension("kept");
    let truncate = |stage: &Stage| {
        let text = fs::read_to_string(file(stage)).unwrap();
        fs::rename(file(stage), keep(stage)).unwrap();
        fs::write(file(stage), &text[..text.find("podIPs").unwrap() + 4]).unwrap();
    };
    let complete = |stage: &Stage| fs::rename(keep(stage), file(stage)).unwrap();
    survives(truncate, "invalid-object", ":", complete);
}

#[test]
fn a_start_with_a_file_of_no_bytes_names_it_deletes_nothing_and_recovers_by_itself() {
    let keep = |stage: &Stage| file(stage).with_extension("kept");
    let empty = |stage: &Stage| {
        fs::rename(file(stage), keep(stage)).unwrap();
        fs::write(file(stage), "").unwrap();
    };
    let fill = |stage: &Stage| fs::rename(keep(stage), file(stage)).unwrap();
    survives(empty, "invalid-object", "the file is empty", fill);
}

#[test]
fn a_pod_whose_file_was_cut_off_before_its_status_keeps_its_mapping_and_is_named() {
    let stage = Stage::new(NETKEEP);
    let _webs = [stage.web(WEB, "10.10.0.1"), stage.web("default/web-1", "10.10.0.2")];
    let agent = stage.agent();
    let before = ports(&stage.programmed(4));
    let written = generation(stage.node());
    let clients = stage.clients(WEB);
    let text = fs::read_to_string(file(&stage)).unwrap();
    let cut = text.find("\nstatus:").unwrap() + 1;
    fs::write(file(&stage), &text[..cut]).unwrap();
    let finding = stage.finding("invalid-object", |_| true);
    let place = "pod-default-web-0.yaml:1:1: Pod default/web-0: status:";
    assert!(finding["message"].as_str().unwrap().starts_with(place), "{finding}");
    clients.answered(10);
    assert_eq!(ports(&stage.programmed(4)), before);
    assert_eq!(generation(stage.node()), written, "{}", agent.stderr());
    fs::write(file(&stage), text).unwrap();
    stage.no_finding("invalid-object");
    assert_eq!(ports(&stage.programmed(4)), before);
    clients.lost_nothing();
}

#[test]
fn a_start_with_an_unreadable_file_deletes_nothing_and_recovers_by_itself() {
    let keep = |stage: &Stage| file(stage).with_extension("kept");
    let unread = |stage: &Stage| {
        fs::rename(file(stage), keep(stage)).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", file(stage)).unwrap();
    };
    let reread = |stage: &Stage| fs::rename(keep(stage), file(stage)).unwrap();
    survives(unread, "source-unavailable", "", reread);
}

#[test]
fn a_start_with_an_object_that_was_never_valid_deletes_nothing_and_recovers_by_itself() {
    let keep = |stage: &Stage| file(stage).with_extension("kept");
    let spoil = |stage: &Stage| {
        fs::rename(file(stage), keep(stage)).unwrap();
        let text = fs::read_to_string(keep(stage)).unwrap();
        fs::write(file(stage), text.replace("8080", "70000")).unwrap();
    };
    let mend = |stage: &Stage| fs::rename(keep(stage), file(stage)).unwrap();
    survives(spoil, "invalid-object", "", mend);
}

#[test]
fn a_table_that_is_built_anew_at_a_start_without_the_folder_keeps_every_mapping() {
    let stage = Stage::new(NETKEEP);
    let _webs = [stage.web(WEB, "10.10.0.1"), stage.web("default/web-1", "10.10.0.2")];
    let mut agent = stage.agent();
    let before = ports(&stage.programmed(4));
    let (table, port) = (KernelTable::read(stage.node()), stage.port(WEB, Protocol::Tcp));
    agent.terminate(DEADLINE);
    move_aside(&stage);
    fs::remove_dir_all(stage.state_dir()).unwrap();
    let breaks = "flush chain inet netkeep npl; delete map inet netkeep npl6";
    testkit::eventually(DEADLINE, || {
        foreign::nft(stage.node(), breaks).map_err(|error| error.to_string())
    });
    // What it holds is shown even so, and that it is not well.
    let shown = stage.run(&["show", "npl", "--kernel", "-o", "json"]).expect_code(0).json();
    assert_eq!(ports(shown.as_array().unwrap()), before);
    assert!(shown.as_array().unwrap().iter().all(|m| m["state"] == "error"), "{shown:#}");
    let mut agent = stage.start();
    agent.ready(DEADLINE, || match KernelTable::read(stage.node()) {
        found if found == table => Ok(()),
        found => Err(format!("{found:?}")),
    });
    assert_eq!(stage.who(Protocol::Tcp, port), Ok(WEB.to_owned()));
    assert_eq!(ports(stage.ask("npl").unwrap().as_array().unwrap()), before);
    move_back(&stage);
    stage.ready(&mut agent);
    assert_eq!(ports(&stage.programmed(4)), before);
    stage.nothing_to_do();
}

#[test]
fn an_empty_folder_means_no_objects_only_if_that_was_said() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let mut agent = stage.agent();
    stage.programmed(2);
    stage.folder().clear();
    stage.finding("source-unavailable", |finding| finding["severity"] == "error");
    assert_eq!(KernelTable::read(stage.node()).unwrap().mappings.len(), 2);
    agent.terminate(DEADLINE);
    let output = stage.run_with_source("plan", &["--allow-empty"]).expect_code(2);
    assert!(output.stdout.contains("delete npl4"), "{output}");
    let applied = stage.run_with_source("apply", &["--allow-empty"]).expect_code(0);
    assert!(applied.stdout.contains("converged"), "{applied}");
    assert_eq!(KernelTable::read(stage.node()).unwrap().mappings.len(), 0);
    stage.publishes(0);
}

#[test]
fn a_folder_that_may_not_be_read_deletes_nothing_and_recovers_by_itself() {
    let stage = Stage::new(NETKEEP);
    let _web = stage.web(WEB, "10.10.0.1");
    let mut agent = stage.agent();
    let before = ports(&stage.programmed(2));
    let written = generation(stage.node());
    let clients = stage.clients(WEB);
    agent.terminate(DEADLINE);
    let allow = |mode: u32| {
        fs::set_permissions(stage.folder().path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(0o000);
    let mut agent = start_bound_by_permissions(&stage);
    agent.ready(DEADLINE, || stage.ask("health").map(drop));
    stage.finding("source-unavailable", |f| f["message"].as_str().unwrap().contains("ermission"));
    clients.answered(10);
    allow(0o755);
    stage.ready(&mut agent);
    assert_eq!(ports(&stage.programmed(2)), before);
    assert_eq!(generation(stage.node()), written);
    clients.lost_nothing();
}

#[test]
fn removing_the_file_of_an_older_uid_does_not_touch_the_newer_pod_of_the_name() {
    const BOTH: [(Protocol, u16); 2] = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];
    const OLDER: i64 = 1_767_300_000;
    const NEWER: i64 = OLDER + 100;
    let mut world = World::new(NETKEEP);
    let web: Arc<lab::Pod> = world.pod("web", &["10.244.1.7"]);
    let _servers = serve(&web, &BOTH);
    world.folder().put(manifest_of(&web));
    world.folder().put(service_for("web", &BOTH));
    world.start();
    world.port("default/web", Protocol::Udp, 8080);
    // The newer object comes in a file of its own, which counts (it is later in the
    // order of names), before the older one's goes.
    let newer: Manifest = manifest_of(&web).uid("web-second").started(NEWER).into();
    world.folder().write("the-newer-one.yaml", &newer.yaml());
    world.folder().remove(manifest_of(&web));
    world.until(|| match &world.mappings()[..] {
        [tcp, _] if tcp.uid == "web-second" && tcp.state == "programmed" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let [tcp, udp] = BOTH
        .map(|(protocol, port)| world.at(IpFamily::V4, world.port("default/web", protocol, port)));
    let clients = Steady::start(world.lab().client(), tcp, udp);
    clients.goes_on("web");
    world.sync();
    // Late news of the older one, and its end once more.
    world.folder().put(manifest_of(&web).phase(Phase::Succeeded).started(OLDER));
    world.sync();
    world.folder().remove(manifest_of(&web));
    world.sync();
    clients.goes_on("web");
    clients.nothing_lost(&["web"]);
    assert!(world.mappings().iter().all(|m| m.uid == "web-second"), "{:?}", world.mappings());
    world.published_as("default/web", |_| true);
}
