//! Whether bytes can be the response they claim to be, before anything is allocated for them.
//!
//! The decoder of `kafka-protocol` reserves room for as many elements as an array announces; a
//! peer that announces two billion would end the process. So every response is walked first: an
//! array's elements must all be there. Layouts: Apache Kafka's message schemas, the versions the
//! control thread uses.

use kafka_protocol::messages::ApiKey;

/// Walks a response body; the reason tells where it stops being one.
///
/// # Errors
/// When the bytes are too few, too many, or announce elements that are not there.
pub(crate) fn check(key: i16, version: i16, body: &[u8]) -> Result<(), String> {
    let (layout, first_flexible) = layout_of(key).ok_or("no layout is known for it")?;
    let mut walk = Walk { rest: body, version, flexible: version >= first_flexible };
    walk.fields(layout)?;
    if walk.rest.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", walk.rest.len())) }
}

/// A field, present in versions `first..=last`.
struct Field {
    name: &'static str,
    first: i16,
    last: i16,
    kind: Kind,
}

enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// Text behind its length, perhaps null.
    Text,
    /// Bytes behind their length, perhaps null.
    Bytes,
    /// Elements behind their count, perhaps null.
    Array(&'static [Field]),
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), String> {
        for field in fields {
            if (field.first..=field.last).contains(&self.version) {
                self.field(field).map_err(|reason| format!("{}: {reason}", field.name))?;
            }
        }
        if self.flexible { self.tags() } else { Ok(()) }
    }

    fn field(&mut self, field: &Field) -> Result<(), String> {
        match field.kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text => {
                let bytes = if self.flexible { self.compact_length()? } else { self.short()? };
                self.skip(bytes)
            }
            Kind::Bytes => {
                let bytes = self.length()?;
                self.skip(bytes)
            }
            Kind::Array([Field { kind: Kind::Fixed(bytes), name: "element", .. }]) => {
                let count = self.length()?;
                self.skip(count.saturating_mul(*bytes))
            }
            Kind::Array(element) => {
                let count = self.length()?;
                if count > self.rest.len() {
                    return Err(format!("{count} elements in {} bytes", self.rest.len()));
                }
                (0..count).try_for_each(|_| self.fields(element))
            }
        }
    }

    fn tags(&mut self) -> Result<(), String> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let bytes = self.varint()?;
            self.skip(bytes)?;
        }
        Ok(())
    }

    fn length(&mut self) -> Result<usize, String> {
        if self.flexible {
            return self.compact_length();
        }
        let raw = i32::from_be_bytes(self.take()?);
        if raw == -1 { Ok(0) } else { usize::try_from(raw).map_err(|_| format!("length {raw}")) }
    }

    fn short(&mut self) -> Result<usize, String> {
        let raw = i16::from_be_bytes(self.take()?);
        if raw == -1 { Ok(0) } else { usize::try_from(raw).map_err(|_| format!("length {raw}")) }
    }

    fn compact_length(&mut self) -> Result<usize, String> {
        Ok(self.varint()?.saturating_sub(1))
    }

    fn varint(&mut self) -> Result<usize, String> {
        let mut number = 0_usize;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a length of more than five bytes".to_owned())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.rest.len();
        let rest = self.rest.get(bytes..);
        self.rest = rest.ok_or_else(|| format!("{bytes} bytes expected, {left} left"))?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let left = self.rest.len();
        let split = self.rest.split_first_chunk::<N>();
        let (head, rest) = split.ok_or_else(|| format!("{N} bytes expected, {left} left"))?;
        self.rest = rest;
        Ok(*head)
    }
}

/// The layout of a response, and the first version with compact lengths and tagged fields.
fn layout_of(key: i16) -> Option<(&'static [Field], i16)> {
    match ApiKey::try_from(key).ok()? {
        ApiKey::ApiVersions => Some((API_VERSIONS, 3)),
        ApiKey::Metadata => Some((METADATA, 9)),
        ApiKey::DescribeConfigs => Some((DESCRIBE_CONFIGS, 4)),
        ApiKey::ListOffsets => Some((LIST_OFFSETS, 6)),
        ApiKey::Fetch => Some((FETCH, 12)),
        _ => None,
    }
}

const fn since(first: i16, name: &'static str, kind: Kind) -> Field {
    Field { name, first, last: i16::MAX, kind }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    since(0, name, kind)
}

