//! Published files, which a folder of manifests has in the place of annotations: what is in them,
//! when they go, and what becomes of what others do to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use model::{IpFamily, Protocol};
use testkit::{Pod, Service, Target, World, manifest_of, serve, service_for};

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
const KEY: &str = "nodeportlocal.antrea.io";
const WEB: &str = "default/web";
const BOTH: [(Protocol, u16); 2] = [(Protocol::Tcp, 8080), (Protocol::Udp, 8080)];

/// One element as Antrea 2.6 writes it.
fn element(pod_port: u16, node_ip: &str, node_port: u16, protocol: &str, family: &str) -> String {
    format!(
        r#"{{"podPort":{pod_port},"nodeIP":"{node_ip}","nodePort":{node_port},"protocol":"{protocol}","ipFamily":"{family}"}}"#
    )
}

/// The annotation of a Pod with these TCP and UDP node ports for its port 8080.
fn annotation(tcp: u16, udp: u16) -> String {
    let tcp = element(8080, "192.0.2.1", tcp, "tcp", "IPv4");
    let udp = element(8080, "192.0.2.1", udp, "udp", "IPv4");
    format!("[{tcp},{udp}]")
}

/// A world, not running yet, with a Pod that serves.
fn world() -> (World, Arc<lab::Pod>, Vec<lab::Server>) {
    let world = World::new(NETKEEP);
    let web = world.pod("web", &["10.244.1.7"]);
    let servers = serve(&web, &BOTH);
    world.folder().put(manifest_of(&web));
    world.folder().put(service_for("web", &BOTH));
    (world, web, servers)
}

fn ports(world: &World) -> [u16; 2] {
    BOTH.map(|(protocol, pod_port)| world.port(WEB, protocol, pod_port))
}

#[test]
fn a_published_file_names_its_pod() {
    let (mut world, web, _servers) = world();
    world.folder().put(manifest_of(&web).uid("0f9c2b1e-7d0a-4c1e-9a55-3f1f6f0b7c1a"));
    world.start();
    let [tcp, udp] = ports(&world);
    world.published_as(WEB, |text| text == annotation(tcp, udp));
    let file = fs::read_to_string(world.published_file(WEB)).unwrap();
    for part in
        ["kind: Pod", "name: web", "namespace: default", "0f9c2b1e-7d0a-4c1e-9a55-3f1f6f0b7c1a"]
    {
        assert!(file.contains(part), "{part} in\n{file}");
    }
}

#[test]
fn a_published_file_that_is_altered_or_removed_is_written_again() {
    let (mut world, web, _servers) = world();
    world.start();
    let [tcp, udp] = ports(&world);
    world.published_as(WEB, |text| text == annotation(tcp, udp));
    let file = world.published_file(WEB);
    let right = fs::read_to_string(&file).unwrap();
    let restored = |what: &str| {
        world.until(|| match fs::read_to_string(&file) {
            Ok(text) if text == right => Ok(()),
            other => Err(format!("{what}: {other:?}")),
        });
    };
    fs::write(&file, "garbage: [").unwrap();
    restored("garbage");
    fs::write(&file, right.replace(&tcp.to_string(), "61999")).unwrap();
    restored("another port");
    fs::remove_file(&file).unwrap();
    restored("removed");
    fs::rename(&file, file.with_extension("moved")).unwrap();
    restored("moved");
    // It may be filled again meanwhile.
    let _ = fs::remove_dir_all(file.parent().unwrap());
    restored("its folder removed");
    fs::write(&file, "").unwrap();
    restored("emptied");
    assert_eq!(ports(&world), [tcp, udp]);
    assert_eq!(world.who(Protocol::Tcp, tcp), web.name());
}

#[test]
fn a_file_that_says_something_of_a_pod_without_mappings_goes() {
    let (mut world, web, _servers) = world();
    world.folder().put(service_for("web", &[]));
    world.start();
    world.unpublished(WEB);
    let file = world.published_file(WEB);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: default\n  annotations:\n    nodeportlocal.antrea.io: '[]'\n";
    fs::write(&file, text).unwrap();
    world.unpublished(WEB);
    assert_eq!(web.name(), "web");
}

