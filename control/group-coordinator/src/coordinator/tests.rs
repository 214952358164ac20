use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicName};

use super::{Action, GroupCoordinator, GroupSettings, Input, WriteFailure, WriteId};
use crate::answer::{Answer, JoinAnswer, PartitionAnswer, SyncAnswer};
use crate::group_id::GroupId;
use crate::refusal::Refusal;
use crate::request::{
    Heartbeat, JoinGroup, JoinProtocol, LeaveGroup, LeavingMember, MemberOfGeneration, Now,
    OffsetCommit, OffsetDelete, OffsetToCommit, Request, RequestId, SyncGroup,
};
use kafka_wire::group_record::GroupRecord;

mod consumer_groups;
mod consumer_histories;
mod expressions;
mod golden_table;
mod memory;
mod offsets;
mod random_histories;
mod rebalance;
mod static_members;

/// A coordinator, a clock, a log that keeps what it is given, and everything answered.
struct Scene {
    coordinator: GroupCoordinator,
    now: Now,
    last_request: u64,
    last_unique_id: u64,
    answers: BTreeMap<RequestId, Answer>,
    /// Writes not reported yet, when they are held back.
    held: Vec<(WriteId, Vec<GroupRecord>)>,
    holds_writes: bool,
    log: Vec<GroupRecord>,
    /// The last generation anyone was told of, while the group lasts.
    generation: i32,
}

impl Scene {
    fn new(settings: GroupSettings) -> Self {
        let now = Now { elapsed_ms: 1_000, unix_ms: 1_700_000_000_000 };
        Self {
            coordinator: GroupCoordinator::new(settings, now),
            now,
            last_request: 0,
            last_unique_id: 0,
            answers: BTreeMap::new(),
            held: Vec::new(),
            holds_writes: false,
            log: Vec::new(),
            generation: 0,
        }
    }

