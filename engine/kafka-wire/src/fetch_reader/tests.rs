use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch,
    NodeEndpoint as OracleEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchResponse, ProducerId, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;

use super::*;
use crate::fetch_event::{CurrentLeader, DivergingEpoch, NodeEndpoint};
use crate::fetch_request::{VERSION_MAX, VERSION_MIN};

const CORRELATION_ID: i32 = 99;
const LIMIT: u32 = 1 << 20;

/// Everything a response says, in order, with the records as the caller would take them.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Event(FetchEvent),
    /// Of a partition, before its event.
    Topic(FetchedTopic),
    /// Behind the event that there is one.
    Endpoint(NodeEndpoint),
    Records(Vec<u8>),
}

/// Reads `frame` in pieces that end at `cuts`, records included.
fn read_in_pieces(version: i16, frame: &[u8], cuts: &[usize]) -> Result<Vec<Seen>, FetchReadError> {
    let mut reader = FetchReader::new(LIMIT);
    reader.begin(version, CORRELATION_ID);
    let mut seen = Vec::new();
    let mut cuts = cuts.iter().copied().chain([frame.len()]);
    let mut available = cuts.next().unwrap();
    let mut at = 0;
    loop {
        let (taken, event) = reader.read(&frame[at..available])?;
        at += taken;
        match event {
            FetchEvent::NeedMore => {
                let Some(next) = cuts.next() else { return Ok(seen) };
                available = next.max(at);
            }
            FetchEvent::Partition(head) => {
                seen.extend([Seen::Topic(*reader.topic()), Seen::Event(event)]);
                if head.records_bytes > 0 {
                    let end = at + head.records_bytes as usize;
                    seen.push(Seen::Records(frame[at..end].to_vec()));
                    at = end;
                    available = available.max(at);
                    reader.records_done();
                }
            }
            FetchEvent::End => {
                assert_eq!((at, reader.frame_bytes_left()), (frame.len(), 0));
                seen.push(Seen::Event(event));
                return Ok(seen);
            }
            FetchEvent::NodeEndpoint => {
                seen.extend([Seen::Event(event), Seen::Endpoint(*reader.node_endpoint())]);
            }
            _ => seen.push(Seen::Event(event)),
        }
    }
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// Two topics, three partitions: records and none, aborted transactions, leaders, unknown tags.
fn response(version: i16) -> FetchResponse {
    let flexible = version >= 12;
    let mut plain = PartitionData::default()
        .with_partition_index(3)
        .with_high_watermark(500)
        .with_last_stable_offset(499)
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::from(vec![0xab; 300])));
    if version >= 5 {
        plain = plain.with_log_start_offset(17);
    }
    let aborted =
        AbortedTransaction::default().with_producer_id(ProducerId(9)).with_first_offset(4);
    let mut moved = PartitionData::default()
        .with_partition_index(4)
        .with_error_code(6)
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_aborted_transactions(Some(vec![aborted; 3]))
        .with_records(Some(Bytes::new()));
    let mut diverging = PartitionData::default().with_records(None);
    if flexible {
        plain.unknown_tagged_fields.insert(9, Bytes::from(vec![1; 2000]));
        let leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(2)).with_leader_epoch(8);
        moved = moved.with_current_leader(leader);
        let end = EpochEndOffset::default().with_epoch(5).with_end_offset(450);
        diverging = diverging.with_diverging_epoch(end);
    }
    let mut first = FetchableTopicResponse::default().with_partitions(vec![plain, moved]);
    let mut second = FetchableTopicResponse::default().with_partitions(vec![diverging]);
    if version >= 13 {
        first.topic_id = uuid::Uuid::from_bytes([7; 16]);
        second.topic_id = uuid::Uuid::from_bytes([8; 16]);
    } else {
        first.topic = TopicName(text("orders"));
        second.topic = TopicName(text("payments"));
    }
    if flexible {
        second.unknown_tagged_fields.insert(3, Bytes::from_static(b"later"));
    }
    let mut response =
        FetchResponse::default().with_throttle_time_ms(12).with_responses(vec![first, second]);
    if version >= 7 {
        response = response.with_error_code(70).with_session_id(4242);
    }
    if flexible {
        response.unknown_tagged_fields.insert(8, Bytes::from(vec![2; 1500]));
    }
    if version >= 16 {
        let endpoint = OracleEndpoint::default()
            .with_node_id(BrokerId(2))
            .with_host(text("broker-2.example"))
            .with_port(9092);
        let far = endpoint.clone().with_node_id(BrokerId(3)).with_rack(Some(text("r1")));
        response = response.with_node_endpoints(vec![endpoint, far]);
    }
    response
}

fn encode(version: i16, response: &FetchResponse) -> Vec<u8> {
    let mut body = BytesMut::new();
    let header_version = i16::from(version >= 12);
    let header = ResponseHeader::default().with_correlation_id(CORRELATION_ID);
    header.encode(&mut body, header_version).unwrap();
    response.encode(&mut body, version).unwrap();
    let size = i32::try_from(body.len()).unwrap();
    [&size.to_be_bytes()[..], &body].concat()
}

