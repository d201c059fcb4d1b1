//! `cargo xtask image`: the container image, built and tried out with no registry and no daemon.
//!
//! Owns: the order of the scripts in `deploy/image` and what the result must look like. The image
//! is left as an OCI archive in the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::host::Privilege;
use crate::step::succeed;

/// What a person may say: another profile is quicker to build.
const PROFILES: [&str; 2] = ["release", "dev"];

/// `cargo xtask image [--profile release|dev]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let profile = profile(args)?;
    crate::packages::ensure()?;
    build_and_try(profile)
}

fn profile(args: &[String]) -> Result<&str> {
    match args {
        [] => Ok("release"),
        [flag, profile] if flag == "--profile" && PROFILES.contains(&profile.as_str()) => {
            Ok(profile)
        }
        _ => bail!("usage: cargo xtask image [--profile release|dev]"),
    }
}

/// Builds the image of this profile, looks at it and runs its binary in its root.
pub(crate) fn build_and_try(profile: &str) -> Result<()> {
    ensure!(
        Privilege::current()? == Privilege::Root,
        "building and mounting an image needs root of the machine"
    );
    let image = Image::new(&crate::target_directory().join("image"))?;
    let outcome = image.build(profile).and_then(|()| image.check());
    // Gone also after a failure: a store of its own, so nothing else is touched.
    let cleaned = image.clean();
    outcome.and(cleaned)?;
    println!("image: {}", image.archive().display());
    Ok(())
}

struct Image {
    directory: PathBuf,
    name: String,
}

impl Image {
    fn new(directory: &Path) -> Result<Self> {
        let image = Self {
            directory: directory.to_owned(),
            name: format!("netkeep:{}", env!("CARGO_PKG_VERSION")),
        };
        // What a killed run left.
        image.clean()?;
        std::fs::create_dir_all(image.root()).context("making the image's root")?;
        Ok(image)
    }

    fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    fn archive(&self) -> PathBuf {
        self.directory.join("netkeep.tar")
    }

    fn buildah(&self) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.store().join("root"));
        command.arg("--runroot").arg(self.store().join("run")).args(["--storage-driver", "vfs"]);
        command
    }

    fn script(name: &str) -> Command {
        let mut command = Command::new(crate::root().join("deploy/image").join(name));
        command.current_dir(crate::root());
        command
    }

    fn build(&self, profile: &str) -> Result<()> {
        succeed(Self::script("static.sh").arg(self.root()).arg(profile))?;
        is_static(&self.root().join("usr/bin/netkeep"))?;
        succeed(Self::script("build.sh").arg(self.root()).arg(self.store()).arg(&self.name))
    }

    fn check(&self) -> Result<()> {
        let about: Value = serde_json::from_str(&output(
            self.buildah().args(["inspect", "--type", "image", &self.name]),
        )?)
        .context("what buildah says of the image")?;
        let config = &about["OCIv1"]["config"];
        ensure!(config["Entrypoint"] == serde_json::json!(["/usr/bin/netkeep"]), "{config}");
        ensure!(config["User"] == "0:0", "{config}");
        let container = output(self.buildah().args(["from", &self.name]))?;
        let root = output(self.buildah().args(["mount", container.trim()]))?;
        succeed(Self::script("try.sh").arg(root.trim()))?;
        let archive = format!("oci-archive:{}:{}", self.archive().display(), self.name);
        succeed(self.buildah().args(["push", "--quiet", &self.name, &archive]))
    }

    /// Removes everything but the archive.
    fn clean(&self) -> Result<()> {
        if self.store().exists() {
            succeed(self.buildah().args(["rm", "--all"]))?;
        }
        for directory in [self.store(), self.root()].iter().filter(|path| path.exists()) {
            std::fs::remove_dir_all(directory)
                .with_context(|| format!("removing {}", directory.display()))?;
        }
        Ok(())
    }
}

/// A program that asks for an interpreter or a library cannot run in an empty root.
fn is_static(program: &Path) -> Result<()> {
    let headers = output(Command::new("readelf").arg("-ld").arg(program))?;
    ensure!(
        !headers.contains("INTERP") && !headers.contains("(NEEDED)"),
        "{} is not linked statically:\n{headers}",
        program.display()
    );
    Ok(())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_linked_dynamically_and_the_check_sees_it() {
        let itself = std::env::current_exe().unwrap();
        assert!(is_static(&itself).unwrap_err().to_string().contains("not linked statically"));
    }

    #[test]
    fn the_profile_is_release_unless_said_otherwise_and_no_other_is_taken() {
        let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(profile(&[]).unwrap(), "release");
        assert_eq!(profile(&args(&["--profile", "dev"])).unwrap(), "dev");
        assert!(profile(&args(&["--profile", "debug"])).is_err());
        assert!(profile(&args(&["dev"])).is_err());
    }
}