const API_VERSIONS: &[Field] = &[
    field("error_code", Kind::Fixed(2)),
    field(
        "api_keys",
        Kind::Array(&[
            field("api_key", Kind::Fixed(2)),
            field("min_version", Kind::Fixed(2)),
            field("max_version", Kind::Fixed(2)),
        ]),
    ),
    since(1, "throttle_time_ms", Kind::Fixed(4)),
];

const BROKER_IDS: Kind = Kind::Array(&[field("element", Kind::Fixed(4))]);

const METADATA: &[Field] = &[
    since(3, "throttle_time_ms", Kind::Fixed(4)),
    field(
        "brokers",
        Kind::Array(&[
            field("node_id", Kind::Fixed(4)),
            field("host", Kind::Text),
            field("port", Kind::Fixed(4)),
            since(1, "rack", Kind::Text),
        ]),
    ),
    since(2, "cluster_id", Kind::Text),
    since(1, "controller_id", Kind::Fixed(4)),
    field(
        "topics",
        Kind::Array(&[
            field("error_code", Kind::Fixed(2)),
            field("name", Kind::Text),
            since(10, "topic_id", Kind::Fixed(16)),
            since(1, "is_internal", Kind::Fixed(1)),
            field("partitions", Kind::Array(METADATA_PARTITION)),
            since(8, "topic_authorized_operations", Kind::Fixed(4)),
        ]),
    ),
    Field { name: "cluster_authorized_operations", first: 8, last: 10, kind: Kind::Fixed(4) },
];

const METADATA_PARTITION: &[Field] = &[
    field("error_code", Kind::Fixed(2)),
    field("partition_index", Kind::Fixed(4)),
    field("leader_id", Kind::Fixed(4)),
    since(7, "leader_epoch", Kind::Fixed(4)),
    field("replica_nodes", BROKER_IDS),
    field("isr_nodes", BROKER_IDS),
    since(5, "offline_replicas", BROKER_IDS),
];

const DESCRIBE_CONFIGS: &[Field] = &[
    field("throttle_time_ms", Kind::Fixed(4)),
    field(
        "results",
        Kind::Array(&[
            field("error_code", Kind::Fixed(2)),
            field("error_message", Kind::Text),
            field("resource_type", Kind::Fixed(1)),
            field("resource_name", Kind::Text),
            field("configs", Kind::Array(CONFIG)),
        ]),
    ),
];

const CONFIG: &[Field] = &[
    field("name", Kind::Text),
    field("value", Kind::Text),
    field("read_only", Kind::Fixed(1)),
    field("config_source", Kind::Fixed(1)),
    field("is_sensitive", Kind::Fixed(1)),
    since(
        1,
        "synonyms",
        Kind::Array(&[
            field("name", Kind::Text),
            field("value", Kind::Text),
            field("source", Kind::Fixed(1)),
        ]),
    ),
    since(3, "config_type", Kind::Fixed(1)),
    since(3, "documentation", Kind::Text),
];

const LIST_OFFSETS: &[Field] = &[
    since(2, "throttle_time_ms", Kind::Fixed(4)),
    field(
        "topics",
        Kind::Array(&[
            field("name", Kind::Text),
            field(
                "partitions",
                Kind::Array(&[
                    field("partition_index", Kind::Fixed(4)),
                    field("error_code", Kind::Fixed(2)),
                    field("timestamp", Kind::Fixed(8)),
                    field("offset", Kind::Fixed(8)),
                    since(4, "leader_epoch", Kind::Fixed(4)),
                ]),
            ),
        ]),
    ),
];

const FETCH: &[Field] = &[
    field("throttle_time_ms", Kind::Fixed(4)),
    since(7, "error_code", Kind::Fixed(2)),
    since(7, "session_id", Kind::Fixed(4)),
    field(
        "responses",
        Kind::Array(&[
            field("topic", Kind::Text),
            field("partitions", Kind::Array(FETCH_PARTITION)),
        ]),
    ),
];

const FETCH_PARTITION: &[Field] = &[
    field("partition_index", Kind::Fixed(4)),
    field("error_code", Kind::Fixed(2)),
    field("high_watermark", Kind::Fixed(8)),
    since(4, "last_stable_offset", Kind::Fixed(8)),
    since(5, "log_start_offset", Kind::Fixed(8)),
    since(
        4,
        "aborted_transactions",
        Kind::Array(&[field("producer_id", Kind::Fixed(8)), field("first_offset", Kind::Fixed(8))]),
    ),
    since(11, "preferred_read_replica", Kind::Fixed(4)),
    field("records", Kind::Bytes),
];

#[cfg(test)]
mod tests;
