//! Groups whose members the coordinator assigns to (KIP-848), handed over with a living member.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::clients::{Client, Program, install};
use harness::driver::{CreateTopic, Produce};
use harness::{Driver, KafkaRelease, Ringmirror, TempDir, hand_over};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    GroupId, OffsetCommitRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use kafka_wire::message::{RequestHead, decode_response, encode_request};
use serde_json::{Value, json};

use crate::mirrored::SOON;
use crate::node::ends_in_time;

#[test]
fn members_of_consumer_groups_go_on_at_a_stock_broker_with_what_they_have() -> Result<()> {
    let name = "members_of_consumer_groups_go_on_at_a_stock_broker_with_what_they_have";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let directory = TempDir::new("groups")?;
    let data_dir = directory.join("data");
    let mut node = Ringmirror::node(&data_dir).spawn()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
    driver.create_topic(&CreateTopic::new(TOPIC, PARTITIONS))?;
    for partition in 0..PARTITIONS {
        driver.produce(&Produce::new(TOPIC, partition, 60))?;
    }
    drop(driver);
    for subscription in SUBSCRIPTIONS {
        let mut member = Member::connect(&address, subscription)?;
        member.join()?;
        ensure!(member.assigned == Some(2), "{member:?}");
        member.commit(COMMITTED)?;
    }
    ends_in_time(node, &data_dir)?;

    let properties = hand_over(&data_dir, NODE, "4.2")?;
    let broker = kafka.start_on_directory(KafkaRelease::V4, &properties)?;
    for subscription in SUBSCRIPTIONS {
        let mut member = Member::connect(&broker.bootstrap_servers(), subscription)?;
        member.goes_on()?;
        member.is_described_with_all_partitions()?;
        member.leave()?;
        let expected = BTreeMap::from([("notes-0", COMMITTED), ("notes-1", COMMITTED)]);
        let found = broker.driver().group_offsets(subscription.group)?;
        let found: BTreeMap<_, _> = found.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        ensure!(found == expected, "{found:?}");
        let java = install(Client::Java, directory.path())?;
        let mut program = Program::start(&java, &broker.bootstrap_servers(), directory.path())?;
        let answer: Value = program.ask(&json!({
            "action": "group", "topic": TOPIC, "group": subscription.group, "count": 106,
            "protocol": "consumer",
        }))?;
        ensure!(answer["first"] == json!({"0": COMMITTED, "1": COMMITTED}), "{answer}");
    }
    // Of what a broker says of partitions while it starts, nothing is about groups.
    let output = broker.output(NODE)?;
    let errors = output.lines().filter(|line| line.contains(" ERROR GroupMetadataManager"));
    let errors = errors.collect::<Vec<_>>();
    ensure!(errors.is_empty(), "{errors:?}");
    Ok(())
}

/// What a member subscribes to.
#[derive(Clone, Copy, Debug)]
struct Subscription {
    group: &'static str,
    names: Option<&'static str>,
    expression: Option<&'static str>,
}

/// A member that says just what it is told to.
#[derive(Debug)]
struct Member {
    socket: TcpStream,
    subscription: Subscription,
    epoch: i32,
    /// How many partitions it was told to have.
    assigned: Option<usize>,
}

