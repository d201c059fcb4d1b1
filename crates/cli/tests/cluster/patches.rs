//! Annotations on their way to the API, and everything that the API may answer. The data path never
//! waits for any of it.

use model::Protocol;
use serde_json::{Value, json};
use testkit::api::{Fault, On};

use crate::scene::{KEY, Scene, W0, W1, W2};

fn patches() -> On {
    On::verb("patch").resource("pods/status")
}

/// Patches of one Pod's status.
fn of(scene: &Scene, pod: &str) -> Vec<testkit::api::Request> {
    let name = pod.split_once('/').unwrap().1;
    let path = format!("/api/v1/namespaces/default/pods/{name}/status");
    scene.api().writes().into_iter().filter(|write| write.path == path).collect()
}

#[test]
fn an_annotation_is_a_merge_patch_of_the_status_that_names_the_uid_and_nothing_else() {
    let scene = Scene::new(&[]);
    let writes = scene.api().writes();
    assert_eq!(writes.len(), 2, "{writes:?}");
    for pod in [W0, W1] {
        let patches = of(&scene, pod);
        let [patch] = &patches[..] else { panic!("{patches:?}") };
        assert_eq!(
            (&*patch.method, &*patch.verb, &*patch.resource),
            ("PATCH", "patch", "pods/status")
        );
        assert_eq!(patch.content_type, "application/merge-patch+json");
        assert!(patch.user_agent.starts_with("netkeep/"), "{}", patch.user_agent);
        let body: Value = serde_json::from_str(&patch.body).unwrap();
        let annotation = body["metadata"]["annotations"][KEY].as_str().unwrap();
        let uid = pod.replace('/', "-");
        let expected = json!({ "metadata": { "uid": format!("pod-{uid}"), "annotations": { KEY: annotation } } });
        assert_eq!(body, expected);
        let object = scene.api().get("pods", pod).unwrap();
        assert_eq!(object["metadata"]["annotations"][KEY], annotation);
    }
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_refusal_that_passes_delays_the_annotation_and_nothing_else() {
    for fault in [
        Fault::Status(409),
        Fault::Status(404),
        Fault::Status(401),
        Fault::TooManyRequests { retry_after: 1 },
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(504),
        Fault::Drop,
    ] {
        let mut scene = Scene::new(&[]);
        let clients = scene.stage.clients(W0);
        let standing = scene.api().fault(patches(), fault.clone()).times(2);
        scene.comes(W2, "10.10.0.3");
        scene.publishes(&[W2]);
        assert_eq!(standing.hits(), 2, "{fault:?}");
        assert_eq!(of(&scene, W2).len(), 3, "{fault:?}");
        clients.lost_nothing();
        scene.stage.no_finding("publish-failed");
        scene.ends_well(&[W0, W1, W2]);
    }
}

#[test]
fn a_refusal_that_stands_is_told_and_disturbs_no_mapping() {
    for (code, word) in [(403, "Forbidden"), (413, "413"), (422, "422 Invalid"), (400, "400")] {
        let mut scene = Scene::new(&[]);
        let clients = scene.stage.clients(W0);
        let of_pod = patches().object(W2);
        let standing = scene.api().fault(of_pod, Fault::Status(code)).until_lifted();
        scene.comes(W2, "10.10.0.3");
        let finding = scene.finding("publish-failed", word);
        assert!(finding["message"].as_str().unwrap().contains("Pod default/web-2"), "{finding}");
        assert_eq!(scene.stage.published(W2), None);
        assert!(scene.stage.metric("netkeep_publications_total{result=\"failed\"}") >= 1.0);
        // Others are published as ever, and the refused one is not asked about all the time.
        scene.webs.push(scene.stage.web("default/web-3", "10.10.0.4"));
        scene.publishes(&["default/web-3"]);
        assert!(of(&scene, W2).len() <= 3, "{:?}", of(&scene, W2));
        standing.lift();
        // Another value is another question.
        another_value_is_published(&scene);
        clients.stop();
        scene.stop();
    }
}

/// Lets the Pod that was refused have one mapping less, and waits until that is published.
#[track_caller]
fn another_value_is_published(scene: &Scene) {
    scene.api().edit("services", "default/web", |service| {
        service["spec"]["ports"].as_array_mut().unwrap().pop();
    });
    scene.until(|| match scene.stage.published(W2) {
        Some(entries) if entries.len() == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    scene.stage.no_finding("publish-failed");
}

#[test]
fn a_pod_that_the_server_goes_on_not_finding_is_told_and_asked_for_until_it_is_found() {
    let mut scene = Scene::new(&[]);
    let standing = scene.api().fault(patches().object(W2), Fault::Status(404)).until_lifted();
    scene.comes(W2, "10.10.0.3");
    let finding = scene.finding("publish-failed", "not found");
    assert!(finding["message"].as_str().unwrap().contains("Pod default/web-2"), "{finding}");
    assert_eq!(scene.stage.published(W2), None);
    standing.lift();
    scene.publishes(&[W2]);
    scene.stage.no_finding("publish-failed");
    scene.ends_well(&[W0, W1, W2]);
}

#[test]
fn a_pod_that_ends_while_it_is_not_found_is_forgotten() {
    let mut scene = Scene::new(&[]);
    let standing = scene.api().fault(patches().object(W2), Fault::Status(404)).until_lifted();
    scene.comes(W2, "10.10.0.3");
    scene.finding("publish-failed", "not found");
    scene.api().delete("pods", W2);
    scene.maps(&[W0, W1]);
    scene.stage.no_finding("publish-failed");
    scene.until(|| match scene.stage.metric("netkeep_publications_waiting") {
        0.0 => Ok(()),
        waiting => Err(format!("{waiting} wait")),
    });
    standing.lift();
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_subresource_that_nobody_serves_is_told_and_disturbs_no_mapping() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let standing = scene.api().fault(patches(), Fault::Unserved).until_lifted();
    scene.comes(W2, "10.10.0.3");
    scene.finding("publish-failed", "404 page not found");
    scene.api().delete("pods", W1);
    scene.maps(&[W0, W2]);
    standing.lift();
    // Another value is another question; the same one is asked again after half a minute.
    another_value_is_published(&scene);
    clients.stop();
    scene.stop();
}

#[test]
fn a_server_that_never_answers_patches_delays_no_mapping() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let silent = scene.api().fault(patches(), Fault::Stall).until_lifted();
    // More than are sent at once.
    for n in 2..9 {
        scene.comes(&format!("default/web-{n}"), &format!("10.10.0.{}", n + 1));
    }
    scene.api().delete("pods", W1);
    scene
        .until(|| if scene.mapped().contains(W1) { Err("still there".to_owned()) } else { Ok(()) });
    silent.lift();
    scene.stage.publishes(8);
    clients.lost_nothing();
    scene.stop();
}

#[test]
fn what_was_meant_for_a_pod_never_reaches_its_successor() {
    let mut scene = Scene::new(&[]);
    let silent = scene.api().fault(patches(), Fault::Stall).until_lifted();
    scene.comes(W2, "10.10.0.3");
    scene.until(|| if of(&scene, W2).is_empty() { Err("not sent".to_owned()) } else { Ok(()) });
    let before = scene.stage.port(W2, Protocol::Tcp);
    // Another Pod of the name, on another node: it is none of ours.
    let mut elsewhere = testkit::Manifest::from(&scene.webs[2].manifest);
    elsewhere.value_mut()["metadata"]["uid"] = "of-another-node".into();
    elsewhere.value_mut()["spec"]["nodeName"] = "n2".into();
    scene.api().put(elsewhere);
    scene.maps(&[W0, W1]);
    silent.lift();
    scene.until(|| {
        let statuses: Vec<_> = of(&scene, W2).iter().map(|patch| patch.status).collect();
        // The UID in the patch is not that of the Pod there.
        match statuses[..] {
            [Some(409 | 422)] => Ok(()),
            _ => Err(format!("{statuses:?}")),
        }
    });
    assert_eq!(scene.cluster().published(W2), None, "{before}");
    scene.stage.no_finding("publish-failed");
    scene.ends_well(&[W0, W1]);
}
