//! The source cluster: partitions with leaders, epochs and histories; what happens to them.

use std::collections::BTreeMap;
use std::rc::Rc;

use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicId, TopicIdPartition, TopicName,
    TopicPartition,
};

use crate::fetch_sessions::FetchSessions;
use crate::history::{BatchMaker, Lineage, SourceBatch};
use crate::random::Random;

/// What a seed decides about the source once and for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceTraits {
    /// Clusters; partitions are spread over them.
    pub(crate) cluster_count: u32,
    /// Brokers of each cluster.
    pub(crate) broker_count: i32,
    pub(crate) fetch_version_max: i16,
    /// OffsetForLeaderEpoch is known.
    pub(crate) answers_epochs: bool,
    pub(crate) keeps_sessions: bool,
    pub(crate) leader_hints: bool,
}

/// One partition of a source.
#[derive(Debug)]
pub(crate) struct SourcePartition {
    /// Which cluster has it.
    pub(crate) source: u32,
    pub(crate) id: TopicIdPartition,
    pub(crate) name: TopicPartition,
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    /// Epoch and where it starts, as `LeaderEpochFileCache` keeps them.
    pub(crate) epochs: Vec<(i32, i64)>,
    pub(crate) start: i64,
    pub(crate) high_watermark: i64,
    /// Versions of the past; the last one is current.
    pub(crate) lineages: Vec<Lineage>,
    pub(crate) maker: BatchMaker,
    /// Start and end of the log of the topic that has the name since this one was deleted.
    pub(crate) replaced_by: Option<(i64, i64)>,
    /// Where the last unclean election cut. Were records deleted above it, no epoch would tell
    /// which of a follower's records below the log start are of the old history.
    pub(crate) delete_limit: i64,
}

/// A broker of one of the source clusters, all of which have brokers with the same ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Broker {
    pub(crate) source: u32,
    pub(crate) id: i32,
}

impl Broker {
    /// The host name that the world knows it by.
    pub(crate) fn host(self) -> String {
        format!("broker{}-{}", self.source, self.id)
    }

    pub(crate) fn from_host(host: &str) -> Option<Self> {
        let (source, id) = host.strip_prefix("broker")?.split_once('-')?;
        Some(Self { source: source.parse().ok()?, id: id.parse().ok()? })
    }

    /// As the engine calls it.
    pub(crate) fn named(self) -> SourceBroker {
        let broker = BrokerId::from_wire(self.id).expect("not negative");
        SourceBroker { source: SourceId::new(self.source), broker }
    }
}

/// The source clusters.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) traits: SourceTraits,
    pub(crate) partitions: Vec<SourcePartition>,
    pub(crate) sessions: BTreeMap<Broker, FetchSessions>,
    /// Pauses asked for in responses from now on.
    pub(crate) throttle_percent: u64,
}

impl SourcePartition {
    pub(crate) fn new(index: i32, leader: Broker, maker: BatchMaker) -> Self {
        let topic_id = TopicId::from_wire([7; 16]).expect("not zero");
        let partition = PartitionIndex::from_wire(index).expect("not negative");
        let topic = TopicName::parse("orders").expect("a legal name");
        Self {
            id: TopicIdPartition { topic_id, partition },
            name: TopicPartition { topic, partition },
            source: leader.source,
            leader: leader.id,
            epoch: 3,
            epochs: vec![(3, 0)],
            start: 0,
            high_watermark: 0,
            lineages: vec![Lineage::default()],
            maker,
            replaced_by: None,
            delete_limit: i64::MAX,
        }
    }

    pub(crate) fn lineage(&self) -> &Lineage {
        self.lineages.last().expect("there is always a current past")
    }

    pub(crate) fn end(&self) -> i64 {
        self.lineage().end().max(self.start)
    }

