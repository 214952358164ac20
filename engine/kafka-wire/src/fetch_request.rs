//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! Writes a Fetch request, versions 4 to 17, straight into the buffer it is sent from.
//!
//! Partitions are added one by one, so counts are written last into room left for them. From
//! version 12 on counts are varints: they are written in three bytes whatever their value,
//! which Kafka reads like shorter ones (`ByteUtils.readUnsignedVarint`). A topic may come up
//! again after another one: Kafka's own consumer sends such requests (`FetchRequest.Builder`).

use std::ops::Range;

use crate::epoch::SourceLeaderEpoch;
use crate::offset::Offset;
use crate::partition::{PartitionIndex, TopicId};

/// Oldest version written.
pub const VERSION_MIN: i16 = 4;
/// Newest version written.
pub const VERSION_MAX: i16 = 17;
/// First version with incremental fetch sessions.
pub const VERSION_SESSIONS: i16 = 7;
/// First version that names topics by id.
pub const VERSION_TOPIC_IDS: i16 = 13;

/// First version with compact lengths and tagged fields (KIP-482).
pub const VERSION_FLEXIBLE: i16 = 12;

const API_KEY: i16 = 1;

/// What a Fetch request says about itself, before its partitions.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequestHead<'a> {
    /// Version of the request, [`VERSION_MIN`] to [`VERSION_MAX`].
    pub version: i16,
    /// Number the response comes back with.
    pub correlation_id: i32,
    /// Name of this client in the broker's quotas and logs.
    pub client_id: &'a str,
    /// How long the broker may wait for `min_bytes`, milliseconds.
    pub max_wait_ms: u32,
    /// Fewest bytes worth an answer before `max_wait_ms` is over.
    pub min_bytes: u32,
    /// Most bytes in the response, but for a first batch that is larger.
    pub max_bytes: u32,
    /// Fetch session, 0 for none; not sent below [`VERSION_SESSIONS`].
    pub session_id: i32,
    /// Place of this request in its session: 0 opens one, -1 fetches without one.
    pub session_epoch: i32,
}

/// A topic as requests name it: by id from [`VERSION_TOPIC_IDS`] on, by name below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRef<'a> {
    /// By id.
    Id(TopicId),
    /// By name.
    Name(&'a str),
}

/// One partition of a Fetch request.
#[derive(Clone, Copy, Debug)]
pub struct FetchPartition<'a> {
    /// Its topic.
    pub topic: TopicRef<'a>,
    /// Its index.
    pub partition: PartitionIndex,
    /// Epoch of the leader we believe in; the broker refuses others. Not sent below version 9.
    pub current_leader_epoch: Option<SourceLeaderEpoch>,
    /// First offset wanted.
    pub fetch_offset: Offset,
    /// Epoch of the last batch we have; lets the broker see divergence. Version 12 on.
    pub last_fetched_epoch: Option<SourceLeaderEpoch>,
    /// Log start of a follower, -1 for others. Version 5 on.
    pub log_start: i64,
    /// Most bytes of this partition in the response.
    pub max_bytes: u32,
}

/// The buffer has no room for what was to be written; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("buffer of {buffer_bytes} bytes has no room for the next part of a fetch request")]
pub struct BufferFull {
    /// Size of the buffer.
    pub buffer_bytes: usize,
}

/// A Fetch request under construction.
#[derive(Debug)]
pub struct FetchRequestWriter<'a> {
    buffer: &'a mut [u8],
    version: i16,
    at: usize,
    section: Section,
    max_wait_at: usize,
    /// Where the count of the section's topics goes.
    topic_count_at: usize,
    topic_count: u32,
    topic: Option<OpenTopic>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Fetch,
    Forget,
}

/// The topic that further partitions may join.
#[derive(Clone, Debug)]
struct OpenTopic {
    /// Where its id or name lies in the buffer.
    key: Range<usize>,
    partition_count_at: usize,
    partition_count: u32,
}

