//! A segment, batch by batch.

use std::fs;
use std::path::Path;

use kafka_wire::control_record::ControlRecord;
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;
use mirror_node::local_log::{LocalBatch, LocalLog, LocalLogError, LocalSegment};

use super::{Inspected, open_log};

/// Walks a segment; every batch is checked.
pub(super) fn inspect(path: &Path, base: Offset, entries: bool) -> Inspected {
    let mut inspected = Inspected::new(path, "segment");
    let bytes = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) => {
            inspected.problem(error);
            return inspected;
        }
    };
    // Only the segment's own bytes are read; the name is for people and there is none here.
    let name = TopicPartition::parse_directory("segment-0").expect("a legal name");
    let segments = vec![LocalSegment { base, path: path.to_owned(), bytes }];
    let mut batches = LocalLog { name, segments }.batches(base);
    let mut sums = Sums::default();
    loop {
        match batches.next_batch() {
            Ok(Some(batch)) => {
                sums.add(&batch);
                if entries {
                    inspected.entries.push(line(&batch));
                }
            }
            Ok(None) => break,
            Err(error) => {
                match tail_note(path, base, &error, sums.bytes, bytes) {
                    Some(note) => inspected.fact(note),
                    None => inspected.problem(error),
                }
                break;
            }
        }
    }
    inspected.fact(format_args!(
        "offsets {base} to {}, {} batches, {} records, {} of {bytes} bytes",
        batches.end(),
        sums.batches,
        sums.records,
        sums.bytes
    ));
    inspected.fact(format_args!(
        "{} transactional batches, {} control batches",
        sums.transactional, sums.control
    ));
    for (name, count) in CODECS.iter().zip(sums.by_codec) {
        if count > 0 {
            inspected.fact(format_args!("{count} batches {name}"));
        }
    }
    inspected
}

/// What lies behind the batches, when that is no damage there.
fn tail_note(
    path: &Path,
    base: Offset,
    error: &LocalLogError,
    position: u64,
    bytes: u64,
) -> Option<String> {
    if matches!(error, LocalLogError::Io { .. }) || !open_log::is_of_last_segment(path, base) {
        return None;
    }
    open_log::tail_text(path, position, bytes).ok()
}

#[derive(Default)]
struct Sums {
    batches: u64,
    records: i64,
    bytes: u64,
    transactional: u64,
    control: u64,
    by_codec: [u64; CODECS.len()],
}

impl Sums {
    fn add(&mut self, batch: &LocalBatch<'_>) {
        let header = &batch.header;
        self.batches += 1;
        self.records += i64::from(header.record_count);
        self.bytes += u64::from(header.batch_bytes);
        self.transactional += u64::from(header.attributes.is_transactional());
        self.control += u64::from(header.attributes.is_control());
        if let Some(count) = self.by_codec.get_mut(usize::from(header.attributes.codec())) {
            *count += 1;
        }
    }
}

fn line(batch: &LocalBatch<'_>) -> String {
    let header = &batch.header;
    let codec = CODECS.get(usize::from(header.attributes.codec())).unwrap_or(&"unknown codec");
    let epoch = header.leader_epoch.map_or_else(|| "none".to_owned(), |epoch| epoch.to_string());
    let producer = header.producer_id.map_or_else(String::new, |id| {
        let (epoch, sequence) = (header.producer_epoch.get(), header.base_sequence);
        format!(", producer {id} epoch {epoch} sequence {sequence}")
    });
    let control = match batch.control {
        None => "",
        Some(ControlRecord::Abort { .. }) => ", abort",
        Some(ControlRecord::Commit { .. }) => ", commit",
        Some(ControlRecord::MirrorPidReset) => ", producers reset",
        Some(ControlRecord::Other { .. }) => ", control",
    };
    format!(
        "offsets {} to {} at {}: {} bytes, {} records, {codec}, epoch {epoch}{producer}{}{control}",
        header.base_offset,
        header.last_offset(),
        batch.place.position,
        header.batch_bytes,
        header.record_count,
        if header.attributes.is_transactional() { ", transactional" } else { "" },
    )
}

/// Codecs by their number.
const CODECS: [&str; 5] = ["uncompressed", "gzip", "snappy", "lz4", "zstd"];
