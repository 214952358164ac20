//! What of a request its client may have done, decided before anything is done.
//!
//! ```text
//!  request --> admit: what is forbidden is taken out ----> all of it: the answer is a refusal
//!                       |
//!                       '--> the rest is answered --> complete: refusals are put in, what the
//!                                                     client may not see is taken out
//! ```
//! Who may do what is in [`rights`], one line for each API; who somebody is, [`Caller`] decides.
//! Fetches alone are looked at where they are answered, since a session remembers what is asked.
//! Without an authorizer everybody may do everything.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kafka_protocol::messages::RequestKind;
use kafka_protocol::protocol::StrBytes;
use kafka_wire::mirror_error::MirrorError;
use mirror_coordinator::acl::authorizer::{Authorizer, Requester, operations_of};
use mirror_coordinator::acl::{AclOperation, AclResource, CLUSTER_NAME};

use crate::acl_store::Acls;
use crate::node::{Authorization, Node};
use crate::server::answer::Answer;
use crate::server::api::AskedApi;
use crate::server::dispatch::Client;
use crate::server::request::Request;
use rights::Need;

mod groups;
pub(super) mod mirrors;
mod records;
mod rights;
mod settings;
mod topics;
mod whole;

/// Who a client is to the authorizer.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    principal: Arc<str>,
    host: Arc<str>,
}

impl Caller {
    /// Who connects from an address. The one place where that is decided: over PLAINTEXT, which is
    /// all that is spoken here, everybody is nobody in particular.
    pub(super) fn of_connection(peer: SocketAddr) -> Self {
        Self { principal: ANONYMOUS.into(), host: java_address(peer.ip()).into() }
    }
}

/// An address as rules have it: `InetAddress.getHostAddress` leaves nothing out.
fn java_address(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => ip.segments().map(|part| format!("{part:x}")).join(":"),
    }
}

/// What one client may do with one API, by the rules of one moment.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    who: Caller,
    needs: &'static [Need],
    /// `None` where everybody may do everything.
    decider: Option<Decider>,
}

#[derive(Clone, Debug)]
struct Decider {
    authorizer: Arc<Authorizer>,
    acls: Arc<Acls>,
}

impl Gate {
    pub(super) fn new(node: &Node, client: &Client, api: AskedApi) -> Self {
        let decider = node.authorization.as_ref().map(|Authorization { authorizer, directory }| {
            let acls = directory.acls().current();
            Decider { authorizer: Arc::clone(authorizer), acls }
        });
        Self { who: client.caller.clone(), needs: rights::needs(api), decider }
    }

    /// True where there is an authorizer.
    fn is_closed(&self) -> bool {
        self.decider.is_some()
    }

    /// Whether the client may do with a resource what the API does with resources of that kind: in
    /// the first line for the kind in [`rights`].
    pub(super) fn may(&self, resource: AclResource, name: &str) -> bool {
        let mut needs = self.needs.iter();
        match needs.find(|(kind, _)| *kind == resource) {
            Some((_, operation)) => self.decides(*operation, resource, name),
            None => !self.is_closed(),
        }
    }

    /// Whether the client may do with a resource what the API does with it besides.
    fn may_also(&self, operation: AclOperation, resource: AclResource, name: &str) -> bool {
        let is_listed = self.needs.contains(&(resource, operation));
        (is_listed || !self.is_closed()) && self.decides(operation, resource, name)
    }

    /// Whether the client may do with the cluster what the API does with it.
    pub(super) fn may_on_cluster(&self) -> bool {
        self.may(AclResource::Cluster, CLUSTER_NAME)
    }

    /// Whether there may be a resource of a kind with which the client may do what the API does.
    fn may_on_any(&self, resource: AclResource) -> bool {
        let Some(Decider { authorizer, acls }) = &self.decider else { return true };
        let mut needs = self.needs.iter();
        let need = needs.find(|(kind, _)| *kind == resource);
        need.is_some_and(|(_, operation)| {
            authorizer.allows_any(&acls.rules, &self.requester(), *operation, resource)
        })
    }

    fn decides(&self, operation: AclOperation, resource: AclResource, name: &str) -> bool {
        let Some(Decider { authorizer, acls }) = &self.decider else { return true };
        let who = self.requester();
        let is_allowed = authorizer.allows(&acls.rules, &who, operation, (resource, name));
        if !is_allowed {
            let Requester { principal, host } = who;
            let name = name.escape_default();
            tracing::debug!(principal, host, "denied: {operation} on {resource} {name}");
        }
        is_allowed
    }

    /// What the client may do with a resource, as bits.
    fn operations(&self, resource: AclResource, name: &str) -> i32 {
        match &self.decider {
            Some(Decider { authorizer, acls }) => {
                authorizer.allowed_operations(&acls.rules, &self.requester(), (resource, name))
            }
            None => operations_of(resource)
                .iter()
                .fold(0, |bits, operation| bits | 1 << operation.number()),
        }
    }

