//! Objects that nobody should have made, and bytes that are no objects: nothing breaks, it is told,
//! and nobody else notices.

use std::time::Duration;

use model::Protocol;
use serde_json::{Value, json};
use testkit::api::{Fault, On};
use testkit::{Manifest, Pod, Service, Target};

use crate::scene::{KEY, Scene, W0, W1, W2};

/// A Pod on this node, changed by hand.
fn pod(name: &str, change: impl FnOnce(&mut Value)) -> Manifest {
    let pod = Pod::new(name).node("n1").label("app", "web").ips(&["10.10.0.99".parse().unwrap()]);
    let mut manifest = Manifest::from(pod);
    change(manifest.value_mut());
    manifest
}

/// Puts bad things there, over a watch and then over a list and a new start, while the steady Pods'
/// clients go on; `told`: whose findings of which words are to come.
#[track_caller]
fn survives(put: impl Fn(&Scene), told: &[(&str, &str)], mend: impl Fn(&Scene)) {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let before = scene.table();
    let is_told = |scene: &Scene| {
        for (subject, words) in told {
            scene.until(|| {
                let findings = scene.stage.ask("findings")?;
                let found = findings.as_array().into_iter().flatten().any(|finding| {
                    finding["code"] == "invalid-object"
                        && finding["subject"].as_str().unwrap().contains(subject)
                        && finding["message"].as_str().unwrap().contains(words)
                });
                if found { Ok(()) } else { Err(format!("{subject} {words}: {findings:#}")) }
            });
        }
    };
    put(&scene);
    is_told(&scene);
    scene.comes(W2, "10.10.0.3");
    scene.api().delete("pods", W2);
    scene.until(
        || if scene.table() == before { Ok(()) } else { Err(format!("{:?}", scene.table())) },
    );
    scene.relist();
    scene.is_fresh();
    is_told(&scene);
    scene.restart();
    is_told(&scene);
    assert_eq!(scene.table(), before);
    mend(&scene);
    scene.stage.no_finding("invalid-object");
    clients.lost_nothing();
    assert!(!scene.agent.stderr().contains("panicked"), "{}", scene.agent.stderr());
    scene.ends_well(&[W0, W1]);
}

#[test]
fn pods_with_wrong_values_are_told_and_nobody_else_notices() {
    type Change = fn(&mut Value);
    let bad: [(&str, &str, Change); 8] = [
        ("bad-ip", "10.10.0.256", |pod| pod["status"]["podIPs"] = json!([{ "ip": "10.10.0.256" }])),
        ("bad-labels", "list", |pod| pod["metadata"]["labels"] = json!(["app", "web"])),
        ("bad-label", "", |pod| pod["metadata"]["labels"]["app"] = json!(7)),
        ("bad-port", "70000", |pod| {
            pod["spec"]["containers"] =
                json!([{ "name": "c", "ports": [{ "containerPort": 70_000 }] }]);
        }),
        ("bad-protocol", "ICMP", |pod| {
            pod["spec"]["containers"] =
                json!([{ "name": "c", "ports": [{ "containerPort": 80, "protocol": "ICMP" }] }]);
        }),
        ("bad-spec", "", |pod| pod["spec"] = json!("nothing")),
        ("bad-loopback", "loopback", |pod| {
            pod["status"]["podIP"] = "127.0.0.1".into();
            pod["status"]["podIPs"] = json!([{ "ip": "127.0.0.1" }]);
        }),
        // It counts as one that runs; this one is selected by nobody.
        ("bad-phase", "Confused", |pod| {
            pod["status"]["phase"] = "Confused".into();
            pod["metadata"]["labels"]["app"] = "other".into();
        }),
    ];
    // A Pod whose spec is no object cannot be selected by its node: it never comes.
    let comes = |name: &str| name != "bad-spec";
    let told: Vec<_> =
        bad.iter().filter(|(name, ..)| comes(name)).map(|(n, w, _)| (*n, *w)).collect();
    survives(
        |scene| {
            for (name, _, change) in bad {
                scene.api().put(pod(&format!("default/{name}"), change));
            }
        },
        &told,
        |scene| {
            for (name, ..) in bad {
                scene.api().delete("pods", &format!("default/{name}"));
            }
        },
    );
}

