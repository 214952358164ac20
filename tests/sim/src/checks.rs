//! The promises: what lies on the disk is the source's, and as durable as was said.

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::memory_files::MemoryFiles;
use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::recovery::{self, LoadRequest, LogCut};
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::record_batch::{HEADER_BYTES, LENGTH_PREFIX_BYTES};
use mirror_shard::bridge::Progress;

use crate::disk::Disk;
use crate::history::{Lineage, offset};
use crate::host::Mirror;
use crate::readers::epoch_at;
use crate::source::SourcePartition;
use crate::world::World;

/// Steps from one look at all that readers are told to the next.
const READ_EVERY: u64 = 8;

/// A batch as it lies in a segment file.
pub(crate) struct Stored<'a> {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) bytes: &'a [u8],
}

impl Stored<'_> {
    pub(crate) fn epoch(&self) -> i32 {
        i32::from_be_bytes([self.bytes[12], self.bytes[13], self.bytes[14], self.bytes[15]])
    }
}

/// Which bytes of a file are looked at.
#[derive(Clone, Copy)]
pub(crate) enum View {
    /// What readers see.
    Now,
    /// What a crash leaves.
    Durable,
}

impl Disk {
    /// True when a batch with this base offset lies in the log.
    pub(crate) fn holds_batch(&mut self, partition: i32, base: i64, end: i64) -> bool {
        stored(self.files(partition), View::Now, base, end).iter().any(|batch| batch.base == base)
    }
}

impl World {
    fn partition(&self, index: i32) -> &SourcePartition {
        &self.source.partitions[usize::try_from(index).expect("an index")]
    }

    /// True when some version of the source's past has `bytes` at `position` of the segment.
    pub(crate) fn source_holds(&self, index: i32, base: i64, position: u64, bytes: &[u8]) -> bool {
        let lineages = self.partition(index).lineages.iter().rev();
        lineages.into_iter().any(|lineage| lineage.holds(base, position, bytes))
    }

    /// Checks what a report says against the disk; `whole` looks at every byte.
    pub(crate) fn check_stored(&mut self, index: i32, progress: &Progress, whole: bool) {
        let start = progress.log_start.offset().get();
        let end = progress.log_end.offset().get();
        let point = progress.recovery_point.get();
        self.check_range(index, View::Now, start, end, whole);
        self.check_range(index, View::Durable, start, point, whole);
        self.check_readable(index, progress, whole || self.steps.is_multiple_of(READ_EVERY));
    }

    /// The batches in `start..end` are the source's, one after the other.
    fn check_range(&mut self, index: i32, view: View, start: i64, end: i64, whole: bool) {
        let held = &self.source.partitions[usize::try_from(index).expect("an index")];
        let files = self.disk.directories.entry(index).or_default();
        let batches = stored(files, view, if whole { start } else { end - 1 }, end);
        let Some((first, last)) = batches.first().zip(batches.last()) else {
            let empty = start == end
                || held.lineages.iter().any(|past| {
                    let place = past.place_of(start);
                    past.batches.get(place).is_none_or(|batch| batch.base >= end)
                });
            assert!(empty, "p{index} has no batches in {start}..{end}");
            return;
        };
        let same = held.lineages.iter().rev().any(|lineage| {
            let place = lineage.batches.partition_point(|batch| batch.base < first.base);
            let past = lineage.batches.get(place..).unwrap_or_default();
            let behind = past.get(batches.len());
            past.len() >= batches.len()
                && past.iter().zip(&batches).all(|(ours, theirs)| ours.bytes == theirs.bytes)
                // A new segment behind a gap may be empty: then the log ends where it begins.
                && (last.next == end || behind.is_some_and(|next| next.base >= end))
                && (!whole || place == 0 || lineage.batches[place - 1].next <= start)
        });
        let (from, to) = (first.base, last.next);
        assert!(
            same,
            "p{index} {start}..{end} ({from}..{to}) is not a range of the source's past: {:?}{}",
            first_difference(held.lineage(), &batches),
            listing(files)
        );
        if matches!(view, View::Durable) {
            let seen = self.host.mirror(index).start_seen;
            check_epochs(index, files, &batches, start.max(seen));
        }
    }

    /// Everything the host saved as durable survived the crash.
    pub(crate) fn check_after_crash(&mut self) {
        for place in 0..self.host.mirrors.len() {
            let mirror = &self.host.mirrors[place];
            let (Some(point), Some(start)) = (mirror.saved_point, mirror.saved_start) else {
                continue;
            };
            let start = start.max(mirror.start_seen);
            if !mirror.cutting && mirror.added && !mirror.remove_sent && point > start {
                self.check_range(mirror.index, View::Now, start, point, true);
            }
        }
    }

