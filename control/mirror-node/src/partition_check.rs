//! What is in a partition's directory, and whether it is what a stock broker expects.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::producer_state::{ProducerStates, given_out};
use kafka_log::{offset_index, partition_metadata, time_index, transaction_index};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicId, TopicPartition};
use kafka_wire::producer::ProducerId;

use crate::durable_file;
use crate::local_log::{LocalLog, LocalLogError};

/// What is in a partition's directory.
#[derive(Clone, Debug)]
pub struct PartitionCheck {
    /// Whose directory it is.
    pub name: TopicPartition,
    /// From `partition.metadata`.
    pub topic_id: Option<TopicId>,
    /// Base offset of the first segment.
    pub first_base: Offset,
    /// One past the last offset.
    pub log_end: Offset,
    /// Its segments.
    pub segments: Vec<SegmentCheck>,
    /// Leader epochs and where they begin, from `leader-epoch-checkpoint`.
    pub epochs: Vec<(i32, i64)>,
    /// Newest epoch of a batch.
    pub epoch_max: Option<SourceLeaderEpoch>,
    /// Largest producer id in a batch or snapshot that was given out.
    pub producer_id_max: Option<ProducerId>,
    /// First offsets of transactions that are open at the end, from the snapshot there.
    pub open_transactions: Vec<(i64, i64)>,
    /// Everything wrong.
    pub problems: Vec<Problem>,
}

/// One segment and its indexes.
#[derive(Clone, Debug, Default)]
pub struct SegmentCheck {
    /// Base offset.
    pub base: i64,
    /// One past its last offset.
    pub end: i64,
    /// Bytes of batches.
    pub bytes: u64,
    /// Batches.
    pub batches: u64,
    /// Entries of the offset index; `None` without one.
    pub offset_index_entries: Option<usize>,
    /// Entries of the time index; `None` without one.
    pub time_index_entries: Option<usize>,
    /// Entries of the transaction index; `None` without one.
    pub aborted_transactions: Option<usize>,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In which file.
    pub path: PathBuf,
    /// What.
    pub what: String,
}

/// Reads every file of a partition's directory; changes nothing.
///
/// # Errors
/// When the directory cannot be listed; everything else is a problem in the result.
pub fn check(root: &Path, name: &TopicPartition) -> Result<PartitionCheck, LocalLogError> {
    let log = LocalLog::open(root, name)?;
    let first_base = log.segments.first().map_or(Offset::ZERO, |segment| segment.base);
    let mut check = PartitionCheck {
        name: name.clone(),
        topic_id: None,
        first_base,
        log_end: first_base,
        segments: Vec::new(),
        epochs: Vec::new(),
        epoch_max: None,
        producer_id_max: None,
        open_transactions: Vec::new(),
        problems: Vec::new(),
    };
    let directory = root.join(name.to_string());
    check.read_metadata(&directory);
    if log.segments.is_empty() {
        check.problem(directory.clone(), "holds no segment");
    }
    // Behind damage nothing can be said of the end.
    if check.read_batches(&log, &directory) {
        check.read_epochs(&directory);
        check.read_snapshots(&directory);
    }
    Ok(check)
}

/// What to do when `partition.metadata` does not say that the directory is `topic_id`'s: nobody can
/// tell whose records these are. `None` when it says so, or when the system refuses to read it.
#[must_use]
pub fn topic_id_cure(root: &Path, name: &TopicPartition, topic_id: TopicId) -> Option<String> {
    let directory = root.join(name.to_string());
    let contents = read(&directory.join(FileName::PARTITION_METADATA.text())).ok()?;
    let found = contents.and_then(|contents| partition_metadata::parse(&contents).ok());
    (found != Some(topic_id) && directory.exists()).then(|| {
        let directory = directory.display();
        format!("remove the directory {directory}, ringmirror mirror fetches the partition again")
    })
}

impl PartitionCheck {
    fn problem(&mut self, path: PathBuf, what: impl ToString) {
        self.problems.push(Problem { path, what: what.to_string() });
    }

    fn read_metadata(&mut self, directory: &Path) {
        let path = directory.join(FileName::PARTITION_METADATA.text());
        match read(&path) {
            Ok(Some(contents)) => match partition_metadata::parse(&contents) {
                Ok(topic_id) => self.topic_id = Some(topic_id),
                Err(error) => self.problem(path, error),
            },
            Ok(None) => self.problem(path, "is missing: the log would be taken for a stray"),
            Err(error) => self.problem(path, error),
        }
    }

