//! Byte equality of the directory with its source, batch by batch, over the offsets both have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::slice;
use std::time::Duration;

use crc_fast::{CrcAlgorithm, Digest};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, TopicName, TopicPartition};
use kafka_wire::record_batch::{BatchError, RecordBatchView};
use mirror_coordinator::mirror_config::topic_prefix;
use serde::Serialize;

use crate::client_properties::ClientProperties;
use crate::directory::{DataDirectory, DirectoryCheckpoints, DirectoryError};
use crate::directory_state::DirectoryState;
use crate::local_log::{
    LocalBatch, LocalBatches, LocalLog, LocalLogError, OpenEnd, READABLE_BATCH_BYTES_MAX,
};
use crate::source_client::{FetchTarget, LogEdge, SourceClient, SourceMetadata, SourceTopic};
use crate::source_connection::SourceError;
use crate::topic_filter::TopicFilter;

/// What to compare with what.
#[derive(Clone, Debug)]
pub struct VerifyConfig {
    /// How to reach the source.
    pub properties: ClientProperties,
    /// The directory.
    pub data_dir: PathBuf,
    /// Which of its topics.
    pub filter: TopicFilter,
}

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The source cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifyReport {
    /// True when no partition differs.
    pub equal: bool,
    /// Partitions compared.
    pub partitions: Vec<PartitionReport>,
    /// Batches that are equal.
    pub batches: u64,
    /// Bytes that are equal.
    pub bytes: u64,
    /// Topics left out, as they were mirrored from other clusters than this one.
    pub of_other_sources: Vec<String>,
}

/// What came of one partition.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PartitionReport {
    /// `topic-partition`.
    pub partition: String,
    /// True when every byte of the common range is equal and neither side lacks what it must have.
    pub equal: bool,
    /// Offsets here, first and one past last.
    pub local: Option<(i64, i64)>,
    /// Offsets at the source, first and high watermark.
    pub source: Option<(i64, i64)>,
    /// What was equal, one range per local segment.
    pub ranges: Vec<RangeDigest>,
    /// The first difference.
    pub difference: Option<Difference>,
    /// What is outside of the common range, and is no difference.
    pub notes: Vec<String>,
}

/// Fingerprint of a range of offsets that is equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RangeDigest {
    /// First offset.
    pub from: i64,
    /// One past the last offset.
    pub to: i64,
    /// Batches.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// CRC-64/NVME of the bytes, hexadecimal.
    pub crc64: String,
}

/// Where two logs part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// First offset that differs.
    pub offset: i64,
    /// Our file, when the difference is in one.
    pub file: Option<PathBuf>,
    /// Position in it.
    pub position: Option<u64>,
    /// What differs.
    pub what: String,
}

