//! One input in, the actions it leads to out.

use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::answer::Answer;
use crate::coordinator::group_table::GroupTable;
use crate::description::{ClassicGroupDescription, ConsumerGroupDescription, ListedGroup};
use crate::group_id::GroupId;
use crate::limits::{
    COORDINATOR_BYTES_MAX, GROUP_MEMBERS_MAX, OFFSETS_RETENTION_CHECK_INTERVAL_MS,
};
use crate::refusal::Refusal;
use crate::request::{Now, Request, RequestId};
use crate::topics::TopicTable;
use crate::turn::{KnownTopics, PendingWrites, Turn};
use kafka_wire::group_record::{CommittedOffsetValue, GroupRecord};

mod after_write;
mod group_members;
mod group_table;
mod loading;
mod membership;
mod offsets;

/// All groups.
#[derive(Debug)]
pub struct GroupCoordinator {
    settings: GroupSettings,
    table: GroupTable,
    topics: KnownTopics,
    writes: PendingWrites,
    /// When expired offsets are looked for next.
    retention_check_ms: u64,
}

/// What an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// How long the first rebalance of an empty group waits for more members
    /// (`group.initial.rebalance.delay.ms`); 0 not at all.
    pub initial_rebalance_delay_ms: u64,
    /// A member of a consumer group is lost when it is not heard of for so long
    /// (`group.consumer.session.timeout.ms`).
    pub consumer_session_timeout_ms: u64,
    /// How often members of consumer groups are to be heard of
    /// (`group.consumer.heartbeat.interval.ms`).
    pub consumer_heartbeat_interval_ms: u32,
    /// Members of one group (`group.max.size`).
    pub group_members_max: usize,
    /// How long offsets outlive their group's members (`offsets.retention.minutes`).
    pub offsets_retention_ms: u64,
    /// Memory that all groups may take together, in bytes as [`crate::limits`] counts them.
    pub bytes_max: usize,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 3_000,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            group_members_max: GROUP_MEMBERS_MAX,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            bytes_max: COORDINATOR_BYTES_MAX,
        }
    }
}

/// Something the coordinator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A client asks.
    Request {
        /// Name of the request, in its answer.
        request: RequestId,
        /// What it asks.
        body: Request,
    },
    /// Records were kept, or could not be. Writes are reported in the order they were asked for.
    Persisted {
        /// Which records.
        write: WriteId,
        /// What became of them.
        outcome: Result<(), WriteFailure>,
    },
    /// Topics came, went or grew: these are all there are now.
    Topics(TopicTable),
    /// Time passed.
    Tick,
}

/// Something the coordinator wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answer a client.
    Answer {
        /// Its request.
        request: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// Keep these records of one group, all or none, after those of every earlier action, and
    /// report it.
    Persist {
        /// Name of the write, in its report.
        write: WriteId,
        /// Whose records.
        group_id: GroupId,
        /// What to keep.
        records: Vec<GroupRecord>,
    },
}

/// Name of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Why records could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFailure {
    /// The log takes nothing at present.
    Unavailable,
    /// They are larger than a batch may be.
    TooLarge,
}

impl GroupCoordinator {
    /// A coordinator of no groups.
    #[must_use]
    pub fn new(settings: GroupSettings, now: Now) -> Self {
        Self {
            settings,
            table: GroupTable::default(),
            topics: KnownTopics::default(),
            writes: PendingWrites::default(),
            retention_check_ms: now.elapsed_ms + OFFSETS_RETENTION_CHECK_INTERVAL_MS,
        }
    }

