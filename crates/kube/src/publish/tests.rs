use super::*;

fn patch(name: &str, uid: &str, value: &str) -> PodPatch {
    PodPatch {
        namespace: "d".into(),
        name: name.into(),
        uid: Uid::new(uid),
        patch: Patch::Value(value.to_owned()),
    }
}

fn refused(code: u16, message: &str) -> ApiError {
    ApiError::Refused {
        code,
        reason: String::new(),
        message: message.to_owned(),
        retry_after: None,
    }
}

fn queue() -> (Queue, Instant) {
    (Queue { waiting: BTreeMap::new(), busy: BTreeMap::new(), paused: None }, Instant::now())
}

fn name(name: &str) -> Name {
    ("d".into(), name.into())
}

#[test]
fn of_one_pod_only_the_newest_word_goes_and_one_at_a_time() {
    let (mut queue, now) = queue();
    queue.push(patch("a", "1", "old"), now);
    queue.push(patch("a", "1", "new"), now);
    let (taken, said) = queue.take(now).unwrap();
    assert_eq!(said.patch, Patch::Value("new".into()));
    queue.push(patch("a", "1", "newer"), now);
    assert!(queue.take(now).is_none(), "the first is still on its way");
    queue.answered(&taken, Ok(()), now);
    assert_eq!(queue.take(now).unwrap().1.patch, Patch::Value("newer".into()));
}

#[test]
fn a_failure_waits_and_a_newer_word_replaces_what_failed() {
    let (mut queue, now) = queue();
    queue.push(patch("a", "1", "x"), now);
    let (taken, ..) = queue.take(now).unwrap();
    assert_eq!(queue.answered(&taken, Err(refused(500, "boom")), now), Verdict::Again);
    assert_eq!(queue.trouble().len(), 1);
    assert!(queue.take(now).is_none());
    assert!(queue.take(now + RETRY.1).is_some());
    queue.push(patch("a", "1", "y"), now);
    assert_eq!(queue.waiting[&name("a")].patch, Patch::Value("y".into()));
}

#[test]
fn another_pod_of_the_name_is_not_written_to() {
    let (mut queue, now) = queue();
    for (code, other) in [
        (409, "Precondition failed: UID in precondition: 1, UID in object meta: 2"),
        (422, "Pod \"a\" is invalid: metadata.uid: Invalid value: \"1\": field is immutable"),
    ] {
        queue.push(patch("a", "1", "x"), now);
        let (taken, ..) = queue.take(now).unwrap();
        assert_eq!(queue.answered(&taken, Err(refused(code, other)), now), Verdict::Replaced);
        assert!(queue.waiting.is_empty());
    }
}

#[test]
fn a_pod_that_is_not_found_is_asked_for_until_its_end_is_told_and_soon_said_to_be_missing() {
    let (mut queue, now) = queue();
    queue.push(patch("a", "1", "x"), now);
    for asked in 1..20 {
        let (taken, ..) = queue.take(now + RETRY.1).unwrap();
        let missing = refused(404, "pods \"a\" not found");
        assert_eq!(queue.answered(&taken, Err(missing), now), Verdict::Gone);
        assert_eq!(queue.trouble().is_empty(), asked < GONE_TELL_AT, "{asked}");
    }
    assert!(queue.trouble()[0].contains("not found"), "{:?}", queue.trouble());
    queue.push(PodPatch { patch: Patch::Forget, ..patch("a", "1", "") }, now);
    assert!(queue.waiting.is_empty());
    assert_eq!(queue.trouble(), [""; 0]);
}

#[test]
fn of_a_pod_that_ends_while_its_patch_is_on_its_way_no_answer_matters() {
    for code in [404, 500, 403] {
        let (mut queue, now) = queue();
        queue.push(patch("a", "1", "x"), now);
        let (taken, ..) = queue.take(now).unwrap();
        queue.push(PodPatch { patch: Patch::Forget, ..patch("a", "1", "") }, now);
        queue.answered(&taken, Err(refused(code, "pods \"a\" is no more")), now);
        assert!(queue.waiting.is_empty(), "{code}");
        assert_eq!(queue.trouble(), [""; 0]);
    }
}

#[test]
fn a_path_that_nobody_serves_is_told_at_once_and_says_nothing_of_the_pod() {
    for text in ["404 page not found", "the server could not find the requested resource"] {
        let (mut queue, now) = queue();
        queue.push(patch("a", "1", "x"), now);
        let (taken, ..) = queue.take(now).unwrap();
        assert_eq!(queue.answered(&taken, Err(refused(404, text)), now), Verdict::Unserved);
        assert!(queue.trouble()[0].contains(text), "{:?}", queue.trouble());
        assert!(queue.take(now + FORBIDDEN / 2).is_none());
        assert!(queue.take(now + RETRY.1).is_some());
    }
}

#[test]
fn a_conflict_that_is_a_race_is_tried_again() {
    let raced = refused(409, "the object has been modified; please apply your changes");
    assert_eq!(Verdict::of(&raced), Verdict::Again);
}

#[test]
fn a_server_that_asks_for_time_delays_every_patch() {
    let (mut queue, now) = queue();
    queue.push(patch("a", "1", "x"), now);
    queue.push(patch("b", "2", "x"), now);
    let (taken, ..) = queue.take(now).unwrap();
    let wait = Duration::from_secs(7);
    let error = ApiError::Refused {
        code: 429,
        reason: String::new(),
        message: String::new(),
        retry_after: Some(wait),
    };
    assert_eq!(queue.answered(&taken, Err(error), now), Verdict::Pause);
    assert!(queue.take(now + wait / 2).is_none());
    assert!(queue.due().unwrap() >= now + wait);
    assert!(queue.take(now + wait * 2).is_some());
}

#[test]
fn what_can_never_be_taken_waits_for_another_value_and_stays_told() {
    for code in [400, 413, 422] {
        let (mut queue, now) = queue();
        queue.push(patch("a", "1", "x"), now);
        let (taken, ..) = queue.take(now).unwrap();
        assert_eq!(queue.answered(&taken, Err(refused(code, "no")), now), Verdict::Hopeless);
        assert!(queue.take(now + FORBIDDEN).is_none());
        assert_eq!(queue.trouble().len(), 1);
        queue.push(patch("a", "1", "short"), now);
        assert!(queue.take(now).is_some());
    }
}

#[test]
fn permits_are_spent_and_come_back_with_time() {
    let mut tokens = Tokens::new();
    let now = Instant::now();
    let spent = (0..1_000).take_while(|_| tokens.take(now).is_ok()).count();
    assert_eq!(spent, 200);
    assert!(tokens.take(now).unwrap_err() <= Duration::from_millis(20));
    assert!(tokens.take(now + Duration::from_millis(25)).is_ok());
}