/// Compares every selected partition; `observe` hears of each one as it is done.
///
/// # Errors
/// When the directory or the source cannot be used at all; differences are in the report.
pub async fn verify(
    config: VerifyConfig,
    observe: &mut dyn FnMut(&PartitionReport),
) -> Result<VerifyReport, VerifyError> {
    let directory = DataDirectory::open(&config.data_dir)?;
    let mut client = SourceClient::new(config.properties);
    let metadata = client.metadata().await?;
    let mut checkpoints = directory.read_checkpoints()?;
    let was_clean = directory.is_clean();
    let mut names = directory.list_partitions()?.0;
    let state = &directory.state;
    names.retain(|name| config.filter.selects(&name.topic) && !state.is_local(&name.topic));
    let theirs = metadata.cluster_id.as_deref();
    let of_other_sources = leave_out_others(&directory, theirs, &mut names)?;
    let at_source = names_at_source(&names, &directory.state);
    let leaders = leaders(at_source.values(), &metadata);
    let starts = client.list_offsets(&leaders, LogEdge::Start).await?.offsets;
    let ends = client.list_offsets(&leaders, LogEdge::End).await?.offsets;
    let mut report = VerifyReport { equal: true, of_other_sources, ..VerifyReport::default() };
    for name in names {
        let theirs = at_source.get(&name).unwrap_or(&name);
        let bounds = starts.get(theirs).copied().zip(ends.get(theirs).copied());
        let mut comparison = Comparison::new(&name, &checkpoints, was_clean);
        match topic_mismatch(&directory, metadata.topics.get(&theirs.topic), &name.topic) {
            Some(what) => comparison.differs(Offset::ZERO, what),
            None => match bounds.zip(leaders.get(theirs).copied()) {
                Some((bounds, leader)) => {
                    let target = FetchTarget { name: theirs.clone(), leader };
                    comparison.run(&mut client, &directory, &target, bounds).await?;
                }
                None => comparison.differs(Offset::ZERO, NOT_AT_SOURCE.to_owned()),
            },
        }
        // What a broker has taken over is no longer ours to repair.
        if comparison.is_damaged && directory.refuse_handed_over().is_ok() {
            directory.distrust(slice::from_ref(&name), &mut checkpoints)?;
            comparison.report.notes.push(CURE.to_owned());
        }
        let partition = comparison.finish();
        observe(&partition);
        report.equal &= partition.equal;
        report.batches += partition.ranges.iter().map(|range| range.batches).sum::<u64>();
        report.bytes += partition.ranges.iter().map(|range| range.bytes).sum::<u64>();
        report.partitions.push(partition);
    }
    Ok(report)
}

/// Leaves out what was mirrored from another cluster than the one asked, `theirs`, and returns
/// its topics: a node mirrors from several. The directory learns nothing of who is asked.
fn leave_out_others(
    directory: &DataDirectory,
    theirs: Option<&str>,
    names: &mut Vec<TopicPartition>,
) -> Result<Vec<String>, DirectoryError> {
    let Some(theirs) = theirs else { return Ok(Vec::new()) };
    let state = &directory.state;
    let is_other = |ours: &&str| *ours != theirs;
    let others: BTreeSet<TopicName> = names
        .iter()
        .filter(|name| state.source_of(&name.topic).is_some_and(|ours| is_other(&ours)))
        .map(|name| name.topic.clone())
        .collect();
    names.retain(|name| !others.contains(&name.topic));
    let of_first = others.first().and_then(|topic| state.source_of(topic));
    let of_all = || state.source_cluster_id.as_deref().filter(is_other);
    match of_first.or_else(of_all) {
        Some(ours) if names.is_empty() => Err(DirectoryError::WrongSource {
            path: directory.root().to_owned(),
            ours: ours.to_owned(),
            theirs: theirs.to_owned(),
        }),
        _ => Ok(others.iter().map(ToString::to_string).collect()),
    }
}

/// What the source calls partitions of mirrors that give their topics a prefix.
fn names_at_source(
    names: &[TopicPartition],
    state: &DirectoryState,
) -> BTreeMap<TopicPartition, TopicPartition> {
    let mirrors = &state.cluster_mirrors;
    let at_source = |name: &TopicPartition| {
        let bound = mirrors.topics().get(&name.topic);
        let mirror = bound.and_then(|bound| mirrors.mirrors().get(&bound.mirror));
        let prefix = mirror.map(|mirror| topic_prefix(&mirror.configs)).unwrap_or_default();
        let topic = prefix.name_at_source(&name.topic).unwrap_or_else(|| name.topic.clone());
        (name.clone(), TopicPartition { topic, partition: name.partition })
    };
    names.iter().map(at_source).collect()
}

fn leaders<'a>(
    names: impl Iterator<Item = &'a TopicPartition>,
    metadata: &SourceMetadata,
) -> BTreeMap<TopicPartition, BrokerId> {
    let leader = |name: &TopicPartition| {
        let topic = metadata.topics.get(&name.topic)?;
        Some((name.clone(), topic.partitions.get(&name.partition)?.leader?))
    };
    names.filter_map(leader).collect()
}