#[test]
fn an_annotation_in_the_folder_that_nothing_stands_for_is_to_be_removed() {
    let (mut world, web, _servers) = world();
    world.folder().put(service_for("web", &[]));
    world.folder().put(manifest_of(&web).annotation(KEY, &annotation(61900, 61901)));
    world.start();
    let removal = || {
        world.until(|| match world.published(WEB) {
            Some(None) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    };
    removal();
    fs::remove_file(world.published_file(WEB)).unwrap();
    removal();
    assert_eq!(world.kernel_mappings(), []);
    // Once the folder has it no more there is nothing to ask for.
    world.folder().put(manifest_of(&web));
    world.unpublished(WEB);
}

#[test]
fn a_claim_in_the_published_file_made_while_the_agent_was_down_is_honoured() {
    let (mut world, _web, _servers) = world();
    world.start();
    let [tcp, udp] = ports(&world);
    world.published_as(WEB, |text| text == annotation(tcp, udp));
    world.crash();
    let file = world.published_file(WEB);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&annotation(tcp, udp), &annotation(61500, 61500))).unwrap();
    world.start();
    assert_eq!(ports(&world), [61500, 61500]);
    assert_eq!(world.who(Protocol::Tcp, 61500), "web");
    assert_eq!(world.who(Protocol::Udp, 61500), "web");
    world.published_as(WEB, |text| text == annotation(61500, 61500));
}

#[test]
fn a_published_file_that_is_older_than_what_the_agent_has_promised_since_is_no_claim() {
    let (mut world, _web, _servers) = world();
    world.start();
    let [tcp, udp] = ports(&world);
    world.published_as(WEB, |text| text == annotation(tcp, udp));
    world.crash();
    // A process has the port at the next start, so the mapping moves; and the agent is killed
    // before it can say so.
    let taken = world.node().run(|| TcpListener::bind(("0.0.0.0", tcp)).unwrap()).unwrap();
    world.launch(&[("NETKEEP_KILL_AT", "publish:journal-synced")]);
    world.wait_killed();
    drop(taken);
    let kernel = |world: &World| {
        let mut mappings = world.kernel_mappings();
        mappings.retain(|mapping| mapping.pod == WEB && mapping.protocol == "tcp");
        assert_eq!(mappings.len(), 1, "{mappings:?}");
        mappings[0].node_port
    };
    let moved = kernel(&world);
    assert_ne!(moved, tcp);
    assert_eq!(world.published(WEB), Some(Some(annotation(tcp, udp))));
    world.start();
    assert_eq!(ports(&world), [moved, udp]);
    world.published_as(WEB, |text| text == annotation(moved, udp));
    assert_eq!(world.who(Protocol::Tcp, moved), "web");
}

#[test]
fn what_cannot_be_published_is_told_until_it_is_whatever_else_is_published() {
    let (mut world, web, _servers) = world();
    let shop = Pod::new("shop/x").node("n1").label("app", "x").host_network();
    world.folder().put(shop.ips(&[world.lab().node_ip(IpFamily::V4)]));
    let service = Service::new("shop/x").npl().selector("app", "x");
    world.folder().put(service.port(Protocol::Tcp, 1, Target::Number(1)));
    // No folder can be made there.
    let in_the_way = world.published_file("shop/x").parent().unwrap().to_owned();
    fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    fs::write(&in_the_way, "mine").unwrap();
    world.start();
    let failed = |world: &World| world.findings("publish-failed");
    world.until(|| match failed(&world)[..] {
        [ref one] if one["message"].as_str().unwrap().contains("shop") => Ok(()),
        ref other => Err(format!("{other:?}")),
    });
    let [tcp, _] = ports(&world);
    // Each of these is published after the one before was told of.
    for round in 0..3 {
        world.folder().put(service_for("web", &BOTH[..1]));
        world.published_as(WEB, |text| !text.contains("udp") && text.contains(&tcp.to_string()));
        assert_eq!(failed(&world).len(), 1, "round {round}");
        world.folder().put(service_for("web", &BOTH));
        world.published_as(WEB, |text| text.contains("udp"));
        assert_eq!(failed(&world).len(), 1, "round {round}");
    }
    fs::remove_file(&in_the_way).unwrap();
    world.published_as("shop/x", |text| text.contains("\"podPort\":1"));
    world.until(|| match failed(&world)[..] {
        [] => Ok(()),
        ref other => Err(format!("{other:?}")),
    });
    assert_eq!(web.name(), "web");
}
