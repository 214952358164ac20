//! The sources of all mirrors: how each is reached, what was seen of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_wire::partition::{BrokerId, SourceBroker, SourceId, TopicName};
use mirror_coordinator::lifecycle::UncleanElection;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_uring::{BrokerAddress, SourceLimits};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::LoopEvent;
use crate::client_properties::ClientProperties;
use crate::discovery::Discovery;
use crate::source_client::SourceClient;
use crate::source_sync::{LostTopics, Mirrored, SourceSync, SyncIntervals};
use crate::source_watch::{SharedNames, SharedSelection, SourceWatch, WatchPlan};
use crate::topic_filter::TopicFilter;
use crate::topic_selection::TopicSelection;

/// The mirror that the command line or `node.toml` asks for.
#[derive(Clone, Debug)]
pub struct ConfiguredMirror {
    /// Its name.
    pub name: MirrorName,
    /// How to reach the source.
    pub properties: ClientProperties,
    /// Which topics.
    pub filter: TopicFilter,
    /// What to do when the source loses records that we have, unless the topic says it.
    pub unclean_election: UncleanElection,
}

/// The source of one mirror.
pub(super) struct MirrorSource {
    /// Number of the source, for the engine.
    pub(super) id: SourceId,
    pub(super) properties: ClientProperties,
    pub(super) selection: SharedSelection,
    pub(super) discovery: Discovery,
    /// Topics that the last look did not find.
    pub(super) missing: SharedNames,
    /// Whoever asked it for a start just now: alignment, which follows, asks over the same
    /// connection. Let go of with the next look.
    pub(super) connected: Option<SourceClient>,
    /// Looks at the source; `None` while nobody wants that.
    pub(super) watch: Option<SourceWatch>,
    /// Carries over what a mirror has beside records; `None` as with the watch, and where there is
    /// nothing to carry it to.
    pub(super) sync: Option<SourceSync>,
    /// How the engine was told to ask it.
    pub(super) limits: Option<SourceLimits>,
    /// Number of that watch, another one whenever the source is reached otherwise: what was seen
    /// under an earlier number is of no use any more.
    pub(super) watch_number: u64,
    /// Where the engine was told that brokers listen.
    pub(super) brokers: BTreeMap<BrokerId, BrokerAddress>,
    /// When each broker answered last.
    pub(super) answered_at: BTreeMap<BrokerId, Instant>,
    /// When a look at it brought something last, or a look was asked for because of refusals.
    pub(super) looked_at: Option<Instant>,
    /// Topics that are not mirrored, with the reason.
    pub(super) lost_topics: LostTopics,
    /// What to do when the source loses records, unless the topic says it.
    pub(super) unclean_election: UncleanElection,
    /// Topics of which the source elects leaders that lack records, as it is set for them.
    pub(super) unclean_topics: BTreeSet<TopicName>,
    /// Why the source did not answer, as told last.
    pub(super) told_unreachable: String,
    pub(super) told_nothing_selected: bool,
    /// Topics that are left alone, with the reason as it was told.
    pub(super) left_out: BTreeMap<String, String>,
    /// Topics that were told of, with as many partitions.
    pub(super) told_topics: BTreeMap<TopicName, usize>,
    /// True while the last look at it failed.
    pub(super) is_silent: bool,
    /// True once it answered in this run.
    pub(super) has_answered: bool,
}

/// All sources, by the name of their mirror.
#[derive(Default)]
pub(super) struct Sources {
    by_mirror: BTreeMap<MirrorName, MirrorSource>,
    next_id: u32,
}

impl MirrorSource {
    pub(super) fn broker(&self, broker: BrokerId) -> SourceBroker {
        SourceBroker { source: self.id, broker }
    }

