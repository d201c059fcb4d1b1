//! The API server is not there when the agent starts.

use std::fs;
use std::net::{TcpListener, UdpSocket};

use serde_json::json;
use testkit::api::{Fault, On, Transport};

use crate::scene::{Scene, W0, W1, W2, cluster, stage};

#[test]
fn an_api_server_away_at_the_start_costs_nothing_and_is_caught_up_with_by_itself() {
    let mut scene = Scene::new(&[]);
    let (table, written) = (scene.table(), scene.generation());
    let clients = scene.stage.clients(W0);
    scene.stop();
    // Nobody listens where the kubeconfig leads.
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let address = scene.stage.node().run(|| listen().local_addr().unwrap()).unwrap();
    let kubeconfig = scene.cluster().kubeconfig();
    let mut config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&kubeconfig).unwrap()).unwrap();
    config["clusters"][0]["cluster"] = json!({ "server": format!("http://{address}") });
    fs::write(&kubeconfig, config.to_string()).unwrap();
    scene.start();

    scene.holds("could not be listed yet");
    let finding = scene.finding("source-unavailable", "cannot be reached");
    assert!(finding["advice"].as_str().unwrap().contains("until it answers"), "{finding}");
    let health = scene.health();
    assert_eq!((&health["healthy"], &health["ready"]), (&json!(true), &json!(false)), "{health}");
    assert!(!health["source"].as_array().unwrap().is_empty(), "{health}");
    assert!((scene.stage.metric("netkeep_source_fresh{source=\"kube\"") - 0.0).abs() < 0.5);
    assert!((scene.stage.metric("netkeep_on_hold") - 1.0).abs() < 0.5);
    clients.answered(10);
    assert_eq!((scene.table(), scene.generation()), (table.clone(), written));
    // Every port is kept from others again.
    let taken = |protocol: &str, port: u16| match protocol {
        "tcp" => TcpListener::bind(("0.0.0.0", port)).is_err(),
        _ => UdpSocket::bind(("0.0.0.0", port)).is_err(),
    };
    scene.until(|| {
        let all = || table.mappings.keys().all(|(_, protocol, port)| taken(protocol, *port));
        let all = scene.stage.node().run(all).unwrap();
        if all { Ok(()) } else { Err("a port is not reserved".to_owned()) }
    });

    // Meanwhile things go on. Then the server is there.
    let gone = scene.webs.remove(1);
    scene.stage.folder().remove(&gone.manifest);
    scene.webs.push(scene.stage.web(W2, "10.10.0.3"));
    let listener = scene.stage.node().run(|| TcpListener::bind(address).unwrap()).unwrap();
    let server = scene.api().serve(listener, Transport::Plain);
    scene.maps(&[W0, W2]);
    clients.lost_nothing();
    scene.ends_well(&[W0, W2]);
    drop(server);
}

#[test]
fn a_first_start_waits_for_the_api_server_and_maps_everything_once_it_answers() {
    let stage = stage(&[]);
    let away = cluster(&stage).api().fault(On::everything(), Fault::Drop).until_lifted();
    let webs = vec![stage.web(W0, "10.10.0.1"), stage.web(W1, "10.10.0.2")];
    let agent = stage.start();
    let scene = Scene { agent, webs, stage };
    scene.finding("source-unavailable", "");
    scene.until(|| if away.hits() > 5 { Ok(()) } else { Err("not tried".to_owned()) });
    away.lift();
    scene.maps(&[W0, W1]);
    scene.ends_well(&[W0, W1]);
}

#[test]
fn an_agent_that_is_stopped_while_the_api_server_is_silent_ends_in_time() {
    let mut scene = Scene::new(&[]);
    let _silent = scene.api().fault(On::everything(), Fault::Stall).until_lifted();
    scene.webs[0].manifest = scene.webs[0].manifest.clone().label("x", "y");
    scene.stop();
    let _silent = scene.api().fault(On::everything(), Fault::Stall).until_lifted();
    scene.start();
    scene.stop();
}
