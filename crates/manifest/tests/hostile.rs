//! No input panics, hangs or makes an object that the rest of netkeep could not live with.

use std::io::{Read, Result};

use model::Object;
use netkeep_manifest::{Limits, Parsed, parse, read};
use proptest::prelude::*;

/// What every answer must be, whatever was asked.
fn check(bytes: &[u8]) -> Parsed {
    let parsed = parse("f", bytes, &Limits::default());
    for found in &parsed.objects {
        let meta = found.object.meta();
        assert!(meta.uid.text().len() <= model::mark::UID_MAX && !meta.uid.text().is_empty());
        for part in [&meta.namespace, &meta.name] {
            assert!(!part.contains(['/', '\n', '\0']) && !matches!(part.as_ref(), "." | ".."));
        }
        assert!(!meta.name.is_empty());
        assert_eq!(meta.namespace.is_empty(), matches!(found.object, Object::Node(_)));
    }
    let problems = parsed.summary.invalid.iter().chain(&parsed.summary.syntax);
    for problem in problems {
        let line = problem.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() < 2000, "{line:?}");
        assert!(problem.position.line >= 1 && problem.position.column >= 1);
    }
    assert_eq!(parse("f", bytes, &Limits::default()), parsed, "reading is deterministic");
    parsed
}

/// A reader that gives a few bytes at a time.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Text made of the pieces that YAML and Kubernetes give a meaning to.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\n",
        "\n",
        " ",
        "  ",
        "    ",
        "- ",
        ": ",
        ":",
        "? ",
        "---\n",
        "...\n",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "!x ",
        "%YAML 1.2\n",
        "# c\n",
        "\t",
        "\r\n",
        "\u{feff}",
        "é",
        "\u{0}",
        "~",
        "apiVersion: v1\n",
        "kind: Pod\n",
        "kind: List\n",
        "kind: Service\n",
        "items:\n",
        "metadata:\n",
        "  name: a\n",
        "spec: ",
        "ports: ",
        "status: ",
        "podIP: ",
        "10.0.0.1",
        "80",
        "-1",
        "true",
        "\\ud800",
        "containers: [{ports: [{containerPort: 80}]}]\n",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_text_of_meaningful_pieces_is_answered(text in pieces()) {
        check(text.as_bytes());
    }

    #[test]
    fn a_damaged_manifest_is_answered(
        at in 0usize..400, byte in any::<u8>(), cut in 0usize..400, json in any::<bool>(),
    ) {
        let text = if json { JSON } else { YAML };
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        check(&bytes);
        bytes.truncate(cut);
        check(&bytes);
    }

    #[test]
    fn the_answer_does_not_depend_on_how_the_bytes_arrive(text in pieces(), step in 1usize..7) {
        let mut objects = Vec::new();
        let summary = read("f", &mut Drip(text.as_bytes(), step), &Limits::default(), &mut |found| {
            objects.push(found);
        });
        let whole = parse("f", text.as_bytes(), &Limits::default());
        prop_assert_eq!(&summary, &whole.summary);
        if summary.syntax.is_none() {
            prop_assert_eq!(objects, whole.objects);
        }
    }
}

const YAML: &str = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    \
    name: web\n    labels: {app: web}\n  spec:\n    containers:\n    - ports:\n      - containerPort: 80\n  \
    status:\n    podIP: 10.0.0.1\n    podIPs:\n    - ip: 10.0.0.1\n- apiVersion: v1\n  kind: Service\n  \
    metadata:\n    name: svc\n    annotations:\n      nodeportlocal.antrea.io/enabled: \"true\"\n  spec:\n    \
    ports:\n    - port: 80\n";

const JSON: &str = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod",
"metadata":{"name":"web","labels":{"app":"web"}},"spec":{"containers":[{"ports":[{"containerPort":80}]}]},
"status":{"podIP":"10.0.0.1"}},{"apiVersion":"v1","kind":"Service","metadata":{"name":"svc"}}]}"#;

#[test]
fn both_examples_are_whole_before_they_are_damaged() {
    for text in [YAML, JSON] {
        let parsed = check(text.as_bytes());
        assert_eq!((parsed.objects.len(), parsed.summary.invalid.len()), (2, 0));
    }
}

#[test]
fn a_read_error_is_a_problem_of_the_file() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> Result<usize> {
            Err(std::io::Error::other("the disk is on fire"))
        }
    }
    let said = read("f", &mut Broken, &Limits::default(), &mut |_| {}).syntax.unwrap().to_string();
    assert_eq!(said, "f:1:1: cannot read: the disk is on fire");
}
