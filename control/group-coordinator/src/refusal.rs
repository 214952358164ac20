//! Why a request is refused, as Kafka numbers it.

/// A refusal; the text is for people, [`Refusal::code`] is for the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What is to be kept does not fit one batch.
    #[error("what the group would keep is larger than a batch may be")]
    MessageTooLarge,
    /// The metadata of an offset is too long.
    #[error("metadata of the committed offset is too long")]
    OffsetMetadataTooLarge,
    /// What is known of groups is still being read.
    #[error("the groups are being read from the log")]
    CoordinatorLoadInProgress,
    /// The record could not be kept, or too many are waiting to be.
    #[error("the coordinator cannot keep records at present")]
    CoordinatorNotAvailable,
    /// The generation named is not the group's.
    #[error("the generation is not the group's")]
    IllegalGeneration,
    /// No protocol is common to the member and its group, or the group is of another kind.
    #[error("the group does not speak the member's protocol")]
    InconsistentGroupProtocol,
    /// The group's name cannot be one.
    #[error("the name cannot be that of a group")]
    InvalidGroupId,
    /// The group has no such member.
    #[error("the group has no such member")]
    UnknownMemberId,
    /// The session timeout asked for is out of bounds.
    #[error("the session timeout is outside what is allowed")]
    InvalidSessionTimeout,
    /// The group is forming its next generation.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// More offsets than the group may commit.
    #[error("the group would hold more offsets than allowed")]
    InvalidCommitOffsetSize,
    /// The request's version cannot say what is needed.
    #[error("the version of the request is too old for this group")]
    UnsupportedVersion,
    /// The request contradicts itself.
    #[error("the request is not valid")]
    InvalidRequest,
    /// A limit of ours that Kafka has no error for.
    #[error("a limit of this node is reached")]
    PolicyViolation,
    /// The group still has members.
    #[error("the group has members")]
    NonEmptyGroup,
    /// There is no such group.
    #[error("there is no such group")]
    GroupIdNotFound,
    /// The member is to join again with the id it is given.
    #[error("join again with the member id given")]
    MemberIdRequired,
    /// The group is full.
    #[error("the group has as many members, or as much metadata, as it may have")]
    GroupMaxSizeReached,
    /// Another member took over the instance id.
    #[error("another member has this instance id now")]
    FencedInstanceId,
    /// Members of the group read the topic.
    #[error("members of the group subscribe to the topic")]
    GroupSubscribedToTopic,
    /// The member's epoch is not the one the coordinator knows; it must join again.
    #[error("the member epoch is not the one known, join again without partitions")]
    FencedMemberEpoch,
    /// The instance id is held by a member that did not leave.
    #[error("the instance id is still held by another member")]
    UnreleasedInstanceId,
    /// There is no such assignor.
    #[error("the assignor is not known, there are uniform and range")]
    UnsupportedAssignor,
    /// The member's epoch is older than the one known.
    #[error("the member epoch is older than the one known")]
    StaleMemberEpoch,
    /// The regular expression cannot be used.
    #[error("the regular expression of the subscription is not valid")]
    InvalidRegularExpression,
}

impl Refusal {
    /// Kafka's error code.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::MessageTooLarge => 10,
            Self::OffsetMetadataTooLarge => 12,
            Self::CoordinatorLoadInProgress => 14,
            Self::CoordinatorNotAvailable => 15,
            Self::IllegalGeneration => 22,
            Self::InconsistentGroupProtocol => 23,
            Self::InvalidGroupId => 24,
            Self::UnknownMemberId => 25,
            Self::InvalidSessionTimeout => 26,
            Self::RebalanceInProgress => 27,
            Self::InvalidCommitOffsetSize => 28,
            Self::UnsupportedVersion => 35,
            Self::InvalidRequest => 42,
            Self::PolicyViolation => 44,
            Self::NonEmptyGroup => 68,
            Self::GroupIdNotFound => 69,
            Self::MemberIdRequired => 79,
            Self::GroupMaxSizeReached => 81,
            Self::FencedInstanceId => 82,
            Self::GroupSubscribedToTopic => 86,
            Self::FencedMemberEpoch => 110,
            Self::UnreleasedInstanceId => 111,
            Self::UnsupportedAssignor => 112,
            Self::StaleMemberEpoch => 113,
            Self::InvalidRegularExpression => 128,
        }
    }
}
