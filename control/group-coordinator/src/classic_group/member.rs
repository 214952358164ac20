//! One member of a classic group.

use bytes::Bytes;

use crate::limits::NAME_ENTRY_BYTES;
use crate::request::{JoinGroup, JoinProtocol, Now, RequestId};
use kafka_wire::group_record::ClassicGroupMember;

/// A member of a classic group.
#[derive(Debug)]
pub(super) struct ClassicMember {
    pub(super) member_id: String,
    pub(super) group_instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) protocols: Vec<JoinProtocol>,
    pub(super) assignment: Bytes,
    /// Its join that waits for the generation.
    pub(super) waiting_join: Option<RequestId>,
    /// Its sync that waits for the assignment.
    pub(super) waiting_sync: Option<RequestId>,
    /// No generation had it yet.
    pub(super) is_new: bool,
    /// When it is lost unless heard of; `None` while we keep it waiting.
    pub(super) session_deadline_ms: Option<u64>,
}

impl ClassicMember {
    pub(super) fn new(member_id: String, join: &JoinGroup) -> Self {
        Self {
            member_id,
            group_instance_id: join.group_instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            waiting_join: None,
            waiting_sync: None,
            is_new: true,
            session_deadline_ms: None,
        }
    }

    pub(super) fn from_value(value: ClassicGroupMember, protocol: String, now: Now) -> Self {
        let mut member = Self {
            member_id: value.member_id,
            group_instance_id: value.group_instance_id,
            client_id: value.client_id,
            client_host: value.client_host,
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            session_timeout_ms: value.session_timeout_ms,
            protocols: vec![JoinProtocol { name: protocol, metadata: value.subscription.into() }],
            assignment: value.assignment.into(),
            waiting_join: None,
            waiting_sync: None,
            is_new: false,
            session_deadline_ms: None,
        };
        member.renew_session(now);
        member
    }

    /// It was heard of: its session starts anew.
    pub(super) fn renew_session(&mut self, now: Now) {
        self.session_deadline_ms = Some(now.elapsed_ms + milliseconds(self.session_timeout_ms));
    }

    pub(super) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|offered| offered.name == protocol).map(|found| &found.metadata)
    }

    /// True while its silence is our doing.
    pub(super) const fn is_kept_waiting(&self) -> bool {
        !self.is_new && (self.waiting_join.is_some() || self.waiting_sync.is_some())
    }

    pub(super) const fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    /// What is kept of it, but for its assignment.
    pub(super) fn subscription_bytes(&self) -> usize {
        let instance = self.group_instance_id.as_deref().unwrap_or_default();
        let ids = self.member_id.len() + instance.len();
        let client = self.client_id.len() + self.client_host.len();
        MEMBER_BYTES + ids * 2 + client + protocols_bytes(&self.protocols)
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.subscription_bytes() + self.assignment.len()
    }
}

/// What a member that joins so will take, but for its assignment.
pub(super) fn joining_bytes(join: &JoinGroup) -> usize {
    let instance = join.group_instance_id.as_deref().unwrap_or_default();
    let client = join.client_id.len() + join.client_host.len();
    // An id it has yet to be given begins with what the client calls itself, or its static name.
    let id = join.member_id.len().max(instance.len().max(join.client_id.len()) + NAME_ENTRY_BYTES);
    let ids = id + instance.len();
    MEMBER_BYTES + ids * 2 + client + protocols_bytes(&join.protocols)
}

/// What the protocols of one member take.
pub(super) fn protocols_bytes(protocols: &[JoinProtocol]) -> usize {
    let bytes_of =
        |protocol: &JoinProtocol| NAME_ENTRY_BYTES + protocol.name.len() + protocol.metadata.len();
    protocols.iter().map(bytes_of).sum()
}

/// A timeout from the wire, where a negative one is none at all.
pub(super) fn milliseconds(timeout_ms: i32) -> u64 {
    u64::try_from(timeout_ms).unwrap_or(0)
}

/// What a member takes beside its names, protocols and assignment.
const MEMBER_BYTES: usize = 256;
