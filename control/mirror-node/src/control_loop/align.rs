//! Finding where a log may go on from its source (KIP-1279, log alignment): the source is asked
//! once for all partitions of a mirror that wait, then each log is cut beside the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_log::recovery::LogCut;
use kafka_wire::partition::{TopicId, TopicIdPartition, TopicName, TopicPartition};
use mirror_coordinator::lifecycle::{AlignmentFailure, Input, Ticket};
use mirror_coordinator::log_alignment::{AlignmentCut, PeerMirrors, confirmation_failure};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::retry::RetryClass;

use super::loop_event::LogWorked;
use super::{LoopEvent, MirrorLoop};
use crate::catalog::Partition;
use crate::local_topics::LocalTopics;
use crate::log_view::LogState;
use crate::peer_answers::ask_peer;
use crate::source_client::SourceClient;

/// Partitions that wait to be aligned, and those whose source is being asked.
#[derive(Default)]
pub(super) struct Aligning {
    waiting: BTreeMap<TopicIdPartition, Ticket>,
    /// Partitions of the round that is under way, by mirror.
    asked: BTreeMap<MirrorName, BTreeMap<TopicIdPartition, Ticket>>,
}

/// What a source said.
#[derive(Debug)]
pub(crate) struct PeerAsked {
    mirror: MirrorName,
    outcome: Result<PeerMirrors, String>,
}

impl Aligning {
    pub(super) fn add(&mut self, partition: TopicIdPartition, ticket: Ticket) {
        self.waiting.insert(partition, ticket);
    }

    /// Forgets an alignment that is not wanted any more. One whose log is being cut is followed,
    /// in the order of work on that log, by whatever is done with it next.
    pub(super) fn cancel(&mut self, partition: TopicIdPartition, ticket: Ticket) {
        let of_round = self.asked.values_mut();
        for tickets in std::iter::once(&mut self.waiting).chain(of_round) {
            if tickets.get(&partition) == Some(&ticket) {
                tickets.remove(&partition);
            }
        }
    }
}

