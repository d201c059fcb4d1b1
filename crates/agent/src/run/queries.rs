//! Answers to `netkeep show` and `netkeep explain`.

use model::{Finding, FindingCode, Severity};
use serde::Serialize;
use serde_json::json;

use super::Agent;
use crate::control::{Answer, Query, Request};

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
            Request::Health => {
                let trouble = self.keeper.trouble();
                let in_sync = !self.keeper.core().awaits_sync();
                let ready = trouble.is_none() && in_sync && self.converged;
                let (hold, problems) = self.keeper.source_health();
                let unavailable = problems
                    .iter()
                    .filter(|finding| finding.code == FindingCode::SourceUnavailable);
                let source: Vec<&str> = unavailable.map(|finding| &*finding.message).collect();
                let json = json!({
                    "healthy": trouble.is_none(),
                    "ready": ready,
                    "inSync": in_sync,
                    "hold": hold.map(|hold| &hold.reason),
                    "source": source,
                    "trouble": trouble,
                });
                Answer::Data { json, text: None }
            }
            Request::Metrics => {
                let findings = self.findings();
                let generation = self.keeper.driver().generation();
                let text = self.metrics.text(&self.keeper, generation, &findings);
                Answer::Data { json: serde_json::Value::Null, text: Some(text) }
            }
        };
        // The client may have gone: nobody is waiting then.
        let _ = query.reply.send(answer);
    }

    /// Everything that a person should know, from every part of the agent.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.keeper.findings();
        findings.extend(self.repairs.findings());
        findings.extend(self.publish_trouble.iter().map(|trouble| {
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
