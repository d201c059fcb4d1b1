//! A plan as people read it, and as scripts do (the JSON of the contracts).

use std::fmt::Write;

use model::{Change, Finding, Key, Plan, Value};
use serde_json::{Value as Json, json};

/// The plan as text: one line a change, then what is held and why, then the findings.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let mut line = |text: String| _ = writeln!(out, "{text}");
    if plan.changes.is_empty() && plan.held.is_empty() && plan.hold.is_none() {
        line("nothing to do".to_owned());
    }
    for change in &plan.changes {
        line(describe(change));
    }
    if let Some(hold) = &plan.hold {
        line(format!("held: {} deletion(s), because {}", plan.held.len(), hold.reason));
        for change in &plan.held {
            line(format!("  {}", describe(change)));
        }
    }
    for finding in &plan.findings {
        let Finding { severity, code, subject, message, .. } = finding;
        line(format!("{}: {code}: {subject}: {message}", severity.as_str()));
    }
    out
}

/// One change in one line: `add npl4 tcp . 61000 -> 10.0.0.5:8080 for Pod default/web: reason`.
pub fn describe(change: &Change) -> String {
    let what = match change {
        Change::Structure { .. } => "table".to_owned(),
        Change::Element { key, before, after, .. } => match (before, after) {
            (Some(before), Some(after)) if before != after => {
                format!("{key} -> {after} (was {before})")
            }
            (_, Some(Value::Present)) | (Some(Value::Present) | None, None) => key.to_string(),
            (_, Some(value)) | (Some(value), None) => format!("{key} -> {value}"),
        },
    };
    format!("{} {what} for {}: {}", change.op(), change.owner(), change.reason())
}

/// The plan as the JSON of the contracts. `netns` names the network namespace it is for.
pub fn json(plan: &Plan, netns: &str) -> Json {
    let changes: Vec<Json> = plan.changes.iter().map(|change| json_change(change, netns)).collect();
    let held: Vec<Json> = plan.held.iter().map(|change| json_change(change, netns)).collect();
    json!({
        "changes": changes,
        "held": held,
        "findings": plan.findings,
        "hold": plan.hold.as_ref().map(|hold| &hold.reason),
    })
}

fn json_change(change: &Change, netns: &str) -> Json {
    let (object, detail) = match change {
        Change::Structure { .. } => ("table netkeep".to_owned(), json!({})),
        Change::Element { key, before, after, .. } => {
            let mut detail = json!({ "map": key.map().as_str(), "before": before, "after": after });
            if let (Key::Npl { family, protocol, port }, Some(object)) =
                (key, detail.as_object_mut())
            {
                object.insert("ipFamily".to_owned(), json!(family));
                object.insert("protocol".to_owned(), json!(protocol));
                object.insert("nodePort".to_owned(), json!(port));
            }
            (key.to_string(), detail)
        }
    };
    json!({
        "netns": netns,
        "object": object,
        "op": change.op(),
        "owner": &**change.owner(),
        "reason": change.reason().to_string(),
        "detail": detail,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Hold, IpFamily, Owner, Protocol, Reason, Uid};

    use super::*;

    fn plan() -> Plan {
        let endpoint =
            |ip: &str| Value::Endpoint { ip: ip.parse().unwrap(), port: 8080.try_into().unwrap() };
        let change = Change::Element {
            key: Key::Npl {
                family: IpFamily::V4,
                protocol: Protocol::Tcp,
                port: 61000.try_into().unwrap(),
            },
            before: None,
            after: Some(endpoint("10.0.0.5")),
            owner: Arc::new(Owner::pod("default", "web", Uid::new("u1"))),
            reason: Reason::Wanted,
        };
        let hold = Some(Hold::all("the folder is unreadable"));
        Plan { changes: vec![change], held: vec![], hold, findings: vec![] }
    }

    #[test]
    fn a_plan_reads_as_one_line_a_change() {
        assert_eq!(
            text(&plan()),
            "add npl4 tcp . 61000 -> 10.0.0.5:8080 for Pod default/web: wanted and not in the kernel\n\
             held: 0 deletion(s), because the folder is unreadable\n"
        );
        assert_eq!(text(&Plan::default()), "nothing to do\n");
    }

    #[test]
    fn the_json_is_that_of_the_contracts() {
        assert_eq!(
            json(&plan(), "host"),
            json!({
                "changes": [{
                    "netns": "host", "object": "npl4 tcp . 61000", "op": "add",
                    "owner": {"kind": "Pod", "namespace": "default", "name": "web", "uid": "u1"},
                    "reason": "wanted and not in the kernel",
                    "detail": {"map": "npl4", "before": null, "after": "10.0.0.5:8080",
                               "ipFamily": "IPv4", "protocol": "tcp", "nodePort": 61000},
                }],
                "held": [], "findings": [], "hold": "the folder is unreadable",
            })
        );
    }
}
