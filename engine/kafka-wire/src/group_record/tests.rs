use proptest::prelude::*;

use super::*;
use crate::epoch::SourceLeaderEpoch;
use crate::offset::Offset;
use crate::partition::TopicId;
use crate::test_hex::hex;

mod golden;

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn index(raw: i32) -> PartitionIndex {
    PartitionIndex::from_wire(raw).unwrap()
}

fn offset_key() -> CommittedOffsetKey {
    CommittedOffsetKey { group: "g".to_owned(), topic: topic("t"), partition: index(2) }
}

fn committed() -> CommittedOffsetValue {
    CommittedOffsetValue {
        offset: Offset::from_wire(0x1_0203).unwrap(),
        leader_epoch: None,
        metadata: "m".to_owned(),
        commit_timestamp_ms: 5,
        expire_timestamp_ms: None,
        topic_id: None,
    }
}

fn member() -> GroupMember {
    GroupMember { group: "g".to_owned(), member_id: "a".to_owned() }
}

fn topic_id() -> TopicId {
    TopicId::from_wire([9; 16]).unwrap()
}

fn partitions(assignment_epochs: Option<Vec<i32>>) -> Vec<AssignedPartitions> {
    let partitions = vec![index(0), index(7)];
    vec![AssignedPartitions { topic_id: topic_id(), partitions, assignment_epochs }]
}

fn classic_group() -> ClassicGroupValue {
    let member = ClassicGroupMember {
        member_id: "a".to_owned(),
        group_instance_id: Some("one".to_owned()),
        client_id: "c".to_owned(),
        client_host: "/h".to_owned(),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        subscription: vec![1, 2, 3],
        assignment: vec![4],
    };
    ClassicGroupValue {
        protocol_type: "consumer".to_owned(),
        generation: 4,
        protocol: Some("range".to_owned()),
        leader: Some("a".to_owned()),
        current_state_timestamp_ms: 6,
        members: vec![member],
    }
}

/// One record of every kind with a value.
fn records() -> Vec<GroupRecord> {
    let protocol = ClassicProtocol { name: "range".to_owned(), metadata: vec![0, 3] };
    let classic = ClassicMember { session_timeout_ms: 45_000, protocols: vec![protocol] };
    let value = MemberValue {
        instance_id: Some("one".to_owned()),
        rack_id: None,
        client_id: "c".to_owned(),
        client_host: "/h".to_owned(),
        subscribed_topic_names: vec!["t".to_owned(), "u".to_owned()],
        subscribed_topic_regex: Some("t.*".to_owned()),
        rebalance_timeout_ms: 300_000,
        server_assignor: Some("uniform".to_owned()),
        classic: Some(classic),
    };
    let current = CurrentAssignmentValue {
        member_epoch: 8,
        previous_member_epoch: 7,
        state: 1,
        assigned: partitions(Some(vec![8, 6])),
        pending_revocation: partitions(None),
    };
    let target = TargetAssignmentValue { assignment_epoch: 8, assignment_timestamp_ms: 99 };
    let expression = GroupExpression { group: "g".to_owned(), expression: "t.*".to_owned() };
    let topics = vec!["t".to_owned()];
    let unknown = UnknownRecord { kind: 17, key: vec![0, 1, b'g'], value: Some(vec![0, 0, 9]) };
    vec![
        GroupRecord::CommittedOffset(offset_key(), Some(committed())),
        GroupRecord::ClassicGroup("g".to_owned(), Some(classic_group())),
        GroupRecord::ConsumerGroup(
            "g".to_owned(),
            Some(ConsumerGroupValue { epoch: 8, metadata_hash: -5 }),
        ),
        GroupRecord::PartitionMetadata("g".to_owned(), Some(vec![0, 0, 1, 0])),
        GroupRecord::Member(member(), Some(value)),
        GroupRecord::TargetAssignment("g".to_owned(), Some(target)),
        GroupRecord::TargetMember(
            member(),
            Some(TargetMemberValue { partitions: partitions(None) }),
        ),
        GroupRecord::CurrentAssignment(member(), Some(current)),
        GroupRecord::RegularExpression(
            expression,
            Some(RegularExpressionValue { topics, version: 12, timestamp_ms: 99 }),
        ),
        GroupRecord::ShareGroup(
            "g".to_owned(),
            Some(ShareGroupValue { epoch: 3, metadata_hash: -9 }),
        ),
        GroupRecord::SharePartitions(
            "g".to_owned(),
            Some(SharePartitionsValue {
                initializing: Vec::new(),
                initialized: vec![SharedTopic {
                    topic_id: topic_id(),
                    name: topic("t"),
                    partitions: vec![index(0), index(7)],
                }],
                deleting: vec![(topic_id(), topic("u"))],
            }),
        ),
        GroupRecord::Unknown(unknown),
    ]
}

