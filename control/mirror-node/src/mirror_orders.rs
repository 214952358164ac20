//! From those who serve clients to the control loop: what is asked of mirrors, and the answer.
//!
//! ```text
//!  connections -> orders (bounded) -> control loop: one after the other -> reply
//! ```
//! **Invariants.** Nobody waits for ever: a full queue is told at once, and every order has a
//! deadline. What is told then can be tried again.

use std::fmt;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};
use mirror_coordinator::mirror_node_config::{NodeConfigs, NodeScope};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// The way to the control loop.
#[derive(Clone, Debug)]
pub struct MirrorOrders {
    orders: mpsc::Sender<MirrorOrder>,
}

/// What the control loop is asked. Whoever asked may have left: sending the reply then fails, and
/// that is nobody's fault.
#[derive(Debug)]
pub enum MirrorOrder {
    /// A request of KIP-1279.
    Api {
        /// As it was sent, values unchecked.
        request: MirrorRequest,
        /// Takes the answer, which has to be of the same API.
        reply: oneshot::Sender<MirrorResponse>,
    },
    /// The settings of a mirror are to be shown.
    DescribeConfigs {
        /// Its name, unchecked.
        mirror: String,
        /// Takes every setting there is, by name.
        reply: oneshot::Sender<Result<Vec<MirrorSetting>, OrderRefusal>>,
    },
    /// Settings of a mirror are to be changed, all of them or none.
    AlterConfigs {
        /// Its name, unchecked.
        mirror: String,
        /// Names are there once; neither names nor values are checked.
        changes: Vec<MirrorSettingChange>,
        /// True when it is only to be said whether that could be done.
        validate_only: bool,
        /// Takes the outcome.
        reply: oneshot::Sender<Result<(), OrderRefusal>>,
    },
    /// The settings of this node that concern mirrors are to be shown, as they were made.
    DescribeNodeConfigs {
        /// Takes them.
        reply: oneshot::Sender<NodeConfigs>,
    },
    /// Settings of this node that concern mirrors are to be changed, all of them or none.
    AlterNodeConfigs {
        /// Which, and how.
        order: NodeSettingsOrder,
        /// Takes the outcome.
        reply: oneshot::Sender<Result<(), OrderRefusal>>,
    },
    /// The names of all mirrors are wanted.
    ListMirrors {
        /// Takes them.
        reply: oneshot::Sender<Vec<String>>,
    },
}

impl MirrorOrder {
    /// True when nobody waits for the answer any more. Such an order need not be begun: whoever
    /// gave it was told that it came to nothing in time.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Api { reply, .. } => reply.is_closed(),
            Self::DescribeConfigs { reply, .. } => reply.is_closed(),
            Self::AlterConfigs { reply, .. } => reply.is_closed(),
            Self::DescribeNodeConfigs { reply } => reply.is_closed(),
            Self::AlterNodeConfigs { reply, .. } => reply.is_closed(),
            Self::ListMirrors { reply } => reply.is_closed(),
        }
    }
}

/// A setting of a mirror, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSetting {
    /// Its name.
    pub name: String,
    /// What holds; `None` when it is a secret, or nothing is set and there is no default.
    pub value: Option<String>,
    /// True when it was set for this mirror, false when the default holds.
    pub is_set: bool,
    /// True when the value is never shown.
    pub is_sensitive: bool,
    /// True when only the node sets it.
    pub is_read_only: bool,
    /// Number of the value's kind (`DescribeConfigsResponse.ConfigType`), 0 for unknown.
    pub kind: i8,
}

/// Which settings of a node are to be changed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettingsOrder {
    /// For which brokers.
    pub scope: NodeScope,
    /// Names are there once; neither names nor values are checked.
    pub changes: Vec<MirrorSettingChange>,
    /// What becomes of settings made earlier.
    pub kept: SettingsKept,
    /// True when it is only to be said whether that could be done.
    pub validate_only: bool,
}

/// What becomes of settings made earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsKept {
    /// Those that are not named stay.
    Others,
    /// All go (AlterConfigs of old clients).
    None,
}

/// One change of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSettingChange {
    /// Name of the setting.
    pub name: String,
    /// What to do with it.
    pub operation: SettingOperation,
}

/// What to do with a setting. What is printed of it has no value: it may be a password.
#[derive(Clone, PartialEq, Eq)]
pub enum SettingOperation {
    /// This value from now on.
    Set(String),
    /// The default from now on.
    Delete,
    /// These elements are added to a list.
    Append(String),
    /// These elements are taken from a list.
    Subtract(String),
}

impl fmt::Debug for SettingOperation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Set(_) => "Set(hidden)",
            Self::Delete => "Delete",
            Self::Append(_) => "Append(hidden)",
            Self::Subtract(_) => "Subtract(hidden)",
        })
    }
}

/// Why an order is not carried out: a code for clients, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRefusal {
    /// Protocol error code.
    pub code: i16,
    /// The sentence.
    pub message: String,
}

