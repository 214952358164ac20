//! From socket bytes to answers: reads responses as they arrive, whatever the pieces.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! Headers pass through the connection's frame buffer. Once a partition's records begin, what is
//! already there is copied to its chunk, and the rest is received straight into the chunk. What
//! follows the records comes with their last piece and is copied back to the frame buffer.

use std::io;

use kafka_wire::fetch_event::{FetchEvent, PartitionHead};

use crate::buffer_pool::BufferLease;
use crate::connection::{Body, Connection, CurrentPartition, Question, ReceiveTarget};
use crate::limits::{
    BULK_HEAD_BYTES, BULK_RESPONSE_BYTES, DIRECT_RECEIVE_BYTES_MAX, DIRECT_RECEIVE_BYTES_MIN,
    FRAME_BUFFER_BYTES,
};
use crate::mirror_partition::LaneRef;
use crate::op::{ConnectionId, Op, PartitionSlot};
use crate::shard::Shard;

/// How reading goes on.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    /// Look again: there may be more to do with the bytes at hand.
    Go,
    /// More bytes are needed in the frame buffer.
    MoreBytes,
    /// A receive into a chunk is in flight, or a buffer is waited for.
    Wait,
    /// The peer does not speak as it should.
    Lost(String),
}

impl Connection {
    /// What remains of the current partition's records is thrown away.
    pub(crate) fn disown_current(&mut self) {
        if let Some(current) = &mut self.current {
            current.slot = None;
            if let Some(body) = &mut current.body {
                body.accept = false;
            }
        }
    }
}

impl Shard {
    pub(crate) fn on_sent(
        &mut self,
        id: ConnectionId,
        buffer: BufferLease,
        result: io::Result<()>,
    ) {
        let place = id.index as usize;
        assert_eq!(self.connections[place].id, id, "a place is reused only when quiet");
        self.connections[place].request = Some(buffer);
        self.connections[place].sending = false;
        match result {
            Err(error) => self.lose_connection_unless_ending(place, &format!("send: {error}")),
            Ok(()) => self.settle_connection(place),
        }
    }

    pub(crate) fn on_received(
        &mut self,
        id: ConnectionId,
        buffer: BufferLease,
        result: io::Result<u32>,
    ) {
        let place = id.index as usize;
        assert_eq!(self.connections[place].id, id, "a place is reused only when quiet");
        let target = self.connections[place].receiving.take().expect("a receive was in flight");
        let bytes = result.as_ref().copied().unwrap_or(0);
        self.counters.bytes_received += u64::from(bytes);
        match target {
            ReceiveTarget::Frame => {
                self.connections[place].frame = Some(buffer);
                self.connections[place].frame_end += bytes as usize;
            }
            ReceiveTarget::Chunk { slot, chunk, start } => {
                let records = self.connections[place].take_body_bytes(&buffer, start, bytes);
                self.on_chunk_received(place, slot, chunk, buffer, records);
            }
        }
        match result {
            Err(error) => self.lose_connection_unless_ending(place, &format!("receive: {error}")),
            Ok(0) => self.lose_connection_unless_ending(place, "closed by the broker"),
            Ok(_) => {
                let timeout_ms = self.connections[place].limits.request_timeout_ms;
                self.connections[place].progressed(self.now, timeout_ms);
                self.settle_connection(place);
            }
        }
    }

    fn lose_connection_unless_ending(&mut self, place: usize, reason: &str) {
        if self.connections[place].is_conversing() {
            self.lose_connection(place, reason);
        }
        self.settle_connection(place);
    }

    /// Reads on until bytes, buffers or the response end; then asks for more bytes.
    pub(crate) fn drive_receive(&mut self, place: usize) {
        if self.connections[place].receiving.is_some() {
            return;
        }
        self.connections[place].starved = false;
        loop {
            let flow =
                if self.has_body(place) { self.take_body(place) } else { self.take_frame(place) };
            match flow {
                Flow::Go => {}
                Flow::Wait => return,
                Flow::MoreBytes => return self.receive_frame(place),
                Flow::Lost(reason) => return self.lose_connection(place, &reason),
            }
            if !self.connections[place].is_conversing() {
                return;
            }
        }
    }

    fn has_body(&self, place: usize) -> bool {
        self.connections[place].current.is_some_and(|current| current.body.is_some())
    }

    fn receive_frame(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        let Some(mut buffer) = connection.frame.take() else { return };
        if connection.frame_start > 0 {
            buffer.bytes_mut().copy_within(connection.frame_start..connection.frame_end, 0);
            connection.frame_end -= connection.frame_start;
            connection.frame_start = 0;
        }
        let head_only =
            connection.expects_bulk && connection.current.is_none_or(|c| c.body.is_none());
        let room = if head_only { BULK_HEAD_BYTES } else { FRAME_BUFFER_BYTES };
        let start = u32::try_from(connection.frame_end).expect("below the buffer's size");
        let end = (start + room).min(FRAME_BUFFER_BYTES);
        assert!(start < end, "a frame buffer holds any piece of a header");
        connection.receiving = Some(ReceiveTarget::Frame);
        let connection = connection.id;
        self.ops.push(Op::Receive { connection, buffer, start, end });
    }

