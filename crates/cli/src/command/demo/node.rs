//! The node of the story: a lab, a folder of manifests, and the agent as a process of its own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::{AskError, Lab, Question};
use model::{IpFamily, Protocol};

/// Where the Pod of the story listens.
pub(super) const POD_PORT: u16 = 8080;
/// The IP that is used twice.
pub(super) const IP: Ipv4Addr = Ipv4Addr::new(10, 244, 1, 7);

/// A folder that goes away with the story, also when it fails.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The node.
pub(super) struct Node {
    pub(super) lab: Lab,
    folder: Folder,
    agent: Option<Child>,
}

impl Node {
    pub(super) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("netkeep-demo-{}", std::process::id()));
        let folder = Folder(path);
        fs::create_dir_all(folder.0.join("manifests"))
            .with_context(|| format!("cannot create {}", folder.0.display()))?;
        Ok(Self { lab: Lab::new()?, folder, agent: None })
    }

    pub(super) fn manifests(&self) -> PathBuf {
        self.folder.0.join("manifests")
    }

    fn state(&self) -> PathBuf {
        self.folder.0.join("state")
    }

    /// Puts a manifest into the folder, whole or not at all.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let new = self.folder.0.join("new");
        fs::write(&new, text)?;
        fs::rename(new, self.manifests().join(name))?;
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.manifests().join(name))?)
    }

    /// Runs netkeep in the node's namespace.
    pub(super) fn netkeep(&self, args: &[&str]) -> Result<Output> {
        let mut command = Self::command(args)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.lab.node().spawn(&mut command)?;
        Ok(child.wait_with_output()?)
    }

    /// Plans what the folder asks for.
    pub(super) fn plan(&self) -> Result<Output> {
        let source = format!("dir:{}", self.manifests().display());
        let state = self.state().display().to_string();
        self.netkeep(&["plan", "--node", "n1", "--source", &source, "--state-dir", &state])
    }

    pub(super) fn start_agent(&mut self) -> Result<u32> {
        let source = format!("dir:{}", self.manifests().display());
        let state = self.state().display().to_string();
        let socket = self.folder.0.join("agent.sock").display().to_string();
        let args = ["agent", "--node", "n1", "--source", &source, "--state-dir", &state];
        let log = fs::File::create(self.folder.0.join("agent.log"))?;
        let mut command = Self::command(&args)?;
        command.args(["--socket", &socket]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = self.lab.node().spawn(&mut command)?;
        let pid = child.id();
        self.agent = Some(child);
        Ok(pid)
    }

    /// SIGKILL: no chance to tidy up.
    pub(super) fn kill_agent(&mut self) -> Result<()> {
        if let Some(mut child) = self.agent.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    fn command(args: &[&str]) -> Result<Command> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(args).current_dir(Path::new("/"));
        Ok(command)
    }

    /// Connects from outside to a node port, and says who answered and how fast.
    pub(super) fn ask(&self, port: u16) -> Result<(String, Duration), AskError> {
        let start = Instant::now();
        let answer = self.question(port).within(Duration::from_secs(1)).ask(self.lab.client())?;
        Ok((answer.who, start.elapsed()))
    }

    /// The question that the outside client asks.
    pub(super) fn question(&self, port: u16) -> Question {
        let node: IpAddr = self.lab.node_ip(IpFamily::V4);
        Question::new(Protocol::Tcp, SocketAddr::new(node, port))
    }

    /// The generation of the node's ruleset: how often anybody has written to it.
    pub(super) fn generation(&self) -> Result<u32> {
        let generation =
            self.lab.node().run(|| nfnl::Socket::open().and_then(|mut s| s.generation()))??;
        Ok(generation.id)
    }

    /// What `nft flush ruleset` does: every table that may be deleted is.
    pub(super) fn flush_ruleset(&self) -> Result<()> {
        self.lab.node().run(|| -> Result<()> {
            let mut socket = nfnl::Socket::open()?;
            for table in socket.tables(nfnl::Family::ANY)? {
                let mut batch = nfnl::Batch::new();
                batch.delete(&table.id())?;
                // Refused where the table has another owner: that is the point.
                let _ = socket.commit(&mut batch);
            }
            Ok(())
        })?
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.kill_agent();
    }
}
