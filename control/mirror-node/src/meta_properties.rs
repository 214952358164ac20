//! `meta.properties`: whose log directory this is.
//!
//! ```text
//! version=1
//! cluster.id=<22 characters>
//! node.id=<number>
//! directory.id=<22 characters>
//! ```
//! Source: `MetaProperties` and `PropertiesUtils` in Apache Kafka.

use std::fs::File;
use std::io::{self, Read as _};

use kafka_wire::partition::TopicId;

use crate::properties;

/// Identity of a log directory; the only version written and read is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// Id of the cluster the directory belongs to: ours, not the source's.
    pub cluster_id: String,
    /// Broker that may open it.
    pub node_id: i32,
    /// Id of the directory, 22 characters of base64.
    pub directory_id: TopicId,
}

/// Why a `meta.properties` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaPropertiesError {
    /// Not a properties text.
    #[error("{0}")]
    Syntax(#[from] properties::PropertiesError),
    /// A key without which the directory has no identity.
    #[error("{key} is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value that means nothing.
    #[error("{key}={value} is not {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl MetaProperties {
    /// A fresh identity for a new directory.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> io::Result<Self> {
        let cluster_id = random_id()?.to_string();
        Ok(Self { cluster_id, node_id: NODE_ID_UNTIL_HANDOVER, directory_id: random_id()? })
    }

    /// Contents of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { cluster_id, node_id, directory_id } = self;
        format!(
            "#\n#written by ringmirror\ncluster.id={cluster_id}\ndirectory.id={directory_id}\n\
             node.id={node_id}\nversion=1\n"
        )
        .into_bytes()
    }

    /// Parses the file's contents.
    ///
    /// # Errors
    /// Names the key that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, MetaPropertiesError> {
        let pairs = properties::parse(text)?;
        let value = |key: &'static str| {
            let pair = pairs.iter().rev().find(|pair| pair.key == key);
            pair.map(|pair| pair.value.clone()).ok_or(MetaPropertiesError::Missing { key })
        };
        let bad = |key, value, expected| MetaPropertiesError::BadValue { key, value, expected };
        let version = value("version")?;
        if version != "1" {
            return Err(bad("version", version, "1, the version of KRaft brokers"));
        }
        let node = value("node.id")?;
        let node_id = node.parse().ok().filter(|id: &i32| *id >= 0);
        let directory = value("directory.id")?;
        let expected = "22 characters of URL-safe base64";
        Ok(Self {
            cluster_id: value("cluster.id")?,
            node_id: node_id.ok_or_else(|| bad("node.id", node, "a number from 0"))?,
            directory_id: TopicId::parse(&directory)
                .ok_or_else(|| bad("directory.id", directory, expected))?,
        })
    }
}

/// A random id in Kafka's form. Ids whose text begins with `-` are avoided, as Kafka does: they
/// look like options on a command line; so are the first hundred, which Kafka keeps for itself.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random_id() -> io::Result<TopicId> {
    let mut source = File::open("/dev/urandom")?;
    loop {
        let mut bytes = [0; 16];
        source.read_exact(&mut bytes)?;
        // RFC 4122, version 4, as Kafka's ids are.
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        match TopicId::from_wire(bytes) {
            Some(id) if !id.to_string().starts_with('-') => return Ok(id),
            _ => {}
        }
    }
}

/// Kafka wants a number; handover replaces it by the one chosen then.
const NODE_ID_UNTIL_HANDOVER: i32 = 1;

#[cfg(test)]
mod tests;
