//! What each node of a new cluster is: roles, ports, configuration, formatted directory.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::authorizer;
use crate::kafka_cluster::{CONTROLLER_ID, ClusterOptions};
use crate::kafka_jars;
use crate::kafka_release::KafkaRelease;
use crate::kafka_tool::tool_command;
use crate::server_properties::{ServerProperties, free_ports};

/// A node before its first start.
#[derive(Debug)]
pub(crate) struct PlannedNode {
    pub(crate) id: i32,
    pub(crate) port: u16,
    /// Where users are told apart, when there is an authorizer.
    pub(crate) user_port: Option<u16>,
    pub(crate) properties: ServerProperties,
}

/// Where the listeners of a node are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) broker: u16,
    pub(crate) controller: u16,
    pub(crate) users: Option<u16>,
}

/// Plans the nodes of a cluster in `work_dir`.
pub(crate) fn plan_nodes(options: &ClusterOptions, work_dir: &Path) -> Result<Vec<PlannedNode>> {
    let mut ids: Vec<i32> = (1..=options.brokers).collect();
    let controller = if options.separate_controller { CONTROLLER_ID } else { 1 };
    if options.separate_controller {
        ids.push(CONTROLLER_ID);
    }
    let mut ports = free_ports(2 * ids.len() + 1)?;
    let controller_port = ports.pop().context("no port for the controller")?;
    let user_ports = ports.split_off(ids.len());
    let voters = format!("{controller}@{HOST}:{controller_port}");
    let plan = |(id, (port, user_port)): (i32, (u16, u16))| {
        let mut properties = base_properties(id, options.brokers, work_dir);
        let roles = match (id == controller, options.separate_controller) {
            (true, true) => "controller",
            (true, false) => "broker,controller",
            (false, _) => "broker",
        };
        let user_port = options.authorizer.then_some(user_port);
        let ports = Ports { broker: port, controller: controller_port, users: user_port };
        set_listeners(&mut properties, roles, ports);
        properties.set("controller.quorum.voters", &*voters);
        for (key, value) in &options.configs {
            properties.set(key, &**value);
        }
        PlannedNode { id, port, user_port, properties }
    };
    Ok(ids.into_iter().zip(ports.into_iter().zip(user_ports)).map(plan).collect())
}

impl PlannedNode {
    /// Formats its log directory with the release's own tool.
    pub(crate) fn format(
        &self,
        release: KafkaRelease,
        work_dir: &Path,
        cluster_id: &str,
    ) -> Result<()> {
        let path = properties_path(work_dir, self.id);
        self.properties.write(&path)?;
        let jars = kafka_jars::fetch(release)?;
        let output = tool_command(&kafka_jars::class_path(&jars))
            .args(["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .context("run StorageTool")?;
        if !output.status.success() {
            bail!(
                "StorageTool could not format node {}:\n{}{}",
                self.id,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

fn base_properties(id: i32, brokers: i32, work_dir: &Path) -> ServerProperties {
    let mut properties = ServerProperties::default();
    properties.set("node.id", id.to_string());
    properties.set("log.dirs", work_dir.join(format!("data-{id}")).display().to_string());
    let internal_replicas = brokers.min(2).to_string();
    for key in [
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "share.coordinator.state.topic.replication.factor",
    ] {
        properties.set(key, &*internal_replicas);
    }
    for (key, value) in SMALL_AND_FAST {
        properties.set(key, value);
    }
    properties
}

/// Puts the roles and loopback listeners of a node into its configuration.
pub(crate) fn set_listeners(properties: &mut ServerProperties, roles: &str, ports: Ports) {
    let users = ports.users.map(|port| format!(",{}://{HOST}:{port}", authorizer::USERS));
    let users = users.unwrap_or_default();
    let broker = format!("PLAINTEXT://{HOST}:{}{users}", ports.broker);
    let controller = format!("CONTROLLER://{HOST}:{}", ports.controller);
    let listeners = match roles {
        "controller" => controller,
        "broker" => broker,
        _ => format!("{broker},{controller}"),
    };
    properties.set("process.roles", roles);
    properties.set("listeners", listeners);
    properties.set("controller.listener.names", "CONTROLLER");
    properties.set("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
    if ports.users.is_some() {
        authorizer::configure(properties);
    }
}

/// Where the configuration of a node lies.
pub(crate) fn properties_path(work_dir: &Path, id: i32) -> PathBuf {
    work_dir.join(format!("server-{id}.properties"))
}

/// Everything listens here only.
pub(crate) const HOST: &str = "127.0.0.1";

/// Defaults that make a small cluster start, notice losses and settle quickly.
const SMALL_AND_FAST: [(&str, &str); 12] = [
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("offsets.topic.num.partitions", "1"),
    ("transaction.state.log.num.partitions", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("auto.create.topics.enable", "false"),
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    ("replica.lag.time.max.ms", "3000"),
    ("log.cleaner.backoff.ms", "200"),
    ("log.cleaner.dedupe.buffer.size", "4194304"),
    ("log.initial.task.delay.ms", "500"),
];