    /// No waiting for more members.
    fn without_delay() -> Self {
        Self::new(GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() })
    }

    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut actions = Vec::new();
            self.coordinator.step(self.now, input, &mut actions);
            for action in actions {
                match action {
                    Action::Answer { request, answer } => {
                        self.check_generation(&answer);
                        let before = self.answers.insert(request, answer);
                        assert!(before.is_none(), "{request:?} was answered twice");
                    }
                    Action::Persist { write, records, .. } => self.held.push((write, records)),
                }
            }
            if self.state() == "Dead" {
                self.generation = 0;
            }
            if !self.holds_writes && !self.held.is_empty() {
                let (write, records) = self.held.remove(0);
                self.log.extend(records);
                inputs.push(Input::Persisted { write, outcome: Ok(()) });
            }
        }
    }

    fn check_generation(&mut self, answer: &Answer) {
        if let Answer::Join(answer) = answer
            && answer.refusal.is_none()
        {
            assert!(answer.generation > 0, "members are in a generation");
            assert!(answer.generation >= self.generation, "generations only rise");
            self.generation = answer.generation;
        }
    }

    /// Reports the writes held back.
    fn release(&mut self, outcome: Result<(), WriteFailure>) {
        for (write, records) in std::mem::take(&mut self.held) {
            if outcome.is_ok() {
                self.log.extend(records);
            }
            self.step(Input::Persisted { write, outcome });
        }
    }

    fn ask(&mut self, body: Request) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.step(Input::Request { request, body });
        request
    }

    /// Moves the clock, stopping wherever the coordinator wants to be called.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now.elapsed_ms + milliseconds;
        while self.now.elapsed_ms < end {
            let next = self.coordinator.next_deadline_ms().clamp(self.now.elapsed_ms + 1, end);
            self.now.unix_ms += i64::try_from(next - self.now.elapsed_ms).unwrap();
            self.now.elapsed_ms = next;
            self.step(Input::Tick);
        }
    }

    /// The same groups after a restart, from what the log holds.
    fn restart(&mut self) {
        self.coordinator = GroupCoordinator::new(self.coordinator.settings, self.now);
        for record in &self.log {
            self.coordinator.load(self.now, record.clone());
        }
    }

    fn is_waiting(&self, request: RequestId) -> bool {
        !self.answers.contains_key(&request)
    }

    fn joined(&self, request: RequestId) -> JoinAnswer {
        match &self.answers[&request] {
            Answer::Join(answer) => (**answer).clone(),
            other => panic!("not a join: {other:?}"),
        }
    }

    fn synced(&self, request: RequestId) -> Result<SyncAnswer, Refusal> {
        match &self.answers[&request] {
            Answer::Sync(answer) => answer.clone(),
            other => panic!("not a sync: {other:?}"),
        }
    }

    fn join(&mut self, member_id: &str, metadata: &str) -> RequestId {
        let join = self.join_of(member_id, metadata);
        self.ask(Request::Join(Box::new(join)))
    }

    fn join_of(&mut self, member_id: &str, metadata: &str) -> JoinGroup {
        self.last_unique_id += 1;
        JoinGroup {
            group_id: group(),
            member_id: member_id.to_owned(),
            group_instance_id: None,
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: "consumer".to_owned(),
            protocols: vec![protocol("range", metadata)],
            must_know_member_id: true,
            may_skip_assignment: true,
            unique_id: self.last_unique_id.to_string(),
        }
    }

    /// Gets an id and joins with it; the join may wait.
    fn enter(&mut self, metadata: &str) -> (String, RequestId) {
        let asked = self.join("", metadata);
        let answer = self.joined(asked);
        assert_eq!(answer.refusal, Some(Refusal::MemberIdRequired));
        let request = self.join(&answer.member_id, metadata);
        (answer.member_id, request)
    }

    fn sync(&mut self, member_id: &str, generation: i32, assigned: &[(&str, &str)]) -> RequestId {
        let assignments = assigned
            .iter()
            .map(|(member_id, bytes)| ((*member_id).to_owned(), bytes_of(bytes)))
            .collect();
        self.ask(Request::Sync(SyncGroup {
            member: member_of(member_id, generation),
            protocol_type: Some("consumer".to_owned()),
            protocol_name: Some("range".to_owned()),
            assignments,
        }))
    }

    fn heartbeat(&mut self, member_id: &str, generation: i32) -> Result<(), Refusal> {
        let heartbeat = Heartbeat { member: member_of(member_id, generation) };
        let request = self.ask(Request::Heartbeat(heartbeat));
        match &self.answers[&request] {
            Answer::Heartbeat(outcome) => *outcome,
            other => panic!("not a heartbeat: {other:?}"),
        }
    }

    fn leave(&mut self, member_ids: &[&str]) -> Vec<Result<(), Refusal>> {
        let leaving =
            |id: &&str| LeavingMember { member_id: (*id).to_owned(), group_instance_id: None };
        let members = member_ids.iter().map(leaving).collect();
        let request = self.ask(Request::Leave(LeaveGroup { group_id: group(), members }));
        match &self.answers[&request] {
            Answer::Leave(Ok(left)) => left.iter().map(|member| member.outcome).collect(),
            other => panic!("not a leave: {other:?}"),
        }
    }

    fn commit_of(member_id: &str, generation: i32, offset: i64) -> OffsetCommit {
        OffsetCommit {
            member: member_of(member_id, generation),
            knows_consumer_groups: true,
            retention_ms: None,
            offsets: vec![OffsetToCommit {
                topic: topic("orders"),
                topic_id: None,
                partition: partition(0),
                offset: Offset::from_wire(offset).unwrap(),
                leader_epoch: None,
                metadata: String::new(),
            }],
        }
    }

    fn commit(
        &mut self,
        member_id: &str,
        generation: i32,
        offset: i64,
    ) -> Result<Vec<PartitionAnswer>, Refusal> {
        let request =
            self.ask(Request::OffsetCommit(Self::commit_of(member_id, generation, offset)));
        match &self.answers[&request] {
            Answer::OffsetCommit(outcome) => outcome.clone(),
            other => panic!("not a commit: {other:?}"),
        }
    }

    fn committed(&self) -> Option<i64> {
        let offset = self.coordinator.offset(&group(), &topic("orders"), partition(0));
        offset.map(|offset| offset.offset.get())
    }

    fn delete_offsets(&mut self, name: &str) -> Result<Vec<PartitionAnswer>, Refusal> {
        let partitions = vec![(topic(name), partition(0))];
        let delete = OffsetDelete { group_id: group(), partitions };
        let request = self.ask(Request::OffsetDelete(delete));
        match &self.answers[&request] {
            Answer::OffsetDelete(outcome) => outcome.clone(),
            other => panic!("not a deletion of offsets: {other:?}"),
        }
    }

    fn delete_group(&mut self) -> Result<(), Refusal> {
        let request = self.ask(Request::DeleteGroup(group()));
        match &self.answers[&request] {
            Answer::DeleteGroup(outcome) => *outcome,
            other => panic!("not a deletion: {other:?}"),
        }
    }

    fn state(&self) -> &'static str {
        self.coordinator.describe_classic(&group()).map_or("Dead", |group| group.state)
    }

    /// A stable group of two, the leader first, in generation 2.
    fn two_members(&mut self) -> (String, String) {
        let (leader, first) = self.enter("a");
        assert_eq!(self.joined(first).generation, 1);
        self.sync(&leader, 1, &[(&leader, "all")]);
        let (follower, joining) = self.enter("b");
        assert!(self.is_waiting(joining));
        let again = self.join(&leader, "a");
        assert_eq!(self.joined(again).generation, 2);
        assert_eq!(self.joined(joining).leader, leader);
        let waiting = self.sync(&follower, 2, &[]);
        assert!(self.is_waiting(waiting));
        self.sync(&leader, 2, &[(&leader, "left"), (&follower, "right")]);
        assert_eq!(self.synced(waiting).unwrap().assignment, bytes_of("right"));
        assert_eq!(self.state(), "Stable");
        (leader, follower)
    }
}

fn group() -> GroupId {
    GroupId::parse("readers").unwrap()
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn partition(index: i32) -> PartitionIndex {
    PartitionIndex::from_wire(index).unwrap()
}

fn bytes_of(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn protocol(name: &str, metadata: &str) -> JoinProtocol {
    JoinProtocol { name: name.to_owned(), metadata: bytes_of(metadata) }
}

fn member_of(member_id: &str, generation: i32) -> MemberOfGeneration {
    MemberOfGeneration {
        group_id: group(),
        member_id: member_id.to_owned(),
        group_instance_id: None,
        generation,
    }
}
