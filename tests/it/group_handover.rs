//! Groups whose members the coordinator assigns to (KIP-848), handed over with a living member.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
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
    for topic in [TOPIC, OTHER_TOPIC] {
        driver.create_topic(&CreateTopic::new(topic, PARTITIONS))?;
    }
    for partition in 0..PARTITIONS {
        driver.produce(&Produce::new(TOPIC, partition, 60))?;
    }
    drop(driver);
    let mut epochs = Vec::new();
    for subscription in GROUPS.into_iter().flatten() {
        let mut member = Member::connect(&address, *subscription, 0)?;
        member.join()?;
        ensure!(member.assigned == Some(2), "{member:?}");
        member.commit(COMMITTED)?;
        epochs.push(member.epoch);
    }
    ends_in_time(node, &data_dir)?;

    let properties = hand_over(&data_dir, NODE, "4.2")?;
    let broker = kafka.start_on_directory(KafkaRelease::V4, &properties)?;
    let mut epochs = epochs.into_iter();
    for subscriptions in GROUPS {
        let connect = |(subscription, epoch): (&Subscription, i32)| {
            Member::connect(&broker.bootstrap_servers(), *subscription, epoch)
        };
        let members = subscriptions.iter().zip(epochs.by_ref()).map(connect);
        let mut members = members.collect::<Result<Vec<_>>>()?;
        go_on(&mut members)?;
        is_described_with_all_partitions(&mut members)?;
        members.iter_mut().try_for_each(Member::leave)?;
        let group = subscriptions[0].group;
        let expected = BTreeMap::from([("notes-0", COMMITTED), ("notes-1", COMMITTED)]);
        let found = broker.driver().group_offsets(group)?;
        let found = found.iter().map(|(name, at)| (name.as_str(), *at));
        let found: BTreeMap<_, _> = found.filter(|(name, _)| expected.contains_key(name)).collect();
        ensure!(found == expected, "{group}: {found:?}");
        let java = install(Client::Java, directory.path())?;
        let mut program = Program::start(&java, &broker.bootstrap_servers(), directory.path())?;
        let answer: Value = program.ask(&json!({
            "action": "group", "topic": TOPIC, "group": group, "count": 106,
            "protocol": "consumer",
        }))?;
        for partition in ["0", "1"] {
            ensure!(answer["offsets"][partition][0] == COMMITTED, "{answer}");
        }
    }
    // Of what a broker says of partitions while it starts, nothing is about groups.
    let output = broker.output(NODE)?;
    let errors = output.lines().filter(|line| line.contains(" ERROR GroupMetadataManager"));
    let errors = errors.collect::<Vec<_>>();
    ensure!(errors.is_empty(), "{errors:?}");
    Ok(())
}

/// The members are known, in their epochs, and never told to give up what they have.
fn go_on(members: &mut [Member]) -> Result<()> {
    let deadline = Instant::now() + GOES_ON;
    while Instant::now() < deadline {
        for member in &mut *members {
            member.send(&member.heartbeat(member.epoch))?;
            ensure!(member.assigned.is_none_or(|count| count == 2), "{member:?}");
        }
    }
    Ok(())
}

fn is_described_with_all_partitions(members: &mut [Member]) -> Result<()> {
    let group = GroupId(StrBytes::from_static_str(members[0].subscription.group));
    let asked = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group]);
    let answer = members[0].ask(&asked, 1)?;
    let [group] = &answer.groups[..] else { bail!("{answer:?}") };
    ensure!(group.group_state.as_str() == "Stable", "{answer:?}");
    ensure!(group.members.len() == members.len(), "{answer:?}");
    for described in &group.members {
        let held = &described.assignment.topic_partitions;
        let count = held.iter().map(|topic| topic.partitions.len()).sum::<usize>();
        ensure!(count == 2, "{answer:?}");
        let id = described.member_id.as_str();
        let member = members.iter().find(|member| member.subscription.member == id);
        ensure!(member.is_some_and(|one| one.epoch == described.member_epoch), "{answer:?}");
    }
    Ok(())
}

/// What a member subscribes to.
#[derive(Clone, Copy, Debug)]
struct Subscription {
    group: &'static str,
    member: &'static str,
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
    fn connect(address: &str, subscription: Subscription, epoch: i32) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(SOON))?;
        Ok(Self { socket, subscription, epoch, assigned: None })
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

    fn leave(&mut self) -> Result<()> {
        self.send(&self.heartbeat(-1))
    }

    fn heartbeat(&self, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str(self.subscription.group)))
            .with_member_id(StrBytes::from_static_str(self.subscription.member))
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
            .with_member_id(StrBytes::from_static_str(self.subscription.member))
            .with_generation_id_or_member_epoch(self.epoch)
            .with_topics(vec![topic]);
        let answer = self.ask(&commit, 9)?;
        let codes = answer.topics.iter().flat_map(|topic| &topic.partitions);
        ensure!(codes.into_iter().all(|partition| partition.error_code == 0), "{answer:?}");
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

const GROUPS: [&[Subscription]; 3] = [
    &[Subscription { group: "by-name", member: ONE, names: Some(TOPIC), expression: None }],
    &[Subscription { group: "by-expression", member: ONE, names: None, expression: Some("no.*s") }],
    &[
        Subscription { group: "by-both", member: ONE, names: None, expression: Some("let.*") },
        Subscription { group: "by-both", member: OTHER, names: Some(TOPIC), expression: None },
    ],
];
const ONE: &str = "aaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbb";
const TOPIC: &str = "notes";
const OTHER_TOPIC: &str = "letters";
const PARTITIONS: i32 = 2;
const COMMITTED: i64 = 7;
const NODE: i32 = 7;
/// A stock broker looks at expressions in the background, and says nothing of it: long enough.
const GOES_ON: Duration = Duration::from_secs(2);
/// The coordinator is loading, not available, or not there yet.
const TRY_AGAIN: [i16; 3] = [14, 15, 16];
