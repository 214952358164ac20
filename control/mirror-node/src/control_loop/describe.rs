//! What is told of mirrors: lists, states, offsets, and where mirroring ended (KIP-1279, APIs 98,
//! 99, 100 and 106).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribeClusterMirrorsResponse, DescribedMirror,
    DescribedPartition, DescribedSync, DescribedTopic,
};
use kafka_wire::mirror_api::list_cluster_mirrors::{
    ListClusterMirrorsRequest, ListClusterMirrorsResponse, ListedMirror,
};
use kafka_wire::mirror_api::mirror_topic::TopicPartitions;
use kafka_wire::mirror_api::read_mirror_offsets::{
    MirroredPartition, MirroredTopic, ReadMirrorOffsetsRequest, ReadMirrorOffsetsResponse,
};
use kafka_wire::mirror_api::read_mirror_states::{
    ReadMirrorStatesRequest, ReadMirrorStatesResponse, ReadPartition, ReadTopic,
};
use kafka_wire::mirror_error::MirrorError as MirrorErrorCode;
use kafka_wire::partition::{TopicId, TopicName};
use mirror_coordinator::cluster_metadata::listing::{self, ListFilter};
use mirror_coordinator::cluster_metadata::{BoundTopic, Mirror};
use mirror_coordinator::mirror_config::BOOTSTRAP_SERVERS;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::partition_state::MirrorPartitionState;
use tokio::time::Instant;

use super::MirrorLoop;
use crate::catalog::Partition;
use crate::timing::millis;

/// What is to be told of partitions.
struct Wanted<'a> {
    /// By name of the topic: its partitions, none for all; `None` for all topics.
    topics: Option<BTreeMap<&'a str, BTreeSet<i32>>>,
    /// The same by id, of an older form of the request.
    lookups: BTreeMap<[u8; 16], BTreeSet<i32>>,
    states: bool,
    offsets: bool,
    cluster_id: Option<&'a str>,
}

