//! Why a command about mirrors is refused: a code for programs, a text for people.

use std::fmt;

use kafka_wire::mirror_error::MirrorError;

/// A refusal. Its text names the mirror, the topic, what was seen and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CommandError {
    /// What kind of refusal.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

/// The kinds of refusal that commands about mirrors have (KIP-1279, error codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// One of the proposal's own.
    Mirror(MirrorError),
    /// No such topic here.
    UnknownTopicOrPartition,
    /// The id belongs to a topic of another name.
    TopicAlreadyExists,
    /// A setting is refused.
    InvalidConfig,
    /// The request itself is wrong.
    InvalidRequest,
    /// A limit of this node is reached.
    PolicyViolation,
    /// The topic here has another id than the one at the source.
    InconsistentTopicId,
    /// A pattern is no expression.
    InvalidRegularExpression,
}

impl ErrorCode {
    /// The code, as messages carry it.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Mirror(error) => error.code(),
            Self::UnknownTopicOrPartition => 3,
            Self::TopicAlreadyExists => 36,
            Self::InvalidConfig => 40,
            Self::InvalidRequest => 42,
            Self::PolicyViolation => 44,
            Self::InconsistentTopicId => 103,
            Self::InvalidRegularExpression => 128,
        }
    }

    /// The name, as the protocol spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mirror(error) => error.name(),
            Self::UnknownTopicOrPartition => "UNKNOWN_TOPIC_OR_PARTITION",
            Self::TopicAlreadyExists => "TOPIC_ALREADY_EXISTS",
            Self::InvalidConfig => "INVALID_CONFIG",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::PolicyViolation => "POLICY_VIOLATION",
            Self::InconsistentTopicId => "INCONSISTENT_TOPIC_ID",
            Self::InvalidRegularExpression => "INVALID_REGULAR_EXPRESSION",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl From<MirrorError> for ErrorCode {
    fn from(error: MirrorError) -> Self {
        Self::Mirror(error)
    }
}

impl CommandError {
    /// A refusal with its text.
    pub fn new(code: impl Into<ErrorCode>, message: impl fmt::Display) -> Self {
        Self { code: code.into(), message: message.to_string() }
    }
}
