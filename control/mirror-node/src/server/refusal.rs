//! Why a part of a request is refused: a code for clients, a sentence for people.

use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use kafka_wire::mirror_error::MirrorError;
use kafka_wire::partition::TopicName;

use crate::catalog::Topic;
use crate::local_topics::LocalTopicError;
use crate::mirror_orders::OrderRefusal;
use crate::node::Node;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: i16,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { code: error.code(), message: message.into() }
    }

    /// The code, as messages carry it.
    pub(super) const fn code(&self) -> i16 {
        self.code
    }

    /// The sentence, as messages carry it.
    pub(super) fn text(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message.clone()))
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ResponseError::InvalidRequest, message)
    }

    pub(super) fn topic_name(name: &str) -> Self {
        let message = format!(
            "Topic name is invalid: '{}' is not 1 to 249 ASCII letters, digits, '.', '_' and '-', \
             or is '.' or '..'",
            name.escape_default()
        );
        Self::new(ResponseError::InvalidTopicException, message)
    }

    pub(super) fn unknown_topic(name: &str) -> Self {
        Self::new(
            ResponseError::UnknownTopicOrPartition,
            format!("The topic '{name}' does not exist."),
        )
    }

    /// Of a change that a topic has to be stopped for.
    pub(super) fn not_stopped(topic: &TopicName) -> Self {
        let code = MirrorError::InvalidClusterMirrorState.code();
        let error = ResponseError::try_from_code(code);
        let message = format!("Topic '{topic}' is mirrored: stop its mirroring first.");
        Self::new(error.unwrap_or(ResponseError::PolicyViolation), message)
    }

    /// Of records, which only the source may write.
    pub(super) fn mirrored(node: &Node, topic: &Topic) -> Self {
        let error = ResponseError::try_from_code(node.mirrored_write_error);
        let message = format!("Topic '{}' is mirrored: this node only reads it.", topic.name);
        Self::new(error.unwrap_or(ResponseError::PolicyViolation), message)
    }

    /// Of any change, by a node that nobody may write to.
    pub(super) fn read_only() -> Self {
        Self::new(ResponseError::PolicyViolation, "This node takes no writes.")
    }
}

impl From<OrderRefusal> for Refusal {
    fn from(refusal: OrderRefusal) -> Self {
        Self { code: refusal.code, message: refusal.message }
    }
}

impl From<LocalTopicError> for Refusal {
    fn from(error: LocalTopicError) -> Self {
        let code = match &error {
            LocalTopicError::Mirrored { name } => return Self::not_stopped(name),
            LocalTopicError::Exists { .. } => ResponseError::TopicAlreadyExists,
            LocalTopicError::Unknown { .. } => ResponseError::UnknownTopicOrPartition,
            LocalTopicError::TooMany { .. } | LocalTopicError::NoMemory(_) => {
                ResponseError::PolicyViolation
            }
            LocalTopicError::Directory(_)
            | LocalTopicError::Log { .. }
            | LocalTopicError::Id(_) => ResponseError::KafkaStorageError,
        };
        Self::new(code, error.to_string())
    }
}
