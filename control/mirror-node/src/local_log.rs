//! A partition's segments read from disk, batch by batch, every batch checked.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use kafka_log::partition_files::{FileKind, FileName};
use kafka_wire::control_record::ControlRecord;
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;
use kafka_wire::record_batch::{BatchError, BatchHeader, HEADER_BYTES, RecordBatchView};

/// Largest batch read, in bytes: no more than a segment can hold.
pub const READABLE_BATCH_BYTES_MAX: u32 = i32::MAX.unsigned_abs();

/// The segments of one partition, by base offset.
#[derive(Clone, Debug)]
pub struct LocalLog {
    /// Whose log it is.
    pub name: TopicPartition,
    /// Its segments, in order.
    pub segments: Vec<LocalSegment>,
}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSegment {
    /// Base offset, from its name.
    pub base: Offset,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Where in which file something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Position in it, in bytes.
    pub position: u64,
}

/// What is wrong with a log on disk.
#[derive(Debug, thiserror::Error)]
pub enum LocalLogError {
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Bytes that are no batch.
    #[error("{} at {}: {error}", place.path.display(), place.position)]
    Batch {
        /// Where.
        place: Place,
        /// What is wrong.
        error: BatchError,
    },
    /// The file ends inside a batch.
    #[error(
        "{} at {}: batch of {batch_bytes} bytes, but the file ends after {left_bytes}",
        place.path.display(),
        place.position
    )]
    Torn {
        /// Where the batch begins.
        place: Place,
        /// What the batch needs, at least.
        batch_bytes: u64,
        /// What the file holds.
        left_bytes: u64,
    },
    /// A batch that does not follow the one before it.
    #[error(
        "{} at {}: batch starts at offset {found}, expected {expected} or above",
        place.path.display(),
        place.position
    )]
    OffsetOrder {
        /// Where.
        place: Place,
        /// Least legal offset.
        expected: Offset,
        /// Offset found.
        found: Offset,
    },
}

impl LocalLogError {
    /// Where the log is wrong; `None` when the system refused.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Io { .. } => None,
            Self::Batch { place, .. }
            | Self::Torn { place, .. }
            | Self::OffsetOrder { place, .. } => Some(place),
        }
    }
}

impl LocalLog {
    /// Lists the segments of a partition's directory.
    ///
    /// # Errors
    /// What the system said.
    pub fn open(root: &Path, name: &TopicPartition) -> Result<Self, LocalLogError> {
        let directory = root.join(name.to_string());
        let failed = |error| LocalLogError::Io { path: directory.clone(), error };
        let mut segments = Vec::new();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let file_name = entry.file_name();
            let known = file_name.to_str().and_then(FileName::parse);
            let Some(FileName { kind: FileKind::Log, offset: base }) = known else { continue };
            let bytes = entry.metadata().map_err(failed)?.len();
            segments.push(LocalSegment { base, path: entry.path(), bytes });
        }
        segments.sort_by_key(|segment| segment.base);
        Ok(Self { name: name.clone(), segments })
    }

    /// Reads the batches from the segment that may hold `from` on.
    #[must_use]
    pub fn batches(&self, from: Offset) -> LocalBatches {
        let after = self.segments.partition_point(|segment| segment.base <= from);
        let first = after.saturating_sub(1);
        let segments = self.segments[first..].to_vec();
        LocalBatches {
            least: segments.first().map_or(Offset::ZERO, |segment| segment.base),
            segments: segments.into_iter(),
            open: None,
            batch: Vec::new(),
            durable_end: None,
            open_end: None,
        }
    }
}

/// Reads batches one after the other; after an error it is of no further use.
#[derive(Debug)]
pub struct LocalBatches {
    segments: std::vec::IntoIter<LocalSegment>,
    open: Option<OpenSegment>,
    /// Least legal base offset of the next batch.
    least: Offset,
    batch: Vec<u8>,
    /// In a log that was not closed: below it everything is durable.
    durable_end: Option<Offset>,
    open_end: Option<OpenEnd>,
}

/// What follows the last batch of a log that was not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEnd {
    /// Where it begins.
    pub place: Place,
    /// Its length.
    pub bytes: u64,
    /// Why it is no batch; `None` when it is space reserved ahead.
    pub reason: Option<String>,
}

#[derive(Debug)]
struct OpenSegment {
    reader: BufReader<File>,
    segment: LocalSegment,
    position: u64,
}

/// A batch on disk: header, CRC and order are checked.
#[derive(Debug)]
pub struct LocalBatch<'a> {
    /// Its header.
    pub header: BatchHeader,
    /// What it says when it is a control batch.
    pub control: Option<ControlRecord>,
    /// All of it.
    pub bytes: &'a [u8],
    /// Base offset of its segment.
    pub segment: Offset,
    /// Where it begins.
    pub place: Place,
}

type FoundBatch = (BatchHeader, Option<ControlRecord>, Place);

