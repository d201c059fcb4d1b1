//! All of these tests once more without privileges: in a user namespace of its own, where buffers cannot be forced.

use std::process::Command;

const NAME: &str = "rootless::everything_works_in_a_rootless_user_namespace";

#[test]
fn everything_works_in_a_rootless_user_namespace() {
    let me = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net"])
        .arg(me)
        .args(["--skip", NAME, "--exact", "--test-threads", "2"])
        .output()
        .expect("unshare must be installed");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("test result: ok") && !text.contains(" 0 passed"), "{text}");
}
