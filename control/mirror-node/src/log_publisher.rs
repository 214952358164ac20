//! Tells the readers of a mirrored log where it stands, by the engine's word.

use std::sync::Arc;

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{HighWatermark, Offset};
use mirror_uring::Progress;

use crate::log_view::{LogState, LogView};

/// The writing end of one mirrored log's view.
#[derive(Debug)]
pub(crate) struct LogPublisher {
    view: Arc<LogView>,
    epochs: Arc<EpochHistory>,
    leader_epoch: LeaderEpoch,
    cut_count: u64,
    /// False while the files may change below what readers know.
    is_open: bool,
}

impl LogPublisher {
    /// Goes on with what `view` shows, if it shows anything.
    pub(crate) fn new(view: Arc<LogView>) -> Self {
        let mut publisher = Self {
            epochs: Arc::default(),
            leader_epoch: LeaderEpoch::ZERO,
            cut_count: view.cut_count(),
            is_open: false,
            view,
        };
        if let Some(state) = publisher.view.state() {
            publisher.epochs = Arc::clone(&state.epochs);
            publisher.leader_epoch = state.leader_epoch;
        }
        publisher
    }

    /// The log was opened, again perhaps: what was known of its files is void.
    pub(crate) fn on_loaded(&mut self, progress: &Progress, epochs: EpochHistory) {
        self.cut_count += 1;
        self.epochs = Arc::new(epochs);
        self.is_open = true;
        self.on_progress(progress);
    }

    /// The log grew, or its start moved.
    pub(crate) fn on_progress(&self, progress: &Progress) {
        if !self.is_open {
            return;
        }
        self.view.publish(LogState {
            log_start: progress.log_start,
            log_end: progress.log_end,
            high_watermark: HighWatermark::new(progress.log_end.offset()),
            last_stable_offset: progress.last_stable_offset,
            end_place: progress.end_place,
            epochs: Arc::clone(&self.epochs),
            leader_epoch: self.leader_epoch,
            cut_count: self.cut_count,
        });
    }

    /// A batch at `start`, to be told of soon, begins an epoch.
    pub(crate) fn on_epoch_began(&mut self, epoch: SourceLeaderEpoch, start: Offset) {
        Arc::make_mut(&mut self.epochs).assign(epoch, start);
    }

    /// Nobody writes the log any more; it is read as it is.
    pub(crate) fn rest(&mut self) {
        self.is_open = false;
    }

    /// The log is not to be read until it is opened again.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        self.view.withdraw();
    }

    /// The latest epoch of ours that clients may know.
    pub(crate) fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch.max(self.view.leader_epoch())
    }

    /// Our epoch as the partition's leader, which clients may know from now on.
    pub(crate) fn announce(&mut self, epoch: LeaderEpoch) {
        if epoch <= self.leader_epoch {
            return;
        }
        self.leader_epoch = epoch;
        // Also while the log is as the node found it, or somebody else writes it.
        self.view.announce(epoch);
    }
}

#[cfg(test)]
mod tests;
