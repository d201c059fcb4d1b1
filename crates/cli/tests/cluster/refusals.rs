//! An API server that says no for a while: to lists and to watches.

use testkit::api::{Fault, On};

use crate::scene::{IMPATIENT, Scene, W0, W1, W2, api, stage};

/// What a server in trouble answers.
fn answers() -> [Fault; 7] {
    [
        Fault::TooManyRequests { retry_after: 1 },
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(504),
        Fault::Status(502),
        Fault::Drop,
    ]
}

#[test]
fn a_server_that_refuses_watches_for_a_while_is_asked_again_and_nothing_is_missed() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let (table, written) = (scene.table(), scene.generation());
    for fault in answers() {
        let standing = ["pods", "services", "nodes"].map(|resource| {
            let of = On::verb("watch").resource(resource);
            scene.api().fault(of, fault.clone()).times(2)
        });
        scene.cut();
        scene.until(|| {
            let hits: Vec<u64> = standing.iter().map(testkit::api::Standing::hits).collect();
            if hits == [2, 2, 2] { Ok(()) } else { Err(format!("{fault:?}: {hits:?}")) }
        });
        scene.is_fresh();
        assert_eq!((scene.table(), scene.generation()), (table.clone(), written), "{fault:?}");
    }
    scene.comes(W2, "10.10.0.3");
    scene.api().delete("pods", W1);
    scene.maps(&[W0, W2]);
    clients.lost_nothing();
    scene.ends_well(&[W0, W2]);
}

#[test]
fn a_server_that_refuses_lists_for_a_while_is_asked_again_and_nothing_is_deleted() {
    let stage = stage(&[]);
    api(&stage).streaming_lists(false);
    let scene = Scene::on(stage);
    let clients = scene.stage.clients(W0);
    let (table, written) = (scene.table(), scene.generation());
    for fault in answers() {
        let standing = scene.relist_after(|scene| {
            ["pods", "services", "nodes"].map(|resource| {
                let of = On::verb("list").resource(resource);
                scene.api().fault(of, fault.clone()).times(2)
            })
        });
        scene.until(|| {
            let hits: Vec<u64> = standing.iter().map(testkit::api::Standing::hits).collect();
            if hits == [2, 2, 2] { Ok(()) } else { Err(format!("{fault:?}: {hits:?}")) }
        });
        scene.is_fresh();
        assert_eq!((scene.table(), scene.generation()), (table.clone(), written), "{fault:?}");
    }
    clients.lost_nothing();
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_server_that_takes_a_request_and_never_answers_is_given_up_and_asked_again() {
    let scene = Scene::new(IMPATIENT);
    let written = scene.generation();
    let silent = scene.api().fault(On::everything(), Fault::Stall).until_lifted();
    scene.holds("may be out of date");
    scene.finding("source-unavailable", "said nothing for");
    scene.api().delete("pods", W1);
    assert_eq!(scene.generation(), written);
    silent.lift();
    scene.maps(&[W0]);
    scene.ends_well(&[W0]);
}

#[test]
fn what_keeps_failing_is_told_with_the_servers_words_and_what_came_well_is_not() {
    let scene = Scene::new(&[]);
    let failing =
        scene.api().fault(On::verb("watch").resource("pods"), Fault::Status(503)).until_lifted();
    scene.cut();
    let finding =
        scene.finding("source-unavailable", "503 ServiceUnavailable: apiserver is shutting down");
    assert_eq!(finding["subject"], "Kubernetes API, Pods");
    let fresh = |kind: &str| {
        scene.stage.metric(&format!("netkeep_source_fresh{{source=\"kube\",kind=\"{kind}\"}}"))
    };
    scene.until(|| match (fresh("Pod"), fresh("Service"), fresh("Node")) {
        (0.0, 1.0, 1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    failing.lift();
    scene.ends_well(&[W0, W1]);
}