impl MirrorLoop<'_> {
    pub(super) fn list_mirrors(
        &self,
        request: &ListClusterMirrorsRequest,
    ) -> ListClusterMirrorsResponse {
        let filter = ListFilter {
            mirror: request.mirror_name.clone(),
            source_cluster_id: request.source_cluster_id.clone(),
            desired_states: request.desired_states.clone(),
        };
        let listed = |mirror: listing::ListedMirror<'_>| ListedMirror {
            mirror_name: mirror.name.to_string(),
            source_bootstrap: mirror.bootstrap_servers.to_owned(),
            source_cluster_id: mirror.source_cluster_id.to_owned(),
            topic_count: i32::try_from(mirror.topics.len()).unwrap_or(i32::MAX),
            topic_names: Some(mirror.topics.iter().map(ToString::to_string).collect()),
        };
        let mirrors = self.metadata.list(&filter).into_iter().map(listed).collect();
        ListClusterMirrorsResponse { mirrors, ..ListClusterMirrorsResponse::outcome(0, None) }
    }

    pub(super) fn describe_mirrors(
        &self,
        request: &DescribeClusterMirrorsRequest,
    ) -> DescribeClusterMirrorsResponse {
        let wanted = Wanted::of(request);
        let named = request.mirror_names.as_deref().filter(|names| !names.is_empty());
        let mut mirrors = Vec::new();
        for name in named.unwrap_or_default() {
            let parsed = MirrorName::parse(name);
            if parsed.is_none_or(|name| !self.metadata.mirrors().contains_key(&name)) {
                mirrors.push(unknown_mirror(name));
            }
        }
        for (name, mirror) in self.metadata.mirrors() {
            if named.is_some_and(|named| !named.iter().any(|one| one == name.as_str())) {
                continue;
            }
            mirrors.push(self.describe_mirror(name, mirror, &wanted));
        }
        DescribeClusterMirrorsResponse {
            mirrors,
            ..DescribeClusterMirrorsResponse::outcome(0, None)
        }
    }

    fn describe_mirror(
        &self,
        name: &MirrorName,
        mirror: &Mirror,
        wanted: &Wanted<'_>,
    ) -> DescribedMirror {
        let tells_positions =
            wanted.cluster_id.is_some() && mirror.source_cluster_id.as_deref() == wanted.cluster_id;
        let of_mirror = self.metadata.topics().iter().filter(|(_, bound)| bound.mirror == *name);
        let topics = of_mirror.filter_map(|(topic, bound)| {
            let partitions = wanted.partitions(topic, bound.topic_id)?;
            let described = self.describe_topic(topic, bound, wanted, tells_positions, partitions);
            (!described.partitions.is_empty()).then_some(described)
        });
        DescribedMirror {
            error_code: 0,
            // What is told is as it was when that happened.
            error_message: self.persisting.given_up().map(str::to_owned),
            mirror_name: name.to_string(),
            source_bootstrap: bootstrap(mirror),
            source_cluster_id: mirror.source_cluster_id.clone(),
            authorized_operations: i32::MIN, // said by the server
            topics: topics.collect(),
            syncs: if wanted.states { self.syncs(name) } else { Vec::new() },
        }
    }

    /// How what the mirror carries beside records goes.
    fn syncs(&self, mirror: &MirrorName) -> Vec<DescribedSync> {
        let board = self.node.as_ref().map(|node| node.board.of(mirror)).unwrap_or_default();
        board.iter().map(|(task, report)| report.described(*task)).collect()
    }

    fn describe_topic(
        &self,
        name: &TopicName,
        bound: &BoundTopic,
        wanted: &Wanted<'_>,
        tells_positions: bool,
        partitions: &BTreeSet<i32>,
    ) -> DescribedTopic {
        let shown = self.destination.catalog.topic(name);
        let shown = shown.iter().flat_map(|shown| &shown.partitions);
        let shown = shown
            .filter(|one| partitions.is_empty() || partitions.contains(&one.id.partition.get()));
        let describe =
            |partition| self.describe_partition(partition, bound, wanted, tells_positions);
        let (topic_name, partitions) = (name.to_string(), shown.map(describe).collect());
        DescribedTopic { topic_name, partitions }
    }

    fn describe_partition(
        &self,
        partition: &std::sync::Arc<Partition>,
        bound: &BoundTopic,
        wanted: &Wanted<'_>,
        tells_positions: bool,
    ) -> DescribedPartition {
        let id = partition.id;
        let (stored, position) = self.stored(&bound.mirror, id);
        let (source_offset, destination_offset) =
            if wanted.offsets { self.offsets(partition) } else { (-1, -1) };
        let position = if tells_positions { position } else { MirrorPosition::EMPTY };
        let failure = self.lifecycle.failure(id).filter(|_| wanted.states);
        let (lag_ms, measured_age_ms) =
            if wanted.offsets { self.lag_times(partition, source_offset) } else { (-1, -1) };
        let error = match stored.state {
            MirrorPartitionState::Failed => stored.error.clone(),
            MirrorPartitionState::Mirroring if wanted.states => self.only_here(partition, bound),
            _ => None,
        };
        DescribedPartition {
            partition_index: id.partition.get(),
            state_value: if wanted.states { stored.state.name().to_owned() } else { String::new() },
            error_message: failure.map(|failure| failure.reason.clone()).or(error),
            retry_attempt: stored.retry_attempt,
            source_offset,
            destination_offset,
            last_mirror_epoch: position.wire_epoch(),
            last_mirror_offset: position.wire_offset(),
            lag_ms,
            measured_age_ms,
        }
    }

    /// Why nothing comes for a partition that the source does not have, when that is so.
    fn only_here(&self, partition: &Partition, bound: &BoundTopic) -> Option<String> {
        let name = &partition.name.topic;
        let at_source = *self.sources.get(&bound.mirror)?.told_topics.get(name)?;
        let index = usize::try_from(partition.id.partition.get()).ok()?;
        let here = self.destination.catalog.topic(name)?.partitions.len();
        (index >= at_source).then(|| {
            format!(
                "the source has {at_source} partition(s) of {name}, {here} are here: add \
                 partitions to it at the source until it has as many"
            )
        })
    }

    /// High watermark of the source as last seen, and ours; -1 for unknown.
    fn offsets(&self, partition: &Partition) -> (i64, i64) {
        let entry = self.book.get(partition.id);
        let progress = entry.and_then(|entry| entry.progress);
        let source = progress.and_then(|progress| progress.source_high_watermark);
        let ours = partition.view.state().map(|state| state.high_watermark);
        let source = source.map_or(-1, |mark| mark.offset().get());
        (source, ours.map_or(-1, |mark| mark.offset().get()))
    }

    /// For how long a log has been behind its source, and how old that knowledge is, milliseconds.
    fn lag_times(&self, partition: &Partition, source_offset: i64) -> (i64, i64) {
        let Some(entry) = self.book.get(partition.id).filter(|_| source_offset >= 0) else {
            return (-1, -1);
        };
        let mirror = self.lifecycle.mirror_of(partition.id);
        let source = mirror.and_then(|mirror| self.sources.get(mirror));
        let answered = source.and_then(|source| source.answered_at.get(&entry.leader?).copied());
        let measured_at = entry.measured_at(answered, Instant::now());
        let lag = entry.behind_since.map_or(Duration::ZERO, |since| since.elapsed());
        (millis(lag), measured_at.map_or(-1, |at| millis(at.elapsed())))
    }

    pub(super) fn read_states(
        &self,
        request: &ReadMirrorStatesRequest,
    ) -> ReadMirrorStatesResponse {
        let mirror = MirrorName::parse(&request.mirror_name);
        let topics = request.topics.iter().map(|topic| {
            let bound = TopicName::parse(&topic.topic_name)
                .and_then(|name| self.metadata.topics().get(&name))
                .filter(|bound| Some(&bound.mirror) == mirror.as_ref());
            let read = |index| self.read_state(bound, index);
            let partitions = topic.partitions.iter().map(|one| read(one.partition_index)).collect();
            ReadTopic { topic_name: topic.topic_name.clone(), partitions }
        });
        let topics = topics.collect();
        ReadMirrorStatesResponse { topics, ..ReadMirrorStatesResponse::outcome(0, None) }
    }

    fn read_state(&self, bound: Option<&BoundTopic>, index: i32) -> ReadPartition {
        let topic = bound.and_then(|bound| self.destination.catalog.topic_of(bound.topic_id));
        let partition = topic.as_ref().and_then(|topic| topic.partition(index));
        let (Some(bound), Some(partition)) = (bound, partition) else {
            return ReadPartition {
                partition_index: index,
                state: MirrorPartitionState::Unknown.number(),
                leader_epoch: -1,
                state_epoch: 0,
                last_mirror_epoch: -1,
                last_mirror_offset: -1,
                error_code: ResponseError::UnknownTopicOrPartition.code(),
                error_message: Some("No such partition in this mirror.".to_owned()),
                retry_attempt: 0,
                previous_state: MirrorPartitionState::Unknown.number(),
            };
        };
        let (stored, position) = self.stored(&bound.mirror, partition.id);
        ReadPartition {
            partition_index: index,
            state: stored.state.number(),
            leader_epoch: stored.leader_epoch.map_or(-1, |epoch| epoch.get()),
            state_epoch: stored.state_epoch.get(),
            last_mirror_epoch: position.wire_epoch(),
            last_mirror_offset: position.wire_offset(),
            error_code: 0,
            error_message: stored.error,
            retry_attempt: stored.retry_attempt,
            previous_state: stored.previous_state.number(),
        }
    }

    pub(super) fn read_offsets(
        &self,
        request: &ReadMirrorOffsetsRequest,
    ) -> ReadMirrorOffsetsResponse {
        let topics = request.topics.iter().map(|topic| {
            let shown = self.destination.catalog.topic_named(&topic.topic_name);
            let read = |index: &i32| {
                let partition = shown.as_ref().and_then(|shown| shown.partition(*index));
                let offsets = partition.map(|partition| self.offsets(partition));
                let (source_offset, destination_offset) = offsets.unwrap_or((-1, -1));
                MirroredPartition { partition_index: *index, source_offset, destination_offset }
            };
            let partitions = topic.partitions.iter().map(read).collect();
            MirroredTopic { topic_name: topic.topic_name.clone(), partitions }
        });
        let topics = topics.collect();
        ReadMirrorOffsetsResponse { topics, ..ReadMirrorOffsetsResponse::outcome(0, None) }
    }
}

