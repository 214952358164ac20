//! The part of a node's configuration that says what is mirrored from where.

use std::path::PathBuf;

use mirror_node::control_loop::{ConfiguredMirror, EngineSettings, RECENT_BYTES};
use mirror_node::directory_state::belonging::default_mirror_name;
use mirror_node::topic_filter::{FilterError, TopicFilter};
use mirror_uring::affinity::allowed_cpus;
use mirror_uring::{BrokerAddress, ShardLimits};

use super::effective::Effective;
use super::raw::{Bytes, Positive, RawMirror};
use crate::cli::{Cores, NodeArgs, TuningArgs, UncleanElection};
use crate::exit_code::CommandError;
use crate::mirror::limits;
use crate::source_options::read_client_properties;

/// The mirror that was asked for.
pub(super) struct Mirrored {
    pub(super) mirror: ConfiguredMirror,
    pub(super) engine: EngineSettings,
    /// Its topics, as written.
    pub(super) topics: String,
}

/// What to mirror; `None` when nobody asked for a mirror.
pub(super) fn resolve(
    args: &NodeArgs,
    file: Option<RawMirror>,
    effective: &mut Effective,
) -> Result<Option<Mirrored>, CommandError> {
    let asked = !args.mirror_from.is_empty()
        || args.topics.is_some()
        || args.exclude.is_some()
        || args.command_config.is_some();
    if file.is_none() && !asked {
        return Ok(None);
    }
    let mut file = file.unwrap_or_default();
    let name = file.name.take().map(|name| name.0);
    let name = effective.pick("mirror.name", None, name, default_mirror_name());
    let mut source = Source { args, effective };
    let properties_file = source.command_config(file.command_config.take());
    let mut properties = read_client_properties(properties_file.as_deref())?;
    let servers =
        file.bootstrap_servers.take().map(|list| list.into_iter().map(|at| at.0).collect());
    properties.bootstrap_servers = source.servers(servers, properties.bootstrap_servers);
    if properties.bootstrap_servers.is_empty() {
        return Err(CommandError::usage(NO_SOURCE));
    }
    let topics = source.topics(file.topics.take()).ok_or_else(|| CommandError::usage(NO_TOPICS))?;
    let exclude = source.exclude(file.exclude.take());
    let effective = source.effective;
    let policy = file.on_unclean_election;
    let policy =
        effective.pick("mirror.on_unclean_election", None, policy, UncleanElection::Truncate);
    let cores = file.cores.take().map(|cores| Some(cores.0));
    let cores: Option<Cores> = effective.pick("mirror.cores", None, cores, None);
    check_cores(cores.as_ref())?;
    let buffered = effective.pick("mirror.buffered", None, file.buffered, false);
    let tuning = tuning(&file, effective)?;
    let recent = file.recent_bytes.map(|bytes| bytes.0);
    let recent_bytes = effective.pick("mirror.recent_bytes", None, recent, RECENT_BYTES);
    let mirror = ConfiguredMirror {
        name,
        properties,
        filter: filter(&topics, exclude.as_deref())?,
        unclean_election: policy.into(),
    };
    let engine = EngineSettings {
        cores: cores.map(|cores| cores.0).unwrap_or_default(),
        limits: limits(&tuning, buffered, SLAB_HINT)?,
        recent_bytes,
    };
    Ok(Some(Mirrored { mirror, engine, topics }))
}

/// What both the command line and the file may say of the source.
struct Source<'a> {
    args: &'a NodeArgs,
    effective: &'a mut Effective,
}