impl<'a> FetchRequestWriter<'a> {
    /// Writes size, request header and everything before the topics.
    ///
    /// # Errors
    /// [`BufferFull`] when not even an empty request fits.
    ///
    /// # Panics
    /// When the version is not one of [`VERSION_MIN`] to [`VERSION_MAX`].
    pub fn start(buffer: &'a mut [u8], head: &FetchRequestHead<'_>) -> Result<Self, BufferFull> {
        assert!((VERSION_MIN..=VERSION_MAX).contains(&head.version), "fetch version we write");
        let mut writer = Self {
            buffer,
            version: head.version,
            at: 0,
            section: Section::Fetch,
            max_wait_at: 0,
            topic_count_at: 0,
            topic_count: 0,
            topic: None,
        };
        writer.put_head(head)?;
        writer.topic_count_at = writer.at;
        writer.put_count_hole()?;
        Ok(writer)
    }

    /// Adds a partition to fetch.
    ///
    /// # Errors
    /// [`BufferFull`] when it does not fit: finish this request, add it to the next.
    ///
    /// # Panics
    /// After the first [`Self::forget`], and when the topic is named by the wrong of id and name.
    pub fn partition(&mut self, partition: &FetchPartition<'_>) -> Result<(), BufferFull> {
        assert!(self.section == Section::Fetch, "partitions to fetch come before those to forget");
        self.put_all_or_nothing(|writer| {
            writer.open_topic(partition.topic)?;
            writer.put_partition(partition)
        })
    }

    /// Adds a partition that leaves the fetch session.
    ///
    /// # Errors
    /// [`BufferFull`] when it does not fit: finish this request, add it to the next.
    ///
    /// # Panics
    /// Below [`VERSION_SESSIONS`], and when the topic is named by the wrong of id and name.
    pub fn forget(
        &mut self,
        topic: TopicRef<'_>,
        partition: PartitionIndex,
    ) -> Result<(), BufferFull> {
        assert!(self.version >= VERSION_SESSIONS, "only sessions forget partitions");
        self.put_all_or_nothing(|writer| {
            if writer.section == Section::Fetch {
                writer.begin_forget()?;
            }
            writer.open_topic(topic)?;
            writer.put(&partition.get().to_be_bytes())
        })
    }

    /// Says otherwise than the head how long the broker may wait, milliseconds.
    pub fn set_max_wait_ms(&mut self, max_wait_ms: u32) {
        self.patch(self.max_wait_at, &at_most_i32(max_wait_ms).to_be_bytes());
    }

    /// Writes what comes after the topics and the size in front; tells the bytes to send.
    #[must_use]
    pub fn finish(mut self) -> usize {
        self.put_tail().expect("room for the tail was kept");
        let size = i32::try_from(self.at - SIZE_BYTES).expect("request buffers are below 2 GiB");
        self.patch(0, &size.to_be_bytes());
        self.at
    }

    fn put_head(&mut self, head: &FetchRequestHead<'_>) -> Result<(), BufferFull> {
        self.put(&[0; SIZE_BYTES])?;
        self.put(&API_KEY.to_be_bytes())?;
        self.put(&head.version.to_be_bytes())?;
        self.put(&head.correlation_id.to_be_bytes())?;
        // The client id keeps its old form in the flexible header too (KIP-482).
        self.put_string(head.client_id)?;
        self.put_no_tags()?;
        if self.version <= 14 {
            self.put(&NO_REPLICA.to_be_bytes())?;
        }
        self.max_wait_at = self.at;
        self.put(&at_most_i32(head.max_wait_ms).to_be_bytes())?;
        self.put(&at_most_i32(head.min_bytes).to_be_bytes())?;
        self.put(&at_most_i32(head.max_bytes).to_be_bytes())?;
        self.put(&READ_UNCOMMITTED.to_be_bytes())?;
        if self.version >= VERSION_SESSIONS {
            self.put(&head.session_id.to_be_bytes())?;
            self.put(&head.session_epoch.to_be_bytes())?;
        }
        Ok(())
    }

