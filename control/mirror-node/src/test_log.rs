//! For tests: a data directory with one partition, and batches as clients send them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicId, TopicPartition};
use kafka_wire::record_batch::BatchHeader;

use crate::local_log::LocalLog;
use crate::log_view::LogView;
use crate::random_id::random_id;
use crate::writable_log::{LogSettings, LogSpec, WritableLog};

/// The clock of these tests.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// A data directory with room for the partition `a-0`, deleted at the end.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let name = format!("ringmirror-writable-log-{}", random_id().unwrap());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn spec(&self, settings: LogSettings) -> LogSpec {
        LogSpec {
            view: Arc::new(LogView::new(self.0.join("a-0"))),
            topic_id: TopicId::from_wire([7; 16]).unwrap(),
            settings,
            recovery_point: None,
            log_start: None,
            clean: false,
            leader_epoch: LeaderEpoch::from_wire(3).unwrap(),
            cut_count: 0,
        }
    }

    pub(crate) fn open(&self, settings: LogSettings) -> WritableLog {
        let (log, findings) = WritableLog::open(self.spec(settings)).unwrap();
        assert_eq!(findings, []);
        log
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join("a-0").join(name)
    }

    /// All batches on disk, as a checker of stock logs reads them.
    pub(crate) fn batches(&self) -> Vec<(BatchHeader, Vec<u8>)> {
        let log = LocalLog::open(&self.0, &TopicPartition::parse_directory("a-0").unwrap());
        let mut batches = log.unwrap().batches(Offset::ZERO);
        let mut found = Vec::new();
        while let Some(batch) = batches.next_batch().unwrap() {
            found.push((batch.header, batch.bytes.to_vec()));
        }
        found
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

/// A batch as a client sends it: `values` at `timestamp_ms` and the milliseconds after it.
pub(crate) fn batch_at(timestamp_ms: i64, values: &[&[u8]]) -> BatchBuilder {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    for (value, timestamp_ms) in values.iter().zip(timestamp_ms..) {
        batch.push(&NewRecord { timestamp_ms, key: Some(b"key"), value: Some(value) });
    }
    batch
}

pub(crate) fn plain(values: &[&[u8]]) -> Vec<u8> {
    batch_at(NOW_MS, values).finish()
}

/// Files of an open log of which no sync succeeds, until they are mended.
#[derive(Debug)]
pub(crate) struct FailingSync {
    /// The active segment, and where it is meanwhile.
    segment: (PathBuf, PathBuf),
}

impl FailingSync {
    /// Everything in the log has to be durable.
    pub(crate) fn of(log: &WritableLog) -> Self {
        // Its next write opens the files again.
        log.rest();
        let names = fs::read_dir(log.view().directory()).unwrap();
        let segments = names.map(|name| name.unwrap().path());
        let segment = segments.filter(|path| path.extension().is_some_and(|is| is == "log")).max();
        let segment = segment.unwrap();
        let aside = segment.with_extension("aside");
        fs::rename(&segment, &aside).unwrap();
        // It takes every write, and no sync.
        symlink("/dev/null", &segment).unwrap();
        Self { segment: (segment, aside) }
    }

    pub(crate) fn mend(self) {
        let (segment, aside) = self.segment;
        fs::rename(aside, segment).unwrap();
    }
}
