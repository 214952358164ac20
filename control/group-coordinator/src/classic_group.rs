//! A group whose members assign among themselves: who is in it, and what it agreed on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::answer::JoinedMember;
use crate::classic_group::member::ClassicMember;
use crate::classic_group::subscription::subscribed_topics;
use crate::description::{ClassicGroupDescription, ClassicMemberDescription};
use crate::group_id::GroupId;
use crate::group_state::{ClassicGroupState, GroupEvent};
use crate::limits::NAME_ENTRY_BYTES;
use crate::refusal::Refusal;
use crate::request::{JoinProtocol, Now};
use kafka_wire::group_record::{ClassicGroupMember, ClassicGroupValue, GroupRecord};

pub(crate) use crate::classic_group::join::check_join;

mod expiry;
mod join;
mod leave;
mod member;
mod rebalance;
mod subscription;
mod sync;

/// A classic group.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    group_id: GroupId,
    state: ClassicGroupState,
    /// The rebalance under way began with no members: it is held open for more of them.
    is_initial_rebalance: bool,
    /// Someone joined since the initial rebalance was last extended.
    new_member_joined: bool,
    state_timestamp_ms: Option<i64>,
    generation: i32,
    protocol_type: Option<String>,
    protocol_name: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, ClassicMember>,
    static_members: BTreeMap<String, String>,
    /// Ids given out whose owners did not join yet, and until when they may.
    expected_members: BTreeMap<String, u64>,
    /// Members of this generation that did not fetch their assignment.
    unsynced_members: BTreeSet<String>,
    join_deadline: Option<JoinDeadline>,
    sync_deadline_ms: Option<u64>,
    /// Topics its members read, when they are consumers and say so.
    subscribed_topics: Option<BTreeSet<String>>,
    /// Memory those names take.
    subscribed_bytes: usize,
}

/// Until when a rebalance waits.
#[derive(Clone, Copy, Debug)]
struct JoinDeadline {
    at_ms: u64,
    /// Of an initial rebalance: how much longer it may be extended, and the delay just used.
    extensible: Option<(u64, u64)>,
}

impl ClassicGroup {
    /// A group without members that never had any.
    pub(crate) const fn new(group_id: GroupId) -> Self {
        Self {
            group_id,
            state: ClassicGroupState::Empty,
            is_initial_rebalance: false,
            new_member_joined: false,
            state_timestamp_ms: None,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            expected_members: BTreeMap::new(),
            unsynced_members: BTreeSet::new(),
            join_deadline: None,
            sync_deadline_ms: None,
            subscribed_topics: None,
            subscribed_bytes: 0,
        }
    }

    /// The group a record tells of; its members have a session's time to be heard of.
    pub(crate) fn from_value(group_id: GroupId, value: ClassicGroupValue, now: Now) -> Self {
        let mut group = Self::new(group_id);
        group.generation = value.generation;
        group.protocol_type = (!value.protocol_type.is_empty()).then_some(value.protocol_type);
        group.protocol_name = value.protocol;
        group.state_timestamp_ms =
            Some(value.current_state_timestamp_ms).filter(|at_ms| *at_ms >= 0);
        for kept in value.members {
            let protocol = group.protocol_name.clone().unwrap_or_default();
            let member = ClassicMember::from_value(kept, protocol, now);
            if let Some(instance) = member.group_instance_id.clone() {
                group.static_members.insert(instance, member.member_id.clone());
            }
            group.members.insert(member.member_id.clone(), member);
        }
        if !group.members.is_empty() {
            group.state = ClassicGroupState::Stable;
            group.leader = value
                .leader
                .filter(|leader| group.members.contains_key(leader))
                .or_else(|| group.members.keys().next().cloned());
        }
        group.take_subscriptions();
        group
    }

