//! Record batches as inputs: valid ones for seeds, and invalid ones with the right checksum.

use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::control_record::ControlRecord;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::{
    BatchAttributes, CRC_START, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC_PREFIX_BYTES,
};

/// A few batches of every kind, offsets `first` and up, epochs rising.
#[must_use]
pub fn history(first: i64) -> Vec<Vec<u8>> {
    let producer = ProducerId::from_wire(7).expect("seven is an id");
    let marker = |base, marker| {
        let producer = (producer, ProducerEpoch::from_wire(0));
        let epoch = SourceLeaderEpoch::from_wire(2);
        BatchBuilder::transaction_marker(offset(base), epoch, producer, marker, 1_700_000_000_100)
            .finish()
    };
    vec![
        data(first, 0, 3, None),
        data(first + 3, 1, 1, Some((producer, 0, false))),
        data(first + 4, 2, 2, Some((producer, 1, true))),
        marker(first + 6, ControlRecord::Abort { coordinator_epoch: 1 }),
        data(first + 8, 2, 2, Some((producer, 3, true))),
        marker(first + 10, ControlRecord::Commit { coordinator_epoch: 1 }),
    ]
}

/// One batch with data; a producer comes with its first sequence and whether it is in a
/// transaction.
#[must_use]
pub fn data(
    base: i64,
    epoch: i32,
    records: i64,
    producer: Option<(ProducerId, i32, bool)>,
) -> Vec<u8> {
    let mut batch = BatchBuilder::new(offset(base), SourceLeaderEpoch::from_wire(epoch));
    if let Some((id, base_sequence, transactional)) = producer {
        let epoch = ProducerEpoch::from_wire(0);
        batch.producer = BatchProducer { id: Some(id), epoch, base_sequence };
        batch.attributes = BatchAttributes::from_wire(if transactional { 0x10 } else { 0 });
    }
    for index in 0..records {
        let timestamp_ms = 1_700_000_000_000 + base + index;
        batch.push(&NewRecord { timestamp_ms, key: Some(b"key"), value: Some(b"value") });
    }
    batch.finish()
}

/// An offset that is known not to be negative.
///
/// # Panics
/// When it is.
#[must_use]
pub fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).expect("targets make no negative offsets")
}

/// Writes the magic and the right checksum into every whole batch, wherever lengths lead.
/// Without this no change of a batch would ever get past its checksum.
pub fn seal(mut bytes: &mut [u8]) {
    while bytes.len() >= HEADER_BYTES {
        let length: [u8; 4] = bytes[8..LENGTH_PREFIX_BYTES].try_into().expect("four bytes");
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
        let batch_bytes = length + LENGTH_PREFIX_BYTES;
        if batch_bytes < HEADER_BYTES || batch_bytes > bytes.len() {
            return;
        }
        let (batch, rest) = bytes.split_at_mut(batch_bytes);
        batch[MAGIC_PREFIX_BYTES - 1] = 2;
        let crc = crc_fast::crc32_iscsi(&batch[CRC_START..]);
        batch[MAGIC_PREFIX_BYTES..CRC_START].copy_from_slice(&crc.to_be_bytes());
        bytes = rest;
    }
}
