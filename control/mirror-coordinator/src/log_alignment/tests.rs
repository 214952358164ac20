use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribedMirror, DescribedPartition, DescribedTopic,
};
use kafka_wire::mirror_api::list_cluster_mirrors::ListedMirror;
use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::{PartitionIndex, TopicName};

use super::{AlignmentCut, PeerMirrors, confirmation_failure};
use crate::mirror_position::MirrorPosition;
use crate::retry::RetryClass;
use crate::topic_prefix::TopicPrefix;

const OURS: &str = "cluster-of-ours";

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn range(start: i64, end: i64) -> (LogStartOffset, LogEndOffset) {
    (LogStartOffset::new(offset(start)), LogEndOffset::new(offset(end)))
}

/// Where an epoch ends in a log with these first offsets of epochs, as a log's history says it.
fn end_in(epochs: &[(i32, i64)], asked: SourceLeaderEpoch) -> Option<Offset> {
    let above = epochs.iter().find(|(epoch, _)| *epoch > asked.get())?;
    Some(offset(above.1))
}

fn cut(position: (i32, i64), log: (i64, i64), epochs: &[(i32, i64)]) -> AlignmentCut {
    let position = MirrorPosition::from_wire(position.0, position.1);
    let (start, end) = range(log.0, log.1);
    AlignmentCut::after(position, start, end, |asked| end_in(epochs, asked))
}

#[test]
fn without_a_position_the_log_starts_anew() {
    assert_eq!(cut((-1, -1), (0, 8), &[(0, 0)]), AlignmentCut::StartAt(Offset::ZERO));
    assert_eq!(cut((-1, -1), (5, 8), &[(0, 5)]), AlignmentCut::StartAt(Offset::ZERO));
    assert_eq!(cut((-1, -1), (0, 0), &[]), AlignmentCut::Keep);
    // An empty log that starts later would miss what the source has below.
    assert_eq!(cut((-1, -1), (5, 5), &[]), AlignmentCut::StartAt(Offset::ZERO));
}

#[test]
fn epochs_above_the_last_mirrored_one_are_cut() {
    let epochs = [(0, 0), (1, 3), (4, 6)];
    assert_eq!(cut((1, -1), (0, 9), &epochs), AlignmentCut::TruncateTo(offset(6)));
    assert_eq!(cut((3, 9), (0, 9), &epochs), AlignmentCut::TruncateTo(offset(6)));
    assert_eq!(cut((4, 9), (0, 9), &epochs), AlignmentCut::Keep);
    assert_eq!(cut((7, 9), (0, 9), &epochs), AlignmentCut::Keep);
}

#[test]
fn x21_what_the_old_primary_wrote_on_in_the_same_epoch_is_cut_at_the_last_mirrored_offset() {
    // Worked example of the proposal: A has epochs 0 and 1, two records more in epoch 1.
    assert_eq!(cut((1, 6), (0, 8), &[(0, 0), (1, 3)]), AlignmentCut::TruncateTo(offset(6)));
}

#[test]
fn a_log_that_ends_before_the_position_is_kept() {
    assert_eq!(cut((1, 60), (0, 8), &[(0, 0), (1, 3)]), AlignmentCut::Keep);
    assert_eq!(cut((1, 8), (0, 8), &[(0, 0), (1, 3)]), AlignmentCut::Keep);
}

#[test]
fn an_empty_mirror_trusts_nothing_but_an_empty_log() {
    assert_eq!(cut((-1, 0), (0, 8), &[(0, 0)]), AlignmentCut::TruncateTo(Offset::ZERO));
    assert_eq!(cut((-1, 0), (0, 0), &[]), AlignmentCut::Keep);
}

#[test]
fn a_position_below_our_start_starts_the_log_there() {
    assert_eq!(cut((1, 3), (5, 8), &[(1, 5)]), AlignmentCut::StartAt(offset(3)));
    assert_eq!(cut((0, 3), (5, 8), &[(1, 5)]), AlignmentCut::StartAt(offset(3)));
}

