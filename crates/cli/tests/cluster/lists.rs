//! Lists: cut, slow, half, empty, of the past, in many pages; and what makes the agent ask for one.

use std::time::Duration;

use model::Protocol;
use serde_json::json;
use testkit::api::{Fault, On};
use testkit::{Node, Pod, Service, Target};

use crate::scene::{Scene, W0, W1, W2, api, stage};

/// A scene whose API server serves streaming lists, or only pages.
fn scene(streaming: bool) -> Scene {
    let stage = stage(&[]);
    api(&stage).streaming_lists(streaming);
    Scene::on(stage)
}

#[test]
fn a_watch_that_ends_or_breaks_between_or_within_lines_misses_nothing() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let written = scene.generation();
    for fault in [Fault::End, Fault::CutAtLine, Fault::CutMidLine] {
        for resource in ["pods", "services", "nodes"] {
            let of = On::verb("watch").resource(resource);
            let standing = scene.api().fault(of, fault.clone()).times(2);
            // An event for each to break.
            for _ in 0..2 {
                scene.api().edit("pods", W1, |pod| {
                    let n = pod["metadata"]["labels"]["n"].as_str().unwrap_or_default().len();
                    pod["metadata"]["labels"]["n"] = "n".repeat(n + 1).into();
                });
                scene.api().edit("services", "default/web", |service| {
                    service["metadata"]["labels"]["n"] = "n".into();
                });
                scene.api().edit("nodes", "n1", |node| {
                    node["metadata"]["labels"]["n"] = "n".into();
                });
            }
            if resource == "pods" || fault != Fault::CutMidLine {
                scene.until(|| match standing.hits() {
                    2 => Ok(()),
                    hits => Err(format!("{fault:?} of {resource} hit {hits} times")),
                });
            }
            standing.lift();
        }
    }
    assert_eq!(scene.generation(), written);
    scene.comes(W2, "10.10.0.3");
    scene.api().delete("pods", W1);
    scene.maps(&[W0, W2]);
    clients.lost_nothing();
    scene.ends_well(&[W0, W2]);
}

#[test]
fn a_relist_of_everything_writes_nothing() {
    for streaming in [true, false] {
        let scene = scene(streaming);
        let clients = scene.stage.clients(W0);
        scene.is_fresh();
        let written = scene.generation();
        scene.api().forget_requests();
        for round in 1..=3 {
            scene.relist();
            scene.until(|| {
                let lists = scene.asked("list", "pods").len();
                let watches = scene.asked("watch", "pods");
                let streams = watches
                    .iter()
                    .filter(|watch| watch.query.contains("sendInitialEvents"))
                    .count();
                if lists.max(streams) >= round { Ok(()) } else { Err("not listed".to_owned()) }
            });
            scene.is_fresh();
        }
        assert_eq!(scene.generation(), written, "streaming: {streaming}");
        assert_eq!(scene.api().writes(), []);
        clients.lost_nothing();
        scene.ends_well(&[W0, W1]);
    }
}

#[test]
fn a_version_that_is_gone_is_answered_by_a_list_however_it_is_said() {
    for by_code in [true, false] {
        let scene = Scene::new(&[]);
        scene.api().gone_by_code(by_code);
        scene.relist_after(|scene| scene.api().delete("pods", W1));
        scene.maps(&[W0]);
        scene.ends_well(&[W0]);
    }
}

#[test]
fn a_watch_that_is_told_410_in_its_midst_is_answered_by_a_list() {
    let scene = Scene::new(&[]);
    let written = scene.generation();
    let expired = scene.api().fault(On::verb("watch"), Fault::Expired).times(3);
    for resource in ["pods", "services", "nodes"] {
        let name = if resource == "nodes" {
            "n1"
        } else if resource == "pods" {
            W0
        } else {
            "default/web"
        };
        scene.api().edit(resource, name, |object| object["metadata"]["labels"]["n"] = "1".into());
    }
    scene.until(|| if expired.hits() == 3 { Ok(()) } else { Err(expired.hits().to_string()) });
    scene.is_fresh();
    assert_eq!(scene.generation(), written);
    scene.ends_well(&[W0, W1]);
}

/// Pods of this node that want nothing, so many that Pods take two pages, before all others by name.
fn fill(scene: &Scene) {
    for n in 0..520 {
        let pod = Pod::new(&format!("default/filler-{n:04}")).node("n1").label("app", "filler");
        scene.api().put(pod.ips(&[]));
    }
}

