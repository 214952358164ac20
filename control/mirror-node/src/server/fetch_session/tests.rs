use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use kafka_protocol::protocol::StrBytes;

use super::*;

const VERSION: i16 = 12;

fn sessions(sessions_max: usize, partitions_max: usize) -> FetchSessions {
    let limits = ServerLimits {
        fetch_sessions_max: sessions_max,
        fetch_session_partitions_max: partitions_max,
        ..ServerLimits::default()
    };
    FetchSessions::new(&limits)
}

fn request(session_id: i32, session_epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let asked = partitions.iter().map(|(index, offset)| {
        FetchPartition::default().with_partition(*index).with_fetch_offset(*offset)
    });
    let topic = FetchTopic::default()
        .with_topic(StrBytes::from_static_str("orders").into())
        .with_partitions(asked.collect());
    let topics = if partitions.is_empty() { Vec::new() } else { vec![topic] };
    FetchRequest::default()
        .with_session_id(session_id)
        .with_session_epoch(session_epoch)
        .with_topics(topics)
}

fn offsets(plan: &FetchPlan) -> Vec<(i32, i64)> {
    plan.partitions.iter().map(|(asked, _)| (asked.index, asked.offset)).collect()
}

/// What comes of a request that is planned at once.
fn begin(
    sessions: &mut FetchSessions,
    asked: &FetchRequest,
    version: i16,
    now: Instant,
) -> Result<FetchPlan, ResponseError> {
    let begun = sessions.begin(asked, version, now)?;
    let count = begun.partition_count();
    let plan = sessions.plan(begun)?;
    assert_eq!(plan.partitions.len(), count);
    Ok(plan)
}

#[test]
fn a_session_remembers_what_was_asked_and_takes_changes() {
    let mut sessions = sessions(10, 100);
    let now = Instant::now();
    let opened = begin(&mut sessions, &request(0, 0, &[(0, 5), (1, 7)]), VERSION, now).unwrap();
    assert!(opened.session_id > 0);
    assert!(!opened.is_incremental);
    let id = opened.session_id;
    let next = begin(&mut sessions, &request(id, 1, &[(1, 9), (2, 1)]), VERSION, now).unwrap();
    assert!(next.is_incremental);
    assert_eq!(offsets(&next), [(0, 5), (1, 9), (2, 1)]);
    let forgotten = ForgottenTopic::default()
        .with_topic(StrBytes::from_static_str("orders").into())
        .with_partitions(vec![0, 9]);
    let asked = request(id, 2, &[]).with_forgotten_topics_data(vec![forgotten]);
    let next = begin(&mut sessions, &asked, VERSION, now).unwrap();
    assert_eq!(offsets(&next), [(1, 9), (2, 1)]);
}

#[test]
fn ids_cannot_be_told_from_others_nor_from_those_of_another_start() {
    let first_ids = || {
        let mut sessions = sessions(10, 100);
        let mut open = || begin(&mut sessions, &request(0, 0, &[(0, 0)]), VERSION, Instant::now());
        [open().unwrap().session_id, open().unwrap().session_id]
    };
    let (ids, others) = (first_ids(), first_ids());
    assert!(ids.iter().chain(&others).all(|id| *id > 0));
    assert_ne!(ids[0] + 1, ids[1]);
    assert_ne!(ids, others);
}

#[test]
fn partitions_with_records_are_served_last_the_next_time() {
    let mut sessions = sessions(10, 100);
    let now = Instant::now();
    let id =
        begin(&mut sessions, &request(0, 0, &[(0, 0), (1, 0)]), VERSION, now).unwrap().session_id;
    let topic = AskedTopic::Name(TopicName::parse("orders").unwrap());
    let told = Told { high_watermark: 3, log_start: 0 };
    let what = [(&topic, 0, told, true), (&topic, 1, told, false)];
    sessions.note_told(id, what.into_iter());
    let next = begin(&mut sessions, &request(id, 1, &[]), VERSION, now).unwrap();
    assert_eq!(offsets(&next), [(1, 0), (0, 0)]);
    assert_eq!(next.partitions[0].1, Some(told));
}

#[test]
fn wrong_ids_and_epochs_make_the_client_start_over() {
    let mut sessions = sessions(10, 100);
    let now = Instant::now();
    let id = begin(&mut sessions, &request(0, 0, &[(0, 0)]), VERSION, now).unwrap().session_id;
    let mut refused = |id, epoch, version| {
        begin(&mut sessions, &request(id, epoch, &[]), version, now).unwrap_err()
    };
    assert_eq!(refused(id + 1, 1, VERSION), ResponseError::FetchSessionIdNotFound);
    assert_eq!(refused(id, 2, VERSION), ResponseError::InvalidFetchSessionEpoch);
    assert_eq!(refused(id, 1, 13), ResponseError::FetchSessionTopicIdError);
}

