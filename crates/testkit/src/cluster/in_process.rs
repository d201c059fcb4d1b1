//! The tests that the API server in the process runs alone, each with its reason.
//!
//! With `NETKEEP_TEST_KUBECONFIG` all others go through a real API server. A test is known by the
//! name of its thread, which is that of the test as long as there is more than one test thread.

/// Tests by name, and what a real API server cannot do in them.
const TESTS: &[(&str, &[&str])] = &[
    (
        "it lets no such object in",
        &[
            "a_service_that_was_never_readable_keeps_what_the_kernel_holds_from_before",
            "an_annotation_of_a_megabyte_is_read_past_and_the_pod_works",
            "an_object_that_becomes_bad_keeps_what_it_has_until_it_is_mended",
            "pods_that_say_little_are_pods_that_want_little",
            "pods_with_wrong_values_are_told_and_nobody_else_notices",
            "services_with_a_thousand_ports_an_empty_selector_or_nonsense_disturb_nobody",
        ],
    ),
    ("it gives no UID twice", &["of_two_pods_with_one_uid_one_counts_and_the_other_is_told"]),
];

/// Why the test that runs is not for a real API server; none if it is.
pub fn why() -> Option<&'static str> {
    let thread = std::thread::current();
    let name = thread.name().filter(|name| *name != "main");
    let name = name.expect("a test with a thread of its own: run with two test threads or more");
    let short = name.rsplit("::").next().unwrap_or(name);
    TESTS.iter().find(|(_, tests)| tests.contains(&short)).map(|(why, _)| *why)
}

/// Every test that is listed.
pub fn listed() -> impl Iterator<Item = &'static str> {
    TESTS.iter().flat_map(|(_, tests)| tests.iter().copied())
}