fn decode(record: &EncodedGroupRecord) -> Result<GroupRecord, GroupRecordError> {
    GroupRecord::decode(&record.key, record.value.as_deref())
}

#[test]
fn every_record_comes_back_as_it_was_written() {
    for record in records() {
        let written = record.encode().unwrap();
        assert_eq!(decode(&written), Ok(record));
        let deleted = GroupRecord::decode(&written.key, None).unwrap();
        let written_again = deleted.encode().unwrap();
        assert_eq!(written_again, EncodedGroupRecord { key: written.key, value: None });
    }
}

#[test]
fn a_record_cut_anywhere_or_longer_is_refused() {
    for record in records() {
        // Unknown things have no end of their own.
        let (key_ends, value_ends) = match record {
            GroupRecord::Unknown(_) => (false, false),
            GroupRecord::PartitionMetadata(..) => (true, false),
            _ => (true, true),
        };
        let EncodedGroupRecord { key, value } = record.encode().unwrap();
        let value = value.unwrap();
        for length in 0..key.len() {
            let refused = GroupRecord::decode(&key[..length], Some(&value)).is_err();
            assert!(refused || !key_ends, "key of {length} bytes of {record:?}");
        }
        for length in 0..value.len() {
            let refused = GroupRecord::decode(&key, Some(&value[..length])).is_err();
            assert!(refused || !value_ends, "value of {length} bytes of {record:?}");
        }
        let longer = GroupRecord::decode(&key, Some(&[&value[..], &[0]].concat()));
        let part = "value";
        if value_ends {
            assert_eq!(longer, Err(GroupRecordError(FieldError::TrailingBytes { part, bytes: 1 })));
        }
    }
}

#[test]
fn committed_offsets_are_written_as_the_version_that_can_say_them() {
    let record = GroupRecord::CommittedOffset(offset_key(), Some(committed()));
    let written = record.encode().unwrap();
    assert_eq!(written.key, hex("0001 000167 000174 00000002"));
    let value = hex("0003 0000000000010203 ffffffff 00016d 0000000000000005");
    assert_eq!(written.value, Some(value));
    let expiring = CommittedOffsetValue { expire_timestamp_ms: Some(7), ..committed() };
    let value = hex("0001 0000000000010203 00016d 0000000000000005 0000000000000007");
    assert_eq!(expiring.encode(), Ok(value.clone()));
    assert_eq!(CommittedOffsetValue::decode(&value), Ok(expiring));
    let with_id = CommittedOffsetValue { topic_id: Some(topic_id()), ..committed() };
    let id = "09".repeat(16);
    let value = hex(&format!("0004 0000000000010203 ffffffff 026d 0000000000000005 01 0010 {id}"));
    assert_eq!(with_id.encode(), Ok(value));
}

