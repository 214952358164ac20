//! Clients in a directory of their own, ready to run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Client;
use crate::driver_program::{self, Source};
use crate::kafka_release::KafkaRelease;

/// How to start the program of a client.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The client.
    pub client: Client,
    command: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

/// Makes sure a client is in `directory`, at the versions that `tests/clients` names.
///
/// # Errors
/// When it cannot be installed; the last words of its package manager are in the error.
pub fn install(client: Client, directory: &Path) -> Result<Installed> {
    if client != Client::Java {
        run_script(client, directory)?;
    }
    let directory = if directory.exists() { directory.canonicalize()? } else { directory.into() };
    let programs = programs();
    let in_python = |python: OsString, program: &str| {
        vec![python, programs.join("python").join(program).into_os_string()]
    };
    let own_python = || directory.join(client.name()).join("bin/python").into_os_string();
    let command = match client {
        Client::Java => java_command()?,
        Client::ConfluentKafka => in_python(own_python(), "confluent_client.py"),
        Client::KafkaPython => in_python(own_python(), "kafka_python_client.py"),
        Client::Kcat => in_python("python3".into(), "kcat_client.py"),
        Client::Kafkajs => vec!["node".into(), programs.join("js/kafkajs_client.js").into()],
        Client::FranzGo => vec![directory.join("franz-go").into_os_string()],
    };
    let modules = directory.join("kafkajs/node_modules").into_os_string();
    let environment =
        vec![("PYTHONDONTWRITEBYTECODE", OsString::from("1")), ("NODE_PATH", modules)];
    Ok(Installed { client, command, environment })
}

fn run_script(client: Client, directory: &Path) -> Result<()> {
    let output = Command::new(programs().join("install.sh"))
        .arg(directory)
        .arg(client.name())
        .stdin(Stdio::null())
        .output()
        .context("run install.sh")?;
    if !output.status.success() {
        bail!(
            "install.sh {client} ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn java_command() -> Result<Vec<OsString>> {
    let class_path = driver_program::compiled(KafkaRelease::V4, "matrix-client", &JAVA_SOURCES)?;
    let arguments =
        ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &class_path];
    Ok(arguments.into_iter().chain(["MatrixClient"]).map(OsString::from).collect())
}

impl Installed {
    /// The command that serves requests about the cluster at `bootstrap`; dies with us.
    pub(super) fn command(&self, bootstrap: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .args(&self.command)
            .arg(bootstrap)
            .envs(self.environment.iter().cloned());
        command
    }
}

/// The directory of the client programs.
fn programs() -> PathBuf {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.parent().expect("this crate lies in tests").join("clients")
}

const JAVA_SOURCES: [Source; 2] = [
    ("MatrixClient.java", include_str!("../../../clients/java/MatrixClient.java")),
    ("Consuming.java", include_str!("../../../clients/java/Consuming.java")),
];
