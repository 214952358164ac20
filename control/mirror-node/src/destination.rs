//! Where a mirror run writes, and who reads what it wrote.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::{Binding, Catalog, Topic, TopicSpec};
use crate::directory::DirectoryError;
use crate::directory_state::MirrorTopic;
use crate::mirror_news::MirrorNews;
use crate::shared_directory::SharedDirectory;
use kafka_wire::partition::TopicName;

/// A data directory to mirror into, and the catalog of what is in it.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The directory.
    pub directory: Arc<SharedDirectory>,
    /// What readers are shown.
    pub catalog: Arc<Catalog>,
    /// True when a node serves the catalog to clients. The node opened every log before then, and
    /// what clients are told must hold for ever.
    pub is_served: bool,
    /// How long closing all logs may take at the end.
    pub close_limit: Duration,
}

/// How a directory was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// True when every log of this run was closed and the directory says so.
    pub(crate) closed: bool,
    /// True when besides every other log was closed: the clean-shutdown marker is there.
    pub(crate) clean: bool,
}

impl Destination {
    /// A directory that nobody reads while it is mirrored into.
    #[must_use]
    pub fn unserved(directory: Arc<SharedDirectory>) -> Self {
        let catalog = Arc::new(Catalog::new(directory.root().to_owned()));
        Self { directory, catalog, is_served: false, close_limit: CLOSE_LIMIT }
    }

    /// Shows a mirrored topic as it is remembered now.
    pub(crate) fn show(&self, name: &TopicName, topic: &MirrorTopic) -> Arc<Topic> {
        let shown = self.catalog.topic(name).filter(|shown| is_shown(shown, topic));
        shown.unwrap_or_else(|| {
            let spec = TopicSpec {
                id: topic.topic_id,
                binding: Binding::Bound,
                configs: topic.configs.clone(),
                partition_count: topic.partition_count,
            };
            self.catalog.put(name, spec)
        })
    }

    /// Writes the checkpoints when something changed; a disk that refuses is told and tried again.
    pub(crate) fn write_checkpoints(&self, observe: &mut dyn FnMut(MirrorNews)) -> bool {
        let written = self.directory.write_checkpoints();
        written.map_err(|error| self.tell_fault(&error, observe)).is_ok()
    }

    /// Leaves the directory: checkpoints, and the clean-shutdown marker last.
    pub(crate) fn settle(&self, logs_closed: bool, observe: &mut dyn FnMut(MirrorNews)) -> Settled {
        let closed = self.write_checkpoints(observe) && logs_closed;
        if !closed {
            return Settled { closed, clean: false };
        }
        match self.directory.write_clean_marker() {
            Ok(clean) => Settled { closed, clean },
            Err(error) => {
                self.tell_fault(&error, observe);
                Settled { closed: false, clean: false }
            }
        }
    }

    /// Tells that the disk refused a file of the directory.
    pub(crate) fn tell_fault(&self, error: &DirectoryError, observe: &mut dyn FnMut(MirrorNews)) {
        let full = matches!(error, DirectoryError::Io { error, .. }
            if error.kind() == io::ErrorKind::StorageFull);
        let place = self.directory.root().display().to_string();
        observe(MirrorNews::DiskFault { place, reason: error.to_string(), full });
    }
}

fn is_shown(shown: &Topic, topic: &MirrorTopic) -> bool {
    shown.id == topic.topic_id
        && shown.binding == Binding::Bound
        && shown.configs == topic.configs
        && i32::try_from(shown.partitions.len()).is_ok_and(|count| count >= topic.partition_count)
}

/// With what follows it, less than the ten seconds a service manager usually waits.
const CLOSE_LIMIT: Duration = Duration::from_secs(8);
