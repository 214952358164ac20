//! What a reader of the mirrored files may rely on: where the batches end, below which offset no
//! transaction is undecided, which ones were aborted, and which epoch wrote what.

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::memory_files::MemoryFiles;
use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::partition_log::LogPlace;
use kafka_log::producer_state::ProducerStates;
use kafka_log::transaction_index::{self, AbortedTransaction};
use kafka_wire::batch_stream::{BatchStep, BatchStream, ValidatedBatch};
use kafka_wire::offset::{LastStableOffset, LogEndOffset, Offset};
use mirror_shard::bridge::Progress;

use crate::checks::{Stored, View, first_batch, stored};
use crate::history::offset;
use crate::world::World;

/// What the stored batches tell about transactions.
struct Replay {
    last_stable_offset: i64,
    aborted: Vec<AbortedTransaction>,
    /// The log was never without its first segment, so that nothing is unknown.
    is_complete: bool,
}

impl World {
    /// Checks what a report tells readers against the disk; `whole` looks at every byte.
    pub(crate) fn check_readable(&mut self, index: i32, progress: &Progress, whole: bool) {
        let start = progress.log_start.offset().get();
        let end = progress.log_end.offset().get();
        let stable = progress.last_stable_offset.offset().get();
        assert!((start..=end).contains(&stable), "p{index}: {stable} is not in {start}..={end}");
        if start == end {
            return;
        }
        let mirror = self.host.mirror(index).clone();
        let files = self.disk.files(index);
        check_place(index, files, progress.end_place, end);
        if !whole {
            return;
        }
        for batch in stored(files, View::Now, start, end).iter().filter(|b| b.base >= start) {
            let known = epoch_at(&mirror.epochs, batch.base);
            assert_eq!(known, Some(batch.epoch()), "p{index} epoch told for {}", batch.base);
        }
        let replay = replay(files, end);
        let most = replay.last_stable_offset.max(start);
        assert!(stable <= most, "p{index} is told to be stable below {stable}, is below {most}");
        let told = |abort: &&AbortedTransaction| (start..stable).contains(&abort.last_offset.get());
        for abort in replay.aborted.iter().filter(told) {
            let entry = entry_of(index, files, abort.last_offset);
            let entry = entry.unwrap_or_else(|| {
                panic!("p{index} is stable below {stable} and its index lacks {abort:?}")
            });
            assert_eq!(entry.producer_id, abort.producer_id, "p{index} producer of an abort");
            if replay.is_complete {
                assert_eq!(&entry, abort, "p{index} entry of an abort");
            }
        }
    }

    /// True when readers are held back by nothing but open transactions.
    pub(crate) fn is_told_stable(&self, index: i32, end: i64, told: i64) -> bool {
        let Some(files) = self.disk.directories.get(&index) else { return true };
        let replay = replay(files, end);
        !replay.is_complete || told >= replay.last_stable_offset
    }
}

/// Whole batches fill the segment up to the place, and the last one ends the log.
fn check_place(index: i32, files: &MemoryFiles, place: LogPlace, end: i64) {
    let LogPlace { segment, position } = place;
    let bytes = files.contents(FileName::log(segment)).unwrap_or_default();
    let mut left = bytes
        .get(..position as usize)
        .unwrap_or_else(|| panic!("p{index} ends at {place:?} in a file of {} bytes", bytes.len()));
    let mut reached = segment.get();
    while let Some(batch) = first_batch(left) {
        assert!(batch.base >= reached, "p{index} has {} behind {reached}", batch.base);
        reached = batch.next;
        left = &left[batch.bytes.len()..];
    }
    assert!(left.is_empty(), "p{index}: {place:?} lies inside a batch");
    assert_eq!(reached, end, "p{index}: batches before {place:?} end");
    let mut logs = files.names().filter(|name| name.kind == FileKind::Log);
    let hidden = logs.find(|name| name.offset > segment && name.offset.get() < end);
    assert_eq!(hidden, None, "p{index}: batches below {end} lie behind {place:?}");
}

fn replay(files: &MemoryFiles, end: i64) -> Replay {
    let mut states = ProducerStates::default();
    let batches = stored(files, View::Now, 0, end);
    let aborted = batches.iter().filter_map(|batch| states.apply(&validated(batch))).collect();
    let last_stable = states.last_stable_offset(LogEndOffset::new(offset(end)));
    let first = files.names().find(|name| name.kind == FileKind::Log);
    Replay {
        last_stable_offset: LastStableOffset::offset(last_stable).get(),
        aborted,
        is_complete: first.is_some_and(|name| name.offset == Offset::ZERO),
    }
}

fn validated(batch: &Stored<'_>) -> ValidatedBatch {
    let mut stream = BatchStream::new(u32::MAX);
    let mut left = batch.bytes;
    loop {
        let (used, step) = stream.feed(left).expect("the source made it");
        left = &left[used..];
        match step {
            BatchStep::Header(_) => {}
            BatchStep::Batch(batch) => return batch,
            BatchStep::NeedMore => unreachable!("stored batches are whole"),
        }
    }
}

/// The entry of the transaction that the marker at `marker` aborts, from the file that has it.
fn entry_of(index: i32, files: &MemoryFiles, marker: Offset) -> Option<AbortedTransaction> {
    let logs = files.names().filter(|name| name.kind == FileKind::Log && name.offset <= marker);
    let base = logs.last()?.offset;
    let bytes = files.contents(FileName::transaction_index(base)).unwrap_or_default();
    let entries = transaction_index::parse(base, bytes)
        .unwrap_or_else(|error| panic!("p{index} has an index that cannot be read: {error}"));
    entries.into_iter().find(|entry| entry.last_offset == marker)
}

/// Epoch that wrote the batch at `base`.
pub(crate) fn epoch_at(history: &EpochHistory, base: i64) -> Option<i32> {
    let entries = history.entries();
    let place = entries.partition_point(|entry| entry.start.get() <= base);
    place.checked_sub(1).map(|place| entries[place].epoch.get())
}
