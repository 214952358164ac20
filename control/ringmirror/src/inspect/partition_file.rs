//! The files of a partition's directory, by their names.

use std::io;
use std::path::Path;

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::producer_state::ProducerStates;
use kafka_log::{offset_index, partition_metadata, time_index, transaction_index};
use kafka_wire::offset::Offset;
use mirror_node::durable_file;

use super::{Inspected, open_log, segment_file};

/// Reads a file of a partition; `None` when its name is not one.
pub(super) fn inspect(path: &Path, entries: bool) -> Option<Inspected> {
    let name = FileName::parse(path.file_name()?.to_str()?)?;
    let base = name.offset;
    if name.kind == FileKind::Log {
        return Some(segment_file::inspect(path, base, entries));
    }
    let mut inspected = Inspected::new(path, kind_text(name.kind));
    let contents = match read(path) {
        Ok(contents) => contents,
        Err(error) => {
            inspected.problem(error);
            return Some(inspected);
        }
    };
    let used = if open_log::is_of_last_segment(path, base) {
        open_log::without_reserved(name.kind, &contents)
    } else {
        &contents
    };
    let lines = match name.kind {
        FileKind::OffsetIndex => offset_index_lines(base, used),
        FileKind::TimeIndex => time_index_lines(base, used),
        FileKind::TransactionIndex => transaction_index_lines(base, &contents),
        FileKind::ProducerSnapshot => snapshot_lines(&contents),
        FileKind::LeaderEpochCheckpoint => epoch_lines(&contents),
        FileKind::PartitionMetadata | FileKind::Log => partition_metadata::parse(&contents)
            .map(|id| vec![format!("topic id {id}")])
            .map_err(|error| error.to_string()),
    };
    match lines {
        Ok(lines) => {
            inspected.fact(format_args!("{} entries, {} bytes", lines.len(), contents.len()));
            if used.len() < contents.len() {
                let reserved = contents.len() - used.len();
                inspected.fact(format_args!("{reserved} bytes reserved at its end"));
            }
            inspected.facts.extend(lines.last().map(|last| format!("last: {last}")));
            if entries {
                inspected.entries = lines;
            }
        }
        Err(error) => inspected.problem(error),
    }
    Some(inspected)
}

fn offset_index_lines(base: Offset, contents: &[u8]) -> Result<Vec<String>, String> {
    let entries = offset_index::parse(base, contents).map_err(|error| error.to_string())?;
    let line = |entry: &offset_index::OffsetIndexEntry| {
        format!("offset {} at position {}", entry.offset, entry.position)
    };
    Ok(entries.iter().map(line).collect())
}

fn time_index_lines(base: Offset, contents: &[u8]) -> Result<Vec<String>, String> {
    let entries = time_index::parse(base, contents).map_err(|error| error.to_string())?;
    let line = |entry: &time_index::TimeIndexEntry| {
        format!("timestamp {} ms up to offset {}", entry.timestamp_ms, entry.offset)
    };
    Ok(entries.iter().map(line).collect())
}

fn transaction_index_lines(base: Offset, contents: &[u8]) -> Result<Vec<String>, String> {
    let entries = transaction_index::parse(base, contents).map_err(|error| error.to_string())?;
    let line = |entry: &transaction_index::AbortedTransaction| {
        format!(
            "producer {} aborted offsets {} to {}, last stable offset {}",
            entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset
        )
    };
    Ok(entries.iter().map(line).collect())
}

fn snapshot_lines(contents: &[u8]) -> Result<Vec<String>, String> {
    let states = ProducerStates::parse_snapshot(contents).map_err(|error| error.to_string())?;
    let line = |(id, state): (_, &kafka_log::producer_state::ProducerState)| {
        let last = state.last_batch.map_or_else(
            || "only a marker known".to_owned(),
            |last| format!("last sequence {} at offset {}", last.last_sequence, last.last_offset),
        );
        let open = state
            .open_transaction
            .map_or_else(String::new, |first| format!(", transaction open from {first}"));
        format!("producer {id} epoch {}: {last}{open}", state.epoch.get())
    };
    Ok(states.iter().map(line).collect())
}

fn epoch_lines(contents: &[u8]) -> Result<Vec<String>, String> {
    let history = EpochHistory::parse(contents).map_err(|error| error.to_string())?;
    let entries = history.entries().iter();
    Ok(entries
        .map(|entry| format!("leader epoch {} begins at offset {}", entry.epoch, entry.start))
        .collect())
}

/// Reads one of these files; empty when it is not there.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    Ok(durable_file::read(path, FILE_BYTES_MAX)?.unwrap_or_default())
}

const fn kind_text(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Log => "segment",
        FileKind::OffsetIndex => "offset index",
        FileKind::TimeIndex => "time index",
        FileKind::TransactionIndex => "transaction index",
        FileKind::ProducerSnapshot => "producer snapshot",
        FileKind::LeaderEpochCheckpoint => "leader epoch checkpoint",
        FileKind::PartitionMetadata => "partition metadata",
    }
}

/// Largest of these files read, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;
