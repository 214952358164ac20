//! The settings of a mirror, one by one. Those of TLS and SASL are in `security_names`.

/// One setting.
#[derive(Debug)]
pub struct ConfigDefinition {
    /// What it is called.
    pub name: &'static str,
    /// What its value is.
    pub kind: ConfigKind,
    /// What holds when nothing is said; `None` for nothing.
    pub default: Option<&'static str>,
    /// Which values are legal.
    pub rule: ConfigRule,
    /// What it does, for people.
    pub documentation: &'static str,
}

/// What a setting's value is, numbered as DescribeConfigs numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// Text.
    String = 2,
    /// A number of 32 bits.
    Int = 3,
    /// A number of 64 bits.
    Long = 5,
    /// Texts between commas.
    List = 7,
    /// A secret.
    Password = 9,
}

impl ConfigKind {
    /// The number, as DescribeConfigs carries it.
    #[must_use]
    pub const fn number(self) -> i8 {
        match self {
            Self::String => 2,
            Self::Int => 3,
            Self::Long => 5,
            Self::List => 7,
            Self::Password => 9,
        }
    }
}

/// Which values of its kind a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigRule {
    /// Every one.
    Any,
    /// Numbers from the first to the second.
    Between(i64, i64),
    /// Numbers from this on, of which only the default does not mislead.
    OnlyDefault {
        /// The smallest legal number.
        least: i64,
        /// Why every other would do nothing.
        why: &'static str,
    },
    /// Addresses of brokers, one at least.
    Addresses,
    /// Expressions and names.
    Patterns,
    /// What names of topics may begin with.
    TopicPrefix,
    /// Rules for access control lists.
    AclRules,
    /// Only `PLAINTEXT`.
    Plaintext,
    /// Nobody but the node sets it.
    SetByTheNode,
}

/// The setting of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ConfigDefinition> {
    DEFINITIONS.iter().find(|definition| definition.name == name)
}

/// Every name, for the message that refuses another.
pub(crate) fn known_names() -> String {
    let names: Vec<_> = DEFINITIONS.iter().map(|definition| definition.name).collect();
    names.join(", ")
}

/// Settings of topics that are not copied by default.
pub const TOPIC_PROPERTIES_EXCLUDE: &str = "follower.replication.throttled.replicas,\
leader.replication.throttled.replicas,message.timestamp.difference.max.ms,\
log.message.timestamp.before.max.ms,log.message.timestamp.after.max.ms,message.timestamp.type,\
unclean.leader.election.enable,min.insync.replicas,mirror.replication.throttled.replicas,\
mirror.support.unclean.leader.election";

const INT_MAX: i64 = 2_147_483_647;
const LONG_MAX: i64 = i64::MAX;

