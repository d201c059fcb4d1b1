//! A folder of manifests, written well or badly.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Manifest;
use crate::api::Api;
use crate::cluster::{Mirror, objects};

/// A folder that is removed on drop. It lies in one of its own: whoever watches the way to it is
/// not disturbed by what others do beside it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _around: TempDir,
    mirror: Option<Mirror>,
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// A new, empty folder.
    pub fn new() -> Self {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("manifests");
        fs::create_dir(&path).unwrap();
        Self { path, _around: around, mirror: None }
    }

    /// A new folder whose objects are put into this API too.
    pub fn mirrored(api: Api) -> Self {
        Self { mirror: Some(Mirror::new(api)), ..Self::new() }
    }

    /// The API that has the same objects.
    pub fn api(&self) -> Option<&Api> {
        self.mirror.as_ref().map(Mirror::api)
    }

    /// A new folder with these objects, a file each.
    pub fn with(objects: impl IntoIterator<Item = impl Into<Manifest>>) -> Self {
        let folder = Self::new();
        for object in objects {
            folder.put(object);
        }
        folder
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As `--source` takes it: `dir:PATH`.
    pub fn source(&self) -> String {
        format!("dir:{}", self.path().display())
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes or replaces an object's own file, in one step ([`Manifest::file_name`]).
    pub fn put(&self, object: impl Into<Manifest>) {
        let manifest = object.into();
        let name = manifest.file_name();
        self.write_file(&name, &manifest.yaml());
        if let Some(mirror) = &self.mirror {
            mirror.write(&name, vec![manifest.value().clone()]);
        }
    }

    /// Removes an object's own file.
    pub fn remove(&self, object: impl Into<Manifest>) {
        self.remove_file(&object.into().file_name());
    }

    /// Writes or replaces a file in one step, as careful writers do: a hidden file beside it, then
    /// rename.
    pub fn write(&self, name: &str, text: &str) {
        self.write_file(name, text);
        if let Some(mirror) = &self.mirror {
            mirror.write(name, objects(text));
        }
    }

    fn write_file(&self, name: &str, text: &str) {
        let hidden = self.file(&format!(".{name}.new"));
        fs::write(&hidden, text).unwrap();
        fs::rename(&hidden, self.file(name)).unwrap();
    }

    /// Writes a file as careless writers do: emptied first, then filled in two writes, with
    /// something happening in between.
    pub fn write_in_pieces(&self, name: &str, text: &str, between: impl FnOnce()) {
        assert!(self.mirror.is_none(), "an API server takes an object whole");
        let mut file = File::create(self.file(name)).unwrap();
        let middle = text.floor_char_boundary(text.len() / 2);
        file.write_all(&text.as_bytes()[..middle]).unwrap();
        between();
        file.write_all(&text.as_bytes()[middle..]).unwrap();
    }

    /// Adds to the end of a file.
    pub fn append(&self, name: &str, text: &str) {
        assert!(self.mirror.is_none(), "an API server takes an object whole");
        let mut file = OpenOptions::new().append(true).open(self.file(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Removes a file.
    pub fn remove_file(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
        if let Some(mirror) = &self.mirror {
            mirror.remove(name);
        }
    }

    /// Removes every file; the folder stays.
    pub fn clear(&self) {
        for entry in fs::read_dir(self.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        if let Some(mirror) = &self.mirror {
            mirror.clear();
        }
    }

    /// The names of the files in it, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Node, Pod};

    #[test]
    fn files_come_change_and_go() {
        let folder = Folder::with([Pod::new("default/web-0")]);
        folder.put(Node::new("n1"));
        assert_eq!(folder.names(), ["node-n1.yaml", "pod-default-web-0.yaml"]);
        folder.remove(Node::new("n1"));
        let mut halfway = String::new();
        folder.write_in_pieces("a.yaml", "äb", || {
            halfway = fs::read_to_string(folder.file("a.yaml")).unwrap();
        });
        folder.append("a.yaml", "c");
        assert_eq!(halfway, "");
        assert_eq!(fs::read_to_string(folder.file("a.yaml")).unwrap(), "äbc");
        folder.clear();
        assert!(folder.names().is_empty());
        let path = folder.path().to_owned();
        assert_eq!(folder.source(), format!("dir:{}", path.display()));
        drop(folder);
        assert!(!path.exists());
    }
}
