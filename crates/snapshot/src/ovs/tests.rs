//! A database that behaves, one that is silent, one that talks nonsense.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// A database that answers the first request with these bytes and waits for the end.
fn database(answer: impl Fn(&Value) -> Vec<u8> + Send + 'static) -> (TempDir, JoinHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("db.sock")).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut requests =
            serde_json::Deserializer::from_reader(stream.try_clone().unwrap()).into_iter::<Value>();
        let request = requests.next().unwrap().unwrap();
        // it may have gone
        let _ = stream.write_all(&answer(&request));
        let _ = stream.read(&mut [0; 1024]);
    });
    (folder, thread)
}

fn look(folder: &TempDir, patience: Duration) -> Result<Ovs, String> {
    read(&folder.path().join("db.sock"), patience).map(|found| found.value)
}

const LONG: Duration = Duration::from_secs(20);

fn uuid(number: u8) -> Value {
    json!(["uuid", format!("00000000-0000-0000-0000-0000000000{number:02}")])
}

fn rows(request: &Value) -> Value {
    json!({ "id": request["id"], "error": null, "result": [
        {"rows": [{
            "ovs_version": "3.1.0",
            "other_config": ["map", [["a", "b"], ["flow-restore-wait", "true"]]],
        }]},
        {"rows": [
            {"name": "br-int", "ports": ["set", [uuid(1), uuid(2)]]},
            {"name": "br-ex", "ports": uuid(3)},
        ]},
        {"rows": [
            {"_uuid": uuid(1), "name": "br-int", "interfaces": uuid(11)},
            {"_uuid": uuid(2), "name": "vx", "interfaces": uuid(12)},
            {"_uuid": uuid(3), "name": "eth1", "interfaces": uuid(13)},
        ]},
        {"rows": [
            {"_uuid": uuid(11), "name": "br-int", "type": "internal", "error": ["set", []]},
            {"_uuid": uuid(12), "name": "vx", "type": "vxlan", "error": ["set", []]},
            {"_uuid": uuid(13), "name": "eth1", "type": "",
                "error": "could not open network device eth1 (No such device)"},
        ]},
    ]})
}

#[test]
fn the_rows_of_a_database_are_read_and_its_questions_answered() {
    let (folder, thread) = database(|request| {
        assert_eq!(request["method"], "transact");
        let operations = request["params"].as_array().unwrap().iter().skip(1);
        assert!(operations.into_iter().all(|operation| operation["op"] == "select"));
        let echo = json!({"id": "echo", "method": "echo", "params": []}).to_string();
        let other = json!({"id": null, "method": "update", "params": []}).to_string();
        // no separators: RFC 7047 has none
        format!("{echo}{other}{}", rows(request)).into_bytes()
    });
    let ovs = look(&folder, LONG).unwrap();
    thread.join().unwrap();
    assert_eq!(ovs.flow_restore_wait, Some(true));
    assert_eq!(ovs.version.as_deref(), Some("3.1.0"));
    let ports: Vec<_> =
        ovs.ports.iter().map(|port| (&*port.bridge, &*port.name, port.kind.as_deref())).collect();
    assert_eq!(
        ports,
        [
            ("br-ex", "eth1", None),
            ("br-int", "br-int", Some("internal")),
            ("br-int", "vx", Some("vxlan"))
        ]
    );
    assert!(ovs.ports[0].error.as_ref().unwrap().contains("No such device"));
}

#[test]
fn a_silent_database_is_given_up() {
    let (folder, thread) = database(|_| Vec::new());
    let why = look(&folder, Duration::from_millis(50)).unwrap_err();
    assert!(why.ends_with("no answer in time"), "{why}");
    thread.join().unwrap();
}

#[test]
fn nonsense_is_refused() {
    for (answer, expected) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak OVSDB"),
        (
            "{\"id\":1,\"error\":\"unknown database\",\"result\":null}",
            "refuses: \"unknown database\"",
        ),
        ("{\"id\":1,\"error\":null,\"result\":7}", "no list of results"),
        ("{\"id\":1,\"error\":null,\"result\":[{\"error\":\"x\"}]}", "does not tell its rows"),
    ] {
        let (folder, thread) = database(|_| answer.as_bytes().to_vec());
        let why = look(&folder, LONG).unwrap_err();
        assert!(why.contains(expected), "{why}");
        thread.join().unwrap();
    }
    let nested = "[".repeat(100_000);
    let (folder, thread) = database(move |_| nested.clone().into_bytes());
    assert!(look(&folder, LONG).unwrap_err().contains("does not speak OVSDB"));
    thread.join().unwrap();
}

#[test]
fn no_switch_and_a_dead_one_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    assert!(look(&folder, LONG).unwrap_err().contains("there is no Open vSwitch here"));
    drop(UnixListener::bind(folder.path().join("db.sock")).unwrap());
    assert!(look(&folder, LONG).unwrap_err().contains("refused"));
}