    fn put_partition(&mut self, partition: &FetchPartition<'_>) -> Result<(), BufferFull> {
        self.put(&partition.partition.get().to_be_bytes())?;
        if self.version >= 9 {
            self.put(&epoch_or_none(partition.current_leader_epoch).to_be_bytes())?;
        }
        self.put(&partition.fetch_offset.get().to_be_bytes())?;
        if self.version >= 12 {
            self.put(&epoch_or_none(partition.last_fetched_epoch).to_be_bytes())?;
        }
        if self.version >= 5 {
            self.put(&partition.log_start.to_be_bytes())?;
        }
        self.put(&at_most_i32(partition.max_bytes).to_be_bytes())?;
        self.put_no_tags()
    }

    /// Makes `topic` the open one and counts one more partition in it.
    fn open_topic(&mut self, topic: TopicRef<'_>) -> Result<(), BufferFull> {
        let by_id = self.version >= VERSION_TOPIC_IDS;
        assert!(by_id == matches!(topic, TopicRef::Id(_)), "topics go by id from version 13 on");
        let same = self.topic.as_ref().is_some_and(|open| match topic {
            TopicRef::Id(id) => self.buffer[open.key.clone()] == id.bytes(),
            TopicRef::Name(name) => self.buffer[open.key.clone()] == *name.as_bytes(),
        });
        if !same {
            self.close_topic()?;
            self.topic = Some(self.put_topic(topic)?);
            self.topic_count += 1;
        }
        let open = self.topic.as_mut().expect("opened above");
        open.partition_count += 1;
        if self.topic_count.max(open.partition_count) > COUNT_MAX {
            return Err(self.full());
        }
        Ok(())
    }

    fn put_topic(&mut self, topic: TopicRef<'_>) -> Result<OpenTopic, BufferFull> {
        let key_bytes = match topic {
            TopicRef::Id(id) => {
                self.put(&id.bytes())?;
                id.bytes().len()
            }
            TopicRef::Name(name) => {
                self.put_name(name)?;
                name.len()
            }
        };
        let partition_count_at = self.at;
        self.put_count_hole()?;
        let key = partition_count_at - key_bytes..partition_count_at;
        Ok(OpenTopic { key, partition_count_at, partition_count: 0 })
    }

    fn close_topic(&mut self) -> Result<(), BufferFull> {
        let Some(open) = self.topic.take() else { return Ok(()) };
        self.patch_count(open.partition_count_at, open.partition_count);
        self.put_no_tags()
    }

    fn begin_forget(&mut self) -> Result<(), BufferFull> {
        self.close_topic()?;
        self.patch_count(self.topic_count_at, self.topic_count);
        self.section = Section::Forget;
        self.topic_count_at = self.at;
        self.topic_count = 0;
        self.put_count_hole()
    }

    fn put_tail(&mut self) -> Result<(), BufferFull> {
        self.close_topic_in_tail()?;
        self.patch_count(self.topic_count_at, self.topic_count);
        if self.version >= VERSION_SESSIONS && self.section == Section::Fetch {
            let at = self.at;
            self.put_in_tail(&[0; COUNT_BYTES_FIXED][..self.count_bytes()])?;
            self.patch_count(at, 0);
        }
        if self.version >= VERSION_FLEXIBLE {
            return self.put_in_tail(&[COMPACT_EMPTY, NO_TAGS]);
        }
        if self.version >= 11 { self.put_in_tail(&[0, 0]) } else { Ok(()) }
    }

    fn close_topic_in_tail(&mut self) -> Result<(), BufferFull> {
        let Some(open) = self.topic.take() else { return Ok(()) };
        self.patch_count(open.partition_count_at, open.partition_count);
        if self.version >= VERSION_FLEXIBLE { self.put_in_tail(&[NO_TAGS]) } else { Ok(()) }
    }

