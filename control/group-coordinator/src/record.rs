//! What is kept of groups, record by record; their bytes are the caller's matter.

use bytes::Bytes;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::group_id::GroupId;

/// One record of `__consumer_offsets`. A key whose value is `None` is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    /// A committed offset.
    Offset {
        /// Of which group.
        group_id: GroupId,
        /// Of which topic.
        topic: TopicName,
        /// Of which partition.
        partition: PartitionIndex,
        /// The offset.
        value: Option<CommittedOffset>,
    },
    /// A classic group with its members.
    ClassicGroup {
        /// Which group.
        group_id: GroupId,
        /// The group.
        value: Option<ClassicGroupValue>,
    },
}

/// An offset that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the record before it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// What the client wanted to remember.
    pub metadata: String,
    /// When it was committed, milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// When it is to be forgotten, by wish of an old client.
    pub expire_timestamp_ms: Option<i64>,
}

/// A classic group as of its last generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicGroupValue {
    /// The kind of group; empty when it never had a member.
    pub protocol_type: String,
    /// The generation.
    pub generation: i32,
    /// The protocol chosen, `None` without members.
    pub protocol_name: Option<String>,
    /// The member that assigns.
    pub leader: Option<String>,
    /// Since when it is in the state it is in, milliseconds since 1970.
    pub state_timestamp_ms: Option<i64>,
    /// Its members.
    pub members: Vec<ClassicMemberValue>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMemberValue {
    /// Its id.
    pub member_id: String,
    /// Its name, when static.
    pub group_instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where the client is.
    pub client_host: String,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// It is lost when it is not heard of for so long.
    pub session_timeout_ms: i32,
    /// Its subscription under the protocol chosen.
    pub subscription: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

impl GroupRecord {
    /// The group the record is of.
    #[must_use]
    pub const fn group_id(&self) -> &GroupId {
        match self {
            Self::Offset { group_id, .. } | Self::ClassicGroup { group_id, .. } => group_id,
        }
    }
}
