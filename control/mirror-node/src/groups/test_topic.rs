//! The offsets topic in a directory of its own, for tests.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::TopicId;

use crate::groups::{OFFSETS_TOPIC, OffsetsTopic};
use crate::log_view::LogView;
use crate::random_id::random_id;
use crate::writable_log::settings::CleanupPolicy;
use crate::writable_log::{LogSettings, LogSpec, WritableLog};

/// The topic, and what it gave out.
#[derive(Clone, Debug)]
pub(crate) struct TestTopic {
    pub(crate) root: PathBuf,
    /// Logs given out, to be closed.
    pub(crate) logs: Arc<Mutex<Vec<Arc<WritableLog>>>>,
    /// Why the topic cannot be made.
    pub(crate) refuses: Option<&'static str>,
    own: Option<Arc<OwnDirectory>>,
}

/// A directory that goes with the last topic in it.
#[derive(Debug)]
struct OwnDirectory(PathBuf);

impl Drop for OwnDirectory {
    fn drop(&mut self) {
        // What is left is in a directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl TestTopic {
    pub(crate) fn new() -> Self {
        let id = random_id().expect("the system has random bytes");
        let root = std::env::temp_dir().join(format!("ringmirror-groups-{id}"));
        let own = Some(Arc::new(OwnDirectory(root.clone())));
        Self { own, ..Self::in_directory(root) }
    }

    pub(crate) fn in_directory(root: PathBuf) -> Self {
        std::fs::create_dir_all(&root).expect("a directory for temporary files can be made");
        Self { root, logs: Arc::default(), refuses: None, own: None }
    }

    /// True when the directory goes with the topic.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Closes what was given out, as the end of a node does.
    pub(crate) fn close(&self) {
        for log in self.logs.lock().expect("no test panics here").drain(..) {
            log.close().expect("the log can be closed");
        }
    }

    fn logs(&self, count: u16) -> Vec<Arc<WritableLog>> {
        let open = |index| {
            let directory = self.root.join(format!("{OFFSETS_TOPIC}-{index}"));
            let mut settings =
                LogSettings { cleanup: CleanupPolicy::Compact, ..LogSettings::default() };
            settings.log.segment_bytes = 4 << 20;
            let spec = LogSpec {
                view: Arc::new(LogView::new(directory)),
                topic_id: TopicId::from_wire([7; 16]).expect("the id is not zero"),
                settings,
                recovery_point: None,
                log_start: None,
                clean: false,
                leader_epoch: LeaderEpoch::ZERO,
                cut_count: 0,
            };
            Arc::new(WritableLog::open(spec).expect("the log can be opened").0)
        };
        let logs: Vec<Arc<WritableLog>> = (0..count).map(open).collect();
        self.logs.lock().expect("no test panics here").extend(logs.iter().cloned());
        logs
    }
}

impl OffsetsTopic for TestTopic {
    fn open(&self) -> Result<Option<Vec<Arc<WritableLog>>>, String> {
        let first = self.root.join(format!("{OFFSETS_TOPIC}-0"));
        Ok(first.is_dir().then(|| self.logs(PARTITIONS)))
    }

    fn make(&self, _partition_count: u16) -> Result<Vec<Arc<WritableLog>>, String> {
        match self.refuses {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(self.logs(PARTITIONS)),
        }
    }
}

/// Fewer than the real topic has: tests open them often.
const PARTITIONS: u16 = 3;
