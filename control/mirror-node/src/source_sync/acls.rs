//! Access control lists of the source, kept here with those made here.
//!
//! What is done about each rule is in `mirror_coordinator::acl::mirrored_acls`. Rules for one topic
//! that is here and that no mirror mirrors now, because it was stopped, is paused or was made here,
//! are left as they are; so is everything while the mirror mirrors no topic at all: then what would
//! be done is only told.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_wire::partition::TopicName;
use mirror_coordinator::acl::acl_table::AclTable;
use mirror_coordinator::acl::include_rules::IncludeRules;
use mirror_coordinator::acl::mirrored_acls::AclChanges;
use mirror_coordinator::acl::{AclBinding, AclPattern, AclResource};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_config::MirrorConfig;
use mirror_coordinator::mirror_name::MirrorName;

use super::board::{Noted, SyncOutcome};
use super::{Mirrored, SyncError, SyncResult};
use crate::acl_store::AclStoreError;
use crate::directory_state::DirectoryState;
use crate::shared_directory::SharedDirectory;
use crate::source_client::SourceClient;
use crate::source_client::acls::SourceAcls;

/// One round over all rules of a source.
pub(super) async fn run(client: &mut SourceClient, mirrored: &Mirrored) -> SyncResult {
    let mut outcome = SyncOutcome::default();
    let config = mirrored.with_mirror(|mirror| MirrorConfig::parse(&mirror.configs));
    let Some(config) = config else { return Ok(outcome) };
    let config = config.map_err(|error| SyncError::Settings(error.to_string()))?;
    let include = IncludeRules::parse(&config.acls_include)
        .map_err(|error| SyncError::Settings(error.to_string()))?;
    if include.is_empty() {
        outcome.skipped.note(|| "acls.include is empty: no rule is copied".to_owned());
        return Ok(outcome);
    }
    mirrored.meet(client).await?;
    let (acls, unknown) = match client.acls().await? {
        SourceAcls::Rules { acls, unknown } => (acls, unknown),
        SourceAcls::NoAuthorizer => {
            outcome.skipped.note(|| NO_AUTHORIZER.to_owned());
            return Ok(outcome);
        }
    };
    for reason in unknown {
        outcome.skipped.note(|| reason);
    }
    let (directory, mirror) = (Arc::clone(&mirrored.directory), mirrored.mirror.clone());
    let work = tokio::task::spawn_blocking(move || {
        carry(&directory, &mirror, (&include, &acls), &mut outcome)?;
        Ok(outcome)
    });
    work.await.expect("comparing rules does not panic")
}

/// Compares and, when the mirror mirrors something, makes the changes. Waits for the disk.
fn carry(
    shared: &SharedDirectory,
    mirror: &MirrorName,
    (include, at_source): (&IncludeRules, &BTreeSet<AclBinding>),
    outcome: &mut SyncOutcome,
) -> Result<(), AclStoreError> {
    // Held until the change is on disk: nothing of a stopped topic is written behind the stop.
    let directory = shared.lock();
    let metadata = &directory.state.cluster_mirrors;
    if !metadata.mirrors().contains_key(mirror) {
        return Ok(());
    }
    let mut topics = metadata.topics().values();
    let is_mirroring =
        topics.any(|bound| bound.mirror == *mirror && bound.desired == DesiredState::Mirroring);
    let is_copied = |acl: &AclBinding| {
        include.matches(acl) && !is_at_rest(&directory.state, &BTreeSet::new(), acl)
    };
    let plan = |table: &AclTable| table.plan_mirrored(mirror, at_source, is_copied);
    let store = shared.acls();
    if !is_mirroring {
        for sentence in sentences(&plan(&store.current().table)) {
            outcome.skipped.note(|| format!("not done, no topic is mirrored: {sentence}"));
        }
        return Ok(());
    }
    let (changes, refused) = store.change(|table| {
        let changes = plan(table);
        let refused = table.make_changes(mirror, &changes);
        (changes, refused)
    })?;
    for (acl, refusal) in &refused {
        outcome.failed.note(|| format!("{acl}: {refusal}"));
    }
    for sentence in sentences(&changes) {
        outcome.changed.note(|| sentence);
    }
    let done = changes.added.len() + changes.removed.len() - refused.len();
    outcome.written = u64::try_from(done).unwrap_or(u64::MAX);
    let table = &store.current().table;
    let is_here = |acl: &&AclBinding| is_copied(acl) && table.origin(acl).is_some();
    outcome.in_step = u64::try_from(at_source.iter().filter(is_here).count()).unwrap_or(u64::MAX);
    Ok(())
}

/// What the next round would do once these topics are mirrored.
pub(crate) fn planned_acls(
    directory: &SharedDirectory,
    mirror: &MirrorName,
    started: &BTreeSet<TopicName>,
    told: &SourceAcls,
) -> Vec<String> {
    let SourceAcls::Rules { acls, .. } = told else { return vec![NO_AUTHORIZER.to_owned()] };
    let locked = directory.lock();
    let metadata = &locked.state.cluster_mirrors;
    let configs = metadata.mirrors().get(mirror).map(|mirror| MirrorConfig::parse(&mirror.configs));
    let include = configs.and_then(Result::ok).map(|it| IncludeRules::parse(&it.acls_include));
    let Some(Ok(include)) = include else { return Vec::new() };
    let is_copied =
        |acl: &AclBinding| include.matches(acl) && !is_at_rest(&locked.state, started, acl);
    let changes = directory.acls().current().table.plan_mirrored(mirror, acls, is_copied);
    let mut noted = Noted::default();
    for sentence in sentences(&changes) {
        noted.note(|| sentence);
    }
    noted.sentences()
}

fn sentences(changes: &AclChanges) -> impl Iterator<Item = String> {
    let added = changes.added.iter().map(|acl| format!("added: {acl}"));
    let removed = changes.removed.iter().map(|acl| format!("removed: {acl}"));
    let left = changes.left_to_others.iter().map(|acl| format!("left to another mirror: {acl}"));
    added.chain(removed).chain(left)
}

/// True for a rule about one topic that is here and is neither mirrored nor started now.
fn is_at_rest(state: &DirectoryState, started: &BTreeSet<TopicName>, acl: &AclBinding) -> bool {
    if acl.resource != AclResource::Topic || acl.pattern != AclPattern::Literal {
        return false;
    }
    let Some(name) = TopicName::parse(&acl.name) else { return false };
    let is_mirroring = match state.cluster_mirrors.topics().get(&name) {
        Some(bound) => bound.desired == DesiredState::Mirroring,
        None => state.topic_id(&name).is_none(),
    };
    !is_mirroring && !started.contains(&name)
}

const NO_AUTHORIZER: &str =
    "the source has no authorizer (SECURITY_DISABLED): it has no rules to copy";

#[cfg(test)]
mod tests;