#[test]
fn committed_offsets_are_read_in_every_version() {
    let epoch = SourceLeaderEpoch::from_wire(4);
    let with_id =
        CommittedOffsetValue { leader_epoch: epoch, topic_id: Some(topic_id()), ..committed() };
    let with_epoch = CommittedOffsetValue { leader_epoch: epoch, ..committed() };
    let id = "09".repeat(16);
    for (value, expected) in [
        ("0000 0000000000010203 00016d 0000000000000005", committed()),
        ("0001 0000000000010203 00016d 0000000000000005 ffffffffffffffff", committed()),
        ("0002 0000000000010203 00016d 0000000000000005", committed()),
        ("0003 0000000000010203 00000004 00016d 0000000000000005", with_epoch.clone()),
        ("0004 0000000000010203 00000004 026d 0000000000000005 00", with_epoch),
        // A tag nobody knows yet stands behind that of the topic id.
        (
            &format!("0004 0000000000010203 00000004 026d 0000000000000005 02 0010 {id} 0501ff"),
            with_id,
        ),
    ] {
        for kind in ["0000", "0001"] {
            let key = hex(&format!("{kind} 000167 000174 00000002"));
            let record = GroupRecord::decode(&key, Some(&hex(value)));
            let expected = GroupRecord::CommittedOffset(offset_key(), Some(expected.clone()));
            assert_eq!(record, Ok(expected), "{value}");
        }
    }
}

#[test]
fn classic_groups_are_written_as_version_3_and_read_in_every_version() {
    let group = classic_group();
    let text = "0008 636f6e73756d6572 00000004 0005 72616e6765 000161";
    let tail = "0000afc8 00000003 010203 00000001 04";
    let written = format!(
        "0003 {text} 0000000000000006 00000001 000161 0003 6f6e65 000163 0002 2f68 000493e0 {tail}"
    );
    assert_eq!(group.encode(), Ok(hex(&written)));
    let version_2 =
        format!("0002 {text} 0000000000000006 00000001 000161 000163 0002 2f68 000493e0 {tail}");
    let version_1 = format!("0001 {text} 00000001 000161 000163 0002 2f68 000493e0 {tail}");
    let version_0 = format!("0000 {text} 00000001 000161 000163 0002 2f68 {tail}");
    let version_4 = "0004 09 636f6e73756d6572 00000004 06 72616e6765 0261 0000000000000006 \
        02 0261 04 6f6e65 0263 03 2f68 000493e0 0000afc8 04 010203 02 04 00 00";
    let mut dynamic = group.clone();
    dynamic.members[0].group_instance_id = None;
    let mut undated = dynamic.clone();
    undated.current_state_timestamp_ms = -1;
    let mut oldest = undated.clone();
    oldest.members[0].rebalance_timeout_ms = -1;
    for (value, expected) in [
        (version_0.as_str(), oldest),
        (&version_1, undated),
        (&version_2, dynamic),
        (&written, group.clone()),
        (version_4, group),
    ] {
        assert_eq!(ClassicGroupValue::decode(&hex(value)), Ok(expected), "{value}");
    }
}

#[test]
fn an_empty_classic_group_has_neither_protocol_nor_leader() {
    let empty =
        ClassicGroupValue { protocol: None, leader: None, members: vec![], ..classic_group() };
    let value = hex("0003 0008 636f6e73756d6572 00000004 ffff ffff 0000000000000006 00000000");
    assert_eq!(empty.encode(), Ok(value.clone()));
    assert_eq!(ClassicGroupValue::decode(&value), Ok(empty));
}

#[test]
fn what_a_consumer_group_does_not_know_is_left_out() {
    let group = ConsumerGroupValue { epoch: 3, metadata_hash: 0 };
    assert_eq!(group.encode(), Ok(hex("0000 00000003 00")));
    let hashed = ConsumerGroupValue { epoch: 3, metadata_hash: 1 };
    assert_eq!(hashed.encode(), Ok(hex("0000 00000003 01 00 08 0000000000000001")));
}