#[test]
fn a_slow_list_deletes_only_once_it_is_complete_and_adds_before() {
    let mut scene = scene(false);
    fill(&scene);
    let clients = scene.stage.clients(W0);
    let early = scene.stage.pod("default/early", "10.10.0.9");
    let second = scene.relist_after(|scene| {
        scene.api().delete("pods", W1);
        scene.api().put(&early.manifest);
        scene.api().forget_requests();
        // The first page comes, the second does not for now.
        let pods = || On::verb("list").resource("pods");
        let _first = scene.api().fault(pods(), Fault::Delay(Duration::ZERO)).once();
        scene.api().fault(pods(), Fault::Stall).until_lifted()
    });
    scene.maps(&["default/early", W0, W1]);
    scene.holds("Pods may be out of date");
    scene.until(|| {
        let pages = scene.asked("list", "pods");
        let second = pages.iter().any(|page| page.query.contains("continue="));
        if second { Ok(()) } else { Err(format!("{pages:?}")) }
    });
    scene.answers("default/early");
    assert!(scene.mapped().contains(W1));
    second.lift();
    scene.maps(&["default/early", W0]);
    scene.webs.push(early);
    clients.lost_nothing();
    scene.ends_well(&["default/early", W0]);
}

#[test]
fn a_list_that_breaks_off_half_way_deletes_nothing() {
    for streaming in [true, false] {
        let scene = scene(streaming);
        fill(&scene);
        let (table, written) = (scene.table(), scene.generation());
        let clients = scene.stage.clients(W0);
        let kinds = ["pods", "services", "nodes"];
        for fault in [Fault::CutMidLine, Fault::Garbage, Fault::Drop, Fault::Status(500)] {
            let standing = scene.relist_after(|scene| {
                kinds.map(|resource| {
                    let of = On::verbs(&["list", "watch"]).resource(resource);
                    scene.api().fault(of, fault.clone()).times(3)
                })
            });
            scene.until(|| {
                let hits: Vec<u64> = standing.iter().map(testkit::api::Standing::hits).collect();
                if hits == [3, 3, 3] { Ok(()) } else { Err(format!("{fault:?}: {hits:?}")) }
            });
            scene.is_fresh();
            assert_eq!(scene.table(), table, "{fault:?}");
        }
        assert_eq!(scene.generation(), written, "streaming: {streaming}");
        assert_eq!(scene.stage.publications().len(), 2);
        clients.lost_nothing();
        scene.stop_well();
    }
}

#[test]
fn an_empty_list_of_any_kind_is_not_believed() {
    for (resource, says) in [
        ("pods", "the list of Pods came back empty, 2 were known"),
        ("services", "the list of Services came back empty, 1 were known"),
        ("nodes", "our Node object is gone"),
    ] {
        let mut scene = scene(false);
        let (table, written) = (scene.table(), scene.generation());
        let published = [W0, W1].map(|pod| scene.cluster().published(pod));
        let clients = scene.stage.clients(W0);
        let of = || On::verb("list").resource(resource);
        let empty = scene.api().fault(of(), Fault::EmptyList).until_lifted();
        scene.relist();
        scene.holds(says);
        let finding = scene.finding("source-unavailable", says);
        assert!(finding["advice"].as_str().unwrap().contains("everything stays"), "{finding}");
        // However often it is said.
        let said_again = |scene: &Scene| {
            scene.api().forget_requests();
            scene.until(|| match scene.asked("list", resource).len() {
                asked if asked >= 3 => Ok(()),
                asked => Err(format!("asked {asked} times")),
            });
        };
        said_again(&scene);
        clients.answered(5);
        assert_eq!((scene.table(), scene.generation()), (table.clone(), written), "{resource}");
        // Also to an agent that has only the kernel to remember.
        scene.stop();
        scene.start();
        let says = if resource == "nodes" { says } else { "is empty, but the kernel holds" };
        scene.holds(says);
        scene.finding("source-unavailable", says);
        said_again(&scene);
        assert_eq!((scene.table(), scene.generation()), (table, written), "{resource}");
        assert_eq!([W0, W1].map(|pod| scene.cluster().published(pod)), published, "{resource}");
        assert_eq!(scene.api().writes(), [], "{resource}");
        // Nobody has to do anything once the list is right again.
        empty.lift();
        scene.is_fresh();
        assert_eq!(scene.generation(), written, "{resource}");
        assert_eq!([W0, W1].map(|pod| scene.cluster().published(pod)), published, "{resource}");
        assert_eq!(scene.api().writes(), [], "{resource}");
        clients.lost_nothing();
        scene.ends_well(&[W0, W1]);
    }
}

#[test]
fn a_cluster_that_lost_its_pods_while_nobody_watched_holds_until_one_is_back() {
    let mut scene = Scene::new(&[]);
    scene.relist_after(|scene| [W0, W1].map(|pod| scene.api().delete("pods", pod)));
    scene.holds("came back empty, 2 were known");
    assert_eq!(scene.mapped().len(), 2);
    scene.comes(W2, "10.10.0.3");
    scene.maps(&[W2]);
    scene.ends_well(&[W2]);
}

