//! A source that loses records under a live node, and clients that follow the log there meanwhile.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::{Ringmirror, TempDir};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, MetadataRequest, OffsetForLeaderEpochRequest,
};
use kafka_wire::offset::Offset;
use kafka_wire::record_batch::RecordBatchView;
use synthetic_source::SyntheticSource;

use crate::mirrored::{SOON, batches};
use crate::node::ends_in_time;
use crate::raw_client::{RawClient, topic_name};
use crate::synthetic;

#[test]
fn clients_at_the_tail_follow_a_log_that_is_cut_and_written_again() -> Result<()> {
    let source = synthetic::source_with(1, LOG_BYTES, |_| {})?;
    let directory = TempDir::new("cut")?;
    let mirror = directory.join("mirror");
    let mut node = Ringmirror::node(&mirror).mirror_from(&source.bootstrap(), "orders").spawn()?;
    let address = node.wait_serving(SOON)?;
    node.wait_for(SOON, |event| {
        event["event"] == "progress" && event["partitions_caught_up"] == 1
    })?;
    let partition = source.partitions().remove(0);
    let is_over = AtomicBool::new(false);
    let reached = [const { Reached::new((-1, -1)) }; KINDS.len()];
    let mut history = History::default();
    history.note(&source)?;
    let followed = thread::scope(|scope| -> Result<Vec<Follower>> {
        let followers: Vec<_> = KINDS
            .into_iter()
            .zip(&reached)
            .map(|(kind, reached)| {
                let (address, is_over) = (&address, &is_over);
                scope.spawn(move || Follower::new(kind).follow(address, is_over, reached))
            })
            .collect();
        let mut cut = || -> Result<()> {
            for round in 0..ROUNDS {
                // Some are still behind every other time.
                let waited_for = if round % 2 == 0 { &reached[..] } else { &reached[..1] };
                wait_for_all(waited_for, &source)?;
                let end = source.log(&partition)?.end_offset().offset().get();
                // A little, or half of it.
                let kept = if round % 2 == 0 { end - end.min(40) } else { end / 2 };
                let kept = Offset::from_wire(kept).context("not negative")?;
                source.unclean_election(&partition, kept)?;
                for _ in 0..APPENDS {
                    source.append(&partition, 5)?;
                    history.note(&source)?;
                }
                node.wait_for_event("truncated", PATIENCE)?;
            }
            wait_for_all(&reached, &source)
        };
        let outcome = cut();
        is_over.store(true, Ordering::Release);
        let joined = followers.into_iter().map(|one| one.join().expect("followers do not panic"));
        // What ended a follower explains more than that it did not arrive.
        let followers = joined.collect::<Result<_>>()?;
        outcome.map(|()| followers)
    });
    let ended = ends_in_time(node, &mirror)?;
    let followers = followed.with_context(|| ended.to_string())?;
    let last = synthetic::source_bytes(&source, &partition)?;
    for follower in followers {
        let Follower { kind, received, log, cuts, .. } = &follower;
        eprintln!("{kind:?}: {cuts} cuts, {} batches", received.len());
        ensure!(*cuts > 0, "{kind:?} did not see the log being cut");
        let unknown = received.iter().filter(|batch| !history.batches.contains(*batch)).count();
        ensure!(unknown == 0, "{kind:?} was given {unknown} batches that the source never had");
        let log = log.concat();
        let differs = log.iter().zip(&last).position(|(ours, theirs)| ours != theirs);
        let lengths = (log.len(), last.len());
        ensure!(log == last, "{kind:?} differs from the source at byte {differs:?} of {lengths:?}");
    }
    synthetic::expect_equal(&source, &mirror)
}

/// All that was ever in the log at the source.
#[derive(Debug, Default)]
struct History {
    batches: HashSet<Vec<u8>>,
}

