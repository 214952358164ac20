//! What a start asks the source before anything is changed: which topics it has, where mirroring in
//! the other direction ended, what it lets us do; and all that a plan tells.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::mirror_api::start_mirror_topics::StartMirrorTopicsRequest;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, TopicName, TopicPartition};
use mirror_coordinator::log_alignment::PeerMirrors;
use mirror_coordinator::topic_patterns::{PatternList, TopicPatterns};

use crate::catalog::Catalog;
use crate::peer_answers::ask_peer;
use crate::source_client::acls::SourceAcls;
use crate::source_client::{LogEdge, SourceClient, SourceMetadata, TopicConfigs};
use crate::source_rights::{MissingRight, missing_on_topics};

/// What the source said.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) metadata: SourceMetadata,
    /// Of topics that are here.
    pub(super) peer: Option<PeerMirrors>,
    /// Where logs end at the source, when only a plan is wanted.
    pub(super) log_ends: BTreeMap<TopicPartition, Offset>,
    /// Rights on the topics that the source does not give us.
    pub(super) missing: Vec<MissingRight>,
    /// Settings of topics at the source, when only a plan is wanted.
    pub(super) configs: TopicConfigs,
    /// Rules of the source, when only a plan is wanted; or why they are not known.
    pub(super) acls: Option<Result<SourceAcls, String>>,
    /// Who asked it, and may ask on.
    pub(super) client: Option<SourceClient>,
}

/// Asks the source for all that a start needs to know.
pub(super) async fn resolve(
    mut asking: SourceClient,
    request: &StartMirrorTopicsRequest,
    (cluster_id, exclude): (&str, Vec<String>),
    catalog: &Catalog,
) -> Result<Resolved, String> {
    let client = &mut asking;
    let metadata = client.metadata().await.map_err(|error| error.to_string())?;
    let patterns = PatternList::parse(&request.include_patterns).ok();
    let named: BTreeSet<&str> = request.topics.iter().map(|one| one.topic_name.as_str()).collect();
    let is_meant = |name: &TopicName| {
        named.contains(name.as_str())
            || patterns.as_ref().is_some_and(|patterns| patterns.matches(name.as_str()))
    };
    let meant = metadata.topics.iter().filter(|(name, _)| is_meant(name));
    // Topics that are here may be mirrored from here; those with records have some to lose.
    let (mut is_here, mut with_records) = (false, BTreeSet::new());
    let (mut leaders, mut ids) = (BTreeMap::new(), BTreeMap::new());
    for (name, topic) in meant {
        let shown = catalog.topic(name);
        is_here |= shown.is_some();
        let partitions = shown.iter().flat_map(|shown| &shown.partitions);
        let mut held = partitions.filter(|one| one.has_records()).peekable();
        if let (Some(first), Some(_)) = (held.peek(), topic.topic_id) {
            ids.insert(name.clone(), first.id.topic_id);
        }
        with_records.extend(held.map(|one| one.name.clone()));
        for (partition, at) in &topic.partitions {
            if let Some(leader) = at.leader {
                let at = TopicPartition { topic: name.clone(), partition: *partition };
                leaders.insert(at, leader);
            }
        }
    }
    let peer = match is_here {
        false => None,
        true => Some(match ask_peer(client, cluster_id, &with_records, &ids).await {
            Ok(peer) => peer,
            Err(error) => PeerMirrors::silent(cluster_id, &[], &error.to_string()),
        }),
    };
    let log_ends = match request.plan_only && !leaders.is_empty() {
        true => {
            let listed = client.list_offsets(&leaders, LogEdge::End).await;
            listed.map_err(|error| error.to_string())?.offsets
        }
        false => BTreeMap::new(),
    };
    let missing = match selected(request, exclude) {
        // A source that does not say what it allows may allow it.
        Some(selected) => missing_on_topics(client, &selected, &metadata).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let configs = planned_configs(client, request, &leaders).await?;
    let acls = match request.plan_only {
        true => Some(client.acls().await.map_err(|error| error.to_string())),
        false => None,
    };
    Ok(Resolved { metadata, peer, log_ends, missing, configs, acls, client: Some(asking) })
}

/// Settings of topics at the source, when only a plan is wanted.
async fn planned_configs(
    client: &mut SourceClient,
    request: &StartMirrorTopicsRequest,
    leaders: &BTreeMap<TopicPartition, BrokerId>,
) -> Result<TopicConfigs, String> {
    if !request.plan_only {
        return Ok(TopicConfigs::default());
    }
    let topics: BTreeSet<&TopicName> = leaders.keys().map(|at| &at.topic).collect();
    let topics: Vec<TopicName> = topics.into_iter().cloned().collect();
    client.topic_configs(&topics).await.map_err(|error| error.to_string())
}

/// What a start means of the topics of its mirror, which leaves out `exclude`; the plan says what
/// is wrong with patterns that are none.
fn selected(request: &StartMirrorTopicsRequest, mut exclude: Vec<String>) -> Option<TopicPatterns> {
    let names = request.topics.iter().map(|one| one.topic_name.replace('.', "\\."));
    let include: Vec<String> = request.include_patterns.iter().cloned().chain(names).collect();
    // A start takes a pattern of its own out of topics.exclude.
    exclude.retain(|entry| !include.contains(entry) || entry == INTERNAL);
    exclude.extend(request.exclude_patterns.iter().cloned());
    let include = PatternList::parse(&include).ok()?;
    Some(TopicPatterns { include, exclude: PatternList::parse(&exclude).ok()? })
}

/// Stays among the exclusions whatever is started.
const INTERNAL: &str = "__.*";
