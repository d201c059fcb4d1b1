//! What scripts read is JSON whatever is in it: names and comments that others wrote, with control
//! characters of every kind and with bytes that are no text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use netns::Namespace;
use testkit::netkeep;

const NETKEEP: &str = env!("CARGO_BIN_EXE_netkeep");
/// Escape, DEL, C1 controls (CSI, OSC), quotes, a character beyond, and bytes that are no UTF-8. Short
/// enough for the name of a link.
const NASTY: [&[u8]; 3] =
    [b"\x1b\"\\\x7f\xc2\x9b\xc2\x9d", b"a\xff\xfe\x80z", b"\x01\x02\xe2\x80\xa8b"];

fn run(namespace: &Namespace, program: &str, args: &[&[u8]], input: &[u8]) {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut command = Command::new(program);
    let piped = command.args(args.iter().map(|arg| OsStr::from_bytes(arg)));
    let piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = namespace.spawn(piped).unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

fn words(text: &str) -> Vec<&[u8]> {
    text.split(' ').map(str::as_bytes).collect()
}

/// A node whose links, rules, chains and sets have such names, copies of rules, and a gone system.
fn node() -> (Namespace, tempfile::TempDir) {
    let (namespace, folder) = (Namespace::create().unwrap(), tempfile::tempdir().unwrap());
    let lock = folder.path().join("lock");
    for (number, nasty) in NASTY.iter().enumerate() {
        let peer = format!("peer{number}");
        let veth: [&[u8]; 8] =
            [b"link", b"add", nasty, b"type", b"veth", b"peer", b"name", peer.as_bytes()];
        run(&namespace, "ip", &veth, b"");
        let chain = [nasty, &b"c"[..]].concat();
        for program in ["iptables-nft", "iptables-legacy"] {
            let lock = [b"XTABLES_LOCKFILE=", lock.as_os_str().as_bytes()].concat();
            let tool = |args: &[&[u8]]| {
                let before: [&[u8]; 2] = [&lock, program.as_bytes()];
                run(&namespace, "env", &[&before[..], args].concat(), b"");
            };
            tool(&[b"-N", &chain]);
            for _ in 0..2 {
                let rule = [&words("-A FORWARD -m comment --comment")[..], &[nasty, b"-j", &chain]];
                tool(&rule.concat());
                let rule = [&words("-A INPUT -i")[..], &[nasty], &words("-j ACCEPT")].concat();
                tool(&rule);
            }
        }
        let set = [&words("create")[..], &[nasty], &words("hash:ip")].concat();
        run(&namespace, "ipset", &set, b"");
        let comment =
            [b"\"", &nasty.iter().copied().filter(|c| *c != b'"').collect::<Vec<_>>()[..], b"\""]
                .concat();
        let script = [
            format!("add table inet t{number}\nadd chain inet t{number} c\n").as_bytes(),
            format!("add rule inet t{number} c counter comment ").as_bytes(),
            &comment,
            b"\n",
        ]
        .concat();
        run(&namespace, "nft", &[b"-f", b"-"], &script);
    }
    (namespace, folder)
}

#[test]
fn every_document_parses_whatever_others_wrote_into_the_node() {
    let (namespace, folder) = node();
    let ask = |args: &[&str]| netkeep(Path::new(NETKEEP), &namespace, args);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (socket, file) = (path("no.sock"), path("node.json"));
    for args in [
        &["doctor", "-o", "json"][..],
        &["snapshot", "-o", "-", "--socket", &socket],
        &["snapshot", "-o", "-", "--redact", "--socket", &socket],
        &["sweep", "--duplicates", "--backend", "nft", "-o", "json"],
        &["sweep", "--duplicates", "--backend", "legacy", "-o", "json"],
        &["sweep", "--match", "*", "--backend", "legacy", "-o", "json"],
    ] {
        let output = ask(args);
        let json = output.json();
        let text = json.to_string();
        assert!(
            text.contains("\\u001b") || text.contains("fffd") || text.contains('\u{fffd}'),
            "{args:?}: {output}"
        );
        if args[0] != "snapshot" {
            let controls = |letter: char| letter.is_control() && letter != '\n';
            assert!(!output.stdout.contains(controls), "{args:?}: {output}");
        }
    }
    let _ = ask(&["snapshot", "-o", &file, "--socket", &socket]).expect_code(0);
    let empty = path("iptables-nft-save");
    fs::write(&empty, "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n").unwrap();
    for args in [
        &["doctor", "--from", &file, "-o", "json"][..],
        &["diff", &file, &file, "-o", "json"],
        &["diff", &file, &empty, "-o", "json"],
    ] {
        let _ = ask(args).json();
    }
}

#[test]
fn the_name_of_a_backup_need_not_be_text() {
    let (namespace, folder) = node();
    let backup = folder.path().join(OsStr::from_bytes(b"b\xff\x9b"));
    let mut command = Command::new(NETKEEP);
    command.args(["sweep", "--duplicates", "--backend", "nft", "--yes", "-o", "json", "--backup"]);
    command.arg(&backup).env("XTABLES_LOCKFILE", folder.path().join("lock"));
    let output = namespace.run(|| command.output().unwrap()).unwrap();
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["applied"], true);
    assert!(json["backup"].as_str().unwrap().contains('\u{fffd}'), "{json}");
    assert!(backup.exists());
}

#[test]
fn dumps_of_any_bytes_give_documents_that_parse() {
    let (namespace, folder) = (Namespace::create().unwrap(), tempfile::tempdir().unwrap());
    for (number, nasty) in NASTY.iter().enumerate() {
        let rule =
            [b"-A FORWARD -m comment --comment \"".as_slice(), nasty, b"\" -j DROP\n"].concat();
        let text = [
            b"*filter\n:FORWARD DROP [0:0]\n:K\x7f\xc2\x9b - [0:0]\n".as_slice(),
            &rule,
            &rule,
            b"COMMIT\n",
        ];
        let file = folder.path().join(format!("iptables-nft-save-{number}"));
        fs::write(&file, text.concat()).unwrap();
        let args = ["doctor", "--from", file.to_str().unwrap(), "-o", "json"];
        let report = netkeep(Path::new(NETKEEP), &namespace, &args).json();
        assert!(report["findings"].to_string().contains("duplicate-rules"), "{report:#}");
    }
}
