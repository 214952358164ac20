//! Tagged fields (KIP-482) of a Fetch response: the few we know, and how the rest is skipped.

use crate::byte_cursor::ByteCursor;
use crate::fetch_event::{CurrentLeader, DivergingEpoch, FetchEvent, FetchReadError, NodeEndpoint};
use crate::fetch_request::VERSION_FLEXIBLE;

use super::{FetchReader, State, Step, Stop, Tags};

/// First version that may name the endpoints of new leaders (KIP-951).
const VERSION_ENDPOINTS: i16 = 16;
const TAG_DIVERGING_EPOCH: u32 = 0;
const TAG_CURRENT_LEADER: u32 = 1;
const TAG_NODE_ENDPOINTS: u32 = 0;

impl FetchReader {
    pub(super) fn read_tag_count(&mut self, tags: Tags, cursor: &mut ByteCursor<'_>) -> Step {
        let has_tags = self.version >= VERSION_FLEXIBLE;
        self.tags_left = if has_tags { cursor.unsigned_varint()? } else { 0 };
        if self.tags_left == 0 {
            return Ok(self.end_tags(tags));
        }
        self.state = State::Tag(tags);
        Ok(None)
    }

    pub(super) fn read_tag(&mut self, tags: Tags, cursor: &mut ByteCursor<'_>) -> Step {
        if self.tags_left == 0 {
            return Ok(self.end_tags(tags));
        }
        let tag = cursor.unsigned_varint()?;
        let size = cursor.unsigned_varint()?;
        let known = match (tags, tag) {
            (Tags::Partition, TAG_DIVERGING_EPOCH) => {
                let diverging_epoch =
                    DivergingEpoch { epoch: cursor.i32()?, end_offset: cursor.i64()? };
                self.tail.diverging_epoch = Some(diverging_epoch);
                12
            }
            (Tags::Partition, TAG_CURRENT_LEADER) => {
                let (leader_id, leader_epoch) = (cursor.i32()?, cursor.i32()?);
                self.tail.current_leader = Some(CurrentLeader { leader_id, leader_epoch });
                8
            }
            (Tags::Root, TAG_NODE_ENDPOINTS) if self.version >= VERSION_ENDPOINTS => {
                return self.begin_endpoints(size, cursor);
            }
            _ => 0,
        };
        // What a known field carries beyond what we know is its own tagged fields.
        let position = self.position;
        let refused = Stop::Refused(FetchReadError::TaggedField { tag, size, position });
        self.skip_left = size.checked_sub(known).ok_or(refused)?;
        self.tags_left -= 1;
        Ok(None)
    }

    /// Goes on behind the tags; the last of a partition end it.
    const fn end_tags(&mut self, tags: Tags) -> Option<FetchEvent> {
        self.state = match tags {
            Tags::Header => State::Head,
            Tags::Aborted => self.next_aborted(),
            Tags::Partition => return Some(self.end_partition()),
            Tags::Topic => State::Topic,
            Tags::Endpoint => {
                if self.endpoints_left > 0 {
                    State::Endpoint
                } else {
                    State::EndpointsDone
                }
            }
            Tags::Root => State::End,
        };
        None
    }

    fn begin_endpoints(&mut self, size: u32, cursor: &mut ByteCursor<'_>) -> Step {
        let before = cursor.position();
        let count = self.read_count("node endpoints", cursor)?;
        let start = self.position + to_u64(before);
        self.endpoints_end = start + u64::from(size);
        self.root_tags_left = self.tags_left - 1;
        self.endpoints_left = count;
        self.state = if count > 0 { State::Endpoint } else { State::EndpointsDone };
        Ok(None)
    }

    pub(super) fn read_endpoint(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        let node_id = cursor.i32()?;
        let length = cursor.unsigned_varint()?.checked_sub(1);
        let position = self.position;
        let refused = || Stop::Refused(FetchReadError::Host { position });
        let length = length.and_then(|bytes| u8::try_from(bytes).ok()).ok_or_else(refused)?;
        let host = cursor.take(usize::from(length))?;
        let port = cursor.i32()?;
        self.endpoint = NodeEndpoint::new(node_id, host, port).ok_or_else(refused)?;
        self.endpoints_left -= 1;
        self.state = State::EndpointRack;
        Ok(Some(FetchEvent::NodeEndpoint))
    }

    pub(super) fn read_endpoint_rack(&mut self, cursor: &mut ByteCursor<'_>) -> Step {
        self.skip_left = cursor.unsigned_varint()?.saturating_sub(1);
        self.state = State::TagCount(Tags::Endpoint);
        Ok(None)
    }

    pub(super) fn end_endpoints(&mut self) -> Step {
        let (expected, position) = (self.endpoints_end, self.position);
        if position != expected {
            return Err(Stop::Refused(FetchReadError::EndpointsEnd { expected, position }));
        }
        self.tags_left = self.root_tags_left;
        self.state = State::Tag(Tags::Root);
        Ok(None)
    }
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("lengths in memory fit 64 bits")
}
