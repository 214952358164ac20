//! Commands about the mirrors of a running node.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// The node to ask.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClusterArgs {
    /// The cluster that mirrors: host:port of a node; several separated by commas.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', required = true)]
    pub(crate) bootstrap_server: Vec<String>,
    /// Client configuration in Kafka's .properties format.
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
}

/// The flags of Kafka's `kafka-cluster-mirrors.sh` (KIP-1279), and `--confirm` and `--yes`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("action").required(true).args([
    "create", "start", "stop", "pause", "resume", "recover", "delete", "list", "describe",
])))]
pub(crate) struct ClusterMirrorsArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Make a mirror: a name and how to reach its source.
    #[arg(long, help_heading = "Actions", requires = "mirror_config")]
    pub(crate) create: bool,
    /// Start to mirror topics, now and when they appear at the source.
    #[arg(long, help_heading = "Actions", requires = "topics")]
    pub(crate) start: bool,
    /// Stop mirroring topics and make them writable here: the failover.
    #[arg(long, help_heading = "Actions", requires = "topics")]
    pub(crate) stop: bool,
    /// Hold mirroring of topics; they stay read-only.
    #[arg(long, help_heading = "Actions", requires = "topics")]
    pub(crate) pause: bool,
    /// Go on with topics that are paused.
    #[arg(long, help_heading = "Actions", requires = "topics")]
    pub(crate) resume: bool,
    /// Try failed partitions of topics again, those too that no retry helps.
    #[arg(long, help_heading = "Actions", requires = "topics")]
    pub(crate) recover: bool,
    /// Delete a mirror whose topics are all stopped; the topics stay.
    #[arg(long, help_heading = "Actions")]
    pub(crate) delete: bool,
    /// List the mirrors.
    #[arg(long, help_heading = "Actions", conflicts_with = "mirror")]
    pub(crate) list: bool,
    /// Show every partition of a mirror, or of all.
    #[arg(long, help_heading = "Actions")]
    pub(crate) describe: bool,
    /// The mirror.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present_any = ["list", "describe"],
        allow_hyphen_values = true,
        value_parser = mirror_name,
    )]
    pub(crate) mirror: Option<String>,
    /// Settings of the new mirror in .properties format; bootstrap.servers at least.
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_CREATE)]
    pub(crate) mirror_config: Option<PathBuf>,
    /// Names of topics, or regular expressions that match whole names, separated by commas.
    #[arg(long, value_name = "LIST", conflicts_with_all = NOT_OF_TOPICS)]
    pub(crate) topics: Option<String>,
    /// Topics to leave out, although --topics matches them.
    #[arg(long, value_name = "LIST", conflicts_with_all = NOT_START)]
    pub(crate) exclude: Option<String>,
    /// Only partitions that failed, with the reason.
    #[arg(long, conflicts_with_all = NOT_DESCRIBE)]
    pub(crate) failed: bool,
    /// Start although records that are only here will go; `ringmirror plan` says which.
    #[arg(long, conflicts_with_all = NOT_START)]
    pub(crate) confirm: bool,
    /// Do not ask before stopping or deleting.
    #[arg(long, conflicts_with_all = NOT_ASKING)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Only this mirror.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = mirror_name)]
    pub(crate) mirror: Option<String>,
    /// Look again and again, with so many seconds between.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) watch: Option<u64>,
    /// A partition further behind than this is not safe to fail over.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(0..=86_400),
    )]
    pub(crate) max_lag: u64,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["start", "failback"])))]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// What `cluster-mirrors --start` would do.
    #[arg(long)]
    pub(crate) start: bool,
    /// What `failback` would do; the mirror has to exist.
    #[arg(long)]
    pub(crate) failback: bool,
    /// The mirror.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = mirror_name)]
    pub(crate) mirror: String,
    /// Names of topics, or regular expressions that match whole names, separated by commas.
    #[arg(long, value_name = "LIST")]
    pub(crate) topics: String,
    /// Topics to leave out, although --topics matches them.
    #[arg(long, value_name = "LIST")]
    pub(crate) exclude: Option<String>,
}

/// Which topics of a mirror.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ChosenTopics {
    /// All of them.
    #[arg(long)]
    pub(crate) all: bool,
    /// Names of topics, or regular expressions that match whole names, separated by commas.
    #[arg(long, value_name = "LIST")]
    pub(crate) topics: Option<String>,
}

impl ChosenTopics {
    /// As a list of patterns.
    pub(crate) fn patterns(&self) -> &str {
        self.topics.as_deref().unwrap_or(ALL_TOPICS)
    }
}

