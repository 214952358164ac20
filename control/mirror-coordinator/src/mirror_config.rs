//! The settings of a mirror (`ConfigResource` of type `CLUSTER_MIRROR`, KIP-1279): how its source
//! is reached and what of it is copied.
//!
//! Names, types and defaults are the proposal's. A value that would do nothing here is refused by
//! name, with the reason: who sets one relies on it. Texts of refusals never repeat a value that
//! may be a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::acl::include_rules::IncludeRuleError;
use crate::topic_patterns::{PatternError, PatternList, TopicPatterns, beginning};
use crate::topic_prefix::TopicPrefix;

pub mod config_change;
pub mod definitions;
pub mod described;
pub mod security_names;
mod value_check;

/// A mirror's settings, every one checked, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorConfig {
    /// Where to begin to look for the source; none for a mirror made of an older directory, which
    /// can be stopped and not started.
    pub bootstrap_servers: Vec<SourceAddress>,
    /// A request without an answer for this long has failed.
    pub request_timeout_ms: u32,
    /// A connection that is not there after this long has failed.
    pub connection_setup_timeout_ms: u64,
    /// How long the source may wait for records; `None`: as long as the engine sees fit.
    pub fetch_wait_ms: Option<u32>,
    /// Pause after a failed connection; `None`: as the engine sees fit.
    pub fetch_backoff_ms: Option<u32>,
    /// Bytes of one response; `None`: as many as the engine sees fit.
    pub fetch_response_bytes_max: Option<u32>,
    /// Bytes of one partition in a response; `None`: as many as the engine sees fit.
    pub fetch_partition_bytes_max: Option<u32>,
    /// Which topics are mirrored.
    pub topics: TopicPatterns,
    /// What their names begin with here.
    pub topic_prefix: TopicPrefix,
    /// Settings of topics that are not copied.
    pub topic_properties_exclude: Vec<String>,
    /// Groups whose offsets are copied.
    pub groups_include: PatternList,
    /// Groups among them whose offsets are not.
    pub groups_exclude: PatternList,
    /// Rules for access control lists that are copied.
    pub acls_include: Vec<String>,
}

/// Where a broker of the source listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceAddress {
    /// A name or an address, without brackets.
    pub host: Arc<str>,
    /// Never 0.
    pub port: u16,
}

/// Why settings of a mirror are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorConfigError {
    /// Nothing of that name.
    #[error("unknown setting of a mirror: {name:?}; known are {}", definitions::known_names())]
    Unknown {
        /// As asked for, or its beginning.
        name: String,
    },
    /// Not of its kind, or not within its limits.
    #[error("{name} cannot be {value:?}: expected {expected}")]
    Value {
        /// Which.
        name: &'static str,
        /// As asked for, or its beginning; never a secret.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// A pattern of a list.
    #[error("{name}: {error}")]
    Pattern {
        /// Which.
        name: &'static str,
        /// What is wrong.
        error: PatternError,
    },
    /// A rule for access control lists.
    #[error("{name}: {error}")]
    AclRule {
        /// Which.
        name: &'static str,
        /// What is wrong.
        error: IncludeRuleError,
    },
    /// It has no value and must have one.
    #[error("{name} must be set: {what}")]
    Missing {
        /// Which.
        name: &'static str,
        /// What it says.
        what: &'static str,
    },
    /// Only this program sets it.
    #[error("{name} is set by the node itself, from what the source says: leave it out")]
    SetByTheNode {
        /// Which.
        name: &'static str,
    },
    /// Longer than [`limits::CONFIG_VALUE_BYTES_MAX`](crate::cluster_metadata::limits).
    #[error("the value of {name} has {bytes} bytes, at most {most} are taken")]
    TooLong {
        /// Which.
        name: String,
        /// How long it is.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// Security that this program has not.
    #[error(
        "{name} is not supported here: this program speaks PLAINTEXT only and has neither TLS nor \
         SASL yet; leave it out and name a PLAINTEXT listener of the source in bootstrap.servers"
    )]
    NoSecurity {
        /// Which.
        name: &'static str,
    },
    /// It is legal, and would do nothing here.
    #[error("{name} cannot be {value}: {why}, so it would have no effect; leave it out")]
    WithoutEffect {
        /// Which.
        name: &'static str,
        /// As asked for.
        value: String,
        /// What this program does instead.
        why: &'static str,
    },
    /// An operation that this kind of setting has not.
    #[error("{name} is not a list: nothing can be appended to it or taken from it")]
    NotAList {
        /// Which.
        name: String,
    },
    /// The same setting twice in one request.
    #[error("{name} is named twice in one request")]
    Duplicate {
        /// Which.
        name: String,
    },
}