    /// What the client may do with the cluster, as bits; nothing when it may not even see that.
    fn cluster_operations(&self) -> i32 {
        if self.may_on_cluster() { self.operations(AclResource::Cluster, CLUSTER_NAME) } else { 0 }
    }

    fn requester(&self) -> Requester<'_> {
        Requester { principal: &self.who.principal, host: &self.who.host }
    }
}

/// What is done with the answer to what remained of a request.
pub(super) struct Completion(Option<Work>);

type Work = Box<dyn FnOnce(&Gate, &mut Answer) + Send>;

impl Completion {
    /// The answer is right as it is.
    const NONE: Self = Self(None);

    fn new(work: impl FnOnce(&Gate, &mut Answer) + Send + 'static) -> Self {
        Self(Some(Box::new(work)))
    }

    /// Puts into the answer what is missing, takes out what the client may not see.
    pub(super) fn complete(self, gate: &Gate, answer: &mut Answer) {
        if let Some(work) = self.0 {
            work(gate, answer);
        }
    }
}

/// Takes out of a request what its client may not have done.
///
/// # Errors
/// The answer, when nothing is left to be done.
pub(super) fn admit(node: &Node, gate: &Gate, request: &mut Request) -> Result<Completion, Answer> {
    let version = request.head.api_version;
    match &mut request.body {
        // Of sessions, which know more than the request: `fetch_look.rs`.
        RequestKind::Fetch(_) | RequestKind::ApiVersions(_) => Ok(Completion::NONE),
        RequestKind::Metadata(_)
        | RequestKind::DescribeCluster(_)
        | RequestKind::DescribeTopicPartitions(_)
        | RequestKind::CreateTopics(_)
        | RequestKind::DeleteTopics(_)
        | RequestKind::CreatePartitions(_) => topics::admit(node, gate, &mut request.body, version),
        RequestKind::Produce(_)
        | RequestKind::InitProducerId(_)
        | RequestKind::ListOffsets(_)
        | RequestKind::OffsetForLeaderEpoch(_)
        | RequestKind::DeleteRecords(_)
        | RequestKind::DescribeProducers(_)
        | RequestKind::ListTransactions(_)
        | RequestKind::DescribeTransactions(_) => records::admit(gate, &mut request.body),
        RequestKind::DescribeConfigs(_)
        | RequestKind::AlterConfigs(_)
        | RequestKind::IncrementalAlterConfigs(_) => settings::admit(gate, &mut request.body),
        // Refused to everybody, whatever else they may do: `writes/transactions.rs`.
        RequestKind::AddPartitionsToTxn(_)
        | RequestKind::AddOffsetsToTxn(_)
        | RequestKind::EndTxn(_)
        | RequestKind::TxnOffsetCommit(_) => Ok(Completion::NONE),
        body => {
            whole::admit(gate, body)?;
            groups::admit(gate, body, version)
        }
    }
}

/// Takes what is forbidden out of what is asked for.
fn refuse<T>(asked: &mut Vec<T>, may: impl Fn(&T) -> bool) -> Vec<T> {
    asked.extract_if(.., |one| !may(one)).collect()
}

/// The code for a client that may not do with a resource what it asked for.
const fn refusal_code(resource: AclResource) -> i16 {
    match resource {
        AclResource::Topic => 29,
        AclResource::Group => 30,
        AclResource::Cluster => 31,
        AclResource::TransactionalId => 53,
        AclResource::DelegationToken | AclResource::User => 65,
        AclResource::ClusterMirror => MirrorError::ClusterMirrorAuthorizationFailed.code(),
    }
}

/// The same for people, in the words of Kafka.
const fn refusal_text(resource: AclResource) -> &'static str {
    match resource {
        AclResource::Topic => "Topic authorization failed.",
        AclResource::Group => "Group authorization failed.",
        AclResource::Cluster => "Cluster authorization failed.",
        AclResource::TransactionalId => "Transactional Id authorization failed.",
        AclResource::DelegationToken | AclResource::User => {
            "Delegation Token authorization failed."
        }
        AclResource::ClusterMirror => "Cluster mirror authorization failed.",
    }
}

/// The same, as messages carry it.
fn refusal_message(resource: AclResource) -> Option<StrBytes> {
    Some(StrBytes::from_static_str(refusal_text(resource)))
}

/// The message of an answer, when it is of the kind expected.
macro_rules! response {
    ($answer:expr, $kind:ident) => {
        match $answer {
            Answer::Message(message) => match &mut **message {
                ResponseKind::$kind(response) => Some(response),
                _ => None,
            },
            _ => None,
        }
    };
}
use response;

/// Everybody whose connection says nothing about who they are.
pub(crate) const ANONYMOUS: &str = "User:ANONYMOUS";

#[cfg(test)]
mod tests;
