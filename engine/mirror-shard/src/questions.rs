//! What a shard asks besides fetching: versions on connect, where epochs end before fetching,
//! where a log starts and ends when our place in it is gone.

use bytes::Bytes;
use kafka_log::partition_log::PartitionLog;
use kafka_wire::api_versions::{
    API_VERSIONS_VERSION, ApiVersionRanges, ApiVersionsAnswer, decode_api_versions,
    encode_api_versions,
};
use kafka_wire::fetch_request;
use kafka_wire::message::{MessageError, RequestHead};
use kafka_wire::offset_lookup::{
    EpochQuestion, LIST_OFFSETS_KEY, LIST_OFFSETS_VERSIONS, LogEnd, LogEndQuestion,
    OFFSET_FOR_LEADER_EPOCH_KEY, OFFSET_FOR_LEADER_EPOCH_VERSIONS, decode_list_offsets,
    decode_offset_for_leader_epoch, encode_list_offsets, encode_offset_for_leader_epoch,
};
use kafka_wire::partition::{TopicName, TopicPartition};

use crate::connection::{AgreedVersions, ConnectionPhase, InFlight, Question};
use crate::fetch_session::CLIENT_ID;
use crate::limits::{EPOCH_QUESTION_BYTES, EPOCH_QUESTIONS_MAX, FRAME_BUFFER_BYTES};
use crate::mirror_partition::{MirrorPartition, Phase};
use crate::op::{Op, PartitionSlot};
use crate::shard::Shard;

/// Bytes of such a question or answer beside its partitions, at most.
const QUESTION_HEAD_BYTES: usize = 128;
/// Number of the `Fetch` request.
const FETCH_KEY: i16 = 1;

