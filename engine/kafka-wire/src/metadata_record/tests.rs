use proptest::prelude::*;

use super::*;

fn topic_id() -> TopicId {
    TopicId::from_wire([7; 16]).unwrap()
}

fn topic() -> TopicName {
    TopicName::parse("ab").unwrap()
}

fn partition() -> PartitionRecord {
    let broker = |id| BrokerId::from_wire(id).unwrap();
    PartitionRecord {
        partition: PartitionIndex::from_wire(5).unwrap(),
        topic_id: topic_id(),
        replicas: vec![(broker(1), [8; 16]), (broker(2), [9; 16])],
        leader_epoch: LeaderEpoch::from_wire(4).unwrap(),
    }
}

/// Encodes to exactly these bytes, and back.
fn check(record: &MetadataRecord, expected: &[u8]) {
    assert_eq!(record.encode(), expected);
    assert_eq!(MetadataRecord::decode(expected).as_ref(), Ok(record));
}

#[test]
fn a_feature_level_is_name_and_level() {
    let record = MetadataRecord::FeatureLevel { name: "mv".to_owned(), level: 22 };
    check(&record, &[1, 12, 0, 3, b'm', b'v', 0, 22, 0]);
}

#[test]
fn a_topic_is_name_and_id() {
    let record = MetadataRecord::Topic { name: topic(), topic_id: topic_id() };
    check(&record, &[&[1, 2, 0, 3, b'a', b'b'][..], &[7; 16], &[0]].concat());
}

#[test]
fn a_config_may_have_no_value() {
    let resource = ConfigResource::Topic(topic());
    let value = Some("v".to_owned());
    let record = MetadataRecord::Config { resource, name: "k".to_owned(), value };
    check(&record, &[1, 4, 0, 2, 3, b'a', b'b', 2, b'k', 2, b'v', 0]);
    let resource = ConfigResource::Broker(String::new());
    let record = MetadataRecord::Config { resource, name: "k".to_owned(), value: None };
    check(&record, &[1, 4, 0, 4, 1, 2, b'k', 0, 0]);
}

#[test]
fn a_partition_has_all_replicas_in_sync_and_the_first_one_leads() {
    let brokers = [3, 0, 0, 0, 1, 0, 0, 0, 2];
    let mut expected = vec![1, 3, 1, 0, 0, 0, 5];
    expected.extend([7; 16]);
    expected.extend(brokers);
    expected.extend(brokers);
    expected.extend([1, 1]);
    expected.extend([0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0]);
    expected.push(3);
    expected.extend([8; 16]);
    expected.extend([9; 16]);
    expected.push(0);
    check(&MetadataRecord::Partition(partition()), &expected);
}

#[test]
fn producer_ids_belong_to_no_broker() {
    let next_producer_id = ProducerId::from_wire(258).unwrap();
    let record = MetadataRecord::ProducerIds { next_producer_id };
    let expected = [&[1, 15, 0][..], &[0xff; 12], &[0, 0, 0, 0, 0, 0, 1, 2, 0]].concat();
    check(&record, &expected);
}

#[test]
fn a_rule_is_who_may_do_what_with_which_resource() {
    let record = MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
        id: [6; 16],
        resource_type: 2,
        resource_name: "ab".to_owned(),
        pattern_type: 3,
        principal: "U:a".to_owned(),
        host: "*".to_owned(),
        operation: 4,
        permission_type: 2,
    });
    let parts = [2, 3, b'a', b'b', 3, 4, b'U', b':', b'a', 2, b'*', 4, 2, 0];
    check(&record, &[&[1, 18, 0][..], &[6; 16], &parts].concat());
}

#[test]
fn records_we_never_write_are_refused() {
    let unknown = MetadataRecordError::Unknown { frame: 1, api_key: 12, version: 1 };
    assert_eq!(MetadataRecord::decode(&[1, 12, 1, 0]), Err(unknown));
    let unknown = MetadataRecordError::Unknown { frame: 0, api_key: 12, version: 0 };
    assert_eq!(MetadataRecord::decode(&[0, 12, 0, 0]), Err(unknown));
    let tagged = MetadataRecord::decode(&[1, 12, 0, 3, b'm', b'v', 0, 22, 1]);
    assert_eq!(tagged, Err(field("tagged field")));
    let longer = MetadataRecord::decode(&[1, 12, 0, 3, b'm', b'v', 0, 22, 0, 9]);
    assert_eq!(longer, Err(MetadataRecordError::TrailingBytes { bytes: 1 }));
}

#[test]
fn every_cut_is_refused() {
    let bytes = MetadataRecord::Partition(partition()).encode();
    for cut in 0..bytes.len() {
        let refused = MetadataRecord::decode(&bytes[..cut]);
        assert_eq!(refused, Err(CursorError::Incomplete.into()), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        key in 0..20_u8,
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        for version in 0..2 {
            let _ = MetadataRecord::decode(&[&[1, key, version][..], &bytes].concat());
        }
    }
}