#[test]
fn an_empty_cluster_is_believed_if_that_was_said() {
    let scene = Scene::new(&["--allow-empty"]);
    scene.relist_after(|scene| [W0, W1].map(|pod| scene.api().delete("pods", pod)));
    scene.maps(&[]);
    scene.is_fresh();
}

#[test]
fn a_node_object_that_is_deleted_takes_nothing_with_it() {
    let mut scene = Scene::new(&[]);
    let published = scene.stage.publications();
    scene.api().delete("nodes", "n1");
    scene.holds("our Node object is gone");
    scene.finding("source-unavailable", "our Node object is gone");
    scene.comes(W2, "10.10.0.3");
    scene.api().delete("pods", W2);
    scene.maps(&[W0, W1]);
    assert_eq!(scene.stage.publications(), published);
    scene.api().put(Node::of_lab("n1", scene.stage.lab()).uid("the-next-one"));
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_list_of_the_past_is_not_believed_nor_anything_in_it() {
    for streaming in [true, false] {
        let mut scene = scene(streaming);
        let past = scene.api().version();
        // Then one Pod moves, one goes, and one comes.
        let moved = ["10.10.0.7".parse().unwrap()];
        scene.webs[0].pod.set_ips(&moved).unwrap();
        scene.api().put(scene.webs[0].manifest.clone().ips(&moved));
        scene.api().delete("pods", W1);
        scene.comes(W2, "10.10.0.3");
        scene.maps(&[W0, W2]);
        scene.publishes(&[W0, W2]);
        let written = scene.generation();
        // The server answers as it would have then. Streams are refused, so that there are lists.
        scene.api().streaming_lists(false);
        let of = On::verb("list").resource("pods");
        let old = scene.api().fault(of, Fault::OldList { version: past }).times(3);
        let expired = scene.api().fault(On::verb("watch").resource("pods"), Fault::Expired).once();
        scene.api().edit("pods", W0, |pod| pod["metadata"]["labels"]["n"] = "1".into());
        scene.until(|| match (old.hits(), expired.hits()) {
            (3, 1) => Ok(()),
            hits => Err(format!("{hits:?}")),
        });
        scene.is_fresh();
        assert_eq!(scene.generation(), written, "streaming: {streaming}");
        scene.answers(W0);
        scene.ends_well(&[W0, W2]);
    }
}

#[test]
fn a_server_without_streaming_lists_is_listed_in_pages_of_which_there_may_be_many() {
    let stage = stage(&[]);
    api(&stage).streaming_lists(false);
    // Ten full pages, and the one Service that matters.
    for n in 0..5_000 {
        let service = Service::new(&format!("default/other-{n:04}")).selector("app", "other");
        api(&stage).put(service.port(Protocol::Tcp, 80, Target::Number(80)));
    }
    let mut scene = Scene::on(stage);
    let pages = scene.asked("list", "services");
    assert!(pages.len() >= 11, "{} pages", pages.len());
    assert!(pages.iter().all(|page| page.parameter("limit").is_some()), "{pages:?}");
    let continued = pages.iter().filter(|page| page.parameter("continue").is_some()).count();
    assert_eq!(continued + 1, pages.len(), "listed more than once");
    scene.comes(W2, "10.10.0.3");
    let written = scene.generation();
    scene.relist();
    scene.until(|| match scene.asked("list", "services").len() {
        again if again >= 22 => Ok(()),
        pages => Err(format!("{pages} pages")),
    });
    scene.is_fresh();
    assert_eq!(scene.generation(), written);
    scene.ends_well(&[W0, W1, W2]);
}

#[test]
fn a_list_that_goes_out_of_date_between_its_pages_is_begun_again() {
    let scene = scene(false);
    fill(&scene);
    scene.is_fresh();
    let written = scene.generation();
    let pods = || On::verb("list").resource("pods");
    let _first = scene.api().fault(pods(), Fault::Delay(Duration::ZERO)).once();
    let second = scene.api().fault(pods(), Fault::Expired).once();
    scene.relist();
    scene.until(|| if second.hits() == 1 { Ok(()) } else { Err("no second page".to_owned()) });
    scene.is_fresh();
    assert_eq!(scene.generation(), written);
    scene.ends_well(&[W0, W1]);
}

impl Scene {
    /// As [`Scene::ends_well`], where there are Pods besides.
    #[track_caller]
    fn stop_well(mut self) {
        self.maps(&[W0, W1]);
        self.publishes(&[W0, W1]);
        self.stage.nothing_to_do();
        let health = self.health();
        assert_eq!(health["hold"], json!(null), "{health}");
        self.stop();
    }
}