impl<'a> Wanted<'a> {
    fn of(request: &'a DescribeClusterMirrorsRequest) -> Self {
        let partitions = |topic: &'a TopicPartitions| {
            (topic.topic_name.as_str(), topic.partitions.iter().copied().collect())
        };
        let lookups = request.last_mirror_epoch_lookups.iter();
        Self {
            topics: request.topics.as_ref().map(|topics| topics.iter().map(partitions).collect()),
            lookups: lookups
                .map(|one| (one.topic_id, one.partitions.iter().copied().collect()))
                .collect(),
            states: request.include_mirror_state,
            offsets: request.include_mirror_offset,
            cluster_id: request.cluster_id.as_deref(),
        }
    }

    /// The partitions of a topic that are to be told of, none for all; `None` when none is.
    fn partitions(&self, name: &TopicName, id: TopicId) -> Option<&BTreeSet<i32>> {
        const ALL: &BTreeSet<i32> = &BTreeSet::new();
        if let Some(asked) = self.lookups.get(&id.bytes()) {
            return Some(asked);
        }
        match &self.topics {
            Some(topics) => topics.get(name.as_str()),
            None if self.lookups.is_empty() => Some(ALL),
            None => None,
        }
    }
}

fn unknown_mirror(name: &str) -> DescribedMirror {
    DescribedMirror {
        error_code: MirrorErrorCode::UnknownClusterMirror.code(),
        error_message: Some(format!(
            "no mirror {name:?} is here; list the mirrors to see their names"
        )),
        mirror_name: name.to_owned(),
        source_bootstrap: None,
        source_cluster_id: None,
        authorized_operations: i32::MIN,
        topics: Vec::new(),
        syncs: Vec::new(),
    }
}

fn bootstrap(mirror: &Mirror) -> Option<String> {
    mirror.configs.get(BOOTSTRAP_SERVERS).cloned()
}
