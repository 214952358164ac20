//! Where a log may go on from its source: what the source's answers mean, and what is cut.
//!
//! Before a partition is mirrored, the source is asked two things (KIP-1279, log alignment): which
//! mirrors it has ([`ListedMirror`]), so that no two clusters mirror the same topic from each
//! other, and how far its own mirrors of us came ([`DescribedMirror`]), so that we keep what both
//! sides have and cut the rest. A source without these requests is asked nothing; mirroring from
//! it is one-way, and starts from scratch.

use std::collections::{BTreeMap, HashMap};

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedMirror;
use kafka_wire::mirror_api::list_cluster_mirrors::ListedMirror;
use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::lifecycle::AlignmentFailure;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState;
use crate::retry::RetryClass;
use crate::topic_prefix::TopicPrefix;

/// What a source says of the mirrors that it has from us.
///
/// Built once for a whole mirror, asked once for each partition.
#[derive(Clone, Debug, Default)]
pub struct PeerMirrors {
    /// Mirror that has us as its source, by each topic it follows.
    followed: HashMap<String, String>,
    partitions: HashMap<String, HashMap<i32, PeerPartition>>,
    /// Why the answers are not to be trusted.
    broken: Option<String>,
    /// Topics that are others there than here, and why: what is said of their names is not about
    /// ours.
    others: BTreeMap<TopicName, String>,
    /// What our names begin with, and the source's do not.
    prefix: TopicPrefix,
}

/// What a source says of one partition that it mirrored from us.
#[derive(Clone, Debug, Default)]
struct PeerPartition {
    position: MirrorPosition,
    /// Mirrors in which it is not stopped, with its state there.
    not_stopped: Vec<String>,
}

impl PeerMirrors {
    /// Reads the answers of a source's brokers: to `ListClusterMirrors` with its default filters,
    /// and to `DescribeClusterMirrors` with our cluster id, of all brokers. `own_cluster_id` is
    /// our cluster id. Empty answers stand for a source that does not know the requests.
    #[must_use]
    pub fn read(
        own_cluster_id: &str,
        listed: &[ListedMirror],
        described: &[DescribedMirror],
    ) -> Self {
        let mut peer = Self::default();
        for mirror in listed.iter().filter(|mirror| mirror.source_cluster_id == own_cluster_id) {
            for topic in mirror.topic_names.iter().flatten() {
                peer.followed.insert(topic.clone(), mirror.mirror_name.clone());
            }
        }
        for mirror in described {
            if mirror.error_code != 0 {
                peer.note_error(mirror);
            } else if mirror.source_cluster_id.as_deref() == Some(own_cluster_id) {
                peer.note_partitions(mirror);
            }
        }
        peer
    }

    /// What is known of a source that told of its mirrors, and not where they ended.
    #[must_use]
    pub fn silent(own_cluster_id: &str, listed: &[ListedMirror], reason: &str) -> Self {
        let broken = format!("the source did not tell where mirroring from here ended: {reason}");
        Self { broken: Some(broken), ..Self::read(own_cluster_id, listed, &[]) }
    }

