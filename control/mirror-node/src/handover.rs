//! Making a mirrored directory one that a stock broker starts on.

use std::fs;
use std::path::{Path, PathBuf};

use kafka_log::bootstrap_checkpoint::{
    self, BootstrapCheckpoint, BootstrapPartition, BootstrapTopic,
};
use kafka_log::closing::close_log;
use kafka_log::log_config::LogConfig;
use kafka_log::recovery::{self, LoadRequest, LogCut};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::metadata_record::DirectoryId;
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicPartition};
use kafka_wire::producer::ProducerId;
use mirror_uring::real_files::RealFiles;
use serde::Serialize;

use crate::directory::{DataDirectory, DirectoryCheckpoints, DirectoryError};
use crate::finding_text::finding_text;
use crate::handover_configs::handover_configs;
use crate::local_log::{LocalLog, LocalLogError};
use crate::partition_check::{self, PartitionCheck};
use crate::recycled_files;

mod acls;
mod mirrored;
mod share_groups;

pub use mirrored::HandedMirror;

/// The release of Kafka that will open the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaRelease {
    /// As in `4.0`.
    pub name: &'static str,
    /// Level of `metadata.version` that release considers stable.
    pub metadata_version: i16,
    /// True when `group.version` 1 is known: from 4.0 on.
    pub has_group_version: bool,
    /// True when share groups are ready for use (`share.version` 1): from 4.2 on.
    pub has_share_version: bool,
    /// Smallest `segment.bytes` it accepts.
    pub segment_bytes_min: u64,
}

/// The releases a directory can be prepared for. Source: `MetadataVersion` of each release.
pub const RELEASES: [KafkaRelease; 5] = [
    KafkaRelease {
        name: "3.9",
        metadata_version: 21, // 3.9-IV0
        has_group_version: false,
        has_share_version: false,
        segment_bytes_min: 14,
    },
    KafkaRelease {
        name: "4.0",
        metadata_version: 25, // 4.0-IV3
        has_group_version: true,
        has_share_version: false,
        segment_bytes_min: 1 << 20,
    },
    KafkaRelease {
        name: "4.1",
        metadata_version: 27, // 4.1-IV1
        has_group_version: true,
        has_share_version: false,
        segment_bytes_min: 1 << 20,
    },
    KafkaRelease {
        name: "4.2",
        metadata_version: 29, // 4.2-IV1
        has_group_version: true,
        has_share_version: true,
        segment_bytes_min: 1 << 20,
    },
    KafkaRelease {
        name: "4.3",
        metadata_version: 29, // 4.2-IV1: any later broker takes it, and can be upgraded from it
        has_group_version: true,
        has_share_version: true,
        segment_bytes_min: 1 << 20,
    },
];

impl KafkaRelease {
    /// The release a version belongs to: `4.0`, `4.0.1`.
    #[must_use]
    pub fn parse(version: &str) -> Option<&'static Self> {
        let mut parts = version.split('.');
        let minor = format!("{}.{}", parts.next()?, parts.next()?);
        let patches_are_numbers = parts.all(|part| part.parse::<u32>().is_ok());
        RELEASES.iter().find(|release| release.name == minor && patches_are_numbers)
    }
}

/// Why a directory cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A log cannot be read.
    #[error(transparent)]
    Log(#[from] LocalLogError),
    /// A log cannot be recovered or closed.
    #[error("{partition}: cannot recover the log: {reason}")]
    Recovery {
        /// Which partition.
        partition: TopicPartition,
        /// Why.
        reason: String,
    },
    /// Groups cannot be read or written.
    #[error("{partition}: share groups cannot be handed over: {reason}")]
    Groups {
        /// Which log.
        partition: TopicPartition,
        /// Why.
        reason: String,
    },
    /// Logs are not what they should be.
    #[error(
        "refused, the local log does not pass its check: {}; nothing was handed over; run \
         ringmirror mirror or node again, it cuts these logs where they are damaged and fetches \
         the rest of those that are mirrored",
        problems.join("; ")
    )]
    Damaged {
        /// What is wrong, file by file.
        problems: Vec<String>,
    },
    /// A partition of a mirrored topic has no log here.
    #[error(
        "{partition} was never mirrored (its directory is missing): run ringmirror mirror \
         --until-caught-up first"
    )]
    Incomplete {
        /// Which partition.
        partition: TopicPartition,
    },
    /// A directory that a broker would refuse or take for a stray.
    #[error(
        "{name} is in the directory and is not a partition mirrored or made here: move it away"
    )]
    Foreign {
        /// The directory's name.
        name: String,
    },
    /// There is nothing to hand over.
    #[error("{}: no topic was mirrored into it or made in it", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// An epoch leaves no room for the next.
    #[error("{partition}: leader epoch {epoch} is the largest there is")]
    NoEpochLeft {
        /// Which partition.
        partition: TopicPartition,
        /// Its newest epoch.
        epoch: i32,
    },
}

