//! The Java program that drives a cluster: compiled once per release and source text.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::kafka_jars;
use crate::kafka_release::KafkaRelease;

/// Compiles the driver against the jars of `release`, if the cache lacks it, and returns the
/// class path to run it with.
///
/// # Errors
/// When the jars cannot be fetched or the compiler refuses.
pub fn class_path(release: KafkaRelease) -> Result<String> {
    compiled(release, "driver", &SOURCES)
}

/// As [`class_path`] for another program: its files, and a name for it in the cache.
///
/// # Errors
/// As [`class_path`].
pub(crate) fn compiled(release: KafkaRelease, label: &str, sources: &[Source]) -> Result<String> {
    let jars = kafka_jars::class_path(&kafka_jars::fetch(release)?);
    let name = format!("{label}-{}-{:016x}", release.version(), source_hash(sources));
    let classes = kafka_jars::once(&name, |fresh| compile(&jars, fresh, sources))?;
    Ok(format!("{}:{jars}", classes.display()))
}

/// Name and text of a source file.
pub(crate) type Source = (&'static str, &'static str);

/// The main class of the driver.
pub const MAIN_CLASS: &str = "Driver";

fn compile(jars: &str, classes: &Path, sources: &[Source]) -> Result<()> {
    let mut files: Vec<PathBuf> = Vec::new();
    for (name, text) in sources {
        let file = classes.join(name);
        fs::write(&file, text)?;
        files.push(file);
    }
    let output = Command::new("javac")
        .args(["-nowarn", "-proc:none", "-cp", jars, "-d"])
        .arg(classes)
        .args(&files)
        .output()
        .context("run javac")?;
    if !output.status.success() {
        bail!("javac refused {files:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Names the compiled classes: another source text, another directory.
fn source_hash(sources: &[Source]) -> u64 {
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    hasher.finish()
}

const SOURCES: [Source; 4] = [
    ("Access.java", include_str!("../java/Access.java")),
    ("Acls.java", include_str!("../java/Acls.java")),
    ("Driver.java", include_str!("../java/Driver.java")),
    ("Reading.java", include_str!("../java/Reading.java")),
];
