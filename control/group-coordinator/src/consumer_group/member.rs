//! One member of a consumer group.

use std::collections::BTreeSet;

use kafka_wire::group_record::{
    AssignedPartitions, CurrentAssignmentValue, MemberValue, TargetMemberValue,
};

use crate::assignment::Assignment;
use crate::assignor::Assignor;
use crate::limits::NAME_ENTRY_BYTES;
use crate::request::{ConsumerGroupHeartbeat, Now};

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberState {
    /// It has what it was given last.
    Stable,
    /// It is to give up partitions before it gets others.
    UnrevokedPartitions,
    /// It waits for partitions that others are to give up.
    UnreleasedPartitions,
}

/// A member of a consumer group.
#[derive(Debug)]
pub(super) struct ConsumerMember {
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) rack_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) topic_names: BTreeSet<String>,
    /// Never an empty one.
    pub(super) topic_regex: Option<String>,
    pub(super) assignor: Option<Assignor>,
    /// The epoch it has to name; [`EPOCH_STATIC_LEFT`] while a static member is away.
    pub(super) epoch: i32,
    /// The epoch it may still name, should our last answer have been lost.
    pub(super) previous_epoch: i32,
    pub(super) state: MemberState,
    /// What it may read.
    pub(super) assigned: Assignment,
    /// What it may read no more, and has not given up yet.
    pub(super) revoking: Assignment,
    /// What it is to read in the end.
    pub(super) target: Assignment,
    /// It is lost when it is not heard of before.
    pub(super) session_deadline_ms: Option<u64>,
    /// It is lost when it does not give up partitions before.
    pub(super) revocation_deadline_ms: Option<u64>,
}

/// What a static member names that leaves to come back.
pub(super) const EPOCH_STATIC_LEFT: i32 = -2;

impl ConsumerMember {
    pub(super) fn new(member_id: &str) -> Self {
        Self {
            member_id: member_id.to_owned(),
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: -1,
            topic_names: BTreeSet::new(),
            topic_regex: None,
            assignor: None,
            epoch: 0,
            previous_epoch: 0,
            state: MemberState::Stable,
            assigned: Assignment::new(),
            revoking: Assignment::new(),
            target: Assignment::new(),
            session_deadline_ms: None,
            revocation_deadline_ms: None,
        }
    }

    /// It begins again with nothing.
    pub(super) fn restart(&mut self) {
        self.epoch = 0;
        self.previous_epoch = 0;
        self.state = MemberState::Stable;
        self.assigned = Assignment::new();
        self.revoking = Assignment::new();
        self.revocation_deadline_ms = None;
    }

    /// Takes what a heartbeat says of the member; what it does not say stays. True when it reads
    /// other topics now.
    pub(super) fn update(&mut self, asked: &ConsumerGroupHeartbeat) -> bool {
        let keep_or = |kept: &mut Option<String>, said: &Option<String>| {
            if said.is_some() {
                kept.clone_from(said);
            }
        };
        keep_or(&mut self.instance_id, &asked.instance_id);
        keep_or(&mut self.rack_id, &asked.rack_id);
        self.client_id.clone_from(&asked.client_id);
        self.client_host.clone_from(&asked.client_host);
        if asked.rebalance_timeout_ms >= 0 {
            self.rebalance_timeout_ms = asked.rebalance_timeout_ms;
        }
        let named = asked.server_assignor.as_deref().and_then(|name| Assignor::parse(name).ok());
        self.assignor = named.or(self.assignor);
        let mut reads_other_topics = false;
        if let Some(names) = &asked.topic_names {
            let names = names.iter().cloned().collect();
            reads_other_topics |= self.topic_names != names;
            self.topic_names = names;
        }
        if let Some(text) = &asked.topic_regex
            && self.topic_regex.as_deref().unwrap_or_default() != text
        {
            reads_other_topics = true;
            self.topic_regex = Some(text.clone()).filter(|text| !text.is_empty());
        }
        reads_other_topics
    }