    /// Why it is not known where mirroring from here ended, when it is not.
    #[must_use]
    pub fn silence(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Why a topic may not be mirrored from the source, when the source mirrors it from us. The
    /// beginning is the proposal's.
    #[must_use]
    pub fn loop_of(&self, topic: &TopicName) -> Option<String> {
        let topic = self.prefix.name_at_source(topic)?;
        let mirror = self.followed.get(topic.as_str())?;
        Some(format!(
            "Detected mirror loop for mirror: {mirror} of the source mirrors {topic} from here; \
             fail it over there first (`ringmirror failover --mirror {mirror} --topics {topic}` \
             against the source), or leave it out"
        ))
    }

    /// The same for topics that have this prefix here.
    #[must_use]
    pub fn under(self, prefix: TopicPrefix) -> Self {
        Self { prefix, ..self }
    }

    /// The same, of a source where these topics are others than those here, with the reason.
    #[must_use]
    pub fn with_others(self, others: BTreeMap<TopicName, String>) -> Self {
        Self { others, ..self }
    }

    fn note_error(&mut self, mirror: &DescribedMirror) {
        let (name, code) = (&mirror.mirror_name, mirror.error_code);
        let message = mirror.error_message.as_deref().unwrap_or("no message");
        self.broken = Some(format!(
            "the source does not describe its mirror {name}: error {code} ({message})"
        ));
    }

    fn note_partitions(&mut self, mirror: &DescribedMirror) {
        for topic in &mirror.topics {
            let partitions = self.partitions.entry(topic.topic_name.clone()).or_default();
            for described in &topic.partitions {
                let peer = partitions.entry(described.partition_index).or_default();
                let (epoch, offset) = (described.last_mirror_epoch, described.last_mirror_offset);
                peer.position = peer.position.max(MirrorPosition::from_wire(epoch, offset));
                let state = described.state_value.as_str();
                // Brokers that do not coordinate the partition do not know its state.
                let unknown = state.is_empty() || state == MirrorPartitionState::Unknown.name();
                if !unknown && state != MirrorPartitionState::Stopped.name() {
                    peer.not_stopped.push(format!("{} ({state})", mirror.mirror_name));
                }
            }
        }
    }

    /// Where the source's mirror of us ended for a partition; empty when it never had one, so
    /// that mirroring starts from scratch.
    ///
    /// # Errors
    /// When mirroring the partition now would lose data: the source mirrors the topic from us
    /// (a loop), its mirror of this partition is not stopped yet, it could not say, or it has
    /// another topic of that name. All may pass, so they are tried again.
    pub fn position_of(
        &self,
        topic: &TopicName,
        partition: PartitionIndex,
    ) -> Result<MirrorPosition, AlignmentFailure> {
        let refused = |reason| Err(AlignmentFailure { reason, class: RetryClass::Retryable });
        if let Some(reason) = self.loop_of(topic) {
            return refused(reason);
        }
        if let Some(reason) = self.broken.as_ref().or_else(|| self.others.get(topic)) {
            return refused(reason.clone());
        }
        // The source calls it so.
        let Some(topic) = self.prefix.name_at_source(topic) else {
            return Ok(MirrorPosition::EMPTY);
        };
        let partitions = self.partitions.get(topic.as_str());
        let Some(peer) = partitions.and_then(|found| found.get(&partition.get())) else {
            return Ok(MirrorPosition::EMPTY);
        };
        if !peer.not_stopped.is_empty() {
            return refused(format!(
                "the source still mirrors {topic}-{partition} from here: {}; stop it there first",
                peer.not_stopped.join(", ")
            ));
        }
        Ok(peer.position)
    }
}

/// What is cut off a log before mirroring goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlignmentCut {
    /// Nothing.
    Keep,
    /// Everything at and above this offset; a batch that holds it goes whole.
    TruncateTo(Offset),
    /// Everything; the empty log starts here.
    StartAt(Offset),
}

impl AlignmentCut {
    /// The cut for a log from `start` to `end`, after the source said that mirroring ended at
    /// `position` (KIP-1279, truncation rule).
    ///
    /// `end_offset_of` says where the largest epoch at or below the one asked for ends in our
    /// log; `None` when no epoch of ours is above the one asked for.
    ///
    /// Without a position nothing of our log is trusted. The epoch drops what either side wrote
    /// after the failover, the offset what the former primary wrote on in the same epoch.
    #[must_use]
    pub fn after(
        position: MirrorPosition,
        start: LogStartOffset,
        end: LogEndOffset,
        end_offset_of: impl FnOnce(SourceLeaderEpoch) -> Option<Offset>,
    ) -> Self {
        let (start, end) = (start.offset(), end.offset());
        if position.is_empty() {
            let fresh = start == Offset::ZERO && end == Offset::ZERO;
            return if fresh { Self::Keep } else { Self::StartAt(Offset::ZERO) };
        }
        let epoch_end = position.epoch.and_then(end_offset_of).unwrap_or(end);
        let target = position.offset.map_or(epoch_end, |offset| offset.min(epoch_end));
        if target >= end {
            Self::Keep
        } else if target < start {
            Self::StartAt(target)
        } else {
            Self::TruncateTo(target)
        }
    }

    /// True when this cut needs the operator's word first (decision H18): it drops a log that has
    /// records, the source knows nothing of them, and they were not mirrored from it.
    #[must_use]
    pub fn needs_confirmation(
        position: MirrorPosition,
        start: LogStartOffset,
        end: LogEndOffset,
        was_mirrored_from_peer: bool,
    ) -> bool {
        position.is_empty() && start.offset() < end.offset() && !was_mirrored_from_peer
    }
}

/// Why a log with records is not cut to its start without the operator's word. Not tried again by
/// itself: only the operator can give it.
#[must_use]
pub fn confirmation_failure(
    topic: &TopicName,
    partition: PartitionIndex,
    start: LogStartOffset,
    end: LogEndOffset,
) -> AlignmentFailure {
    let reason = format!(
        "{topic}-{partition} holds offsets {start} to {end} that the source knows nothing of, and \
         mirroring would drop them: stop the topic, and start it with --confirm if that is wanted"
    );
    AlignmentFailure { reason, class: RetryClass::NonRetryable }
}

#[cfg(test)]
mod tests;
