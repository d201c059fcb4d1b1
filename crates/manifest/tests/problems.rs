//! Every kind of mistake is one clear problem with its line and column.

use netkeep_manifest::{Limits, Parsed, parse};

fn read(text: &str) -> Parsed {
    parse("f.yaml", text.as_bytes(), &Limits::default())
}

/// The problems as a person sees them, in order.
fn problems(text: &str) -> Vec<String> {
    let parsed = read(text);
    parsed.summary.syntax.iter().chain(&parsed.summary.invalid).map(ToString::to_string).collect()
}

#[track_caller]
fn expect(text: &str, want: &[&str]) {
    assert_eq!(problems(text), want, "for\n{text}");
}

/// A Pod with this `spec` and `status` in flow style; the spec begins at 4:7, the status at 5:9.
fn pod(spec: &str, status: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {spec}\nstatus: {status}\n")
}

/// A Service with this `spec`, which begins at 4:7.
fn service(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: svc}}\nspec: {spec}\n")
}

/// A Pod with this `metadata`, which begins at 3:11.
fn metadata(metadata: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {metadata}\n")
}

#[test]
fn a_wrong_number_or_word_in_a_pod_is_named_with_its_place() {
    let port = |port: &str| pod(&format!("{{containers: [{{ports: [{port}]}}]}}"), "{}");
    let at = "Pod default/web: spec.containers[0].ports[0]";
    for (text, want) in [
        (
            "{containerPort: 0}",
            format!("f.yaml:4:46: {at}.containerPort: 0 is not a port (1-65535)"),
        ),
        (
            "{containerPort: 70000}",
            format!("f.yaml:4:46: {at}.containerPort: 70000 is not a port (1-65535)"),
        ),
        (
            "{containerPort: \"80\"}",
            format!(
                "f.yaml:4:46: {at}.containerPort: expected a whole number, found the string \"80\""
            ),
        ),
        ("{name: http}", format!("f.yaml:4:30: {at}.containerPort: the port has no number")),
        (
            "{containerPort: 80, protocol: ICMP}",
            format!("f.yaml:4:60: {at}.protocol: \"ICMP\" is not a protocol (TCP, UDP or SCTP)"),
        ),
        (
            "{containerPort: 80, protocol: tcp}",
            format!("f.yaml:4:60: {at}.protocol: \"tcp\" is not a protocol (TCP, UDP or SCTP)"),
        ),
        (
            "{containerPort: 80, hostPort: -1}",
            format!("f.yaml:4:60: {at}.hostPort: -1 is not a port (1-65535)"),
        ),
        (
            "{containerPort: 80, name: Web_}",
            format!(
                "f.yaml:4:56: {at}.name: \"Web_\" is not a port name (lower-case letters, digits \
                 and '-', at least one letter, 15 at most)"
            ),
        ),
        ("80", format!("f.yaml:4:30: {at}: expected a mapping, found the number 80")),
    ] {
        // the port begins at 4:30
        expect(&port(text), &[&want]);
        assert!(read(&port(text)).objects.is_empty(), "{text}");
    }
}

#[test]
fn a_host_ip_narrows_a_host_port_and_one_that_is_none_takes_it_away() {
    let host = |host_ip: &str| {
        let found = read(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{ports: \
             [{{containerPort: 80, hostPort: 81, hostIP: {host_ip}}}]}}]}}\n"
        ));
        let model::Object::Pod(pod) = &found.objects[0].object else { panic!() };
        let ip = pod.ports[0].host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        (pod.ports[0].host_port.is_some(), ip, found.summary.invalid.len())
    };
    for anywhere in ["''", "0.0.0.0", "'::'", "null"] {
        assert_eq!(host(anywhere), (true, String::new(), 0), "{anywhere}");
    }
    assert_eq!(host("127.0.0.1"), (true, "127.0.0.1".to_owned(), 0));
    assert_eq!(host("'::1'"), (true, "::1".to_owned(), 0));
    assert_eq!(host("localhost"), (false, String::new(), 1));
}