#[test]
fn h18_only_records_that_no_one_else_has_need_a_confirmation() {
    let empty = MirrorPosition::EMPTY;
    let known = MirrorPosition::from_wire(0, 3);
    let needs = |position, log: (i64, i64), mirrored| {
        let (start, end) = range(log.0, log.1);
        AlignmentCut::needs_confirmation(position, start, end, mirrored)
    };
    assert!(needs(empty, (0, 8), false));
    assert!(!needs(empty, (0, 8), true), "mirrored from that peer before");
    assert!(!needs(empty, (8, 8), false), "nothing to lose");
    assert!(!needs(known, (0, 8), false), "the source knows where we were");
    let (start, end) = range(2, 8);
    let topic = TopicName::parse("t").unwrap();
    let failure = confirmation_failure(&topic, PartitionIndex::default(), start, end);
    assert_eq!(failure.class, RetryClass::NonRetryable);
    assert!(failure.reason.starts_with("t-0 holds offsets 2 to 8"), "{}", failure.reason);
}

fn listed(name: &str, source: &str, topics: &[&str]) -> ListedMirror {
    ListedMirror {
        mirror_name: name.to_owned(),
        source_bootstrap: String::new(),
        source_cluster_id: source.to_owned(),
        topic_count: 0,
        topic_names: Some(topics.iter().map(|topic| (*topic).to_owned()).collect()),
    }
}

/// A mirror with topic `t`: states and positions of its partitions from 0.
fn described(name: &str, source: Option<&str>, partitions: &[(&str, i32, i64)]) -> DescribedMirror {
    let partition =
        |(index, (state, epoch, offset)): (usize, &(&str, i32, i64))| DescribedPartition {
            partition_index: i32::try_from(index).unwrap(),
            state_value: (*state).to_owned(),
            error_message: None,
            retry_attempt: 0,
            source_offset: -1,
            destination_offset: -1,
            last_mirror_epoch: *epoch,
            last_mirror_offset: *offset,
            lag_ms: -1,
            measured_age_ms: -1,
        };
    let partitions = partitions.iter().enumerate().map(partition).collect();
    let topic = DescribedTopic { topic_name: "t".to_owned(), partitions };
    DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: name.to_owned(),
        source_bootstrap: None,
        source_cluster_id: source.map(str::to_owned),
        authorized_operations: i32::MIN,
        topics: vec![topic],
        syncs: Vec::new(),
    }
}

/// What the answers say of partition 0 of `t`.
fn judged(listed: &[ListedMirror], described: &[DescribedMirror]) -> Result<(i32, i64), String> {
    let peer = PeerMirrors::read(OURS, listed, described);
    let topic = TopicName::parse("t").unwrap();
    match peer.position_of(&topic, PartitionIndex::default()) {
        Ok(position) => Ok((position.wire_epoch(), position.wire_offset())),
        Err(failure) => {
            assert_eq!(failure.class, RetryClass::Retryable);
            Err(failure.reason)
        }
    }
}

#[test]
fn a_source_that_mirrors_the_topic_from_us_is_a_loop() {
    let mirrors = [listed("back", OURS, &["s", "t"])];
    let reason = judged(&mirrors, &[]).unwrap_err();
    assert!(reason.starts_with("Detected mirror loop for mirror: back"), "{reason}");
    assert!(reason.contains("failover --mirror back --topics t"), "{reason}");
    let silent = PeerMirrors::silent(OURS, &mirrors, "broker 3 is gone");
    let topic = |text| TopicName::parse(text).unwrap();
    assert_eq!(silent.loop_of(&topic("t")), Some(reason), "known, although nothing else is");
    assert_eq!(silent.loop_of(&topic("u")), None);
}

#[test]
fn other_topics_and_other_sources_are_no_loop() {
    let mirrors = [listed("a", OURS, &["s"]), listed("b", "elsewhere", &["t"])];
    assert_eq!(judged(&mirrors, &[]), Ok((-1, -1)));
}