/// What was handed over.
#[derive(Clone, Debug, Serialize)]
pub struct HandoverReport {
    /// Id of the new cluster.
    pub cluster_id: String,
    /// Id of the broker.
    pub node_id: i32,
    /// Release prepared for.
    pub kafka_version: &'static str,
    /// Partitions, with what a broker will find.
    pub partitions: Vec<HandedPartition>,
    /// First producer id the cluster will give out.
    pub next_producer_id: Option<i64>,
    /// What was repaired, left out or should be known.
    pub notes: Vec<String>,
    /// The configuration to start the broker with.
    pub server_properties: String,
}

/// A partition as a broker will find it.
#[derive(Clone, Debug, Serialize)]
pub struct HandedPartition {
    /// `topic-partition`.
    pub partition: String,
    /// Id of its topic.
    pub topic_id: String,
    /// First offset kept.
    pub log_start: i64,
    /// One past the last offset.
    pub log_end: i64,
    /// Epoch its leader will have.
    pub leader_epoch: i32,
    /// Batches checked.
    pub batches: u64,
    /// Bytes checked.
    pub bytes: u64,
    /// The mirror that its topic belonged to, and where mirroring ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<HandedMirror>,
}

/// Closes the directory, checks every byte of it, and writes what a stock broker needs.
///
/// # Errors
/// Says what is in the way; a broker must not be started then.
pub fn hand_over(
    root: &Path,
    node_id: BrokerId,
    release: &'static KafkaRelease,
) -> Result<HandoverReport, HandoverError> {
    let mut directory = DataDirectory::open(root)?;
    directory.refuse_handed_over()?;
    remove_deleted(&mut directory)?;
    make_missing(&directory)?;
    let names = partitions_to_hand_over(&directory)?;
    let mut checkpoints = directory.read_checkpoints()?;
    let mut notes = Vec::new();
    if !directory.take_clean_marker()? {
        refuse_lost(&directory, &names, &mut checkpoints)?;
        for name in &names {
            recover(&directory, name, &mut checkpoints, &mut notes)?;
        }
        directory.write_checkpoints(&checkpoints)?;
    }
    let mut checks = check_all(&directory, &names, &mut checkpoints)?;
    for name in &names {
        remove_recycled(&directory, name)?;
    }
    share_groups::hand_over(&mut directory, release, (&mut checks, &mut checkpoints), &mut notes)?;
    let mut handed = Vec::new();
    let mirrored = mirrored::of_directory(&directory, &checks, &checkpoints, &mut notes);
    for check in &checks {
        let told = directory.state.leader_epoch(&check.name);
        let (plan, partition) = hand_partition(check, told, &checkpoints)?;
        let mirror = mirrored.get(&check.name).cloned();
        handed.push((plan, HandedPartition { mirror, ..partition }));
        note_open_transactions(check, &mut notes);
    }
    directory.meta.node_id = node_id;
    let next_producer_id = next_producer_id(&checks).max(directory.state.next_producer_id);
    let mut bootstrap = bootstrap(&directory, release, &handed, next_producer_id, &mut notes);
    let rules = directory.open_acls()?.current();
    bootstrap.acls = acls::handed_over(&rules.table, release, &mut notes);
    directory.write_meta()?;
    directory.replace_file(bootstrap_checkpoint::FILE_NAME, &bootstrap.encode())?;
    for check in &checks {
        checkpoints.recovery_points.insert(check.name.clone(), check.log_end);
        checkpoints.high_watermarks.insert(check.name.clone(), check.log_end);
    }
    directory.write_checkpoints(&checkpoints)?;
    directory.write_clean_marker()?;
    Ok(HandoverReport {
        cluster_id: directory.meta.cluster_id.clone(),
        node_id: node_id.get(),
        kafka_version: release.name,
        partitions: handed.into_iter().map(|(_, partition)| partition).collect(),
        next_producer_id: next_producer_id.map(ProducerId::get),
        notes,
        server_properties: server_properties(root, node_id),
    })
}