#[test]
fn a_wrong_address_in_a_status_is_named_with_its_place() {
    let at = "Pod default/web: status";
    for (text, want) in [
        ("{podIP: web}", format!("f.yaml:5:17: {at}.podIP: \"web\" is not an IP address")),
        (
            "{podIP: 10}",
            format!(
                "f.yaml:5:17: {at}.podIP: expected a string, found the number 10: put it in quotes"
            ),
        ),
        (
            "{hostIP: 10.0.0.256}",
            format!("f.yaml:5:18: {at}.hostIP: \"10.0.0.256\" is not an IP address"),
        ),
        (
            "{podIP: '::ffff:10.0.0.1'}",
            format!("f.yaml:5:17: {at}.podIP: ::ffff:10.0.0.1 is an IPv4 address in IPv6 clothes"),
        ),
        (
            "{podIP: 0.0.0.0}",
            format!("f.yaml:5:17: {at}.podIP: 0.0.0.0 is the unspecified address"),
        ),
        (
            "{podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}",
            format!(
                "f.yaml:5:40: {at}.podIPs[1].ip: a second IPv4 address: podIPs has one a family"
            ),
        ),
        ("{podIPs: [{}]}", format!("f.yaml:5:19: {at}.podIPs[0].ip: the entry has no ip")),
        (
            "{podIPs: 10.0.0.1}",
            format!("f.yaml:5:18: {at}.podIPs: expected a list, found the string \"10.0.0.1\""),
        ),
        (
            "{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.2}]}",
            format!(
                "f.yaml:5:17: {at}.podIP: 10.0.0.1 is not the first of podIPs, which is 10.0.0.2"
            ),
        ),
        (
            "{startTime: yesterday}",
            format!(
                "f.yaml:5:21: {at}.startTime: \"yesterday\" is not a time such as 2026-01-31T12:00:00Z"
            ),
        ),
        (
            "running",
            "f.yaml:5:9: Pod default/web: status: expected a mapping, found the string \
            \"running\""
                .to_owned(),
        ),
    ] {
        expect(&pod("{}", text), &[&want]);
        assert!(read(&pod("{}", text)).objects.is_empty(), "{text}");
    }
}

#[test]
fn an_unknown_phase_is_a_problem_and_the_pod_is_taken_as_unknown() {
    let text = pod("{}", "{phase: Sleeping}");
    expect(
        &text,
        &["f.yaml:5:17: Pod default/web: status.phase: \"Sleeping\" is not a Pod phase; \
                     taken as Unknown"],
    );
    let parsed = read(&text);
    let model::Object::Pod(pod) = &parsed.objects[0].object else { panic!() };
    assert_eq!(pod.phase, model::object::Phase::Unknown);
}

#[test]
fn a_wrong_service_is_named_with_its_place() {
    let at = "Service default/svc: spec";
    for (text, want) in [
        (
            "{ports: [{port: 0}]}",
            format!("f.yaml:4:23: {at}.ports[0].port: 0 is not a port (1-65535)"),
        ),
        (
            "{ports: [{port: 80.5}]}",
            format!(
                "f.yaml:4:23: {at}.ports[0].port: expected a whole number, found the number 80.5"
            ),
        ),
        (
            "{ports: [{targetPort: 80}]}",
            format!("f.yaml:4:16: {at}.ports[0].port: the port has no number"),
        ),
        (
            "{ports: [{port: 80, targetPort: 70000}]}",
            format!("f.yaml:4:39: {at}.ports[0].targetPort: 70000 is not a port (1-65535)"),
        ),
        (
            "{ports: [{port: 80, targetPort: '8080'}]}",
            format!(
                "f.yaml:4:39: {at}.ports[0].targetPort: \"8080\" is not a port name (lower-case \
             letters, digits and '-', at least one letter, 15 at most): take the number out of its \
             quotes"
            ),
        ),
        (
            "{ports: [{port: 80, targetPort: true}]}",
            format!(
                "f.yaml:4:39: {at}.ports[0].targetPort: expected a port number or a port name, found \
             the boolean true"
            ),
        ),
        (
            "{type: Magic}",
            format!(
                "f.yaml:4:14: {at}.type: \"Magic\" is not a Service type (ClusterIP, NodePort, \
             LoadBalancer or ExternalName)"
            ),
        ),
        (
            "{ipFamilies: [IPv5]}",
            format!("f.yaml:4:21: {at}.ipFamilies[0]: \"IPv5\" is not an IP family (IPv4 or IPv6)"),
        ),
        (
            "{ipFamilies: [IPv4, IPv4]}",
            format!("f.yaml:4:27: {at}.ipFamilies[1]: IPv4 is there twice"),
        ),
        (
            "{ipFamilies: [IPv4], clusterIP: 'fd00::1'}",
            format!(
                "f.yaml:4:39: {at}.clusterIP: fd00::1 is not IPv4, which is at this place of ipFamilies"
            ),
        ),
        (
            "{clusterIP: svc}",
            format!("f.yaml:4:19: {at}.clusterIP: \"svc\" is not an IP address (nor None)"),
        ),
        (
            "{ipFamilyPolicy: Both}",
            format!(
                "f.yaml:4:24: {at}.ipFamilyPolicy: \"Both\" is not a policy (SingleStack, \
             PreferDualStack or RequireDualStack)"
            ),
        ),
        (
            "{selector: {app: 1}}",
            format!(
                "f.yaml:4:24: {at}.selector.app: expected a string, found the number 1: put it in quotes"
            ),
        ),
        (
            "{selector: [app]}",
            format!("f.yaml:4:18: {at}.selector: expected a mapping, found a list"),
        ),
    ] {
        expect(&service(text), &[&want]);
        assert!(read(&service(text)).objects.is_empty(), "{text}");
    }
}