#[test]
fn what_cannot_be_a_topics_name_is_copied_once_and_kept_in_no_session() {
    let mut sessions = sessions(10, 100);
    let now = Instant::now();
    let long = StrBytes::from_string("../".repeat(10_000));
    let misnamed = |mut asked: FetchRequest| {
        asked.topics[0].topic = long.clone().into();
        asked
    };
    let asked = misnamed(request(0, 0, &[(0, 0), (1, 0)]));
    let opened = begin(&mut sessions, &asked, VERSION, now).unwrap();
    let names: Vec<&Arc<str>> =
        opened.partitions.iter().map(|(asked, _)| bad_name(asked)).collect();
    assert!(Arc::ptr_eq(names[0], names[1]));
    assert_eq!((opened.session_id, sessions.sessions.len()), (0, 0));
    let id = begin(&mut sessions, &request(0, 0, &[(0, 0)]), VERSION, now).unwrap().session_id;
    let asked = misnamed(request(id, 1, &[(7, 0)]));
    let next = begin(&mut sessions, &asked, VERSION, now).unwrap();
    assert_eq!((next.session_id, offsets(&next)), (id, vec![(7, 0), (0, 0)]));
    let refused = begin(&mut sessions, &request(id, 2, &[]), VERSION, now).unwrap_err();
    assert_eq!(refused, ResponseError::FetchSessionIdNotFound);
    assert_eq!(sessions.partition_count, 0);
}

fn bad_name(asked: &AskedPartition) -> &Arc<str> {
    match &asked.topic {
        AskedTopic::BadName(BadTopicName(name)) => name,
        other => panic!("{other:?} is a name"),
    }
}

#[test]
fn an_ended_session_is_gone() {
    let mut sessions = sessions(10, 100);
    let now = Instant::now();
    let id = begin(&mut sessions, &request(0, 0, &[(0, 0)]), VERSION, now).unwrap().session_id;
    let last = begin(&mut sessions, &request(id, -1, &[(0, 0)]), VERSION, now).unwrap();
    assert_eq!((last.session_id, offsets(&last)), (0, vec![(0, 0)]));
    let refused = begin(&mut sessions, &request(id, 1, &[]), VERSION, now).unwrap_err();
    assert_eq!(refused, ResponseError::FetchSessionIdNotFound);
    assert_eq!(sessions.partition_count, 0);
}

#[test]
fn a_flood_of_sessions_gets_none_and_ends_none_in_use() {
    let mut sessions = sessions(2, 100);
    let now = Instant::now();
    let mut open = |now| begin(&mut sessions, &request(0, 0, &[(0, 0)]), VERSION, now).unwrap();
    let (first, second) = (open(now).session_id, open(now).session_id);
    assert!(first > 0 && second > 0);
    assert_eq!(open(now + Duration::from_secs(1)).session_id, 0);
    // The first one is silent for two minutes, the second one is not.
    let later = now + SILENT_MIN;
    begin(&mut sessions, &request(second, 1, &[]), VERSION, later).unwrap();
    let mut open = |now| begin(&mut sessions, &request(0, 0, &[(0, 0)]), VERSION, now).unwrap();
    assert!(open(later).session_id > 0);
    assert!(begin(&mut sessions, &request(second, 2, &[]), VERSION, later).is_ok());
    let refused = begin(&mut sessions, &request(first, 1, &[]), VERSION, later).unwrap_err();
    assert_eq!(refused, ResponseError::FetchSessionIdNotFound);
}

#[test]
fn partitions_of_all_sessions_are_limited() {
    let mut sessions = sessions(10, 3);
    let now = Instant::now();
    let opened = begin(&mut sessions, &request(0, 0, &[(0, 0), (1, 0)]), VERSION, now).unwrap();
    assert!(opened.session_id > 0);
    let second = begin(&mut sessions, &request(0, 0, &[(0, 0), (1, 0)]), VERSION, now).unwrap();
    assert_eq!(second.session_id, 0);
    let id = opened.session_id;
    let grown = begin(&mut sessions, &request(id, 1, &[(2, 0), (3, 0)]), VERSION, now).unwrap();
    assert_eq!(grown.partitions.len(), 4);
    assert_eq!(sessions.partition_count, 0);
}

#[test]
fn a_request_keeps_nothing_of_its_session_and_of_empty_topics_before_it_is_planned() {
    let mut sessions = sessions(10, 100);
    let now = Instant::now();
    let id =
        begin(&mut sessions, &request(0, 0, &[(0, 0), (1, 0)]), VERSION, now).unwrap().session_id;
    let empty = FetchTopic::default().with_topic(StrBytes::from_static_str("empty").into());
    let asked = request(id, 1, &[]).with_topics(vec![empty; 1000]);
    let begun = sessions.begin(&asked, VERSION, now).unwrap();
    assert_eq!((begun.partitions.capacity(), begun.partition_count()), (0, 2));
    assert_eq!(offsets(&sessions.plan(begun).unwrap()), [(0, 0), (1, 0)]);
}

#[test]
fn who_waits_for_room_while_the_session_is_used_starts_over() {
    let mut sessions = sessions(10, 100);
    let now = Instant::now();
    let id = begin(&mut sessions, &request(0, 0, &[(0, 0)]), VERSION, now).unwrap().session_id;
    let first = sessions.begin(&request(id, 1, &[]), VERSION, now).unwrap();
    let second = sessions.begin(&request(id, 2, &[(1, 0)]), VERSION, now).unwrap();
    let refused = sessions.plan(first).unwrap_err();
    assert_eq!(refused, ResponseError::InvalidFetchSessionEpoch);
    sessions.begin(&request(id, -1, &[]), VERSION, now).unwrap();
    let refused = sessions.plan(second).unwrap_err();
    assert_eq!(refused, ResponseError::FetchSessionIdNotFound);
}