impl MirrorConfig {
    /// Reads the settings explicitly made.
    ///
    /// # Errors
    /// The first setting that is refused, by name.
    pub fn parse(configs: &BTreeMap<String, String>) -> Result<Self, MirrorConfigError> {
        for (name, value) in configs {
            value_check::check(name, value)?;
        }
        let text = |name: &'static str| value_of(configs, name);
        let elements = |name: &'static str| {
            let elements = list(text(name)).into_iter().map(str::to_owned);
            elements.collect::<Vec<_>>()
        };
        let set = |name: &'static str| configs.contains_key(name).then(|| number(configs, name));
        let servers = list(text(BOOTSTRAP_SERVERS)).into_iter().map(|text| {
            SourceAddress::parse(text).ok_or_else(|| MirrorConfigError::Value {
                name: BOOTSTRAP_SERVERS,
                value: without_credentials(text),
                expected: "host:port".to_owned(),
            })
        });
        Ok(Self {
            bootstrap_servers: servers.collect::<Result<_, _>>()?,
            request_timeout_ms: narrow(number(configs, "request.timeout.ms")),
            connection_setup_timeout_ms: number(configs, "socket.connection.setup.timeout.ms"),
            fetch_wait_ms: set("fetch.wait.max.ms").map(narrow),
            fetch_backoff_ms: set("fetch.backoff.ms").map(narrow),
            fetch_response_bytes_max: set("fetch.response.max.bytes").map(narrow),
            fetch_partition_bytes_max: set("fetch.max.bytes").map(narrow),
            topics: topic_patterns(configs)?,
            topic_prefix: topic_prefix(configs),
            topic_properties_exclude: elements("topic.properties.exclude"),
            groups_include: patterns(configs, "groups.include")?,
            groups_exclude: patterns(configs, "groups.exclude")?,
            acls_include: elements("acls.include"),
        })
    }

    /// Reads the settings of a mirror that is to have a source.
    ///
    /// # Errors
    /// As [`Self::parse`], and when `bootstrap.servers` is missing.
    pub fn parse_whole(configs: &BTreeMap<String, String>) -> Result<Self, MirrorConfigError> {
        let config = Self::parse(configs)?;
        if config.bootstrap_servers.is_empty() {
            let what = "one or more brokers of the source, host:port between commas";
            return Err(MirrorConfigError::Missing { name: BOOTSTRAP_SERVERS, what });
        }
        Ok(config)
    }
}

/// Only the patterns for topics among settings that may hold more.
///
/// # Errors
/// Names the setting and the pattern that is no expression.
pub fn topic_patterns(
    configs: &BTreeMap<String, String>,
) -> Result<TopicPatterns, MirrorConfigError> {
    let include = patterns(configs, TOPICS_INCLUDE)?;
    Ok(TopicPatterns { include, exclude: patterns(configs, TOPICS_EXCLUDE)? })
}

/// What names of a mirror's topics begin with here, among settings that may hold more; nothing
/// when it is no prefix.
#[must_use]
pub fn topic_prefix(configs: &BTreeMap<String, String>) -> TopicPrefix {
    TopicPrefix::parse(value_of(configs, TOPICS_PREFIX).trim()).unwrap_or_default()
}

/// The elements of a list such as `a,b` or `[a,b]`, without blanks around them; none of an empty
/// text.
#[must_use]
pub fn list(text: &str) -> Vec<&str> {
    let text = text.trim();
    // `[ab]` is a class of characters; only what cannot be one is a list in brackets.
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_list = |inner: &&str| inner.contains(',') && !inner.contains(['[', ']']);
    let inner = inner.filter(is_list).unwrap_or(text);
    inner.split(',').map(str::trim).filter(|element| !element.is_empty()).collect()
}

/// True when a change of this setting has the source's connections made anew.
#[must_use]
pub fn reconnects(name: &str) -> bool {
    ![TOPICS_INCLUDE, TOPICS_EXCLUDE, "groups.include", "groups.exclude", "acls.include"]
        .contains(&name)
}

/// True when going from one set of settings to another has connections made anew.
#[must_use]
pub fn change_reconnects(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> bool {
    let names = before.keys().chain(after.keys());
    names.filter(|name| reconnects(name)).any(|name| before.get(name) != after.get(name))
}

fn patterns(
    configs: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<PatternList, MirrorConfigError> {
    PatternList::parse(&list(value_of(configs, name)))
        .map_err(|error| MirrorConfigError::Pattern { name, error })
}

/// What is set, or the default; empty without one.
fn value_of<'a>(configs: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let default = || definitions::find(name).and_then(|definition| definition.default);
    configs.get(name).map(String::as_str).or_else(default).unwrap_or("")
}

/// The value of a setting that was checked to be a number from 0.
fn number(configs: &BTreeMap<String, String>, name: &'static str) -> u64 {
    let parsed = value_of(configs, name).trim().parse();
    parsed.expect("settings that are numbers were checked, and have defaults")
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("settings of 32 bits were checked to fit")
}

impl SourceAddress {
    /// Reads `host:port`, with an IPv6 address in brackets; `None` when it is no address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let has_signs = host.contains(['[', ']', '/', '@']) || host.contains(char::is_whitespace);
        let legal = !host.is_empty() && !has_signs && (bracketed.is_some() || !host.contains(':'));
        let port = port.parse().ok().filter(|port| *port != 0)?;
        legal.then(|| Self { host: Arc::from(host), port })
    }
}

/// What may be shown of a text that should name addresses: people write passwords before an `@`.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    match text.rfind('@') {
        Some(at) => beginning(&format!("***{}", &text[at..])),
        None => beginning(text),
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// Where to begin to look for the source.
pub const BOOTSTRAP_SERVERS: &str = "bootstrap.servers";
/// The source's id, which the node finds out.
pub const SOURCE_CLUSTER_ID: &str = "source.cluster.id";
/// Which topics are mirrored.
pub const TOPICS_INCLUDE: &str = "topics.include";
/// Which of them are not.
pub const TOPICS_EXCLUDE: &str = "topics.exclude";
/// What their names begin with here.
pub const TOPICS_PREFIX: &str = "topics.prefix";

#[cfg(test)]
mod tests;
