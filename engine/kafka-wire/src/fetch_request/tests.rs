use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::{FetchRequest, RequestHeader};
use kafka_protocol::protocol::Decodable;

use super::*;

const TOPIC_ID: [u8; 16] = [7; 16];
const OTHER_ID: [u8; 16] = [8; 16];

fn head(version: i16) -> FetchRequestHead<'static> {
    FetchRequestHead {
        version,
        correlation_id: 77,
        client_id: "ringmirror",
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 64 << 20,
        session_id: 1234,
        session_epoch: 5,
    }
}

fn topic(version: i16, which: u8) -> TopicRef<'static> {
    let (id, name) = if which == 0 { (TOPIC_ID, "orders") } else { (OTHER_ID, "payments") };
    if version >= VERSION_TOPIC_IDS {
        TopicRef::Id(TopicId::from_wire(id).unwrap())
    } else {
        TopicRef::Name(name)
    }
}

fn partition(version: i16, which: u8, index: i32) -> FetchPartition<'static> {
    FetchPartition {
        topic: topic(version, which),
        partition: PartitionIndex::from_wire(index).unwrap(),
        current_leader_epoch: SourceLeaderEpoch::from_wire(3),
        fetch_offset: Offset::from_wire(1000 + i64::from(index)).unwrap(),
        last_fetched_epoch: SourceLeaderEpoch::from_wire(2),
        log_start: -1,
        max_bytes: 1 << 20,
    }
}

fn decode(bytes: &[u8], version: i16) -> (RequestHeader, FetchRequest) {
    let size = i32::from_be_bytes(*bytes.first_chunk().unwrap());
    assert_eq!(usize::try_from(size).unwrap(), bytes.len() - 4);
    let mut rest = Bytes::copy_from_slice(&bytes[4..]);
    let header_version = if version >= 12 { 2 } else { 1 };
    let header = RequestHeader::decode(&mut rest, header_version).unwrap();
    let request = FetchRequest::decode(&mut rest, version).unwrap();
    assert!(rest.is_empty(), "version {version} leaves {} bytes", rest.len());
    (header, request)
}

fn key(version: i16, topic: &FetchTopic) -> String {
    if version >= 13 { format!("{:?}", topic.topic_id.as_bytes()) } else { topic.topic.to_string() }
}

#[test]
fn every_version_decodes_as_written() {
    for version in VERSION_MIN..=VERSION_MAX {
        let mut buffer = [0xee; 1024];
        let mut writer = FetchRequestWriter::start(&mut buffer, &head(version)).unwrap();
        for (which, index) in [(0, 0), (0, 1), (1, 4), (0, 2)] {
            writer.partition(&partition(version, which, index)).unwrap();
        }
        let bytes = writer.finish();
        let (header, request) = decode(&buffer[..bytes], version);
        assert_eq!((header.request_api_key, header.request_api_version), (1, version));
        assert_eq!(header.correlation_id, 77);
        assert_eq!(header.client_id.unwrap().as_str(), "ringmirror");
        assert_eq!((request.replica_id.0, request.isolation_level), (-1, 0));
        assert_eq!(request.replica_state.replica_id.0, -1);
        assert_eq!((request.max_wait_ms, request.min_bytes, request.max_bytes), (500, 1, 64 << 20));
        let session = if version >= 7 { (1234, 5) } else { (0, -1) };
        assert_eq!((request.session_id, request.session_epoch), session);
        assert_eq!(request.rack_id.as_str(), "");
        assert!(request.forgotten_topics_data.is_empty());
        let counts: Vec<usize> = request.topics.iter().map(|one| one.partitions.len()).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(key(version, &request.topics[0]), key(version, &request.topics[2]));
        assert_ne!(key(version, &request.topics[0]), key(version, &request.topics[1]));
        let fetched = &request.topics[2].partitions[0];
        assert_eq!((fetched.partition, fetched.fetch_offset), (2, 1002));
        assert_eq!(fetched.current_leader_epoch, if version >= 9 { 3 } else { -1 });
        assert_eq!(fetched.last_fetched_epoch, if version >= 12 { 2 } else { -1 });
        assert_eq!((fetched.log_start_offset, fetched.partition_max_bytes), (-1, 1 << 20));
    }
}

#[test]
fn forgotten_partitions_follow_the_fetched_ones() {
    for version in VERSION_SESSIONS..=VERSION_MAX {
        let mut buffer = [0xee; 1024];
        let mut writer = FetchRequestWriter::start(&mut buffer, &head(version)).unwrap();
        writer.partition(&partition(version, 0, 3)).unwrap();
        for (which, index) in [(0, 5), (0, 6), (1, 7)] {
            let index = PartitionIndex::from_wire(index).unwrap();
            writer.forget(topic(version, which), index).unwrap();
        }
        let bytes = writer.finish();
        let (_, request) = decode(&buffer[..bytes], version);
        assert_eq!(request.topics.len(), 1);
        let forgotten: Vec<Vec<i32>> =
            request.forgotten_topics_data.iter().map(|one| one.partitions.clone()).collect();
        assert_eq!(forgotten, [vec![5, 6], vec![7]]);
    }
}

#[test]
fn a_full_buffer_keeps_what_was_added_and_refuses_the_rest() {
    for version in VERSION_MIN..=VERSION_MAX {
        for buffer_bytes in 60..400 {
            let mut buffer = vec![0xee; buffer_bytes];
            let Ok(mut writer) = FetchRequestWriter::start(&mut buffer, &head(version)) else {
                continue;
            };
            let mut added = 0;
            let refused = loop {
                match writer.partition(&partition(version, u8::from(added > 3), added)) {
                    Ok(()) => added += 1,
                    Err(full) => break full,
                }
            };
            assert_eq!(refused, BufferFull { buffer_bytes });
            let bytes = writer.finish();
            let (_, request) = decode(&buffer[..bytes], version);
            let indexes: Vec<i32> = request
                .topics
                .iter()
                .flat_map(|one| &one.partitions)
                .map(|p| p.partition)
                .collect();
            assert_eq!(indexes, (0..added).collect::<Vec<i32>>());
        }
    }
}

#[test]
fn a_forget_that_does_not_fit_leaves_the_request_whole() {
    for version in VERSION_SESSIONS..=VERSION_MAX {
        for buffer_bytes in 80..200 {
            let mut buffer = vec![0xee; buffer_bytes];
            let Ok(mut writer) = FetchRequestWriter::start(&mut buffer, &head(version)) else {
                continue;
            };
            let fetched = usize::from(writer.partition(&partition(version, 0, 1)).is_ok());
            let mut forgotten = 0;
            while writer.forget(topic(version, 1), PartitionIndex::default()).is_ok() {
                forgotten += 1;
            }
            let bytes = writer.finish();
            let (_, request) = decode(&buffer[..bytes], version);
            assert_eq!(request.topics.len(), fetched);
            let found: usize =
                request.forgotten_topics_data.iter().map(|one| one.partitions.len()).sum();
            assert_eq!(found, forgotten);
        }
    }
}

#[test]
fn counts_beyond_one_varint_byte_are_right() {
    let mut buffer = vec![0; 64 << 10];
    let mut writer = FetchRequestWriter::start(&mut buffer, &head(17)).unwrap();
    for index in 0..1000 {
        writer.partition(&partition(17, 0, index)).unwrap();
    }
    let bytes = writer.finish();
    let (_, request) = decode(&buffer[..bytes], 17);
    assert_eq!(request.topics[0].partitions.len(), 1000);
}
