//! The files of the repository, read once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Folders that are made by tools and are no part of the repository.
const SKIPPED_FOLDERS: &[&str] = &[".git", ".tools", "node_modules", "target"];

/// Files whose text is read; everything else is listed, so that links to it resolve.
const TEXT_EXTENSIONS: &[&str] = &[
    "css", "html", "js", "json", "lock", "md", "mjs", "rs", "sh", "toml", "yaml", "yml",
];

/// A file larger than this is data, whatever its name ends in: 4 MiB.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// One file: its path from the root with forward slashes, and its text (empty for other data).
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn extension(&self) -> &str {
        let name = self.name();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder of the file, without a slash at its end; empty at the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// True for files that hold nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let mut folders = self.folder().split('/');
        folders.any(|folder| folder == "tests") || self.name() == "tests.rs"
    }

    /// True for files that a program wrote.
    pub(crate) fn is_generated(&self) -> bool {
        self.folder().split('/').any(|folder| folder == "generated")
            || matches!(self.extension(), "lock")
            || self.name() == "package-lock.json"
            || self.name().contains(".min.")
    }
}

/// Every file of the repository, in the order of the paths.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        read_folder(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// True when the path names a file, or a folder that has one.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self
                .files
                .iter()
                .any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// A tree in memory, for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).into(),
                text: (*text).into(),
            })
            .collect();
        Self { files }
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {prefix}"))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let size = entry.metadata()?.len();
            files.push(read_file(&entry.path(), path, size)?);
        }
    }
    Ok(())
}

fn read_file(place: &Path, path: String, size: u64) -> Result<File> {
    let mut file = File {
        path,
        text: String::new(),
    };
    let is_text = TEXT_EXTENSIONS.contains(&file.extension()) || file.path.starts_with(".ci/");
    if is_text && size <= TEXT_BYTES_MAX {
        file.text =
            fs::read_to_string(place).with_context(|| format!("cannot read {}", file.path))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_know_what_they_are() {
        let tree = Tree::of(&[
            ("crates/a/tests/b.rs", ""),
            ("crates/a/src/mailbox/tests.rs", ""),
            ("crates/a/src/tests_of_time.rs", ""),
            ("tests/conformance/package-lock.json", ""),
        ]);
        let tests: Vec<_> = tree.files.iter().map(File::is_test).collect();
        assert_eq!(tests, [true, true, false, true]);
        assert!(tree.files[3].is_generated() && !tree.files[0].is_generated());
        assert!(tree.has("crates/a") && tree.has("crates/a/tests/b.rs") && !tree.has("crates/b"));
    }
}
