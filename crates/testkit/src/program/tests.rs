//! The program under test, played by a shell.

use super::*;

fn shell() -> &'static Path {
    Path::new("/bin/sh")
}

fn agent(namespace: &Namespace, script: &str) -> AgentProcess {
    AgentProcess::start(namespace, Command::new(shell()).args(["-c", script]))
}

#[test]
fn a_command_runs_in_the_namespace_and_its_output_and_code_are_kept() {
    let namespace = Namespace::create().unwrap();
    let script = "readlink /proc/self/ns/net; echo oh >&2; exit 3";
    let output = netkeep(shell(), &namespace, &["-c", script]).expect_code(3);
    assert_eq!(output.stdout.trim(), namespace.identity().to_string());
    assert_eq!(output.stderr, "oh\n");
    let output = netkeep(shell(), &namespace, &["-c", "echo '{\"a\":1}'"]);
    assert_eq!(output.json()["a"], 1);
}

#[test]
fn an_agent_is_waited_for_stopped_continued_and_ended() {
    let namespace = Namespace::create().unwrap();
    let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    let mut agent = agent(&namespace, script);
    let has = |agent: &AgentProcess, word: &str| agent.stdout().contains(word);
    let seen = Arc::clone(&agent.stdout.bytes);
    agent.ready(DEADLINE, || {
        if seen.lock().unwrap().is_empty() { Err("it is silent".to_owned()) } else { Ok(()) }
    });
    agent.pause();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
    eventually(DEADLINE, || if state().contains(") T ") { Ok(()) } else { Err(state()) });
    agent.resume();
    let status = agent.terminate(DEADLINE);
    agent.finish_reading();
    assert!(status.success() && has(&agent, "bye"));
}

#[test]
fn an_agent_that_ends_instead_of_getting_ready_is_reported_with_what_it_said() {
    let namespace = Namespace::create().unwrap();
    let caught = std::panic::catch_unwind(|| {
        let mut agent = agent(&namespace, "echo no config >&2; exit 1");
        agent.finish_reading();
        agent.ready(DEADLINE, || Err::<(), _>("no socket".to_owned()));
    });
    let message = caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("no socket") && message.contains("no config"), "{message}");
}

#[test]
fn a_dropped_or_killed_agent_is_gone() {
    let namespace = Namespace::create().unwrap();
    let mut killed = agent(&namespace, "sleep 60");
    killed.kill();
    let dropped = agent(&namespace, "sleep 60");
    let pids = [killed.pid(), dropped.pid()];
    drop(dropped);
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
