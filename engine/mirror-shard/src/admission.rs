//! May this batch be appended? Asked when its header has arrived; the first refusal wins.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.

use kafka_log::partition_log::{AppendPlan, AppendRefusal, PartitionLog};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::record_batch::BatchHeader;

/// Why a batch is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// KIP-1279: a batch epoch above ours must wait until ours was raised.
    #[error("batch epoch {batch_epoch} is above our leader epoch {leader_epoch}")]
    Fenced { batch_epoch: SourceLeaderEpoch, leader_epoch: LeaderEpoch },
    /// KAFKA-18723: some sources serve batches of an epoch they do not announce yet.
    #[error("batch epoch {batch_epoch} is above the announced source epoch {announced}")]
    Unannounced { batch_epoch: SourceLeaderEpoch, announced: SourceLeaderEpoch },
    /// The log cannot take it where it is.
    #[error("{0}")]
    Log(AppendRefusal),
}

/// The epochs a batch is measured against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochBounds {
    /// Ours.
    pub(crate) leader_epoch: LeaderEpoch,
    /// The source's, as far as it told.
    pub(crate) announced: Option<SourceLeaderEpoch>,
}

/// Says where the batch goes, or why nowhere (`spec` order: ours, announced, offsets).
pub(crate) fn admit(
    log: &PartitionLog,
    bounds: EpochBounds,
    header: &BatchHeader,
) -> Result<AppendPlan, Refusal> {
    if let Some(batch_epoch) = header.leader_epoch {
        if !bounds.leader_epoch.covers(batch_epoch) {
            return Err(Refusal::Fenced { batch_epoch, leader_epoch: bounds.leader_epoch });
        }
        if let Some(announced) = bounds.announced.filter(|announced| batch_epoch > *announced) {
            return Err(Refusal::Unannounced { batch_epoch, announced });
        }
    }
    log.plan_append(header).map_err(Refusal::Log)
}
