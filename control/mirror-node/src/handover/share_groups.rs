//! Share groups as a stock broker is given them.
//!
//! From where they read is in `__share_group_state`, in the broker's own form. Of which partitions
//! a group has a state there a broker learns from `__consumer_offsets`, where it looks for groups:
//! that is written now, and not before, since brokers up to 4.0 stumble over these records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use group_coordinator::coordinator::{GroupCoordinator, GroupSettings};
use group_coordinator::group_id::GroupId;
use group_coordinator::request::Now;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::group_record::{
    GroupRecord, ShareGroupValue, SharePartitionsValue, SharedTopic, partition_of_group,
};
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName, TopicPartition};

use super::{HandoverError, KafkaRelease, recover};
use crate::directory::{DataDirectory, DirectoryCheckpoints};
use crate::directory_state::LocalTopic;
use crate::groups::{OFFSETS_CONFIGS, OFFSETS_PARTITIONS, OFFSETS_TOPIC};
use crate::local_topics::keeper::now_ms;
use crate::log_view::LogView;
use crate::partition_check::{self, PartitionCheck};
use crate::random_id::random_id;
use crate::record_journal::{JournalRecord, ReadRecord, batches_of, read_log};
use crate::share_groups::{FIRST_EPOCH, GroupStates, SHARE_STATE_TOPIC, ShareStates};
use crate::writable_log::{LogSettings, LogSpec, WritableLog};

/// What is known of the logs of a directory.
type Logs<'a> = (&'a mut Vec<PartitionCheck>, &'a mut DirectoryCheckpoints);

/// Writes what a broker of the release needs to go on with the share groups of a directory.
pub(super) fn hand_over(
    directory: &mut DataDirectory,
    release: &KafkaRelease,
    (checks, checkpoints): Logs<'_>,
    notes: &mut Vec<String>,
) -> Result<(), HandoverError> {
    let mut states = ShareStates::default();
    read(directory, SHARE_STATE_TOPIC, (checks, checkpoints), &mut |record| {
        states.take(record.key, record.value);
    })?;
    let count = states.groups().len();
    if count == 0 {
        return Ok(());
    }
    if !release.has_share_version {
        notes.push(format!(
            "share groups: Kafka {} does not serve them; {count} are not handed over",
            release.name
        ));
        return Ok(());
    }
    let mut groups = GroupCoordinator::new(GroupSettings::default(), Now::default());
    read(directory, OFFSETS_TOPIC, (checks, checkpoints), &mut |record| {
        if let Some(Ok(record)) = record.key.map(|key| GroupRecord::decode(key, record.value)) {
            groups.load(Now::default(), record);
        }
    })?;
    let taken: BTreeSet<&GroupId> = groups.group_ids().collect();
    let (left_out, handed): (Vec<_>, Vec<_>) =
        states.groups().iter().partition(|(group, _)| taken.contains(group));
    notes.extend(left_out.iter().map(|(group, _)| {
        format!("share group {group} is not handed over: a group of consumers has its name")
    }));
    make_offsets_topic(directory, (checks, checkpoints), notes)?;
    let count = u32::from(OFFSETS_PARTITIONS);
    let count = directory
        .state
        .local_topics
        .get(&offsets_topic())
        .map_or(count, |topic| u32::try_from(topic.partition_count).unwrap_or(count));
    let mut by_partition: BTreeMap<u32, Vec<GroupRecord>> = BTreeMap::new();
    let names = directory.state.local_topics.iter().map(|(name, topic)| (topic.topic_id, name));
    let mirrored = directory.state.topics.iter().map(|(name, topic)| (topic.topic_id, name));
    let names: BTreeMap<TopicId, &TopicName> = names.chain(mirrored).collect();
    for (group, states) in &handed {
        let place = partition_of_group(group.as_str(), count);
        by_partition.entry(place).or_default().extend(records(group, states, &names));
    }
    for (partition, records) in by_partition {
        append(directory, partition, &records, (checks, checkpoints))?;
    }
    notes.push(format!("share groups: {} are handed over with their start offsets", handed.len()));
    Ok(())
}

/// What says of a group that it has these states; topics that are gone are left out.
fn records(
    group: &GroupId,
    states: &GroupStates,
    names: &BTreeMap<TopicId, &TopicName>,
) -> [GroupRecord; 2] {
    let mut initialized: Vec<SharedTopic> = Vec::new();
    for (topic_id, partition) in states.keys() {
        let Some(name) = names.get(topic_id) else { continue };
        match initialized.last_mut().filter(|last| last.topic_id == *topic_id) {
            Some(topic) => topic.partitions.push(*partition),
            None => initialized.push(SharedTopic {
                topic_id: *topic_id,
                name: (*name).clone(),
                partitions: vec![*partition],
            }),
        }
    }
    let group_value = ShareGroupValue { epoch: FIRST_EPOCH, metadata_hash: 0 };
    let partitions = SharePartitionsValue { initialized, ..SharePartitionsValue::default() };
    [
        GroupRecord::ShareGroup(group.to_string(), Some(group_value)),
        GroupRecord::SharePartitions(group.to_string(), Some(partitions)),
    ]
}

