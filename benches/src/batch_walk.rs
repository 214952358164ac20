//! What every mirrored byte passes: batch headers, and the CRC of everything behind them.

use std::hint::black_box;

use kafka_wire::batch_stream::{BatchStep, BatchStream};
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;

use crate::workload::{Runs, Workload, counted};

const CHUNK_BYTES: usize = 1 << 20;
const BATCH_BYTES_MAX: u32 = 1 << 24;

/// Batches of one record each walked, whole and in pieces; CRC alone, the one in use and another.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut all = Vec::new();
    for (size, value_bytes) in SIZES {
        for (pieces, piece_bytes) in [("whole", usize::MAX), ("64KiB-pieces", 64 << 10)] {
            all.push(walk(format!("batch-walk/{size}-{pieces}"), value_bytes, piece_bytes));
        }
    }
    for (size, value_bytes) in SIZES {
        all.push(checksum(&format!("crc/crc-fast-{size}"), value_bytes, crc_fast::crc32_iscsi));
        all.push(checksum(&format!("crc/crc32c-{size}"), value_bytes, crc32c::crc32c));
    }
    all
}

fn walk(name: String, value_bytes: usize, piece_bytes: usize) -> Workload {
    Workload::new(name, "batch", move || {
        let (bytes, count) = batches(value_bytes, CHUNK_BYTES);
        let piece_bytes = piece_bytes.min(bytes.len());
        let mut stream = BatchStream::new(BATCH_BYTES_MAX);
        Runs::new(count, move || {
            let found = counted(|| validate(&mut stream, black_box(&bytes), piece_bytes));
            assert_eq!(found, count, "every batch is found");
        })
    })
}

/// Timed only: what it executes is another crate's, and follows from what the processor can do.
fn checksum(name: &str, bytes: usize, crc: fn(&[u8]) -> u32) -> Workload {
    let workload = Workload::new(name, "checksum", move || {
        let bytes = vec![0x5a; bytes];
        Runs::new(1, move || {
            black_box(crc(black_box(&bytes)));
        })
    });
    workload.timed_only()
}

/// At least `bytes_min` of batches with a record of `value_bytes` each, and how many they are.
pub(crate) fn batches(value_bytes: usize, bytes_min: usize) -> (Vec<u8>, usize) {
    let value = vec![0x5a; value_bytes];
    let (mut bytes, mut count) = (Vec::new(), 0);
    let mut offset = Offset::ZERO;
    while bytes.len() < bytes_min {
        let mut builder = BatchBuilder::new(offset, None);
        builder.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(&value) });
        bytes.extend(builder.finish());
        offset = offset.next();
        count += 1;
    }
    (bytes, count)
}

/// Batches validated in `bytes`, received in pieces of `piece_bytes`.
fn validate(stream: &mut BatchStream, bytes: &[u8], piece_bytes: usize) -> usize {
    let mut count = 0;
    for mut piece in bytes.chunks(piece_bytes) {
        loop {
            let (taken, step) = stream.feed(piece).expect("the batches are valid");
            piece = &piece[taken..];
            match step {
                BatchStep::NeedMore => break,
                BatchStep::Header(_) => {}
                BatchStep::Batch(_) => count += 1,
            }
        }
    }
    assert!(stream.is_at_boundary(), "the bytes are whole batches");
    count
}

const SIZES: [(&str, usize); 4] =
    [("100B", 100), ("1KiB", 1 << 10), ("16KiB", 16 << 10), ("256KiB", 256 << 10)];
