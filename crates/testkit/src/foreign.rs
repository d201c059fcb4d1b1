//! Writers that are not us: what `nft` and `conntrack` do to a namespace behind the agent's back,
//! and what they see.
//!
//! A write returns what the tool says, because a refusal can be what a test is about.

use std::process::Command;

use lab::CommandError;
use netns::Namespace;

type Outcome = Result<String, CommandError>;

/// Runs an `nft` script; one script is one transaction.
pub fn nft(namespace: &Namespace, script: &str) -> Outcome {
    lab::run(namespace, Command::new("nft").args(["-f", "-"]), script)
}

/// `nft flush ruleset`: what many scripts begin with.
pub fn flush_ruleset(namespace: &Namespace) -> Outcome {
    nft(namespace, "flush ruleset")
}

/// Adds an empty table, such as `inet foreign`.
pub fn add_table(namespace: &Namespace, table: &str) -> Outcome {
    nft(namespace, &format!("add table {table}"))
}

/// Deletes a table, such as `inet netkeep`.
pub fn delete_table(namespace: &Namespace, table: &str) -> Outcome {
    nft(namespace, &format!("delete table {table}"))
}

/// Flushes a table: its rules go, its chains and sets stay.
pub fn flush_table(namespace: &Namespace, table: &str) -> Outcome {
    nft(namespace, &format!("flush table {table}"))
}

/// Deletes an element, written as `nft` writes it, from a set or map.
pub fn delete_element(namespace: &Namespace, table: &str, set: &str, element: &str) -> Outcome {
    nft(namespace, &format!("delete element {table} {set} {{ {element} }}"))
}

/// Adds an element.
pub fn add_element(namespace: &Namespace, table: &str, set: &str, element: &str) -> Outcome {
    nft(namespace, &format!("add element {table} {set} {{ {element} }}"))
}

/// Everything in nf_tables, as `nft list ruleset` prints it.
#[track_caller]
pub fn ruleset(namespace: &Namespace) -> String {
    lab::run(namespace, Command::new("nft").args(["list", "ruleset"]), "").unwrap()
}

/// Everything in nf_tables, as `nft -j list ruleset` prints it.
#[track_caller]
pub fn ruleset_json(namespace: &Namespace) -> serde_json::Value {
    let text = lab::run(namespace, Command::new("nft").args(["-j", "list", "ruleset"]), "");
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// Conntrack's entries, a line each, as `conntrack -L` prints them.
#[track_caller]
pub fn flows(namespace: &Namespace) -> Vec<String> {
    let mut lines = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let mut command = Command::new("conntrack");
        let text = lab::run(namespace, command.args(["-L", "-f", family]), "").unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_writes_land_in_the_namespace_and_refusals_are_told() {
        let namespace = Namespace::create().unwrap();
        add_table(&namespace, "inet foreign").unwrap();
        nft(&namespace, "add set inet foreign ports { type inet_service; }").unwrap();
        add_element(&namespace, "inet foreign", "ports", "80").unwrap();
        assert!(ruleset(&namespace).contains("elements = { 80 }"));
        delete_element(&namespace, "inet foreign", "ports", "80").unwrap();
        flush_table(&namespace, "inet foreign").unwrap();
        assert!(!ruleset(&namespace).contains("elements"));
        assert!(ruleset_json(&namespace)["nftables"].is_array());
        let error = delete_table(&namespace, "inet nosuch").unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
        flush_ruleset(&namespace).unwrap();
        assert_eq!(ruleset(&namespace), "");
        assert_eq!(flows(&namespace), [""; 0]);
    }
}