#[test]
fn pods_that_say_little_are_pods_that_want_little() {
    let scene = Scene::new(&[]);
    let before = scene.table();
    let change: [fn(&mut Value); 6] = [
        |pod| drop(pod.as_object_mut().unwrap().remove("status")),
        |pod| pod["status"] = json!({}),
        |pod| pod["status"] = json!(null),
        |pod| {
            pod["spec"] = json!({ "nodeName": "n1" });
            pod["status"] = json!({ "phase": "Running" });
        },
        |pod| pod["status"] = json!({ "phase": "Running", "podIPs": null, "conditions": null }),
        |pod| pod["status"] = json!({ "phase": "Pending", "somethingNew": [{ "x": { "y": 1 } }] }),
    ];
    for (n, change) in change.into_iter().enumerate() {
        scene.api().put(pod(&format!("default/little-{n}"), change));
    }
    scene.relist();
    scene.is_fresh();
    assert_eq!(scene.mapped(), [W0, W1].map(str::to_owned).into());
    assert_eq!(scene.table(), before);
    scene.stop_quietly();
}

#[test]
fn addresses_of_another_family_than_is_asked_for_get_no_mapping_and_are_told() {
    let scene = Scene::new(&[]);
    let mut six = pod("default/six", |_| {});
    six.value_mut()["status"]["podIP"] = "fd00:10:10::9".into();
    six.value_mut()["status"]["podIPs"] = json!([{ "ip": "fd00:10:10::9" }]);
    scene.api().put(six);
    scene.until(|| {
        let findings = scene.stage.ask("findings")?;
        let mut all = findings.as_array().into_iter().flatten();
        match all.find(|finding| finding["subject"] == "Pod default/six") {
            Some(_) => Ok(()),
            None => Err(findings.to_string()),
        }
    });
    scene.maps(&[W0, W1]);
    scene.stop_quietly();
}

#[test]
fn an_annotation_of_a_megabyte_is_read_past_and_the_pod_works() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let big = "x".repeat(1 << 20);
    scene.webs.push(scene.stage.pod(W2, "10.10.0.3"));
    scene.api().put(scene.webs[2].manifest.clone().annotation("example.com/big", &big));
    scene.answers(W2);
    scene.publishes(&[W2]);
    // And as what we write ourselves: it is replaced.
    scene.api().edit("pods", W0, |pod| pod["metadata"]["annotations"][KEY] = big.as_str().into());
    scene.publishes(&[W0]);
    let huge = scene.api().fault(On::verb("watch").resource("pods"), Fault::Huge(1 << 20)).times(3);
    for n in 0..3 {
        scene.api().edit("pods", W1, |pod| pod["metadata"]["labels"]["n"] = n.to_string().into());
    }
    scene.until(|| if huge.hits() == 3 { Ok(()) } else { Err(huge.hits().to_string()) });
    scene.relist();
    scene.restart();
    clients.lost_nothing();
    scene.ends_well(&[W0, W1, W2]);
}

#[test]
fn bytes_that_are_no_utf_8_are_told_and_the_object_counts() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let of = On::verb("watch").resource("pods");
    let bad = scene.api().fault(of, Fault::InvalidUtf8).until_lifted();
    scene.comes(W2, "10.10.0.3");
    scene.publishes(&[W2]);
    scene.finding("invalid-object", "no UTF-8");
    bad.lift();
    for pod in [W0, W1, W2] {
        scene.api().edit("pods", pod, |pod| pod["metadata"]["labels"]["n"] = "1".into());
    }
    scene.stage.no_finding("invalid-object");
    clients.lost_nothing();
    scene.ends_well(&[W0, W1, W2]);
}

#[test]
fn a_line_that_is_no_json_is_answered_by_a_list_and_nothing_is_lost() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    for resource in ["pods", "services", "nodes"] {
        let bad = scene.api().fault(On::verb("watch").resource(resource), Fault::Garbage).times(2);
        scene.api().edit("pods", W1, |pod| pod["metadata"]["labels"]["n"] = resource.into());
        scene
            .api()
            .edit("services", "default/web", |s| s["metadata"]["labels"]["n"] = resource.into());
        scene.api().edit("nodes", "n1", |node| node["metadata"]["labels"]["n"] = resource.into());
        scene.until(|| {
            if bad.hits() == 2 { Ok(()) } else { Err(format!("{resource} {}", bad.hits())) }
        });
        scene.is_fresh();
    }
    scene.comes(W2, "10.10.0.3");
    scene.api().delete("pods", W1);
    scene.maps(&[W0, W2]);
    clients.lost_nothing();
    scene.ends_well(&[W0, W2]);
}

