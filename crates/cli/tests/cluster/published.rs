//! What is published on objects over restarts, and what others do to it.

use model::Protocol;
use serde_json::{Value, json};

use crate::scene::{KEY, Scene, W0, W1, W2};

#[test]
fn a_restart_with_nothing_changed_writes_neither_to_the_api_nor_to_the_kernel() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let written = scene.generation();
    scene.api().forget_requests();
    for round in 0..4 {
        if round % 2 == 0 {
            scene.restart();
        } else {
            scene.agent.kill();
            scene.agent = scene.stage.agent();
        }
        scene.is_fresh();
        assert_eq!(scene.generation(), written, "restart {round}");
    }
    assert_eq!(scene.api().writes(), []);
    clients.lost_nothing();
    scene.ends_well(&[W0, W1]);
}

#[test]
fn an_annotation_that_others_alter_or_remove_is_written_again() {
    let scene = Scene::new(&[]);
    let right = scene.cluster().published(W0).unwrap();
    let ports = [Protocol::Tcp, Protocol::Udp].map(|protocol| scene.stage.port(W0, protocol));
    let written = scene.generation();
    let other = right.replace(&ports[0].to_string(), "61999");
    for tampered in [json!("garbage"), json!(""), json!("[]"), json!(other), Value::Null] {
        scene.api().edit("pods", W0, |pod| {
            let annotations = &mut pod["metadata"]["annotations"];
            match &tampered {
                Value::Null => drop(annotations.as_object_mut().unwrap().remove(KEY)),
                text => annotations[KEY] = text.clone(),
            }
        });
        scene.until(|| match scene.cluster().published(W0) {
            Some(text) if text == right => Ok(()),
            other => Err(format!("{tampered}: {other:?}")),
        });
    }
    assert_eq!(scene.generation(), written);
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_claim_written_while_the_agent_was_down_is_honoured() {
    let mut scene = Scene::new(&[]);
    let right = scene.cluster().published(W0).unwrap();
    let [tcp, udp] = [Protocol::Tcp, Protocol::Udp].map(|protocol| scene.stage.port(W0, protocol));
    assert_eq!(tcp, udp);
    scene.stop();
    let said = format!("\"nodePort\":{tcp}");
    let claim = right.replacen(&said, "\"nodePort\":61500", 1);
    let claim = claim.replacen(&said, "\"nodePort\":61501", 1);
    scene.api().edit("pods", W0, |pod| {
        pod["metadata"]["annotations"][KEY] = claim.as_str().into();
    });
    scene.agent = scene.stage.agent();
    scene.until(|| match [Protocol::Tcp, Protocol::Udp].map(|p| scene.stage.port(W0, p)) {
        [61500, 61501] => Ok(()),
        other => Err(format!("{other:?}")),
    });
    scene.answers(W0);
    scene.publishes(&[W0]);
    scene.ends_well(&[W0, W1]);
}

#[test]
fn an_annotation_that_nothing_stands_for_is_taken_off() {
    let mut scene = Scene::new(&[]);
    let stale = scene.cluster().published(W0).unwrap();
    scene.stop();
    // A Pod that no Service selects, with the annotation of another; and one at run time.
    let pod = |scene: &Scene, name: &str, ip: &str| {
        let web = scene.stage.pod(name, ip);
        let pod = web.manifest.clone().label("app", "other").annotation(KEY, &stale);
        scene.api().put(pod);
        web
    };
    let down = pod(&scene, W2, "10.10.0.3");
    scene.agent = scene.stage.agent();
    let up = pod(&scene, "default/web-3", "10.10.0.4");
    for name in [W2, "default/web-3"] {
        scene.until(|| match scene.cluster().published(name) {
            None => Ok(()),
            some => Err(format!("{name}: {some:?}")),
        });
    }
    scene.webs.extend([down, up]);
    scene.ends_well(&[W0, W1]);
}

#[test]
fn an_annotation_goes_with_the_last_mapping_and_only_then() {
    let scene = Scene::new(&[]);
    let service = scene.api().get("services", "default/web").unwrap();
    scene.api().edit("services", "default/web", |service| {
        service["spec"]["ports"].as_array_mut().unwrap().pop();
    });
    scene.until(|| match scene.stage.published(W0) {
        Some(entries) if entries.len() == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    scene.api().delete("services", "default/web");
    scene.stage.publishes(0);
    scene.maps(&[]);
    scene.api().put(service);
    scene.maps(&[W0, W1]);
    scene.publishes(&[W0, W1]);
    scene.ends_well(&[W0, W1]);
}
