//! Which topics a consumer's subscription names: the one part of it the coordinator looks at.

use kafka_wire::byte_cursor::ByteCursor;

/// The topics in the metadata of a consumer's protocol; `None` when it cannot be read. Every
/// version begins as version 0 does: version, then the topics.
pub(super) fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let mut cursor = ByteCursor::new(metadata);
    let version = cursor.i16().ok()?;
    let count = usize::try_from(cursor.i32().ok()?).ok()?;
    if version < 0 || count > cursor.rest().len() / TOPIC_BYTES_MIN {
        return None;
    }
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::try_from(cursor.i16().ok()?).ok()?;
        topics.push(std::str::from_utf8(cursor.take(length).ok()?).ok()?.to_owned());
    }
    Some(topics)
}

/// A topic takes at least the bytes of its length.
const TOPIC_BYTES_MIN: usize = 2;

#[cfg(test)]
mod tests;
