//! Finds the records of a fetch, as far as its answer has room for them: from memory first, and
//! from files, on a thread that may wait for the disk, from the first partition on that needs them.

use kafka_protocol::error::ResponseError;
use kafka_wire::fetch_response::AbortedTransaction;
use kafka_wire::offset::Offset;

use super::{FetchWish, Found};
use crate::log_reader::{Located, LogReader, ReadError, ReadLimit};
use crate::node::Node;
use crate::server::limits::ANSWER_FILES_MAX;

/// How far the records of an answer are found.
#[derive(Debug)]
pub(super) struct Placing {
    wish: FetchWish,
    /// Bytes that the answer has room for.
    room: u32,
    /// Files that it is sent from.
    held: usize,
    /// Place of the next partition.
    next: usize,
}

/// What is to be found of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    from: Offset,
    upper: Offset,
    limit: ReadLimit,
}

impl Placing {
    pub(super) fn new(wish: &FetchWish) -> Self {
        Self { wish: wish.clone(), room: wish.bytes_max, held: 0, next: 0 }
    }

    /// Finds the records of all partitions, as far as the answer has room for them; false when
    /// `place` cannot tell about the next one.
    pub(super) fn go_on(
        &mut self,
        node: &Node,
        found: &mut [Found],
        place: impl Fn(&mut Found, &LogReader, Wanted) -> bool,
    ) -> bool {
        for one in &mut found[self.next..] {
            if let Some((from, upper)) = one.readable(&self.wish) {
                let is_full = self.held == ANSWER_FILES_MAX || self.held > 0 && self.room == 0;
                if is_full || !node.log_reader.may_lend(self.held) {
                    return true;
                }
                let asked_max = u32::try_from(one.asked.bytes_max).unwrap_or(0);
                let bytes_max = asked_max.min(self.room);
                let limit = ReadLimit { bytes_max, at_least_one_batch: self.held == 0 };
                if !place(one, &node.log_reader, Wanted { from, upper, limit }) {
                    return false;
                }
                self.held += usize::from(one.records_bytes > 0);
                self.room = self.room.saturating_sub(one.records_bytes);
            }
            self.next += 1;
        }
        true
    }
}

impl Found {
    /// Never blocks. Which transactions were aborted is not known without a look into files.
    pub(super) fn place_from_memory(&mut self, reader: &LogReader, wanted: Wanted) -> bool {
        let Wanted { from, upper, limit } = wanted;
        let (Some(partition), Some(state)) = (&self.partition, &self.state) else { return false };
        if self.aborted.is_some() {
            return false;
        }
        let Some(located) = reader.recall(&partition.view, state, from, upper, limit) else {
            return false;
        };
        self.put(located, upper);
        true
    }

    /// Blocking.
    pub(super) fn place_from_files(&mut self, reader: &LogReader, wanted: Wanted) -> bool {
        if let Err(error) = self.place(reader, wanted) {
            self.error = Some(self.answer_to(&error));
            self.aborted = None;
        }
        true
    }

    fn place(&mut self, reader: &LogReader, wanted: Wanted) -> Result<(), ReadError> {
        let Wanted { from, upper, limit } = wanted;
        let (Some(partition), Some(state)) = (&self.partition, &self.state) else { return Ok(()) };
        let view = &partition.view;
        let Some(located) = reader.locate(view, state, from, upper, limit)? else { return Ok(()) };
        if let Some(aborted) = &mut self.aborted {
            let found = reader.aborted_transactions(view, state, from, located.end_offset)?;
            aborted.extend(found.iter().map(|aborted| AbortedTransaction {
                producer_id: aborted.producer_id.get(),
                first_offset: aborted.first_offset.get(),
            }));
        }
        self.put(located, upper);
        Ok(())
    }

    fn put(&mut self, located: Located, upper: Offset) {
        let end_place = self.state.as_ref().map(|state| state.end_place);
        let is_tail = end_place.is_some_and(|end| located.base_offset >= end.segment);
        self.is_full = located.next_segment.is_some_and(|next| next <= upper);
        self.records_bytes = located.range.bytes;
        self.records = Some((located.range, is_tail));
    }

    fn answer_to(&self, error: &ReadError) -> ResponseError {
        match error {
            ReadError::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
            // What changed meanwhile is there when the client asks again.
            ReadError::Gone { .. } => ResponseError::NotLeaderOrFollower,
            ReadError::Damaged { .. } | ReadError::Records { .. } | ReadError::Io { .. } => {
                let name = self.partition.as_ref().map(|partition| partition.name.to_string());
                tracing::warn!(partition = name, "cannot read a log: {error}");
                ResponseError::KafkaStorageError
            }
        }
    }
}