#[test]
fn a_member_that_is_not_a_classic_one_says_so() {
    let start = "0000 00 00 0263 032f68 01 00 000493e0 00";
    let said = MemberValue::decode(&hex(&format!("{start} 01 00 01 00"))).unwrap();
    assert_eq!(said.classic, None);
    assert_eq!(said.encode(), Ok(hex(&format!("{start} 01 00 01 00"))));
    assert_eq!(MemberValue::decode(&hex(&format!("{start} 00"))), Ok(said));
    let refused = MemberValue::decode(&hex(&format!("{start} 01 00 01 02")));
    assert_eq!(refused, Err(unexpected("classic member metadata")));
}

#[test]
fn newer_values_and_impossible_fields_are_refused() {
    let refused = |key: &str, value: &str| {
        GroupRecord::decode(&hex(key), Some(&hex(value))).unwrap_err().to_string()
    };
    assert_eq!(
        refused("0001 000167 000174 00000002", "0005 00"),
        "group record has a committed offset of version 5, known are 0 to 4"
    );
    assert_eq!(
        refused("0003 000167", "0001 00000003 00"),
        "group record has a consumer group of version 1, known are 0 to 0"
    );
    assert_eq!(refused("0003 ffff", "0000"), "group record has an unexpected group");
    assert_eq!(refused("0003 0001ff", "0000"), "group record has an unexpected group");
    assert_eq!(
        refused("0001 000167 00012f 00000002", "0003"),
        "group record has an unexpected topic"
    );
    assert_eq!(
        refused("0003 00016700", "0000 00000003 00"),
        "group record has 1 bytes behind its key"
    );
    // Two billion members, and not a byte of them.
    let lie = "0003 0000 00000004 ffff ffff 0000000000000006 7fffffff";
    assert!(refused("0002 000167", lie).starts_with("group record is damaged"));
}

#[test]
fn a_text_too_long_for_its_field_is_refused() {
    let group = "g".repeat(40_000);
    let refused = GroupRecord::ConsumerGroup(group.clone(), None).encode();
    assert_eq!(refused, Err(GroupRecordError(FieldError::TooLong { field: "group" })));
    let value = CommittedOffsetValue { metadata: group, ..committed() };
    let refused = GroupRecord::CommittedOffset(offset_key(), Some(value)).encode();
    assert_eq!(refused, Err(GroupRecordError(FieldError::TooLong { field: "metadata" })));
}

#[test]
fn groups_lie_where_javas_hash_puts_them() {
    // Hash codes as Java has them: one is negative, the last one beyond ASCII.
    for (group, hash) in [
        ("", 0),
        ("g", 103),
        ("billing", -109_829_509_i32),
        ("the quick brown fox", 1_302_335_171),
        ("\u{1f980}", 1_772_802),
    ] {
        let expected = hash.unsigned_abs();
        assert_eq!(partition_of_group(group, 50), expected % 50, "{group}");
        assert_eq!(partition_of_group(group, u32::MAX), expected, "{group}");
    }
}

/// Partitions in which a stock broker of release 4.3.1 looks for these groups, of 50.
#[test]
fn a_group_with_a_negative_hash_lies_where_a_stock_broker_looks_for_it() {
    for (group, partition) in [("idle", 4), ("joined", 13), ("consumer", 22), ("joined-new", 24)] {
        assert_eq!(partition_of_group(group, 50), partition, "{group}");
    }
}

proptest! {
    #[test]
    fn changed_records_are_decoded_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        for record in records() {
            let EncodedGroupRecord { key, value } = record.encode().unwrap();
            let mut bytes = [&key[..], &value.unwrap()].concat();
            for (index, byte) in &changes {
                let position = index.index(bytes.len());
                bytes[position] = *byte;
            }
            let (key, value) = bytes.split_at(key.len());
            if let Ok(taken) = GroupRecord::decode(key, Some(value)) {
                prop_assert_eq!(decode(&taken.encode().unwrap()), Ok(taken));
            }
        }
    }
}
