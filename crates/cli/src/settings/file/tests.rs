use super::*;

fn of(text: &str) -> Result<File, Wrong> {
    super::of(text.as_bytes())
}

#[test]
fn every_setting_is_read() {
    let file = of("node: n1\nholdTolerance: 5\nsource: dir:/m\nkubeconfig: /k\nkubeStaleAfter: 7\nallowEmpty: true\n\
                   stateDir: /d\nhostChecks: 0\nsocket: /s\nmetrics: '[::]:9105'\n\
                   nplPortRange: 61000-61999\nnplMapSize: 16000000\ntable: shared\nlogLevel: warn\n")
    .unwrap();
    assert_eq!(file.node.as_deref(), Some("n1"));
    assert_eq!(file.source, Some(SourceSpec::Dir("/m".into())));
    assert_eq!(file.kube_stale_after, Some(Whole(7)));
    assert_eq!(file.host_checks, Some(Whole(0)));
    assert_eq!(file.hold_tolerance, Some(Whole(5)));
    assert_eq!(file.npl_port_range.unwrap().len(), 1_000);
    assert_eq!(file.npl_map_size, Some(Whole(16_000_000)));
    assert_eq!(file.log_level, Some(LevelFilter::WARN));
    assert_eq!(file.allow_empty, Some(true));
}

#[test]
fn what_sets_nothing_is_well() {
    for text in ["", "\n", "# nothing yet\n", "---\n", "{}", "node:\nsource:\nkubeStaleAfter:\n"] {
        let file = of(text).unwrap_or_else(|wrong| panic!("{text:?}: {wrong:?}"));
        assert!(file.node.is_none() && file.source.is_none(), "{text:?}");
    }
}

#[test]
fn what_is_no_setting_is_refused_with_its_place_and_the_reason() {
    for (text, line, words) in [
        ("node: n1\nnplPortRang: 1-2\n", 2, "nplPortRang"),
        ("node: n1\ntable: shared\nnode: n2\n", 3, "node"),
        ("node: N1\n", 1, "a node name is"),
        ("node: [n1]\n", 1, ""),
        ("node: 7\nsource: kubernetes\n", 2, "kubernetes"),
        ("kubeStaleAfter: 7s\n", 1, "\"7s\" is no whole number"),
        ("kubeStaleAfter: 1.5\n", 1, "no whole number"),
        ("kubeStaleAfter: 0\n", 1, "\"0\" is no whole number within 1 to 3600"),
        ("kubeStaleAfter: 3601\n", 1, "no whole number within 1 to 3600"),
        ("kubeStaleAfter: -1\n", 1, "\"-1\" is no whole number"),
        ("kubeStaleAfter: 99999999999999999999\n", 1, ""),
        ("\nhostChecks: 86401\n", 2, "within 0 to 86400"),
        ("nplMapSize: 0\n", 1, "within 1 to 16777216"),
        ("nplMapSize: 1.6e+07\n", 1, "no whole number"),
        ("nplPortRange: 61999-61000\n", 1, "61999-61000"),
        ("metrics: 9105\n", 1, "9105"),
        ("table: mine\n", 1, "mine"),
        ("logLevel: loud\n", 1, "loud"),
        ("logLevel: off\n", 1, "error, warn, info, debug or trace"),
        ("logLevel: 3\n", 1, "error, warn, info, debug or trace"),
        ("allowEmpty: maybe\n", 1, ""),
        ("socket: ''\n", 1, "is no path"),
        ("- node\n", 1, ""),
        ("node: n1\n  source: kube\n", 2, ""),
        ("node: \"n1\n", 1, ""),
        ("node: n1\n---\nnode: n2\n", 2, "multiple YAML documents"),
        ("a: &a [*a]\n", 1, ""),
    ] {
        let wrong = of(text).expect_err(text);
        assert!(wrong.message.contains(words), "{text:?}: {wrong:?}");
        let found = wrong.at.map(|at| at.0);
        assert!(found.is_some_and(|found| found.abs_diff(line) <= 1), "{text:?}: {wrong:?}");
        let said = &wrong.message;
        assert!(!said.is_empty() && !said.contains('\n') && !said.contains("from_str"), "{said}");
    }
}

#[test]
fn bytes_that_are_no_text_and_files_without_end_are_refused() {
    let wrong = super::of(b"node: n1\nsource: \xff\n").unwrap_err();
    assert_eq!((wrong.at, wrong.message.contains("UTF-8")), (Some((2, 1)), true));
    let wrong = super::of(&vec![b'#'; 2 << 20]).unwrap_err();
    assert!(wrong.message.contains("larger than 1048576 bytes"), "{wrong:?}");
    let endless = read(Some("/dev/zero".as_ref())).unwrap_err().to_string();
    assert!(endless.contains("/dev/zero") && endless.contains("larger than"), "{endless}");
}
