//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! Reads a Fetch response, versions 4 to 17, from pieces cut anywhere; never needs it whole.
//!
//! ```text
//!  Size -> Correlation -> header tags -> Head -> Topic <--------------------------+
//!                                                 | |  none left                  |
//!            +-> Partition <----------------------+ +-> root tags -> End          |
//!            |     -> aborted transactions -> RecordsLength  = FetchEvent::Partition
//!            |     -> Records (the caller takes them)                             |
//!            |     -> partition tags                         = FetchEvent::PartitionEnd
//!            +---- more ---- PartitionsDone -- no more --> topic tags ------------+
//! ```
//! Tagged fields and aborted transactions that nobody asked for are counted and skipped.
//! Source: `FetchResponse.json` in Apache Kafka's clients.

use crate::byte_cursor::{ByteCursor, CursorError};
use crate::fetch_event::{
    FetchEvent, FetchReadError, FetchedTopic, NodeEndpoint, PartitionHead, PartitionTail,
};
use crate::fetch_request::{VERSION_FLEXIBLE, VERSION_SESSIONS, VERSION_TOPIC_IDS};
use crate::partition::TopicName;

mod tagged_fields;

/// Largest response a source may send: 256 MiB of records and what surrounds them.
pub const FRAME_BYTES_MAX: u32 = (256 << 20) + (1 << 20);
/// With this many bytes at hand, or the rest of the frame, the reader always gets further.
pub const PIECE_BYTES_MAX: usize = 1024;

/// Resumable reader of one Fetch response after another.
#[derive(Clone, Debug)]
pub struct FetchReader {
    frame_bytes_max: u32,
    version: i16,
    correlation_id: i32,
    state: State,
    /// Bytes of the response read so far, its size prefix included.
    position: u64,
    /// Bytes of the frame not read yet; while the size is unknown, the size prefix itself.
    frame_left: u32,
    /// Bytes to drop before the state goes on.
    skip_left: u32,
    tags_left: u32,
    /// Tags of the response itself, while those of a node endpoint are read.
    root_tags_left: u32,
    topics_left: u32,
    partitions_left: u32,
    aborted_left: u32,
    endpoints_left: u32,
    /// Where the node endpoints have to end.
    endpoints_end: u64,
    topic: FetchedTopic,
    head: PartitionHead,
    tail: PartitionTail,
    endpoint: NodeEndpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Size,
    Correlation,
    TagCount(Tags),
    Tag(Tags),
    Head,
    Topic,
    Partition,
    Aborted,
    RecordsLength,
    Records { bytes: u32 },
    Endpoint,
    EndpointRack,
    EndpointsDone,
    End,
}

/// Whose tagged fields are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tags {
    Header,
    Aborted,
    Partition,
    Topic,
    Endpoint,
    Root,
}

/// Why one step did not succeed.
enum Stop {
    Cursor(CursorError),
    Refused(FetchReadError),
}

impl From<CursorError> for Stop {
    fn from(error: CursorError) -> Self {
        Self::Cursor(error)
    }
}

type Step = Result<Option<FetchEvent>, Stop>;

impl FetchReader {
    /// A reader that refuses responses above `frame_bytes_max`, see [`FRAME_BYTES_MAX`].
    #[must_use]
    pub const fn new(frame_bytes_max: u32) -> Self {
        Self {
            frame_bytes_max,
            version: 0,
            correlation_id: 0,
            state: State::Idle,
            position: 0,
            frame_left: 0,
            skip_left: 0,
            tags_left: 0,
            root_tags_left: 0,
            topics_left: 0,
            partitions_left: 0,
            aborted_left: 0,
            endpoints_left: 0,
            endpoints_end: 0,
            topic: FetchedTopic::NONE,
            head: PartitionHead::NONE,
            tail: PartitionTail::NONE,
            endpoint: NodeEndpoint::NONE,
        }
    }

    /// Expects the response to a request of this version and correlation id next.
    ///
    /// Whatever was read before is forgotten.
    pub const fn begin(&mut self, version: i16, expected_correlation_id: i32) {
        *self = Self::new(self.frame_bytes_max);
        self.version = version;
        self.correlation_id = expected_correlation_id;
        self.state = State::Size;
        self.frame_left = SIZE_BYTES;
    }

    /// Bytes of the response not read yet; 4 while not even its size is known.
    #[must_use]
    pub const fn frame_bytes_left(&self) -> u32 {
        self.frame_left
    }

    /// Topic of the last partition told of.
    #[must_use]
    pub const fn topic(&self) -> &FetchedTopic {
        &self.topic
    }

    /// The last endpoint told of.
    #[must_use]
    pub const fn node_endpoint(&self) -> &NodeEndpoint {
        &self.endpoint
    }

