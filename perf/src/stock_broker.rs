//! A stock Kafka broker as it is shipped: the options of `kafka-server-start.sh`, nothing tuned.
//!
//! The brokers of the tests run with a small heap and the first compiler only, which is right for
//! short lives and would be unfair here.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use harness::server_properties::{ServerProperties, random_id};
use harness::{KafkaRelease, kafka_jars, run_tool};

use crate::server_process::{ServerKind, ServerProcess, free_address};

/// The release measured against.
pub const RELEASE: KafkaRelease = KafkaRelease::V4;

/// Starts a broker on a directory that `ringmirror handover` made.
///
/// # Errors
/// When it cannot be started.
pub fn start_on(server_properties: &str, directory: &Path) -> Result<ServerProcess> {
    let path = directory.with_extension("handover.properties");
    fs::write(&path, server_properties)?;
    start(ServerProperties::read(&path)?, directory)
}

/// Formats an empty directory and starts a broker on it.
///
/// # Errors
/// When it cannot be formatted or started.
pub fn start_new(directory: &Path) -> Result<ServerProcess> {
    Ok(start_first(directory)?.0)
}

/// Where a broker runs.
#[derive(Clone, Debug)]
pub struct BrokerPlace {
    /// Where it listens.
    pub host: IpAddr,
    /// What its command line begins with: a way into another network.
    pub run_by: Vec<String>,
}

impl BrokerPlace {
    /// Loopback.
    #[must_use]
    pub const fn here() -> Self {
        Self { host: IpAddr::V4(Ipv4Addr::LOCALHOST), run_by: Vec::new() }
    }
}

/// What further brokers of a cluster are to know of it.
#[derive(Clone, Debug)]
pub struct ClusterIdentity {
    id: String,
    voter: String,
}

/// The same, as the first broker of a cluster, with id 1, and its controller.
///
/// # Errors
/// When it cannot be formatted or started.
pub fn start_first(directory: &Path) -> Result<(ServerProcess, ClusterIdentity)> {
    start_first_at(directory, &BrokerPlace::here(), &[])
}

/// The same elsewhere, with what `settings` say beside the defaults.
///
/// # Errors
/// When it cannot be formatted or started.
pub fn start_first_at(
    directory: &Path,
    place: &BrokerPlace,
    settings: &[(&str, &str)],
) -> Result<(ServerProcess, ClusterIdentity)> {
    let mut properties = ServerProperties::default();
    properties.set("node.id", "1");
    let address = listen(&mut properties, place.host)?;
    for (key, value) in settings {
        properties.set(key, *value);
    }
    let voter = properties.get("controller.quorum.voters").context("it was set")?.to_owned();
    let cluster = ClusterIdentity { id: random_id()?, voter };
    let broker = format_and_start(&cluster, address, properties, directory, &place.run_by)?;
    Ok((broker, cluster))
}

/// Formats an empty directory and starts a broker on it that joins the cluster, with what
/// `settings` say beside the defaults.
///
/// # Errors
/// When it cannot be formatted or started.
pub fn start_joining(
    cluster: &ClusterIdentity,
    node_id: i32,
    directory: &Path,
    settings: &[(&str, &str)],
) -> Result<ServerProcess> {
    let mut properties = ServerProperties::default();
    properties.set("node.id", node_id.to_string());
    let address = free_address()?;
    set_place(&mut properties, address, None, &cluster.voter);
    for (key, value) in settings {
        properties.set(key, *value);
    }
    format_and_start(cluster, address, properties, directory, &[])
}

fn format_and_start(
    cluster: &ClusterIdentity,
    address: SocketAddr,
    mut properties: ServerProperties,
    directory: &Path,
    run_by: &[String],
) -> Result<ServerProcess> {
    properties.set("log.dirs", directory.display().to_string());
    for (key, value) in SOON_GONE {
        properties.set(key, value);
    }
    let path = directory.with_extension("format.properties");
    properties.write(&path)?;
    let path = path.display().to_string();
    let args = ["format", "--cluster-id", &cluster.id, "--config", &path];
    run_tool(RELEASE, "kafka.tools.StorageTool", &args)?;
    run(address, &properties, directory, run_by)
}

