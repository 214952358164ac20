//! What the coordinator answers.

use bytes::Bytes;
use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::assignment::Assignment;
use crate::refusal::Refusal;

/// An answer to a request of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// JoinGroup.
    Join(Box<JoinAnswer>),
    /// SyncGroup.
    Sync(Result<SyncAnswer, Refusal>),
    /// Heartbeat.
    Heartbeat(Result<(), Refusal>),
    /// LeaveGroup.
    Leave(Result<Vec<LeftMember>, Refusal>),
    /// OffsetCommit.
    OffsetCommit(Result<Vec<PartitionAnswer>, Refusal>),
    /// OffsetDelete.
    OffsetDelete(Result<Vec<PartitionAnswer>, Refusal>),
    /// ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(Result<ConsumerGroupHeartbeatAnswer, Refusal>),
    /// DeleteGroups, of one group.
    DeleteGroup(Result<(), Refusal>),
}

/// What a member that joined is told; what is not known when it is refused is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinAnswer {
    /// Why it may not join.
    pub refusal: Option<Refusal>,
    /// The generation it is in, -1 when refused.
    pub generation: i32,
    /// The kind of group.
    pub protocol_type: Option<String>,
    /// The protocol chosen.
    pub protocol_name: Option<String>,
    /// Id of the member that assigns.
    pub leader: String,
    /// The leader is not to assign again.
    pub skip_assignment: bool,
    /// The member's id.
    pub member_id: String,
    /// For the leader: everybody.
    pub members: Vec<JoinedMember>,
}

impl JoinAnswer {
    /// A refusal to `member_id`.
    #[must_use]
    pub fn refused(member_id: &str, refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            generation: -1,
            member_id: member_id.to_owned(),
            ..Self::default()
        }
    }
}

/// One member, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its name, when static.
    pub group_instance_id: Option<String>,
    /// Its subscription.
    pub metadata: Bytes,
}

/// What a member is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAnswer {
    /// The kind of group.
    pub protocol_type: Option<String>,
    /// The protocol chosen.
    pub protocol_name: Option<String>,
    /// Its assignment.
    pub assignment: Bytes,
}

/// What became of one member that wanted to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// Its id, as it was named.
    pub member_id: String,
    /// Its static name, as it was named.
    pub group_instance_id: Option<String>,
    /// Did it leave?
    pub outcome: Result<(), Refusal>,
}

/// What a member of a consumer group is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeatAnswer {
    /// Its id.
    pub member_id: String,
    /// The epoch it is to name from now on.
    pub member_epoch: i32,
    /// How often it is to be heard of.
    pub heartbeat_interval_ms: u32,
    /// What it is to have from now on; `None` when that did not change.
    pub assignment: Option<Assignment>,
}

/// What became of one partition's offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionAnswer {
    /// Which topic.
    pub topic: TopicName,
    /// Which partition.
    pub partition: PartitionIndex,
    /// Was it done?
    pub outcome: Result<(), Refusal>,
}
