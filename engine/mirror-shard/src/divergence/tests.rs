//! A place that is gone, at a source where the topic's name may be another topic's by now.

use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::LogCut;
use kafka_wire::fetch_response::{
    AnsweredPartition, AnsweredTopic, FetchResponseHead, TopicKey, write_fetch_response,
};
use kafka_wire::offset::Offset;

use crate::answers::error_code::OFFSET_OUT_OF_RANGE;
use crate::bridge::{DivergencePolicy, EngineCommand, NewPartition, PartitionEvent};
use crate::buffer_pool::BufferLease;
use crate::op::{BrokerAddress, Completion, ConnectionId, FileTask, Op, Tick};
use crate::shard::Shard;
use crate::test_shard::{append_plain, at, broker, events, loaded, shard, spec, step_ops};

const FETCH: i16 = 1;
const LIST_OFFSETS: i16 = 2;
const API_VERSIONS: i16 = 18;
const UNKNOWN_TOPIC_ID: i16 = 100;

/// A source whose Fetch responses are errors, and whose log under the topic's name is `named`.
struct ScriptedSource {
    shard: Shard,
    /// Errors of Fetch responses to come; the last one stays.
    fetch_errors: Vec<i16>,
    /// Start and end of the log that has the topic's name.
    named: (i64, i64),
    /// Keys of the requests that came.
    asked: Vec<i16>,
    /// Cuts that the log was loaded again with.
    cuts: Vec<LogCut>,
    told: Vec<PartitionEvent>,
}

impl ScriptedSource {
    /// What becomes of a log of three records of epoch 3 that is fetched from this source.
    fn fetched(fetch_errors: &[i16], named: (i64, i64)) -> Self {
        let mut source = Self {
            shard: shard(),
            fetch_errors: fetch_errors.iter().rev().copied().collect(),
            named,
            asked: Vec::new(),
            cuts: Vec::new(),
            told: Vec::new(),
        };
        let address = BrokerAddress { host: "source".into(), port: 9092 };
        let new = NewPartition { on_divergence: DivergencePolicy::Truncate, ..spec() };
        let commands = [
            EngineCommand::SetBroker { broker: broker(0, 1), address },
            EngineCommand::AddPartition(Box::new(new)),
        ];
        source.run(&commands);
        source
    }

    /// Steps through some minutes, or until the log is to be cut.
    fn run(&mut self, commands: &[EngineCommand]) {
        let mut commands = commands.to_vec();
        let (mut completions, mut receive, mut answers) = (Vec::new(), None, Vec::new());
        for second in 0..300 {
            let now = Tick::default().after_ms(second * 1_000);
            let commands = std::mem::take(&mut commands);
            let (ops, reports) = step_ops(&mut self.shard, now, &commands, completions);
            self.told.extend(events(reports));
            completions = Vec::new();
            for op in ops {
                match op {
                    Op::File { task: FileTask::Load { request, .. }, slot } => {
                        if request.cut != LogCut::Keep {
                            return self.cuts.push(request.cut);
                        }
                        let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
                        (0..3).for_each(|_| append_plain(&mut log, 3));
                        completions.push(loaded(slot.0, log));
                    }
                    Op::Connect { connection, .. } => {
                        completions.push(Completion::Connected { connection, result: Ok(()) });
                    }
                    Op::Send { connection, buffer, end } => {
                        answers.push(self.answer(&buffer.bytes()[..end as usize]));
                        completions.push(Completion::Sent { connection, buffer, result: Ok(()) });
                    }
                    Op::Receive { connection, buffer, start, .. } => {
                        receive = Some((connection, buffer, start));
                    }
                    other => panic!("not needed: {other:?}"),
                }
            }
            if let (Some(place), false) =
                (receive.take_if(|_| !answers.is_empty()), answers.is_empty())
            {
                completions.push(received(place, &answers.remove(0)));
            }
        }
    }

    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (key, api_version) = (number(4), number(6));
        let correlation = [request[8], request[9], request[10], request[11]];
        self.asked.push(key);
        match key {
            FETCH => {
                let last = self.fetch_errors.len() == 1;
                let error_code =
                    if last { self.fetch_errors[0] } else { self.fetch_errors.pop().unwrap() };
                fetch_response(api_version, i32::from_be_bytes(correlation), error_code)
            }
            LIST_OFFSETS => {
                let is_latest = request.ends_with(&(-1_i64).to_be_bytes());
                log_end(correlation, if is_latest { self.named.1 } else { self.named.0 })
            }
            API_VERSIONS => versions(correlation),
            other => panic!("request {other} asks by name what a fetch asks by id"),
        }
    }
}