#[test]
fn an_annotation_that_is_a_boolean_is_a_wrong_type_as_for_the_api_server() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: svc\n  annotations:\n    \
                nodeportlocal.antrea.io/enabled: true\n";
    expect(
        text,
        &["f.yaml:6:38: Service default/svc: \
                    metadata.annotations[\"nodeportlocal.antrea.io/enabled\"]: expected a string, \
                    found the boolean true: put it in quotes"],
    );
}

#[test]
fn a_name_that_could_leave_its_directory_or_line_is_refused() {
    let what = "is not a Pod name (lower-case letters, digits, '-' and '.', 253 at most)";
    for (name, shown) in [
        ("../etc", "\"../etc\""),
        ("a/b", "\"a/b\""),
        ("..", "\"..\""),
        (".a", "\".a\""),
        ("a..b", "\"a..b\""),
        ("\"a\\nb\"", "\"a\\nb\""),
        ("Web", "\"Web\""),
        ("-a", "\"-a\""),
    ] {
        let want = format!("f.yaml:3:18: metadata.name: {shown} {what}");
        expect(&metadata(&format!("{{name: {name}}}")), &[&want]);
    }
    let long = "a".repeat(254);
    let parsed = read(&metadata(&format!("{{name: {long}}}")));
    assert_eq!(parsed.summary.invalid.len(), 1);
    let what = "is not a namespace (lower-case letters, digits and '-', 63 at most)";
    for namespace in ["../x", "a.b", "A", "a b"] {
        let want = format!("f.yaml:3:34: metadata.namespace: {namespace:?} {what}");
        expect(&metadata(&format!("{{name: web, namespace: {namespace}}}")), &[&want]);
    }
}

#[test]
fn an_object_without_a_usable_identity_is_named_by_its_place_alone() {
    for (text, want) in [
        (metadata("{}"), "f.yaml:3:11: metadata.name: the object has no name"),
        (metadata("{generateName: web-}"), "f.yaml:3:11: metadata.name: the object has no name"),
        (metadata(""), "f.yaml:1:1: metadata.name: the object has no name"),
        (metadata("{name: ''}"), "f.yaml:3:11: metadata.name: the object has no name"),
        (
            metadata("{name: 5}"),
            "f.yaml:3:18: metadata.name: expected a string, found the number 5: put it in quotes",
        ),
        (metadata("web"), "f.yaml:3:11: metadata: expected a mapping, found the string \"web\""),
        ("a: 1\n".to_owned(), "f.yaml:1:1: kind: not a Kubernetes object: it has no kind"),
        (
            "# hello\n\nhello\n".to_owned(),
            "f.yaml:3:1: not a Kubernetes object: found the string \"hello\" instead of fields",
        ),
        (
            "- kind: Pod\n".to_owned(),
            "f.yaml:1:1: not a Kubernetes object: found a list instead of fields",
        ),
        (
            "kind: Pod\nmetadata: {name: web}\n".to_owned(),
            "f.yaml:1:1: apiVersion: not a Kubernetes object: it has no apiVersion",
        ),
        (
            "kind: 1\napiVersion: v1\n".to_owned(),
            "f.yaml:1:7: kind: expected a string, found the number 1: put it in quotes",
        ),
        (
            "kind: List\napiVersion: v1\nitems: {a: b}\n".to_owned(),
            "f.yaml:3:8: items: expected a list, found a mapping",
        ),
        (
            "kind: List\napiVersion: v1\nitems:\n- metadata: {name: x}\n".to_owned(),
            "f.yaml:4:3: kind: not a Kubernetes object: it has no kind",
        ),
    ] {
        expect(&text, &[want]);
        assert!(read(&text).objects.is_empty(), "{text}");
    }
}

