//! Fresh ids in Kafka's form, for clusters, directories and topics of sources without ids.

use std::fs::File;
use std::io::{self, Read as _};

use kafka_wire::partition::TopicId;

/// A random id (RFC 4122, version 4). Ids whose text begins with `-` are avoided, as Kafka does:
/// they look like options on a command line.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random_id() -> io::Result<TopicId> {
    let mut source = File::open("/dev/urandom")?;
    loop {
        let mut bytes = [0; 16];
        source.read_exact(&mut bytes)?;
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        match TopicId::from_wire(bytes) {
            Some(id) if !id.to_string().starts_with('-') => return Ok(id),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