/// Why our topic is not the source's of the same name.
fn topic_mismatch(
    directory: &DataDirectory,
    theirs: Option<&SourceTopic>,
    name: &TopicName,
) -> Option<String> {
    let Some(ours) = directory.state.topics.get(name) else {
        return Some("ringmirror.json does not know the topic".to_owned());
    };
    let theirs = theirs?;
    if !ours.source_has_topic_ids || theirs.topic_id == Some(ours.topic_id) {
        return None;
    }
    let found = theirs.topic_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    Some(format!("topic id is {found} at the source, {} here: recreated?", ours.topic_id))
}

/// One partition being compared.
struct Comparison<'a> {
    name: &'a TopicPartition,
    /// Log start from the directory's checkpoint.
    start_checkpoint: Option<Offset>,
    /// When the log was not closed: up to where it is durable, from the directory's checkpoint.
    durable_end: Option<Offset>,
    /// True when our log holds what is no batch.
    is_damaged: bool,
    report: PartitionReport,
    range: Option<OpenRange>,
}

struct OpenRange {
    segment: Offset,
    digest: RangeDigest,
    crc: Digest,
}

impl<'a> Comparison<'a> {
    fn new(name: &'a TopicPartition, checkpoints: &DirectoryCheckpoints, was_clean: bool) -> Self {
        let partition = name.to_string();
        let report = PartitionReport { partition, ..PartitionReport::default() };
        let start_checkpoint = checkpoints.log_starts.get(name).copied();
        let recovery_point = checkpoints.recovery_points.get(name).copied();
        let durable_end = (!was_clean).then(|| recovery_point.unwrap_or(Offset::ZERO));
        Self { name, start_checkpoint, durable_end, is_damaged: false, report, range: None }
    }

    async fn run(
        &mut self,
        client: &mut SourceClient,
        directory: &DataDirectory,
        target: &FetchTarget,
        (source_start, source_end): (Offset, Offset),
    ) -> Result<(), SourceError> {
        self.report.source = Some((source_start.get(), source_end.get()));
        let log = match LocalLog::open(directory.root(), self.name) {
            Ok(log) => log,
            Err(error) => {
                self.differs(Offset::ZERO, error.to_string());
                return Ok(());
            }
        };
        let base = log.segments.first().map_or(Offset::ZERO, |segment| segment.base);
        let local_start = base.max(self.start_checkpoint.unwrap_or(Offset::ZERO));
        let from = local_start.max(source_start);
        let mut local = log.batches(from);
        if let Some(durable_end) = self.durable_end {
            local = local.of_open_log(durable_end);
        }
        let reached = self.compare(client, target, &mut local, from, source_end).await?;
        if self.report.difference.is_some() {
            return Ok(());
        }
        let local_end = self.read_rest(&mut local, reached.max(local_start), source_end);
        self.report.local = Some((local_start.get(), local_end.get()));
        self.report.notes.extend(local.open_end().map(open_end_text));
        self.judge_bounds(local_start, local_end, source_start, source_end);
        Ok(())
    }

    /// Compares from `from` on until either side ends; returns where.
    async fn compare(
        &mut self,
        client: &mut SourceClient,
        target: &FetchTarget,
        local: &mut LocalBatches,
        from: Offset,
        source_end: Offset,
    ) -> Result<Offset, SourceError> {
        let mut at = from;
        let mut idle_count = 0;
        while at < source_end && idle_count < IDLE_COUNT_MAX {
            let fetched = fetch(client, target, at).await?;
            let mut rest = &fetched[..];
            let before = at;
            while let Some(batch) = self.source_batch(&mut rest, at) {
                if batch.header().next_offset() <= at {
                    continue; // the fetch began inside a batch we have compared
                }
                if !self.compare_batch(&batch, local, at) {
                    return Ok(at);
                }
                at = batch.header().next_offset();
            }
            if self.report.difference.is_some() {
                return Ok(at);
            }
            // Compaction can leave the end of a log without batches.
            idle_count = if at == before { idle_count + 1 } else { 0 };
        }
        Ok(at)
    }

