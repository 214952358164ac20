//! Kafka's client configuration file, as far as a mirror honours it.
//!
//! A key that is not honoured is refused by name: a setting that is silently ignored is a
//! security hole or a wasted afternoon.

use std::fmt;

use mirror_coordinator::mirror_config::{MirrorConfig, SourceAddress, without_credentials};
use mirror_coordinator::mirror_node_config::MirrorNodeConfig;
use mirror_coordinator::topic_prefix::TopicPrefix;
use mirror_uring::BrokerAddress;

use crate::properties::{self, PropertiesError, Property};

/// How to reach and read the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientProperties {
    /// `bootstrap.servers`; empty when the file does not name any.
    pub bootstrap_servers: Vec<BrokerAddress>,
    /// `client.id`
    pub client_id: String,
    /// `request.timeout.ms`: a request without an answer for this long has failed.
    pub request_timeout_ms: u64,
    /// `socket.connection.setup.timeout.ms`
    pub connect_timeout_ms: u64,
    /// `metadata.max.age.ms`: how often topics, partitions and leaders are asked for.
    pub metadata_refresh_ms: u64,
    /// `fetch.max.bytes`, when given.
    pub fetch_bytes_max: Option<u32>,
    /// `max.partition.fetch.bytes`, when given.
    pub partition_fetch_bytes_max: Option<u32>,
    /// `fetch.max.wait.ms`, when given.
    pub fetch_wait_ms: Option<u32>,
    /// `reconnect.backoff.ms`, when given.
    pub backoff_ms: Option<u64>,
    /// `reconnect.backoff.max.ms`, when given.
    pub backoff_max_ms: Option<u64>,
    /// What names of topics begin with here, and not at the source; of a mirror, not of a file.
    pub topic_prefix: TopicPrefix,
}

impl Default for ClientProperties {
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            client_id: "ringmirror".to_owned(),
            request_timeout_ms: 30_000,
            connect_timeout_ms: 10_000,
            metadata_refresh_ms: 2_000,
            fetch_bytes_max: None,
            partition_fetch_bytes_max: None,
            fetch_wait_ms: None,
            backoff_ms: None,
            backoff_max_ms: None,
            topic_prefix: TopicPrefix::default(),
        }
    }
}

/// Why a client configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientPropertiesError {
    /// The text itself is malformed.
    #[error("{0}")]
    Syntax(#[from] PropertiesError),
    /// A key nobody here honours.
    #[error(
        "line {line}: {key} is not a setting ringmirror knows; it knows {}",
        KNOWN_KEYS.join(", ")
    )]
    UnknownKey {
        /// Where, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A security setting that would have to be honoured and is not yet.
    #[error(
        "line {line}: {key} is not supported yet: ringmirror speaks PLAINTEXT only; \
         remove the line or use a PLAINTEXT listener of the source"
    )]
    UnsupportedSecurity {
        /// Where, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A protocol other than PLAINTEXT.
    #[error("line {line}: security.protocol={value} is not supported yet, only PLAINTEXT is")]
    UnsupportedProtocol {
        /// Where, from 1.
        line: usize,
        /// The protocol asked for.
        value: String,
    },
    /// A value that does not mean anything for its key.
    #[error("line {line}: {key}={value} is not {expected}")]
    BadValue {
        /// Where, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The same key twice; which one is meant is anybody's guess.
    #[error("line {line}: {key} is set twice")]
    Duplicate {
        /// Where the second one is, from 1.
        line: usize,
        /// The key.
        key: String,
    },
}

impl ClientProperties {
    /// Reads a client configuration.
    ///
    /// # Errors
    /// Names the line and the key that cannot be honoured.
    pub fn parse(text: &str) -> Result<Self, ClientPropertiesError> {
        let pairs = properties::parse(text)?;
        let mut settings = Self::default();
        for (index, pair) in pairs.iter().enumerate() {
            if pairs[..index].iter().any(|earlier| earlier.key == pair.key) {
                let (line, key) = (pair.line, pair.key.clone());
                return Err(ClientPropertiesError::Duplicate { line, key });
            }
            settings.apply(pair)?;
        }
        Ok(settings)
    }

    /// How to reach and read the source of a mirror with these settings; `node` says how often it
    /// is looked at.
    #[must_use]
    pub fn of_mirror(config: &MirrorConfig, node: &MirrorNodeConfig) -> Self {
        let address = |at: &SourceAddress| BrokerAddress { host: at.host.clone(), port: at.port };
        Self {
            bootstrap_servers: config.bootstrap_servers.iter().map(address).collect(),
            request_timeout_ms: config.request_timeout_ms.into(),
            connect_timeout_ms: config.connection_setup_timeout_ms,
            metadata_refresh_ms: metadata_refresh_ms(node),
            fetch_bytes_max: config.fetch_response_bytes_max,
            partition_fetch_bytes_max: config.fetch_partition_bytes_max,
            fetch_wait_ms: config.fetch_wait_ms,
            backoff_ms: config.fetch_backoff_ms.map(u64::from),
            backoff_max_ms: config.fetch_backoff_ms.map(u64::from),
            topic_prefix: config.topic_prefix.clone(),
            ..Self::default()
        }
    }

    fn apply(&mut self, pair: &Property) -> Result<(), ClientPropertiesError> {
        match pair.key.as_str() {
            "bootstrap.servers" => self.bootstrap_servers = bootstrap_servers(pair)?,
            "client.id" => self.client_id.clone_from(&pair.value),
            "request.timeout.ms" => self.request_timeout_ms = number(pair, 1)?,
            "socket.connection.setup.timeout.ms" => self.connect_timeout_ms = number(pair, 1)?,
            "metadata.max.age.ms" => {
                self.metadata_refresh_ms = number(pair, METADATA_REFRESH_MS_MIN)?
            }
            "fetch.max.bytes" => self.fetch_bytes_max = Some(small_number(pair)?),
            "max.partition.fetch.bytes" => {
                self.partition_fetch_bytes_max = Some(small_number(pair)?);
            }
            "fetch.max.wait.ms" => self.fetch_wait_ms = Some(small_number(pair)?),
            "reconnect.backoff.ms" => self.backoff_ms = Some(number(pair, 1)?),
            "reconnect.backoff.max.ms" => self.backoff_max_ms = Some(number(pair, 1)?),
            "security.protocol" if pair.value == "PLAINTEXT" => {}
            "security.protocol" => {
                let (line, value) = (pair.line, pair.value.clone());
                return Err(ClientPropertiesError::UnsupportedProtocol { line, value });
            }
            key if SECURITY_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) => {
                let (line, key) = (pair.line, key.to_owned());
                return Err(ClientPropertiesError::UnsupportedSecurity { line, key });
            }
            key => {
                let (line, key) = (pair.line, key.to_owned());
                return Err(ClientPropertiesError::UnknownKey { line, key });
            }
        }
        Ok(())
    }
}