#[test]
fn a_partition_that_the_source_has_not_stopped_is_named_with_its_mirror() {
    for state in ["MIRRORING", "STOPPING", "FAILED", "PAUSED", "LOG_ALIGNMENT"] {
        let mirrors = [described("back", Some(OURS), &[(state, 2, 40)])];
        let reason = judged(&[], &mirrors).unwrap_err();
        assert!(reason.contains(&format!("back ({state})")), "{reason}");
    }
}

#[test]
fn the_position_is_the_largest_of_all_mirrors_and_brokers_that_have_us_as_their_source() {
    let mirrors = [
        described("back", Some(OURS), &[("STOPPED", 2, 40)]),
        described("back", Some(OURS), &[("UNKNOWN", -1, -1)]),
        described("older", Some(OURS), &[("STOPPED", 1, 90)]),
        described("foreign", Some("elsewhere"), &[("MIRRORING", 9, 99)]),
        described("new", None, &[("MIRRORING", 9, 99)]),
    ];
    assert_eq!(judged(&[], &mirrors), Ok((2, 40)));
}

#[test]
fn a_source_that_knows_no_mirrors_or_has_none_means_from_scratch() {
    assert_eq!(judged(&[], &[]), Ok((-1, -1)));
    assert_eq!(judged(&[], &[described("back", Some(OURS), &[])]), Ok((-1, -1)));
}

#[test]
fn a_source_that_does_not_tell_where_mirroring_ended_is_no_empty_position() {
    let silent = PeerMirrors::silent(OURS, &[], "broker 3 is gone");
    let topic = TopicName::parse("t").unwrap();
    let failure = silent.position_of(&topic, PartitionIndex::default()).unwrap_err();
    assert!(failure.reason.contains("broker 3 is gone"), "{}", failure.reason);
    assert_eq!(failure.class, RetryClass::Retryable);
    assert_eq!(silent.silence(), Some(failure.reason.as_str()));
    assert_eq!(PeerMirrors::read(OURS, &[], &[]).silence(), None);
}

#[test]
fn a_position_of_another_topic_of_the_same_name_is_none_of_ours() {
    let mirrors = [described("back", Some(OURS), &[("STOPPED", 2, 40)])];
    let topic = |text| TopicName::parse(text).unwrap();
    let others = [(topic("t"), "t was made anew".to_owned())];
    let peer = PeerMirrors::read(OURS, &[], &mirrors).with_others(others.into());
    let failure = peer.position_of(&topic("t"), PartitionIndex::default()).unwrap_err();
    assert_eq!(
        (failure.reason.as_str(), failure.class),
        ("t was made anew", RetryClass::Retryable)
    );
    let other = peer.position_of(&topic("u"), PartitionIndex::default());
    assert_eq!(other, Ok(MirrorPosition::EMPTY));
}

#[test]
fn a_mirror_that_the_source_cannot_describe_is_no_empty_position() {
    let mut mirror = described("back", Some(OURS), &[("STOPPED", 2, 40)]);
    mirror.error_code = 31;
    let reason = judged(&[], &[mirror]).unwrap_err();
    assert!(reason.contains("back") && reason.contains("error 31"), "{reason}");
}

#[test]
fn a_source_is_asked_for_the_name_that_it_has_for_a_topic() {
    let described = [described("back", Some(OURS), &[("STOPPED", 3, 40)])];
    let followed = [listed("again", OURS, &["s"])];
    let peer = PeerMirrors::read(OURS, &followed, &described);
    let peer = peer.under(TopicPrefix::parse("a.").unwrap());
    let position = |name| {
        let topic = TopicName::parse(name).unwrap();
        peer.position_of(&topic, PartitionIndex::default())
    };
    assert_eq!(position("a.t"), Ok(MirrorPosition::from_wire(3, 40)));
    assert_eq!(position("t"), Ok(MirrorPosition::EMPTY), "none of this mirror");
    assert!(position("a.s").unwrap_err().reason.contains("mirror loop"));
}
