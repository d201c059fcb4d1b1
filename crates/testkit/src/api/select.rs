//! Label and field selectors.
//!
//! Owns: their syntax as the API server reads it, which fields each kind can be selected by (an
//! unknown one is refused, as there), and whether an object fits.

use serde_json::Value;

use super::refusal::Refusal;
use super::resource::{Family, Resource};

/// What a list or watch asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: Vec<LabelRule>,
    fields: Vec<FieldRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LabelRule {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
    Greater(String, i64),
    Less(String, i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRule {
    path: &'static [&'static str],
    value: String,
    wanted: bool,
}

impl Selector {
    /// Reads both; `None` stands for an absent parameter.
    pub(super) fn parse(
        resource: &Resource,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Self, Refusal> {
        let mut selector = Self::default();
        for part in split(labels.unwrap_or_default()) {
            selector.labels.push(label_rule(part)?);
        }
        for part in fields.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            selector.fields.push(field_rule(resource, part)?);
        }
        Ok(selector)
    }

    pub(super) const fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn fits(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.fields.iter().all(|rule| rule.fits(object))
            && self.labels.iter().all(|rule| rule.fits(labels))
    }
}

impl LabelRule {
    fn fits(&self, labels: &Value) -> bool {
        let value = |key: &String| labels.get(key).and_then(Value::as_str);
        let number = |key: &String| value(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(key, values) => value(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(key, values) => !value(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
            Self::Greater(key, than) => number(key).is_some_and(|number| number > *than),
            Self::Less(key, than) => number(key).is_some_and(|number| number < *than),
        }
    }
}

impl FieldRule {
    fn fits(&self, object: &Value) -> bool {
        let found = self.path.iter().fold(object, |value, part| &value[*part]);
        let same = match found {
            Value::String(text) => *text == self.value,
            Value::Bool(flag) => flag.to_string() == self.value,
            // Fields that are absent count as empty; flags as false.
            Value::Null => self.value.is_empty() || self.value == "false",
            _ => false,
        };
        same == self.wanted
    }
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

fn label_rule(text: &str) -> Result<LabelRule, Refusal> {
    let bad = || Refusal::bad_request(format!("unable to parse requirement: {text:?}"));
    let key = |key: &str| {
        let key = key.trim();
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        if key.is_empty() || !key.chars().all(good) { Err(bad()) } else { Ok(key.to_owned()) }
    };
    let set = |set: &str| -> Result<Vec<String>, Refusal> {
        let inside = set.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        Ok(inside.ok_or_else(bad)?.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some(open) = text.find('(') {
        let (head, values) = (text[..open].trim_end(), set(&text[open..])?);
        return match (head.strip_suffix(" notin"), head.strip_suffix(" in")) {
            (Some(name), _) => Ok(LabelRule::NotIn(key(name)?, values)),
            (_, Some(name)) => Ok(LabelRule::In(key(name)?, values)),
            _ => Err(bad()),
        };
    }
    if let Some((left, right)) = text.split_once("!=") {
        return Ok(LabelRule::NotIn(key(left)?, vec![right.trim().into()]));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(LabelRule::In(key(left)?, vec![right.trim().into()]));
    }
    if let Some((left, right)) = text.split_once('>') {
        return Ok(LabelRule::Greater(key(left)?, right.trim().parse().map_err(|_| bad())?));
    }
    if let Some((left, right)) = text.split_once('<') {
        return Ok(LabelRule::Less(key(left)?, right.trim().parse().map_err(|_| bad())?));
    }
    match text.strip_prefix('!') {
        Some(rest) => Ok(LabelRule::Missing(key(rest)?)),
        None => Ok(LabelRule::Exists(key(text)?)),
    }
}

fn field_rule(resource: &Resource, text: &str) -> Result<FieldRule, Refusal> {
    let (name, value, wanted) = if let Some((name, value)) = text.split_once("!=") {
        (name, value, false)
    } else if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (name, value, true)
    } else {
        let message = format!("invalid field selector: {text:?}: can't understand it");
        return Err(Refusal::bad_request(message));
    };
    let path = field(resource, name).ok_or_else(|| unknown(resource, name))?;
    Ok(FieldRule { path, value: value.into(), wanted })
}

/// Kinds that can be selected by name and namespace alone say so
/// (`DefaultMetaV1FieldSelectorConversion`).
fn unknown(resource: &Resource, name: &str) -> Refusal {
    Refusal::bad_request(match resource.family {
        Family::ConfigMap | Family::Lease | Family::Definition => format!(
            r#"{name:?} is not a known field selector: only "metadata.name", "metadata.namespace""#
        ),
        _ => format!("field label not supported: {name}"),
    })
}

/// Where a field is that a kind can be selected by (`AddFieldLabelConversionFunc` of each kind).
fn field(resource: &Resource, name: &str) -> Option<&'static [&'static str]> {
    match name {
        "metadata.name" => return Some(&["metadata", "name"]),
        "metadata.namespace" if resource.is_namespaced() => {
            return Some(&["metadata", "namespace"]);
        }
        _ => {}
    }
    match (resource.family, name) {
        (Family::Pod, "spec.nodeName" | "spec.host") => Some(&["spec", "nodeName"]),
        (Family::Pod, "spec.restartPolicy") => Some(&["spec", "restartPolicy"]),
        (Family::Pod, "spec.schedulerName") => Some(&["spec", "schedulerName"]),
        (Family::Pod, "spec.serviceAccountName") => Some(&["spec", "serviceAccountName"]),
        (Family::Pod, "spec.hostNetwork") => Some(&["spec", "hostNetwork"]),
        (Family::Pod | Family::Namespace, "status.phase") => Some(&["status", "phase"]),
        (Family::Pod, "status.podIP") => Some(&["status", "podIP"]),
        (Family::Pod, "status.nominatedNodeName") => Some(&["status", "nominatedNodeName"]),
        (Family::Service, "spec.clusterIP") => Some(&["spec", "clusterIP"]),
        (Family::Service, "spec.type") => Some(&["spec", "type"]),
        (Family::Node, "spec.unschedulable") => Some(&["spec", "unschedulable"]),
        (Family::CoreEvent | Family::NewEvent, name) => event_field(name),
        _ => None,
    }
}

/// Events are stored in the `v1` form.
fn event_field(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "involvedObject.kind" | "regarding.kind" => &["involvedObject", "kind"],
        "involvedObject.namespace" | "regarding.namespace" => &["involvedObject", "namespace"],
        "involvedObject.name" | "regarding.name" => &["involvedObject", "name"],
        "involvedObject.uid" | "regarding.uid" => &["involvedObject", "uid"],
        "reason" => &["reason"],
        "reportingComponent" | "reportingController" => &["reportingComponent"],
        "source" => &["source", "component"],
        "type" => &["type"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::resource::Registry;
    use super::*;

    fn selects(labels: Option<&str>, fields: Option<&str>, object: &Value) -> bool {
        let pods = Registry::default().named("pods").unwrap();
        Selector::parse(&pods, labels, fields).unwrap().fits(object)
    }

    #[test]
    fn label_selectors_mean_what_kubernetes_means_by_them() {
        let object = json!({ "metadata": { "labels": { "app": "web", "tier": "3" } } });
        for (text, expected) in [
            ("app=web", true),
            ("app==web,tier=3", true),
            ("app!=web", false),
            ("zone!=a", true),
            ("app in (db,web)", true),
            ("app in (db, cache),tier", false),
            ("app notin (db),tier in (3)", true),
            ("zone notin (a)", true),
            ("tier", true),
            ("!tier", false),
            ("!zone", true),
            ("tier>2", true),
            ("tier<3", false),
            ("", true),
        ] {
            assert_eq!(selects(Some(text), None, &object), expected, "{text}");
        }
    }

    #[test]
    fn field_selectors_know_the_fields_of_the_kind() {
        let object = json!({
            "metadata": { "name": "a", "namespace": "x" },
            "spec": { "nodeName": "n1" },
            "status": { "phase": "Running" },
        });
        assert!(selects(None, Some("spec.nodeName=n1,status.phase!=Failed"), &object));
        assert!(!selects(None, Some("spec.nodeName=n1,metadata.namespace==y"), &object));
        assert!(selects(None, Some("status.podIP=,spec.hostNetwork=false"), &object));
        let pods = Registry::default().named("pods").unwrap();
        let refused = Selector::parse(&pods, None, Some("spec.color=red")).unwrap_err();
        assert_eq!(refused.message, "field label not supported: spec.color");
        Selector::parse(&pods, Some("a b"), None).unwrap_err();
    }
}
