//! Fetch responses in pieces: never past the frame, the same in any cuts, and what
//! `kafka-protocol` reads when it can read the whole.

#![no_main]

use bytes::Bytes;
use fuzz::input::{Cuts, Input};
use fuzz::seeds;
use kafka_protocol::messages::FetchResponse;
use kafka_wire::fetch_event::{FetchEvent, FetchReadError, FetchedTopic, NodeEndpoint};
use kafka_wire::fetch_reader::{FetchReader, PIECE_BYTES_MAX};
use kafka_wire::message::{SIZE_BYTES, decode_response, encode_response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write(seeds::fetch_reader()), |data: &[u8]| {
    let mut input = Input::new(data);
    let mode = input.byte();
    let version = i16::from(input.byte() % 14) + 4;
    let cuts = input.cuts();
    let mut frame = input.rest().to_vec();
    if mode & 1 != 0 {
        // The right size and correlation id, and maybe bytes of the next response behind.
        let behind = usize::from(mode >> 4);
        let size = frame.len().saturating_sub(SIZE_BYTES + behind);
        let size = i32::try_from(size).expect("inputs are small");
        let head = [size.to_be_bytes(), seeds::CORRELATION.to_be_bytes()].concat();
        for (place, byte) in frame.iter_mut().zip(head) {
            *place = byte;
        }
    }
    let read = in_pieces(version, &frame, cuts);
    assert_eq!(read, in_pieces(version, &frame, Input::new(&[]).cuts()), "cuts make a difference");
    compare(version, &frame, &read);
});

#[derive(Debug, PartialEq)]
enum Ending {
    Complete { bytes: usize },
    Incomplete,
    Refused(FetchReadError),
}

/// An event, and what the reader says beside it.
type Told = (FetchEvent, FetchedTopic, NodeEndpoint);
type Read = (Vec<Told>, Ending);

fn in_pieces(version: i16, frame: &[u8], mut cuts: Cuts) -> Read {
    let mut reader = FetchReader::new(1 << 20);
    reader.begin(version, seeds::CORRELATION);
    let mut events = Vec::new();
    let (mut at, mut available) = (0, 0);
    let mut without_progress = 0;
    loop {
        let given = &frame[at..available];
        let left_before = reader.frame_bytes_left() as usize;
        let (taken, event) = match reader.read(given) {
            Ok(read) => read,
            Err(error) => return (events, Ending::Refused(error)),
        };
        assert!(taken <= given.len(), "took bytes it was not given");
        at += taken;
        without_progress = if taken > 0 { 0 } else { without_progress + 1 };
        assert!(without_progress < 16, "events without bytes");
        match event {
            FetchEvent::NeedMore => {
                let enough = given.len() >= PIECE_BYTES_MAX.min(left_before);
                assert!(taken > 0 || !enough, "stuck with enough bytes at hand");
                if available == frame.len() {
                    return (events, Ending::Incomplete);
                }
                available += cuts.next(frame.len() - available);
                without_progress = 0;
                continue;
            }
            FetchEvent::End => {
                let size: [u8; 4] = frame[..SIZE_BYTES].try_into().expect("four bytes");
                let size = usize::try_from(i32::from_be_bytes(size)).expect("checked by reader");
                assert_eq!(at, SIZE_BYTES + size, "ends where its frame does not");
                return (events, Ending::Complete { bytes: at });
            }
            FetchEvent::Partition(head) if head.records_bytes > 0 => {
                let bytes = head.records_bytes as usize;
                assert!(bytes <= reader.frame_bytes_left() as usize, "records past the frame");
                at += bytes;
                available = available.max(at);
                reader.records_done();
            }
            _ => {}
        }
        events.push((event, *reader.topic(), *reader.node_endpoint()));
        if available > frame.len() {
            return (events, Ending::Incomplete);
        }
    }
}

fn compare(version: i16, frame: &[u8], (events, ending): &Read) {
    let bytes = match ending {
        Ending::Complete { bytes } => *bytes,
        Ending::Incomplete | Ending::Refused(FetchReadError::FrameSize { .. }) => return,
        Ending::Refused(_) => {
            let size: [u8; 4] = frame[..SIZE_BYTES].try_into().expect("the size was read");
            SIZE_BYTES + usize::try_from(i32::from_be_bytes(size)).expect("checked by reader")
        }
    };
    let Some(body) = frame.get(SIZE_BYTES..bytes) else { return };
    let body = Bytes::copy_from_slice(body);
    let decoded = decode_response::<FetchResponse>(version, seeds::CORRELATION, body);
    let Ok(expected) = decoded else { return };
    // Sizes of tagged fields that lie are read differently; such bytes are not written so.
    let encoded = encode_response(version, seeds::CORRELATION, &expected);
    if encoded.ok().as_deref() != frame.get(..bytes) {
        return;
    }
    match ending {
        // Topics and hosts that Kafka never has.
        Ending::Refused(FetchReadError::Topic { .. } | FetchReadError::Host { .. }) => return,
        Ending::Complete { .. } => {}
        other => panic!("kafka-protocol reads it, we say {other:?}"),
    }
    compare_partitions(version, events, &expected);
}

fn compare_partitions(version: i16, events: &[Told], expected: &FetchResponse) {
    let mut heads = Vec::new();
    let mut tails = Vec::new();
    for (event, topic, _) in events {
        match event {
            FetchEvent::Head { throttle_ms, error_code, session_id } => {
                assert_eq!(*throttle_ms, expected.throttle_time_ms.max(0).unsigned_abs());
                assert_eq!((*error_code, *session_id), (expected.error_code, expected.session_id));
            }
            FetchEvent::Partition(head) => heads.push((*head, topic)),
            FetchEvent::PartitionEnd(tail) => tails.push(*tail),
            _ => {}
        }
    }
    let mut place = 0;
    for topic in &expected.responses {
        for partition in &topic.partitions {
            let ((head, fetched), tail) = (&heads[place], &tails[place]);
            place += 1;
            assert!(names(fetched, version, topic), "another topic");
            assert_eq!(head.partition, partition.partition_index);
            assert_eq!(head.error_code, partition.error_code);
            assert_eq!(head.high_watermark, partition.high_watermark);
            assert_eq!(head.last_stable_offset, partition.last_stable_offset);
            assert_eq!(head.log_start_offset, partition.log_start_offset);
            let records = partition.records.as_ref().map_or(0, Bytes::len);
            assert_eq!(head.records_bytes as usize, records);
            let diverging = &partition.diverging_epoch;
            let found = tail.diverging_epoch.map_or((-1, -1), |at| (at.epoch, at.end_offset));
            assert_eq!(found, (diverging.epoch, diverging.end_offset));
            let leader = &partition.current_leader;
            let found = tail.current_leader.map_or((-1, -1), |at| (at.leader_id, at.leader_epoch));
            assert_eq!(found, (leader.leader_id.0, leader.leader_epoch));
        }
    }
    assert_eq!(place, heads.len(), "partitions that are not there");
}

fn names(
    fetched: &FetchedTopic,
    version: i16,
    topic: &kafka_protocol::messages::fetch_response::FetchableTopicResponse,
) -> bool {
    match fetched {
        FetchedTopic::Id(id) => version >= 13 && id.bytes() == *topic.topic_id.as_bytes(),
        FetchedTopic::Name(name) => version < 13 && name.as_str() == topic.topic.as_str(),
    }
}