    /// True once every partition has all of the source, durably; those whose topic is gone have
    /// what they had.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.source.partitions.iter().zip(&self.host.mirrors).all(|(partition, mirror)| {
            mirror.loaded
                && !mirror.faulted
                && !mirror.pause_sent
                && !mirror.remove_sent
                && !mirror.failed
                && mirror.durable == mirror.log_end
                && !mirror.cutting
                && mirror.open
                && (partition.replaced_by.is_some() || self.has_all_of(partition, mirror))
        })
    }

    fn has_all_of(&self, partition: &SourcePartition, mirror: &Mirror) -> bool {
        let tells_start = self.plan.source.fetch_version_max >= 5;
        mirror.log_end == partition.end()
            && self.disk.directories.get(&mirror.index).is_some_and(|files| {
                let past = partition.lineage();
                let last = stored(files, View::Now, mirror.log_end - 1, mirror.log_end).pop();
                match (last, past.batches.last()) {
                    (Some(ours), Some(theirs)) => ours.bytes == theirs.bytes,
                    (None, _) => true,
                    (Some(_), None) => false,
                }
            })
            && (!tells_start || mirror.log_start >= partition.start)
            && self.is_told_stable(mirror.index, mirror.log_end, mirror.last_stable)
    }

    /// Where each partition stands, in words.
    pub(crate) fn lag(&self) -> String {
        let pairs = self.source.partitions.iter().zip(&self.host.mirrors);
        pairs.fold(String::new(), |text, (partition, mirror)| {
            let source = (partition.start, partition.high_watermark, partition.end());
            let Mirror { log_start, log_end, durable, loaded, failed, .. } = mirror;
            let index = mirror.index;
            text + &format!(
                "\np{index} source {source:?} leader {} epoch {}, mirror {log_start}..{log_end} \
                 durable {durable} loaded {loaded} failed {failed}",
                partition.leader, partition.epoch
            )
        })
    }

    /// A removed log whose end was told can be opened by anybody, and nothing has to be repaired.
    pub(crate) fn check_handed_over(&mut self, index: i32, progress: &Progress) {
        let request = LoadRequest {
            topic_id: self.partition(index).id.topic_id,
            config: self.host.mirror(index).config,
            recovery_point: Some(progress.recovery_point),
            log_start: Some(progress.log_start),
            clean: true,
            cut: LogCut::Keep,
        };
        let mut files = self.disk.files(index).clone();
        files.crash(|_, _| 0);
        let log = recovery::load(&mut files, &request).expect("memory does not fail");
        assert!(log.findings.is_empty(), "p{index} handed over with {:?}", log.findings);
        let log = log.log;
        assert_eq!(log.accepted_end(), progress.log_end, "p{index} handed over: log end");
        assert_eq!(log.log_start(), progress.log_start, "p{index} handed over: log start");
        assert_eq!(log.latest_epoch(), progress.last_epoch, "p{index} handed over: epoch");
        let stable = log.last_stable_offset();
        assert_eq!(stable, progress.last_stable_offset, "p{index} handed over: last stable");
    }

    /// After a clean stop: the newest history, and a start that needs no recovery.
    pub(crate) fn check_closed_logs(&mut self) {
        assert_eq!(self.host.stopped, Some(true), "everything works and the stop is not clean");
        for place in 0..self.host.mirrors.len() {
            let mirror = self.host.mirrors[place].clone();
            let held = &self.source.partitions[place];
            let request = LoadRequest {
                topic_id: held.id.topic_id,
                config: mirror.config,
                recovery_point: mirror.saved_point.map(offset),
                log_start: Some(LogStartOffset::new(offset(mirror.log_start))),
                clean: true,
                cut: LogCut::Keep,
            };
            let index = mirror.index;
            let mut files = self.disk.files(index).clone();
            let clean = recovery::load(&mut files, &request).expect("memory does not fail");
            assert!(clean.findings.is_empty(), "p{index}: clean start finds {:?}", clean.findings);
            let mut files = self.disk.files(index).clone();
            let read = LoadRequest { recovery_point: None, clean: false, ..request };
            let read = recovery::load(&mut files, &read).expect("memory does not fail");
            assert_eq!(clean.log.accepted_end(), read.log.accepted_end(), "p{index} log end");
            assert_eq!(clean.log.epochs(), read.log.epochs(), "p{index} epochs");
            // What retired segments told about producers is in the snapshot only.
            if clean.log.segment_bases().next() == Some(Offset::ZERO) {
                assert_eq!(clean.log.producers(), read.log.producers(), "p{index} producers");
                assert_eq!(clean.log.last_stable_offset(), read.log.last_stable_offset());
            }
            let held = &self.source.partitions[place];
            let end = clean.log.accepted_end().offset().get();
            // An order to truncate may have been the last thing that happened.
            let is_gone = held.replaced_by.is_some();
            let is_whole = mirror.cut_at_stop || end == held.end();
            assert!(is_gone || is_whole, "p{index} is closed at {end}");
            if is_gone {
                continue; // what it went through since, its mirror was never told
            }
            let newest = held.lineage();
            let start = clean.log.log_start().offset().get();
            let files = self.disk.files(index);
            for batch in stored(files, View::Now, start, end) {
                let place = newest.place_of(batch.base);
                assert_eq!(newest.batches[place].bytes, batch.bytes, "p{index} at {}", batch.base);
            }
        }
    }
}

