//! Layout of a Fetch response, versions 4 to 17, written by hand so that records stay in place.
//!
//! ```text
//! header   correlation:i32, tags (12+)
//! response throttle_time_ms:i32, error:i16 (7+), session_id:i32 (7+), [topic], tags (12+)
//! topic    name:string (to 12) | topic_id:uuid (13+), [partition], tags (12+)
//! partition index:i32, error:i16, high_watermark:i64, last_stable_offset:i64,
//!          log_start_offset:i64 (5+), [aborted] null, preferred_read_replica:i32 (11+),
//!          records:bytes, tags (12+): 0 diverging epoch, 1 current leader
//! tags     of the response (16+): 0 node endpoints
//! ```
//! Source: `FetchResponse.json`. Arrays, strings and bytes are compact from version 12 on.

use super::cluster::Broker;
use super::fetch_frame::FetchFrame;
use super::fetch_session::FetchedTopic;
use super::synthetic_log::SyntheticLog;

/// First version with compact lengths and tagged fields.
const FLEXIBLE: i16 = 12;
/// First version that names the new leader after errors 6 and 74 (KIP-951).
const LEADER_HINTS: i16 = 16;

/// Fields of the response as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseHead {
    pub(crate) correlation: i32,
    pub(crate) version: i16,
    pub(crate) throttle_ms: i32,
    pub(crate) error: i16,
    pub(crate) session: i32,
}

/// Answer for one partition.
#[derive(Clone, Debug)]
pub(crate) struct PartitionAnswer {
    pub(crate) topic: FetchedTopic,
    pub(crate) index: i32,
    pub(crate) error: i16,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) start_offset: i64,
    pub(crate) diverging: Option<(i32, i64)>,
    pub(crate) current_leader: Option<(i32, i32)>,
    /// The log, when there is something to read.
    pub(crate) log: Option<SyntheticLog>,
    pub(crate) first_batch: i64,
    pub(crate) records_bytes: usize,
}

impl PartitionAnswer {
    /// An answer without records.
    pub(crate) fn refused(topic: FetchedTopic, index: i32, error: i16) -> Self {
        Self {
            topic,
            index,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            start_offset: -1,
            diverging: None,
            current_leader: None,
            log: None,
            first_batch: 0,
            records_bytes: 0,
        }
    }
}

/// Writes the whole response into `frame`, length prefix included.
pub(crate) fn write_response(
    frame: &mut FetchFrame,
    head: ResponseHead,
    answers: &[PartitionAnswer],
    brokers: &[Broker],
) {
    frame.start();
    let mut fields = Fields { frame, version: head.version };
    fields.i32(head.correlation);
    fields.no_tags();
    fields.i32(head.throttle_ms);
    if head.version >= 7 {
        fields.i16(head.error);
        fields.i32(head.session);
    }
    let groups: Vec<&[PartitionAnswer]> =
        answers.chunk_by(|one, next| one.topic == next.topic).collect();
    fields.length(groups.len());
    for group in groups {
        fields.topic(&group[0].topic);
        fields.length(group.len());
        group.iter().for_each(|answer| fields.partition(answer));
        fields.no_tags();
    }
    fields.endpoints(answers, brokers);
    let bytes = frame.bytes() - size_of::<i32>();
    frame.seal(i32::try_from(bytes).unwrap_or(i32::MAX));
}

struct Fields<'a> {
    frame: &'a mut FetchFrame,
    version: i16,
}

impl Fields<'_> {
    fn topic(&mut self, topic: &FetchedTopic) {
        match topic {
            FetchedTopic::Id(id) => self.frame.put(id.as_bytes()),
            FetchedTopic::Name(name) => self.string(name),
        }
    }

    fn partition(&mut self, answer: &PartitionAnswer) {
        self.i32(answer.index);
        self.i16(answer.error);
        self.i64(answer.high_watermark);
        self.i64(answer.last_stable_offset);
        if self.version >= 5 {
            self.i64(answer.start_offset);
        }
        self.null_length();
        if self.version >= 11 {
            self.i32(-1);
        }
        if self.version >= FLEXIBLE {
            self.uvarint(answer.records_bytes + 1);
        } else {
            self.i32(i32::try_from(answer.records_bytes).unwrap_or(i32::MAX));
        }
        if let Some(log) = &answer.log {
            self.frame.put_records(log, answer.first_batch, answer.records_bytes);
        }
        self.partition_tags(answer);
    }

    fn partition_tags(&mut self, answer: &PartitionAnswer) {
        if self.version < FLEXIBLE {
            return;
        }
        let leader = answer.current_leader.filter(|_| self.version >= LEADER_HINTS);
        let leader = leader.filter(|_| matches!(answer.error, 6 | 74));
        self.uvarint(usize::from(answer.diverging.is_some()) + usize::from(leader.is_some()));
        if let Some((epoch, end_offset)) = answer.diverging {
            self.frame.put(&[0, 13]);
            self.i32(epoch);
            self.i64(end_offset);
            self.no_tags();
        }
        if let Some((broker, epoch)) = leader {
            self.frame.put(&[1, 9]);
            self.i32(broker);
            self.i32(epoch);
            self.no_tags();
        }
    }

    /// Endpoints of the leaders that partitions were told about.
    fn endpoints(&mut self, answers: &[PartitionAnswer], brokers: &[Broker]) {
        let is_told = |broker: &&Broker| {
            let mut leaders = answers.iter().filter_map(|answer| answer.current_leader);
            leaders.any(|(leader, _)| leader == broker.id)
        };
        let told: Vec<&Broker> = brokers.iter().filter(is_told).collect();
        if self.version < LEADER_HINTS || told.is_empty() {
            return self.no_tags();
        }
        // Per endpoint: id, host (length and text), port, no rack, no tags.
        let bytes: usize = told.iter().map(|broker| 4 + 1 + broker.host.len() + 4 + 1 + 1).sum();
        self.frame.put(&[1, 0]);
        self.uvarint(bytes + 1);
        self.length(told.len());
        for broker in told {
            self.i32(broker.id);
            self.string(&broker.host);
            self.i32(i32::from(broker.port));
            self.null_length_compact();
            self.no_tags();
        }
    }

    fn string(&mut self, text: &str) {
        if self.version >= FLEXIBLE {
            self.uvarint(text.len() + 1);
        } else {
            self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        }
        self.frame.put(text.as_bytes());
    }

    fn length(&mut self, count: usize) {
        if self.version >= FLEXIBLE {
            self.uvarint(count + 1);
        } else {
            self.i32(i32::try_from(count).unwrap_or(i32::MAX));
        }
    }

    fn null_length(&mut self) {
        if self.version >= FLEXIBLE { self.null_length_compact() } else { self.i32(-1) }
    }

    fn null_length_compact(&mut self) {
        self.frame.put(&[0]);
    }

    fn no_tags(&mut self) {
        if self.version >= FLEXIBLE {
            self.frame.put(&[0]);
        }
    }

    fn uvarint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.frame.put(&[value.to_le_bytes()[0] | 0x80]);
            value >>= 7;
        }
        self.frame.put(&[value.to_le_bytes()[0]]);
    }

    fn i16(&mut self, value: i16) {
        self.frame.put(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.frame.put(&value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.frame.put(&value.to_be_bytes());
    }
}
