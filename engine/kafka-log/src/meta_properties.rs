//! Identity of a log directory, `meta.properties`: a Java properties file.
//!
//! ```text
//! version=1
//! cluster.id=5L6g3nShT-eMCtK--X86sw
//! node.id=1
//! directory.id=dGVzdC1kaXJlY3RvcnktMQ
//! ```
//! Source: `MetaProperties` in Apache Kafka.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_wire::metadata_record::DirectoryId;
use kafka_wire::partition::BrokerId;

/// Name of the file at the root of a log directory.
pub const FILE_NAME: &str = "meta.properties";
/// Directory ids below this number, as 128-bit integers, are reserved by Kafka.
pub const RESERVED_DIRECTORY_IDS: u128 = 100;
const VERSION: &str = "1";

/// Whose log directory this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// Id of the cluster.
    pub cluster_id: String,
    /// Id of the node, the same in all its directories.
    pub node_id: BrokerId,
    /// Id of this directory; `None` in files of releases before 3.7.
    pub directory_id: Option<DirectoryId>,
}

/// What is wrong with a `meta.properties` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaPropertiesError {
    /// Not text.
    #[error("meta.properties is not UTF-8")]
    NotText,
    /// A key that must be there is not.
    #[error("meta.properties does not set {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value that cannot be.
    #[error("meta.properties sets {key} to {value:?}, expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl MetaProperties {
    /// Contents of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let cluster_id = escape(&self.cluster_id);
        let mut text = format!("version={VERSION}\ncluster.id={cluster_id}\n");
        text.push_str(&format!("node.id={}\n", self.node_id));
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={}\n", directory_id_text(id)));
        }
        text.into_bytes()
    }

    /// Parses the file's contents; unknown keys and comments are skipped.
    ///
    /// # Errors
    /// When version, cluster or node are missing, or a value is not legal.
    pub fn parse(contents: &[u8]) -> Result<Self, MetaPropertiesError> {
        let text = std::str::from_utf8(contents).map_err(|_| MetaPropertiesError::NotText)?;
        let version = required(text, "version")?;
        if version != VERSION {
            return Err(illegal("version", version, "1"));
        }
        let cluster_id = required(text, "cluster.id")?;
        let is_blank = |character: char| character.is_whitespace() || character.is_control();
        if cluster_id.is_empty() || cluster_id.contains(is_blank) {
            return Err(illegal("cluster.id", cluster_id, "text without blanks"));
        }
        let node = required(text, "node.id")?;
        let node_id = node.parse().ok().and_then(BrokerId::from_wire);
        let node_id = node_id.ok_or_else(|| illegal("node.id", node, "a number from 0"))?;
        let directory_id = match property(text, "directory.id") {
            None => None,
            Some(id) => Some(parse_directory_id(&id).ok_or_else(|| {
                illegal("directory.id", id, "22 characters of base64, not a reserved id")
            })?),
        };
        Ok(Self { cluster_id, node_id, directory_id })
    }
}

/// Kafka's text form of a directory id: 22 characters of URL-safe base64.
#[must_use]
pub fn directory_id_text(id: DirectoryId) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

/// Parses Kafka's text form of a directory id; `None` for reserved ids too.
#[must_use]
pub fn parse_directory_id(text: &str) -> Option<DirectoryId> {
    let id: DirectoryId = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    (u128::from_be_bytes(id) >= RESERVED_DIRECTORY_IDS).then_some(id)
}

fn required(text: &str, key: &'static str) -> Result<String, MetaPropertiesError> {
    property(text, key).ok_or(MetaPropertiesError::Missing { key })
}

fn illegal(key: &'static str, value: String, expected: &'static str) -> MetaPropertiesError {
    MetaPropertiesError::Value { key, value, expected }
}

/// The last value of `key`, as `java.util.Properties` reads it; lines are not continued.
fn property(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let mut pairs = lines.filter_map(|line| line.split_once(['=', ':']));
    let found = pairs.rfind(|(name, _)| name.trim() == key)?;
    Some(unescape(found.1.trim()))
}

fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for character in value.chars() {
        if matches!(character, '=' | ':' | '#' | '!' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn unescape(value: &str) -> String {
    let mut plain = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain
}

#[cfg(test)]
mod tests;
