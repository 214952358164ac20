//! One partition's log as arithmetic: which batch lies where, and its exact bytes.

use std::io;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use crc_fast::{CrcAlgorithm, Digest};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};

use super::batch_cycle::{BatchCycle, CycleBatch};
use super::spec::{LogSize, TopicSpec};

/// Bytes at the head of a batch that hold the patched fields; the CRC starts behind them.
pub(crate) const PATCHED_BYTES: usize = 16;

/// A partition's log at one moment: cheap to copy, because the batches are shared.
#[derive(Clone, Debug)]
pub struct SyntheticLog {
    cycle: Arc<BatchCycle>,
    /// Where in the cycle batch 0 lies.
    entry: usize,
    first_offset: i64,
    batch_count: i64,
    start_offset: i64,
    /// Rising in both fields; never empty.
    epochs: Vec<EpochStart>,
    gaps: Vec<Gap>,
}

#[derive(Clone, Copy, Debug)]
struct EpochStart {
    epoch: i32,
    batch: i64,
}

/// Offsets missing in front of `batch`.
#[derive(Clone, Copy, Debug)]
struct Gap {
    batch: i64,
    records: i64,
}

/// One batch as the source serves it: `head` then `tail`.
#[derive(Clone, Copy, Debug)]
pub struct SyntheticBatch<'a> {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// `baseOffset`, `batchLength`, `partitionLeaderEpoch`.
    pub head: [u8; PATCHED_BYTES],
    /// Everything from `magic` on.
    pub tail: &'a [u8],
}

impl SyntheticBatch<'_> {
    /// Bytes of the batch.
    #[must_use]
    pub fn bytes(&self) -> usize {
        PATCHED_BYTES + self.tail.len()
    }
}

impl SyntheticLog {
    /// Lays out a new log; `salt` chooses where it enters the cycle.
    pub(crate) fn new(spec: &TopicSpec, cycle: Arc<BatchCycle>, salt: u64) -> Result<Self> {
        let entry_count = u64::try_from(cycle.entries.len())?;
        let chosen = usize::try_from(salt % entry_count.max(1))?;
        let entry = cycle.entries.get(chosen).copied().unwrap_or(0);
        let mut log = Self {
            cycle,
            entry,
            first_offset: spec.first_offset,
            batch_count: 0,
            start_offset: spec.first_offset,
            epochs: Vec::new(),
            gaps: Vec::new(),
        };
        log.batch_count = log.batches_for(spec.size)?;
        log.place_epochs(spec)?;
        log.place_gaps(spec)?;
        Ok(log)
    }

    /// First offset the source still serves.
    #[must_use]
    pub fn start_offset(&self) -> LogStartOffset {
        LogStartOffset::new(offset(self.start_offset))
    }

    /// One past the last offset.
    #[must_use]
    pub fn end_offset(&self) -> LogEndOffset {
        LogEndOffset::new(offset(self.end()))
    }

    /// The newest epoch.
    #[must_use]
    pub fn leader_epoch(&self) -> SourceLeaderEpoch {
        SourceLeaderEpoch::from_wire(self.epoch()).expect("epochs come from the typed spec")
    }