impl Source<'_> {
    fn command_config(&mut self, file: Option<PathBuf>) -> Option<PathBuf> {
        let given = self.args.command_config.clone().map(Some);
        self.effective.pick("mirror.command_config", given, file.map(Some), None)
    }

    fn servers(
        &mut self,
        file: Option<Vec<BrokerAddress>>,
        of_properties: Vec<BrokerAddress>,
    ) -> Vec<BrokerAddress> {
        let given = Some(self.args.mirror_from.clone()).filter(|given| !given.is_empty());
        self.effective.pick("mirror.bootstrap_servers", given, file, of_properties)
    }

    fn topics(&mut self, file: Option<String>) -> Option<String> {
        let given = self.args.topics.clone().map(Some);
        self.effective.pick("mirror.topics", given, file.map(Some), None)
    }

    fn exclude(&mut self, file: Option<String>) -> Option<String> {
        let given = self.args.exclude.clone().map(Some);
        self.effective.pick("mirror.exclude", given, file.map(Some), None)
    }
}

fn tuning(file: &RawMirror, effective: &mut Effective) -> Result<TuningArgs, CommandError> {
    let standard = ShardLimits::STANDARD;
    let mut pick = |key: &str, file: Option<u64>, default: u64| {
        effective.pick(&format!("mirror.{key}"), None, file, default)
    };
    let count = |number: Option<Positive>| number.map(|number| u64::from(number.0));
    let size = |size: Option<Bytes>| size.map(|size| size.0);
    let sync_interval_ms =
        pick("sync_interval_ms", count(file.sync_interval_ms), standard.sync_interval_ms);
    let sync_bytes = pick("sync_bytes", size(file.sync_bytes), standard.sync_bytes);
    let connections = pick(
        "connections_per_broker",
        count(file.connections_per_broker),
        standard.connections_per_broker.into(),
    );
    let fetches = pick(
        "fetches_per_connection",
        count(file.fetches_per_connection),
        standard.fetches_per_connection.into(),
    );
    let batch =
        pick("batch_bytes_max", size(file.batch_bytes_max), standard.batch_bytes_max.into());
    let slab = size(file.slab_bytes).map(Some);
    let slab_bytes = effective.pick("mirror.slab_bytes", None, slab, None);
    Ok(TuningArgs {
        sync_interval_ms,
        sync_bytes,
        connections_per_broker: within("connections_per_broker", connections, 64)?,
        fetches_per_connection: within("fetches_per_connection", fetches, 16)?,
        batch_bytes_max: within("batch_bytes_max", batch, BATCH_BYTES_MAX)?,
        slab_bytes,
    })
}

fn filter(topics: &str, exclude: Option<&str>) -> Result<TopicFilter, CommandError> {
    let of_key = |key: &str, error: FilterError| CommandError::usage(format!("{key}: {error}"));
    // Alone first: an error of both does not say whose it is.
    TopicFilter::new(topics, None).map_err(|error| of_key("mirror.topics", error))?;
    TopicFilter::new(topics, exclude).map_err(|error| of_key("mirror.exclude", error))
}

/// Refuses CPUs that the engine could not run on.
fn check_cores(cores: Option<&Cores>) -> Result<(), CommandError> {
    let allowed = allowed_cpus();
    let named = cores.iter().flat_map(|cores| &cores.0);
    match named.copied().find(|core| !allowed.contains(core)) {
        Some(core) => Err(CommandError::usage(format!(
            "mirror.cores names CPU {core}, this process may use {allowed:?}"
        ))),
        None => Ok(()),
    }
}

fn within(key: &str, value: u64, most: u32) -> Result<u32, CommandError> {
    let fitting = u32::try_from(value).ok().filter(|value| *value <= most);
    fitting.ok_or_else(|| {
        CommandError::usage(format!("mirror.{key} is {value}, at most {most} is possible"))
    })
}

const BATCH_BYTES_MAX: u32 = mirror_node::source_connection::VERIFIABLE_BATCH_BYTES_MAX;
const SLAB_HINT: &str =
    "raise mirror.slab_bytes (a buffer is 1 MiB) or lower mirror.batch_bytes_max";
const NO_SOURCE: &str = "\
no source to mirror from: name a broker with --mirror-from HOST:PORT, with bootstrap_servers in \
the section [mirror], or with bootstrap.servers in the file of command_config";
const NO_TOPICS: &str =
    "no topics to mirror: say which with --topics REGEX, or with topics in the section [mirror]";