    /// Walks every batch; the indexes of a segment are checked when it is done. False at damage.
    fn read_batches(&mut self, log: &LocalLog, directory: &Path) -> bool {
        let mut batches = log.batches(self.first_base);
        // Where each batch of the current segment begins, and the offsets in it.
        let mut places: BTreeMap<u64, (Offset, Offset)> = BTreeMap::new();
        let mut bases = log.segments.iter().map(|segment| segment.base).peekable();
        loop {
            let next = match batches.next_batch() {
                Ok(next) => next,
                Err(error) => {
                    self.problem(directory.to_owned(), error);
                    return false;
                }
            };
            let segment = next.as_ref().map(|batch| batch.segment);
            while let Some(base) = bases.next_if(|base| segment.is_none_or(|at| *base <= at)) {
                if self.segments.last().is_some() {
                    self.finish_segment(directory, &places);
                    places.clear();
                }
                let (base, end) = (base.get(), base.get());
                self.segments.push(SegmentCheck { base, end, ..SegmentCheck::default() });
            }
            let Some(next) = next else { break };
            let header = next.header;
            places.insert(next.place.position, (header.base_offset, header.last_offset()));
            let path = next.place.path;
            if let Some(segment) = self.segments.last_mut() {
                segment.end = header.next_offset().get();
                segment.bytes += u64::from(header.batch_bytes);
                segment.batches += 1;
            }
            if header.leader_epoch < self.epoch_max && header.leader_epoch.is_some() {
                let what = format!("leader epoch falls at offset {}", header.base_offset);
                self.problem(path, what);
            }
            self.epoch_max = self.epoch_max.max(header.leader_epoch);
            self.producer_id_max = self.producer_id_max.max(given_out(header.producer_id));
            self.log_end = header.next_offset();
        }
        self.log_end = self.log_end.max(batches.end());
        if self.segments.last().is_some() {
            self.finish_segment(directory, &places);
        }
        true
    }

    fn finish_segment(&mut self, directory: &Path, places: &BTreeMap<u64, (Offset, Offset)>) {
        let Some(base) = self.segments.last().and_then(|last| Offset::from_wire(last.base)) else {
            return;
        };
        let offsets = self.read_index(directory, FileName::offset_index(base), |bytes| {
            let entries = offset_index::parse(base, bytes).map_err(|error| error.to_string())?;
            let stray = entries.iter().find(|entry| {
                let batch = places.get(&u64::from(entry.position));
                batch.is_none_or(|(first, last)| !(*first..=*last).contains(&entry.offset))
            });
            match stray {
                Some(entry) => Err(format!(
                    "entry for offset {} at position {} points at no batch that holds it",
                    entry.offset, entry.position
                )),
                None => Ok(entries.len()),
            }
        });
        let times = self.read_index(directory, FileName::time_index(base), |bytes| {
            time_index::parse(base, bytes)
                .map(|entries| entries.len())
                .map_err(|error| error.to_string())
        });
        let aborted = self.read_index(directory, FileName::transaction_index(base), |bytes| {
            transaction_index::parse(base, bytes)
                .map(|entries| entries.len())
                .map_err(|error| error.to_string())
        });
        for (name, entries) in
            [(FileName::offset_index(base), offsets), (FileName::time_index(base), times)]
        {
            if entries.is_none() && !directory.join(name.text()).exists() {
                self.problem(directory.join(name.text()), "is missing");
            }
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.offset_index_entries = offsets;
            segment.time_index_entries = times;
            segment.aborted_transactions = aborted;
        }
    }

    fn read_index(
        &mut self,
        directory: &Path,
        name: FileName,
        parse: impl FnOnce(&[u8]) -> Result<usize, String>,
    ) -> Option<usize> {
        let path = directory.join(name.text());
        match read(&path) {
            Ok(None) => None,
            Ok(Some(contents)) => match parse(&contents) {
                Ok(count) => Some(count),
                Err(what) => {
                    self.problem(path, what);
                    None
                }
            },
            Err(error) => {
                self.problem(path, error);
                None
            }
        }
    }

    fn read_epochs(&mut self, directory: &Path) {
        let path = directory.join(FileName::LEADER_EPOCH_CHECKPOINT.text());
        let history = match read(&path) {
            Ok(Some(contents)) => EpochHistory::parse(&contents),
            Ok(None) => return,
            Err(error) => return self.problem(path, error),
        };
        match history {
            Ok(history) => {
                let entries = history.entries().iter();
                self.epochs = entries.map(|entry| (entry.epoch.get(), entry.start.get())).collect();
                if history.latest() != self.epoch_max && self.epoch_max.is_some() {
                    self.problem(path, "its newest epoch is not the last batch's");
                }
                self.epoch_max = self.epoch_max.max(history.latest());
            }
            Err(error) => self.problem(path, error),
        }
    }

    fn read_snapshots(&mut self, directory: &Path) {
        let mut at_end = false;
        for path in snapshot_paths(directory) {
            let name = path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse);
            let Some(FileName { kind: FileKind::ProducerSnapshot, offset }) = name else {
                continue;
            };
            let parsed = match read(&path) {
                Ok(contents) => ProducerStates::parse_snapshot(&contents.unwrap_or_default()),
                Err(error) => {
                    self.problem(path, error);
                    continue;
                }
            };
            match parsed {
                Ok(states) => {
                    self.producer_id_max = self.producer_id_max.max(states.id_max());
                    if offset == self.log_end {
                        at_end = true;
                        let open = states.open_transactions().iter();
                        self.open_transactions =
                            open.map(|(first, id)| (first.get(), id.get())).collect();
                    }
                }
                Err(error) => self.problem(path, error),
            }
        }
        if !at_end && self.log_end > self.first_base {
            let path = directory.join(FileName::snapshot(self.log_end).text());
            self.problem(path, "is missing: the log was not closed cleanly");
        }
    }
}

fn snapshot_paths(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    durable_file::read(path, SIDE_FILE_BYTES_MAX)
}

/// Largest index, snapshot or checkpoint of a partition read, in bytes.
const SIDE_FILE_BYTES_MAX: u64 = 256 << 20;