#[test]
fn services_with_a_thousand_ports_an_empty_selector_or_nonsense_disturb_nobody() {
    let many = (1..=1_000)
        .fold(Service::new("default/many").npl().selector("app", "nobody"), |service, port| {
            service.port(Protocol::Tcp, port, Target::Number(port))
        });
    let mut everything = Manifest::from(Service::new("default/everything").npl().port(
        Protocol::Tcp,
        80,
        Target::Number(80),
    ));
    everything.value_mut()["spec"]["selector"] = json!({});
    let mut nonsense =
        Manifest::from(Service::new("default/nonsense").npl().selector("app", "web").port(
            Protocol::Tcp,
            80,
            Target::Number(80),
        ));
    nonsense.value_mut()["spec"]["ports"][0]["port"] = json!("eighty");
    survives(
        |scene| {
            for service in [Manifest::from(&many), everything.clone(), nonsense.clone()] {
                scene.api().put(service);
            }
        },
        &[("Service default/nonsense", "")],
        |scene| {
            for name in ["many", "everything", "nonsense"] {
                scene.api().delete("services", &format!("default/{name}"));
            }
        },
    );
}

#[test]
fn services_with_values_that_nobody_knows_are_told_and_disturb_nobody() {
    type Change = fn(&mut Value);
    let bad: [(&str, &str, Change); 7] = [
        ("type", "Magic", |spec| spec["type"] = "Magic".into()),
        ("policy", "PerhapsDualStack", |spec| spec["ipFamilyPolicy"] = "PerhapsDualStack".into()),
        ("family", "IPv5", |spec| spec["ipFamilies"] = json!(["IPv5"])),
        ("protocol", "QUIC", |spec| spec["ports"][0]["protocol"] = "QUIC".into()),
        ("target", "", |spec| spec["ports"][0]["targetPort"] = json!({ "a": 1 })),
        ("cluster-ip", "10.96.0.300", |spec| spec["clusterIP"] = "10.96.0.300".into()),
        ("selector", "", |spec| spec["selector"] = json!({ "app": ["web"] })),
    ];
    let told: Vec<_> =
        bad.iter().map(|(name, words, _)| (format!("Service default/{name}"), *words)).collect();
    let told: Vec<_> = told.iter().map(|(subject, words)| (subject.as_str(), *words)).collect();
    survives(
        |scene| {
            for (name, _, change) in bad {
                let service = Service::new(&format!("default/{name}")).npl().selector("app", "web");
                let mut service =
                    Manifest::from(service.port(Protocol::Tcp, 81, Target::Number(81)));
                change(&mut service.value_mut()["spec"]);
                scene.api().put(service);
            }
        },
        &told,
        |scene| {
            for (name, ..) in bad {
                scene.api().delete("services", &format!("default/{name}"));
            }
        },
    );
}

#[test]
fn a_node_with_addresses_that_are_none_keeps_its_last_good_ones() {
    let scene = Scene::new(&[]);
    let right = scene.api().get("nodes", "n1").unwrap();
    drop(scene);
    survives(
        |scene| {
            scene.api().edit("nodes", "n1", |node| {
                node["status"]["addresses"] = json!([
                    { "type": "Telepathic", "address": "anything" },
                    { "type": "InternalIP", "address": "192.0.2.256" },
                ]);
            });
        },
        &[("Node n1", "192.0.2.256")],
        |scene| {
            let right = right["status"]["addresses"].clone();
            scene.api().edit("nodes", "n1", |node| node["status"]["addresses"] = right);
        },
    );
}

