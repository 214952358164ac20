//! The records of a `bootstrap.checkpoint`.

use kafka_wire::byte_cursor::{ByteCursor, CursorError};
use kafka_wire::metadata_record::{ConfigResource, MetadataRecord};
use kafka_wire::record_batch::RecordBatchView;

use super::Inspected;

/// Walks the batches of a snapshot and says what each record does.
pub(super) fn inspect(contents: &[u8], inspected: &mut Inspected) {
    let mut rest = contents;
    let (mut batches, mut records) = (0, 0);
    while !rest.is_empty() {
        let batch = match RecordBatchView::parse(rest, BATCH_BYTES_MAX) {
            Ok(batch) => batch,
            Err(error) => {
                let at = contents.len() - rest.len();
                return inspected.problem(format_args!("at {at}: {error}"));
            }
        };
        rest = &rest[batch.bytes().len()..];
        batches += 1;
        if batch.header().attributes.is_control() {
            continue;
        }
        let mut cursor = ByteCursor::new(batch.body());
        for _ in 0..batch.header().record_count {
            let value = match record_value(&mut cursor) {
                Ok(value) => value,
                Err(error) => {
                    return inspected.problem(format_args!("record {records}: {error}"));
                }
            };
            match MetadataRecord::decode(value) {
                Ok(record) => inspected.fact(describe(&record)),
                Err(error) => inspected.fact(format_args!("a record of another kind: {error}")),
            }
            records += 1;
        }
    }
    inspected.fact(format_args!("{batches} batches, {records} records"));
}

/// The value of the next record; attributes, timestamp, key and headers are passed over.
fn record_value<'a>(cursor: &mut ByteCursor<'a>) -> Result<&'a [u8], CursorError> {
    let length = usize::try_from(cursor.varint()?).unwrap_or(0);
    let mut record = ByteCursor::new(cursor.take(length)?);
    record.i8()?;
    record.varlong()?;
    record.varint()?;
    let key = usize::try_from(record.varint()?).unwrap_or(0);
    record.take(key)?;
    let value = usize::try_from(record.varint()?).unwrap_or(0);
    record.take(value)
}

fn describe(record: &MetadataRecord) -> String {
    match record {
        MetadataRecord::FeatureLevel { name, level } => format!("feature {name} at level {level}"),
        MetadataRecord::Topic { name, topic_id } => format!("topic {name} with id {topic_id}"),
        MetadataRecord::Config { resource, name, value } => {
            let of = match resource {
                ConfigResource::Topic(topic) => format!("topic {topic}"),
                ConfigResource::Broker(id) if id.is_empty() => "every broker".to_owned(),
                ConfigResource::Broker(id) => format!("broker {id}"),
            };
            format!("{of}: {name}={}", value.as_deref().unwrap_or("(default)"))
        }
        MetadataRecord::Partition(partition) => {
            let replicas = partition.replicas.iter().map(|(broker, _)| broker.to_string());
            format!(
                "partition {} of {}: replicas {}, leader epoch {}",
                partition.partition,
                partition.topic_id,
                replicas.collect::<Vec<_>>().join(", "),
                partition.leader_epoch
            )
        }
        MetadataRecord::ProducerIds { next_producer_id } => {
            format!("producer ids below {next_producer_id} are taken")
        }
        MetadataRecord::AccessControlEntry(acl) => {
            let permission = if acl.permission_type == DENY { "deny" } else { "allow" };
            format!(
                "access control: {permission} {} from {} operation {} on {} (type {}, pattern {})",
                acl.principal,
                acl.host,
                acl.operation,
                acl.resource_name,
                acl.resource_type,
                acl.pattern_type
            )
        }
    }
}

const BATCH_BYTES_MAX: u32 = i32::MAX.unsigned_abs();
/// Number of the permission of a rule that forbids.
const DENY: i8 = 2;