/// What the reader should say about [`response`], written out.
fn expected(version: i16) -> Vec<Seen> {
    let flexible = version >= 12;
    let topic = |id: u8, name: &str| {
        Seen::Topic(if version >= 13 {
            FetchedTopic::from_id([id; 16]).unwrap()
        } else {
            FetchedTopic::from_name(name.as_bytes()).unwrap()
        })
    };
    let session = version >= 7;
    let plain = PartitionHead {
        partition: 3,
        error_code: 0,
        high_watermark: 500,
        last_stable_offset: 499,
        log_start_offset: if version >= 5 { 17 } else { -1 },
        records_bytes: 300,
    };
    let moved = PartitionHead {
        partition: 4,
        error_code: 6,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        records_bytes: 0,
    };
    let diverging = PartitionHead { partition: 0, error_code: 0, high_watermark: 0, ..moved };
    let leader = flexible.then_some(CurrentLeader { leader_id: 2, leader_epoch: 8 });
    let end = flexible.then_some(DivergingEpoch { epoch: 5, end_offset: 450 });
    let mut seen = vec![
        Seen::Event(FetchEvent::Head {
            throttle_ms: 12,
            error_code: if session { 70 } else { 0 },
            session_id: if session { 4242 } else { 0 },
        }),
        topic(7, "orders"),
        Seen::Event(FetchEvent::Partition(plain)),
        Seen::Records(vec![0xab; 300]),
        Seen::Event(FetchEvent::PartitionEnd(PartitionTail::NONE)),
        topic(7, "orders"),
        Seen::Event(FetchEvent::Partition(moved)),
        Seen::Event(FetchEvent::PartitionEnd(PartitionTail {
            current_leader: leader,
            ..PartitionTail::NONE
        })),
        topic(8, "payments"),
        Seen::Event(FetchEvent::Partition(diverging)),
        Seen::Event(FetchEvent::PartitionEnd(PartitionTail {
            diverging_epoch: end,
            ..PartitionTail::NONE
        })),
    ];
    if version >= 16 {
        for node_id in [2, 3] {
            let endpoint = NodeEndpoint::new(node_id, b"broker-2.example", 9092).unwrap();
            seen.extend([Seen::Event(FetchEvent::NodeEndpoint), Seen::Endpoint(endpoint)]);
        }
    }
    seen.push(Seen::Event(FetchEvent::End));
    seen
}

#[test]
fn every_version_reads_the_same_wherever_it_is_cut() {
    for version in VERSION_MIN..=VERSION_MAX {
        let frame = encode(version, &response(version));
        let expected = expected(version);
        assert_eq!(read_in_pieces(version, &frame, &[]).unwrap(), expected, "v{version}");
        for cut in 0..frame.len() {
            let seen = read_in_pieces(version, &frame, &[cut]).unwrap();
            assert_eq!(seen, expected, "v{version} cut at {cut}");
        }
        let every: Vec<usize> = (0..frame.len()).collect();
        assert_eq!(read_in_pieces(version, &frame, &every).unwrap(), expected, "v{version}");
    }
}

#[test]
fn an_empty_incremental_response_is_head_and_end() {
    for version in VERSION_MIN..=VERSION_MAX {
        let frame = encode(version, &FetchResponse::default());
        let seen = read_in_pieces(version, &frame, &[]).unwrap();
        let head = FetchEvent::Head { throttle_ms: 0, error_code: 0, session_id: 0 };
        assert_eq!(seen, [Seen::Event(head), Seen::Event(FetchEvent::End)]);
    }
}

#[test]
fn one_response_may_follow_another_in_the_same_piece() {
    let frame = encode(17, &FetchResponse::default());
    let both = [frame.clone(), frame.clone()].concat();
    let mut reader = FetchReader::new(LIMIT);
    reader.begin(17, CORRELATION_ID);
    let (head, _) = reader.read(&both).unwrap();
    assert_eq!(reader.frame_bytes_left() as usize, frame.len() - head);
    let (tail, event) = reader.read(&both[head..]).unwrap();
    assert_eq!((head + tail, event), (frame.len(), FetchEvent::End));
}

#[test]
fn any_shorter_frame_is_refused() {
    for version in [4, 11, 12, 17] {
        let whole = encode(version, &response(version));
        for kept in 4..whole.len() {
            let mut frame = whole[..kept].to_vec();
            frame[..4].copy_from_slice(&i32::try_from(kept - 4).unwrap().to_be_bytes());
            let mut padded = frame.clone();
            padded.extend([0; 600]);
            assert!(read_refusal(version, &padded).is_some(), "v{version} kept {kept}");
        }
    }
}