    /// Applies one input and appends what follows from it.
    pub fn step(&mut self, now: Now, input: Input, actions: &mut Vec<Action>) {
        if let Input::Topics(table) = input {
            if table != self.topics.table {
                self.topics = KnownTopics { table, version: self.topics.version + 1 };
            }
            return;
        }
        let Self { settings, topics, writes, .. } = self;
        let taken_bytes = self.table.bytes() + writes.committing_bytes();
        let room_bytes = settings.bytes_max.saturating_sub(taken_bytes);
        let mut turn = Turn { now, settings, topics, room_bytes, writes, actions };
        match input {
            Input::Request { request, body } => self.table.apply(&mut turn, request, body),
            Input::Persisted { write, outcome } => {
                let then = turn.writes.take(write);
                self.table.after_write(&mut turn, then, outcome);
            }
            Input::Topics(_) | Input::Tick => {}
        }
        self.table.on_time(&mut turn);
        if now.elapsed_ms >= self.retention_check_ms && !turn.writes.is_full() {
            self.retention_check_ms = now.elapsed_ms + OFFSETS_RETENTION_CHECK_INTERVAL_MS;
            self.table.expire_offsets(&mut turn);
        }
    }

    /// When to come back with a [`Input::Tick`], on the clock of `Now::elapsed_ms`.
    #[must_use]
    pub fn next_deadline_ms(&self) -> u64 {
        let groups = self.table.next_deadline_ms();
        groups.map_or(self.retention_check_ms, |at_ms| at_ms.min(self.retention_check_ms))
    }

    /// True while a write is not reported.
    #[must_use]
    pub fn has_pending_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Takes in one record of a log that is read from its beginning, before any input.
    pub fn load(&mut self, now: Now, record: GroupRecord) {
        self.table.load(now, record, self.settings.consumer_session_timeout_ms);
    }

    /// What a log that holds nothing of `group_id` must hold for the group to be loaded from it;
    /// nothing for a group that is not known. Ask when no write is pending.
    #[must_use]
    pub fn snapshot(&self, now: Now, group_id: &GroupId) -> Vec<GroupRecord> {
        self.table.snapshot(now, group_id)
    }

    /// Every group there is.
    pub fn group_ids(&self) -> impl Iterator<Item = &GroupId> {
        self.table.group_ids()
    }

    /// Every group, for tools.
    #[must_use]
    pub fn list(&self) -> Vec<ListedGroup> {
        self.table.list()
    }

    /// One classic group, for tools.
    ///
    /// # Errors
    /// [`Refusal::GroupIdNotFound`] when there is no classic group of that name.
    pub fn describe_classic(&self, group_id: &GroupId) -> Result<ClassicGroupDescription, Refusal> {
        self.table.describe_classic(group_id)
    }

    /// One consumer group, for tools.
    ///
    /// # Errors
    /// [`Refusal::GroupIdNotFound`] when there is no consumer group of that name.
    pub fn describe_consumer(
        &self,
        group_id: &GroupId,
    ) -> Result<ConsumerGroupDescription, Refusal> {
        self.table.describe_consumer(group_id)
    }

    /// The topics as the coordinator knows them.
    #[must_use]
    pub const fn topics(&self) -> &TopicTable {
        &self.topics.table
    }

    /// May offsets be shown to who says to be this member, in this epoch? Whoever names no member
    /// may see those of any group, known or not.
    ///
    /// # Errors
    /// When it is no member of the consumer group, or one in another epoch.
    pub fn check_offset_fetch(
        &self,
        group_id: &GroupId,
        member_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), Refusal> {
        let group = self.table.get(group_id);
        group.map_or(Ok(()), |group| group.members.check_offset_fetch(member_id, member_epoch))
    }

    /// The offset that the group committed for a partition.
    #[must_use]
    pub fn offset(
        &self,
        group_id: &GroupId,
        topic: &TopicName,
        partition: PartitionIndex,
    ) -> Option<&CommittedOffsetValue> {
        self.table.get(group_id)?.offsets.get(topic, partition)
    }

    /// All offsets the group committed, by topic and partition.
    pub fn offsets(
        &self,
        group_id: &GroupId,
    ) -> impl Iterator<Item = (&TopicName, PartitionIndex, &CommittedOffsetValue)> {
        self.table.get(group_id).into_iter().flat_map(|group| group.offsets.iter())
    }
}

#[cfg(test)]
mod tests;