    pub(super) fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == assignment_epoch
    }

    pub(super) fn move_to_epoch(&mut self, epoch: i32) {
        if epoch != self.epoch {
            self.previous_epoch = self.epoch;
            self.epoch = epoch;
        }
    }

    pub(super) fn renew_session(&mut self, now: Now, timeout_ms: u64) {
        self.session_deadline_ms = Some(now.elapsed_ms + timeout_ms);
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.session_deadline_ms.into_iter().chain(self.revocation_deadline_ms).min()
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let partitions = self.assigned.count() + self.revoking.count() + self.target.count();
        self.said_bytes() + partitions * PARTITION_BYTES
    }

    /// What it says of itself.
    fn said_bytes(&self) -> usize {
        let texts = [&self.instance_id, &self.instance_id, &self.rack_id];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let names = self.member_id.len() * 2 + self.client_id.len() + self.client_host.len();
        let expression = self.topic_regex.as_ref().map_or(0, String::len);
        MEMBER_BYTES + texts + names + expression + names_bytes(&self.topic_names)
    }

    /// What a heartbeat adds to what is held of a member, which is new when there is no `former`.
    pub(super) fn added_bytes(former: Option<&Self>, asked: &ConsumerGroupHeartbeat) -> usize {
        let names = asked.topic_names.as_ref().map_or(0, names_bytes);
        let expression = asked.topic_regex.as_ref().map_or(0, String::len);
        let Some(former) = former else {
            let texts = [&asked.instance_id, &asked.instance_id, &asked.rack_id];
            let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
            let id = asked.member_id.len().max(asked.unique_id.len());
            let client = asked.client_id.len() + asked.client_host.len();
            return MEMBER_BYTES + texts + id * 2 + client + names + expression;
        };
        let held_expression = former.topic_regex.as_ref().map_or(0, String::len);
        (names + expression).saturating_sub(names_bytes(&former.topic_names) + held_expression)
    }

    pub(super) fn value(&self) -> MemberValue {
        MemberValue {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: self.topic_names.iter().cloned().collect(),
            subscribed_topic_regex: self.topic_regex.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.assignor.map(|assignor| assignor.name().to_owned()),
            classic: None,
        }
    }

    pub(super) fn take_value(&mut self, value: MemberValue) {
        self.instance_id = value.instance_id;
        self.rack_id = value.rack_id;
        self.client_id = value.client_id;
        self.client_host = value.client_host;
        self.topic_names = value.subscribed_topic_names.into_iter().collect();
        self.topic_regex = value.subscribed_topic_regex.filter(|text| !text.is_empty());
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        let assignor = value.server_assignor.as_deref();
        self.assignor = assignor.and_then(|name| Assignor::parse(name).ok());
    }

    pub(super) fn target_value(&self) -> TargetMemberValue {
        TargetMemberValue { partitions: partitions_of(&self.target, None) }
    }

    /// Brokers from 4.3 on take a commit of an earlier epoch when the partition was assigned in it.
    /// Here only commits of the present epoch are taken: that is the one told.
    pub(super) fn current_value(&self) -> CurrentAssignmentValue {
        let epoch = Some(self.epoch.max(0));
        CurrentAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: match self.state {
                MemberState::Stable => STATE_STABLE,
                MemberState::UnrevokedPartitions => STATE_UNREVOKED,
                MemberState::UnreleasedPartitions => STATE_UNRELEASED,
            },
            assigned: partitions_of(&self.assigned, epoch),
            pending_revocation: partitions_of(&self.revoking, epoch),
        }
    }

    /// A state of no known number is one in which the member has to be reconciled anew.
    pub(super) fn take_current(&mut self, value: &CurrentAssignmentValue) {
        self.epoch = value.member_epoch;
        self.previous_epoch = value.previous_member_epoch;
        self.state = match value.state {
            STATE_STABLE => MemberState::Stable,
            STATE_UNREVOKED => MemberState::UnrevokedPartitions,
            _ => MemberState::UnreleasedPartitions,
        };
        self.assigned = assignment_of(&value.assigned);
        self.revoking = assignment_of(&value.pending_revocation);
    }
}

fn partitions_of(assignment: &Assignment, epoch: Option<i32>) -> Vec<AssignedPartitions> {
    let topics = assignment.topics().map(|(topic_id, partitions)| AssignedPartitions {
        topic_id,
        partitions: partitions.iter().copied().collect(),
        assignment_epochs: epoch.map(|epoch| vec![epoch; partitions.len()]),
    });
    topics.collect()
}

pub(super) fn assignment_of(topics: &[AssignedPartitions]) -> Assignment {
    let partitions = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| (topic.topic_id, *partition))
    });
    partitions.collect()
}

/// Numbers of the states in Kafka's `MemberState`.
const STATE_STABLE: i8 = 0;
const STATE_UNREVOKED: i8 = 1;
const STATE_UNRELEASED: i8 = 2;

/// Memory that names take in a table, about.
pub(super) fn names_bytes<'a>(names: impl IntoIterator<Item = &'a String>) -> usize {
    names.into_iter().map(|name| name.len() + NAME_ENTRY_BYTES).sum()
}

/// What a member takes, and each partition it has.
const MEMBER_BYTES: usize = 512;
const PARTITION_BYTES: usize = 32;
