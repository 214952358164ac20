use std::collections::BTreeMap;

use kafka_wire::partition::{TopicId, TopicName};

use super::{DirectoryState, DirectoryStateError, MirrorTopic};

fn state() -> DirectoryState {
    let topic = MirrorTopic {
        topic_id: TopicId::from_wire([9; 16]).unwrap(),
        source_has_topic_ids: true,
        partition_count: 3,
        configs: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    DirectoryState {
        source_cluster_id: Some("abc".to_owned()),
        topics: BTreeMap::from([(TopicName::parse("orders").unwrap(), topic)]),
    }
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(DirectoryState::parse(&state().encode()).unwrap(), state());
    let empty = DirectoryState::default();
    assert_eq!(DirectoryState::parse(&empty.encode()).unwrap(), empty);
}

#[test]
fn a_newer_format_is_refused_whatever_else_it_holds() {
    let newer = br#"{"format_version": 2, "galaxies": []}"#;
    let error = DirectoryState::parse(newer).unwrap_err();
    assert!(matches!(error, DirectoryStateError::Newer { found: 2 }), "{error}");
}

#[test]
fn anything_else_is_malformed() {
    let text = String::from_utf8(state().encode()).unwrap();
    for (from, to) in [
        ("orders", "../orders"),
        ("\"partitions\": 3", "\"partitions\": -3"),
        ("\"partitions\": 3", "\"parts\": 3"),
        ("CQkJCQkJCQkJCQkJCQkJCQ", "short"),
        ("{", ""),
    ] {
        assert!(text.contains(from), "{from}");
        let broken = text.replace(from, to);
        let error = DirectoryState::parse(broken.as_bytes()).unwrap_err();
        assert!(matches!(error, DirectoryStateError::Malformed { .. }), "{to}: {error}");
    }
    assert!(DirectoryState::parse(b"").is_err());
    assert!(DirectoryState::parse(&[0xff; 9]).is_err());
}
