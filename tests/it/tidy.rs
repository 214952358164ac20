//! Rules of the house that no lint checks.

use std::fs;

use crate::source_tree::{
    SourceFile, TOP_LEVEL, expect_none, files_with_extension, has_word, root, rust_files,
};

#[test]
fn no_file_is_too_long_to_read_in_one_sitting() {
    let mut findings = Vec::new();
    for file in rust_files().into_iter().chain(files_with_extension("java")) {
        let limit = if file.is_test() { TEST_LINES_MAX } else { LINES_MAX };
        let count = file.text.lines().count();
        if count > limit {
            findings.push(format!("{}: {count} lines, limit {limit}", file.path));
        }
    }
    expect_none("split these by state, message or noun", &findings);
}

#[test]
fn no_line_is_longer_than_a_screen_is_wide() {
    let too_long = |line: &str| line.chars().count() > COLUMNS_MAX;
    expect_none("over 100 columns", &lines_where(&rust_files(), too_long));
    expect_none("over 100 columns", &lines_where(&files_with_extension("java"), too_long));
}

#[test]
fn no_file_has_a_name_that_means_anything() {
    let named = |file: &SourceFile| {
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        BANNED_NAMES.contains(&name.as_str())
    };
    let findings: Vec<String> =
        rust_files().into_iter().filter(named).map(|file| file.path).collect();
    expect_none("name the noun instead", &findings);
}

#[test]
fn nothing_is_left_to_do_in_the_code() {
    // Put together here, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
    ];
    let marked = |line: &str| marks.iter().any(|mark| has_word(line, mark));
    expect_none("finish these", &lines_where(&rust_files(), marked));
    expect_none("finish these", &lines_where(&files_with_extension("java"), marked));
}

#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    // Split for the same reason.
    let homes = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];
    let named = |line: &str| homes.iter().any(|home| line.contains(home));
    for extension in ["rs", "java", "toml", "md", "json", "txt"] {
        expect_none("paths of one machine", &lines_where(&files_with_extension(extension), named));
    }
}

#[test]
fn hot_modules_say_that_they_are_hot() {
    let files = rust_files();
    let mut findings = Vec::new();
    for path in HOT_MODULES {
        match files.iter().find(|file| file.path == path) {
            None => findings.push(format!("{path}: not there; renamed? change the list")),
            Some(file) if !file.text.contains(HOT_HEADER) => {
                findings.push(format!("{path}: no line \"{HOT_HEADER}\""));
            }
            Some(_) => {}
        }
    }
    expect_none("hot modules without the header", &findings);
}

#[test]
fn pure_crates_never_reach_for_the_world() {
    let mut findings = Vec::new();
    for file in rust_files().iter().filter(|file| is_in_pure_crate(file) && !file.is_test()) {
        for (number, line) in file.code_lines() {
            for name in WORLD.iter().filter(|name| has_word(line, name)) {
                findings.push(format!("{}:{number}: {name}", file.path));
            }
        }
    }
    expect_none("time, disks, sockets and threads are arguments here", &findings);
}

#[test]
fn unsafe_code_lives_in_one_crate() {
    let mut findings = Vec::new();
    for file in rust_files() {
        if UNSAFE_ALLOWED.iter().any(|(place, _reason)| file.path.starts_with(place)) {
            continue;
        }
        for (number, line) in file.code_lines() {
            if has_word(line, concat!("un", "safe")) {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    expect_none("move it to mirror-uring", &findings);
}

#[test]
fn every_crate_is_on_a_code_map() {
    let mut findings = Vec::new();
    for half in ["engine", "control"] {
        let path = root().join(half).join("ARCHITECTURE.md");
        let map = fs::read_to_string(&path).unwrap_or_default();
        for entry in fs::read_dir(root().join(half)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !map.contains(&name) {
                findings.push(format!("{half}/ARCHITECTURE.md does not name {name}"));
            }
        }
    }
    expect_none("code maps with holes", &findings);
}

#[test]
fn the_top_level_stays_as_it_is() {
    let mut findings = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let known = TOP_LEVEL.contains(&name.as_str()) || TOP_LEVEL_FILES.contains(&name.as_str());
        if !name.starts_with('.') && !known {
            findings.push(name);
        }
    }
    expect_none("does not belong at the root", &findings);
}

fn lines_where(files: &[SourceFile], matches: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate().filter(|(_, line)| matches(line)) {
            findings.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
        }
    }
    findings
}

fn is_in_pure_crate(file: &SourceFile) -> bool {
    PURE_CRATES.iter().any(|name| file.path.starts_with(name))
}

const LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 900;
const COLUMNS_MAX: usize = 100;

const BANNED_NAMES: [&str; 6] =
    ["util.rs", "utils.rs", "common.rs", "types.rs", "helpers.rs", "mod.rs"];

/// What the root holds beside the source directories and dotfiles; `target` is cargo's.
const TOP_LEVEL_FILES: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "LICENSE-APACHE",
    "NOTICE",
    "target",
];

const HOT_HEADER: &str = "//! Hot path: no allocation, no lock, no clock, no log line, no syscall.";

/// Modules that every response passes through.
const HOT_MODULES: [&str; 8] = [
    "engine/kafka-wire/src/batch_stream.rs",
    "engine/kafka-wire/src/fetch_reader.rs",
    "engine/mirror-shard/src/admission.rs",
    "engine/mirror-shard/src/append.rs",
    "engine/mirror-shard/src/buffer_pool.rs",
    "engine/mirror-shard/src/receive.rs",
    "engine/mirror-shard/src/shard.rs",
    "engine/mirror-shard/src/writer.rs",
];

const PURE_CRATES: [&str; 5] = [
    "engine/kafka-wire/",
    "engine/kafka-log/",
    "engine/mirror-shard/",
    "control/mirror-coordinator/",
    "control/group-coordinator/",
];

const WORLD: [&str; 8] = [
    "std::net",
    "std::fs",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "thread_rng",
    "tokio",
    "socket2",
];

/// Where the keyword may stand, and why.
const UNSAFE_ALLOWED: [(&str, &str); 2] = [
    ("engine/mirror-uring/", "the edge to the kernel"),
    ("tests/it/no_alloc.rs", "an allocator that counts is an implementation of GlobalAlloc"),
];
