//! Kubernetes Events: said on the object, once.

use std::net::TcpListener;

use model::Protocol;
use serde_json::Value;
use testkit::api::{Fault, On};
use testkit::foreign;

use crate::scene::{Scene, W0, W1, W2};

/// The Events of this reason.
fn events(scene: &Scene, reason: &str) -> Vec<Value> {
    scene.api().all("events").into_iter().filter(|event| event["reason"] == reason).collect()
}

#[track_caller]
fn said(scene: &Scene, reason: &str, count: usize) -> Vec<Value> {
    scene.until(|| match events(scene, reason) {
        events if events.len() == count => Ok(events),
        _ => Err(format!("not {count} {reason}: {:#?}", scene.api().all("events"))),
    })
}

#[test]
fn a_range_without_a_free_port_is_said_once_on_the_pod_that_got_none() {
    let mut scene = Scene::new(&["--npl-port-range", "61000-61001"]);
    let none = scene.stage.web(W2, "10.10.0.3");
    let events = said(&scene, "RangeExhausted", 1);
    for event in &events {
        assert_eq!(event["involvedObject"]["name"], "web-2", "{event}");
        assert_eq!(event["involvedObject"]["uid"], "pod-default-web-2");
        assert_eq!(event["metadata"]["namespace"], "default");
        assert_eq!(
            (&event["type"], &event["reportingInstance"]),
            (&"Warning".into(), &"n1".into())
        );
        assert!(event["message"].as_str().unwrap().contains("61000-61001"), "{event}");
    }
    // Its trouble goes on, and other things happen: no new Event.
    for n in 0..5 {
        scene.api().edit("pods", W2, |pod| pod["metadata"]["labels"]["n"] = n.to_string().into());
    }
    foreign::add_table(scene.stage.node(), "inet other").unwrap();
    scene.webs.push(none);
    scene.is_fresh();
    said(&scene, "RangeExhausted", 1);
    scene.stop();
}

#[test]
fn a_port_that_another_process_took_is_said_on_the_pod() {
    let mut scene = Scene::new(&[]);
    let tcp = scene.stage.port(W0, Protocol::Tcp);
    scene.stop();
    let bind = || TcpListener::bind(("0.0.0.0", tcp)).unwrap();
    let holder = scene.stage.node().run(bind).unwrap();
    scene.agent = scene.stage.agent();
    let events = said(&scene, "PortConflict", 1);
    assert_eq!(events[0]["involvedObject"]["name"], "web-0");
    assert!(events[0]["message"].as_str().unwrap().contains(&tcp.to_string()), "{}", events[0]);
    drop(holder);
    scene.ends_well(&[W0, W1]);
}

#[test]
fn drift_that_was_repaired_is_said_on_the_node_once_however_often_it_comes() {
    let mut scene = Scene::new(&["--table", "shared"]);
    for _ in 0..5 {
        let port = scene.stage.port(W0, Protocol::Tcp);
        let element = format!("tcp . {port}");
        foreign::delete_element(scene.stage.node(), "inet netkeep", "npl4", &element).unwrap();
        scene.until(|| match scene.table().mappings.len() {
            4 => Ok(()),
            count => Err(format!("{count} mappings")),
        });
    }
    let events = said(&scene, "DriftRepaired", 1);
    assert_eq!(events[0]["involvedObject"]["kind"], "Node");
    assert_eq!(events[0]["involvedObject"]["name"], "n1");
    assert!(events[0]["message"].as_str().unwrap().contains("nft"), "{}", events[0]);
    assert!(scene.stage.metric("netkeep_drift_repaired_total{kind=\"element\"}") >= 1.0);
    scene.stop();
}

#[test]
fn two_pods_with_one_ip_are_said_on_both() {
    let mut scene = Scene::new(&[]);
    let ips = scene.webs[0].pod.ips();
    let twin = scene.stage.pod(W2, "10.10.0.3");
    scene.api().put(twin.manifest.clone().ips(&ips));
    let events = said(&scene, "AddressConflict", 2);
    let names: Vec<_> =
        events.iter().map(|event| event["involvedObject"]["name"].as_str()).collect();
    assert!(names.contains(&Some("web-0")) && names.contains(&Some("web-2")), "{names:?}");
    scene.stop();
}

#[test]
fn events_that_cannot_be_written_stop_nothing() {
    let mut scene = Scene::new(&["--npl-port-range", "61000-61001"]);
    for fault in [Fault::Status(403), Fault::Status(404), Fault::Drop, Fault::Stall] {
        let of = On::verb("create").resource("events");
        let standing = scene.api().fault(of, fault).until_lifted();
        let none = scene.stage.web(W2, "10.10.0.3");
        scene.until(|| match scene.stage.ask("npl")? {
            npl if npl.to_string().contains("61000-61001") => Ok(()),
            npl => Err(npl.to_string()),
        });
        scene.stage.folder().remove(&none.manifest);
        scene.stage.programmed(4);
        scene.stage.lab().remove_pod(W2).unwrap();
        standing.lift();
    }
    scene.stop();
}
