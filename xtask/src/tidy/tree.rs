//! Everything the rules look at, read once from disk and from `cargo metadata`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::graph;
use super::source::{Reach, Source};
use crate::step;

/// A text file: a document or a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// Relative to the root.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// One dependency of a workspace package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package depended upon.
    pub(crate) name: String,
    /// Whether only tests use it.
    pub(crate) dev: bool,
}

/// A package of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its manifest, relative to the root.
    pub(crate) manifest: String,
    /// What it depends on, other than for building.
    pub(crate) dependencies: Vec<Dependency>,
    /// The roots of its targets, relative to the workspace.
    pub(crate) roots: Vec<(String, Reach)>,
}

/// The workspace as the rules see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    /// All Rust files.
    pub(crate) sources: Vec<Source>,
    /// All Markdown files.
    pub(crate) docs: Vec<Text>,
    /// All `Cargo.toml` files, the root's too, and all `clippy.toml` files.
    pub(crate) manifests: Vec<Text>,
    /// The workspace's packages.
    pub(crate) packages: Vec<Package>,
    /// Every file and directory, relative to the root.
    pub(crate) paths: Vec<String>,
}

impl Tree {
    /// Reads the workspace at `root`.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut tree = Self { packages: packages(root)?, ..Self::default() };
        tree.walk(root, "")?;
        tree.paths.sort();
        let roots: Vec<_> =
            tree.packages.iter().flat_map(|package| package.roots.clone()).collect();
        let roots: Vec<_> = roots.into_iter().chain(fuzz_roots(&tree.sources)).collect();
        graph::mark(&mut tree.sources, &roots);
        Ok(tree)
    }

    fn walk(&mut self, root: &Path, directory: &str) -> Result<()> {
        let entries = fs::read_dir(root.join(directory))
            .with_context(|| format!("reading the directory {directory:?}"))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path =
                if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
            if entry.file_type()?.is_dir() {
                if !is_ignored(&name) {
                    self.walk(root, &path)?;
                    self.paths.push(path);
                }
                continue;
            }
            self.paths.push(path.clone());
            let read =
                || fs::read_to_string(entry.path()).with_context(|| format!("reading {path}"));
            let extension = Path::new(&name).extension().and_then(|extension| extension.to_str());
            if extension == Some("rs") {
                self.sources.push(Source::new(&path, &read()?));
            } else if extension == Some("md") {
                self.docs.push(Text { text: read()?, path });
            } else if name == "Cargo.toml" || name == "clippy.toml" {
                self.manifests.push(Text { text: read()?, path });
            }
        }
        Ok(())
    }
}

/// Build output, the repository itself, results, and what fuzzing collects.
fn is_ignored(directory: &str) -> bool {
    let exact = [".git", "bench-results", "corpus", "artifacts", "proptest-regressions"];
    directory == "target" || directory.starts_with("target-") || exact.contains(&directory)
}

/// The fuzz package stands outside the workspace: every file of `fuzz_targets` is a root.
fn fuzz_roots(sources: &[Source]) -> Vec<(String, Reach)> {
    let targets = sources.iter().filter(|source| source.path.starts_with("fuzz/fuzz_targets/"));
    targets.map(|source| (source.path.clone(), Reach::Test)).collect()
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    let output = step::cargo()
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let relative = |path: &Value| {
        let path = Path::new(path.as_str().unwrap_or_default());
        path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
    };
    Ok(list(&metadata["packages"])
        .iter()
        .map(|package| parse_package(package, &relative))
        .collect())
}

fn parse_package(package: &Value, relative: &impl Fn(&Value) -> String) -> Package {
    let dependencies = list(&package["dependencies"])
        .iter()
        .filter(|dependency| dependency["kind"] != "build")
        .map(|dependency| Dependency {
            name: dependency["name"].as_str().unwrap_or_default().to_owned(),
            dev: dependency["kind"] == "dev",
        })
        .collect();
    let roots = list(&package["targets"])
        .iter()
        .map(|target| {
            let kind = target["kind"][0].as_str().unwrap_or_default();
            let test = matches!(kind, "test" | "bench" | "example" | "custom-build");
            let reach = if test { Reach::Test } else { Reach::Product };
            (relative(&target["src_path"]), reach)
        })
        .collect();
    Package {
        name: package["name"].as_str().unwrap_or_default().to_owned(),
        manifest: relative(&package["manifest_path"]),
        dependencies,
        roots,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_read_with_its_targets() {
        let tree = Tree::load(&crate::root()).unwrap();
        let xtask = tree.packages.iter().find(|package| package.name == "xtask").unwrap();
        assert_eq!(xtask.manifest, "xtask/Cargo.toml");
        assert_eq!(xtask.roots, [("xtask/src/main.rs".to_owned(), Reach::Product)]);
        let here = tree.sources.iter().find(|source| source.path == "xtask/src/tidy/tree.rs");
        assert_eq!(here.unwrap().reach, Reach::Product);
    }
}
