//! A node's configuration: command line over file over defaults, every value checked before
//! anything begins.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use group_coordinator::coordinator::GroupSettings;
use group_coordinator::limits::GROUP_MEMBERS_MAX;
use kafka_wire::partition::BrokerId;
use mirror_coordinator::mirror_node_config::{GROUP_OFFSETS_INTERVAL, MirrorNodeConfig};
use mirror_coordinator::retry::RetryPolicy;
use mirror_node::control_loop::EngineSettings;
use mirror_node::node_run::{NodeConfig, advertised_by_default};
use mirror_uring::BrokerAddress;

use crate::cli::NodeArgs;
use crate::exit_code::CommandError;
use effective::Effective;
use raw::{MirroredWriteError, RawConfig, RawGroups};

mod authorizer;
pub(crate) mod effective;
mod limits;
mod memory;
mod mirrored;
use mirrored::Mirrored;
mod raw;

/// A configuration that a node can be started with.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// What to start.
    pub(crate) config: NodeConfig,
    /// What the values are and where they came from.
    pub(crate) effective: Effective,
    /// Which topics are mirrored, as written.
    pub(crate) topics: Option<String>,
}

/// Reads the file that the command line names, and puts the command line over it.
pub(crate) fn resolve(args: &NodeArgs) -> Result<Resolved, CommandError> {
    let raw = args.config.as_deref().map_or_else(|| Ok(RawConfig::default()), read)?;
    let (mut effective, mut of_mirror) = (Effective::default(), Effective::default());
    let recent_is_asked = raw.mirror.as_ref().is_some_and(|mirror| mirror.recent_bytes.is_some());
    let data_dir =
        effective.pick("data_dir", args.data_dir.clone().map(Some), raw.data_dir.map(Some), None);
    let data_dir: PathBuf = data_dir.ok_or_else(|| CommandError::usage(NO_DATA_DIR))?;
    let file = raw.listen.map(|listen| listen.0);
    let listen = effective.pick("listen", args.listen.clone(), file, default_listen());
    let file = raw.advertised.map(|advertised| advertised.0);
    let by_default = advertised_by_default(&listen);
    let advertised =
        effective.pick("advertised", args.advertised.clone(), file, by_default.clone());
    let node_id = effective.pick("node_id", args.node_id, raw.node_id.map(|id| id.0), 1);
    let node_id = BrokerId::from_wire(node_id)
        .ok_or_else(|| CommandError::usage("node_id is a number from 0"))?;
    let file = raw.network_threads.map(|count| usize::from(count.0));
    let network_threads = effective.pick("network_threads", None, file, default_threads());
    let by_default_error = MirroredWriteError::default();
    let mirrored = mirrored::resolve(args, raw.mirror, &mut of_mirror)?;
    let (mirror, engine, topics) = match mirrored {
        Some(Mirrored { mirror, engine, topics }) => (Some(mirror), engine, Some(topics)),
        None => (None, EngineSettings::default(), None),
    };
    let said = (args.memory_bytes_max, raw.memory_bytes_max);
    let memory = memory::resolve(said, &engine, recent_is_asked, &mut effective)?;
    let refusal =
        effective.pick("mirrored_write_error", None, raw.mirrored_write_error, by_default_error);
    let authorizer = authorizer::resolve(
        raw.authorizer,
        raw.super_users,
        raw.allow_everyone_if_no_acl_found,
        &mut effective,
    )?;
    let file = raw.metrics.listen.map(|listen| Some(listen.0));
    let metrics_listen = effective.pick("metrics.listen", None, file, None);
    let groups = groups(&raw.groups, &mut effective)?;
    let broker_settings = broker_settings(&raw.groups, &mut effective);
    let limits = limits::resolve(&raw.limits, &mut effective)?;
    effective.add(of_mirror.with("mirror.recent_bytes", memory.recent_bytes));
    let config = NodeConfig {
        data_dir,
        // A port that the system chooses is known only when the node listens.
        advertised: Some(advertised).filter(|advertised| *advertised != by_default),
        listen,
        node_id,
        network_threads,
        limits,
        mirrored_write_error: refusal.code(),
        authorizer,
        metrics_listen,
        groups,
        mirror,
        broker_settings,
        memory,
        engine,
        retry: RetryPolicy::default(),
        seed: u64::from(std::process::id()),
    };
    Ok(Resolved { config, effective, topics })
}