/// Ends the deletion of topics made here, which a crash cut short.
fn remove_deleted(directory: &mut DataDirectory) -> Result<(), HandoverError> {
    if directory.state.deleted_topics.is_empty() {
        return Ok(());
    }
    for topic in directory.state.deleted_topics.values() {
        for index in (0..topic.partition_count).filter_map(PartitionIndex::from_wire) {
            let partition = TopicPartition { topic: topic.name.clone(), partition: index };
            directory.remove_partition(&partition)?;
        }
    }
    directory.state.deleted_topics.clear();
    Ok(directory.write_state()?)
}

/// Makes the directories of topics made here that a crash left without: their logs are empty.
fn make_missing(directory: &DataDirectory) -> Result<(), HandoverError> {
    for (name, topic) in &directory.state.local_topics {
        for index in (0..topic.partition_count).filter_map(PartitionIndex::from_wire) {
            let partition = TopicPartition { topic: name.clone(), partition: index };
            if directory.make_partition(&partition)? {
                // Nothing says whose it is until it was recovered.
                directory.take_clean_marker()?;
            }
        }
    }
    Ok(())
}

/// The partitions of every remembered topic, which must be what lies in the directory.
fn partitions_to_hand_over(
    directory: &DataDirectory,
) -> Result<Vec<TopicPartition>, HandoverError> {
    let (present, others) = directory.list_partitions()?;
    let is_known = |name: &str| name == "lost+found" || name.ends_with(DELETED_SUFFIX);
    if let Some(name) = others.into_iter().find(|name| !is_known(name)) {
        return Err(HandoverError::Foreign { name });
    }
    let state = &directory.state;
    if let Some(stray) = present.iter().find(|name| {
        let count = state.partition_count(&name.topic);
        count.is_none_or(|count| name.partition.get() >= count)
    }) {
        return Err(HandoverError::Foreign { name: stray.to_string() });
    }
    for (topic, known) in &state.topics {
        for partition in (0..known.partition_count).filter_map(PartitionIndex::from_wire) {
            let partition = TopicPartition { topic: topic.clone(), partition };
            if present.binary_search(&partition).is_err() {
                return Err(HandoverError::Incomplete { partition });
            }
        }
    }
    if present.is_empty() {
        return Err(HandoverError::Empty { path: directory.root().to_owned() });
    }
    Ok(present)
}