impl Shard {
    /// Sends one request that is not a Fetch; its answer will fit the frame buffer.
    fn send_question(
        &mut self,
        place: usize,
        version: i16,
        question: Question,
        encode: impl FnOnce(&RequestHead<'_>) -> Result<Bytes, MessageError>,
    ) {
        let connection = &mut self.connections[place];
        let timeout = connection.limits.request_timeout_ms;
        let Some(mut buffer) = connection.request.take() else { return };
        let correlation = connection.take_correlation();
        let head = RequestHead { version, correlation_id: correlation, client_id: CLIENT_ID };
        let encoded = encode(&head).expect("negotiated versions of our own messages encode");
        assert!(encoded.len() <= FRAME_BUFFER_BYTES as usize, "questions are counted to fit");
        buffer.bytes_mut()[..encoded.len()].copy_from_slice(&encoded);
        let end = u32::try_from(encoded.len()).expect("fits a frame buffer");
        connection.asks(InFlight { correlation, version, question }, self.now);
        connection.sending = true;
        connection.deadline = Some(self.now.after_ms(timeout));
        let connection = connection.id;
        self.ops.push(Op::Send { connection, buffer, end });
    }

    pub(crate) fn ask_versions(&mut self, place: usize) {
        self.ask_versions_with(place, API_VERSIONS_VERSION);
    }

    fn ask_versions_with(&mut self, place: usize, version: i16) {
        self.send_question(place, version, Question::Versions, encode_api_versions);
    }

    /// Queues the question where our newest epoch ends at the source.
    pub(crate) fn queue_alignment(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get(slot) else { return };
        if let (Phase::Aligning, Some(at)) = (partition.phase, partition.lane) {
            self.connections[at.connection].align_queue.push_back(slot);
        }
    }

    pub(crate) fn queue_repair(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.phase = Phase::Repairing;
        partition.source_end = None;
        if let Some(at) = partition.lane {
            self.connections[at.connection].repair_queue.push_back(slot);
        }
        self.queue_change(slot);
        self.settle(slot);
    }

    pub(crate) fn ask_epochs(&mut self, place: usize) {
        let connection = &self.connections[place];
        let Some(versions) = connection.versions else { return };
        if connection.align_queue.is_empty() || connection.request.is_none() {
            return;
        }
        let mut slots = Vec::new();
        let mut questions = Vec::new();
        let mut room = QuestionRoom::default();
        while room.is_left() {
            let Some(slot) = self.connections[place].align_queue.pop_front() else { break };
            let partition = self.partitions.get(slot).filter(|p| p.is_asking(place));
            let asking = partition.filter(|partition| partition.phase == Phase::Aligning);
            let Some(partition) = asking else { continue };
            // This question is by name, about whatever topic has it by now; a fetch by id asks the
            // same of the topic that is meant. Before 2.1 nobody can tell: a wrong offset shows
            // when it is fetched.
            if versions.epochs.is_none() || self.asks_by_id(partition) {
                self.enter_fetching(slot);
            } else if let Some(question) = epoch_question(partition) {
                room.take(&question.partition);
                slots.push(slot);
                questions.push(question);
            }
        }
        if let (Some(version), false) = (versions.epochs, slots.is_empty()) {
            self.send_question(place, version, Question::Epochs { slots }, |head| {
                encode_offset_for_leader_epoch(head, &questions)
            });
        }
    }

    /// True when the partition's fetches give its topic by id.
    pub(crate) fn asks_by_id(&self, partition: &MirrorPartition) -> bool {
        partition.lane.is_some_and(|at| {
            let connection = &self.connections[at.connection];
            let asks = |agreed| connection.lanes[at.lane].asks_by_id(agreed);
            connection.versions.is_some_and(asks)
        })
    }

    pub(crate) fn ask_offsets(&mut self, place: usize) {
        let connection = &self.connections[place];
        let Some(versions) = connection.versions else { return };
        if connection.repair_queue.is_empty() || connection.request.is_none() {
            return;
        }
        let mut slots = Vec::new();
        let mut questions = Vec::new();
        let mut room = QuestionRoom::default();
        for _ in 0..connection.repair_queue.len() {
            let Some(slot) = self.connections[place].repair_queue.pop_front() else { break };
            let partition = self.partitions.get(slot).filter(|p| p.is_asking(place));
            let Some(partition) = partition.filter(|p| p.phase == Phase::Repairing) else {
                continue;
            };
            let question = log_end_question(partition);
            let other_kind =
                questions.first().is_some_and(|first: &LogEndQuestion| first.end != question.end);
            if other_kind || !room.is_left() {
                self.connections[place].repair_queue.push_back(slot);
                continue;
            }
            room.take(&question.partition);
            slots.push(slot);
            questions.push(question);
        }
        if !slots.is_empty() {
            let version = versions.list_offsets;
            self.send_question(place, version, Question::Offsets { slots }, |head| {
                encode_list_offsets(head, &questions)
            });
        }
    }

    /// Takes the answer in the first `frame` unread bytes (size included).
    pub(crate) fn take_answer(&mut self, place: usize, frame: usize) -> Result<(), String> {
        let connection = &mut self.connections[place];
        let body = Bytes::copy_from_slice(&connection.unread()[4..frame]);
        connection.consume(frame);
        // While the answer may be none, the question stays: it is asked again on the next socket.
        let asked = connection.in_flight.front().expect("checked by the caller");
        let (version, correlation) = (asked.version, asked.correlation);
        let text = |error: MessageError| error.to_string();
        match &asked.question {
            Question::Fetch { .. } => unreachable!("Fetch responses are read in pieces"),
            Question::Versions => {
                let answer = decode_api_versions(version, correlation, body).map_err(text)?;
                self.end_question(place);
                self.on_versions(place, answer)
            }
            Question::Epochs { .. } => {
                let answers = decode_offset_for_leader_epoch(version, correlation, body);
                let answers = answers.map_err(text)?;
                let slots = self.end_question(place);
                let source = self.connections[place].broker.source;
                for answer in answers {
                    let named = self.partitions.find_name(source, &answer.partition);
                    if let Some(slot) = named.filter(|slot| slots.contains(slot)) {
                        self.on_epoch_answer(place, slot, &answer);
                    }
                }
                self.retry_unanswered(place, &slots, Phase::Aligning);
                Ok(())
            }
            Question::Offsets { .. } => {
                let answers = decode_list_offsets(version, correlation, body).map_err(text)?;
                let mut open = self.end_question(place);
                let source = self.connections[place].broker.source;
                for answer in answers {
                    let named = self.partitions.find_name(source, &answer.partition);
                    if let Some(slot) = named.filter(|slot| open.contains(slot)) {
                        open.retain(|asked| *asked != slot);
                        self.on_offset_answer(place, slot, &answer);
                    }
                }
                self.retry_unanswered(place, &open, Phase::Repairing);
                Ok(())
            }
        }
    }

    /// The oldest question was answered; tells about which partitions it was.
    fn end_question(&mut self, place: usize) -> Vec<PartitionSlot> {
        let asked = self.connections[place].in_flight.pop_front();
        self.end_answer(place);
        match asked.map(|asked| asked.question) {
            Some(Question::Epochs { slots } | Question::Offsets { slots }) => slots,
            Some(Question::Versions | Question::Fetch { .. }) | None => Vec::new(),
        }
    }

    /// A broker that leaves a question open is asked again later.
    fn retry_unanswered(&mut self, place: usize, slots: &[PartitionSlot], phase: Phase) {
        for slot in slots {
            let open = self
                .partitions
                .get(*slot)
                .is_some_and(|partition| partition.phase == phase && partition.is_asking(place));
            if open {
                self.back_off(*slot, crate::mirror_partition::AfterBackoff::Align);
            }
        }
    }

    fn on_versions(&mut self, place: usize, answer: ApiVersionsAnswer) -> Result<(), String> {
        match answer {
            ApiVersionsAnswer::RetryWith { version } if version < API_VERSIONS_VERSION => {
                self.ask_versions_with(place, version.max(0));
                Ok(())
            }
            ApiVersionsAnswer::RetryWith { version } => {
                Err(format!("broker asks for ApiVersions version {version} again and again"))
            }
            ApiVersionsAnswer::Refused { error_code } => {
                Err(format!("broker refused ApiVersions with error {error_code}"))
            }
            ApiVersionsAnswer::Ranges(ranges) => {
                let connection = &mut self.connections[place];
                connection.versions = Some(agree(&ranges)?);
                connection.phase = ConnectionPhase::Ready;
                Ok(())
            }
        }
    }

    /// Partitions that waited for an answer on a connection that is gone ask again on the next.
    pub(crate) fn abandon_questions(&mut self, place: usize) {
        while let Some(asked) = self.connections[place].in_flight.pop_front() {
            let connection = &mut self.connections[place];
            match asked.question {
                Question::Epochs { slots } => connection.align_queue.extend(slots),
                Question::Offsets { slots } => connection.repair_queue.extend(slots),
                Question::Versions | Question::Fetch { .. } => {}
            }
        }
    }
}

/// What still fits a question about many partitions, and its answer.
struct QuestionRoom {
    partitions: usize,
    bytes: usize,
}

impl Default for QuestionRoom {
    fn default() -> Self {
        let bytes = FRAME_BUFFER_BYTES as usize - QUESTION_HEAD_BYTES;
        Self { partitions: EPOCH_QUESTIONS_MAX, bytes }
    }
}

impl QuestionRoom {
    const BYTES_MAX: usize = EPOCH_QUESTION_BYTES + TopicName::BYTES_MAX;

