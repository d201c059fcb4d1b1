//! Bad input: told with its file and place, harmless to everything else, and forgotten once mended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::{Clients, DEADLINE, KernelTable, Manifest, Stage, Web, eventually};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const STEADY: &str = "default/web-0";
const VICTIM: &str = "default/web-1";
const FILE: &str = "pod-default-web-1.yaml";

/// Two Pods with mappings, and an agent; the first Pod's clients run throughout.
struct Scene {
    clients: Clients,
    agent: testkit::AgentProcess,
    victim: Web,
    _steady: Web,
    stage: Stage,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new(NETKEEP);
        let (steady, victim) = (stage.web(STEADY, "10.10.0.1"), stage.web(VICTIM, "10.10.0.2"));
        let agent = stage.agent();
        stage.programmed(4);
        let clients = stage.clients(STEADY);
        Self { clients, agent, victim, _steady: steady, stage }
    }

    /// The victim's manifest as text.
    fn yaml(&self) -> String {
        Manifest::from(&self.victim.manifest).yaml()
    }

    /// A finding about this file of which the message has all these parts, and, if so wanted, the
    /// place: a line and a column.
    fn told(&self, file: &str, parts: &[&str], place: Option<(usize, usize)>) -> Value {
        let finding = eventually(DEADLINE, || {
            let findings = self.stage.ask("findings")?;
            let mut all = findings.as_array().into_iter().flatten();
            let fits = |finding: &&Value| {
                let message = finding["message"].as_str().unwrap();
                finding["subject"] == format!("file {file}")
                    && parts.iter().all(|part| message.contains(part))
                    && place
                        .is_none_or(|(line, column)| message.contains(&format!("{line}:{column}")))
            };
            let found = all.find(fits).cloned();
            found.ok_or_else(|| format!("{file} {parts:?} {place:?}: {findings:#}"))
        });
        assert!(!finding["advice"].as_str().unwrap().is_empty(), "{finding}");
        finding
    }

    /// After everything was mended: nothing is told, nothing is to do, nothing was lost; and an
    /// agent was never ended.
    fn ends_well(mut self, mappings: usize) {
        eventually(DEADLINE, || match self.stage.ask("findings")? {
            Value::Array(findings) if findings.is_empty() => Ok(()),
            findings => Err(format!("{findings:#}")),
        });
        self.stage.programmed(mappings);
        self.stage.nothing_to_do();
        let status = self.agent.terminate(DEADLINE);
        assert_eq!(status.code(), Some(0), "{}", self.agent.stderr());
        self.clients.lost_nothing();
    }

    fn table(&self) -> KernelTable {
        KernelTable::read(self.stage.node()).unwrap()
    }

    /// Something bad stands in the victim's file: told, and nothing changes; meanwhile another Pod
    /// comes and gets its mappings. Then the file is mended.
    fn keeps_the_last_good(&self, bad: &str, parts: &[&str], place: Option<(usize, usize)>) {
        let before = self.table();
        self.stage.folder().write(FILE, bad);
        self.told(FILE, parts, place);
        assert_eq!(self.table(), before, "{parts:?}");
        self.stage.folder().write(FILE, &self.yaml());
        eventually(DEADLINE, || match self.stage.ask("findings")? {
            Value::Array(findings) if findings.is_empty() => Ok(()),
            findings => Err(format!("{parts:?}: {findings:#}")),
        });
        assert_eq!(self.table(), before, "{parts:?}");
    }
}

/// The line and column at which a text stands.
fn place_of(text: &str, what: &str) -> (usize, usize) {
    let at = text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].rsplit('\n').next().unwrap().chars().count() + 1;
    (line, column)
}