/// Runs one of Kafka's programs to its end and returns what it printed.
///
/// # Errors
/// When it fails; what it said is in the error.
pub fn run_client(main_class: &str, args: &[&str]) -> Result<String> {
    let jars = kafka_jars::class_path(&kafka_jars::fetch(RELEASE)?);
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "java", "-Xmx512m"])
        .args(PERFORMANCE_OPTIONS)
        .args(["-cp", &jars, main_class])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {main_class}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{main_class} {args:?}: {}: {told}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn start(mut properties: ServerProperties, directory: &Path) -> Result<ServerProcess> {
    let place = BrokerPlace::here();
    let address = listen(&mut properties, place.host)?;
    run(address, &properties, directory, &place.run_by)
}

fn run(
    address: SocketAddr,
    properties: &ServerProperties,
    directory: &Path,
    run_by: &[String],
) -> Result<ServerProcess> {
    let path = directory.with_extension("server.properties");
    properties.write(&path)?;
    let mut command = run_by.to_vec();
    command.push("java".to_owned());
    command.extend(HEAP_OPTIONS.iter().chain(&PERFORMANCE_OPTIONS).map(|&each| each.to_owned()));
    let jars = kafka_jars::class_path(&kafka_jars::fetch(RELEASE)?);
    command.extend(["-cp".to_owned(), jars, "kafka.Kafka".to_owned(), path.display().to_string()]);
    let output = directory.with_extension("stock.out");
    ServerProcess::start(ServerKind::Stock, &command, address, output)
}

/// One node that is broker and controller, on free ports, with one replica of what is internal.
fn listen(properties: &mut ServerProperties, host: IpAddr) -> Result<SocketAddr> {
    // Elsewhere is nobody else.
    let free = || free_address().map(|address| SocketAddr::new(host, address.port()));
    let (broker, controller) = (free()?, free()?);
    let id = properties.get("node.id").context("server.properties: no node.id")?.to_owned();
    set_place(properties, broker, Some(controller), &format!("{id}@{controller}"));
    for (key, value) in ALONE {
        properties.set(key, value);
    }
    Ok(broker)
}

/// Where a broker listens, and where it finds the cluster's controller, which may be itself.
fn set_place(
    properties: &mut ServerProperties,
    broker: SocketAddr,
    controller: Option<SocketAddr>,
    voter: &str,
) {
    let listener = format!("PLAINTEXT://{broker}");
    let (roles, listeners) = match controller {
        Some(controller) => ("broker,controller", format!("{listener},CONTROLLER://{controller}")),
        None => ("broker", listener.clone()),
    };
    properties.set("process.roles", roles);
    properties.set("listeners", listeners);
    properties.set("advertised.listeners", listener);
    properties.set("controller.listener.names", "CONTROLLER");
    properties.set("listener.security.protocol.map", PROTOCOLS);
    properties.set("controller.quorum.voters", voter);
    // Generated records bear old times: half a minute after the start all would go.
    properties.set("log.retention.ms", "-1");
}

/// What is internal has one replica, and groups begin at once.
const ALONE: [(&str, &str); 6] = [
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// What is deleted goes in half a second, not in a minute, and from the start: the next measurement
/// waits for it.
const SOON_GONE: [(&str, &str); 2] =
    [("log.segment.delete.delay.ms", "500"), ("log.initial.task.delay.ms", "500")];
/// Both kinds of listeners, in the clear.
const PROTOCOLS: &str = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT";
/// `KAFKA_HEAP_OPTS` of `kafka-server-start.sh`.
const HEAP_OPTIONS: [&str; 2] = ["-Xmx1G", "-Xms1G"];
/// `KAFKA_JVM_PERFORMANCE_OPTS` of `kafka-run-class.sh`.
pub(crate) const PERFORMANCE_OPTIONS: [&str; 7] = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];