    const fn is_left(&self) -> bool {
        self.partitions > 0 && self.bytes >= Self::BYTES_MAX
    }

    fn take(&mut self, partition: &TopicPartition) {
        self.partitions -= 1;
        self.bytes -= EPOCH_QUESTION_BYTES + partition.topic.as_str().len();
    }
}

impl MirrorPartition {
    /// True when this connection is the one that asks for the partition.
    fn is_asking(&self, place: usize) -> bool {
        self.lane.is_some_and(|at| at.connection == place)
    }
}

fn epoch_question(partition: &MirrorPartition) -> Option<EpochQuestion> {
    Some(EpochQuestion {
        partition: name_at_source(partition),
        current_epoch: partition.source_epoch(),
        epoch: partition.log.as_ref().and_then(PartitionLog::latest_epoch)?,
    })
}

fn name_at_source(partition: &MirrorPartition) -> TopicPartition {
    let spec = &partition.spec;
    TopicPartition { topic: spec.topic_at_source().clone(), partition: spec.name.partition }
}

fn log_end_question(partition: &MirrorPartition) -> LogEndQuestion {
    LogEndQuestion {
        partition: name_at_source(partition),
        current_epoch: partition.source_epoch(),
        end: if partition.source_end.is_none() { LogEnd::Latest } else { LogEnd::Earliest },
    }
}

fn agree(ranges: &ApiVersionRanges) -> Result<AgreedVersions, String> {
    let (oldest, newest) = (fetch_request::VERSION_MIN, fetch_request::VERSION_MAX);
    let fetch = ranges
        .negotiate(FETCH_KEY, oldest, newest)
        .ok_or_else(|| format!("broker takes none of Fetch versions {oldest} to {newest}"))?;
    let (oldest, newest) = LIST_OFFSETS_VERSIONS;
    let list_offsets = ranges
        .negotiate(LIST_OFFSETS_KEY, oldest, newest)
        .ok_or_else(|| format!("broker takes none of ListOffsets versions {oldest} to {newest}"))?;
    let (oldest, newest) = OFFSET_FOR_LEADER_EPOCH_VERSIONS;
    let epochs = ranges.negotiate(OFFSET_FOR_LEADER_EPOCH_KEY, oldest, newest);
    Ok(AgreedVersions { fetch, epochs, list_offsets })
}

#[cfg(test)]
mod tests;