    /// Bytes of all batches it still serves.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.bytes_between(self.batch_at(self.start()), self.batch_count)
    }

    /// Batches from the one that holds or follows `from` while they start below `to`.
    pub fn batches(&self, from: Offset, to: Offset) -> impl Iterator<Item = SyntheticBatch<'_>> {
        (self.batch_at(from.get())..self.batch_count)
            .map(|number| self.batch(number))
            .take_while(move |batch| batch.base_offset < to)
    }

    /// The bytes of [`Self::batches`] as a stream.
    #[must_use]
    pub fn reader(&self, from: Offset, to: Offset) -> LogReader {
        let next = self.batch_at(from.get());
        LogReader { log: self.clone(), next, read: 0, to }
    }

    /// Length and CRC-64/NVME of the bytes of [`Self::batches`].
    #[must_use]
    pub fn digest(&self, from: Offset, to: Offset) -> LogDigest {
        let mut crc = Digest::new(CrcAlgorithm::Crc64Nvme);
        let mut bytes = 0_u64;
        let mut batches = 0_u64;
        for batch in self.batches(from, to) {
            crc.update(&batch.head);
            crc.update(batch.tail);
            bytes += u64::try_from(batch.bytes()).expect("a batch is smaller than memory");
            batches += 1;
        }
        LogDigest { bytes, batches, crc: crc.finalize() }
    }

    pub(crate) fn start(&self) -> i64 {
        self.start_offset
    }

    pub(crate) fn end(&self) -> i64 {
        self.base_offset(self.batch_count)
    }

    /// Offset below which no transaction is open.
    pub(crate) fn last_stable(&self) -> i64 {
        let last = self.batch_count - 1;
        let open_back = (last >= 0).then(|| self.template(last).open_back).flatten();
        open_back.map_or_else(|| self.end(), |back| self.base_offset(last - back))
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epochs.last().map_or(0, |start| start.epoch)
    }

    /// Epoch that was current when `offset` was written.
    pub(crate) fn epoch_at(&self, offset: i64) -> i32 {
        self.epoch_of(self.batch_at(offset))
    }

    /// Kafka's `LeaderEpochFileCache.endOffsetFor`: epoch and end offset, -1 and -1 if unknown.
    pub(crate) fn epoch_end(&self, asked: i32) -> (i32, i64) {
        if asked == self.epoch() {
            return (asked, self.end());
        }
        let above = self.epochs.partition_point(|start| start.epoch <= asked);
        let Some(higher) = self.epochs.get(above) else { return (-1, -1) };
        let end = self.base_offset(higher.batch);
        match above.checked_sub(1).and_then(|floor| self.epochs.get(floor)) {
            Some(floor) if asked >= 0 => (floor.epoch, end),
            _ if asked >= 0 => (asked, end),
            _ => (-1, -1),
        }
    }

    /// Number of the first batch that ends at or above `offset`; the batch count if none does.
    pub(crate) fn batch_at(&self, offset: i64) -> i64 {
        let (mut low, mut high) = (0, self.batch_count);
        while low < high {
            let middle = low + (high - low) / 2;
            let last = self.base_offset(middle) + self.template(middle).records - 1;
            if last < offset { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub(crate) fn batch_count(&self) -> i64 {
        self.batch_count
    }

    /// A batch of the log; `number` is below the batch count.
    pub(crate) fn batch(&self, number: i64) -> SyntheticBatch<'_> {
        let template = self.template(number);
        let base = self.base_offset(number);
        let bytes = &self.cycle.bytes[template.at..template.at + template.bytes];
        let mut head = [0; PATCHED_BYTES];
        head.copy_from_slice(&bytes[..PATCHED_BYTES]);
        head[..8].copy_from_slice(&base.to_be_bytes());
        head[12..].copy_from_slice(&self.epoch_of(number).to_be_bytes());
        SyntheticBatch {
            base_offset: offset(base),
            last_offset: offset(base + template.records - 1),
            head,
            tail: &bytes[PATCHED_BYTES..],
        }
    }

    /// Where the batch's unpatched bytes lie in [`Self::cycle`].
    pub(crate) fn tail_at(&self, number: i64) -> usize {
        self.template(number).at + PATCHED_BYTES
    }

    pub(crate) fn cycle(&self) -> &Arc<BatchCycle> {
        &self.cycle
    }

    /// Bytes of the batches in `[from, to)`, by batch number.
    pub(crate) fn bytes_between(&self, from: i64, to: i64) -> u64 {
        let length = self.cycle_length();
        let position = |number: i64| {
            let whole = u64::try_from(number / length).unwrap_or(0);
            let partial: usize = (0..number % length).map(|index| self.template(index).bytes).sum();
            whole * bytes_u64(self.cycle.bytes.len()) + bytes_u64(partial)
        };
        position(to).saturating_sub(position(from))
    }

    pub(crate) fn append(&mut self, batches: u32) {
        self.batch_count += i64::from(batches);
    }

    /// Starts `epoch` at the log end; epochs that wrote nothing are forgotten, as in Kafka.
    pub(crate) fn raise_epoch(&mut self, epoch: i32) -> Result<()> {
        ensure!(epoch > self.epoch(), "epoch {epoch} is not above {}", self.epoch());
        let batch = self.batch_count;
        self.epochs.retain(|start| start.batch < batch);
        self.epochs.push(EpochStart { epoch, batch });
        Ok(())
    }

    /// Drops the batches that end at or above `to`, as an unclean election does.
    pub(crate) fn truncate(&mut self, to: i64) {
        self.batch_count = self.batch_at(to);
        let kept = self.batch_count;
        self.gaps.retain(|gap| gap.batch < kept);
        let first = self.epochs.first().copied();
        self.epochs.retain(|start| start.batch < kept);
        if self.epochs.is_empty() {
            self.epochs.extend(first);
        }
        self.start_offset = self.start_offset.min(self.end());
    }

    pub(crate) fn set_start(&mut self, start: i64) {
        self.start_offset = start.clamp(self.start_offset, self.end());
    }

    fn base_offset(&self, number: i64) -> i64 {
        let length = self.cycle_length();
        let records = self.cycle.records;
        let entered = self.cycle.batches[self.entry].first;
        let inside = (self.template(number).first - entered).rem_euclid(records);
        let missing: i64 =
            self.gaps.iter().take_while(|gap| gap.batch <= number).map(|gap| gap.records).sum();
        self.first_offset + number / length * records + inside + missing
    }

    fn template(&self, number: i64) -> &CycleBatch {
        let inside = usize::try_from(number % self.cycle_length()).unwrap_or(0);
        &self.cycle.batches[(self.entry + inside) % self.cycle.batches.len()]
    }

    fn cycle_length(&self) -> i64 {
        i64::try_from(self.cycle.batches.len()).expect("a cycle fits in memory")
    }

    fn epoch_of(&self, number: i64) -> i32 {
        let above = self.epochs.partition_point(|start| start.batch <= number);
        let floor = above.saturating_sub(1);
        self.epochs.get(floor).map_or(0, |start| start.epoch)
    }

    fn batches_for(&self, size: LogSize) -> Result<i64> {
        let length = self.cycle_length();
        let (wanted, per_cycle, weigh): (u64, u64, fn(&CycleBatch) -> u64) = match size {
            LogSize::Batches(count) => return Ok(i64::from(count)),
            LogSize::Bytes(bytes) => {
                (bytes, bytes_u64(self.cycle.bytes.len()), |batch| bytes_u64(batch.bytes))
            }
            LogSize::Records(records) => (records, u64::try_from(self.cycle.records)?, |batch| {
                u64::try_from(batch.records).unwrap_or(0)
            }),
        };
        let mut count = i64::try_from(wanted / per_cycle)? * length;
        let mut missing = wanted % per_cycle;
        while missing > 0 {
            missing = missing.saturating_sub(weigh(self.template(count)));
            count += 1;
        }
        Ok(count)
    }

    fn place_epochs(&mut self, spec: &TopicSpec) -> Result<()> {
        for each in &spec.epochs {
            let batch = self.share(each.from_permille);
            let epoch = each.epoch.get();
            ensure!(
                self.epochs.is_empty() || epoch > self.epoch(),
                "epochs of {} do not rise",
                spec.name
            );
            self.epochs.retain(|start| start.batch < batch);
            let batch = if self.epochs.is_empty() { 0 } else { batch };
            self.epochs.push(EpochStart { epoch, batch });
        }
        if self.epochs.is_empty() {
            self.epochs.push(EpochStart { epoch: 0, batch: 0 });
        }
        Ok(())
    }

    fn place_gaps(&mut self, spec: &TopicSpec) -> Result<()> {
        for each in &spec.gaps {
            let batch = self.share(each.at_permille).max(1);
            let rises = self.gaps.last().is_none_or(|last| last.batch < batch);
            ensure!(rises, "gaps of {} do not rise", spec.name);
            if batch < self.batch_count {
                self.gaps.push(Gap { batch, records: i64::from(each.records) });
            }
        }
        let end = self.batch_count.checked_mul(self.cycle.records);
        end.context("the log is too long for its offsets").map(drop)
    }

    fn share(&self, permille: u32) -> i64 {
        self.batch_count.saturating_mul(i64::from(permille)) / 1000
    }
}

/// Fingerprint of a range of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDigest {
    /// Bytes of the range.
    pub bytes: u64,
    /// Batches in the range.
    pub batches: u64,
    /// CRC-64/NVME of the bytes.
    pub crc: u64,
}

/// Streams the bytes of whole batches.
#[derive(Debug)]
pub struct LogReader {
    log: SyntheticLog,
    next: i64,
    /// Bytes of batch `next` already read.
    read: usize,
    to: Offset,
}

impl io::Read for LogReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() && self.next < self.log.batch_count {
            let batch = self.log.batch(self.next);
            if batch.base_offset >= self.to {
                break;
            }
            let rest = match self.read.checked_sub(PATCHED_BYTES) {
                Some(behind_head) => &batch.tail[behind_head..],
                None => &batch.head[self.read..],
            };
            let taken = rest.len().min(into.len() - filled);
            into[filled..filled + taken].copy_from_slice(&rest[..taken]);
            filled += taken;
            self.read += taken;
            if self.read == batch.bytes() {
                self.next += 1;
                self.read = 0;
            }
        }
        Ok(filled)
    }
}

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).expect("offsets of a synthetic log rise from a first offset >= 0")
}

fn bytes_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