    /// The group as it is kept, with `assignments` instead of those in force.
    fn to_record(&self, now: Now, assignments: Option<&BTreeMap<String, Bytes>>) -> GroupRecord {
        let member_value = |member: &ClassicMember| ClassicGroupMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: self.chosen_metadata(member).to_vec(),
            assignment: match assignments {
                None => member.assignment.to_vec(),
                Some(all) => {
                    all.get(&member.member_id).map(|bytes| bytes.to_vec()).unwrap_or_default()
                }
            },
        };
        let value = ClassicGroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol_name.clone(),
            leader: self.leader.clone(),
            current_state_timestamp_ms: self.state_timestamp_ms.unwrap_or(now.unix_ms),
            members: self.members.values().map(member_value).collect(),
        };
        GroupRecord::ClassicGroup(self.group_id.to_string(), Some(value))
    }

    /// What a log that holds nothing of the group must be told; nothing when it never had members.
    /// A group between two generations is told without members: should nothing be written after
    /// it, they have to join again, as none of them has its assignment.
    pub(crate) fn snapshot(&self, now: Now) -> Option<GroupRecord> {
        self.protocol_type.as_ref()?;
        let mut record = self.to_record(now, None);
        if self.state != ClassicGroupState::Stable
            && let GroupRecord::ClassicGroup(_, Some(value)) = &mut record
        {
            value.members.clear();
            value.protocol = None;
            value.leader = None;
        }
        Some(record)
    }

    pub(crate) const fn state(&self) -> ClassicGroupState {
        self.state
    }

    /// True when nobody is in the group and nobody is expected.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state == ClassicGroupState::Empty && self.expected_members.is_empty()
    }

    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    /// True for groups of consumers, whose subscriptions are understood.
    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// True when a member reads `topic`, or might.
    pub(crate) fn subscribes_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.is_of_consumers(),
        }
    }

    /// Since when an offset not committed again ages, given when it was committed; `None` while
    /// none ages.
    pub(crate) fn ages_since(&self, commit_timestamp_ms: i64) -> Option<i64> {
        match self.state {
            _ if self.protocol_type.is_none() => Some(commit_timestamp_ms),
            ClassicGroupState::Empty => {
                Some(self.state_timestamp_ms.unwrap_or(commit_timestamp_ms))
            }
            ClassicGroupState::Stable if self.subscribed_topics.is_some() => {
                Some(commit_timestamp_ms)
            }
            _ => None,
        }
    }

    /// Memory the members take, about.
    pub(crate) fn bytes(&self) -> usize {
        let members = self.members.values().map(ClassicMember::bytes).sum::<usize>();
        let expected =
            self.expected_members.keys().map(|id| id.len() + NAME_ENTRY_BYTES).sum::<usize>();
        members + expected + self.subscribed_bytes
    }

    /// What tools are shown.
    pub(crate) fn description(&self) -> ClassicGroupDescription {
        let is_stable = self.state == ClassicGroupState::Stable;
        let describe = |member: &ClassicMember| ClassicMemberDescription {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if is_stable { self.chosen_metadata(member) } else { Bytes::new() },
            assignment: member.assignment.clone(),
        };
        let protocol_name = self.protocol_name.clone().filter(|_| is_stable);
        ClassicGroupDescription {
            state: self.state.name(),
            protocol_type: self.protocol_type().to_owned(),
            protocol_name: protocol_name.unwrap_or_default(),
            members: self.members.values().map(describe).collect(),
        }
    }

    /// May this member commit for this generation, now?
    pub(crate) fn check_offset_commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), Refusal> {
        let is_empty = self.state == ClassicGroupState::Empty;
        if generation < 0 && is_empty {
            return Ok(());
        }
        if generation >= 0 || !member_id.is_empty() || instance_id.is_some() {
            self.check_member(member_id, instance_id)?;
            if generation != self.generation {
                return Err(Refusal::IllegalGeneration);
            }
        } else if !is_empty {
            return Err(Refusal::UnknownMemberId);
        }
        if self.state == ClassicGroupState::CompletingRebalance {
            return Err(Refusal::RebalanceInProgress);
        }
        Ok(())
    }

    /// Is it a member, and the one its static name belongs to?
    fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), Refusal> {
        if let Some(instance) = instance_id {
            let owner = self.static_members.get(instance).ok_or(Refusal::UnknownMemberId)?;
            if owner != member_id {
                return Err(Refusal::FencedInstanceId);
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(Refusal::UnknownMemberId) }
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// Would the group have a protocol in common with such a member?
    fn supports(&self, protocol_type: &str, protocols: &[JoinProtocol]) -> bool {
        if self.members.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.everyone_offers(&protocol.name))
    }

    fn everyone_offers(&self, protocol: &str) -> bool {
        self.members.values().all(|member| member.metadata(protocol).is_some())
    }

    /// The protocol most members like best among those all offer; of equals the first by name.
    fn choose_protocol(&self) -> Option<String> {
        let first = self.members.values().next()?;
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for protocol in &first.protocols {
            if self.everyone_offers(&protocol.name) {
                votes.insert(&protocol.name, 0);
            }
        }
        for member in self.members.values() {
            let liked = member.protocols.iter().find(|offer| votes.contains_key(&*offer.name));
            *votes.get_mut(&*liked?.name)? += 1;
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
    }

    fn chosen_metadata(&self, member: &ClassicMember) -> Bytes {
        let chosen = self.protocol_name.as_deref().and_then(|name| member.metadata(name));
        chosen.cloned().unwrap_or_default()
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let joined = |member: &ClassicMember| JoinedMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: self.chosen_metadata(member),
        };
        self.members.values().map(joined).collect()
    }

    /// The members agreed on a protocol, or there are none: which topics do they read?
    fn take_subscriptions(&mut self) {
        self.subscribed_topics = self.read_subscriptions();
        let names = self.subscribed_topics.iter().flatten();
        self.subscribed_bytes = names.map(|name| name.len() + NAME_ENTRY_BYTES).sum();
    }

    fn read_subscriptions(&self) -> Option<BTreeSet<String>> {
        if !self.is_of_consumers() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        self.protocol_name.as_ref()?;
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            all.extend(subscribed_topics(&self.chosen_metadata(member))?);
        }
        Some(all)
    }

    fn move_by(&mut self, event: GroupEvent, now: Now) {
        let next = self.state.after(event);
        self.state = next.expect("groups do only what their state allows");
        self.state_timestamp_ms = Some(now.unix_ms);
    }
}

/// What consumers call their kind of group.
const CONSUMER_PROTOCOL_TYPE: &str = "consumer";