/// Refuses logs that recovery would cut below what was durable once: only a mirror run can fetch
/// that again.
fn refuse_lost(
    directory: &DataDirectory,
    names: &[TopicPartition],
    checkpoints: &mut DirectoryCheckpoints,
) -> Result<(), HandoverError> {
    let (mut problems, mut damaged) = (Vec::new(), Vec::new());
    for name in names {
        if let Err(problem) = read_to_durable_end(directory, name, checkpoints) {
            problems.push(format!("{name}: {problem}"));
            damaged.push(name.clone());
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    directory.distrust(&damaged, checkpoints)?;
    Err(HandoverError::Damaged { problems })
}

/// Reads the segments that recovery will; says what is wrong below the durable end.
fn read_to_durable_end(
    directory: &DataDirectory,
    name: &TopicPartition,
    checkpoints: &DirectoryCheckpoints,
) -> Result<(), String> {
    let recovery_point = checkpoints.recovery_points.get(name).copied().unwrap_or(Offset::ZERO);
    // A log found damaged has lost its recovery point; its high watermark was durable too.
    let watermark = checkpoints.high_watermarks.get(name).copied().unwrap_or(Offset::ZERO);
    let durable_end = recovery_point.max(watermark);
    let log = LocalLog::open(directory.root(), name).map_err(|error| error.to_string())?;
    let mut batches = log.batches(recovery_point).of_open_log(durable_end);
    while batches.next_batch().map_err(|error| error.to_string())?.is_some() {}
    if batches.end() < durable_end {
        let end = batches.end();
        return Err(format!("the log ends at offset {end}, it was durable up to {durable_end}"));
    }
    Ok(())
}

/// Recovers a log that was not closed, and closes it.
fn recover(
    directory: &DataDirectory,
    name: &TopicPartition,
    checkpoints: &mut DirectoryCheckpoints,
    notes: &mut Vec<String>,
) -> Result<(), HandoverError> {
    let failed = |reason: String| HandoverError::Recovery { partition: name.clone(), reason };
    let topic_id = directory.state.topic_id(&name.topic);
    let topic_id = topic_id.ok_or_else(|| failed("unknown".to_owned()))?;
    let request = LoadRequest {
        topic_id,
        config: LogConfig::default(),
        recovery_point: checkpoints.recovery_points.get(name).copied(),
        log_start: checkpoints.log_starts.get(name).copied().map(LogStartOffset::new),
        clean: false,
        cut: LogCut::Keep,
    };
    let mut files = RealFiles::new(directory.root().join(name.to_string()));
    let loaded =
        recovery::load(&mut files, &request).map_err(
            |error| match partition_check::topic_id_cure(directory.root(), name, topic_id) {
                Some(cure) => failed(format!("{error}: {cure}")),
                None => failed(error.to_string()),
            },
        )?;
    close_log(&mut files, &loaded.log.close()).map_err(|error| failed(error.to_string()))?;
    let findings = loaded.findings.iter().map(finding_text);
    notes.extend(findings.map(|finding| format!("{name}: {finding}")));
    let log_end = loaded.log.accepted_end().offset();
    checkpoints.recovery_points.insert(name.clone(), log_end);
    Ok(())
}

/// Deletes the files kept for segments that are never begun here.
fn remove_recycled(directory: &DataDirectory, name: &TopicPartition) -> Result<(), LocalLogError> {
    let path = directory.root().join(name.to_string());
    recycled_files::remove(&path).map_err(|error| LocalLogError::Io { path, error })
}

/// Checks every partition. Damaged ones lose their recovery points, so that the next mirror run
/// reads them from the beginning, cuts and fetches again.
fn check_all(
    directory: &DataDirectory,
    names: &[TopicPartition],
    checkpoints: &mut DirectoryCheckpoints,
) -> Result<Vec<PartitionCheck>, HandoverError> {
    let (mut checks, mut problems, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let mut check = partition_check::check(directory.root(), name)?;
        let expected = directory.state.topic_id(&name.topic);
        if check.topic_id.is_some() && check.topic_id != expected {
            let path = directory.root().join(name.to_string());
            let what = "partition.metadata names another topic id than ringmirror.json";
            check.problems.push(partition_check::Problem { path, what: what.to_owned() });
        }
        let texts = check
            .problems
            .iter()
            .map(|problem| format!("{}: {}", problem.path.display(), problem.what));
        problems.extend(texts);
        problems.extend(
            expected.and_then(|topic_id| {
                partition_check::topic_id_cure(directory.root(), name, topic_id)
            }),
        );
        if !check.problems.is_empty() {
            damaged.push(name.clone());
        }
        checks.push(check);
    }
    if problems.is_empty() {
        return Ok(checks);
    }
    directory.distrust(&damaged, checkpoints)?;
    Err(HandoverError::Damaged { problems })
}

/// What the broker will find, and the leader epoch above every epoch in the log and every one
/// that clients were told.
fn hand_partition(
    check: &PartitionCheck,
    told: LeaderEpoch,
    checkpoints: &DirectoryCheckpoints,
) -> Result<(BootstrapPartitionPlan, HandedPartition), HandoverError> {
    let told = Some(told.get()).filter(|told| *told > 0);
    let leader_epoch = match check.epoch_max.map(SourceLeaderEpoch::get).max(told) {
        None => LeaderEpoch::ZERO,
        Some(epoch) => {
            let next = epoch.checked_add(1).and_then(LeaderEpoch::from_wire);
            let partition = check.name.clone();
            next.ok_or(HandoverError::NoEpochLeft { partition, epoch })?
        }
    };
    let checkpointed = checkpoints.log_starts.get(&check.name).copied().unwrap_or(Offset::ZERO);
    let handed = HandedPartition {
        partition: check.name.to_string(),
        topic_id: check.topic_id.map(|id| id.to_string()).unwrap_or_default(),
        log_start: checkpointed.max(check.first_base).get(),
        log_end: check.log_end.get(),
        leader_epoch: leader_epoch.get(),
        batches: check.segments.iter().map(|segment| segment.batches).sum(),
        bytes: check.segments.iter().map(|segment| segment.bytes).sum(),
        mirror: None,
    };
    Ok((BootstrapPartitionPlan { name: check.name.clone(), leader_epoch }, handed))
}

struct BootstrapPartitionPlan {
    name: TopicPartition,
    leader_epoch: LeaderEpoch,
}

fn note_open_transactions(check: &PartitionCheck, notes: &mut Vec<String>) {
    for (first, producer) in &check.open_transactions {
        notes.push(format!(
            "{}: producer {producer} left a transaction open at offset {first}; read_committed \
             consumers stop there until the broker times it out or the producer comes back",
            check.name
        ));
    }
}

fn next_producer_id(checks: &[PartitionCheck]) -> Option<ProducerId> {
    let largest = checks.iter().filter_map(|check| check.producer_id_max).max()?;
    largest.get().checked_add(1).and_then(ProducerId::from_wire)
}

fn bootstrap(
    directory: &DataDirectory,
    release: &KafkaRelease,
    handed: &[(BootstrapPartitionPlan, HandedPartition)],
    next_producer_id: Option<ProducerId>,
    notes: &mut Vec<String>,
) -> BootstrapCheckpoint {
    let replica = (directory.meta.node_id, directory_id(directory));
    let mut topics = Vec::new();
    let state = &directory.state;
    let mirrored = state.topics.iter().map(|(name, topic)| (name, topic.topic_id, &topic.configs));
    let local =
        state.local_topics.iter().map(|(name, topic)| (name, topic.topic_id, &topic.configs));
    for (name, id, configs) in mirrored.chain(local) {
        let of_topic = handed.iter().filter(|(plan, _)| plan.name.topic == *name);
        topics.push(BootstrapTopic {
            name: name.clone(),
            id,
            configs: handover_configs(name, configs, release, notes),
            partitions: of_topic
                .map(|(plan, _)| BootstrapPartition {
                    index: plan.name.partition,
                    replicas: vec![replica],
                    leader_epoch: plan.leader_epoch,
                })
                .collect(),
        });
    }
    let features = [
        ("group.version", release.has_group_version),
        ("share.version", release.has_share_version),
    ];
    let features = features.iter().filter(|(_, is_known)| *is_known);
    BootstrapCheckpoint {
        metadata_version: release.metadata_version,
        features: features.map(|(name, _)| ((*name).to_owned(), 1)).collect(),
        topics,
        acls: Vec::new(),
        next_producer_id,
    }
}

/// The directory's id; all zero but the last byte means "not assigned" to a controller.
fn directory_id(directory: &DataDirectory) -> DirectoryId {
    const UNASSIGNED: DirectoryId = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    directory.meta.directory_id.unwrap_or(UNASSIGNED)
}

/// The configuration of a broker that is its own controller.
fn server_properties(root: &Path, node_id: BrokerId) -> String {
    let absolute = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let log_dirs = absolute.display().to_string().replace('\\', "\\\\");
    format!(
        "process.roles=broker,controller\n\
         node.id={node_id}\n\
         controller.quorum.voters={node_id}@localhost:9093\n\
         listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         advertised.listeners=PLAINTEXT://localhost:9092\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={log_dirs}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n"
    )
}

/// Ends the names of directories that are being deleted; a broker goes on with that.
const DELETED_SUFFIX: &str = "-delete";
