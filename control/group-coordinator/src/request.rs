//! What the coordinator is asked, in its own words: no bytes, no versions, every id given.

use bytes::Bytes;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};

use crate::assignment::Assignment;
use crate::group_id::GroupId;

/// The caller's name for a request; its answer carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The caller's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// A monotonic clock, for timeouts.
    pub elapsed_ms: u64,
    /// Milliseconds since 1970, for what is kept.
    pub unix_ms: i64,
}

/// A request to one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// JoinGroup.
    Join(Box<JoinGroup>),
    /// SyncGroup.
    Sync(SyncGroup),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// LeaveGroup.
    Leave(LeaveGroup),
    /// OffsetCommit.
    OffsetCommit(OffsetCommit),
    /// OffsetDelete.
    OffsetDelete(OffsetDelete),
    /// ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(Box<ConsumerGroupHeartbeat>),
    /// One group of a DeleteGroups.
    DeleteGroup(GroupId),
}

/// JoinGroup; what older versions lack is filled in by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroup {
    /// Which group.
    pub group_id: GroupId,
    /// The member's id, empty when it has none yet.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where the client is.
    pub client_host: String,
    /// The member is lost when it is not heard of for so long.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for the member.
    pub rebalance_timeout_ms: i32,
    /// What kind of group, `consumer` for consumers.
    pub protocol_type: String,
    /// Ways to assign that the member offers, the one it likes best first.
    pub protocols: Vec<JoinProtocol>,
    /// From version 4: a member must join with an id that it was given.
    pub must_know_member_id: bool,
    /// From version 9: a leader may be told to leave the assignment as it is.
    pub may_skip_assignment: bool,
    /// Never used before: the end of the member's id, should it need one.
    pub unique_id: String,
}

/// One way to assign, with what the leader needs to know of the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinProtocol {
    /// Its name.
    pub name: String,
    /// The member's subscription, in bytes only clients understand.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroup {
    /// Who asks.
    pub member: MemberOfGeneration,
    /// The kind of group the member believes in.
    pub protocol_type: Option<String>,
    /// The protocol the member believes in.
    pub protocol_name: Option<String>,
    /// By the leader: what each member gets.
    pub assignments: Vec<(String, Bytes)>,
}

/// Heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who lives.
    pub member: MemberOfGeneration,
}

/// Who asks, as a member of which generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberOfGeneration {
    /// Which group.
    pub group_id: GroupId,
    /// The member's id.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
    /// Generation of a classic group, epoch of a member of a consumer group, -1 for neither.
    pub generation: i32,
}

/// LeaveGroup; one member before version 3, any number from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroup {
    /// Which group.
    pub group_id: GroupId,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// A member that leaves, named by its id or by the name of a static member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// The member's id, may be empty for a static member.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
}

/// OffsetCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Who commits.
    pub member: MemberOfGeneration,
    /// From version 9: members of consumer groups may commit, an unknown group is said to be so.
    pub knows_consumer_groups: bool,
    /// Versions 2 to 4: how long to keep the offsets; `None` as the node keeps them.
    pub retention_ms: Option<i64>,
    /// What is committed.
    pub offsets: Vec<OffsetToCommit>,
}

/// One partition's offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// Which topic.
    pub topic: TopicName,
    /// Its id, to be remembered.
    pub topic_id: Option<TopicId>,
    /// Which partition.
    pub partition: PartitionIndex,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the record before it, as far as the member knows.
    pub leader_epoch: Option<SourceLeaderEpoch>,
    /// What the client wants to remember.
    pub metadata: String,
}

/// OffsetDelete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDelete {
    /// Which group.
    pub group_id: GroupId,
    /// Whose offsets are to be forgotten.
    pub partitions: Vec<(TopicName, PartitionIndex)>,
}

/// ConsumerGroupHeartbeat; what is `None` stays as the member said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeat {
    /// Which group.
    pub group_id: GroupId,
    /// The member's id.
    pub member_id: String,
    /// Its epoch; 0 joins, -1 leaves, -2 leaves a static member's place to be taken again.
    pub member_epoch: i32,
    /// Name of a static member.
    pub instance_id: Option<String>,
    /// Where the member is.
    pub rack_id: Option<String>,
    /// How long it may take to give up partitions; -1 as it said before.
    pub rebalance_timeout_ms: i32,
    /// The topics it reads, by name.
    pub topic_names: Option<Vec<String>>,
    /// The topics it reads, by regular expression; an empty one means none.
    pub topic_regex: Option<String>,
    /// The assignor it asks for.
    pub server_assignor: Option<String>,
    /// The partitions it has.
    pub owned: Option<Assignment>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where the client is.
    pub client_host: String,
    /// From version 1: members choose their ids themselves.
    pub must_name_member: bool,
    /// Never used before: the member's id, should it need one.
    pub unique_id: String,
}

impl ConsumerGroupHeartbeat {
    /// True for a request that leaves nothing to what was said before.
    pub(crate) const fn says_everything(&self) -> bool {
        let names_topics = self.topic_names.is_some() || self.topic_regex.is_some();
        self.member_epoch == 0
            || (self.rebalance_timeout_ms >= 0 && names_topics && self.owned.is_some())
    }
}

impl Request {
    /// The group that is asked.
    #[must_use]
    pub const fn group_id(&self) -> &GroupId {
        match self {
            Self::Join(join) => &join.group_id,
            Self::Sync(sync) => &sync.member.group_id,
            Self::Heartbeat(heartbeat) => &heartbeat.member.group_id,
            Self::Leave(leave) => &leave.group_id,
            Self::OffsetCommit(commit) => &commit.member.group_id,
            Self::OffsetDelete(delete) => &delete.group_id,
            Self::ConsumerGroupHeartbeat(heartbeat) => &heartbeat.group_id,
            Self::DeleteGroup(group_id) => group_id,
        }
    }
}
