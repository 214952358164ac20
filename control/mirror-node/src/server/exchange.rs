//! One request and its answer without a connection: for tests that feed frames to a whole node.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::pread;

use crate::log_reader::FileRange;
use crate::node::Node;
use crate::server::answer::Part;
use crate::server::connection::{ConnectionError, answer_frame};
use crate::server::dispatch::Client;
use crate::server::rooms::Rooms;

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It is no request, or one that is answered by closing the connection.
    Closed(String),
    /// We cannot say our answer in the request's version: always a bug of ours.
    Unspeakable(String),
}

/// Answers a frame, given without its size, as a connection does: a frame with its size, or
/// nothing at all.
///
/// # Errors
/// When the connection would end.
pub async fn exchange(
    node: &Arc<Node>,
    peer: SocketAddr,
    frame: Bytes,
) -> Result<Vec<u8>, Unanswered> {
    let mut client = Client::new(peer);
    let rooms = Rooms::new(&node.limits);
    let reply = answer_frame(node, &mut client, frame, &rooms).await.map_err(unanswered)?;
    let mut answer = Vec::new();
    for part in reply.parts {
        match part {
            Part::Bytes(bytes) => answer.extend(bytes),
            Part::File(records) => append(&mut answer, &records.range),
        }
    }
    Ok(answer)
}

fn unanswered(error: ConnectionError) -> Unanswered {
    match error {
        ConnectionError::Answer(error) => Unanswered::Unspeakable(error.to_string()),
        other => Unanswered::Closed(other.to_string()),
    }
}

/// What the file does not have any more is left out, as it is on a socket.
fn append(answer: &mut Vec<u8>, range: &FileRange) {
    let begin = answer.len();
    answer.resize(begin + usize::try_from(range.bytes).unwrap_or(0), 0);
    let mut end = begin;
    while end < answer.len() {
        let position = range.position + u64::try_from(end - begin).unwrap_or(0);
        match pread(&*range.file, &mut answer[end..], position) {
            Ok(0) | Err(_) => break,
            Ok(count) => end += count,
        }
    }
    answer.truncate(end);
}