/// Makes the topic of groups where no group of consumers ever needed it.
fn make_offsets_topic(
    directory: &mut DataDirectory,
    (checks, checkpoints): Logs<'_>,
    notes: &mut Vec<String>,
) -> Result<(), HandoverError> {
    let name = offsets_topic();
    if directory.state.partition_count(&name).is_some() {
        return Ok(());
    }
    let topic_id = random_id().map_err(|error| failed(&partition(0), &error))?;
    let configs = OFFSETS_CONFIGS.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let partition_count = i32::from(OFFSETS_PARTITIONS);
    let topic = LocalTopic { topic_id, partition_count, configs, leader_epochs: Vec::new() };
    directory.state.local_topics.insert(name, topic);
    directory.write_state()?;
    for index in 0..u32::from(OFFSETS_PARTITIONS) {
        let partition = partition(index);
        directory.make_partition(&partition)?;
        recover(directory, &partition, checkpoints, notes)?;
        checks.push(partition_check::check(directory.root(), &partition)?);
    }
    Ok(())
}

/// Appends records to a closed log of groups, and checks it again.
fn append(
    directory: &DataDirectory,
    index: u32,
    records: &[GroupRecord],
    (checks, checkpoints): Logs<'_>,
) -> Result<(), HandoverError> {
    let name = partition(index);
    let check = checks.iter_mut().find(|check| check.name == name);
    let check = check.ok_or_else(|| failed(&name, &"it is not there"))?;
    let topic_id = directory.state.topic_id(&name.topic);
    let told = directory.state.leader_epoch(&name);
    let seen = check.epoch_max.and_then(|epoch| LeaderEpoch::from_wire(epoch.get()));
    let spec = LogSpec {
        view: Arc::new(LogView::new(directory.root().join(name.to_string()))),
        topic_id: topic_id.ok_or_else(|| failed(&name, &"its topic is not known"))?,
        settings: LogSettings::default(),
        recovery_point: Some(check.log_end),
        log_start: checkpoints.log_starts.get(&name).copied().map(LogStartOffset::new),
        clean: true,
        leader_epoch: seen.map_or(told, |seen| seen.max(told)),
        cut_count: 0,
    };
    let (log, _) = WritableLog::open(spec).map_err(|error| failed(&name, &error))?;
    let encoded = records.iter().map(|record| {
        let record = record.encode().map_err(|error| failed(&name, &error))?;
        Ok(JournalRecord { key: record.key, value: record.value })
    });
    let encoded = encoded.collect::<Result<Vec<_>, HandoverError>>()?;
    let batches = batches_of(encoded, now_ms()).map_err(|error| failed(&name, &error))?;
    for batch in batches {
        log.append_records(&batch.bytes).map_err(|error| failed(&name, &error))?;
    }
    log.close().map_err(|error| failed(&name, &error))?;
    *check = partition_check::check(directory.root(), &name)?;
    Ok(())
}

/// Shows every record of the closed logs of a topic.
fn read(
    directory: &DataDirectory,
    topic: &str,
    (checks, checkpoints): (&[PartitionCheck], &DirectoryCheckpoints),
    visit: &mut dyn FnMut(ReadRecord<'_>),
) -> Result<(), HandoverError> {
    let is_local =
        |check: &&PartitionCheck| directory.state.local_topics.contains_key(&check.name.topic);
    let of_topic = checks.iter().filter(|check| check.name.topic.as_str() == topic);
    for check in of_topic.filter(is_local) {
        let start = checkpoints.log_starts.get(&check.name).copied().unwrap_or(Offset::ZERO);
        let path = directory.root().join(check.name.to_string());
        let start = start.max(check.first_base);
        let read = read_log(&path, start, check.log_end, &|| false, &mut |record| {
            visit(record);
            Ok(())
        });
        read.map_err(|reason| failed(&check.name, &reason))?;
    }
    Ok(())
}

fn failed(partition: &TopicPartition, reason: &dyn std::fmt::Display) -> HandoverError {
    HandoverError::Groups { partition: partition.clone(), reason: reason.to_string() }
}

fn offsets_topic() -> TopicName {
    TopicName::parse(OFFSETS_TOPIC).expect("the topic of groups has a legal name")
}

fn partition(index: u32) -> TopicPartition {
    let index = i32::try_from(index).ok().and_then(PartitionIndex::from_wire);
    let partition = index.expect("a topic has fewer partitions than there are numbers");
    TopicPartition { topic: offsets_topic(), partition }
}
