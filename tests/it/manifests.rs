//! Which crate may know which: read from the manifests, as cargo reads them.

use std::collections::{BTreeMap, BTreeSet};

use crate::source_tree::{expect_none, files_with_extension};

#[test]
fn the_engine_never_names_control() {
    let control: BTreeSet<String> = below("control/").into_keys().collect();
    assert!(control.contains("mirror-node"), "the control crates are {control:?}");
    let mut findings = Vec::new();
    for (name, manifest) in below("engine/") {
        for dependency in manifest.everything.intersection(&control) {
            findings.push(format!("{name} names {dependency}"));
        }
    }
    expect_none("the engine builds and tests without control", &findings);
}

#[test]
fn the_engine_crates_stand_on_each_other_in_one_order() {
    let engine = below("engine/");
    let mut known: Vec<&str> = engine.keys().map(String::as_str).collect();
    known.sort_unstable();
    let mut expected = ENGINE_ORDER;
    expected.sort_unstable();
    assert_eq!(known, expected, "a crate came or went: put it into ENGINE_ORDER");

    let mut findings = Vec::new();
    for (level, name) in ENGINE_ORDER.iter().enumerate() {
        for above in &ENGINE_ORDER[level + 1..] {
            if engine[*name].everything.contains(*above) {
                findings.push(format!("{name} names {above}, which stands above it"));
            }
        }
    }
    expect_none("arrows that point up", &findings);
}

#[test]
fn pure_crates_take_no_runtime_and_no_socket() {
    let mut findings = Vec::new();
    let all = below("");
    for name in PURE_CRATES {
        for dependency in &all[name].normal {
            if WORLDLY.contains(&dependency.as_str()) {
                findings.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    expect_none("pure crates", &findings);
}

#[test]
fn only_programs_take_anyhow() {
    let mut findings = Vec::new();
    for (name, manifest) in below("engine/") {
        if manifest.normal.contains("anyhow") {
            findings.push(name);
        }
    }
    expect_none("errors of the engine are enums", &findings);
}

#[test]
fn every_crate_takes_its_settings_from_the_workspace() {
    let mut findings = Vec::new();
    for file in files_with_extension("toml") {
        if !file.path.ends_with("/Cargo.toml") || file.path.starts_with("tests/fuzz/") {
            continue;
        }
        for line in INHERITED {
            if !file.text.contains(line) {
                findings.push(format!("{}: no `{}`", file.path, line.trim()));
            }
        }
    }
    expect_none("manifests", &findings);
}

/// The names in the dependency sections of one manifest.
#[derive(Debug, Default)]
struct Manifest {
    normal: BTreeSet<String>,
    /// With those for tests and builds.
    everything: BTreeSet<String>,
}

/// The manifests below a directory, by the crate's name.
fn below(prefix: &str) -> BTreeMap<String, Manifest> {
    let mut manifests = BTreeMap::new();
    for file in files_with_extension("toml") {
        let Some(directory) = file.path.strip_suffix("/Cargo.toml") else { continue };
        if directory.starts_with(prefix) {
            let name = directory.rsplit('/').next().unwrap_or(directory);
            manifests.insert(name.to_owned(), parse(&file.text));
        }
    }
    manifests
}

/// Reads section heads and the keys under them; that is all of TOML our manifests use there.
fn parse(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']');
            // [dependencies.name]
            if let Some((kind, name)) = section.rsplit_once('.')
                && kind.ends_with("dependencies")
            {
                manifest.insert(kind, name);
            }
        } else if section.ends_with("dependencies")
            && let Some((key, _)) = line.split_once('=')
        {
            let name = key.trim().split('.').next().unwrap_or_default();
            manifest.insert(section, name);
        }
    }
    manifest
}

impl Manifest {
    fn insert(&mut self, section: &str, name: &str) {
        if section.starts_with('#') || name.starts_with('#') {
            return;
        }
        self.everything.insert(name.to_owned());
        if !section.contains("dev-") && !section.contains("build-") {
            self.normal.insert(name.to_owned());
        }
    }
}

#[test]
fn a_manifest_is_read_as_cargo_reads_it() {
    let manifest = parse(
        "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\nb.workspace = true\n\
         [dev-dependencies]\nc = { path = \"..\" }\n[target.'cfg(unix)'.dependencies]\nd = \"1\"\n\
         [dependencies.e]\nversion = \"1\"\n",
    );
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&manifest.normal), "a b d e");
    assert_eq!(names(&manifest.everything), "a b c d e");
}

/// Each may name those before it.
const ENGINE_ORDER: [&str; 4] = ["kafka-wire", "kafka-log", "mirror-shard", "mirror-uring"];

const PURE_CRATES: [&str; 5] =
    ["kafka-wire", "kafka-log", "mirror-shard", "mirror-coordinator", "group-coordinator"];

const WORLDLY: [&str; 7] =
    ["tokio", "tokio-uring", "socket2", "libc", "core_affinity", "mio", "rand"];

const INHERITED: [&str; 6] = [
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "publish.workspace = true",
    "[lints]\nworkspace = true",
];