/// The first batch that the newest past does not have there, and what it has instead.
fn first_difference(past: &Lineage, batches: &[Stored<'_>]) -> Option<String> {
    let first = past.batches.partition_point(|batch| batch.base < batches[0].base);
    let mut pairs = batches.iter().zip(past.batches[first..].iter().map(Some).chain([None; 9]));
    pairs.find_map(|(ours, theirs)| {
        let same = theirs.is_some_and(|theirs| theirs.bytes == ours.bytes);
        let (base, next) = (ours.base, ours.next);
        let instead = theirs.map(|theirs| (theirs.base, theirs.next));
        (!same).then(|| format!("batch {base}..{next}, expected {instead:?}"))
    })
}

/// The files of a directory with their lengths, now and after a crash.
fn listing(files: &MemoryFiles) -> String {
    files.names().fold(String::new(), |text, name| {
        let now = files.contents(name).map(<[u8]>::len);
        let durable = files.durable(name).map(<[u8]>::len);
        text + &format!("\n{name} {now:?} {durable:?}")
    })
}

/// Whole batches of a directory from the segment that holds `from` on, up to `end`.
pub(crate) fn stored(files: &MemoryFiles, view: View, from: i64, end: i64) -> Vec<Stored<'_>> {
    let logs = files.names().filter(|name| name.kind == FileKind::Log);
    let bases: Vec<i64> = logs.map(|name| name.offset.get()).collect();
    let first = bases.partition_point(|base| *base <= from).saturating_sub(1);
    let mut batches = Vec::new();
    for (place, base) in bases.iter().enumerate().skip(first) {
        let name = FileName::log(offset(*base));
        let bytes = match view {
            View::Now => files.contents(name),
            View::Durable => files.durable(name),
        };
        let mut left = bytes.unwrap_or_default();
        let mut expected = *base;
        let behind = bases.get(place + 1).copied().unwrap_or(i64::MAX);
        while let Some(batch) = first_batch(left) {
            if batch.base < expected || batch.next > end.min(behind) {
                break;
            }
            expected = batch.next;
            left = &left[batch.bytes.len()..];
            batches.push(batch);
        }
    }
    batches
}

pub(crate) fn first_batch(bytes: &[u8]) -> Option<Stored<'_>> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let base = i64::from_be_bytes(*header.first_chunk()?);
    let length = i32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
    let delta = i32::from_be_bytes([header[23], header[24], header[25], header[26]]);
    let bytes = bytes.get(..LENGTH_PREFIX_BYTES + length)?;
    Some(Stored { base, next: base + i64::from(delta) + 1, bytes })
}

/// The epoch checkpoint that a crash leaves knows the epoch of every durable batch.
fn check_epochs(index: i32, files: &MemoryFiles, batches: &[Stored<'_>], start: i64) {
    let contents = files.durable(FileName::LEADER_EPOCH_CHECKPOINT);
    let text = contents.unwrap_or_else(|| panic!("p{index} has durable batches and no epochs"));
    let history = EpochHistory::parse(text).expect("a checkpoint we wrote");
    for batch in batches.iter().filter(|batch| batch.base >= start) {
        let known = epoch_at(&history, batch.base);
        assert_eq!(
            known,
            Some(batch.epoch()),
            "p{index} epoch of the durable batch at {}",
            batch.base
        );
    }
}
