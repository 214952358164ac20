use std::slice::from_ref;

use super::*;

fn partition(index: i32, state: &str) -> DescribedPartition {
    DescribedPartition {
        partition_index: index,
        state_value: state.to_owned(),
        error_message: None,
        retry_attempt: 0,
        source_offset: -1,
        destination_offset: -1,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        lag_ms: -1,
        measured_age_ms: -1,
    }
}

fn at(index: i32, epoch: i32, offset: i64) -> DescribedPartition {
    let state = partition(index, "STOPPED");
    DescribedPartition { last_mirror_epoch: epoch, last_mirror_offset: offset, ..state }
}

fn mirror(name: &str, topics: &[(&str, Vec<DescribedPartition>)]) -> DescribedMirror {
    let topics = topics.iter().map(|(topic, partitions)| DescribedTopic {
        topic_name: (*topic).to_owned(),
        partitions: partitions.clone(),
    });
    DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: name.to_owned(),
        source_bootstrap: Some("one:9092".to_owned()),
        source_cluster_id: Some("abc".to_owned()),
        authorized_operations: i32::MIN,
        topics: topics.collect(),
        syncs: Vec::new(),
    }
}

fn told(mirrors: &[DescribedMirror]) -> DescribeClusterMirrorsResponse {
    let mirrors = mirrors.to_vec();
    DescribeClusterMirrorsResponse { mirrors, ..DescribeClusterMirrorsResponse::outcome(0, None) }
}

#[test]
fn what_one_broker_knows_wins_over_what_another_does_not() {
    let state = DescribedPartition {
        error_message: Some("gone".to_owned()),
        retry_attempt: 3,
        ..partition(0, "FAILED")
    };
    let offsets = DescribedPartition {
        source_offset: 9,
        destination_offset: 7,
        lag_ms: 50,
        measured_age_ms: 5,
        ..partition(0, "UNKNOWN")
    };
    let both = DescribedPartition {
        source_offset: 9,
        destination_offset: 7,
        lag_ms: 50,
        measured_age_ms: 5,
        ..state.clone()
    };
    let one = told(&[mirror("m", &[("a", vec![state])])]);
    let other = told(&[mirror("m", &[("a", vec![offsets])])]);
    let expected = [mirror("m", &[("a", vec![both])])];
    assert_eq!(merged(vec![one.clone(), other.clone()]), expected);
    assert_eq!(merged(vec![other, one]), expected);
}

#[test]
fn mirrors_topics_and_partitions_of_all_brokers_are_there_once() {
    let of = |index| vec![partition(index, "MIRRORING")];
    let one = told(&[mirror("m", &[("b", of(1)), ("a", of(0))]), mirror("n", &[])]);
    let other = told(&[mirror("l", &[("z", of(3))]), mirror("m", &[("b", of(0)), ("b", of(1))])]);
    let both = vec![partition(0, "MIRRORING"), partition(1, "MIRRORING")];
    let expected =
        [mirror("l", &[("z", of(3))]), mirror("m", &[("a", of(0)), ("b", both)]), mirror("n", &[])];
    assert_eq!(merged(vec![one, other]), expected);
}

#[test]
fn of_two_measurements_the_newer_one_counts() {
    let measured = |lag_ms, measured_age_ms| DescribedPartition {
        lag_ms,
        measured_age_ms,
        ..partition(0, "MIRRORING")
    };
    for (one, other) in [((10, 100), (3, 20)), ((-1, -1), (3, 20)), ((3, 20), (9, 20))] {
        let mirrors =
            [one, other].map(|(lag, age)| told(&[mirror("m", &[("a", vec![measured(lag, age)])])]));
        assert_eq!(merged(mirrors.into()), [mirror("m", &[("a", vec![measured(3, 20)])])]);
    }
}

#[test]
fn a_mirror_that_one_broker_refuses_is_taken_from_another() {
    let refused = DescribedMirror {
        error_code: 137,
        error_message: Some("unknown".to_owned()),
        source_cluster_id: None,
        ..mirror("m", &[])
    };
    let known = mirror("m", &[("a", vec![partition(0, "PAUSED")])]);
    let (one, other) = (told(from_ref(&refused)), told(from_ref(&known)));
    assert_eq!(merged(vec![one.clone(), other.clone()]), from_ref(&known));
    assert_eq!(merged(vec![other, one.clone()]), [known]);
    assert_eq!(merged(vec![one]), [refused]);
}

#[test]
fn a_position_is_the_largest_of_all_brokers_and_mirrors() {
    let one = told(&[mirror("m", &[("a", vec![at(0, 3, 90), at(1, -1, -1)])])]);
    let other = told(&[
        mirror("m", &[("a", vec![at(0, 4, 10)])]),
        mirror("n", &[("a", vec![at(0, 4, 11), at(2, 0, 0), at(3, 5, -1), at(4, -1, 5)])]),
    ]);
    let mirrors = merged(vec![one, other]);
    let positions = last_positions(&mirrors);
    let position = |epoch, offset| ToldPosition { epoch, offset };
    assert_eq!(positions.get(&("a", 0)), Some(&position(4, 11)));
    assert_eq!(positions.get(&("a", 2)), Some(&position(0, 0)));
    assert_eq!(positions.len(), 2, "{positions:?}");
    let held = &mirrors[0].topics[0].partitions[0];
    assert_eq!((held.last_mirror_epoch, held.last_mirror_offset), (4, 10));
}
