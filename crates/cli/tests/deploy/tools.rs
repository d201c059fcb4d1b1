//! The programs behind these tests: kubectl, promtool, Go. Missing ones fail the test
//! (`cargo xtask test` installs them).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A file of the repository.
#[track_caller]
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a command printed, if it ended well; else what it complained of.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(format!(
            "{command:?}: {}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// All documents of a YAML text but the empty ones.
#[track_caller]
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

/// The one document of a YAML text.
#[track_caller]
pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// `kubectl kustomize deploy/kustomize/NAME`, which needs no cluster.
#[track_caller]
pub(crate) fn kustomize(name: &str) -> Vec<Value> {
    let mut command = Command::new("kubectl");
    command.arg("kustomize").arg(root().join("deploy/kustomize").join(name));
    documents(&output(&mut command).unwrap())
}

/// The chart rendered with a release's name, its namespace and a file of values.
pub(crate) fn render(release: &str, namespace: &str, values: &str) -> Result<Rendered, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values).unwrap();
    let mut command = Command::new(renderer());
    command.arg(root().join("deploy/helm/netkeep")).args([release, namespace]).arg(file.path());
    let rendered: Value = serde_json::from_str(&output(&mut command)?).unwrap();
    let texts = rendered["documents"].as_object().unwrap();
    let objects = texts
        .iter()
        .filter(|(name, _)| name.as_str() != NOTES)
        .flat_map(|(_, text)| documents(text.as_str().unwrap()))
        .collect();
    Ok(Rendered { objects, notes: texts[NOTES].as_str().unwrap().to_owned() })
}

/// What helm says when it is done; every other template makes objects.
const NOTES: &str = "NOTES.txt";

/// What helm would install, and say.
pub(crate) struct Rendered {
    pub(crate) objects: Vec<Value>,
    pub(crate) notes: String,
}

/// The renderer, built once: `deploy/helm/render/main.go` with Debian's Go and Go libraries.
fn renderer() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = directory.join("render");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(".");
        build.current_dir(root().join("deploy/helm/render"));
        // Debian's packages put the libraries' sources there; nothing is downloaded.
        build.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
        build.env("GOCACHE", directory.join("go-cache")).env("CGO_ENABLED", "0");
        output(&mut build).unwrap();
        program
    })
}
