//! Why a part of a request is refused: a code for clients, a sentence for people.

use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: ResponseError,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }

    /// The code, as messages carry it.
    pub(super) const fn code(&self) -> i16 {
        self.error.code()
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
}