impl OrderRefusal {
    /// A refusal with one of Kafka's codes.
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { code: error.code(), message: message.into() }
    }

    /// Of everything, by a node that has nobody to carry it out.
    pub(crate) fn no_mirrors() -> Self {
        Self::new(
            ResponseError::UnsupportedVersion,
            "This node takes care of no mirrors; ask one that `ringmirror node` started.",
        )
    }
}

impl MirrorOrders {
    /// The way, and its other end for the control loop. Dropping that end has every order refused.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<MirrorOrder>) {
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        (Self { orders }, receiver)
    }

    /// Has a request answered; what keeps it from that is an answer too.
    pub async fn ask(&self, request: MirrorRequest) -> MirrorResponse {
        let (key, deadline) = (request.key(), deadline(&request));
        let asked = self.give(deadline, |reply| MirrorOrder::Api { request, reply }).await;
        match asked {
            Ok(response) => response,
            Err(refusal) => MirrorResponse::refusal(key, refusal.code, &refusal.message),
        }
    }

    /// The settings of a mirror.
    ///
    /// # Errors
    /// When there is no such mirror, or no answer.
    pub async fn describe_configs(
        &self,
        mirror: String,
    ) -> Result<Vec<MirrorSetting>, OrderRefusal> {
        self.give(ORDER_DEADLINE, |reply| MirrorOrder::DescribeConfigs { mirror, reply }).await?
    }

    /// Changes settings of a mirror, or says whether they could be.
    ///
    /// # Errors
    /// When they cannot, or no answer came.
    pub async fn alter_configs(
        &self,
        mirror: String,
        changes: Vec<MirrorSettingChange>,
        validate_only: bool,
    ) -> Result<(), OrderRefusal> {
        let order = |reply| MirrorOrder::AlterConfigs { mirror, changes, validate_only, reply };
        self.give(ORDER_DEADLINE, order).await?
    }

    /// The settings of this node that concern mirrors, as they were made.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn describe_node_configs(&self) -> Result<NodeConfigs, OrderRefusal> {
        self.give(ORDER_DEADLINE, |reply| MirrorOrder::DescribeNodeConfigs { reply }).await
    }

    /// Changes settings of this node that concern mirrors, or says whether they could be.
    ///
    /// # Errors
    /// When they cannot, or no answer came.
    pub async fn alter_node_configs(&self, order: NodeSettingsOrder) -> Result<(), OrderRefusal> {
        self.give(ORDER_DEADLINE, |reply| MirrorOrder::AlterNodeConfigs { order, reply }).await?
    }

    /// The names of all mirrors.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn list_mirrors(&self) -> Result<Vec<String>, OrderRefusal> {
        self.give(ORDER_DEADLINE, |reply| MirrorOrder::ListMirrors { reply }).await
    }

    async fn give<T>(
        &self,
        deadline: Duration,
        order: impl FnOnce(oneshot::Sender<T>) -> MirrorOrder,
    ) -> Result<T, OrderRefusal> {
        let (reply, replied) = oneshot::channel();
        self.orders.try_send(order(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => OrderRefusal::new(
                ResponseError::CoordinatorLoadInProgress,
                format!("{ORDERS_MAX} requests about mirrors wait already; try again later."),
            ),
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        match timeout(deadline, replied).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(stopping()),
            Err(_) => Err(OrderRefusal::new(
                ResponseError::RequestTimedOut,
                format!(
                    "No answer about mirrors within {} ms; what was asked may still be done: \
                     look with --describe before asking again.",
                    deadline.as_millis()
                ),
            )),
        }
    }
}

fn stopping() -> OrderRefusal {
    OrderRefusal::new(
        ResponseError::CoordinatorNotAvailable,
        "This node is stopping, or its mirrors are not running yet; try again later.",
    )
}

/// How long a request may take. A start looks for topics at the source for as long as the client
/// said, and then has as long as any other.
fn deadline(request: &MirrorRequest) -> Duration {
    match request {
        MirrorRequest::StartMirrorTopics(start) => ORDER_DEADLINE + start_timeout(start.timeout_ms),
        _ => ORDER_DEADLINE,
    }
}

/// How long a start may look for topics at the source, by its `timeoutMs`: what is not above zero
/// means [`START_TIMEOUT`], what is above [`START_TIMEOUT_MAX`] means that.
#[must_use]
pub fn start_timeout(timeout_ms: i32) -> Duration {
    match u64::try_from(timeout_ms) {
        Ok(ms) if ms > 0 => Duration::from_millis(ms).min(START_TIMEOUT_MAX),
        _ => START_TIMEOUT,
    }
}

/// Orders that wait for the control loop; with more, clients are told to try again.
pub const ORDERS_MAX: usize = 256;
/// How long an order may wait and take.
pub const ORDER_DEADLINE: Duration = Duration::from_secs(30);
/// How long a start that says nothing may look for topics at the source.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a start may look for topics at the source at most.
pub const START_TIMEOUT_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