    pub(crate) fn append(&mut self, random: &mut Random) {
        let end = self.end();
        let batch = self.maker.make(random, end, self.epoch);
        self.lineages.last_mut().expect("never empty").batches.push(Rc::new(batch));
    }

    /// Records above the log start that a consumer may read at `offset`.
    pub(crate) fn readable(&self, offset: i64) -> impl Iterator<Item = &Rc<SourceBatch>> {
        let lineage = self.lineage();
        let visible = |batch: &&Rc<SourceBatch>| batch.next <= self.high_watermark;
        lineage.batches[lineage.place_of(offset)..].iter().take_while(visible)
    }

    pub(crate) fn begin_epoch(&mut self, leader: i32) {
        self.leader = leader;
        self.epoch += 1;
        let end = self.end();
        while self.epochs.last().is_some_and(|last| last.1 >= end) {
            self.epochs.pop();
        }
        self.epochs.push((self.epoch, end));
    }

    /// The log start moves to `to` (DeleteRecords, retention).
    pub(crate) fn delete_below(&mut self, to: i64) {
        self.start = self.start.max(to.min(self.delete_limit));
        let current = self.epochs.partition_point(|entry| entry.1 <= self.start);
        if let Some(current) = current.checked_sub(1) {
            self.epochs.drain(..current);
            self.epochs[0].1 = self.start;
        }
    }

    /// A replica that misses everything from `kept` on becomes leader.
    pub(crate) fn elect_unclean(&mut self, leader: i32, kept: i64) {
        let mut lineage = self.lineage().clone();
        let place = lineage.batches.partition_point(|batch| batch.next <= kept);
        lineage.batches.truncate(place);
        self.lineages.push(lineage);
        self.delete_limit = self.delete_limit.min(kept);
        self.start = self.start.min(self.lineage().end());
        self.high_watermark = self.high_watermark.min(self.end());
        self.begin_epoch(leader);
    }

    /// `LeaderEpochFileCache.endOffsetFor`: epoch and end, both -1 when unknown.
    pub(crate) fn epoch_end(&self, asked: i32) -> (i32, i64) {
        if asked < 0 {
            return (-1, -1);
        }
        if self.epochs.last().is_some_and(|last| last.0 == asked) {
            return (asked, self.end());
        }
        let above = self.epochs.partition_point(|entry| entry.0 <= asked);
        let Some(next) = self.epochs.get(above) else { return (-1, -1) };
        let floor = above.checked_sub(1).map_or(asked, |floor| self.epochs[floor].0);
        (floor, next.1)
    }

    /// The leader, of this partition's cluster.
    pub(crate) const fn leader(&self) -> Broker {
        Broker { source: self.source, id: self.leader }
    }

    /// Kafka's order: the epoch is compared before leadership is asked for.
    pub(crate) fn leadership_error(&self, broker: Broker, known_epoch: i32) -> i16 {
        if known_epoch >= 0 && known_epoch < self.epoch {
            FENCED_LEADER_EPOCH
        } else if known_epoch > self.epoch {
            UNKNOWN_LEADER_EPOCH
        } else if self.leader() != broker {
            NOT_LEADER_OR_FOLLOWER
        } else {
            0
        }
    }
}

impl Source {
    /// The partitions that the broker's cluster has.
    fn known_to(&self, broker: Broker) -> impl Iterator<Item = &SourcePartition> {
        self.partitions.iter().filter(move |held| held.source == broker.source)
    }

    pub(crate) fn find(&self, broker: Broker, name: &str, index: i32) -> Option<&SourcePartition> {
        self.known_to(broker)
            .find(|held| held.name.topic.as_str() == name && held.name.partition.get() == index)
    }

    pub(crate) fn find_id(
        &self,
        broker: Broker,
        id: [u8; 16],
        index: i32,
    ) -> Option<&SourcePartition> {
        self.known_to(broker)
            .find(|held| held.id.topic_id.bytes() == id && held.id.partition.get() == index)
    }
}

const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;
