//! The journal on real files.

use super::*;

fn lease(uid: &str, port: i64) -> Lease {
    Lease {
        uid: uid.into(),
        namespace: "default".into(),
        name: format!("pod-{uid}"),
        family: IpFamily::V4,
        protocol: Protocol::Tcp,
        pod_port: PodPort::try_from(8080).unwrap(),
        node_port: NodePort::try_from(port).unwrap(),
    }
}

fn flows(port: i64) -> StaleFlows {
    StaleFlows {
        protocol: Protocol::Udp,
        node_port: NodePort::try_from(port).unwrap(),
        ip: "10.0.0.5".parse().unwrap(),
        pod_port: PodPort::try_from(53).unwrap(),
    }
}

#[test]
fn what_was_written_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, nothing) = Journal::open(dir.path()).unwrap();
    assert_eq!(nothing, Remembered::default());
    journal.lease(lease("a", 61_000));
    journal.lease(lease("b", 61_001));
    journal.release(IpFamily::V4, Protocol::Tcp, NodePort::try_from(61_000).unwrap());
    journal.seen("b", Some("[]"));
    journal.cut(&flows(61_000));
    journal.cut(&flows(61_001));
    journal.cut_done(&flows(61_000));
    journal.write().unwrap();
    let remembered = Journal::read(dir.path()).unwrap();
    assert_eq!(remembered.leases, [lease("b", 61_001)]);
    assert_eq!(remembered.seen["b"].as_deref(), Some("[]"));
    assert_eq!(remembered.cuts, [flows(61_001)]);
}

#[test]
fn a_file_cut_at_any_byte_still_reads_up_to_its_last_whole_line() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    for port in 61_000..61_003 {
        journal.lease(lease(&port.to_string(), port));
    }
    journal.write().unwrap();
    let path = dir.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut journal, remembered) = Journal::open(dir.path()).unwrap();
        let lines = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
        assert!(remembered.leases.len() == lines || remembered.leases.len() == lines + 1);
        assert_eq!(remembered.garbled, 0);
        journal.lease(lease("next", 62_000));
        journal.write().unwrap();
        let again = Journal::read(dir.path()).unwrap();
        assert!(again.leases.iter().any(|lease| lease.uid == "next"), "cut at {cut}");
    }
}

#[test]
fn a_garbled_line_is_counted_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.lease(lease("a", 61_000));
    journal.write().unwrap();
    let path = dir.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"\xff\x00not json\n{\"lease\":{\"nodePort\":0}}\n");
    fs::write(&path, bytes).unwrap();
    let (mut journal, remembered) = Journal::open(dir.path()).unwrap();
    assert_eq!((remembered.leases.len(), remembered.garbled), (1, 2));
    journal.lease(lease("b", 61_001));
    journal.write().unwrap();
    assert_eq!(Journal::read(dir.path()).unwrap().leases.len(), 2);
}

#[test]
fn compaction_keeps_what_is_live_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    for _ in 0..3_000 {
        journal.lease(lease("a", 61_000));
        journal.release(IpFamily::V4, Protocol::Tcp, NodePort::try_from(61_000).unwrap());
    }
    journal.write().unwrap();
    assert!(journal.wants_compaction());
    let live = [lease("b", 61_001)];
    journal.compact(live.iter().cloned(), std::iter::empty(), std::iter::empty()).unwrap();
    assert!(!journal.wants_compaction());
    journal.lease(lease("c", 61_002));
    journal.write().unwrap();
    let remembered = Journal::read(dir.path()).unwrap();
    assert_eq!(remembered.leases, [lease("b", 61_001), lease("c", 61_002)]);
}

#[test]
fn a_state_directory_that_cannot_be_written_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::open(&file.join("state")).unwrap_err();
    assert!(error.to_string().contains("file/state"), "{error}");
}

#[test]
fn what_could_not_be_written_is_written_whole_with_the_next_try() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.lease(lease("a", 61_000));
    let good = std::mem::replace(
        &mut journal.file,
        File::options().append(true).open("/dev/full").unwrap(),
    );
    journal.write().unwrap_err();
    journal.write().unwrap_err();
    // A full disk takes the beginning of a line.
    fs::write(dir.path().join(FILE), r#"{"lease":{"uid":"a","#).unwrap();
    journal.file = good;
    journal.lease(lease("b", 61_001));
    journal.write().unwrap();
    let remembered = Journal::read(dir.path()).unwrap();
    assert_eq!(remembered.leases, [lease("a", 61_000), lease("b", 61_001)]);
}

#[test]
fn a_journal_whose_directory_was_removed_is_written_anew_with_the_next_record() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("state");
    let (mut journal, _) = Journal::open(&dir).unwrap();
    journal.lease(lease("a", 61_000));
    journal.write().unwrap();
    assert!(!journal.wants_compaction());
    fs::remove_dir_all(&dir).unwrap();
    journal.lease(lease("b", 61_001));
    journal.write().unwrap();
    assert!(journal.wants_compaction());
    let leases = [lease("a", 61_000), lease("b", 61_001)];
    journal.compact(leases.clone().into_iter(), std::iter::empty(), std::iter::empty()).unwrap();
    assert!(!journal.wants_compaction());
    assert_eq!(Journal::read(&dir).unwrap().leases, leases);
}
