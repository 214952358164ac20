//! The largest producer id in the logs of a directory, by their batch headers and producer
//! snapshots.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::partition_log::LogPlace;
use kafka_log::producer_state::{ProducerStates, given_out};
use kafka_wire::partition::TopicPartition;
use kafka_wire::producer::ProducerId;
use kafka_wire::record_batch::{BatchHeader, HEADER_BYTES};

use crate::catalog::Catalog;
use crate::directory::DirectoryError;
use crate::durable_file;
use crate::local_log::{LocalLog, LocalLogError, LocalSegment, READABLE_BATCH_BYTES_MAX};
use crate::producer_ids::ProducerIdError;
use crate::shared_directory::SharedDirectory;

/// Reads every batch header there is. Logs may be written meanwhile: what comes after now is for
/// their writers to tell.
pub(super) fn largest(
    directory: &SharedDirectory,
    catalog: &Catalog,
) -> Result<Option<ProducerId>, ProducerIdError> {
    let root = directory.root();
    let partitions = list(directory)?;
    tracing::info!("searching {} logs for the largest producer id", partitions.len());
    let mut largest = None;
    for name in &partitions {
        let end = end_place(catalog, name);
        let log = match LocalLog::open(root, name) {
            Ok(log) => log,
            Err(LocalLogError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for segment in &log.segments {
            largest = largest.max(in_segment(segment, end)?);
        }
        largest = largest.max(in_snapshots(&root.join(name.to_string()))?);
    }
    Ok(largest)
}

fn list(directory: &SharedDirectory) -> Result<Vec<TopicPartition>, DirectoryError> {
    Ok(directory.lock().list_partitions()?.0)
}

/// Where a log that is being written ends.
fn end_place(catalog: &Catalog, name: &TopicPartition) -> Option<LogPlace> {
    let topic = catalog.topic(&name.topic)?;
    Some(topic.partition(name.partition.get())?.view.state()?.end_place)
}

/// Goes from header to header; ends where there is no batch any more.
fn in_segment(
    segment: &LocalSegment,
    end: Option<LogPlace>,
) -> Result<Option<ProducerId>, LocalLogError> {
    let bytes = match end {
        Some(end) if segment.base > end.segment => 0,
        Some(end) if segment.base == end.segment => segment.bytes.min(u64::from(end.position)),
        _ => segment.bytes,
    };
    let failed = |error| LocalLogError::Io { path: segment.path.clone(), error };
    let file = match File::open(&segment.path) {
        // Retention was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    let (mut position, mut largest) = (0, None);
    while position + HEADER_BYTES as u64 <= bytes {
        let mut head = [0; HEADER_BYTES];
        match reader.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            read => read.map_err(failed)?,
        }
        let Ok(header) = BatchHeader::parse(&head, READABLE_BATCH_BYTES_MAX) else { break };
        largest = largest.max(given_out(header.producer_id));
        position += u64::from(header.batch_bytes);
        reader.seek_relative(i64::from(header.body_bytes())).map_err(failed)?;
    }
    Ok(largest)
}

/// Producers whose batches have gone, but who may write again.
fn in_snapshots(directory: &Path) -> Result<Option<ProducerId>, LocalLogError> {
    let failed = |error| LocalLogError::Io { path: directory.to_owned(), error };
    let mut largest = None;
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let file = name.to_str().and_then(FileName::parse);
        if file.is_none_or(|file| file.kind != FileKind::ProducerSnapshot) {
            continue;
        }
        let contents = durable_file::read(&entry.path(), SNAPSHOT_BYTES_MAX).map_err(failed)?;
        // One that is damaged is made anew from the batches, which were read.
        if let Ok(states) = ProducerStates::parse_snapshot(&contents.unwrap_or_default()) {
            largest = largest.max(states.id_max());
        }
    }
    Ok(largest)
}

const READ_BYTES: usize = 64 << 10;
const SNAPSHOT_BYTES_MAX: u64 = 64 << 20;
