//! Events twice, late, and in another order than things happened.

use std::time::Duration;

use model::Protocol;
use testkit::api::{Fault, On};

use crate::scene::{Scene, W0, W1, W2, api, stage};

#[test]
fn events_that_come_twice_say_nothing_new() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let twice = scene.api().fault(On::verb("watch"), Fault::Duplicate).until_lifted();
    scene.comes(W2, "10.10.0.3");
    let ports = [Protocol::Tcp, Protocol::Udp].map(|protocol| scene.stage.port(W2, protocol));
    scene.api().delete("pods", W1);
    scene.maps(&[W0, W2]);
    assert!(twice.hits() >= 2);
    // Its successor of the same name is another owner, and the second word of the end of the first
    // does not end it.
    let second = scene.webs[2].manifest.clone().uid("web-2-again");
    scene.stage.folder().put(second);
    scene.until(|| {
        let npl = scene.stage.ask("npl")?;
        let mut of = npl.as_array().into_iter().flatten().filter(|m| m["pod"] == W2);
        let all_new = of.all(|m| m["uid"] == "web-2-again" && m["state"] == "programmed");
        if all_new { Ok(()) } else { Err(npl.to_string()) }
    });
    scene.answers(W2);
    let now = [Protocol::Tcp, Protocol::Udp].map(|protocol| scene.stage.port(W2, protocol));
    assert!(now.iter().zip(ports).all(|(now, before)| *now != before), "{now:?} {ports:?}");
    twice.lift();
    clients.lost_nothing();
    scene.ends_well(&[W0, W2]);
}

#[test]
fn kinds_that_come_in_any_order_lead_to_the_same() {
    for late in
        [["pods"].as_slice(), &["services"], &["nodes"], &["nodes", "services"], &["pods", "nodes"]]
    {
        let stage = stage(&[]);
        for resource in late {
            let slow = Fault::Delay(Duration::from_millis(300));
            let of = On::verbs(&["list", "watch"]).resource(resource);
            drop(api(&stage).fault(of, slow).until_lifted());
        }
        let mut scene = Scene::on(stage);
        scene.comes(W2, "10.10.0.3");
        scene.api().delete("pods", W1);
        scene.maps(&[W0, W2]);
        scene.publishes(&[W0, W2]);
        // A whole cluster anew, in that order.
        scene.restart();
        scene.api().lift_faults();
        scene.ends_well(&[W0, W2]);
    }
}

#[test]
fn a_pod_that_is_replaced_while_nobody_watches_is_another_owner() {
    let mut scene = Scene::new(&[]);
    let before = scene.stage.port(W1, Protocol::Tcp);
    let second = scene.webs[1].manifest.clone().uid("web-1-again");
    scene.relist_after(|scene| scene.stage.folder().put(second));
    scene.until(|| match scene.stage.port(W1, Protocol::Tcp) {
        port if port != before => Ok(()),
        _ => Err("still the first one's port".to_owned()),
    });
    scene.answers(W1);
    scene.restart();
    scene.answers(W1);
    scene.ends_well(&[W0, W1]);
}
