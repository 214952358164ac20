//! What readers of committed records must skip, and what is known of producers.

use std::ops::Range;

use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::producer_state::ProducerStates;
use kafka_log::producer_state::snapshot::SNAPSHOT_BYTES_MAX;
use kafka_log::transaction_index::{self, AbortedTransaction};
use kafka_wire::batch_stream::ValidatedBatch;
use kafka_wire::offset::Offset;

use super::batch_scan::read_at;
use super::{LogReader, ReadError};
use crate::log_view::{LogState, LogView};

/// Aborted transactions named for one read; a log with more of them open at once is not read.
pub const ABORTED_MAX: usize = 100_000;
/// Entries of a transaction index read at once.
const ENTRIES_AT_ONCE: usize = 256;

impl LogReader {
    /// The aborted transactions that have records at or above `from` and below `to`: every one
    /// whose marker lies at or above `from` and whose first record lies below `to`, by marker.
    ///
    /// # Errors
    /// When the index files cannot be read.
    pub fn aborted_transactions(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        self.while_files_stay(view, |reader| {
            let mut found = Vec::new();
            let mut next = Some(from);
            while let Some(wanted) = next {
                let span = reader.span_of(view, state, wanted)?;
                if reader.collect_aborted(view, span.base, from..to, &mut found)? {
                    break;
                }
                next = span.next;
            }
            Ok(found)
        })
    }

    /// Collects the entries of one segment; true when later segments have none that matter.
    fn collect_aborted(
        &self,
        view: &LogView,
        base: Offset,
        range: Range<Offset>,
        found: &mut Vec<AbortedTransaction>,
    ) -> Result<bool, ReadError> {
        let name = FileName::transaction_index(base);
        let log_id = view.reading().log_id;
        let file = match self.files.get(log_id, view.directory(), name) {
            Ok(file) => file,
            Err(ReadError::Gone { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut raw = vec![0; ENTRIES_AT_ONCE * transaction_index::ENTRY_BYTES];
        let mut position = 0;
        loop {
            let read = read_at(&file, position, &mut raw)
                .map_err(|error| ReadError::Io { file: name, error })?;
            // An entry that is being written right now is of a later marker.
            let whole = read - read % transaction_index::ENTRY_BYTES;
            let entries = transaction_index::parse(base, &raw[..whole]).map_err(|error| {
                let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
                ReadError::Io { file: name, error }
            })?;
            for entry in &entries {
                if entry.last_offset >= range.start && entry.first_offset < range.end {
                    if found.len() == ABORTED_MAX {
                        let error = std::io::Error::other("more aborted transactions than named");
                        return Err(ReadError::Io { file: name, error });
                    }
                    found.push(*entry);
                }
                if entry.last_stable_offset.offset() >= range.end {
                    return Ok(true);
                }
            }
            if whole < raw.len() {
                return Ok(false);
            }
            position += whole as u64;
        }
    }

    /// The producers of a log up to its end: the newest usable snapshot, then the batches behind.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn producer_states(
        &self,
        view: &LogView,
        state: &LogState,
    ) -> Result<ProducerStates, ReadError> {
        self.while_files_stay(view, |reader| {
            let (mut producers, from) = newest_snapshot(view, state)?;
            let from = from.max(state.log_start.offset());
            if from >= state.log_end.offset() {
                return Ok(producers);
            }
            for span in reader.spans(view, state, from)? {
                let mut scan = reader.scan_to(view, state, span, from)?;
                while let Some(found) = scan.next_batch()? {
                    let header = found.header;
                    if header.base_offset < from {
                        continue;
                    }
                    let control = if header.holds_control_record() {
                        header.control_record(scan.body_start(&found)?).ok().flatten()
                    } else {
                        None
                    };
                    producers.apply(&ValidatedBatch { header, control });
                }
            }
            Ok(producers)
        })
    }
}

/// The newest snapshot at or below the log's end that can be read, and its offset.
fn newest_snapshot(
    view: &LogView,
    state: &LogState,
) -> Result<(ProducerStates, Offset), ReadError> {
    let active = FileName::log(state.end_place.segment);
    let failed = |error| ReadError::Io { file: active, error };
    let mut offsets = Vec::new();
    for entry in std::fs::read_dir(view.directory()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_str().and_then(FileName::parse);
        let Some(FileName { kind: FileKind::ProducerSnapshot, offset }) = name else { continue };
        let is_legal = entry.metadata().is_ok_and(|metadata| metadata.len() <= SNAPSHOT_BYTES_MAX);
        if is_legal && offset <= state.log_end.offset() {
            offsets.push(offset);
        }
    }
    offsets.sort_unstable();
    for offset in offsets.into_iter().rev() {
        let path = view.directory().join(FileName::snapshot(offset).text());
        // Retention may delete it meanwhile; an older one and the batches replace it.
        let Ok(contents) = std::fs::read(path) else { continue };
        if let Ok(producers) = ProducerStates::parse_snapshot(&contents) {
            return Ok((producers, offset));
        }
    }
    Ok((ProducerStates::default(), Offset::ZERO))
}