#[test]
fn a_wrong_value_is_told_with_line_and_column_and_the_last_good_content_counts() {
    let scene = Scene::new();
    let good = scene.yaml();
    for (right, wrong, parts) in [
        ("containerPort: 8080", "containerPort: 0", &["0"][..]),
        ("containerPort: 8080", "containerPort: 70000", &["70000"]),
        ("containerPort: 8080", "containerPort: -1", &["-1"]),
        ("containerPort: 8080", "containerPort: eighty", &["eighty"]),
        ("containerPort: 8080", "containerPort: [8080]", &["list"]),
        ("containerPort: 8080", "containerPort: 80.5", &["80.5"]),
        ("protocol: TCP", "protocol: ICMP", &["ICMP", "protocol"]),
        ("protocol: TCP", "protocol: tcp", &["tcp", "protocol"]),
        ("podIP: 10.10.0.2", "podIP: 10.10.0.256", &["10.10.0.256", "IP"]),
        ("podIP: 10.10.0.2", "podIP: 10.10.0.2/32", &["10.10.0.2/32", "IP"]),
        ("podIP: 10.10.0.2", "podIP: ::ffff:10.10.0.2", &["IPv4"]),
        ("podIP: 10.10.0.2", "podIP: 127.0.0.1", &["loopback"]),
        ("name: web-1", "name: ../../etc/passwd", &["../../etc/passwd", "name"]),
        ("name: web-1", "name: a/b", &["a/b", "name"]),
        ("namespace: default", "namespace: ../kube-system", &["../kube-system", "namespace"]),
        ("uid: pod-default-web-1", "uid: [1]", &["list"]),
        ("app: web", "app: [web]", &["list"]),
    ] {
        assert!(good.contains(right), "{right} in {good}");
        let bad = good.replacen(right, wrong, 1);
        let value = wrong.split_once(": ").unwrap().1;
        let (line, _) = place_of(&bad, wrong);
        let column = place_of(bad.lines().nth(line - 1).unwrap(), value).1;
        scene.keeps_the_last_good(&bad, parts, Some((line, column)));
    }
    scene.ends_well(4);
}

#[test]
fn an_address_of_the_wrong_family_is_told_and_the_last_good_content_counts() {
    let scene = Scene::new();
    let service = Manifest::from(testkit::stage::service()).yaml();
    let bad = service.replacen("clusterIP: 10.96.0.10", "clusterIP: fd00:96::a", 1);
    let before = scene.table();
    scene.stage.folder().write("service-default-web.yaml", &bad);
    let place = place_of(&bad, "fd00:96::a");
    scene.told("service-default-web.yaml", &["fd00:96::a", "IPv4"], Some(place));
    assert_eq!(scene.table(), before);
    scene.stage.folder().write("service-default-web.yaml", &service);
    scene.ends_well(4);
}

#[test]
fn yaml_that_is_broken_at_a_line_is_told_with_that_line_and_the_last_good_content_counts() {
    let scene = Scene::new();
    let good = scene.yaml();
    for (right, wrong) in [
        ("  phase: Running", "  phase: \"Running"),
        ("  phase: Running", "\tphase: Running"),
        ("  phase: Running", "  phase: Running: now"),
        ("  phase: Running", "  phase: }{"),
        ("  phase: Running", " phase: Running"),
        ("kind: Pod", "kind: *nowhere"),
    ] {
        let bad = good.replacen(right, wrong, 1);
        let before = scene.table();
        scene.stage.folder().write(FILE, &bad);
        let finding = scene.told(FILE, &[":"], None);
        let message = finding["message"].as_str().unwrap();
        let told = message.split(|c: char| !c.is_ascii_digit() && c != ':').find_map(|word| {
            let (line, column) = word.trim_matches(':').split_once(':')?;
            Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?))
        });
        let (line, _) = told.unwrap_or_else(|| panic!("no place in {message}"));
        let (at, _) = place_of(&bad, wrong);
        // An open quote is noticed where it would have had to end, at the latest at the end; what
        // follows a text where nothing may, at the beginning of that text.
        let last = bad.lines().count() + 1;
        assert!((at - 1..=last).contains(&line), "{wrong}: line {at}, told {message}");
        assert_eq!(scene.table(), before, "{wrong}");
        scene.stage.folder().write(FILE, &good);
        eventually(DEADLINE, || match scene.stage.ask("findings")? {
            Value::Array(findings) if findings.is_empty() => Ok(()),
            findings => Err(format!("{findings:#}")),
        });
    }
    scene.ends_well(4);
}