    /// The next whole batch the source sent.
    fn source_batch<'b>(&mut self, rest: &mut &'b [u8], at: Offset) -> Option<RecordBatchView<'b>> {
        if rest.is_empty() {
            return None;
        }
        match RecordBatchView::parse(rest, READABLE_BATCH_BYTES_MAX) {
            Ok(batch) => {
                *rest = &rest[batch.bytes().len()..];
                Some(batch)
            }
            Err(BatchError::Truncated { .. }) => None,
            Err(error) => {
                self.differs(at, format!("the source sends a damaged batch: {error}"));
                None
            }
        }
    }

    /// Compares one batch of the source with our next one; false when there is nothing to go on.
    fn compare_batch(
        &mut self,
        source: &RecordBatchView<'_>,
        local: &mut LocalBatches,
        at: Offset,
    ) -> bool {
        let ours = loop {
            match local.next_batch() {
                Ok(Some(ours)) if ours.header.next_offset() <= at => {}
                Ok(Some(ours)) => break ours,
                Ok(None) => return false,
                Err(error) => {
                    self.local_is_wrong(at, error);
                    return false;
                }
            }
        };
        match first_difference(source, &ours) {
            None => {
                self.add(&ours);
                true
            }
            Some((offset, in_batch, what)) => {
                self.report.difference = Some(Difference {
                    offset: offset.get(),
                    file: Some(ours.place.path.clone()),
                    position: Some(ours.place.position + in_batch),
                    what,
                });
                false
            }
        }
    }

    fn add(&mut self, ours: &LocalBatch<'_>) {
        let header = &ours.header;
        if self.range.as_ref().is_none_or(|range| range.segment != ours.segment) {
            self.close_range();
            let from = header.base_offset.get();
            let digest = RangeDigest { from, to: from, batches: 0, bytes: 0, crc64: String::new() };
            let crc = Digest::new(CrcAlgorithm::Crc64Nvme);
            self.range = Some(OpenRange { segment: ours.segment, digest, crc });
        }
        let range = self.range.as_mut().expect("opened above");
        range.crc.update(ours.bytes);
        range.digest.to = header.next_offset().get();
        range.digest.batches += 1;
        range.digest.bytes += u64::from(header.batch_bytes);
    }

    fn close_range(&mut self) {
        if let Some(OpenRange { mut digest, crc, .. }) = self.range.take() {
            digest.crc64 = format!("{:016x}", crc.finalize());
            self.report.ranges.push(digest);
        }
    }

    /// Reads what we have behind the compared range; returns our log end.
    fn read_rest(
        &mut self,
        local: &mut LocalBatches,
        reached: Offset,
        source_end: Offset,
    ) -> Offset {
        loop {
            match local.next_batch() {
                Ok(Some(ours)) => {
                    let base = ours.header.base_offset;
                    if base >= reached && base < source_end {
                        self.differs(base, "the source has no batch here, we have one".to_owned());
                        return local.end();
                    }
                }
                Ok(None) => return local.end().max(reached),
                Err(error) => {
                    self.local_is_wrong(local.end(), error);
                    return local.end();
                }
            }
        }
    }

    fn judge_bounds(
        &mut self,
        local_start: Offset,
        local_end: Offset,
        source_start: Offset,
        source_end: Offset,
    ) {
        let note = |text: String, notes: &mut Vec<String>| notes.push(text);
        if local_start > source_start && local_start > Offset::ZERO {
            let what = format!("the source begins at {source_start}, we begin at {local_start}");
            self.differs(source_start, what);
        } else if local_end > source_end {
            let what = format!("the source ends at {source_end}, we end at {local_end}");
            self.differs(source_end, what);
        }
        if local_start < source_start {
            let text = format!("offsets {local_start} to {source_start} are only here");
            note(text, &mut self.report.notes);
        }
        if local_end < source_end {
            let text = format!("offsets {local_end} to {source_end} are not mirrored yet");
            note(text, &mut self.report.notes);
        }
    }

    fn local_is_wrong(&mut self, at: Offset, error: LocalLogError) {
        let place = error.place().cloned();
        self.is_damaged |= place.is_some();
        self.report.difference = Some(Difference {
            offset: at.get(),
            position: place.as_ref().map(|place| place.position),
            file: place.map(|place| place.path),
            what: format!("our log is damaged: {error}"),
        });
    }

    fn differs(&mut self, offset: Offset, what: String) {
        let offset = offset.get();
        let difference = Difference { offset, file: None, position: None, what };
        self.report.difference.get_or_insert(difference);
    }

    fn finish(mut self) -> PartitionReport {
        self.close_range();
        self.report.equal = self.report.difference.is_none();
        self.report
    }
}

