//! The Pod annotation `nodeportlocal.antrea.io`: how it is written and read.
//!
//! Written: the form of Antrea 2.6, a compact JSON array of one element a protocol and family,
//! sorted, so that equal mappings give equal bytes. Read: every form since Antrea 0.13 (no
//! protocol means TCP; `protocols` lists several; no `ipFamily` means IPv4); an element that makes
//! no sense is passed over, text that is no JSON array has no elements.
//!
//! Invariant: `parse(format(x)) == x` for every sorted `x` without duplicates.

use std::net::IpAddr;
use std::str::FromStr;

use model::npl::Published;
use model::{IpFamily, NodePort, PodPort, Protocol};
use serde::Serialize;
use serde_json::Value;

/// An element as it is written; the order of the fields is that of Antrea.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Element {
    pod_port: PodPort,
    #[serde(rename = "nodeIP")]
    node_ip: IpAddr,
    node_port: NodePort,
    protocol: Protocol,
    ip_family: IpFamily,
}

/// The annotation's text; `None` if nothing is left to say, which means: no annotation.
pub fn format(mappings: &[Published]) -> Option<String> {
    if mappings.is_empty() {
        return None;
    }
    let mut sorted: Vec<_> = mappings.iter().collect();
    sorted.sort_unstable();
    let elements: Vec<_> = sorted
        .into_iter()
        .map(|m| Element {
            pod_port: m.pod_port,
            node_ip: m.node_ip,
            node_port: m.node_port,
            protocol: m.protocol,
            ip_family: m.family,
        })
        .collect();
    // Numbers and addresses always serialize; were it otherwise, nothing would be said.
    serde_json::to_string(&elements).ok()
}

/// What the text says, sorted; nothing if it is not an annotation of any known form.
pub fn parse(text: &str) -> Vec<Published> {
    let Ok(elements) = serde_json::from_str::<Vec<Value>>(text) else { return Vec::new() };
    let mut mappings: Vec<_> = elements.iter().flat_map(parse_element).collect();
    mappings.sort_unstable();
    mappings.dedup();
    mappings
}

fn parse_element(element: &Value) -> Vec<Published> {
    let read = || -> Option<(PodPort, NodePort, IpAddr, IpFamily)> {
        let pod_port = PodPort::try_from(element.get("podPort")?.as_i64()?).ok()?;
        let node_port = NodePort::try_from(element.get("nodePort")?.as_i64()?).ok()?;
        let node_ip = element.get("nodeIP")?.as_str()?.parse().ok()?;
        let family = match element.get("ipFamily").map(Value::as_str) {
            None | Some(Some("" | "IPv4")) => IpFamily::V4,
            Some(Some("IPv6")) => IpFamily::V6,
            Some(_) => return None,
        };
        Some((pod_port, node_port, node_ip, family))
    };
    let Some((pod_port, node_port, node_ip, family)) = read() else { return Vec::new() };
    protocols(element)
        .into_iter()
        .map(|protocol| Published { pod_port, protocol, family, node_port, node_ip })
        .collect()
}

/// `protocol` if there is one (Antrea 1.7 wrote both), else `protocols`, else TCP.
fn protocols(element: &Value) -> Vec<Protocol> {
    let read = |value: &Value| value.as_str().and_then(|text| Protocol::from_str(text).ok());
    match (element.get("protocol"), element.get("protocols")) {
        (Some(protocol), _) => read(protocol).into_iter().collect(),
        (None, Some(list)) => list.as_array().into_iter().flatten().filter_map(read).collect(),
        (None, None) => vec![Protocol::Tcp],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(pod_port: i64, node_port: i64, protocol: Protocol, node_ip: &str) -> Published {
        let node_ip: IpAddr = node_ip.parse().unwrap();
        Published {
            pod_port: PodPort::try_from(pod_port).unwrap(),
            protocol,
            family: IpFamily::of(&node_ip),
            node_port: NodePort::try_from(node_port).unwrap(),
            node_ip,
        }
    }

    #[test]
    fn the_text_is_that_of_antrea_2_6() {
        let mappings = [
            published(8080, 61003, Protocol::Tcp, "fd12:3456:789a:1::1"),
            published(8080, 61002, Protocol::Tcp, "10.10.10.10"),
        ];
        assert_eq!(
            format(&mappings).unwrap(),
            concat!(
                r#"[{"podPort":8080,"nodeIP":"10.10.10.10","nodePort":61002,"protocol":"tcp","ipFamily":"IPv4"},"#,
                r#"{"podPort":8080,"nodeIP":"fd12:3456:789a:1::1","nodePort":61003,"protocol":"tcp","ipFamily":"IPv6"}]"#
            )
        );
        assert_eq!(format(&[]), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut mappings = vec![
            published(53, 61000, Protocol::Udp, "10.0.0.1"),
            published(53, 61000, Protocol::Tcp, "10.0.0.1"),
            published(9, 61001, Protocol::Sctp, "fd00::1"),
        ];
        let text = format(&mappings).unwrap();
        mappings.sort();
        assert_eq!(parse(&text), mappings);
    }

    #[test]
    fn every_older_form_is_read() {
        let tcp = published(80, 61000, Protocol::Tcp, "10.0.0.1");
        let udp = published(80, 61000, Protocol::Udp, "10.0.0.1");
        for (text, expected) in [
            (r#"[{"podPort":80,"nodeIP":"10.0.0.1","nodePort":61000}]"#, vec![tcp.clone()]),
            (
                r#"[{"podPort":80,"nodeIP":"10.0.0.1","nodePort":61000,"protocols":["tcp","udp"]}]"#,
                vec![tcp.clone(), udp.clone()],
            ),
            (
                r#"[{"podPort":80,"nodeIP":"10.0.0.1","nodePort":61000,"protocol":"udp","protocols":["udp"]}]"#,
                vec![udp],
            ),
            (
                r#"[{"podPort":80,"nodeIP":"10.0.0.1","nodePort":61000,"protocol":"tcp","ipFamily":""}]"#,
                vec![tcp],
            ),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_passed_over_and_the_rest_is_kept() {
        for garbage in ["", "null", "{}", "61000", "[1]", "[{}]", "[{\"podPort\":0}]", "[[["] {
            assert_eq!(parse(garbage), [], "{garbage}");
        }
        let text = r#"[{"podPort":80,"nodeIP":"10.0.0.1","nodePort":0},
            {"podPort":80,"nodeIP":"10.0.0.1","nodePort":61000,"protocol":"icmp"},
            {"podPort":81,"nodeIP":"10.0.0.1","nodePort":61001,"protocol":"tcp"}]"#;
        assert_eq!(parse(text), [published(81, 61001, Protocol::Tcp, "10.0.0.1")]);
    }
}