#[test]
fn a_uid_that_no_mark_can_carry_is_refused() {
    let long = "u".repeat(model::mark::UID_MAX + 1);
    expect(
        &metadata(&format!("{{name: web, uid: {long}}}")),
        &[
            "f.yaml:3:28: Pod default/web: metadata.uid: a UID of 121 bytes is too long (at most 120)",
        ],
    );
    expect(
        &metadata("{name: web, uid: \"a\\u0001b\"}"),
        &["f.yaml:3:28: Pod default/web: metadata.uid: \"a\\u{1}b\" is not a UID (visible ASCII \
         characters without spaces)"],
    );
}

#[test]
fn a_duplicate_key_is_named_where_it_is_the_second_time() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - ports:\n    \
                - containerPort: 80\n      containerPort: 81\n";
    expect(
        text,
        &["f.yaml:9:7: Pod default/web: spec.containers[0].ports[0]: the key \
                    \"containerPort\" is there twice"],
    );
    // in a List the entry is named and its neighbours live
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n\
                - {apiVersion: v1, kind: Pod, metadata: {name: b, name: b}}\n\
                - {apiVersion: v1, kind: Pod, metadata: {name: c}}\n";
    expect(list, &["f.yaml:5:51: Pod default/b: metadata: the key \"name\" is there twice"]);
    assert_eq!(read(list).objects.len(), 2);
}

#[test]
fn a_key_that_is_no_string_is_a_problem() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  ? [a]\n  : b\n";
    expect(text, &["f.yaml:6:5: Pod default/web: spec: a key must be a string, not a list"]);
}

#[test]
fn one_bad_object_does_not_hide_the_good_ones() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\n\
                metadata: {name: b}\nspec: {nodeName: 7}\n---\nfoo\n---\napiVersion: v1\nkind: Pod\n\
                metadata: {name: c}\n";
    let parsed = read(text);
    let names: Vec<_> = parsed.objects.iter().map(|o| o.name().to_string()).collect();
    assert_eq!(names, ["Pod default/a", "Pod default/c"]);
    expect(
        text,
        &[
            "f.yaml:8:18: Pod default/b: spec.nodeName: expected a string, found the number 7: put it \
         in quotes",
            "f.yaml:10:1: not a Kubernetes object: found the string \"foo\" instead of fields",
        ],
    );
}

#[test]
fn a_syntax_error_hides_the_whole_file_and_says_where_it_is() {
    let good = metadata("{name: a}");
    for (tail, place) in [
        ("---\na: [1, 2\nb: 3\n", "f.yaml:6:2"),
        ("---\na: b: c\n", "f.yaml:5:5"),
        ("---\nkey: \"unclosed\n", "f.yaml:6:1"),
        ("---\na:\n\t- b\n", "f.yaml:6:2"),
        ("---\na: *nobody\n", "f.yaml:5:4"),
        ("---\n  a: 1\n b: 2\n", "f.yaml:6:2"),
        ("---\na: \"\\q\"\n", "f.yaml:5:4"),
        ("---\n{a: b]\n", "f.yaml:5:1"),
    ] {
        let text = format!("{good}{tail}");
        let parsed = read(&text);
        let syntax = parsed.summary.syntax.map(|p| p.to_string()).unwrap_or_default();
        assert!(parsed.objects.is_empty());
        assert!(syntax.starts_with(&format!("{place}: not valid YAML: ")), "{tail:?}: {syntax}");
        assert!(!syntax.contains('\n'), "{syntax:?}");
    }
}

