//! What all connections share: how much they may receive, decode, work on and keep for sending.

use std::sync::Arc;

use crate::server::answer_room::AnswerRoom;
use crate::server::decoding_room::DecodingRoom;
use crate::server::limits::ServerLimits;
use crate::server::request_room::RequestRoom;
use crate::server::work_slots::WorkSlots;

/// A request takes them in this order; whoever holds a later one waits for no earlier one.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    pub(super) requests: Arc<RequestRoom>,
    pub(super) work: WorkSlots,
    pub(super) decoding: DecodingRoom,
    pub(super) answers: AnswerRoom,
}

impl Rooms {
    pub(super) fn new(limits: &ServerLimits) -> Self {
        Self {
            requests: Arc::new(RequestRoom::new(limits)),
            work: WorkSlots::new(),
            decoding: DecodingRoom::new(limits),
            answers: AnswerRoom::new(limits),
        }
    }
}
