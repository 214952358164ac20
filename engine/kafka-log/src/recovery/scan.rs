//! Reads a segment from its first byte, batch by batch, and tells what it is worth.

use std::io;

use kafka_wire::batch_stream::{BatchStep, BatchStream, ValidatedBatch};
use kafka_wire::offset::Offset;
use kafka_wire::producer::ProducerId;
use kafka_wire::record_batch::{BatchHeader, HEADER_BYTES};

use super::OnBatch;
use crate::layout::{SEGMENT_FILE_BYTES_MAX, relative_offset};
use crate::leader_epoch_checkpoint::EpochHistory;
use crate::log_config::LogConfig;
use crate::partition_files::{FileName, PartitionFiles};
use crate::producer_state::{ProducerStates, given_out};
use crate::segment::Segment;

/// Bytes read at once while a log is loaded.
pub const READ_BYTES: usize = 1 << 20;
/// Bytes of the first read: most of the logs of a node that has many are short.
const FIRST_READ_BYTES: usize = 32 << 10;

/// What the batches before the scan left behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// First offset the next batch may have.
    pub(super) end: Offset,
    pub(super) epochs: EpochHistory,
    pub(super) producers: ProducerStates,
    /// Largest id of a producer met so far.
    pub(super) producer_id_max: Option<ProducerId>,
}

impl Carried {
    /// Goes on with the producers of a snapshot.
    pub(super) fn take_producers(&mut self, producers: ProducerStates) {
        self.producer_id_max = self.producer_id_max.max(producers.id_max());
        self.producers = producers;
    }
}

/// Where a segment must end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    /// First offset to cut off.
    pub(super) cut: Option<Offset>,
    /// Base of the segment that follows.
    pub(super) next_base: Option<Offset>,
}

/// What takes the batches kept.
pub(super) struct ScanTo<'a, 'b> {
    pub(super) carried: &'a mut Carried,
    pub(super) on_batch: &'a mut OnBatch<'b>,
}

/// How a scan ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ScanEnd {
    /// At the end of the file, at a batch's end.
    Whole,
    /// At zeros, or at batches of an older life of the file: space reserved and not used.
    Unused,
    /// At the first batch to cut off.
    Cut,
    /// At bytes that are no batch, for this reason.
    Torn(String),
}

/// Scans the segment at `base`; `to` takes every batch kept.
pub(super) fn scan_segment(
    files: &mut impl PartitionFiles,
    base: Offset,
    bounds: Bounds,
    config: &LogConfig,
    to: ScanTo<'_, '_>,
) -> io::Result<(Segment, ScanEnd)> {
    to.carried.end = to.carried.end.max(base);
    let mut scan = Scan { segment: Segment::empty(base), bounds, config, to };
    let end = read_batches(files, FileName::log(base), 0, &mut |step| scan.take(step))?;
    let segment = scan.segment;
    let end = match end {
        ScanEnd::Torn(_) if is_zero_at(files, base, segment.bytes)? => ScanEnd::Unused,
        end => end,
    };
    Ok((segment, end))
}

/// Feeds a file from `position` to `take`, which may end the reading.
pub(super) fn read_batches(
    files: &mut impl PartitionFiles,
    name: FileName,
    mut position: u64,
    take: &mut impl FnMut(BatchStep) -> Option<ScanEnd>,
) -> io::Result<ScanEnd> {
    let mut buffer = vec![0; FIRST_READ_BYTES];
    let mut stream = BatchStream::new(SEGMENT_FILE_BYTES_MAX);
    loop {
        let read = files.read_at(name, position, &mut buffer)?;
        if read == 0 {
            break;
        }
        position += read as u64;
        let mut left = &buffer[..read];
        loop {
            let (taken, step) = match stream.feed(left) {
                Ok(fed) => fed,
                Err(error) => return Ok(ScanEnd::Torn(error.to_string())),
            };
            left = &left[taken..];
            if step == BatchStep::NeedMore {
                break;
            }
            if let Some(end) = take(step) {
                return Ok(end);
            }
        }
        if read == buffer.len() && read < READ_BYTES {
            buffer = vec![0; READ_BYTES];
        }
    }
    Ok(if stream.is_at_boundary() {
        ScanEnd::Whole
    } else {
        ScanEnd::Torn("file ends inside a batch".to_owned())
    })
}

struct Scan<'a, 'b> {
    segment: Segment,
    bounds: Bounds,
    config: &'a LogConfig,
    to: ScanTo<'a, 'b>,
}

impl Scan<'_, '_> {
    fn take(&mut self, step: BatchStep) -> Option<ScanEnd> {
        match step {
            BatchStep::NeedMore => None,
            BatchStep::Header(header) => self.judge(&header),
            BatchStep::Batch(batch) => {
                self.keep(&batch);
                None
            }
        }
    }

    /// Ends the scan before a batch that does not belong here.
    fn judge(&self, header: &BatchHeader) -> Option<ScanEnd> {
        let (first, last) = (header.base_offset, header.last_offset());
        if first < self.to.carried.end {
            return Some(ScanEnd::Unused);
        }
        if let Some(next) = self.bounds.next_base.filter(|next| last >= *next) {
            let reason = format!("batch ends at offset {last}, next segment starts at {next}");
            return Some(ScanEnd::Torn(reason));
        }
        // After the check above: a header that lies about its offsets must not pass for a cut.
        if self.bounds.cut.is_some_and(|cut| last >= cut) {
            return Some(ScanEnd::Cut);
        }
        let bytes = u64::from(self.segment.bytes) + u64::from(header.batch_bytes);
        let fits = bytes <= u64::from(SEGMENT_FILE_BYTES_MAX);
        if !fits || relative_offset(self.segment.base, last).is_none() {
            return Some(ScanEnd::Torn(format!(
                "batch at offset {first} is past what indexes hold"
            )));
        }
        let is_full = |epoch| self.to.carried.epochs.is_full_for(epoch);
        header
            .leader_epoch
            .is_some_and(is_full)
            .then(|| ScanEnd::Torn(format!("batch at offset {first} begins an epoch too many")))
    }

    fn keep(&mut self, batch: &ValidatedBatch) {
        let header = &batch.header;
        let carried = &mut *self.to.carried;
        (self.to.on_batch)(&carried.producers, header);
        if let Some(epoch) = header.leader_epoch
            && carried.epochs.latest().is_none_or(|latest| latest < epoch)
        {
            carried.epochs.assign(epoch, header.base_offset);
        }
        carried.producer_id_max = carried.producer_id_max.max(given_out(header.producer_id));
        self.segment.push(header, self.config);
        if let Some(aborted) = carried.producers.apply(batch) {
            self.segment.push_aborted(&aborted);
        }
        carried.end = header.next_offset();
    }
}

/// True when a batch header's worth of zeros lies at `position`: reserved, never written.
fn is_zero_at(files: &mut impl PartitionFiles, base: Offset, position: u32) -> io::Result<bool> {
    let mut header = [0; HEADER_BYTES];
    let read = files.read_at(FileName::log(base), u64::from(position), &mut header)?;
    Ok(header[..read].iter().all(|byte| *byte == 0))
}