/// How often the source of a mirror made by command is looked at. It is not asked without pause,
/// whatever is set.
#[must_use]
pub fn metadata_refresh_ms(node: &MirrorNodeConfig) -> u64 {
    node.metadata_refresh_ms.max(METADATA_REFRESH_MS_MIN)
}

/// Text that does not name a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address; expected host:port or [ipv6]:port")]
pub struct AddressError {
    text: String,
}

/// Reads `host:port`, with an IPv6 address in brackets.
///
/// # Errors
/// When the text names no host or no port.
pub fn parse_address(text: &str) -> Result<BrokerAddress, AddressError> {
    let address = SourceAddress::parse(text);
    let address = address.ok_or_else(|| AddressError { text: without_credentials(text) })?;
    Ok(BrokerAddress { host: address.host, port: address.port })
}

/// A broker's address as people write it.
#[derive(Clone, Copy, Debug)]
pub struct DisplayAddress<'a>(pub &'a BrokerAddress);

impl fmt::Display for DisplayAddress<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.host.contains(':') {
            write!(out, "[{}]:{}", self.0.host, self.0.port)
        } else {
            write!(out, "{}:{}", self.0.host, self.0.port)
        }
    }
}

fn bootstrap_servers(pair: &Property) -> Result<Vec<BrokerAddress>, ClientPropertiesError> {
    let expected = "a list of host:port";
    let parts = pair.value.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| parse_address(part).map_err(|_| bad_value(pair, expected))).collect()
}

fn number(pair: &Property, least: u64) -> Result<u64, ClientPropertiesError> {
    match pair.value.trim().parse() {
        Ok(number) if number >= least && i64::try_from(number).is_ok() => Ok(number),
        _ if least > 1 => Err(bad_value(pair, "a number of at least 100")),
        _ => Err(bad_value(pair, "a number above zero")),
    }
}

fn small_number(pair: &Property) -> Result<u32, ClientPropertiesError> {
    let number: i32 =
        pair.value.trim().parse().map_err(|_| bad_value(pair, "a number below 2147483648"))?;
    match u32::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(bad_value(pair, "a number above zero")),
    }
}

fn bad_value(pair: &Property, expected: &'static str) -> ClientPropertiesError {
    let (line, key) = (pair.line, pair.key.clone());
    let value = without_credentials(&pair.value);
    ClientPropertiesError::BadValue { line, key, value, expected }
}

/// Shortest time between two looks at a source.
const METADATA_REFRESH_MS_MIN: u64 = 100;

/// Keys whose meaning is security: never to be ignored.
const SECURITY_PREFIXES: [&str; 3] = ["ssl.", "sasl.", "security."];

/// Every key honoured, for the message that refuses another.
const KNOWN_KEYS: [&str; 11] = [
    "bootstrap.servers",
    "client.id",
    "request.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "metadata.max.age.ms",
    "fetch.max.bytes",
    "max.partition.fetch.bytes",
    "fetch.max.wait.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "security.protocol",
];

#[cfg(test)]
mod tests;
