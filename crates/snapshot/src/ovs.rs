//! Owns Open vSwitch: the rows of its database that matter here, by one read-only transaction of
//! OVSDB (RFC 7047, JSON-RPC over a unix socket).
//!
//! The socket is a path: it is the switch of whoever mounted it, in whatever network namespace.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use doctor::snapshot::{Ovs, OvsPort};
use serde_json::{Value, json};

use crate::Found;

/// Longest answer that is read.
const ANSWER_MAX: u64 = 64 << 20;
/// Number of our request.
const ID: u64 = 1;

pub(crate) fn read(path: &Path, patience: Duration) -> Result<Found<Ovs>, String> {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("there is no Open vSwitch here (no {})", path.display()));
        }
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let answer = ask(&stream, patience).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(understand(&answer).map_err(|why| format!("{}: {why}", path.display()))?.into())
}

/// The results of the four selects.
fn ask(stream: &UnixStream, patience: Duration) -> Result<Value, String> {
    let select = |table: &str, columns: &[&str]| json!({ "op": "select", "table": table, "where": [], "columns": columns });
    let request = json!({ "id": ID, "method": "transact", "params": [
        "Open_vSwitch",
        select("Open_vSwitch", &["other_config", "ovs_version"]),
        select("Bridge", &["name", "ports"]),
        select("Port", &["_uuid", "name", "interfaces"]),
        select("Interface", &["_uuid", "name", "type", "error"]),
    ]});
    let end = Instant::now() + patience;
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    };
    stream.set_write_timeout(Some(patience)).map_err(told)?;
    write(stream, &request).map_err(told)?;
    let limited = Limited { stream, end, left: ANSWER_MAX };
    let answers = serde_json::Deserializer::from_reader(BufReader::new(limited));
    for answer in answers.into_iter::<Value>() {
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_io() => return Err(told(error.into())),
            Err(_) => return Err("what answers does not speak OVSDB".to_owned()),
        };
        // the server may ask whether we are there (RFC 7047, 4.1.11)
        if answer.get("method").and_then(Value::as_str) == Some("echo") {
            let reply = json!({ "id": answer["id"], "result": answer["params"], "error": null });
            write(stream, &reply).map_err(told)?;
            continue;
        }
        if answer.get("id").and_then(Value::as_u64) != Some(ID) {
            continue;
        }
        return match answer.get("error") {
            None | Some(Value::Null) => Ok(answer["result"].take()),
            Some(error) => Err(format!("the database refuses: {error}")),
        };
    }
    Err("the database closed the connection".to_owned())
}

fn write(mut stream: &UnixStream, message: &Value) -> io::Result<()> {
    stream.write_all(message.to_string().as_bytes())
}

/// Reads until a moment, and no more than so much.
struct Limited<'a> {
    stream: &'a UnixStream,
    end: Instant,
    left: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.left == 0 {
            return Err(io::Error::other("the answer is too long"));
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut stream = self.stream;
        let read = stream.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

fn understand(results: &Value) -> Result<Ovs, String> {
    let results = results.as_array().ok_or("the answer is no list of results")?;
    let rows = |at: usize| {
        let result = results.get(at).unwrap_or(&Value::Null);
        match result.get("rows").and_then(Value::as_array) {
            Some(rows) => Ok(rows.as_slice()),
            None => Err(format!("the database does not tell its rows: {result}")),
        }
    };
    let (switch, bridges, ports, interfaces) = (rows(0)?, rows(1)?, rows(2)?, rows(3)?);
    let by_uuid = |rows: &'_ [Value]| -> BTreeMap<String, Value> {
        rows.iter().filter_map(|row| Some((uuids(row.get("_uuid")?).pop()?, row.clone()))).collect()
    };
    let (ports, interfaces) = (by_uuid(ports), by_uuid(interfaces));
    let mut found = Ovs::default();
    if let Some(switch) = switch.first() {
        found.version = text(switch, "ovs_version");
        let wait = pair(&switch["other_config"], "flow-restore-wait");
        found.flow_restore_wait = wait.map(|wait| wait == "true");
    }
    for bridge in bridges {
        let of_bridge = uuids(&bridge["ports"]);
        for port in of_bridge.iter().filter_map(|uuid| ports.get(uuid)) {
            let names = uuids(&port["interfaces"]);
            for interface in names.iter().filter_map(|uuid| interfaces.get(uuid)) {
                found.ports.push(OvsPort {
                    bridge: text(bridge, "name").unwrap_or_default(),
                    name: text(interface, "name").unwrap_or_default(),
                    kind: text(interface, "type").filter(|kind| kind != "system"),
                    error: text(interface, "error"),
                });
            }
        }
    }
    found.ports.sort();
    Ok(found)
}

/// A text that is not empty; an optional one comes as a set (RFC 7047, 5.1).
fn text(row: &Value, column: &str) -> Option<String> {
    let value = row.get(column)?;
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `["uuid", U]` or `["set", [["uuid", U], …]]`
fn uuids(value: &Value) -> Vec<String> {
    let Some([kind, body]) = value.as_array().map(Vec::as_slice) else { return Vec::new() };
    match (kind.as_str(), body) {
        (Some("uuid"), Value::String(uuid)) => vec![uuid.clone()],
        // one level only: sets hold no sets
        (Some("set"), Value::Array(items)) => {
            let one = |item: &Value| match item.as_array().map(Vec::as_slice) {
                Some([Value::String(kind), Value::String(uuid)]) if kind == "uuid" => {
                    Some(uuid.clone())
                }
                _ => None,
            };
            items.iter().filter_map(one).collect()
        }
        _ => Vec::new(),
    }
}

/// A value of `["map", [[key, value], …]]`.
fn pair<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    let pairs = map.as_array()?.get(1)?.as_array()?;
    let mut pairs = pairs.iter().filter_map(Value::as_array);
    pairs.find(|pair| pair.first().and_then(Value::as_str) == Some(key))?.get(1)?.as_str()
}

#[cfg(test)]
mod tests;