    /// Begins to look at the source, again perhaps with other properties.
    pub(super) fn watch(
        &mut self,
        mirror: &MirrorName,
        wants_log_ends: bool,
        events: mpsc::Sender<LoopEvent>,
    ) {
        self.connected = None;
        self.watch_number += 1;
        if self.properties.bootstrap_servers.is_empty() {
            self.watch = None;
            return;
        }
        let plan = WatchPlan {
            mirror: mirror.clone(),
            number: self.watch_number,
            selection: self.selection.clone(),
            missing: self.missing.clone(),
            refresh: Duration::from_millis(self.properties.metadata_refresh_ms),
            wants_log_ends,
        };
        let client = SourceClient::new(self.properties.clone());
        self.watch = Some(SourceWatch::start(client, plan, events));
    }

    /// Begins to carry over what a mirror has beside records, from where the watch looks.
    pub(super) fn carry_over(&mut self, mirrored: &Mirrored, intervals: SyncIntervals) {
        let properties = self.watch.is_some().then_some(&self.properties);
        // What an earlier one was doing ends first.
        self.sync = None;
        self.sync = properties.map(|all| SourceSync::start(all, mirrored, intervals));
    }

    /// Has the source looked at soon.
    pub(super) fn hurry(&self) {
        if let Some(watch) = &self.watch {
            watch.hurry();
        }
    }

    /// As [`Self::hurry`], but for what is repeated as long as it lasts, by many partitions: now
    /// and then is enough. Says whether it was done.
    pub(super) fn hurry_at_times(&mut self, now: Instant) -> bool {
        let is_soon = self.looked_at.is_some_and(|at| now.duration_since(at) < HURRIED_LOOKS_PAUSE);
        if !is_soon {
            self.looked_at = Some(now);
            self.hurry();
        }
        !is_soon
    }
}

impl Sources {
    /// Adds the source of a mirror; nobody looks at it yet.
    pub(super) fn add(
        &mut self,
        mirror: &MirrorName,
        properties: ClientProperties,
        selection: TopicSelection,
        unclean_election: UncleanElection,
    ) -> &mut MirrorSource {
        let id = SourceId::new(self.next_id);
        self.next_id += 1;
        let source = MirrorSource {
            id,
            properties,
            selection: SharedSelection::new(selection),
            discovery: Discovery::default(),
            missing: SharedNames::default(),
            connected: None,
            watch: None,
            limits: None,
            // No source has the number of one that was before, so no watch has either.
            watch_number: u64::from(id.get()) << 32,
            brokers: BTreeMap::new(),
            answered_at: BTreeMap::new(),
            looked_at: None,
            lost_topics: LostTopics::default(),
            sync: None,
            unclean_election,
            unclean_topics: BTreeSet::new(),
            told_unreachable: String::new(),
            told_nothing_selected: false,
            left_out: BTreeMap::new(),
            told_topics: BTreeMap::new(),
            is_silent: false,
            has_answered: false,
        };
        self.by_mirror.insert(mirror.clone(), source);
        self.by_mirror.get_mut(mirror).expect("it was just put there")
    }

    pub(super) fn remove(&mut self, mirror: &MirrorName) -> Option<MirrorSource> {
        self.by_mirror.remove(mirror)
    }

    pub(super) fn get(&self, mirror: &MirrorName) -> Option<&MirrorSource> {
        self.by_mirror.get(mirror)
    }

    pub(super) fn get_mut(&mut self, mirror: &MirrorName) -> Option<&mut MirrorSource> {
        self.by_mirror.get_mut(mirror)
    }

    /// The source with this number, and its mirror.
    pub(super) fn of_number(&self, id: SourceId) -> Option<(&MirrorName, &MirrorSource)> {
        self.by_mirror.iter().find(|(_, source)| source.id == id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&MirrorName, &mut MirrorSource)> {
        self.by_mirror.iter_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&MirrorName, &MirrorSource)> {
        self.by_mirror.iter()
    }
}

/// A look may take long where there are many partitions, and metadata are slower than fetches to
/// tell of a new topic.
const HURRIED_LOOKS_PAUSE: Duration = Duration::from_secs(1);