#[test]
fn files_that_are_no_manifests_are_told_and_harmless() {
    let scene = Scene::new();
    let before = scene.table();
    let folder = scene.stage.folder();
    let path = |name: &str| folder.file(name);

    let garbage: Vec<u8> = (0..=255).rev().cycle().take(20_000).collect();
    fs::write(path("garbage.yaml"), garbage).unwrap();
    fs::write(path("latin1.yaml"), b"kind: Pod\nname: caf\xe9\n").unwrap();
    fs::write(path("zeros.yaml"), [0; 4096]).unwrap();
    symlink(path("loop-b.yaml"), path("loop-a.yaml")).unwrap();
    symlink(path("loop-a.yaml"), path("loop-b.yaml")).unwrap();
    symlink(folder.path(), path("itself")).unwrap();
    let made = Command::new("mkfifo").arg(path("pipe.yaml")).status().unwrap();
    assert!(made.success());
    let mut names = vec!["garbage.yaml", "latin1.yaml", "zeros.yaml", "loop-a.yaml", "pipe.yaml"];
    for name in &names {
        scene.told(name, &[], None);
    }
    assert_eq!(scene.table(), before);
    // Everything else keeps working, deletions too: what is told to be gone is gone.
    let third = scene.stage.web("default/web-2", "10.10.0.3");
    scene.stage.programmed(6);
    folder.remove(&third.manifest);
    scene.stage.programmed(4);
    assert_eq!(scene.table(), before);
    names.extend(["loop-b.yaml", "itself"]);
    for name in names {
        fs::remove_file(path(name)).unwrap();
    }
    scene.stage.programmed(4);
    scene.ends_well(4);
}

#[test]
fn a_file_of_five_megabytes_is_read_or_told_and_harmless() {
    let scene = Scene::new();
    let before = scene.table();
    let folder = scene.stage.folder();
    // Well-formed and of no interest, after an object that matters.
    let filler = "  noise: \"abcdefghijklmnopqrstuvwxyz 0123456789\"\n";
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: big\ndata:\n";
    let mut text = scene.yaml() + "---\n" + config;
    let lines = 5_000_000 / filler.len() + 1;
    (0..lines).for_each(|n| text.push_str(&filler.replacen("noise", &format!("noise{n}"), 1)));
    folder.write(FILE, &text);
    folder
        .write("bad-big.yaml", &format!("kind: Pod\nbad: [\n{}", "# a comment\n".repeat(450_000)));
    scene.told("bad-big.yaml", &[], None);
    let third = scene.stage.web("default/web-2", "10.10.0.3");
    scene.stage.programmed(6);
    folder.remove(&third.manifest);
    folder.remove_file("bad-big.yaml");
    scene.stage.programmed(4);
    assert_eq!(scene.table(), before);
    folder.write(FILE, &scene.yaml());
    scene.ends_well(4);
}

#[test]
fn names_that_climb_out_of_the_folder_write_nowhere() {
    let scene = Scene::new();
    let folder = scene.stage.folder();
    for (n, name) in ["../../../escaped", "..", ".", "a\\u0000b"].iter().enumerate() {
        for field in ["name", "namespace"] {
            let bad = scene.yaml().replacen(
                &format!("  {field}: {}", if field == "name" { "web-1" } else { "default" }),
                &format!("  {field}: \"{name}\""),
                1,
            );
            let file = format!("climbs-{field}-{n}.yaml");
            folder.write(&file, &bad);
            scene.told(&file, &[], None);
            folder.remove_file(&file);
        }
    }
    // Publishing comes after programming, on a thread of its own.
    scene.stage.publishes(2);
    let outside = scene.stage.state_dir().parent().unwrap().to_owned();
    assert!(!outside.join("escaped").exists() && !outside.join("escaped.yaml").exists());
    let mut names: Vec<_> = pods_published(&scene.stage.state_dir());
    names.sort();
    assert_eq!(names, ["default/web-0.yaml", "default/web-1.yaml"]);
    scene.ends_well(4);
}

fn pods_published(state: &Path) -> Vec<String> {
    let root = state.join("published/pods");
    let entries = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries(&root)
        .flat_map(|namespace| {
            let name = namespace.file_name().into_string().unwrap();
            entries(&namespace.path())
                .map(|file| format!("{name}/{}", file.file_name().into_string().unwrap()))
                .collect::<Vec<_>>()
        })
        .collect()
}