fn read(path: &Path) -> Result<RawConfig, CommandError> {
    let at = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("cannot read {at}: {error}")))?;
    toml::from_str(&text).map_err(|error| {
        let error = without_credentials(&error.to_string());
        CommandError::usage(format!("{at}: {error}"))
    })
}

/// An error that shows a line of the file, without what stands before an `@` in quotes: people
/// write passwords into addresses.
fn without_credentials(text: &str) -> String {
    let masked = text.lines().map(|line| match (line.find(['"', '\'']), line.rfind('@')) {
        (Some(quote), Some(at)) if quote < at => format!("{}***{}", &line[..=quote], &line[at..]),
        _ => line.to_owned(),
    });
    masked.collect::<Vec<_>>().join("\n")
}

/// Whoever wants strangers to connect says so.
fn default_listen() -> BrokerAddress {
    BrokerAddress { host: "127.0.0.1".into(), port: 9092 }
}

/// As many threads as there are cores, but no more than serving needs.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(NETWORK_THREADS_MAX)
}

fn groups(raw: &RawGroups, effective: &mut Effective) -> Result<GroupSettings, CommandError> {
    let default = GroupSettings::default();
    let mut pick = |key: &str, file: Option<u32>, default: u64| {
        effective.pick(&format!("groups.{key}"), None, file.map(u64::from), default)
    };
    let initial_rebalance_delay_ms = pick(
        "initial_rebalance_delay_ms",
        raw.initial_rebalance_delay_ms,
        default.initial_rebalance_delay_ms,
    );
    let session = raw.consumer_session_timeout_ms.map(|time| time.0);
    let session = pick("consumer_session_timeout_ms", session, default.consumer_session_timeout_ms);
    let heartbeat = raw.consumer_heartbeat_interval_ms.map(|time| time.0);
    let default_heartbeat = u64::from(default.consumer_heartbeat_interval_ms);
    let heartbeat = pick("consumer_heartbeat_interval_ms", heartbeat, default_heartbeat);
    let heartbeat = u32::try_from(heartbeat).ok().filter(|_| heartbeat < session);
    let heartbeat = heartbeat.ok_or_else(|| {
        let text = "groups.consumer_heartbeat_interval_ms must be below \
                    groups.consumer_session_timeout_ms, or members are lost between two of them";
        CommandError::usage(text)
    })?;
    let members = raw.members_max.map(|count| count.0);
    let members = narrow(pick("members_max", members, wide(default.group_members_max)));
    if members > GROUP_MEMBERS_MAX {
        let text = format!("groups.members_max is {members}, at most {GROUP_MEMBERS_MAX}");
        return Err(CommandError::usage(text));
    }
    let minutes = raw.offsets_retention_minutes.map(|minutes| minutes.0);
    let default_minutes = default.offsets_retention_ms / MINUTE_MS;
    Ok(GroupSettings {
        initial_rebalance_delay_ms,
        consumer_session_timeout_ms: session,
        consumer_heartbeat_interval_ms: heartbeat,
        group_members_max: members,
        bytes_max: default.bytes_max,
        offsets_retention_ms: pick("offsets_retention_minutes", minutes, default_minutes)
            * MINUTE_MS,
    })
}

/// Settings of a broker that the file makes.
fn broker_settings(raw: &RawGroups, effective: &mut Effective) -> BTreeMap<String, String> {
    let file = raw.mirrored_offsets_interval_ms.map(u64::from);
    let default = MirrorNodeConfig::default().group_offsets_ms;
    let interval = effective.pick("groups.mirrored_offsets_interval_ms", None, file, default);
    // A default is told as one to those who describe the broker.
    let made = file.map(|_| (GROUP_OFFSETS_INTERVAL.to_owned(), interval.to_string()));
    made.into_iter().collect()
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A configuration file with every key, its unit, its default and its meaning.
pub(crate) const EXAMPLE: &str = include_str!("../node.example.toml");

const NETWORK_THREADS_MAX: usize = 4;
const MINUTE_MS: u64 = 60_000;
const NO_DATA_DIR: &str =
    "no data directory: name one with --data-dir DIR, or with data_dir in the file of --config";

#[cfg(test)]
mod tests;