/// Every setting that is not about TLS or SASL.
pub static DEFINITIONS: [ConfigDefinition; 21] = [
    ConfigDefinition {
        name: "bootstrap.servers",
        kind: ConfigKind::List,
        default: None,
        rule: ConfigRule::Addresses,
        documentation: "Brokers of the source, host:port; one that answers is enough.",
    },
    ConfigDefinition {
        name: "source.cluster.id",
        kind: ConfigKind::String,
        default: None,
        rule: ConfigRule::SetByTheNode,
        documentation: "Id of the source, found out by the node.",
    },
    ConfigDefinition {
        name: "request.timeout.ms",
        kind: ConfigKind::Int,
        default: Some("30000"),
        rule: ConfigRule::Between(1, INT_MAX),
        documentation: "A request to the source without an answer for this long has failed.",
    },
    ConfigDefinition {
        name: "socket.connection.setup.timeout.ms",
        kind: ConfigKind::Long,
        default: Some("10000"),
        rule: ConfigRule::Between(1, LONG_MAX),
        documentation: "A connection to the source that is not there after this long has failed.",
    },
    ConfigDefinition {
        name: "socket.connection.setup.timeout.max.ms",
        kind: ConfigKind::Long,
        default: Some("30000"),
        rule: ConfigRule::OnlyDefault {
            least: 1,
            why: "this node waits socket.connection.setup.timeout.ms for every connection, \
                  however many failed before",
        },
        documentation: "Known for compatibility; not raised after failures here.",
    },
    ConfigDefinition {
        name: "connections.max.idle.ms",
        kind: ConfigKind::Long,
        default: Some("600000"),
        rule: ConfigRule::OnlyDefault {
            least: -1,
            why: "this node keeps connections to the source for as long as the mirror lasts",
        },
        documentation: "Known for compatibility; idle connections are kept here.",
    },
    ConfigDefinition {
        name: "socket.timeout.ms",
        kind: ConfigKind::Int,
        default: Some("30000"),
        rule: ConfigRule::OnlyDefault {
            least: 1,
            why: "fetches end after request.timeout.ms here, like every other request",
        },
        documentation: "Known for compatibility; request.timeout.ms is for fetches too.",
    },
    ConfigDefinition {
        name: "socket.receive.buffer.bytes",
        kind: ConfigKind::Int,
        default: Some("65536"),
        rule: ConfigRule::OnlyDefault {
            least: -1,
            why: "the kernel sizes the buffers of connections here, by what the link needs",
        },
        documentation: "Known for compatibility; the kernel decides here.",
    },
    ConfigDefinition {
        name: "fetch.wait.max.ms",
        kind: ConfigKind::Int,
        default: Some("1000"),
        rule: ConfigRule::Between(1, 60_000),
        documentation: "How long the source may wait for records; 500 here unless set.",
    },
    ConfigDefinition {
        name: "fetch.backoff.ms",
        kind: ConfigKind::Int,
        default: Some("1000"),
        rule: ConfigRule::Between(1, 3_600_000),
        documentation: "Pause after a failed connection; from 50, growing, here unless set.",
    },
    ConfigDefinition {
        name: "fetch.min.bytes",
        kind: ConfigKind::Int,
        default: Some("1"),
        rule: ConfigRule::OnlyDefault {
            least: 0,
            why: "this node takes records as soon as there are any",
        },
        documentation: "Known for compatibility; records are taken as they come here.",
    },
    ConfigDefinition {
        name: "fetch.response.max.bytes",
        kind: ConfigKind::Int,
        default: Some("10485760"),
        rule: ConfigRule::Between(1024, INT_MAX),
        documentation: "Bytes of one response of the source; 64 MiB here unless set.",
    },
    ConfigDefinition {
        name: "fetch.max.bytes",
        kind: ConfigKind::Int,
        default: Some("1048576"),
        rule: ConfigRule::Between(1024, INT_MAX),
        documentation: "Bytes of one partition in a response of the source.",
    },
    ConfigDefinition {
        name: "topics.include",
        kind: ConfigKind::List,
        default: Some(""),
        rule: ConfigRule::Patterns,
        documentation: "Topics to mirror: names, or expressions for whole names.",
    },
    ConfigDefinition {
        name: "topics.exclude",
        kind: ConfigKind::List,
        default: Some("__.*"),
        rule: ConfigRule::Patterns,
        documentation: "Topics not to mirror; wins over topics.include.",
    },
    ConfigDefinition {
        name: "topics.prefix",
        kind: ConfigKind::String,
        default: Some(""),
        rule: ConfigRule::TopicPrefix,
        documentation: "Not in KIP-1279: what stands here before the names that the source has, as \
            in MirrorMaker 2 (source.topic). Patterns of the mirror are for names with it. \
            Internal topics (__..) are not mirrored under one, and there is no failback. Fixed \
            while the mirror has topics.",
    },
    ConfigDefinition {
        name: "topic.properties.exclude",
        kind: ConfigKind::List,
        default: Some(TOPIC_PROPERTIES_EXCLUDE),
        rule: ConfigRule::Any,
        documentation: "Settings of topics that are not copied from the source.",
    },
    ConfigDefinition {
        name: "groups.include",
        kind: ConfigKind::List,
        default: Some(".*"),
        rule: ConfigRule::Patterns,
        documentation: "Groups whose offsets are copied.",
    },
    ConfigDefinition {
        name: "groups.exclude",
        kind: ConfigKind::List,
        default: Some(""),
        rule: ConfigRule::Patterns,
        documentation: "Groups whose offsets are not copied; wins over groups.include.",
    },
    ConfigDefinition {
        name: "acls.include",
        kind: ConfigKind::List,
        default: Some("*"),
        rule: ConfigRule::AclRules,
        documentation: "Rules for access control lists that are copied: \
                        resourceType;resourceName;operation;permissionType;principal, each a \
                        value or *, those at the end may be left out.",
    },
    ConfigDefinition {
        name: "security.protocol",
        kind: ConfigKind::String,
        default: Some("PLAINTEXT"),
        rule: ConfigRule::Plaintext,
        documentation: "How the source is spoken to; only PLAINTEXT here.",
    },
];