    /// Takes the next piece that is not records.
    fn take_frame(&mut self, place: usize) -> Flow {
        let connection = &self.connections[place];
        match connection.in_flight.front().map(|held| &held.question) {
            None if connection.unread().is_empty() => Flow::MoreBytes,
            None => Flow::Lost("bytes that answer no request".to_owned()),
            Some(Question::Fetch { lane }) => {
                let at = LaneRef { connection: place, lane: *lane };
                self.take_fetch(at)
            }
            Some(_) => self.take_message(place),
        }
    }

    /// Takes a whole answer that is not a Fetch response.
    fn take_message(&mut self, place: usize) -> Flow {
        let connection = &self.connections[place];
        let unread = connection.unread();
        let Some(size) = unread.first_chunk::<4>() else { return Flow::MoreBytes };
        let size = i32::from_be_bytes(*size);
        let frame = usize::try_from(size).ok().and_then(|bytes| bytes.checked_add(4));
        let Some(frame) = frame.filter(|bytes| *bytes <= FRAME_BUFFER_BYTES as usize) else {
            return Flow::Lost(format!(
                "response announces {size} bytes, limit is {FRAME_BUFFER_BYTES}: is this a Kafka \
                     broker?"
            ));
        };
        if unread.len() < frame {
            return Flow::MoreBytes;
        }
        match self.take_answer(place, frame) {
            Ok(()) => Flow::Go,
            Err(reason) => Flow::Lost(reason),
        }
    }

    fn take_fetch(&mut self, at: LaneRef) -> Flow {
        let connection = &mut self.connections[at.connection];
        if !connection.reading {
            let asked = connection.in_flight.front().expect("checked by the caller");
            connection.reader.begin(asked.version, asked.correlation);
            connection.reading = true;
            connection.response_bytes = 0;
        }
        let frame = connection.frame.as_ref().expect("no receive is in flight");
        let unread = &frame.bytes()[connection.frame_start..connection.frame_end];
        let (used, event) = match connection.reader.read(unread) {
            Ok(read) => read,
            Err(error) => return Flow::Lost(error.to_string()),
        };
        connection.consume(used);
        match event {
            FetchEvent::NeedMore => return Flow::MoreBytes,
            FetchEvent::Head { throttle_ms, error_code, session_id } => {
                self.on_fetch_head(at, throttle_ms, error_code, session_id);
            }
            FetchEvent::Partition(head) => self.on_fetched_partition(at, &head),
            FetchEvent::PartitionEnd(tail) => self.on_fetched_partition_end(at, &tail),
            FetchEvent::NodeEndpoint => self.on_node_endpoint(at.connection),
            FetchEvent::End => self.on_fetch_end(at),
        }
        Flow::Go
    }

    fn on_fetched_partition(&mut self, at: LaneRef, head: &PartitionHead) {
        let connection = &self.connections[at.connection];
        let (source, topic) = (connection.broker.source, connection.reader.topic());
        let slot = self.partitions.find_fetched(source, topic, head.partition);
        let slot = slot.filter(|slot| self.answers(at, *slot));
        let accept = slot.is_some_and(|slot| self.note_fetched(slot, head));
        let body = (head.records_bytes > 0).then_some(Body {
            remaining: head.records_bytes,
            accept,
            plan: None,
            accepted_any: false,
        });
        if body.is_some() && accept {
            self.begin_filling(slot.expect("accepted partitions have a place"));
        }
        let connection = &mut self.connections[at.connection];
        connection.response_bytes = connection.response_bytes.saturating_add(head.records_bytes);
        let lane = &mut connection.lanes[at.lane];
        lane.size.note_partition(head.records_bytes, &connection.limits);
        connection.current = Some(CurrentPartition { slot, head: *head, body });
    }

    /// True when this lane's request asked for the partition.
    fn answers(&self, at: LaneRef, slot: PartitionSlot) -> bool {
        self.partitions
            .get(slot)
            .is_some_and(|partition| partition.lane == Some(at) && partition.asked.is_some())
    }

    /// Moves records on: from the frame buffer, or by a receive straight into the chunk.
    fn take_body(&mut self, place: usize) -> Flow {
        let connection = &self.connections[place];
        let current = connection.current.as_ref().expect("checked by the caller");
        let body = current.body.as_ref().expect("checked by the caller");
        let at_hand = connection.unread().len().min(body.remaining as usize);
        match (body.remaining, body.accept, current.slot) {
            (0, ..) => {
                self.finish_body(place);
                self.connections[place].reader.records_done();
                Flow::Go
            }
            (_, true, Some(slot)) => self.take_records(place, slot, at_hand),
            _ if at_hand == 0 => Flow::MoreBytes,
            _ => {
                self.counters.bytes_discarded += at_hand as u64;
                self.connections[place].consume(at_hand);
                self.connections[place].shrink_body(at_hand);
                Flow::Go
            }
        }
    }