    /// Runs `put`; when the buffer is full, everything is as it was.
    fn put_all_or_nothing(
        &mut self,
        put: impl FnOnce(&mut Self) -> Result<(), BufferFull>,
    ) -> Result<(), BufferFull> {
        let before = (self.at, self.section, self.topic_count_at, self.topic_count);
        let topic = self.topic.clone();
        let done = put(self);
        if done.is_err() {
            (self.at, self.section, self.topic_count_at, self.topic_count) = before;
            self.topic = topic;
        }
        done
    }

    fn put_string(&mut self, text: &str) -> Result<(), BufferFull> {
        let bytes = i16::try_from(text.len()).map_err(|_| self.full())?;
        self.put(&bytes.to_be_bytes())?;
        self.put(text.as_bytes())
    }

    fn put_name(&mut self, name: &str) -> Result<(), BufferFull> {
        if self.version < VERSION_FLEXIBLE {
            return self.put_string(name);
        }
        let length = u32::try_from(name.len()).map_err(|_| self.full())?;
        self.put(&padded_varint(length.saturating_add(1))[..])?;
        self.put(name.as_bytes())
    }

    fn put_no_tags(&mut self) -> Result<(), BufferFull> {
        if self.version >= VERSION_FLEXIBLE { self.put(&[NO_TAGS]) } else { Ok(()) }
    }

    fn put_count_hole(&mut self) -> Result<(), BufferFull> {
        self.put(&[0; COUNT_BYTES_FIXED][..self.count_bytes()])
    }

    const fn count_bytes(&self) -> usize {
        if self.version >= VERSION_FLEXIBLE { COUNT_BYTES_VARINT } else { COUNT_BYTES_FIXED }
    }

    fn patch_count(&mut self, at: usize, count: u32) {
        if self.version >= VERSION_FLEXIBLE {
            self.patch(at, &padded_varint(count + 1));
        } else {
            self.patch(at, &count.to_be_bytes());
        }
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.buffer[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes what must leave room for the tail.
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        if self.buffer.len() < self.at + bytes.len() + TAIL_BYTES_MAX {
            return Err(self.full());
        }
        self.put_in_tail(bytes)
    }

    fn put_in_tail(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let full = self.full();
        let room = self.buffer.get_mut(self.at..self.at + bytes.len()).ok_or(full)?;
        room.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }

    const fn full(&self) -> BufferFull {
        BufferFull { buffer_bytes: self.buffer.len() }
    }
}

/// An unsigned varint of up to 21 bits in exactly three bytes.
fn padded_varint(value: u32) -> [u8; COUNT_BYTES_VARINT] {
    let [low, middle, high] = [value, value >> 7, value >> 14].map(|bits| bits.to_le_bytes()[0]);
    [low | 0x80, middle | 0x80, high & 0x7f]
}

fn epoch_or_none(epoch: Option<SourceLeaderEpoch>) -> i32 {
    epoch.map_or(-1, SourceLeaderEpoch::get)
}

fn at_most_i32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

const SIZE_BYTES: usize = 4;
const COUNT_BYTES_FIXED: usize = 4;
const COUNT_BYTES_VARINT: usize = 3;
/// Largest count whose successor still is a varint of three bytes.
const COUNT_MAX: u32 = (1 << 21) - 2;
/// Tags of the last topic, an empty list to forget, an empty rack, tags of the request.
const TAIL_BYTES_MAX: usize = 1 + COUNT_BYTES_FIXED + 2 + 1;
const NO_REPLICA: i32 = -1;
const READ_UNCOMMITTED: i8 = 0;
const NO_TAGS: u8 = 0;
const COMPACT_EMPTY: u8 = 1;

#[cfg(test)]
mod tests;