/// Reads until the reader refuses; `None` when it comes to an end or wants more.
fn read_refusal(version: i16, bytes: &[u8]) -> Option<FetchReadError> {
    let mut reader = FetchReader::new(LIMIT);
    reader.begin(version, CORRELATION_ID);
    let mut at = 0;
    loop {
        let (taken, event) = match reader.read(&bytes[at..]) {
            Ok(read) => read,
            Err(error) => return Some(error),
        };
        at += taken;
        match event {
            FetchEvent::NeedMore | FetchEvent::End => return None,
            FetchEvent::Partition(PartitionHead { records_bytes: 1.., .. }) => {
                let FetchEvent::Partition(head) = event else { unreachable!() };
                at += head.records_bytes as usize;
                if at > bytes.len() {
                    return None;
                }
                reader.records_done();
            }
            _ => {}
        }
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for version in [4, 12, 17] {
        let mut frame = encode(version, &response(version));
        let position = u64::try_from(frame.len()).unwrap();
        frame.push(0);
        let size = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&size.to_be_bytes());
        let refused = read_refusal(version, &frame);
        assert_eq!(refused, Some(FetchReadError::TrailingBytes { bytes: 1, position }));
    }
}

#[test]
fn a_wrong_correlation_id_is_refused() {
    let mut frame = encode(12, &FetchResponse::default());
    frame[7] = 98;
    let refused = FetchReadError::CorrelationId { expected: 99, found: 98 };
    assert_eq!(read_refusal(12, &frame), Some(refused));
}

#[test]
fn sizes_below_zero_and_above_the_limit_are_refused() {
    for found in [-1, i32::MIN, i32::MAX, (1 << 20) + 1] {
        let refused = FetchReadError::FrameSize { found, frame_bytes_max: LIMIT };
        assert_eq!(read_refusal(17, &found.to_be_bytes()), Some(refused));
    }
}

#[test]
fn records_that_leave_the_frame_are_refused_before_they_are_announced() {
    let topic = FetchableTopicResponse::default()
        .with_topic(TopicName(text("t")))
        .with_partitions(vec![PartitionData::default().with_records(Some(Bytes::from("abcd")))]);
    let mut frame = encode(4, &FetchResponse::default().with_responses(vec![topic]));
    let length_at = frame.len() - 8;
    frame[length_at..length_at + 4].copy_from_slice(&5_i32.to_be_bytes());
    let position = u64::try_from(length_at + 4).unwrap();
    assert_eq!(read_refusal(4, &frame), Some(FetchReadError::PastFrame { position }));
    frame[length_at..length_at + 4].copy_from_slice(&(-2_i32).to_be_bytes());
    let refused = read_refusal(4, &frame).unwrap();
    assert!(matches!(refused, FetchReadError::NegativeLength { field: "records", found: -2, .. }));
}

#[test]
fn a_known_tagged_field_too_short_for_its_values_is_refused() {
    let partition = PartitionData::default()
        .with_records(None)
        .with_current_leader(LeaderIdAndEpoch::default().with_leader_id(BrokerId(1)));
    let topic = FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_bytes([7; 16]))
        .with_partitions(vec![partition]);
    let mut frame = encode(13, &FetchResponse::default().with_responses(vec![topic]));
    // Behind the size: leader id and epoch, and three empty lists of tagged fields.
    let size_at = frame.len() - 12;
    assert_eq!(frame[size_at - 1..=size_at], [1, 9]);
    frame[size_at] = 7;
    let refused = read_refusal(13, &frame).unwrap();
    assert!(matches!(refused, FetchReadError::TaggedField { tag: 1, size: 7, .. }));
}

#[test]
fn node_endpoints_must_end_where_their_size_says() {
    let frame = encode(16, &response(16));
    let host_at = frame.windows(8).position(|bytes| bytes == b"broker-2").unwrap();
    let mut longer = frame;
    // Tag, size, count and node id stand before the host's length.
    assert_eq!(longer[host_at - 8], 0);
    longer[host_at - 7] += 1;
    let refused = read_refusal(16, &longer).unwrap();
    assert!(matches!(refused, FetchReadError::EndpointsEnd { .. }), "{refused}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        version in VERSION_MIN..=VERSION_MAX,
        mut bytes in prop::collection::vec(any::<u8>(), 0..600),
        framed in any::<bool>(),
    ) {
        if framed && bytes.len() >= 8 {
            let size = i32::try_from(bytes.len() - 4).unwrap();
            bytes[..4].copy_from_slice(&size.to_be_bytes());
            bytes[4..8].copy_from_slice(&CORRELATION_ID.to_be_bytes());
        }
        read_refusal(version, &bytes);
    }

    #[test]
    fn damaged_responses_never_panic(
        version in VERSION_MIN..=VERSION_MAX,
        damage in prop::collection::vec((8..2000_usize, any::<u8>()), 1..6),
    ) {
        let mut frame = encode(version, &response(version));
        for (at, byte) in damage {
            let at = at % frame.len();
            frame[at] = byte;
        }
        read_refusal(version, &frame);
    }
}
