//! A node that is asked to end while clients write, read, search and wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use harness::{Ringmirror, TempDir};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, FetchRequest, ListOffsetsRequest, ProduceRequest,
};
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;

use crate::mirrored::SOON;
use crate::node::ends_in_time;
use crate::raw_client::{RawClient, topic_name};

#[test]
fn a_node_under_load_ends_in_time_and_cleanly() -> Result<()> {
    let directory = TempDir::new("load")?;
    let data = directory.join("data");
    for _ in 0..STOPS {
        let mut node = Ringmirror::node(&data).spawn()?;
        let address = node.wait_serving(SOON)?;
        create_topic(&address)?;
        let batch = batch()?;
        let done = [const { AtomicUsize::new(0) }; WORKERS.len()];
        let ended = thread::scope(|scope| {
            for ((work, count), done) in WORKERS.into_iter().zip(&done) {
                for _ in 0..count {
                    let (address, batch) = (&address, &batch);
                    // Each of them ends with its connection.
                    scope.spawn(move || work_on(work, address, batch, done));
                }
            }
            wait_for_all(&done)?;
            ends_in_time(node, &data)
        })?;
        ensure!(!ended.stderr.contains("panicked"), "{ended}");
    }
    Ok(())
}

/// What a client does without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Produce,
    Read,
    Search,
    Wait,
}

/// Every kind, and how many clients do it.
const WORKERS: [(Work, usize); 4] =
    [(Work::Produce, 2), (Work::Read, 24), (Work::Search, 8), (Work::Wait, 24)];

fn work_on(work: Work, address: &str, batch: &[u8], done: &AtomicUsize) -> Result<()> {
    let mut client = RawClient::connect(address)?;
    if work == Work::Wait {
        client.send(&fetch(i32::MAX), FETCH)?;
        done.fetch_add(1, Ordering::AcqRel);
        client.receive::<FetchRequest>(FETCH)?;
        bail!("a fetch of nothing was answered");
    }
    let mut in_flight = 0;
    loop {
        match work {
            Work::Produce => {
                client.send(&produce(batch), PRODUCE)?;
                in_flight += 1;
                if in_flight == IN_FLIGHT {
                    let answer = client.receive::<ProduceRequest>(PRODUCE)?;
                    let part = &answer.responses[0].partition_responses[0];
                    ensure!(part.error_code == 0, "{answer:?}");
                    in_flight -= 1;
                }
            }
            Work::Read | Work::Wait => {
                client.ask(&fetch(0), FETCH)?;
            }
            Work::Search => {
                client.ask(&search(), LIST_OFFSETS)?;
            }
        }
        done.fetch_add(1, Ordering::AcqRel);
    }
}

/// Waits until every client has done something, and those that do more than once a few times.
fn wait_for_all(done: &[AtomicUsize; WORKERS.len()]) -> Result<()> {
    let deadline = Instant::now() + SOON;
    for ((work, count), done) in WORKERS.into_iter().zip(done) {
        let wanted = if work == Work::Wait { count } else { count * ROUNDS };
        while done.load(Ordering::Acquire) < wanted {
            ensure!(Instant::now() < deadline, "{work:?}: {done:?} of {wanted}");
            thread::yield_now();
        }
    }
    Ok(())
}

fn create_topic(address: &str) -> Result<()> {
    let topics = [TOPIC, QUIET_TOPIC].map(|name| {
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(1)
            .with_replication_factor(1)
    });
    let request =
        CreateTopicsRequest::default().with_topics(topics.to_vec()).with_timeout_ms(30_000);
    let answer = RawClient::connect(address)?.ask(&request, 5)?;
    let is_there = |code| code == 0 || code == TOPIC_ALREADY_EXISTS;
    ensure!(answer.topics.iter().all(|topic| is_there(topic.error_code)), "{answer:?}");
    Ok(())
}

fn batch() -> Result<Vec<u8>> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let timestamp_ms = i64::try_from(now_ms).context("a time of this era")?;
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    for _ in 0..64 {
        batch.push(&NewRecord { timestamp_ms, key: None, value: Some(&[7; 1024]) });
    }
    Ok(batch.finish())
}

fn produce(batch: &[u8]) -> ProduceRequest {
    let part = PartitionProduceData::default().with_records(Some(batch.to_vec().into()));
    let topic =
        TopicProduceData::default().with_name(topic_name(TOPIC)).with_partition_data(vec![part]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

/// Records of the topic that is written to; or none, for as long as it may take.
fn fetch(wait_ms: i32) -> FetchRequest {
    let name = if wait_ms == 0 { TOPIC } else { QUIET_TOPIC };
    let partition =
        FetchPartition::default().with_current_leader_epoch(-1).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(name)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic])
}

/// The first record of a time that is looked for in the segments.
fn search() -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(1);
    let topic =
        ListOffsetsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

const TOPIC: &str = "notes";
const QUIET_TOPIC: &str = "quiet";
const STOPS: usize = 2;
const ROUNDS: usize = 5;
const IN_FLIGHT: usize = 5;
const PRODUCE: i16 = 9;
const FETCH: i16 = 12;
const LIST_OFFSETS: i16 = 6;
const TOPIC_ALREADY_EXISTS: i16 = 36;