#[test]
fn a_pod_selected_by_a_thousand_ports_gets_what_there_is_and_all_others_keep_theirs() {
    let mut scene = Scene::new(&["--npl-port-range", "61000-61099"]);
    let clients = scene.stage.clients(W0);
    let many = (1..=1_000)
        .fold(Service::new("default/many").npl().selector("app", "many"), |service, port| {
            service.port(Protocol::Tcp, port, Target::Number(port))
        });
    scene.api().put(&many);
    scene.api().put(pod("default/greedy", |pod| pod["metadata"]["labels"]["app"] = "many".into()));
    scene.until(|| match scene.table().mappings.len() {
        102 => Ok(()),
        count => Err(format!("{count} mappings")),
    });
    scene.finding("range-exhausted", "61000-61099");
    scene.answers(W0);
    scene.answers(W1);
    scene.api().delete("services", "default/many");
    scene.maps(&[W0, W1]);
    scene.stage.no_finding("range-exhausted");
    clients.lost_nothing();
    scene.stop();
}

#[test]
fn of_two_pods_with_one_uid_one_counts_and_the_other_is_told() {
    let uid = |pod: &mut Value| pod["metadata"]["uid"] = "pod-default-web-1".into();
    survives(
        |scene| drop(scene.api().put(pod("default/web-1-twin", uid))),
        &[("Pod default/web-1-twin", "it has the UID of Pod default/web-1, which counts")],
        |scene| assert!(scene.api().delete("pods", "default/web-1-twin")),
    );
}

#[test]
fn an_object_that_becomes_bad_keeps_what_it_has_until_it_is_mended() {
    let scene = Scene::new(&[]);
    let before = scene.table();
    let clients = scene.stage.clients(W0);
    let right = scene.api().get("pods", W0).unwrap()["metadata"]["labels"].clone();
    scene.api().edit("pods", W0, |pod| pod["metadata"]["labels"] = json!("none"));
    scene.finding("invalid-object", "");
    scene.relist();
    scene.is_fresh();
    assert_eq!(scene.table(), before);
    scene.api().edit("pods", W0, |pod| pod["metadata"]["labels"] = right);
    scene.stage.no_finding("invalid-object");
    assert_eq!(scene.table(), before);
    clients.lost_nothing();
    scene.ends_well(&[W0, W1]);
}

#[test]
fn a_service_that_was_never_readable_keeps_what_the_kernel_holds_from_before() {
    let mut scene = Scene::new(&[]);
    let clients = scene.stage.clients(W0);
    let before = scene.table();
    scene.stop();
    let right = scene.api().get("services", "default/web").unwrap();
    scene.api().edit("services", "default/web", |s| s["spec"]["selector"] = json!(["app"]));
    scene.start();
    scene.finding("invalid-object", "");
    clients.answered(10);
    assert_eq!(scene.table(), before);
    assert_eq!(scene.stage.publications().len(), 2);
    // Others go on: a Pod that is gone is gone, and another Service gets what it asks for.
    scene.comes_elsewhere();
    scene.api().delete("pods", W1);
    scene
        .until(|| if scene.mapped().contains(W1) { Err("still there".to_owned()) } else { Ok(()) });
    assert!(scene.mapped().contains(W0) && scene.stage.published(W0).is_some());
    scene.api().put(right);
    scene.stage.no_finding("invalid-object");
    clients.lost_nothing();
    scene.ends_well(&[W0, "others/web-0"]);
}

impl Scene {
    /// A Pod of another namespace with a Service of its own.
    #[track_caller]
    fn comes_elsewhere(&mut self) {
        let name = "others/web-0";
        self.webs.push(self.stage.pod(name, "10.10.0.20"));
        self.api().namespace("others");
        self.api().put(&self.webs.last().unwrap().manifest);
        let ports = [Protocol::Tcp, Protocol::Udp];
        let service = Service::new("others/web").npl().selector("app", "web");
        self.api().put(
            ports.into_iter().fold(service, |service, protocol| {
                service.port(protocol, 80, Target::Number(8080))
            }),
        );
        self.answers(name);
        self.publishes(&[name]);
    }

    /// The end where there are Pods besides.
    #[track_caller]
    fn stop_quietly(mut self) {
        self.maps(&[W0, W1]);
        assert!(!self.agent.stderr().contains("panicked"), "{}", self.agent.stderr());
        let status = self.agent.terminate(Duration::from_secs(20));
        assert_eq!(status.code(), Some(0));
    }
}
