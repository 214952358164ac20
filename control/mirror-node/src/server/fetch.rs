//! Fetch (key 1): what a request wants, waiting until there is enough, and the answer.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_wire::fetch_response::{
    AnsweredPartition, AnsweredTopic, FetchResponseError, FetchResponseFrame, FetchResponseHead,
    LeaderEndpoint, TopicKey, write_fetch_response,
};
use tokio::sync::{Notify, SemaphorePermit};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout_at};

use crate::catalog::Partition;
use crate::node::Node;
use crate::server::answer::{Answer, Part};
use crate::server::authorization::Gate;
use crate::server::fetch_look::{FetchWish, Found, look};
use crate::server::fetch_session::{AskedTopic, BegunFetch, FetchPlan};
use crate::server::limits::{FEW_FETCH_PARTITIONS, MANY_PARTITIONS_WAIT_MAX};
use crate::server::request::RequestHead;

/// Why a fetch is not answered with what was found.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// The client has to start over.
    #[error("{0:?}")]
    Refused(ResponseError),
    /// Its version cannot carry the answer.
    #[error(transparent)]
    Response(#[from] FetchResponseError),
    /// The thread that looked into the files was lost.
    #[error("cannot look for records: {0}")]
    Look(#[from] JoinError),
}

/// Answers a fetch as soon as it has enough, or has waited long enough.
pub(super) async fn fetch(
    node: &Arc<Node>,
    gate: &Gate,
    head: &RequestHead,
    asked: FetchRequest,
) -> Answer {
    let wish = FetchWish::new(node, gate, head, &asked);
    let begun = {
        let mut sessions = node.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.begin(&asked, head.api_version, std::time::Instant::now())
    };
    // Many times the size it had on the wire: gone before anything is waited for.
    drop(asked);
    let written = match begun.map_err(FetchError::Refused) {
        Ok(begun) => find(node, head, begun, &wish).await,
        Err(error) => Err(error),
    };
    let written = match written {
        Err(FetchError::Refused(error)) => write_refusal(head, error).map_err(FetchError::from),
        written => written,
    };
    match written {
        Ok(parts) => Answer::Parts(parts),
        Err(error) => Answer::Close { reason: error.to_string() },
    }
}

async fn find(
    node: &Arc<Node>,
    head: &RequestHead,
    begun: BegunFetch,
    wish: &FetchWish,
) -> Result<Vec<Part>, FetchError> {
    let room = take_room(node, begun.partition_count()).await;
    let wait_max = if room.is_some() { MANY_PARTITIONS_WAIT_MAX } else { WAIT_MAX };
    let plan = {
        let sessions = node.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.plan(begun).map_err(FetchError::Refused)?
    };
    let deadline = Instant::now() + wish.wait.min(wait_max);
    let found = wait_for_enough(node, &plan, wish, deadline).await?;
    Ok(write(node, head, &plan, found)?)
}

/// Waits for room when the fetch is of many partitions: a session makes them of a few bytes.
async fn take_room(node: &Node, partition_count: usize) -> Option<SemaphorePermit<'_>> {
    if partition_count <= FEW_FETCH_PARTITIONS {
        return None;
    }
    let count = partition_count.min(node.limits.fetch_partitions_max);
    let taken = node.fetch_room.acquire_many(u32::try_from(count).unwrap_or(u32::MAX)).await;
    Some(taken.expect("the room is never closed"))
}

async fn wait_for_enough(
    node: &Arc<Node>,
    plan: &FetchPlan,
    wish: &FetchWish,
    deadline: Instant,
) -> Result<Vec<Found>, JoinError> {
    let mut watch = Watch::default();
    loop {
        let found = look(node, plan, wish).await?;
        let is_enough = found.iter().map(|found| u64::from(found.records_bytes)).sum::<u64>()
            >= wish.bytes_min
            || found.iter().any(Found::cannot_wait);
        if is_enough || found.is_empty() || Instant::now() >= deadline {
            return Ok(found);
        }
        let is_new = watch.follow(found.iter().map(|found| found.partition.as_ref()));
        // What came between the look and the beginning of the watch wakes nobody.
        let may_wait = !is_new || found.iter().all(Found::is_current);
        // Whoever waits holds no files; what is there is found again.
        drop(found);
        if may_wait {
            // Whether news or the deadline came, the answer is what is there then.
            let _ = timeout_at(deadline, watch.news.notified()).await;
        }
    }
}