    /// Reads up to the next event and tells how many bytes that took.
    ///
    /// After [`FetchEvent::NeedMore`] call again with the untaken rest and more behind it. Other
    /// events may come without a byte taken, so read on until `NeedMore` or `End`.
    ///
    /// # Errors
    /// When the bytes are not the response expected: the connection is of no further use.
    ///
    /// # Panics
    /// When called between responses, or before [`Self::records_done`].
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, FetchEvent), FetchReadError> {
        assert!(self.state != State::Idle, "begin comes before read");
        assert!(!matches!(self.state, State::Records { .. }), "records_done comes before read");
        let mut consumed = 0;
        loop {
            consumed += self.skip(&bytes[consumed..]);
            if self.skip_left > 0 {
                return Ok((consumed, FetchEvent::NeedMore));
            }
            let rest = &bytes[consumed..];
            let in_frame = &rest[..rest.len().min(self.frame_left as usize)];
            let mut cursor = ByteCursor::new(in_frame);
            match self.step(&mut cursor) {
                Ok(event) => {
                    consumed += cursor.position();
                    if let Some(event) = event {
                        return Ok((consumed, event));
                    }
                }
                Err(Stop::Cursor(CursorError::Incomplete))
                    if in_frame.len() < self.frame_left as usize =>
                {
                    return Ok((consumed, FetchEvent::NeedMore));
                }
                Err(stop) => return Err(self.refusal(stop)),
            }
        }
    }

    /// Tells that the caller took the records of the last [`FetchEvent::Partition`].
    ///
    /// # Panics
    /// When there were none to take.
    pub fn records_done(&mut self) {
        let State::Records { bytes } = self.state else {
            panic!("records_done follows a partition with records")
        };
        self.state = State::TagCount(Tags::Partition);
        self.advance(bytes);
    }

    fn refusal(&self, stop: Stop) -> FetchReadError {
        let position = self.position;
        match stop {
            Stop::Refused(error) => error,
            Stop::Cursor(CursorError::Incomplete) => FetchReadError::PastFrame { position },
            Stop::Cursor(CursorError::Varint) => FetchReadError::Varint { position },
        }
    }

    /// Drops what is to be dropped of `bytes`; tells how many they were.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let given = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let skipped = given.min(self.skip_left);
        self.skip_left -= skipped;
        self.advance(skipped);
        skipped as usize
    }

    fn advance(&mut self, bytes: u32) {
        self.position += u64::from(bytes);
        self.frame_left -= bytes;
    }

    /// Reads one piece. On an error nothing but the cursor moved.
    fn step(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        let state = self.state;
        let event = match state {
            State::Size => return self.read_size(cursor),
            State::Correlation => self.read_correlation(cursor)?,
            State::TagCount(tags) => self.read_tag_count(tags, cursor)?,
            State::Tag(tags) => self.read_tag(tags, cursor)?,
            State::Head => self.read_head(cursor)?,
            State::Topic => self.read_topic(cursor)?,
            State::Partition => self.read_partition(cursor)?,
            State::Aborted => self.read_aborted(cursor)?,
            State::RecordsLength => self.read_records_length(cursor)?,
            State::Endpoint => self.read_endpoint(cursor)?,
            State::EndpointRack => self.read_endpoint_rack(cursor)?,
            State::EndpointsDone => self.end_endpoints()?,
            State::End => self.end()?,
            State::Idle | State::Records { .. } => unreachable!("read refuses these states"),
        };
        let taken = u32::try_from(cursor.position()).expect("a piece lies in the frame");
        self.advance(taken);
        let pending = if let State::Records { bytes } = self.state { bytes } else { 0 };
        if self.skip_left.max(pending) > self.frame_left {
            return Err(Stop::Refused(FetchReadError::PastFrame { position: self.position }));
        }
        Ok(event)
    }

    fn read_size(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        let found = cursor.i32()?;
        let size = u32::try_from(found).ok().filter(|&size| size <= self.frame_bytes_max);
        let Some(size) = size else {
            let frame_bytes_max = self.frame_bytes_max;
            return Err(Stop::Refused(FetchReadError::FrameSize { found, frame_bytes_max }));
        };
        self.advance(SIZE_BYTES);
        self.frame_left = size;
        self.state = State::Correlation;
        Ok(None)
    }

    fn read_correlation(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        let found = cursor.i32()?;
        let expected = self.correlation_id;
        if found != expected {
            return Err(Stop::Refused(FetchReadError::CorrelationId { expected, found }));
        }
        self.state = State::TagCount(Tags::Header);
        Ok(None)
    }

    fn read_head(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        // Kafka never sends a negative throttle time; take it for none.
        let throttle_ms = u32::try_from(cursor.i32()?).unwrap_or(0);
        let has_session = self.version >= VERSION_SESSIONS;
        let error_code = if has_session { cursor.i16()? } else { 0 };
        let session_id = if has_session { cursor.i32()? } else { 0 };
        self.topics_left = self.read_count("topics", cursor)?;
        self.state = State::Topic;
        Ok(Some(FetchEvent::Head { throttle_ms, error_code, session_id }))
    }

    fn read_topic(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        if self.topics_left == 0 {
            self.state = State::TagCount(Tags::Root);
            return Ok(None);
        }
        let topic = self.read_topic_key(cursor)?;
        self.partitions_left = self.read_count("partitions", cursor)?;
        self.topic = topic;
        self.topics_left -= 1;
        self.state = self.next_in_topic();
        Ok(None)
    }

    fn read_topic_key(&self, cursor: &mut ByteCursor<'_>) -> Result<FetchedTopic, Stop> {
        let position = self.position;
        if self.version >= VERSION_TOPIC_IDS {
            let topic = FetchedTopic::from_id(cursor.array()?);
            return topic.ok_or(Stop::Refused(FetchReadError::Topic { position }));
        }
        let length = if self.version >= VERSION_FLEXIBLE {
            cursor.unsigned_varint()?.checked_sub(1)
        } else {
            u32::try_from(cursor.i16()?).ok()
        };
        let length = length.filter(|&bytes| bytes as usize <= TopicName::BYTES_MAX);
        let length = length.ok_or(Stop::Refused(FetchReadError::Topic { position }))?;
        let topic = FetchedTopic::from_name(cursor.take(length as usize)?);
        topic.ok_or(Stop::Refused(FetchReadError::Topic { position }))
    }

    const fn next_in_topic(&self) -> State {
        if self.partitions_left == 0 { State::TagCount(Tags::Topic) } else { State::Partition }
    }

    fn read_partition(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        let partition = cursor.i32()?;
        let error_code = cursor.i16()?;
        let high_watermark = cursor.i64()?;
        let last_stable_offset = cursor.i64()?;
        let log_start_offset = if self.version >= 5 { cursor.i64()? } else { -1 };
        let aborted = self.read_nullable_count("aborted transactions", cursor)?;
        self.aborted_left = aborted.unwrap_or(0);
        self.head = PartitionHead {
            partition,
            error_code,
            high_watermark,
            last_stable_offset,
            log_start_offset,
            records_bytes: 0,
        };
        self.tail = PartitionTail::NONE;
        self.partitions_left -= 1;
        self.state = self.next_aborted();
        Ok(None)
    }

    fn read_aborted(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        cursor.take(ABORTED_TRANSACTION_BYTES)?;
        self.aborted_left -= 1;
        self.state = State::TagCount(Tags::Aborted);
        Ok(None)
    }

    const fn next_aborted(&self) -> State {
        if self.aborted_left == 0 { State::RecordsLength } else { State::Aborted }
    }

    fn read_records_length(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        if self.version >= 11 {
            // The preferred read replica is for consumers near a follower.
            cursor.i32()?;
        }
        let bytes = self.read_nullable_count("records", cursor)?.unwrap_or(0);
        self.head.records_bytes = bytes;
        self.state =
            if bytes > 0 { State::Records { bytes } } else { State::TagCount(Tags::Partition) };
        Ok(Some(FetchEvent::Partition(self.head)))
    }

    const fn end_partition(&mut self) -> FetchEvent {
        self.state = self.next_in_topic();
        FetchEvent::PartitionEnd(self.tail)
    }

    fn end(&mut self) -> Step {
        if self.frame_left > 0 {
            let (bytes, position) = (self.frame_left, self.position);
            return Err(Stop::Refused(FetchReadError::TrailingBytes { bytes, position }));
        }
        self.state = State::Idle;
        Ok(Some(FetchEvent::End))
    }

    fn read_count(&self, field: &'static str, cursor: &mut ByteCursor<'_>) -> Result<u32, Stop> {
        let position = self.position;
        let null = Stop::Refused(FetchReadError::NegativeLength { field, found: -1, position });
        self.read_nullable_count(field, cursor)?.ok_or(null)
    }

    /// Reads the length of an array; `None` is null.
    fn read_nullable_count(
        &self,
        field: &'static str,
        cursor: &mut ByteCursor<'_>,
    ) -> Result<Option<u32>, Stop> {
        if self.version >= VERSION_FLEXIBLE {
            return Ok(cursor.unsigned_varint()?.checked_sub(1));
        }
        self.not_negative(field, cursor.i32()?)
    }

    fn not_negative(&self, field: &'static str, found: i32) -> Result<Option<u32>, Stop> {
        let position = self.position;
        match u32::try_from(found) {
            Ok(length) => Ok(Some(length)),
            Err(_) if found == -1 => Ok(None),
            Err(_) => Err(Stop::Refused(FetchReadError::NegativeLength { field, found, position })),
        }
    }
}

const SIZE_BYTES: u32 = 4;
/// `producerId` and `firstOffset`.
const ABORTED_TRANSACTION_BYTES: usize = 16;

#[cfg(test)]
mod tests;
