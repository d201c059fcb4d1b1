//! Answers to `netkeep show` and `netkeep explain`.

use std::time::Instant;

use model::{Finding, FindingCode, Severity};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Agent;
use crate::control::{Answer, Query, Request};
use crate::keeper::Performed;

impl Agent {
    pub(super) fn answer(&mut self, query: &Query) {
        let answer = match &query.request {
            Request::Npl => data(&self.keeper.core().npl_report()),
            Request::Owners => data(&self.keeper.core().owners()),
            Request::Findings => data(&self.findings()),
            Request::Explain { query } => match self.keeper.core().explain(query) {
                Ok(explanation) => match serde_json::to_value(&explanation) {
                    Ok(json) => Answer::Data { json, text: Some(explanation.to_string()) },
                    Err(error) => Answer::Refused(error.to_string()),
                },
                Err(error) => Answer::BadQuestion(error.to_string()),
            },
            Request::Health => Answer::Data { json: self.health(), text: None },
            Request::State => Answer::Data { json: self.state(), text: None },
            Request::LogLevel { level } => self.log_level(level.as_deref()),
            Request::Metrics => {
                let findings = self.findings();
                let generation = self.keeper.driver().generation();
                let text = self.metrics.text(&self.keeper, generation, &findings);
                Answer::Data { json: Json::Null, text: Some(text) }
            }
        };
        // The client may have gone: nobody is waiting then.
        let _ = query.reply.send(answer);
    }

    fn health(&self) -> Json {
        let trouble = self.keeper.trouble();
        let in_sync = !self.keeper.core().awaits_sync();
        let hold = self.keeper.hold();
        let problems = self.keeper.source_problems();
        let unavailable =
            problems.iter().filter(|finding| finding.code == FindingCode::SourceUnavailable);
        let source: Vec<&str> = unavailable.map(|finding| &*finding.message).collect();
        let now = Instant::now();
        let alive = trouble.is_none();
        json!({
            // What a restart of the agent may mend, and what a person must know besides.
            "alive": alive,
            "healthy": alive && !self.held.too_long(now),
            "ready": trouble.is_none() && in_sync && self.converged,
            "inSync": in_sync,
            "hold": hold.as_ref().map(|hold| &hold.reason),
            "heldSeconds": hold.and(self.held.lasts(now)).map(|lasts| lasts.as_secs()),
            "source": source,
            "trouble": trouble,
        })
    }

    /// Everything that helps to understand the agent later.
    fn state(&self) -> Json {
        let core = self.keeper.core();
        let leases: Vec<Json> = core.leases().map(|lease| lease_json(&lease)).collect();
        let plans: Vec<Json> = self.keeper.history().plans().map(plan_json).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "config": self.told_config,
            "health": self.health(),
            "npl": core.npl_report(),
            "owners": core.owners(),
            "leases": leases,
            "findings": self.findings(),
            "lastPlans": plans,
        })
    }

    fn log_level(&self, level: Option<&str>) -> Answer {
        let Some(level) = level else {
            return Answer::Data { json: json!({ "logLevel": self.log_level.get() }), text: None };
        };
        match self.log_level.set(level) {
            Ok(()) => {
                tracing::info!(level, "the log level was changed");
                Answer::Data { json: json!({ "logLevel": level }), text: None }
            }
            Err(why) => Answer::BadQuestion(why),
        }
    }

    /// Everything that a person should know, from every part of the agent.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.keeper.findings();
        findings.extend(self.repairs.findings());
        findings.extend(self.on_node.iter().cloned());
        let unpublished = self.publish_trouble.iter().chain(&self.api_trouble);
        findings.extend(unpublished.map(|trouble| {
            Finding {
                code: FindingCode::PublishFailed,
                severity: Severity::Error,
                subject: "published annotations".into(),
                message: trouble.clone(),
                evidence: Vec::new(),
                advice:
                    "if it is a file, make the state directory writable and give it room; if it \
                         is the API, look at its answer and at the rights of our account; it is \
                         tried again by itself"
                        .into(),
                fixable: false,
            }
        }));
        findings.sort();
        findings.dedup();
        findings
    }
}

fn data(value: &impl Serialize) -> Answer {
    match serde_json::to_value(value) {
        Ok(json) => Answer::Data { json, text: None },
        Err(error) => Answer::Refused(error.to_string()),
    }
}

fn lease_json(lease: &plan::Lease) -> Json {
    let plan::Lease { mapping, port } = lease;
    json!({
        "owner": mapping.owner.to_string(),
        "uid": mapping.owner.uid.to_string(),
        "podPort": mapping.pod_port.get(),
        "protocol": mapping.protocol.to_string(),
        "ipFamily": mapping.family.to_string(),
        "nodePort": port.get(),
    })
}

fn plan_json(plan: &Performed) -> Json {
    let since = plan.at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let changes: Vec<String> = plan.changes.iter().map(plan::render::describe).collect();
    json!({
        "at": since.as_secs_f64(),
        "changes": changes,
        "total": plan.total,
        "refused": plan.refused,
    })
}
