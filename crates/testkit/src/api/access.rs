//! Who may do what.
//!
//! Owns: bearer tokens with their users and the rules of users, as RBAC writes them. With no token
//! everybody is let in; with no rule everything is allowed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::refusal::Refusal;
use super::request::Target;

/// Who asks when no token is asked for.
const NOBODY: &str = "system:anonymous";

/// One rule, as in `ClusterRole`: what is not allowed by any is refused with 403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
    names: Vec<String>,
}

impl Rule {
    /// Verbs on one resource; the group is empty for the core, the resource may be `pods/status`.
    pub fn new(group: &str, resource: &str, verbs: &[&str]) -> Self {
        Self {
            groups: vec![group.into()],
            resources: vec![resource.into()],
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            names: vec![],
        }
    }

    /// The rules of a `Role` or `ClusterRole`.
    pub fn of_role(role: &Value) -> Vec<Self> {
        let texts = |list: &Value| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.map(|text| text.as_str().expect("a text in a role's rule").to_owned()).collect()
        };
        let rules = role["rules"].as_array().expect("a role's rules");
        let read = |rule: &Value| Self {
            groups: texts(&rule["apiGroups"]),
            resources: texts(&rule["resources"]),
            verbs: texts(&rule["verbs"]),
            names: texts(&rule["resourceNames"]),
        };
        rules.iter().map(read).collect()
    }

    fn allows(&self, target: &Target) -> bool {
        let fits =
            |list: &[String], wanted: &str| list.iter().any(|one| one == "*" || one == wanted);
        fits(&self.groups, &target.resource.group)
            && fits(&self.resources, &target.subject())
            && fits(&self.verbs, target.verb)
            && (self.names.is_empty() || self.names.contains(&target.name))
    }
}

/// Tokens and rules.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Key: the token. An expired token stays, without a user.
    tokens: BTreeMap<String, Option<String>>,
    rules: Option<Vec<Rule>>,
}

impl Access {
    pub(super) fn admit(&mut self, token: &str, user: &str) {
        self.tokens.insert(token.into(), Some(user.into()));
    }

    pub(super) fn expire(&mut self, token: &str) {
        self.tokens.insert(token.into(), None);
    }

    pub(super) fn set_rules(&mut self, rules: Option<Vec<Rule>>) {
        self.rules = rules;
    }

    /// The user of a request with this `Authorization`.
    pub(super) fn user(&self, authorization: Option<&str>) -> Result<String, Refusal> {
        if self.tokens.is_empty() {
            return Ok(NOBODY.into());
        }
        let token = authorization.and_then(|header| header.strip_prefix("Bearer "));
        let user = token.and_then(|token| self.tokens.get(token)?.clone());
        user.ok_or_else(Refusal::unauthorized)
    }

    pub(super) fn check(&self, user: &str, target: &Target) -> Result<(), Refusal> {
        let Some(rules) = &self.rules else { return Ok(()) };
        if rules.iter().any(|rule| rule.allows(target)) {
            return Ok(());
        }
        let place = match &*target.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let why = format!(
            "User {user:?} cannot {} resource {:?} in API group {:?} {place}",
            target.verb,
            target.subject(),
            target.resource.group
        );
        Err(Refusal::forbidden(&target.resource, &target.name, &why))
    }
}