impl Member {
    /// One that goes on in epoch 1, or joins.
    fn connect(address: &str, subscription: Subscription) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(SOON))?;
        Ok(Self { socket, subscription, epoch: 1, assigned: None })
    }

    fn join(&mut self) -> Result<()> {
        let Subscription { names, expression, .. } = self.subscription;
        let names = names.map(|name| vec![TopicName(StrBytes::from_static_str(name))]);
        let heartbeat = self
            .heartbeat(0)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(names)
            .with_subscribed_topic_regex(expression.map(StrBytes::from_static_str))
            .with_topic_partitions(Some(vec![]));
        self.send(&heartbeat)
    }

    /// The member is known, in its epoch, and never told to give up what it has.
    fn goes_on(&mut self) -> Result<()> {
        let deadline = Instant::now() + GOES_ON;
        while Instant::now() < deadline {
            self.send(&self.heartbeat(self.epoch))?;
            ensure!(self.assigned.is_none_or(|count| count == 2), "{self:?}");
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.send(&self.heartbeat(-1))
    }

    fn heartbeat(&self, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str(self.subscription.group)))
            .with_member_id(StrBytes::from_static_str(MEMBER))
            .with_member_epoch(epoch)
    }

    fn send(&mut self, heartbeat: &ConsumerGroupHeartbeatRequest) -> Result<()> {
        let deadline = Instant::now() + SOON;
        let answer: ConsumerGroupHeartbeatResponse = loop {
            let answer: ConsumerGroupHeartbeatResponse = self.ask(heartbeat, 1)?;
            if !TRY_AGAIN.contains(&answer.error_code) || Instant::now() > deadline {
                break answer;
            }
        };
        ensure!(answer.error_code == 0, "{heartbeat:?}: {answer:?}");
        self.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            let topics = assignment.topic_partitions.iter();
            self.assigned = Some(topics.map(|topic| topic.partitions.len()).sum());
        }
        Ok(())
    }

    fn commit(&mut self, at: i64) -> Result<()> {
        let partition = |index| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(at)
        };
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
            .with_partitions((0..PARTITIONS).map(partition).collect());
        let commit = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str(self.subscription.group)))
            .with_member_id(StrBytes::from_static_str(MEMBER))
            .with_generation_id_or_member_epoch(self.epoch)
            .with_topics(vec![topic]);
        let answer = self.ask(&commit, 9)?;
        let codes = answer.topics.iter().flat_map(|topic| &topic.partitions);
        ensure!(codes.into_iter().all(|partition| partition.error_code == 0), "{answer:?}");
        Ok(())
    }

    fn is_described_with_all_partitions(&mut self) -> Result<()> {
        let group = GroupId(StrBytes::from_static_str(self.subscription.group));
        let asked = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group]);
        let answer = self.ask(&asked, 1)?;
        let [group] = &answer.groups[..] else { anyhow::bail!("{answer:?}") };
        let [member] = &group.members[..] else { anyhow::bail!("{answer:?}") };
        let held = &member.assignment.topic_partitions;
        let count = held.iter().map(|topic| topic.partitions.len()).sum::<usize>();
        ensure!(group.group_state.as_str() == "Stable" && count == 2, "{answer:?}");
        ensure!(member.member_epoch == self.epoch, "{answer:?}");
        Ok(())
    }

    fn ask<R>(&mut self, request: &R, version: i16) -> Result<R::Response>
    where
        R: Request,
        R::Response: Decodable + HeaderVersion,
    {
        let head = RequestHead { version, correlation_id: 1, client_id: "member" };
        self.socket.write_all(&encode_request(&head, request)?)?;
        let mut size = [0; 4];
        self.socket.read_exact(&mut size)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size))?];
        self.socket.read_exact(&mut frame)?;
        Ok(decode_response(version, 1, frame.into())?)
    }
}

const SUBSCRIPTIONS: [Subscription; 2] = [
    Subscription { group: "by-name", names: Some(TOPIC), expression: None },
    Subscription { group: "by-expression", names: None, expression: Some("no.*s") },
];
const MEMBER: &str = "aaaaaaaaaaaaaaaaaaaaaa";
const TOPIC: &str = "notes";
const PARTITIONS: i32 = 2;
const COMMITTED: i64 = 7;
const NODE: i32 = 7;
/// A stock broker looks at expressions in the background, and says nothing of it: long enough.
const GOES_ON: Duration = Duration::from_secs(2);
/// The coordinator is loading, not available, or not there yet.
const TRY_AGAIN: [i16; 3] = [14, 15, 16];
