//! From a request to the function that answers it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::api::{Family, find};
use crate::server::request::{Request, RequestHead};
use crate::server::{admin, group_requests, reads, writes};

/// Who asks.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it connects from.
    pub(super) peer: SocketAddr,
    /// What it calls itself; empty when it does not say.
    pub(super) id: String,
}

impl Client {
    pub(super) fn new(peer: SocketAddr) -> Self {
        Self { peer, id: String::new() }
    }

    /// Takes the name from the head of a request.
    pub(super) fn note(&mut self, head: &RequestHead) {
        let id = head.client_id.as_deref().unwrap_or_default();
        if self.id != id {
            id.clone_into(&mut self.id);
        }
    }
}

/// Answers one request.
pub(super) async fn answer(node: &Arc<Node>, client: &Client, request: Request) -> Answer {
    let family = find(request.head.api_key).map(|api| api.family);
    tracing::trace!(peer = %client.peer, head = ?request.head, "request");
    match family {
        Some(Family::Reads) => reads::answer(node, request).await,
        Some(Family::Admin) => admin::answer(node, request).await,
        Some(Family::Writes) => writes::answer(node, request).await,
        Some(Family::Groups) => group_requests::answer(node, client, request).await,
        None => Answer::Close {
            reason: format!("nobody answers requests of api key {}", request.head.api_key),
        },
    }
}