/// Tells a fetch that one of its logs has changed.
#[derive(Debug, Default)]
struct Watch {
    news: Arc<Notify>,
    /// Whose logs are watched, by place in the plan.
    watched: Vec<Option<Arc<Partition>>>,
}

impl Watch {
    /// Watches the logs of partitions, each once: in the order of the plan, every time all of them.
    /// True when there was one that was not watched before.
    fn follow<'a>(
        &mut self,
        partitions: impl ExactSizeIterator<Item = Option<&'a Arc<Partition>>>,
    ) -> bool {
        self.watched.resize(partitions.len(), None);
        let mut is_new = false;
        for (watched, partition) in self.watched.iter_mut().zip(partitions) {
            let same = |held: &Arc<Partition>| partition.is_some_and(|new| Arc::ptr_eq(held, new));
            // A topic that was deleted and made again has other logs.
            if let Some(partition) = partition.filter(|_| !watched.as_ref().is_some_and(same)) {
                partition.view.watch(&self.news);
                *watched = Some(Arc::clone(partition));
                is_new = true;
            }
        }
        is_new
    }
}

fn write(
    node: &Node,
    head: &RequestHead,
    plan: &FetchPlan,
    found: Vec<Found>,
) -> Result<Vec<Part>, FetchResponseError> {
    let told: Vec<Found> =
        found.into_iter().filter(|found| !plan.is_incremental || found.is_news()).collect();
    if plan.session_id != 0 {
        let what = told.iter().map(Found::told);
        let mut sessions = node.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.note_told(plan.session_id, what);
    }
    let partitions: Vec<AnsweredPartition<'_>> = told.iter().map(Found::answered).collect();
    let mut topics: Vec<AnsweredTopic<'_>> = Vec::new();
    let mut begin = 0;
    while begin < told.len() {
        let topic = &told[begin].asked.topic;
        let same = told[begin..].iter().take_while(|found| found.asked.topic == *topic).count();
        let partitions = &partitions[begin..begin + same];
        topics.push(AnsweredTopic { key: topic_key(topic), partitions });
        begin += same;
    }
    let identity = &node.identity;
    let us = LeaderEndpoint {
        node_id: identity.node_id.get(),
        host: &identity.host,
        port: i32::from(identity.port),
        rack: None,
    };
    let names_leader = partitions.iter().any(|partition| partition.current_leader.is_some());
    let endpoints = if names_leader { vec![us] } else { Vec::new() };
    let frame =
        write_fetch_response(&response_head(head, 0, plan.session_id), &topics, &endpoints)?;
    Ok(parts(&frame, &told))
}

fn write_refusal(
    head: &RequestHead,
    error: ResponseError,
) -> Result<Vec<Part>, FetchResponseError> {
    let frame = write_fetch_response(&response_head(head, error.code(), 0), &[], &[])?;
    Ok(vec![Part::Bytes(frame.bytes)])
}

fn response_head(head: &RequestHead, error_code: i16, session_id: i32) -> FetchResponseHead {
    FetchResponseHead {
        api_version: head.api_version,
        correlation_id: head.correlation_id,
        throttle_ms: 0,
        error_code,
        session_id,
    }
}

fn topic_key(topic: &AskedTopic) -> TopicKey<'_> {
    match topic {
        AskedTopic::Name(name) => TopicKey::Name(name.as_str()),
        AskedTopic::BadName(name) => TopicKey::Name(name.as_str()),
        AskedTopic::Id(id) => TopicKey::Id(id.bytes()),
        AskedTopic::NoId => TopicKey::Id([0; 16]),
    }
}

/// The frame with the records in its holes.
fn parts(frame: &FetchResponseFrame, told: &[Found]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (hole, found) in frame.holes.iter().zip(told) {
        if hole.records_bytes == 0 {
            continue;
        }
        parts.push(Part::Bytes(frame.bytes.slice(begin..hole.at)));
        parts.extend(found.found_records().map(Part::File));
        begin = hole.at;
    }
    parts.push(Part::Bytes(frame.bytes.slice(begin..)));
    parts
}

/// A client that wants to wait for longer is answered, and asks again.
const WAIT_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
