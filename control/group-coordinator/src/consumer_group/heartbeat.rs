//! A member says that it lives, what it wants and what it has; it is told what to have.

use kafka_wire::group_record::GroupRecord;

use crate::answer::{Answer, ConsumerGroupHeartbeatAnswer};
use crate::assignor::Assignor;
use crate::consumer_group::ConsumerGroup;
use crate::consumer_group::member::{ConsumerMember, EPOCH_STATIC_LEFT};
use crate::limits::{MEMBER_SUBSCRIPTION_BYTES_MAX, NAME_BYTES_MAX, UNFORGOTTEN_MEMBERS_MAX};
use crate::refusal::Refusal;
use crate::request::{ConsumerGroupHeartbeat, RequestId};
use crate::topic_expression::TopicExpression;
use crate::turn::{AfterWrite, Turn};

/// What is wrong with a heartbeat before any group is looked at.
pub(crate) fn check_heartbeat(asked: &ConsumerGroupHeartbeat) -> Result<(), Refusal> {
    if asked.group_id.is_empty() {
        return Err(Refusal::InvalidRequest);
    }
    let optional = [&asked.instance_id, &asked.rack_id];
    let is_empty = |name: &&Option<String>| name.as_deref() == Some("");
    let names = [&asked.member_id, &asked.client_id, &asked.client_host];
    let is_long = names.into_iter().chain(optional.into_iter().flatten());
    let is_long = is_long.into_iter().any(|name| name.len() > NAME_BYTES_MAX);
    let has_id = !asked.member_id.is_empty();
    let may_lack_id = asked.member_epoch == EPOCH_JOIN && !asked.must_name_member;
    if optional.iter().any(is_empty) || is_long || !(has_id || may_lack_id) {
        return Err(Refusal::InvalidRequest);
    }
    match asked.member_epoch {
        EPOCH_JOIN => {
            let owns_nothing = asked.owned.as_ref().is_some_and(|owned| owned.is_empty());
            let wants = asked.topic_names.as_ref().is_some_and(|names| !names.is_empty());
            let wants_meant = asked.topic_regex.as_ref().is_some_and(|text| !text.is_empty());
            if asked.rebalance_timeout_ms < 0 || !owns_nothing || !(wants || wants_meant) {
                return Err(Refusal::InvalidRequest);
            }
        }
        EPOCH_STATIC_LEFT if asked.instance_id.is_none() => return Err(Refusal::InvalidRequest),
        epoch if epoch < EPOCH_STATIC_LEFT => return Err(Refusal::InvalidRequest),
        _ => {}
    }
    let named = asked.topic_names.iter().flatten().map(String::len).sum::<usize>();
    if named > MEMBER_SUBSCRIPTION_BYTES_MAX {
        return Err(Refusal::InvalidRequest);
    }
    if let Some(text) = asked.topic_regex.as_deref().filter(|text| !text.is_empty()) {
        TopicExpression::parse(text)?;
    }
    asked.server_assignor.as_deref().map_or(Ok(()), |name| Assignor::parse(name).map(|_| ()))
}

impl ConsumerGroup {
    /// A member's heartbeat; `records` are kept with what it changes.
    pub(crate) fn heartbeat(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        asked: ConsumerGroupHeartbeat,
        mut records: Vec<GroupRecord>,
    ) {
        let answer = if asked.member_epoch < EPOCH_JOIN {
            self.leave(&asked, &mut records)
        } else {
            self.check_room(turn, &asked)
                .and_then(|()| self.admit(turn, &asked, &mut records))
                .map(|member_id| self.serve(turn, &member_id, &asked, &mut records))
        };
        match answer {
            Err(refusal) => turn.answer(request, Answer::ConsumerGroupHeartbeat(Err(refusal))),
            Ok(answer) => {
                let answer = Answer::ConsumerGroupHeartbeat(Ok(answer));
                self.keep(turn, records, Some((request, answer)));
            }
        }
    }

    /// Is there room for what the member says of itself?
    fn check_room(&self, turn: &Turn<'_>, asked: &ConsumerGroupHeartbeat) -> Result<(), Refusal> {
        let owner = asked.instance_id.as_ref().and_then(|name| self.static_members.get(name));
        let former = self.members.get(owner.unwrap_or(&asked.member_id));
        let added_bytes = ConsumerMember::added_bytes(former, asked);
        if added_bytes > turn.room_bytes { Err(Refusal::GroupMaxSizeReached) } else { Ok(()) }
    }

    /// Keeps `records` and answers then; at once when there is nothing to keep.
    pub(super) fn keep(
        &mut self,
        turn: &mut Turn<'_>,
        mut records: Vec<GroupRecord>,
        answer: Option<(RequestId, Answer)>,
    ) {
        if self.is_unsaved {
            records = self.saving_anew(turn, records);
        }
        if !records.is_empty() {
            let forgotten = records.iter().filter_map(forgotten_member).collect();
            let group_id = self.group_id.clone();
            let then = AfterWrite::ConsumerGroup { group_id, answer, forgotten };
            turn.keep(&self.group_id, records, then);
        } else if let Some((request, answer)) = answer {
            turn.answer(request, answer);
        }
    }

    /// What writes that failed should have said is said again, with everything else.
    fn saving_anew(&mut self, turn: &Turn<'_>, said: Vec<GroupRecord>) -> Vec<GroupRecord> {
        self.is_unsaved = false;
        // The group may have been a classic one before.
        let mut records = vec![GroupRecord::ClassicGroup(self.group_id.to_string(), None)];
        for member_id in std::mem::take(&mut self.unforgotten) {
            self.forget_member(&member_id, &mut records);
        }
        records.extend(said);
        records.extend(self.snapshot(turn.now));
        records
    }