impl MirrorLoop<'_> {
    /// Asks the sources of partitions that wait.
    pub(super) fn begin_alignments(&mut self) {
        if self.aligning.waiting.is_empty() {
            return;
        }
        let mut rounds: BTreeMap<MirrorName, BTreeMap<TopicIdPartition, Ticket>> = BTreeMap::new();
        for (partition, ticket) in std::mem::take(&mut self.aligning.waiting) {
            let mirror = self.lifecycle.mirror_of(partition).cloned();
            match (&self.node, mirror) {
                (Some(_), Some(mirror)) if self.aligning.asked.contains_key(&mirror) => {
                    self.aligning.waiting.insert(partition, ticket);
                }
                (Some(_), Some(mirror)) => {
                    rounds.entry(mirror).or_default().insert(partition, ticket);
                }
                // What lies in the directory of `ringmirror mirror` came from its source.
                _ => {
                    self.inputs.push_back(Input::Aligned { partition, ticket, outcome: Ok(()) });
                }
            }
        }
        for (mirror, tickets) in rounds {
            if self.sources.get(&mirror).is_none() {
                let reason = format!("the settings of mirror {mirror} cannot be used: mend them");
                for (partition, ticket) in tickets {
                    let class = RetryClass::Retryable;
                    let outcome = Err(AlignmentFailure { reason: reason.clone(), class });
                    self.inputs.push_back(Input::Aligned { partition, ticket, outcome });
                }
                continue;
            }
            self.ask_peer(&mirror, &tickets);
            self.aligning.asked.insert(mirror, tickets);
        }
    }

    fn ask_peer(&mut self, mirror: &MirrorName, tickets: &BTreeMap<TopicIdPartition, Ticket>) {
        let names: BTreeSet<TopicPartition> =
            tickets.keys().filter_map(|id| Some(self.book.get(*id)?.name.clone())).collect();
        let ids = self.ids_at_stake(tickets.keys().copied());
        let (Some(node), Some(source)) = (&self.node, self.sources.get_mut(mirror)) else { return };
        let (properties, cluster_id) = (source.properties.clone(), node.cluster_id.clone());
        let connected = source.connected.take();
        let (mirror, events) = (mirror.clone(), self.event_sender.clone());
        tokio::spawn(async move {
            let limit = Duration::from_millis(properties.request_timeout_ms);
            let mut client = connected.unwrap_or_else(|| SourceClient::new(properties));
            let asked =
                tokio::time::timeout(limit, ask_peer(&mut client, &cluster_id, &names, &ids)).await;
            let outcome = match asked {
                Ok(Ok(answers)) => Ok(answers),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
            };
            let _ = events.send(LoopEvent::PeerAsked(PeerAsked { mirror, outcome })).await;
        });
    }

    /// The ids of topics that have something to lose here, and ids at the source.
    fn ids_at_stake(
        &self,
        partitions: impl Iterator<Item = TopicIdPartition>,
    ) -> BTreeMap<TopicName, TopicId> {
        let at_stake = partitions.filter_map(|id| {
            let entry = self.book.get(id).filter(|entry| entry.source_has_topic_ids)?;
            let shown = self.destination.catalog.partition(id)?;
            (!shown.is_unmade()).then(|| (entry.name.topic.clone(), id.topic_id))
        });
        at_stake.collect()
    }

    pub(super) fn on_peer_asked(&mut self, asked: PeerAsked) {
        let Some(tickets) = self.aligning.asked.remove(&asked.mirror) else { return };
        for (partition, ticket) in tickets {
            let position = match &asked.outcome {
                Ok(peer) => self.judge(partition, peer),
                Err(reason) => Err(AlignmentFailure {
                    reason: format!("the source did not tell of its mirrors: {reason}"),
                    class: RetryClass::Retryable,
                }),
            };
            match position {
                Ok(position) => self.cut_log(partition, ticket, position),
                Err(failure) => {
                    let outcome = Err(failure);
                    self.inputs.push_back(Input::Aligned { partition, ticket, outcome });
                }
            }
        }
    }

    /// Where mirroring from us ended at the source, unless it may not be begun.
    fn judge(
        &self,
        partition: TopicIdPartition,
        peer: &PeerMirrors,
    ) -> Result<MirrorPosition, AlignmentFailure> {
        let Some(shown) = self.destination.catalog.partition(partition) else {
            return Ok(MirrorPosition::EMPTY);
        };
        peer.position_of(&shown.name.topic, shown.name.partition)
    }

    /// Cuts a log to where it may go on, after all other work on it.
    fn cut_log(&mut self, id: TopicIdPartition, ticket: Ticket, position: MirrorPosition) {
        if self.is_unmade(id) {
            self.inputs.push_back(Input::Aligned { partition: id, ticket, outcome: Ok(()) });
            return;
        }
        let partition = self.destination.catalog.partition(id);
        let (Some(node), Some(shown)) = (&self.node, partition) else { return };
        let topics = Arc::clone(node.topics());
        let is_confirmed = self.confirmed.contains(&shown.name.topic);
        self.work.add(id, move || {
            let outcome = cut_to(&topics, &shown, position, is_confirmed);
            LogWorked::answered(id, Some(Input::Aligned { partition: id, ticket, outcome }))
        });
    }
}

/// Takes the log from clients first: what they wrote until then is looked at, too.
pub(super) fn cut_to(
    topics: &LocalTopics,
    partition: &Arc<Partition>,
    position: MirrorPosition,
    is_confirmed: bool,
) -> Result<(), AlignmentFailure> {
    let failed = |reason| AlignmentFailure { reason, class: RetryClass::Retryable };
    topics.close_for_mirroring(partition).map_err(failed)?;
    let name = &partition.name;
    let Some(state) = partition.view.state() else {
        return match partition.is_unmade() {
            true => Ok(()),
            false => Err(failed(format!("{name}: the log cannot be read"))),
        };
    };
    let (start, end) = (state.log_start, state.log_end);
    if AlignmentCut::needs_confirmation(position, start, end, is_confirmed) {
        return Err(confirmation_failure(&name.topic, name.partition, start, end));
    }
    let cut = match cut_of(&state, position) {
        AlignmentCut::Keep => return Ok(()),
        AlignmentCut::TruncateTo(offset) => LogCut::TruncateTo(offset),
        AlignmentCut::StartAt(offset) => LogCut::StartAt(offset),
    };
    topics.truncate_closed(partition, cut).map(|_| ()).map_err(failed)
}

/// What is cut off a log before it goes on from a source that has it up to `position`.
pub(super) fn cut_of(state: &LogState, position: MirrorPosition) -> AlignmentCut {
    let end_of = |epoch| state.epochs.end_offset_for(epoch, state.log_end).map(|found| found.end);
    AlignmentCut::after(position, state.log_start, state.log_end, end_of)
}
