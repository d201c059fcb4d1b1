//! The story of antrea-io/antrea#6527: a finished Pod's IP goes to a live Pod, and then the finished
//! Pod's object is deleted. First the naive way, then netkeep; then a flush, a kill and a restart.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{AskError, traffic};
use model::{PodPort, Protocol};

use super::naive::Naive;
use super::node::{IP, Node, POD_PORT};
use super::story::{bad, chapter, good, happens, shows, time, wait};

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: default
  uid: 5e7c0de0-0000-4000-8000-000000000001
  annotations: {nodeportlocal.antrea.io/enabled: \"true\"}
spec:
  type: ClusterIP
  selector: {app: web}
  ipFamilies: [IPv4]
  ports: [{port: 80, targetPort: 8080, protocol: TCP}]
";

fn pod(name: &str, number: u8, app: &str, phase: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: default
  uid: 0a1b2c3d-0000-4000-8000-00000000000{number}
  labels: {{app: {app}}}
spec:
  nodeName: n1
  containers: [{{name: main, ports: [{{containerPort: {POD_PORT}, protocol: TCP}}]}}]
status:
  phase: {phase}
  podIP: {IP}
  podIPs: [{{ip: {IP}}}]
  hostIP: 192.0.2.1
  startTime: \"2026-01-01T00:0{number}:00Z\"
"
    )
}

pub(super) fn tell() -> Result<()> {
    chapter("The naive way: rules keyed by the Pod's IP");
    naive_way()?;
    chapter("netkeep: rules owned by the Pod's UID");
    netkeep_way()
}

fn pod_port() -> Result<PodPort> {
    Ok(PodPort::try_from(i64::from(POD_PORT))?)
}

fn naive_way() -> Result<()> {
    let node = Node::new()?;
    let mut naive = node.lab.node().run(Naive::new)??;
    naive.pod_seen("job", IP);
    happens(&format!(
        "Pod job runs with IP {IP}, finishes; its object stays, its IP is free again"
    ));
    let web = node.lab.pod("web", &[IP.into()])?;
    let _server = web.serve(Protocol::Tcp, pod_port()?)?;
    naive.pod_seen("web", IP);
    naive.map("web", 61_000, POD_PORT)?;
    happens(&format!("Pod web gets IP {IP}; node port 61000 leads to it"));
    let (who, took) = node.ask(61_000).context("web should answer")?;
    good(&format!("a client connects to 192.0.2.1:61000: {who} answers in {}", time(took)));
    naive.pod_deleted("job")?;
    happens("the object of job is deleted; the controller removes \"its\" rules, by IP");
    match node.ask(61_000) {
        Err(AskError::Refused | AskError::TimedOut) => {
            bad("the client cannot connect any more, and web has not changed at all");
            Ok(())
        }
        other => anyhow::bail!("the naive way should have lost the rule, got {other:?}"),
    }
}

fn netkeep_way() -> Result<()> {
    let mut node = Node::new()?;
    let web = node.lab.pod("web", &[IP.into()])?;
    let _server = web.serve(Protocol::Tcp, pod_port()?)?;
    node.write("service.yaml", SERVICE)?;
    node.write("job.yaml", &pod("job", 1, "web", "Succeeded"))?;
    node.write("web.yaml", &pod("web", 2, "web", "Running"))?;
    happens(&format!("the same Pods: job (finished) and web (running), both with IP {IP}"));
    let plan = node.plan()?;
    ensure!(plan.status.code() == Some(2), "plan should see changes: {plan:?}");
    shows("netkeep plan --node n1 --source dir:manifests", &String::from_utf8(plan.stdout)?);

    let pid = node.start_agent()?;
    let ((who, took), waited) = wait("the first connection", || node.ask(61_000).ok())?;
    happens(&format!("netkeep agent starts (pid {pid})"));
    good(&format!("{who} answers in {}, {} after the start", time(took), time(waited)));

    let client =
        traffic::connects(node.lab.client(), node.question(61_000), Duration::from_millis(5))?;
    node.remove("job.yaml")?;
    happens("the object of job is deleted, while a client opens 200 connections a second");
    std::thread::sleep(Duration::from_millis(500));
    let counters = client.stop();
    ensure!(counters.lost == 0, "connections were lost: {counters:?}");
    good(&format!("{} connections, none lost", counters.answered));

    flush(&node)?;
    restart(&mut node)?;
    repair(&mut node)?;

    shows("netkeep show npl", &said(&node, &["show", "npl"])?);
    shows("netkeep explain 'tcp 61000'", &said(&node, &["explain", "tcp 61000"])?);
    Ok(())
}

fn flush(node: &Node) -> Result<()> {
    node.flush_ruleset()?;
    happens("another program deletes all nftables tables (what `nft flush ruleset` does)");
    let ((who, _), waited) = wait("the connection after the flush", || node.ask(61_000).ok())?;
    good(&format!(
        "refused by the kernel or repaired at once: {who} answers, {} later",
        time(waited)
    ));
    Ok(())
}

fn restart(node: &mut Node) -> Result<()> {
    let client =
        traffic::connects(node.lab.client(), node.question(61_000), Duration::from_millis(5))?;
    let before = node.generation()?;
    node.kill_agent()?;
    let pid = node.start_agent()?;
    happens(&format!("the agent is killed (SIGKILL) and started again (pid {pid})"));
    let ((), waited) = wait("the agent's answer", || {
        said(node, &["show", "npl"]).ok().filter(|text| text.contains("programmed")).map(drop)
    })?;
    std::thread::sleep(Duration::from_millis(200));
    let counters = client.stop();
    let writes = node.generation()?.wrapping_sub(before);
    ensure!(counters.lost == 0, "connections were lost: {counters:?}");
    ensure!(writes == 0, "a restart with nothing changed wrote {writes} times");
    good(&format!(
        "{} connections, none lost; {writes} writes to the kernel; it answers after {}",
        counters.answered,
        time(waited)
    ));
    Ok(())
}

fn repair(node: &mut Node) -> Result<()> {
    node.kill_agent()?;
    node.flush_ruleset()?;
    happens("the agent is killed, and all tables are deleted while nobody watches");
    match node.ask(61_000) {
        Err(AskError::Refused | AskError::TimedOut) => bad("the client is refused"),
        other => anyhow::bail!("the rule should be gone, got {other:?}"),
    }
    node.start_agent()?;
    happens("the agent starts again");
    let ((who, _), waited) = wait("the repair", || node.ask(61_000).ok())?;
    good(&format!("repaired: {who} answers on the same port, {} after the start", time(waited)));
    Ok(())
}

fn said(node: &Node, args: &[&str]) -> Result<String> {
    let output = node.netkeep(args)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