    /// A write failed that should have forgotten these members, among other things. With too many
    /// of them some stay: should a log be read that has them, they are lost after a session.
    pub(crate) fn mark_unsaved(&mut self, forgotten: Vec<String>) {
        self.is_unsaved = true;
        let room = UNFORGOTTEN_MEMBERS_MAX.saturating_sub(self.unforgotten.len());
        self.unforgotten.extend(forgotten.into_iter().take(room));
    }

    /// Finds the member, or makes it when it joins; nothing is changed when it is refused.
    fn admit(
        &mut self,
        turn: &Turn<'_>,
        asked: &ConsumerGroupHeartbeat,
        records: &mut Vec<GroupRecord>,
    ) -> Result<String, Refusal> {
        let instance = asked.instance_id.as_ref();
        let owner = instance.and_then(|instance| self.static_members.get(instance)).cloned();
        if asked.member_epoch == EPOCH_JOIN {
            return self.admit_joining(turn, asked, owner, records);
        }
        if instance.is_some() {
            match owner {
                None => return Err(Refusal::UnknownMemberId),
                Some(owner) if owner != asked.member_id => return Err(Refusal::FencedInstanceId),
                Some(_) => {}
            }
        }
        let member = self.members.get(&asked.member_id).ok_or(Refusal::UnknownMemberId)?;
        check_epoch(member, asked)?;
        Ok(asked.member_id.clone())
    }

    fn admit_joining(
        &mut self,
        turn: &Turn<'_>,
        asked: &ConsumerGroupHeartbeat,
        owner: Option<String>,
        records: &mut Vec<GroupRecord>,
    ) -> Result<String, Refusal> {
        let member_id = if asked.member_id.is_empty() {
            asked.unique_id.clone()
        } else {
            asked.member_id.clone()
        };
        if let Some(owner) = owner.filter(|owner| *owner != member_id) {
            let former = &self.members[&owner];
            if former.epoch != EPOCH_STATIC_LEFT {
                return Err(Refusal::UnreleasedInstanceId);
            }
            self.replace_static(&owner, &member_id, records);
        } else if !self.members.contains_key(&member_id) {
            if self.members.len() >= turn.settings.group_members_max {
                return Err(Refusal::GroupMaxSizeReached);
            }
            self.members.insert(member_id.clone(), ConsumerMember::new(&member_id));
        }
        let member = self.members.get_mut(&member_id).expect("it was there, or was made");
        member.restart();
        if let Some(instance) = &asked.instance_id {
            self.static_members.insert(instance.clone(), member_id.clone());
        }
        Ok(member_id)
    }

    /// A static member comes back under another id: it takes the place of its former self.
    fn replace_static(&mut self, former: &str, member_id: &str, records: &mut Vec<GroupRecord>) {
        let mut member = self.members.remove(former).expect("static names belong to members");
        self.forget_member(former, records);
        member_id.clone_into(&mut member.member_id);
        records.push(GroupRecord::Member(self.key(member_id), Some(member.value())));
        records.push(GroupRecord::TargetMember(self.key(member_id), Some(member.target_value())));
        self.members.insert(member_id.to_owned(), member);
    }

    /// Takes what the member says, brings the group up to it, and tells it what to have.
    fn serve(
        &mut self,
        turn: &Turn<'_>,
        member_id: &str,
        asked: &ConsumerGroupHeartbeat,
        records: &mut Vec<GroupRecord>,
    ) -> ConsumerGroupHeartbeatAnswer {
        let member = self.members.get_mut(member_id).expect("the member was admitted");
        let (before, assigned_before) = (member.value(), member.assigned.clone());
        let current_before = member.current_value();
        let reads_other_topics = member.update(asked);
        member.renew_session(turn.now, turn.settings.consumer_session_timeout_ms);
        if member.value() != before {
            let value = Some(member.value());
            records.push(GroupRecord::Member(self.key(member_id), value));
        }
        self.follow_topics(turn, reads_other_topics, records);
        self.assign(turn, records);
        self.reconcile(turn, member_id, asked.owned.as_ref());
        let member = &self.members[member_id];
        if member.current_value() != current_before || asked.member_epoch == EPOCH_JOIN {
            let value = Some(member.current_value());
            records.push(GroupRecord::CurrentAssignment(self.key(member_id), value));
        }
        let is_told = asked.says_everything() || member.assigned != assigned_before;
        ConsumerGroupHeartbeatAnswer {
            member_id: member_id.to_owned(),
            member_epoch: member.epoch,
            heartbeat_interval_ms: turn.settings.consumer_heartbeat_interval_ms,
            assignment: is_told.then(|| member.assigned.clone()),
        }
    }
}

fn forgotten_member(record: &GroupRecord) -> Option<String> {
    match record {
        GroupRecord::CurrentAssignment(key, None) => Some(key.member_id.clone()),
        _ => None,
    }
}

/// Is the epoch the member's, or the one before with an answer that was lost in between?
fn check_epoch(member: &ConsumerMember, asked: &ConsumerGroupHeartbeat) -> Result<(), Refusal> {
    if asked.member_epoch == member.epoch {
        return Ok(());
    }
    let missed_an_answer = asked.member_epoch < member.epoch
        && asked.member_epoch == member.previous_epoch
        && asked.owned.as_ref().is_some_and(|owned| owned.is_within(&member.assigned));
    if missed_an_answer { Ok(()) } else { Err(Refusal::FencedMemberEpoch) }
}

/// What a member names that joins.
pub(super) const EPOCH_JOIN: i32 = 0;
