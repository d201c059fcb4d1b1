//! Who we are to the API server, who it is to us, and what we may.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use testkit::api::{Certificate, Credentials, Rule, Transport};

use crate::scene::{KEY, Scene, W0, W1, W2, api, cluster, stage};

#[test]
fn a_token_that_is_rotated_is_read_again_and_nothing_is_lost() {
    let stage = stage(&[]);
    let files = tempfile::tempdir().unwrap();
    let token = files.path().join("token");
    fs::write(&token, "first").unwrap();
    let kubeconfig = cluster(&stage).kubeconfig();
    cluster(&stage).api().admit("first", "system:serviceaccount:netkeep:netkeep");
    cluster(&stage).server().write_kubeconfig(&kubeconfig, Credentials::TokenFile(&token));
    let mut scene = Scene::on(stage);
    let clients = scene.stage.clients(W0);
    let written = scene.generation();
    for next in ["second", "third"] {
        // As the kubelet does: the new token is there before the old one ends.
        scene.api().admit(next, "system:serviceaccount:netkeep:netkeep");
        fs::write(&token, next).unwrap();
        for old in ["first", "second", "third"].iter().take_while(|old| **old != next) {
            scene.api().expire(old);
        }
        scene.api().forget_requests();
        scene.cut();
        scene.until(|| {
            let requests = scene.api().requests();
            let watching = |kind: &str| {
                requests
                    .iter()
                    .any(|r| r.verb == "watch" && r.resource == kind && r.status == Some(200))
            };
            let all = ["pods", "services", "nodes"].into_iter().all(watching);
            if all { Ok(()) } else { Err(format!("{requests:?}")) }
        });
        scene.is_fresh();
    }
    assert_eq!(scene.generation(), written);
    scene.comes(W2, "10.10.0.3");
    scene.publishes(&[W2]);
    clients.lost_nothing();
    scene.ends_well(&[W0, W1, W2]);
}

#[test]
fn a_token_file_that_ends_in_a_newline_holds_the_token() {
    let stage = stage(&[]);
    let files = tempfile::tempdir().unwrap();
    let token = files.path().join("token");
    // As an editor or `echo` leaves it.
    fs::write(&token, "first\r\n").unwrap();
    let kubeconfig = cluster(&stage).kubeconfig();
    cluster(&stage).api().admit("first", "system:serviceaccount:netkeep:netkeep");
    cluster(&stage).server().write_kubeconfig(&kubeconfig, Credentials::TokenFile(&token));
    let scene = Scene::on(stage);
    scene.api().admit("second", "system:serviceaccount:netkeep:netkeep");
    fs::write(&token, " second\n").unwrap();
    scene.api().expire("first");
    scene.cut();
    scene.api().delete("pods", W1);
    scene.maps(&[W0]);
    // One without a token is an error that names it.
    fs::write(&token, "\n").unwrap();
    let said = scene.stage.run_with_source("plan", &[]).expect_code(1);
    assert_eq!(said.stderr.lines().count(), 1, "{said}");
    assert!(said.stderr.contains("token: one word is expected"), "{said}");
    fs::write(&token, "second\n").unwrap();
    scene.ends_well(&[W0]);
}

#[test]
fn a_token_that_is_no_longer_known_holds_and_is_told_until_there_is_a_new_one() {
    let stage = stage(&[]);
    let files = tempfile::tempdir().unwrap();
    let token = files.path().join("token");
    fs::write(&token, "first").unwrap();
    let kubeconfig = cluster(&stage).kubeconfig();
    cluster(&stage).api().admit("first", "system:serviceaccount:netkeep:netkeep");
    cluster(&stage).server().write_kubeconfig(&kubeconfig, Credentials::TokenFile(&token));
    let scene = Scene::on(stage);
    let (table, written) = (scene.table(), scene.generation());
    scene.api().expire("first");
    scene.cut();
    scene.holds("401");
    scene.finding("source-unavailable", "401 Unauthorized");
    assert_eq!((scene.table(), scene.generation()), (table, written));
    scene.api().delete("pods", W1);
    scene.api().admit("second", "system:serviceaccount:netkeep:netkeep");
    fs::write(&token, "second").unwrap();
    scene.maps(&[W0]);
    scene.ends_well(&[W0]);
}