#[test]
fn what_is_not_text_is_said_with_its_place() {
    let at =
        |bytes: &[u8]| parse("f", bytes, &Limits::default()).summary.syntax.map(|p| p.to_string());
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(at(b"a: b\nc: \xff\n"), said("f:2:4: not UTF-8: byte 0xff"));
    assert_eq!(at(b"a: \xc3"), said("f:1:4: not UTF-8: byte 0xc3"));
    assert_eq!(at(b"a: b\0c\n"), said("f:1:5: not text: a NUL byte"));
    assert_eq!(at(b"\xff\xfea\0:\0"), said("f:1:1: not UTF-8 but UTF-16: save the file as UTF-8"));
    assert!(at(b"\x7fELF\x02\x01\x01\0").is_some());
    assert!(at(b"\x1f\x8b\x08\x00\x00").is_some());
}

#[test]
fn a_list_that_is_too_deep_or_too_repetitive_is_refused_at_once() {
    let deep = format!("a: {}", "[".repeat(1_000_000));
    assert_eq!(problems(&deep), ["f.yaml:1:104: nested more than 100 levels deep"]);
    let mut deep = String::new();
    for level in 0..1000 {
        deep += &" ".repeat(level);
        deep += "a:\n";
    }
    assert!(
        problems(&deep)[0].ends_with("nested more than 100 levels deep"),
        "{:?}",
        problems(&deep)
    );
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        let line = format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", "));
        bomb += &line;
    }
    let said = problems(&bomb);
    assert_eq!(said.len(), 1);
    assert!(said[0].ends_with("anchors and aliases stand for more than 100000 values"), "{said:?}");
    let mut chain = String::from("- &a0 [x]\n");
    for level in 1..100_000 {
        let line = format!("- &a{level} [*a{}]\n", level - 1);
        chain += &line;
    }
    let said = problems(&chain);
    assert!(said[0].ends_with("aliases nested more than 100 levels deep"), "{said:?}");
    assert_eq!(problems("a: &a [*a]\n").len(), 1);
}

#[test]
fn an_enormous_scalar_is_one_short_problem_and_its_neighbours_live() {
    let big = "x".repeat(5_000_000);
    let text = format!(
        "{}---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: big\n  annotations:\n    note: {big}\n",
        metadata("{name: a}")
    );
    assert_eq!(
        problems(&text),
        ["f.yaml:10:11: Pod default/big: metadata.annotations.note: 5000000 bytes: too long (at \
         most 1048576)"]
    );
    assert_eq!(read(&text).objects.len(), 1);
    // in a kind that is not ours it is nobody's business
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{a: {big}}}\n");
    assert_eq!(problems(&text), [""; 0]);
}

#[test]
fn an_object_of_too_many_values_is_refused_and_its_neighbours_live() {
    let many = "[a],".repeat(150_000);
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n\
         - {{apiVersion: v1, kind: Pod, metadata: {{name: big}}, x: [{many}]}}\n\
         - {{apiVersion: v1, kind: Pod, metadata: {{name: small}}}}\n"
    );
    let said = problems(&text);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("Pod default/big: x["), "{said:?}");
    assert!(said[0].ends_with("more than 200000 values in one object"), "{said:?}");
    assert_eq!(read(&text).objects.len(), 1);
}

#[test]
fn problems_beyond_the_limit_are_counted_only() {
    let parsed = read(&"---\nfoo\n".repeat(1000));
    assert_eq!(parsed.summary.invalid.len(), 100);
    assert_eq!(parsed.summary.unlisted, 900);
    let labels: String = (0..1000).fold(String::new(), |all, n| all + &format!("    l{n}: {n}\n"));
    let text = format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n{labels}");
    assert_eq!(problems(&text).len(), 20);
}

#[test]
fn a_kind_of_ours_in_a_version_that_there_is_not_is_named_and_other_groups_are_not_ours() {
    let said = |version: &str| -> Vec<String> {
        let found =
            read(&format!("---\napiVersion: {version}\nkind: Service\nmetadata: {{name: s}}\n"));
        assert!(found.objects.is_empty() && found.summary.invalid.is_empty(), "{version}");
        found.summary.misversioned.iter().map(ToString::to_string).collect()
    };
    for version in ["v2", "v1beta1", "core/v1", "apps/v1"] {
        let want = "f.yaml:2:1: Service default/s: apiVersion: there is no Service in";
        assert_eq!(said(version), [format!("{want} \"{version}\": it is not read")]);
    }
    for version in ["serving.knative.dev/v1", "example.com/v1"] {
        assert_eq!(said(version), [""; 0], "{version}");
    }
}