    fn take_records(&mut self, place: usize, slot: PartitionSlot, at_hand: usize) -> Flow {
        let remaining = self.connections[place].body_remaining();
        if at_hand == 0 && remaining < DIRECT_RECEIVE_BYTES_MIN {
            return Flow::MoreBytes;
        }
        if !self.ensure_room(place, slot) {
            self.connections[place].starved = true;
            self.counters.buffer_waits += 1;
            self.relieve_pressure();
            return Flow::Wait;
        }
        let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
        let chunk = partition.open.back_mut().expect("room was ensured");
        let connection = &mut self.connections[place];
        if at_hand == 0 {
            let records = remaining.min(chunk.room()).min(DIRECT_RECEIVE_BYTES_MAX);
            // One receive less per response; the next records overwrite these bytes here.
            let behind = match records == remaining {
                true => connection.bytes_behind_body().min(BULK_HEAD_BYTES),
                false => 0,
            };
            let start = chunk.fill;
            let end = start + (records + behind).min(chunk.room());
            let buffer = chunk.buffer.take().expect("room was ensured");
            connection.receiving = Some(ReceiveTarget::Chunk { slot, chunk: chunk.id, start });
            partition.pending.receives += 1;
            let connection = connection.id;
            self.ops.push(Op::Receive { connection, buffer, start, end });
            return Flow::Wait;
        }
        let bytes = at_hand.min(chunk.room() as usize);
        let start = chunk.fill as usize;
        let buffer = chunk.buffer.as_mut().expect("room was ensured").bytes_mut();
        buffer[start..start + bytes].copy_from_slice(&connection.unread()[..bytes]);
        connection.consume(bytes);
        connection.shrink_body(bytes);
        self.accept_bytes(place, slot, u32::try_from(bytes).expect("fits a chunk"));
        Flow::Go
    }

    fn on_chunk_received(
        &mut self,
        place: usize,
        slot: PartitionSlot,
        chunk: u64,
        buffer: BufferLease,
        bytes: u32,
    ) {
        let wanted = self.connections[place].body_accepts(slot);
        let partition = self.partitions.get_mut(slot).expect("a receive keeps its partition");
        partition.pending.receives -= 1;
        let held = partition.open.iter_mut().find(|held| held.id == chunk);
        held.expect("a receive keeps its chunk").buffer = Some(buffer);
        if wanted && partition.open.back().is_some_and(|last| last.id == chunk) {
            self.accept_bytes(place, slot, bytes);
        } else {
            self.counters.bytes_discarded += u64::from(bytes);
            self.return_given_up(slot, chunk);
        }
        self.settle(slot);
    }

    pub(crate) fn note_response_size(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        connection.expects_bulk = connection.response_bytes > BULK_RESPONSE_BYTES;
    }
}

impl Connection {
    /// Bytes of records that the reader still counts to the response.
    pub(crate) fn records_left(&self) -> u32 {
        let body = self.current.filter(|current| current.body.is_some());
        body.map_or(0, |current| current.head.records_bytes)
    }

    /// Bytes of the current body that have not been received or copied yet.
    pub(crate) fn body_remaining(&self) -> u32 {
        self.current.and_then(|current| current.body).map_or(0, |body| body.remaining)
    }

    /// True while records of this partition are wanted.
    pub(crate) fn body_accepts(&self, slot: PartitionSlot) -> bool {
        self.current.is_some_and(|current| {
            current.slot == Some(slot) && current.body.is_some_and(|body| body.accept)
        })
    }

    /// Counts received records off the body, and moves what came from behind them to the frame
    /// buffer; tells how many bytes of records there were.
    fn take_body_bytes(&mut self, buffer: &BufferLease, start: u32, bytes: u32) -> u32 {
        if self.current.is_none_or(|current| current.body.is_none()) {
            return bytes;
        }
        let records = bytes.min(self.body_remaining());
        self.shrink_body(records as usize);
        let (from, to) = ((start + records) as usize, (start + bytes) as usize);
        if from < to {
            self.take_behind_body(&buffer.bytes()[from..to]);
        }
        records
    }

    fn shrink_body(&mut self, bytes: usize) {
        let body = self.current.as_mut().and_then(|current| current.body.as_mut());
        let body = body.expect("only called while a body is read");
        let bytes = u32::try_from(bytes).expect("a piece is smaller than its body");
        body.remaining = body.remaining.checked_sub(bytes).expect("reads stop where records end");
    }

    /// Bytes arrived: the answer is on its way.
    fn progressed(&mut self, now: crate::op::Tick, timeout_ms: u64) {
        if self.deadline.is_some() {
            self.deadline = Some(now.after_ms(timeout_ms));
        }
    }

    fn is_conversing(&self) -> bool {
        use crate::connection::ConnectionPhase::{Handshaking, Ready};
        matches!(self.phase, Handshaking | Ready)
    }
}
