//! Logs of topics that belong to no mirror any more, and that clients do not have yet: the
//! lifecycle forgets a partition with its mirror, and with it the opening that it waited for or
//! would have tried again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kafka_wire::partition::TopicIdPartition;
use tokio::time::Instant;

use super::MirrorLoop;
use super::loop_event::LogWorked;

/// Logs that could not be opened for clients; one try for all of them at a time.
#[derive(Default)]
pub(super) struct LeftClosed {
    partitions: BTreeSet<TopicIdPartition>,
    /// Not before then, since the system refused.
    not_before: Option<Instant>,
}

impl LeftClosed {
    pub(super) fn add(&mut self, partition: TopicIdPartition) {
        self.partitions.insert(partition);
        self.not_before = Some(Instant::now() + OPENING_PAUSE);
    }

    fn take_due(&mut self, now: Instant) -> BTreeSet<TopicIdPartition> {
        match self.not_before.is_none_or(|at| at <= now) {
            true => std::mem::take(&mut self.partitions),
            false => BTreeSet::new(),
        }
    }
}

impl MirrorLoop<'_> {
    /// Has a log opened for clients after all that is to be done on it, unless they have it.
    pub(super) fn give_to_clients(&mut self, id: TopicIdPartition) {
        let shown = self.destination.catalog.partition(id);
        let (Some(node), Some(shown)) = (&self.node, shown) else { return };
        if self.work.is_done_with(id) && shown.log().is_some() {
            return;
        }
        let topics = Arc::clone(node.topics());
        self.work.add(id, move || {
            let opened = topics.open_unbound(&shown);
            if let Err(reason) = &opened {
                tracing::warn!("{}: clients cannot write to it yet: {reason}", shown.name);
            }
            let is_left_closed = opened.is_err();
            LogWorked { is_left_closed, ..LogWorked::answered(id, None) }
        });
    }

    /// Tries again to open what could not be opened.
    pub(super) fn open_left_closed(&mut self, now: Instant) {
        for id in self.left_closed.take_due(now) {
            self.give_to_clients(id);
        }
    }
}

/// How long the system is left alone after it refused to open a log.
const OPENING_PAUSE: Duration = Duration::from_secs(5);