impl History {
    fn note(&mut self, source: &SyntheticSource) -> Result<()> {
        let partition = source.partitions().remove(0);
        let bytes = synthetic::source_bytes(source, &partition)?;
        self.batches.extend(batches(&bytes)?.into_iter().map(<[u8]>::to_vec));
        Ok(())
    }
}

/// Waits until followers have all that the source has.
fn wait_for_all(reached: &[Reached], source: &SyntheticSource) -> Result<()> {
    let log = source.log(&source.partitions().remove(0))?;
    let wanted = (log.end_offset().offset().get(), log.leader_epoch().get());
    let deadline = Instant::now() + PATIENCE;
    for reached in reached {
        let mut at = (-1, -1);
        while at != wanted {
            ensure!(Instant::now() < deadline, "a follower is at {at:?}, not at {wanted:?}");
            thread::yield_now();
            at = *reached.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
    Ok(())
}

/// Offset and epoch that a follower is at.
type Reached = Mutex<(i64, i32)>;

/// How a client notices that the log is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// By the epoch of what it has, with every fetch (KIP-595).
    Replica,
    /// By the leader's epoch; it asks then where the epoch of what it has ends (KIP-320).
    Consumer,
}

#[derive(Debug)]
struct Follower {
    kind: Kind,
    /// Every batch it was ever given.
    received: Vec<Vec<u8>>,
    /// What it believes the log to be.
    log: Vec<Vec<u8>>,
    leader_epoch: i32,
    cuts: usize,
}

impl Follower {
    fn new(kind: Kind) -> Self {
        Self { kind, received: Vec::new(), log: Vec::new(), leader_epoch: -1, cuts: 0 }
    }

    /// Follows until it is over, and tells where it is.
    fn follow(mut self, address: &str, is_over: &AtomicBool, reached: &Reached) -> Result<Self> {
        let mut client = RawClient::connect(address)?;
        self.validate(&mut client)?;
        while !is_over.load(Ordering::Acquire) {
            match self.step(&mut client) {
                // A log that is cut ends the connection that something of it is being sent on.
                Err(error) if error.is::<std::io::Error>() => {
                    client = RawClient::connect(address)?;
                }
                outcome => outcome?,
            }
            *reached.lock().unwrap_or_else(PoisonError::into_inner) = self.end()?;
        }
        Ok(self)
    }

    fn step(&mut self, client: &mut RawClient) -> Result<()> {
        let answer = self.fetch(client)?;
        if answer.diverging_epoch.end_offset >= 0 {
            ensure!(self.kind == Kind::Replica, "{answer:?}");
            return self.cut(answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset);
        }
        match answer.error_code {
            0 => self.take(answer.records.as_deref().unwrap_or_default()),
            OFFSET_OUT_OF_RANGE | FENCED_LEADER_EPOCH | UNKNOWN_LEADER_EPOCH => {
                ensure!(self.kind == Kind::Consumer, "{answer:?}");
                self.validate(client)
            }
            // Between two epochs the log is not there.
            NOT_LEADER_OR_FOLLOWER => Ok(()),
            code => bail!("{:?}: error {code}", self.kind),
        }
    }

    fn fetch(&self, client: &mut RawClient) -> Result<PartitionData> {
        let (offset, last) = self.end()?;
        let is_replica = self.kind == Kind::Replica;
        let partition = FetchPartition::default()
            .with_fetch_offset(offset)
            .with_current_leader_epoch(if is_replica { -1 } else { self.leader_epoch })
            .with_last_fetched_epoch(if is_replica { last } else { -1 })
            .with_partition_max_bytes(FETCH_BYTES);
        let topic = FetchTopic::default()
            .with_topic(topic_name(synthetic::TOPIC))
            .with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_max_wait_ms(FETCH_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES)
            .with_topics(vec![topic]);
        let mut answer = client.ask(&request, FETCH)?;
        ensure!(answer.error_code == 0, "{answer:?}");
        let mut topic = answer.responses.pop().context("a topic")?;
        topic.partitions.pop().context("a partition")
    }

    /// Takes batches that go on where the log ends.
    fn take(&mut self, mut records: &[u8]) -> Result<()> {
        while !records.is_empty() {
            let batch = RecordBatchView::parse(records, u32::MAX)
                .with_context(|| format!("{:?} behind {:?}", self.kind, self.end()))?;
            let at = batch.header().base_offset.get();
            let end = self.end()?.0;
            ensure!(at >= end, "{:?}: batch {at} where {end} was asked for", self.kind);
            records = &records[batch.bytes().len()..];
            self.received.push(batch.bytes().to_vec());
            self.log.push(batch.bytes().to_vec());
        }
        Ok(())
    }

    /// Asks who leads, and where the last epoch here ends there (as Java's consumer does).
    fn validate(&mut self, client: &mut RawClient) -> Result<()> {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(synthetic::TOPIC)));
        let answer =
            client.ask(&MetadataRequest::default().with_topics(Some(vec![topic])), METADATA)?;
        let told = &answer.topics[0].partitions[0];
        let (_, last) = self.end()?;
        if told.error_code != 0 {
            return Ok(());
        }
        ensure!(told.leader_epoch >= 0, "{told:?}");
        if last < 0 {
            self.leader_epoch = told.leader_epoch;
            return Ok(());
        }
        let partition = OffsetForLeaderPartition::default()
            .with_partition(0)
            .with_current_leader_epoch(told.leader_epoch)
            .with_leader_epoch(last);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name(synthetic::TOPIC))
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default()
            .with_replica_id(BrokerId(-2))
            .with_topics(vec![topic]);
        let answer = client.ask(&request, OFFSET_FOR_LEADER_EPOCH)?;
        let found = &answer.topics[0].partitions[0];
        match found.error_code {
            0 => {
                self.leader_epoch = told.leader_epoch;
                self.cut(found.leader_epoch, found.end_offset)
            }
            // The next fetch is refused too, and leads here again.
            FENCED_LEADER_EPOCH | UNKNOWN_LEADER_EPOCH | NOT_LEADER_OR_FOLLOWER => Ok(()),
            code => bail!("{:?}: error {code} for an epoch", self.kind),
        }
    }

    /// Drops what the leader does not have, and what is of an epoch above the one it named.
    fn cut(&mut self, epoch: i32, end: i64) -> Result<()> {
        let before = self.log.len();
        while let Some(last) = self.log.last() {
            let header = *RecordBatchView::parse(last, u32::MAX)?.header();
            let last_epoch = header.leader_epoch.map_or(-1, |epoch| epoch.get());
            if header.next_offset().get() <= end && last_epoch <= epoch {
                break;
            }
            self.log.pop();
        }
        self.cuts += usize::from(self.log.len() < before);
        Ok(())
    }

    /// Where it goes on, and the epoch of what is before.
    fn end(&self) -> Result<(i64, i32)> {
        let Some(last) = self.log.last() else { return Ok((0, -1)) };
        let header = *RecordBatchView::parse(last, u32::MAX)?.header();
        let epoch = header.leader_epoch.context("mirrored batches have epochs")?;
        Ok((header.next_offset().get(), epoch.get()))
    }
}

const KINDS: [Kind; 3] = [Kind::Replica, Kind::Consumer, Kind::Consumer];
const LOG_BYTES: u64 = 4 << 20;
/// A log that was cut is shown again when what says so is on disk, and a disk with much else to
/// write has taken half a minute for that.
const PATIENCE: Duration = Duration::from_secs(150);
const ROUNDS: usize = 8;
const APPENDS: usize = 6;
const FETCH_BYTES: i32 = 256 << 10;
const FETCH_WAIT_MS: i32 = 100;
const FETCH: i16 = 12;
const METADATA: i16 = 9;
const OFFSET_FOR_LEADER_EPOCH: i16 = 4;
const OFFSET_OUT_OF_RANGE: i16 = 1;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;
