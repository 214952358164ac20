//! What tools are shown of groups.

use bytes::Bytes;

use crate::assignment::Assignment;
use crate::group_id::GroupId;

/// The kinds of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupType {
    /// Members assign among themselves.
    Classic,
    /// The coordinator assigns (KIP-848).
    Consumer,
    /// Members share partitions (KIP-932); no coordinator of this crate has any.
    Share,
}

impl GroupType {
    /// Kafka's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
            Self::Share => "share",
        }
    }
}

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Which group.
    pub group_id: GroupId,
    /// Kind of its members, empty when it never had one.
    pub protocol_type: String,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Its kind.
    pub group_type: GroupType,
}

/// A classic group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicGroupDescription {
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Kind of its members, empty when it never had one.
    pub protocol_type: String,
    /// The protocol chosen, empty unless stable.
    pub protocol_name: String,
    /// Its members.
    pub members: Vec<ClassicMemberDescription>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMemberDescription {
    /// Its id.
    pub member_id: String,
    /// Its name, when static.
    pub group_instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where the client is.
    pub client_host: String,
    /// Its subscription, empty unless the group is stable.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// A consumer group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupDescription {
    /// Kafka's name of its state.
    pub state: &'static str,
    /// Its epoch.
    pub epoch: i32,
    /// The epoch that its members' targets were computed for.
    pub assignment_epoch: i32,
    /// The assignor that its members want.
    pub assignor: &'static str,
    /// Its members.
    pub members: Vec<ConsumerMemberDescription>,
}

/// A member of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMemberDescription {
    /// Its id.
    pub member_id: String,
    /// Its name, when static.
    pub instance_id: Option<String>,
    /// Where it is.
    pub rack_id: Option<String>,
    /// Its epoch.
    pub member_epoch: i32,
    /// What the client calls itself.
    pub client_id: String,
    /// Where the client is.
    pub client_host: String,
    /// The topics it reads, by name.
    pub topic_names: Vec<String>,
    /// The topics it reads, by regular expression.
    pub topic_regex: Option<String>,
    /// What it may read.
    pub assignment: Assignment,
    /// What it is to read in the end.
    pub target_assignment: Assignment,
}
