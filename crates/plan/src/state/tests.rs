use model::object::{Meta, NplRequest, Phase, ServiceFamilies, ServiceType};

use super::*;

fn meta(namespace: &str, name: &str, uid: &str) -> Meta {
    Meta { namespace: namespace.into(), name: name.into(), uid: Uid::new(uid) }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn pod(name: &str, uid: &str) -> Pod {
    Pod {
        meta: meta("default", name, uid),
        labels: labels(&[("app", "web")]),
        node_name: Some("n1".into()),
        network: PodNetwork::Own,
        phase: Phase::Running,
        started: 1,
        pod_ips: vec!["10.0.0.1".parse().unwrap()],
        host_ips: vec![],
        ports: vec![],
        npl_annotation: None,
        sandbox: Sandbox::Unproven,
        stay: model::owner::Stay::Staying,
    }
}

fn service(name: &str, selector: &[(&str, &str)]) -> Service {
    Service {
        meta: meta("default", name, name),
        service_type: ServiceType::ClusterIp,
        npl: NplRequest::Enabled,
        selector: labels(selector),
        ports: vec![],
        families: ServiceFamilies::Dual,
    }
}

fn applied(pod: Pod) -> Event {
    Event::Applied(Object::Pod(pod))
}

fn state() -> State {
    State::new("n1".into())
}

fn gone(touched: &Touched) -> Vec<(Uid, &Cause)> {
    touched.gone.iter().map(|(owner, cause)| (owner.uid.clone(), cause)).collect()
}

#[test]
fn an_event_that_says_nothing_new_touches_nothing() {
    let mut state = state();
    assert_eq!(state.apply(applied(pod("a", "1"))).pods.len(), 1);
    assert!(state.apply(applied(pod("a", "1"))).pods.is_empty());
    let mut annotated = pod("a", "1");
    annotated.npl_annotation = Some("x".into());
    let touched = state.apply(applied(annotated));
    assert!(touched.pods.is_empty());
    assert_eq!(touched.annotations, [(Uid::new("1"), Some("x".into()))]);
}

#[test]
fn a_newer_uid_ends_the_older_pod_of_the_name_and_a_late_delete_is_harmless() {
    let mut state = state();
    state.apply(applied(pod("a", "1")));
    let touched = state.apply(applied(pod("a", "2")));
    assert_eq!(gone(&touched), [(Uid::new("1"), &Cause::Replaced)]);
    let late = |uid: Option<&str>| Event::Deleted {
        kind: ObjectKind::Pod,
        namespace: "default".into(),
        name: "a".into(),
        uid: uid.map(Uid::new),
    };
    assert!(state.apply(late(Some("1"))).gone.is_empty());
    assert_eq!(gone(&state.apply(late(None))), [(Uid::new("2"), &Cause::Deleted)]);
    assert!(state.apply(late(None)).gone.is_empty());
}

#[test]
fn a_pod_that_turns_out_to_be_elsewhere_is_gone_from_here() {
    let mut state = state();
    state.apply(applied(pod("a", "1")));
    let mut moved = pod("a", "1");
    moved.node_name = Some("n2".into());
    assert_eq!(gone(&state.apply(applied(moved))), [(Uid::new("1"), &Cause::Elsewhere)]);
    assert_eq!(state.pods().count(), 0);
}

fn deleted_pod(name: &str, uid: &str) -> Event {
    Event::Deleted {
        kind: ObjectKind::Pod,
        namespace: "default".into(),
        name: name.into(),
        uid: Some(Uid::new(uid)),
    }
}

#[test]
fn of_two_pods_with_one_uid_the_first_by_name_counts_in_any_order_and_the_other_is_told() {
    for names in [["a", "b"], ["b", "a"]] {
        let mut state = state();
        for name in names {
            assert!(state.apply(applied(pod(name, "1"))).gone.is_empty());
        }
        assert_eq!(state.pods().count(), 1);
        assert!(state.pod_named("default", "a").is_some());
        let twins: Vec<_> = state.twins().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(twins, [("Pod default/b".to_owned(), "Pod default/a".to_owned())]);
        // The other takes its place, and is the same owner to the kernel.
        let touched = state.apply(deleted_pod("a", "1"));
        assert!(touched.gone.is_empty() && touched.pods == [Uid::new("1")].into());
        assert_eq!(state.pod(&Uid::new("1")).unwrap().owner.name(), "b");
        assert_eq!(state.twins().count(), 0);
        assert_eq!(state.apply(deleted_pod("b", "1")).gone.len(), 1);
    }
}

#[test]
fn a_pod_that_a_list_has_by_another_name_is_not_a_twin_of_its_own() {
    let mut state = state();
    state.apply(applied(pod("a", "1")));
    let objects = vec![Object::Pod(pod("b", "1"))];
    let touched = state.apply(Event::Listed { kinds: vec![ObjectKind::Pod], objects });
    assert!(touched.gone.is_empty() && state.twins().count() == 0);
    assert_eq!(state.pod(&Uid::new("1")).unwrap().owner.name(), "b");
}

#[test]
fn a_list_is_a_set() {
    let (old, mut new) = (pod("a", "1"), pod("a", "2"));
    new.started = 2;
    for pods in [[&old, &new], [&new, &old]] {
        let mut state = state();
        let objects = pods.map(|pod| Object::Pod(pod.clone())).to_vec();
        state.apply(Event::Listed { kinds: vec![ObjectKind::Pod], objects });
        assert_eq!(state.pod_named("default", "a").unwrap().owner.uid, Uid::new("2"));
    }
}

#[test]
fn a_list_of_one_kind_says_nothing_of_the_others() {
    let mut state = state();
    state.apply(applied(pod("a", "1")));
    state.apply(Event::Applied(Object::Service(service("s", &[("app", "web")]))));
    let touched = state.apply(Event::Listed { kinds: vec![ObjectKind::Service], objects: vec![] });
    assert!(touched.gone.is_empty());
    assert_eq!(touched.pods.len(), 1, "the Pod that it selected");
    assert_eq!(state.services_in("default").count(), 0);
}

#[test]
fn a_service_touches_only_the_pods_that_it_selects_or_selected() {
    let mut state = state();
    let mut other = pod("b", "2");
    other.labels = labels(&[("app", "db")]);
    state.apply(applied(pod("a", "1")));
    state.apply(applied(other));
    let mut service = service("s", &[("app", "web")]);
    let touched = state.apply(Event::Applied(Object::Service(service.clone())));
    assert_eq!(touched.pods, [Uid::new("1")].into());
    service.selector = labels(&[("app", "db")]);
    let touched = state.apply(Event::Applied(Object::Service(service.clone())));
    assert_eq!(touched.pods.len(), 2);
    assert!(state.apply(Event::Applied(Object::Service(service))).pods.is_empty());
}

#[test]
fn every_selecting_service_is_found_whichever_pair_it_is_filed_under() {
    let mut state = state();
    let mut a = pod("a", "1");
    a.labels = labels(&[("app", "web"), ("tier", "x"), ("zone", "z")]);
    state.apply(applied(a));
    for (name, selector) in [
        ("s1", &[("app", "web")][..]),
        ("s2", &[("app", "web"), ("tier", "x")]),
        ("s3", &[("tier", "x"), ("zone", "z")]),
        ("s4", &[("tier", "y"), ("zone", "z")]),
        ("s5", &[("app", "web"), ("more", "x")]),
    ] {
        state.apply(Event::Applied(Object::Service(service(name, selector))));
    }
    let names = |state: &State| -> Vec<Box<str>> {
        let pod = state.pod(&Uid::new("1")).unwrap();
        state.services_of(pod).into_iter().map(|s| s.meta.name.clone()).collect()
    };
    assert_eq!(names(&state), ["s1".into(), "s2".into(), "s3".into()]);
    let mut off = service("s2", &[("app", "web")]);
    off.npl = NplRequest::Disabled;
    state.apply(Event::Applied(Object::Service(off)));
    assert_eq!(names(&state), ["s1".into(), "s3".into()]);
}

#[test]
fn only_our_own_node_matters() {
    let mut state = state();
    state.apply(applied(pod("a", "1")));
    let node = |name: &str| Node {
        meta: meta("", name, name),
        external_ips: vec![],
        internal_ips: vec![],
    };
    assert!(state.apply(Event::Applied(Object::Node(node("n2")))).pods.is_empty());
    assert_eq!(state.apply(Event::Applied(Object::Node(node("n1")))).pods.len(), 1);
    assert!(state.node().is_some());
}