/// What a failover and a failback have in common: topics of a mirror that come to a state.
#[derive(Debug, Args)]
pub(crate) struct MovedTopics<const WAIT_SECONDS: u64> {
    #[command(flatten)]
    pub(crate) chosen: ChosenTopics,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// How long to wait until every partition is there; without a number for as long as it takes.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_value_t = WAIT_SECONDS,
        default_missing_value = "31536000",
        value_parser = clap::value_parser!(u64).range(0..=31_536_000),
    )]
    pub(crate) wait: u64,
}

#[derive(Debug, Args)]
pub(crate) struct FailoverArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// The mirror.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = mirror_name)]
    pub(crate) mirror: String,
    #[command(flatten)]
    pub(crate) moved: MovedTopics<60>,
}

#[derive(Debug, Args)]
pub(crate) struct FailbackArgs {
    /// The cluster to go back to, the old primary: host:port of a node.
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// The cluster that took over, the new primary: host:port of a node.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', required = true)]
    pub(crate) from: Vec<String>,
    /// The mirror on the old primary that copies from the new one; made when it is missing.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = mirror_name)]
    pub(crate) mirror: String,
    /// Go on although records go that no position of the new primary speaks for.
    #[arg(long)]
    pub(crate) confirm: bool,
    #[command(flatten)]
    pub(crate) moved: MovedTopics<300>,
}

/// Takes a name such as `-m`, which the rule allows, and not the flag behind a `--mirror` without
/// one.
fn mirror_name(text: &str) -> Result<String, String> {
    if text.starts_with("--") {
        return Err("a name that begins with -- is taken for a flag: no name was given".to_owned());
    }
    Ok(text.to_owned())
}

/// The actions that some flags do not belong to.
const NOT_CREATE: [&str; 8] =
    ["start", "stop", "pause", "resume", "recover", "delete", "list", "describe"];
const NOT_START: [&str; 8] =
    ["create", "stop", "pause", "resume", "recover", "delete", "list", "describe"];
const NOT_DESCRIBE: [&str; 8] =
    ["create", "start", "stop", "pause", "resume", "recover", "delete", "list"];
const NOT_ASKING: [&str; 7] = ["create", "start", "pause", "resume", "recover", "list", "describe"];
const NOT_OF_TOPICS: [&str; 4] = ["create", "delete", "list", "describe"];

/// Every topic that is not internal.
const ALL_TOPICS: &str = ".*";

pub(crate) const CLUSTER_MIRRORS_EXAMPLES: &str = "\
Examples:
  ringmirror cluster-mirrors --bootstrap-server node-b:9092 --create --mirror from-a \\
      --mirror-config from-a.properties
  ringmirror cluster-mirrors --bootstrap-server node-b:9092 --start --mirror from-a \\
      --topics 'orders-.*' --exclude orders-internal
  ringmirror cluster-mirrors --bootstrap-server node-b:9092 --describe --mirror from-a --json
  ringmirror cluster-mirrors --bootstrap-server node-b:9092 --describe --failed
  ringmirror cluster-mirrors --bootstrap-server node-b:9092 --stop --mirror from-a --topics '.*'
  ringmirror cluster-mirrors --bootstrap-server node-b:9092 --delete --mirror from-a

from-a.properties has one line at least: bootstrap.servers=node-a:9092";

pub(crate) const STATUS_EXAMPLES: &str = "\
Examples:
  ringmirror status --bootstrap-server node-b:9092
  ringmirror status --bootstrap-server node-b:9092 --mirror from-a --watch 2

Ends with 0 when it is safe to fail over now, or all was failed over already; else with 1.";

pub(crate) const PLAN_EXAMPLES: &str = "\
Examples:
  ringmirror plan --start --bootstrap-server node-b:9092 --mirror from-a --topics 'orders-.*'
  ringmirror plan --failback --bootstrap-server node-a:9092 --mirror from-b --topics '.*'

Changes nothing. Ends with 1 when the start would be refused without --confirm.";

pub(crate) const FAILOVER_EXAMPLES: &str = "\
Examples:
  ringmirror failover --bootstrap-server node-b:9092 --mirror from-a --all
  ringmirror failover --bootstrap-server node-b:9092 --mirror from-a --topics 'orders-.*' --yes

The source need not answer. What was not copied from it yet is lost for those who go on here.";

pub(crate) const FAILBACK_EXAMPLES: &str = "\
Examples:
  ringmirror failback --bootstrap-server node-a:9092 --from node-b:9092 --mirror from-b --all
  ringmirror failback --bootstrap-server node-a:9092 --from node-b:9092 --mirror from-b \\
      --topics 'orders-.*' --confirm --yes

Cuts the old primary's logs to where the new one took over, and mirrors what was written since.
To switch clients back then: stop producers, wait for `ringmirror status` to say that nothing is
missing, `ringmirror failover` on the old primary.";