fn received(place: (ConnectionId, BufferLease, u32), answer: &[u8]) -> Completion {
    let (connection, mut buffer, start) = place;
    buffer.bytes_mut()[start as usize..][..answer.len()].copy_from_slice(answer);
    let result = Ok(u32::try_from(answer.len()).unwrap());
    Completion::Received { connection, buffer, result }
}

fn fetch_response(api_version: i16, correlation_id: i32, error_code: i16) -> Vec<u8> {
    let head = FetchResponseHead {
        api_version,
        correlation_id,
        throttle_ms: 0,
        error_code: 0,
        session_id: 1,
    };
    let partitions = [AnsweredPartition {
        partition_index: 0,
        error_code,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        diverging_epoch: None,
        current_leader: None,
        aborted_transactions: None,
        preferred_read_replica: -1,
        records_bytes: 0,
    }];
    let key = TopicKey::Id(spec().id.topic_id.bytes());
    let topics = [AnsweredTopic { key, partitions: &partitions }];
    write_fetch_response(&head, &topics, &[]).unwrap().bytes.to_vec()
}

/// A ListOffsets answer, version 1.
fn log_end(correlation: [u8; 4], offset: i64) -> Vec<u8> {
    let mut body = correlation.to_vec();
    body.extend(1_u32.to_be_bytes());
    body.extend([0, 5]);
    body.extend(b"topic");
    body.extend(1_u32.to_be_bytes());
    body.extend(0_i32.to_be_bytes());
    body.extend(0_i16.to_be_bytes());
    body.extend((-1_i64).to_be_bytes());
    body.extend(offset.to_be_bytes());
    sized(&body)
}

/// An ApiVersions answer, version 3: Fetch, ListOffsets and OffsetForLeaderEpoch.
fn versions(correlation: [u8; 4]) -> Vec<u8> {
    let mut body = correlation.to_vec();
    body.extend([0, 0, 4]);
    for (key, oldest, newest) in [(FETCH, 4_i16, 17_i16), (LIST_OFFSETS, 1, 1), (23, 2, 4)] {
        for number in [key, oldest, newest] {
            body.extend(number.to_be_bytes());
        }
        body.push(0);
    }
    body.extend([0; 5]);
    sized(&body)
}

fn sized(body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    [size.as_slice(), body].concat()
}

/// Found by a run of the tests on a slow machine: a topic deleted and made anew while the mirror
/// started was asked for by name, had no epoch 3, and our log was cut to its end.
#[test]
fn a_topic_made_anew_is_not_asked_where_our_epochs_end() {
    let source = ScriptedSource::fetched(&[UNKNOWN_TOPIC_ID], (0, 0));
    assert!(source.asked.contains(&FETCH), "{:?}", source.asked);
    assert_eq!(source.cuts, []);
    let unknown = |event: &PartitionEvent| {
        matches!(event, PartitionEvent::SourceError { error_code: UNKNOWN_TOPIC_ID })
    };
    assert!(source.told.iter().any(unknown), "{:?}", source.told);
}

#[test]
fn a_place_lost_while_the_topic_is_made_anew_cuts_nothing() {
    for named in [(0, 0), (7, 9)] {
        let errors = [OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_ID];
        let source = ScriptedSource::fetched(&errors, named);
        assert!(source.asked.contains(&LIST_OFFSETS), "{:?}", source.asked);
        assert_eq!(source.cuts, [], "a log from {} to {}", named.0, named.1);
        let gap = |event: &PartitionEvent| matches!(event, PartitionEvent::Gap { .. });
        assert!(!source.told.iter().any(gap), "{:?}", source.told);
    }
}

#[test]
fn a_place_lost_twice_is_repaired_as_the_answer_between_says() {
    let cases = [((0, 1), LogCut::TruncateTo(at(1))), ((7, 9), LogCut::StartAt(at(7)))];
    for (named, cut) in cases {
        let source = ScriptedSource::fetched(&[OFFSET_OUT_OF_RANGE], named);
        assert_eq!(source.cuts, [cut]);
    }
}
