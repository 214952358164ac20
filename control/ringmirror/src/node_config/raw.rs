//! A node's configuration file as it is written.

use std::fmt;
use std::path::PathBuf;

use mirror_coordinator::mirror_name::MirrorName;
use mirror_node::client_properties::parse_address;
use mirror_uring::BrokerAddress;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::cli::{Cores, UncleanElection, parse_bytes, parse_cores, parse_listen};

/// The whole file; a key that is not here is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) listen: Option<Listen>,
    pub(super) advertised: Option<Address>,
    pub(super) node_id: Option<NodeId>,
    pub(super) network_threads: Option<Threads>,
    pub(super) memory_bytes_max: Option<Bytes>,
    pub(super) mirrored_write_error: Option<MirroredWriteError>,
    pub(super) authorizer: Option<AuthorizerKind>,
    pub(super) super_users: Option<Vec<String>>,
    pub(super) allow_everyone_if_no_acl_found: Option<bool>,
    pub(super) mirror: Option<RawMirror>,
    #[serde(default)]
    pub(super) metrics: RawMetrics,
    #[serde(default)]
    pub(super) groups: RawGroups,
    #[serde(default)]
    pub(super) limits: RawLimits,
}

/// The section `[metrics]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetrics {
    pub(super) listen: Option<Listen>,
}

/// The section `[groups]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGroups {
    pub(super) initial_rebalance_delay_ms: Option<u32>,
    pub(super) consumer_session_timeout_ms: Option<Positive>,
    pub(super) consumer_heartbeat_interval_ms: Option<Positive>,
    pub(super) members_max: Option<Positive>,
    pub(super) offsets_retention_minutes: Option<Positive>,
    pub(super) mirrored_offsets_interval_ms: Option<u32>,
}

/// The section `[mirror]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMirror {
    pub(super) name: Option<Name>,
    pub(super) bootstrap_servers: Option<Vec<Address>>,
    pub(super) command_config: Option<PathBuf>,
    pub(super) topics: Option<String>,
    pub(super) exclude: Option<String>,
    pub(super) on_unclean_election: Option<UncleanElection>,
    pub(super) cores: Option<Cpus>,
    pub(super) buffered: Option<bool>,
    pub(super) sync_interval_ms: Option<Positive>,
    pub(super) sync_bytes: Option<Bytes>,
    pub(super) connections_per_broker: Option<Positive>,
    pub(super) fetches_per_connection: Option<Positive>,
    pub(super) batch_bytes_max: Option<Bytes>,
    pub(super) slab_bytes: Option<Bytes>,
    pub(super) recent_bytes: Option<Bytes>,
}

/// The section `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) connections_max: Option<Positive>,
    pub(super) request_bytes_max: Option<Bytes>,
    pub(super) requests_bytes_max: Option<Bytes>,
    pub(super) decoding_bytes_max: Option<Bytes>,
    pub(super) produce_decompressed_bytes_max: Option<Bytes>,
    pub(super) answers_bytes_max: Option<Bytes>,
    pub(super) idle_ms_max: Option<Positive>,
    pub(super) stall_ms_max: Option<Positive>,
    pub(super) fetch_bytes_max: Option<Bytes>,
    pub(super) open_files_max: Option<Positive>,
    pub(super) sent_files_max: Option<Positive>,
    pub(super) fetch_sessions_max: Option<Positive>,
    pub(super) fetch_session_partitions_max: Option<Positive>,
    pub(super) fetch_partitions_max: Option<Positive>,
    pub(super) created_topics_max: Option<Positive>,
    pub(super) described_partitions_max: Option<Positive>,
}

/// What a client is told that writes to a mirrored topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum MirroredWriteError {
    /// The error made for it; older clients call it unknown.
    #[default]
    #[serde(rename = "READ_ONLY_TOPIC")]
    ReadOnlyTopic,
    /// An error that every client knows.
    #[serde(rename = "POLICY_VIOLATION")]
    PolicyViolation,
}

impl MirroredWriteError {
    /// The error's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReadOnlyTopic => "READ_ONLY_TOPIC",
            Self::PolicyViolation => "POLICY_VIOLATION",
        }
    }

    /// The error's number.
    pub(crate) const fn code(self) -> i16 {
        match self {
            Self::ReadOnlyTopic => 134,
            Self::PolicyViolation => 44,
        }
    }
}

/// Who decides what clients may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum AuthorizerKind {
    /// Access control lists.
    #[serde(rename = "acl")]
    Acl,
}

impl AuthorizerKind {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Acl => "acl",
        }
    }
}

macro_rules! read_from_text {
    ($($(#[$doc:meta])* $name:ident($inner:ty) by $parse:expr;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(try_from = "String")]
        pub(super) struct $name(pub(super) $inner);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                $parse(&text).map(Self)
            }
        })*
    };
}

read_from_text! {
    /// An address that brokers or clients are reached by.
    Address(BrokerAddress) by |text: &str| parse_address(text).map_err(|error| error.to_string());
    /// An address to listen at, where port 0 means any.
    Listen(BrokerAddress) by parse_listen;
    /// CPUs, as in `0,2-3`.
    Cpus(Cores) by parse_cores;
    /// The name of a mirror.
    Name(MirrorName) by |text: &str| MirrorName::parse(text).ok_or_else(|| {
        format!("{text:?} is no name of a mirror: 1 to 249 letters, digits, '.', '_' and '-'")
    });
}

macro_rules! read_from_number {
    ($($(#[$doc:meta])* $name:ident($inner:ty, $least:expr, $expected:expr);)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize)]
        #[serde(try_from = "i64")]
        pub(super) struct $name(pub(super) $inner);

        impl TryFrom<i64> for $name {
            type Error = String;

            fn try_from(number: i64) -> Result<Self, String> {
                let legal = <$inner>::try_from(number).ok().filter(|legal| *legal >= $least);
                legal.map(Self).ok_or_else(|| format!("{number} is not {}", $expected))
            }
        })*
    };
}

read_from_number! {
    /// A count that is never nothing.
    Positive(u32, 1, "between 1 and 4294967295");
    /// A count of threads.
    Threads(u8, 1, "between 1 and 255");
    /// A broker's id.
    NodeId(i32, 0, "between 0 and 2147483647");
}

/// A size: a number of bytes, or a text such as `64MiB`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes(pub(super) u64);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number of bytes or a size such as \"64MiB\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Bytes, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Bytes, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        parse_bytes(text).map(Bytes).map_err(E::custom)
    }
}
