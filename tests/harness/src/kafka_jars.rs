//! The jars of a release, fetched once with Maven into a cache outside the tree.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::kafka_release::KafkaRelease;

/// The directory that keeps jars and compiled classes between runs.
///
/// `RINGMIRROR_CACHE`, else `ringmirror` below `XDG_CACHE_HOME` or `~/.cache`.
///
/// # Errors
/// When neither is set.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("RINGMIRROR_CACHE") {
        return Ok(PathBuf::from(cache));
    }
    if let Some(cache) = env::var_os("XDG_CACHE_HOME") {
        return Ok(Path::new(&cache).join("ringmirror"));
    }
    let home = env::var_os("HOME").context("no cache: set RINGMIRROR_CACHE or HOME")?;
    Ok(Path::new(&home).join(".cache/ringmirror"))
}

/// Makes sure the jars of `release` are in the cache and returns their directory.
///
/// # Errors
/// When Maven cannot resolve them; its last lines are in the error.
pub fn fetch(release: KafkaRelease) -> Result<PathBuf> {
    let name = format!("kafka-{}", release.version());
    let main = format!("kafka_2.13-{}.jar", release.version());
    once(&name, |fresh| fetch_into(&name, &release.coordinates(), &main, fresh))
}

/// The same for `MirrorMaker` 2, which brokers do not need.
///
/// # Errors
/// When Maven cannot resolve them; its last lines are in the error.
pub fn fetch_mirror_maker(release: KafkaRelease) -> Result<PathBuf> {
    let name = format!("mirror-maker-{}", release.version());
    let main = format!("connect-mirror-{}.jar", release.version());
    once(&name, |fresh| fetch_into(&name, &release.mirror_maker_coordinates(), &main, fresh))
}

/// A Java class path entry that stands for every jar in `directory`.
#[must_use]
pub fn class_path(directory: &Path) -> String {
    format!("{}/*", directory.display())
}

/// Fills the cache directory `name` once, however many processes ask at the same time.
///
/// `fill` works in a directory beside it, which is renamed into place when it succeeded: what is
/// there is complete.
pub(crate) fn once(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    once_in(&cache_dir()?, name, fill)
}

fn once_in(cache: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let ready = cache.join(name);
    if ready.is_dir() {
        return Ok(ready);
    }
    fs::create_dir_all(cache).with_context(|| format!("create {}", cache.display()))?;
    let lock_path = cache.join(format!("{name}.lock"));
    let lock = File::create(&lock_path)
        .with_context(|| format!("create lock file {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("lock {}", lock_path.display()))?;
    if ready.is_dir() {
        return Ok(ready);
    }
    // One name for all: the lock is ours, so what is there was left by a killed process.
    let fresh = cache.join(format!("{name}.tmp"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir(&fresh)?;
    let filled = fill(&fresh).and_then(|()| Ok(fs::rename(&fresh, &ready)?));
    if let Err(error) = filled {
        // The directory holds a half-done job; the error says more than its removal could.
        let _ = fs::remove_dir_all(&fresh);
        return Err(error);
    }
    Ok(ready)
}

/// Fetches what some Maven coordinates (group, artifact, version) need; `main` must be among it.
fn fetch_into(
    name: &str,
    coordinates: &[(&str, &str, &str)],
    main: &str,
    fresh: &Path,
) -> Result<()> {
    eprintln!("fetching {name} of Apache Kafka with Maven (about 50 MB, once)");
    let work = fresh.join("maven");
    fs::create_dir(&work)?;
    fs::write(work.join("pom.xml"), pom(coordinates))?;
    let output = Command::new("mvn")
        .args(["-B", "-q", COPY_DEPENDENCIES, "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", fresh.display()))
        .current_dir(&work)
        .stdin(Stdio::null())
        .output()
        .context("run mvn")?;
    if !output.status.success() {
        bail!(
            "mvn could not fetch {name} of Apache Kafka ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let main = fresh.join(main);
    ensure!(main.is_file(), "mvn succeeded but did not bring {}", main.display());
    fs::remove_dir_all(&work)?;
    eprintln!("fetched {name} of Apache Kafka: {} jars", fs::read_dir(fresh)?.count());
    Ok(())
}

fn pom(coordinates: &[(&str, &str, &str)]) -> String {
    let mut dependencies = String::new();
    for (group, artifact, version) in coordinates {
        // Writing to a string cannot fail.
        let _ = writeln!(
            dependencies,
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>"
        );
    }
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
         \x20 <modelVersion>4.0.0</modelVersion>\n\
         \x20 <groupId>ringmirror</groupId>\n\
         \x20 <artifactId>kafka-jars</artifactId>\n\
         \x20 <version>1</version>\n\
         \x20 <packaging>pom</packaging>\n\
         \x20 <dependencies>\n{dependencies}  </dependencies>\n\
         </project>\n"
    )
}

/// The goal with its version, so that a machine's default plugin version does not matter.
const COPY_DEPENDENCIES: &str =
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

#[cfg(test)]
mod tests;