impl LocalBatches {
    /// Reads a log that was not closed and is durable up to `durable_end`. Space reserved behind a
    /// segment's batches, zeros or the older life of a recycled file, ends the segment; bytes that
    /// are no batch end the last one.
    #[must_use]
    pub fn of_open_log(mut self, durable_end: Offset) -> Self {
        self.durable_end = Some(durable_end);
        self
    }

    /// The next batch; `None` behind the last one.
    ///
    /// # Errors
    /// What is wrong with the next bytes, and where.
    pub fn next_batch(&mut self) -> Result<Option<LocalBatch<'_>>, LocalLogError> {
        let (header, control, place) = loop {
            match self.read_batch() {
                Ok(Some(found)) => break found,
                Ok(None) => return Ok(None),
                Err(error) => self.end_segment(error)?,
            }
        };
        let open = self.open.as_ref().expect("a batch was read from an open segment");
        let (bytes, segment) = (&self.batch[..], open.segment.base);
        Ok(Some(LocalBatch { header, control, bytes, segment, place }))
    }

    /// Reads the next batch into `batch`.
    fn read_batch(&mut self) -> Result<Option<FoundBatch>, LocalLogError> {
        let Some(place) = self.find_next()? else { return Ok(None) };
        let open = self.open.as_mut().expect("a place is in an open segment");
        let left_bytes = open.segment.bytes - place.position;
        let torn =
            |batch_bytes| LocalLogError::Torn { place: place.clone(), batch_bytes, left_bytes };
        let failed = |error| LocalLogError::Io { path: place.path.clone(), error };
        let wrong = |error| LocalLogError::Batch { place: place.clone(), error };
        if left_bytes < HEADER_BYTES as u64 {
            return Err(torn(HEADER_BYTES as u64));
        }
        let mut head = [0; HEADER_BYTES];
        open.reader.read_exact(&mut head).map_err(failed)?;
        let header = BatchHeader::parse(&head, READABLE_BATCH_BYTES_MAX).map_err(wrong)?;
        let batch_bytes = u64::from(header.batch_bytes);
        if batch_bytes > left_bytes {
            return Err(torn(batch_bytes));
        }
        self.batch.clear();
        self.batch.extend_from_slice(&head);
        let mut body = (&mut open.reader).take(u64::from(header.body_bytes()));
        body.read_to_end(&mut self.batch).map_err(failed)?;
        let batch = RecordBatchView::parse(&self.batch, READABLE_BATCH_BYTES_MAX).map_err(wrong)?;
        let control = batch.control();
        if header.base_offset < self.least {
            let (expected, found) = (self.least, header.base_offset);
            return Err(LocalLogError::OffsetOrder { place, expected, found });
        }
        open.position += batch_bytes;
        self.least = header.next_offset();
        Ok(Some((header, control, place)))
    }

    /// Ends the open segment before bytes that are no damage in a log that was not closed.
    fn end_segment(&mut self, error: LocalLogError) -> Result<(), LocalLogError> {
        let is_open = self.durable_end.is_some_and(|durable| self.least >= durable);
        let Some(place) = error.place().filter(|_| is_open).cloned() else { return Err(error) };
        let Some(open) = &self.open else { return Err(error) };
        let is_reserved = matches!(error, LocalLogError::OffsetOrder { .. })
            || is_zero_at(&place).map_err(|error| {
                let path = place.path.clone();
                LocalLogError::Io { path, error }
            })?;
        let is_last = self.segments.as_slice().is_empty();
        if !is_reserved && !is_last {
            return Err(error);
        }
        let bytes = open.segment.bytes - place.position;
        let reason = (!is_reserved).then(|| error.to_string());
        self.open_end = is_last.then_some(OpenEnd { place, bytes, reason });
        self.open = None;
        Ok(())
    }

    /// What follows the last batch, when that was read in a log that was not closed.
    #[must_use]
    pub fn open_end(&self) -> Option<&OpenEnd> {
        self.open_end.as_ref()
    }

    /// Least legal offset of the next batch: one past the last offset read.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.least
    }

    /// Where the next batch begins, in a segment that is open then.
    fn find_next(&mut self) -> Result<Option<Place>, LocalLogError> {
        loop {
            if let Some(open) = &self.open
                && open.position < open.segment.bytes
            {
                let path = open.segment.path.clone();
                return Ok(Some(Place { path, position: open.position }));
            }
            let Some(segment) = self.segments.next() else { return Ok(None) };
            let file = File::open(&segment.path)
                .map_err(|error| LocalLogError::Io { path: segment.path.clone(), error })?;
            let reader = BufReader::with_capacity(READ_BYTES, file);
            self.least = self.least.max(segment.base);
            self.open = Some(OpenSegment { reader, segment, position: 0 });
        }
    }
}

/// True when a batch header's worth of zeros lies there: reserved, never written.
fn is_zero_at(place: &Place) -> io::Result<bool> {
    let mut file = File::open(&place.path)?;
    file.seek(SeekFrom::Start(place.position))?;
    let mut header = Vec::new();
    file.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    Ok(header.iter().all(|byte| *byte == 0))
}

const READ_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
