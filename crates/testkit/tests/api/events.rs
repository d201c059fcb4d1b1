//! Events, in both forms.

use k8s_openapi::api::core::v1::Event as OldEvent;
use k8s_openapi::api::events::v1::Event as NewEvent;
use kube_rs::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::support::{contract, json_of, object};

#[test]
fn an_event_of_one_group_is_seen_in_the_other() {
    contract(async |cluster| {
        let event: NewEvent = object(json!({
            "metadata": { "name": "p.1" },
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "netkeep.io/agent",
            "reportingInstance": "n1",
            "action": "Publish",
            "reason": "PortConflict",
            "regarding": {
                "apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": cluster.namespace,
            },
            "note": "the port is taken",
            "type": "Warning",
        }));
        let made = cluster.objects::<NewEvent>().create(&PostParams::default(), &event).await;
        let made = json_of(&made.unwrap());
        assert_eq!(made["note"], "the port is taken");
        let old = cluster.objects::<OldEvent>().get("p.1").await.unwrap();
        assert_eq!(old.message.as_deref(), Some("the port is taken"));
        assert_eq!(old.involved_object.name.as_deref(), Some("p"));
        assert_eq!(old.reporting_component.as_deref(), Some("netkeep.io/agent"));
        let count = async |fields: &str| {
            let events = cluster.objects::<OldEvent>();
            events.list(&ListParams::default().fields(fields)).await.unwrap().items.len()
        };
        assert_eq!(count("involvedObject.name=p,reason=PortConflict").await, 1);
        assert_eq!(count("involvedObject.name=q").await, 0);
    });
}

#[test]
fn a_series_is_patched() {
    contract(async |cluster| {
        let event: NewEvent = object(json!({
            "metadata": { "name": "p.2" },
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "netkeep.io/agent",
            "reportingInstance": "n1",
            "action": "Publish",
            "reason": "PortConflict",
            "regarding": { "kind": "Pod", "name": "p", "namespace": cluster.namespace },
            "type": "Normal",
        }));
        let events = cluster.objects::<NewEvent>();
        events.create(&PostParams::default(), &event).await.unwrap();
        let series = json!({
            "series": { "count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z" },
        });
        let patched =
            events.patch("p.2", &PatchParams::default(), &Patch::Merge(series)).await.unwrap();
        assert_eq!(patched.series.unwrap().count, 2);
    });
}
