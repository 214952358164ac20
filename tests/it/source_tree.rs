//! The files of this repository, for tests about the repository itself.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of ours.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl SourceFile {
    /// Whether it holds only tests, by its name.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/src/test_")
            || self.path.contains("/tests/")
    }

    /// Its lines, numbered from 1, with comments blanked out.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line)))
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let it = Path::new(env!("CARGO_MANIFEST_DIR"));
    it.ancestors().nth(2).expect("this crate lies two levels below the root").to_owned()
}

/// All Rust files of all crates.
pub(crate) fn rust_files() -> Vec<SourceFile> {
    let files = files_with_extension("rs");
    assert!(!files.is_empty(), "no Rust file below {}", root().display());
    files
}

/// All files whose names end in `.extension`, below the five source directories.
pub(crate) fn files_with_extension(extension: &str) -> Vec<SourceFile> {
    let root = root();
    let mut files = Vec::new();
    for top in TOP_LEVEL {
        collect(&root, &root.join(top), extension, &mut files);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(root: &Path, directory: &Path, extension: &str, files: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("a directory of the tree can be listed").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            if !NOT_SOURCE.contains(&name.as_str()) {
                collect(root, &path, extension, files);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            let relative = path.strip_prefix(root).expect("it lies below the root").display();
            let text = fs::read_to_string(&path).expect("a source file is UTF-8");
            files.push(SourceFile { path: relative.to_string(), text });
        }
    }
}

/// The line up to `//`, as long as that is no part of a string.
fn without_comment(line: &str) -> &str {
    let mut in_string = false;
    let mut previous = ' ';
    for (at, character) in line.char_indices() {
        match character {
            '"' if previous != '\\' && previous != '\'' => in_string = !in_string,
            '/' if previous == '/' && !in_string => return &line[..at - 1],
            _ => {}
        }
        previous = character;
    }
    line
}

/// Whether `word` stands in `line` with no letter, digit or underscore around it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, found)| {
        let before = line[..at].chars().next_back();
        let after = line[at + found.len()..].chars().next();
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

/// Fails with one line per finding.
#[track_caller]
pub(crate) fn expect_none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}\n", findings.join("\n  "));
}

/// The directories that hold crates.
pub(crate) const TOP_LEVEL: [&str; 5] = ["engine", "control", "benches", "perf", "tests"];

const NOT_SOURCE: [&str; 5] = ["target", "golden", "corpus", "artifacts", "coverage"];