#[test]
fn a_server_that_shows_a_wrong_certificate_is_not_listened_to() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let (table, written) = (scene.table(), scene.generation());
    for wrong in [Certificate::OtherAuthority, Certificate::OtherName, Certificate::Expired] {
        // A client that knows the server resumes its session and looks at no certificate.
        scene.stop();
        scene.cluster().server().show(wrong);
        scene.start();
        scene.holds("could not be listed yet");
        let finding = scene.finding("source-unavailable", "ertificate");
        assert!(!finding["advice"].as_str().unwrap().is_empty());
        assert_eq!((scene.table(), scene.generation()), (table.clone(), written), "{wrong:?}");
        scene.cluster().server().show(Certificate::Good);
        scene.is_fresh();
        scene.stage.no_finding("source-unavailable");
    }
    assert_eq!(scene.generation(), written);
    clients.lost_nothing();
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_server_with_a_new_authority_is_believed_once_the_configuration_names_it() {
    let stage = stage(&[]);
    let kubeconfig = cluster(&stage).kubeconfig();
    let bind = |address: &str| {
        let bind = || TcpListener::bind(address).unwrap();
        stage.node().run(bind).unwrap()
    };
    let first = api(&stage).serve(bind("127.0.0.1:0"), Transport::Tls);
    let address = first.address().to_string();
    first.write_kubeconfig(&kubeconfig, Credentials::Token("t"));
    api(&stage).admit("t", "netkeep");
    let scene = Scene::on(stage);
    let (table, written) = (scene.table(), scene.generation());
    drop(first);
    scene.holds("may be out of date");
    let listener = scene.stage.node().run(|| TcpListener::bind(&address).unwrap()).unwrap();
    let second = scene.api().serve(listener, Transport::Tls);
    scene.finding("source-unavailable", "ertificate");
    assert_eq!((scene.table(), scene.generation()), (table, written));
    second.write_kubeconfig(&kubeconfig, Credentials::Token("t"));
    scene.is_fresh();
    scene.api().delete("pods", W1);
    scene.maps(&[W0]);
    scene.ends_well(&[W0]);
    drop(second);
}

/// The rules of the ClusterRole that is deployed.
fn deployed() -> Vec<Rule> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kustomize/base/rbac.yaml");
    let text = fs::read_to_string(path).unwrap();
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
    let role = documents.iter().find(|document| document["kind"] == "ClusterRole").unwrap();
    Rule::of_role(role)
}

#[test]
fn a_right_that_is_missing_is_told_and_takes_nothing_away() {
    let mut scene = Scene::new(&[]);
    let (table, written) = (scene.table(), scene.generation());
    for missing in ["pods", "services", "nodes"] {
        let others = ["pods", "services", "nodes", "pods/status"].into_iter();
        let others = others.filter(|resource| *resource != missing);
        let rules = others.map(|r| Rule::new("", r, &["get", "list", "watch", "patch"]));
        scene.api().allow_only(rules.collect::<Vec<_>>());
        scene.cut();
        scene.holds("403 Forbidden");
        scene.finding("source-unavailable", &format!("resource \"{missing}\""));
        // An agent that starts without the right has only the kernel, which stays.
        scene.stop();
        scene.start();
        scene.holds("403 Forbidden");
        assert_eq!((scene.table(), scene.generation()), (table.clone(), written), "{missing}");
        scene.api().allow_all();
        scene.is_fresh();
    }
    assert_eq!(scene.generation(), written);
    scene.ends_well(&[W0, W1]);
}

#[test]
fn the_rights_of_the_deployed_role_are_enough_for_a_whole_life() {
    let stage = stage(&[]);
    cluster(&stage).api().allow_only(deployed());
    let mut scene = Scene::on(stage);
    scene.comes(W2, "10.10.0.3");
    scene.api().delete("pods", W1);
    scene.maps(&[W0, W2]);
    scene.publishes(&[W0, W2]);
    scene.api().edit("pods", W0, |pod| pod["metadata"]["annotations"][KEY] = "[]".into());
    scene.publishes(&[W0]);
    scene.relist();
    scene.restart();
    scene.api().streaming_lists(false);
    scene.relist();
    scene.is_fresh();
    let requests = scene.api().requests();
    let refused: Vec<_> = requests.iter().filter(|request| request.status == Some(403)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    scene.ends_well(&[W0, W2]);
}
