//! From where share groups read at the source (KIP-932), kept here.
//!
//! Only the start offset goes along: what of the records behind it is settled already is read
//! again. Nobody reads in a share group here, so none is ever active. Nothing is deleted here.

use std::collections::BTreeSet;
use std::sync::Arc;

use group_coordinator::coordinator::GroupCoordinator;
use group_coordinator::group_id::GroupId;
use kafka_wire::partition::{BrokerId, TopicName};

use super::board::SyncOutcome;
use super::every_coordinator::{GroupKind, other_topics};
use super::{Mirrored, SyncError};
use crate::local_topics::keeper::now_ms;
use crate::share_groups::{ShareGroupsError, ShareStart};
use crate::source_client::SourceClient;
use crate::source_client::groups::{SourceGroup, SourceGroupOffset, SourceGroupOffsets};
use crate::source_connection::SourceError;

/// Share groups, and whether a broker said that it has none to tell of.
#[derive(Debug, Default)]
pub(super) struct ShareGroupsOfSource {
    silent: usize,
}

impl GroupKind for ShareGroupsOfSource {
    const TELLS_HIDDEN: bool = false;

    async fn list(
        &mut self,
        client: &mut SourceClient,
        broker: BrokerId,
    ) -> Result<Vec<SourceGroup>, SourceError> {
        if client.tells_share_groups(broker).await? {
            return client.list_groups(broker, &[SHARE]).await;
        }
        self.silent += 1;
        Ok(Vec::new())
    }

    fn is_carried(&self, group: &SourceGroup, _outcome: &mut SyncOutcome) -> bool {
        group.group_type.eq_ignore_ascii_case(SHARE)
    }

    async fn ask(
        &self,
        client: &mut SourceClient,
        broker: BrokerId,
        groups: &[String],
        wants: &(impl Fn(&TopicName) -> bool + Sync),
    ) -> Result<Vec<SourceGroupOffsets>, SourceError> {
        client.share_group_offsets(broker, groups, wants).await
    }

    async fn keep(
        &mut self,
        client: &mut SourceClient,
        mirrored: &Mirrored,
        told: Vec<(GroupId, Vec<SourceGroupOffset>)>,
        outcome: &mut SyncOutcome,
    ) -> Result<(), SyncError> {
        let ids: Vec<_> = told.iter().map(|(id, _)| id.clone()).collect();
        let taken = mirrored.groups.look(move |here| of_other_kinds(here, ids)).await?;
        let (mut starts, mut in_step) = (Vec::new(), 0);
        for (group, offsets) in told {
            if taken.contains(&group) {
                let left_out = || format!("group {group}: a group of consumers has its name here");
                outcome.skipped.note(left_out);
                continue;
            }
            in_step += 1;
            starts.extend(placed(mirrored, &group, offsets, outcome));
        }
        let starts = of_same_topics(client, mirrored, starts, outcome).await?;
        outcome.written += keep(mirrored, starts).await?;
        outcome.in_step += in_step;
        Ok(())
    }

    fn end(&self, broker_count: usize, outcome: &mut SyncOutcome) {
        if self.silent == broker_count {
            outcome.skipped.note(|| NOT_OFFERED.to_owned());
        }
    }
}

/// Those that are groups of consumers here.
fn of_other_kinds(here: &GroupCoordinator, ids: Vec<GroupId>) -> BTreeSet<GroupId> {
    let known: BTreeSet<&GroupId> = here.group_ids().collect();
    ids.into_iter().filter(|id| known.contains(id)).collect()
}

/// From where a group is to read the logs here: no further than they reach.
fn placed(
    mirrored: &Mirrored,
    group: &GroupId,
    offsets: Vec<SourceGroupOffset>,
    outcome: &mut SyncOutcome,
) -> Vec<ShareStart> {
    let mut starts = Vec::with_capacity(offsets.len());
    for told in offsets {
        let start = mirrored.log_of(&told).and_then(|found| {
            let Some((topic_id, partition, log)) = found else { return Ok(None) };
            let (begin, end) = (log.log_start.offset(), log.log_end.offset());
            let (group, topic) = (group.clone(), told.topic.clone());
            let offset = told.offset()?.min(end).max(begin);
            Ok(Some(ShareStart { group, topic, topic_id, partition, offset }))
        });
        match start {
            Ok(start) => starts.extend(start),
            Err(reason) => outcome
                .skipped
                .note(|| format!("group {group}, {}-{}: {reason}", told.topic, told.partition)),
        }
    }
    starts
}

/// Those that are not kept so yet, but for those of another topic of the same name.
async fn of_same_topics(
    client: &mut SourceClient,
    mirrored: &Mirrored,
    starts: Vec<ShareStart>,
    outcome: &mut SyncOutcome,
) -> Result<Vec<ShareStart>, SyncError> {
    let kept = Arc::clone(&mirrored.share_groups);
    let differing = tokio::task::spawn_blocking(move || kept.differing(starts)).await;
    let mut differing = differing.expect("comparing share groups does not panic")?;
    let topics = differing.iter().map(|start| (&start.topic, start.topic_id));
    let others = other_topics(client, mirrored, topics).await?;
    differing.retain(|start| {
        let reason = others.get(&start.topic);
        if let Some(reason) = reason {
            outcome.skipped.note(|| format!("group {}, {}: {reason}", start.group, start.topic));
        }
        reason.is_none()
    });
    Ok(differing)
}

/// Keeps what is not kept so yet; returns how much that was. Topics that a stop took away meanwhile
/// are left out, under the lock with which a stop is put on disk.
async fn keep(mirrored: &Mirrored, mut starts: Vec<ShareStart>) -> Result<u64, ShareGroupsError> {
    if starts.is_empty() {
        return Ok(0);
    }
    let mirrored = mirrored.clone();
    let work = tokio::task::spawn_blocking(move || {
        let kept = Arc::clone(&mirrored.share_groups);
        // Makes a topic, which takes the lock.
        kept.make()?;
        let directory = mirrored.directory.lock();
        starts.retain(|start| mirrored.takes(&directory.state, &start.topic));
        kept.keep(&starts, now_ms())
    });
    work.await.expect("keeping share groups does not panic")
}

const SHARE: &str = "share";
const NOT_OFFERED: &str =
    "not offered by the source: Apache Kafka tells where share groups stand from 4.1 on";

#[cfg(test)]
mod tests;