/// What is behind the last batch of a log that was not closed, and what becomes of it.
fn open_end_text(end: &OpenEnd) -> String {
    let bytes = end.bytes;
    match &end.reason {
        None => format!(
            "not closed cleanly, {bytes} reserved bytes follow the last batch: run ringmirror \
             mirror once, it cuts them"
        ),
        Some(reason) => format!(
            "not closed cleanly, the last {bytes} bytes are no batch ({reason}): run ringmirror \
             mirror once, it cuts them and fetches again what is lost"
        ),
    }
}

/// Fetches once, and again after a pause when the leader has just moved.
async fn fetch(
    client: &mut SourceClient,
    target: &FetchTarget,
    at: Offset,
) -> Result<bytes::Bytes, SourceError> {
    let mut target = target.clone();
    for _ in 0..FETCH_TRIES {
        match client.fetch(&target, at, FETCH_BYTES).await {
            Ok(fetched) => return Ok(fetched.records),
            Err(SourceError::Refused { code: NOT_LEADER_OR_FOLLOWER, .. }) => {
                tokio::time::sleep(RETRY_PAUSE).await;
                let names = [target.name.clone()];
                let leaders = leaders(names.iter(), &client.metadata().await?);
                target.leader = leaders.get(&target.name).copied().unwrap_or(target.leader);
            }
            Err(error) => return Err(error),
        }
    }
    client.fetch(&target, at, FETCH_BYTES).await.map(|fetched| fetched.records)
}

/// Offset, position in the batch and kind of the first difference of two batches.
fn first_difference(
    source: &RecordBatchView<'_>,
    ours: &LocalBatch<'_>,
) -> Option<(Offset, u64, String)> {
    let (theirs, mine) = (source.bytes(), ours.bytes);
    if theirs == mine {
        return None;
    }
    let (source, local) = (source.header(), &ours.header);
    if (source.base_offset, source.last_offset()) != (local.base_offset, local.last_offset()) {
        let what = format!(
            "the source's batch holds offsets {} to {}, ours {} to {}",
            source.base_offset,
            source.last_offset(),
            local.base_offset,
            local.last_offset()
        );
        return Some((source.base_offset.min(local.base_offset), 0, what));
    }
    if theirs.len() != mine.len() {
        let what = format!("the source's batch has {} bytes, ours {}", theirs.len(), mine.len());
        return Some((local.base_offset, 0, what));
    }
    let at = theirs.iter().zip(mine).position(|(theirs, mine)| theirs != mine)?;
    let what = format!(
        "byte {at} of the batch is 0x{:02x} at the source, 0x{:02x} here",
        theirs[at], mine[at]
    );
    Some((local.base_offset, u64::try_from(at).ok()?, what))
}

const CURE: &str = "the next ringmirror mirror reads this log from its beginning, cuts it at the \
                    damage and fetches the rest again";
const NOT_AT_SOURCE: &str = "the source has no such partition now, or nobody leads it";
/// Bytes asked for in one fetch.
const FETCH_BYTES: i32 = 8 << 20;
const FETCH_TRIES: usize = 20;
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Answers without records in a row after which a log has no more batches.
const IDLE_COUNT_MAX: u32 = 2;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
