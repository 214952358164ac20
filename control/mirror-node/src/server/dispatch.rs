//! From a request to the function that answers it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::api::{AskedApi, Family, find};
use crate::server::authorization::{Caller, Gate, admit};
use crate::server::request::{Request, RequestHead};
use crate::server::{admin, group_requests, reads, writes};

/// Who asks.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it connects from.
    pub(super) peer: SocketAddr,
    /// What it calls itself; empty when it does not say.
    pub(super) id: String,
    /// Who it is to the authorizer.
    pub(super) caller: Caller,
}

impl Client {
    pub(super) fn new(peer: SocketAddr) -> Self {
        Self { peer, id: String::new(), caller: Caller::of_connection(peer) }
    }

    /// Takes the name from the head of a request.
    pub(super) fn note(&mut self, head: &RequestHead) {
        let id = head.client_id.as_deref().unwrap_or_default();
        if self.id != id {
            id.clone_into(&mut self.id);
        }
    }
}

/// Answers one request, as far as its client may make it.
pub(super) async fn answer(node: &Arc<Node>, client: &Client, mut request: Request) -> Answer {
    tracing::trace!(peer = %client.peer, head = ?request.head, "request");
    let Some(api) = find(request.head.api_key) else {
        let reason = format!("nobody answers requests of api key {}", request.head.api_key);
        return Answer::Close { reason };
    };
    let gate = Gate::new(node, client, AskedApi::Kafka(api.key));
    let completion = match admit(node, &gate, &mut request) {
        Ok(completion) => completion,
        Err(refusal) => return refusal,
    };
    let mut answer = match api.family {
        Family::Reads => reads::answer(node, &gate, request).await,
        Family::Admin => admin::answer(node, request).await,
        Family::Writes => writes::answer(node, request).await,
        Family::Groups => group_requests::answer(node, client, request).await,
    };
    completion.complete(&gate, &mut answer);
    answer
}
