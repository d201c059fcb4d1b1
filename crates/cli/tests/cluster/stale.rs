//! A watch of which nothing is heard any more: what it told may be old.

use model::Protocol;
use serde_json::json;
use testkit::api::{Fault, On};
use testkit::{Service, Target};

use crate::scene::{IMPATIENT, Scene, W0, W1, W2, api, stage};

fn silence(scene: &Scene, resource: &str) -> testkit::api::Standing {
    let of = On::verbs(&["list", "watch"]).resource(resource);
    scene.api().fault(of, Fault::Stall).until_lifted()
}

#[test]
fn silence_about_services_holds_what_depends_on_them_and_all_else_goes_on() {
    let mut scene = Scene::new(IMPATIENT);
    let clients = scene.stage.clients(W0);
    let silent = silence(&scene, "services");
    scene.holds("the Services may be out of date");
    scene.finding("source-unavailable", "said nothing for");
    // A Pod comes, and another is deleted: its own object proves that it is gone.
    scene.comes(W2, "10.10.0.3");
    scene.api().delete("pods", W1);
    scene.maps(&[W0, W2]);
    // That no Service asks for a Pod any more depends on Services.
    scene.api().edit("pods", W2, |pod| pod["metadata"]["labels"] = json!({ "app": "other" }));
    scene.until(|| match scene.stage.metric("netkeep_deletions_held") {
        held if held > 0.5 => Ok(()),
        held => Err(format!("{held} held")),
    });
    assert_eq!(scene.mapped(), [W0, W2].map(str::to_owned).into());
    assert!(scene.stage.published(W2).is_some(), "what the kernel still does stays published");
    // Until the Pod itself ends.
    scene.api().delete("pods", W2);
    scene.maps(&[W0]);
    scene.api().edit("pods", W0, |pod| pod["metadata"]["labels"]["n"] = "1".into());
    silent.lift();
    clients.lost_nothing();
    scene.ends_well(&[W0]);
}

#[test]
fn silence_about_pods_holds_deletions_and_services_still_add() {
    let scene = Scene::new(IMPATIENT);
    let clients = scene.stage.clients(W0);
    let silent = silence(&scene, "pods");
    scene.holds("the Pods may be out of date");
    let second = Service::new("default/second").npl().selector("app", "web");
    scene.stage.folder().put(second.port(Protocol::Tcp, 81, Target::Number(8081)));
    scene.until(|| match scene.table().mappings.len() {
        6 => Ok(()),
        count => Err(format!("{count} mappings")),
    });
    // A Pod that is gone is not heard of, and a Service that is gone proves nothing of Pods.
    scene.api().delete("pods", W1);
    scene.api().delete("services", "default/second");
    scene.until(|| match scene.stage.metric("netkeep_deletions_held") {
        held if held > 0.5 => Ok(()),
        held => Err(format!("{held} held")),
    });
    assert_eq!(scene.table().mappings.len(), 6);
    silent.lift();
    scene.maps(&[W0]);
    scene.until(|| match scene.table().mappings.len() {
        2 => Ok(()),
        count => Err(format!("{count} mappings")),
    });
    clients.lost_nothing();
    scene.ends_well(&[W0]);
}

#[test]
fn silence_about_the_node_holds_and_ends_by_itself() {
    let mut scene = Scene::new(IMPATIENT);
    let silent = silence(&scene, "nodes");
    scene.holds("the Nodes may be out of date");
    scene.comes(W2, "10.10.0.3");
    silent.lift();
    scene.ends_well(&[W0, W1, W2]);
}

#[test]
fn a_server_whose_watches_are_silent_and_whose_lists_are_not_is_listed() {
    let scene = Scene::new(IMPATIENT);
    // It takes every watch and never says anything in it.
    let silent = scene.api().fault(On::verb("watch"), Fault::Stall).until_lifted();
    scene.api().delete("pods", W1);
    scene.maps(&[W0]);
    silent.lift();
    scene.ends_well(&[W0]);
}

/// A Pod changes, and the Service that selects it has changed with it: who knows the old Service and
/// the new Pod thinks that nobody asks for the Pod any more.
fn renames_what_is_selected(scene: &Scene) {
    let renamed = json!({ "app": "renamed" });
    scene.api().edit("services", "default/web", |service| {
        service["spec"]["selector"] = renamed.clone();
    });
    for pod in [W0, W1] {
        scene.api().edit("pods", pod, |pod| pod["metadata"]["labels"] = renamed.clone());
    }
}

/// Waits until a deletion is held back, and fails unless everything is still mapped.
#[track_caller]
fn keeps_both(scene: &Scene) {
    scene.until(|| match scene.stage.metric("netkeep_deletions_held") {
        held if held > 0.5 => Ok(()),
        held => Err(format!("{held} held; mapped {:?}", scene.mapped())),
    });
    assert_eq!(scene.mapped(), [W0, W1].map(str::to_owned).into());
}

#[test]
fn watches_that_end_at_once_and_well_are_not_news_and_take_no_live_pod_its_mapping() {
    let stage = stage(IMPATIENT);
    api(&stage).streaming_lists(false);
    let scene = Scene::on(stage);
    let clients = scene.stage.clients(W0);
    let table = scene.table();
    // Each watch of Services is taken and ended well at once; lists get no answer.
    let ends = scene.api().fault(On::verb("watch").resource("services"), Fault::End).until_lifted();
    let silent =
        scene.api().fault(On::verb("list").resource("services"), Fault::Stall).until_lifted();
    scene.holds("the Services may be out of date: the API server has said nothing for");
    renames_what_is_selected(&scene);
    keeps_both(&scene);
    silent.lift();
    ends.lift();
    scene.is_fresh();
    assert_eq!(scene.table(), table);
    clients.lost_nothing();
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_server_that_ends_every_watch_at_once_and_answers_lists_is_listed() {
    let stage = stage(IMPATIENT);
    api(&stage).streaming_lists(false);
    let scene = Scene::on(stage);
    let ends = scene.api().fault(On::verb("watch"), Fault::End).until_lifted();
    scene.api().delete("pods", W1);
    scene.maps(&[W0]);
    assert!(ends.hits() > 0);
    ends.lift();
    scene.ends_well(&[W0]);
}

#[test]
fn a_watch_that_goes_on_is_not_believed_before_it_has_said_what_was_missed() {
    let scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let table = scene.table();
    // The watch breaks; the next one is taken, and silent.
    let silent =
        scene.api().fault(On::verb("watch").resource("services"), Fault::Stall).until_lifted();
    let watched = || scene.asked("watch", "services").len();
    let before = watched();
    scene.cut();
    scene.until(|| if watched() > before { Ok(()) } else { Err("not watched again".to_owned()) });
    renames_what_is_selected(&scene);
    keeps_both(&scene);
    // However long it takes: a connection that stands says nothing.
    std::thread::sleep(std::time::Duration::from_secs(2));
    keeps_both(&scene);
    silent.lift();
    scene.is_fresh();
    assert_eq!(scene.table(), table);
    clients.lost_nothing();
    scene.ends_well(&[W0, W1]);
}
