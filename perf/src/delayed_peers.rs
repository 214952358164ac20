//! A node and Kafka's own follower, copying from a real broker at the far end of a long link.
//!
//! The links are those of `delayed`, the pieces those of `peers`: one source broker, as it is
//! shipped but for sockets that grow with the link, and brokers of its cluster at our end that
//! follow when told to. Every run has the connection new that records come over.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::delayed::{CUBIC, DelayedPlan, Scenario};
use crate::delayed_peers_row::{DelayedPeersRounds, DelayedPeersRow};
use crate::long_link::{FAR, LinkOrder, LongLink};
use crate::measurement::order_of_round;
use crate::memory_cap::NodeMemory;
use crate::needed_process::{NeededProcess, cause};
use crate::peers::CopyPlan;
use crate::peers::follower::{Follower, FollowerSettings};
use crate::peers::produced_topic::{ProducedTopic, TopicContent};
use crate::peers::rounds::settle;
use crate::peers::scenario::BULK;
use crate::peers::source_cluster::SourceCluster;
use crate::peers::timed_copy::mirror_for;
use crate::served_logs::WorkDirectory;
use crate::stock_broker::BrokerPlace;

/// One who copies, in the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Copier {
    /// A node without settings.
    Node,
    /// Kafka's follower with the settings it is shipped with.
    Follower,
    /// The tuned one of `peers`, with sockets that grow.
    FollowerTuned,
    /// The same, asking for as much as `delayed` has its second node ask for.
    FollowerLarge,
}

impl Copier {
    /// All, in the order of rows.
    pub const ALL: [Self; 4] =
        [Self::Node, Self::Follower, Self::FollowerTuned, Self::FollowerLarge];

    /// Its name in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Follower => "follower",
            Self::FollowerTuned => "follower-tuned",
            Self::FollowerLarge => "follower-large",
        }
    }

    /// The follower that it is, if it is one.
    fn settings(self, plan: &DelayedPlan) -> Option<FollowerSettings> {
        let shipped = FollowerSettings { is_tuned: false, response_bytes_max: None };
        let tuned = FollowerSettings { is_tuned: true, ..shipped };
        match self {
            Self::Node => None,
            Self::Follower => Some(shipped),
            Self::FollowerTuned => Some(tuned),
            Self::FollowerLarge => {
                Some(FollowerSettings { response_bytes_max: Some(plan.response_bytes), ..tuned })
            }
        }
    }
}

/// Measures the scenarios; `tell` hears what was measured as it goes.
///
/// # Errors
/// When the link, a broker, the node or the disk refuses.
pub fn measure(plan: &DelayedPlan, mut tell: impl FnMut(&str)) -> Result<Vec<DelayedPeersRow>> {
    let memory = NodeMemory::of(&plan.ringmirror)?;
    let rounds = |scenario| (scenario, DelayedPeersRounds::with_tries(plan.tries_max, memory));
    let mut chosen: Vec<_> = plan.chosen().into_iter().map(rounds).collect();
    let mut bench = Bench::start(plan)?;
    bench.fill(chosen.iter().map(|(scenario, _)| scenario.partitions))?;
    bench.warm_up()?;
    for number in 1..=plan.rounds {
        for (scenario, rounds) in &mut chosen {
            bench.round(number, scenario, rounds)?;
            tell(&format!("round {number} {}: {}", scenario.name, rounds.last_text()));
        }
    }
    Ok(chosen.iter().map(|(scenario, rounds)| rounds.row(scenario, plan)).collect())
}

/// Everything that is kept from round to round.
struct Bench<'a> {
    plan: &'a DelayedPlan,
    topics: BTreeMap<u32, ProducedTopic>,
    // Order of drop: followers before their controller, both before the link between them, and all
    // before what they write to.
    followers: BTreeMap<Copier, Follower>,
    source: SourceCluster,
    link: LongLink,
    root: WorkDirectory,
}

impl<'a> Bench<'a> {
    fn start(plan: &'a DelayedPlan) -> Result<Self> {
        let root = WorkDirectory::create(&plan.directory, "perf-delayed")?;
        // Nothing is delayed as long as nothing is measured.
        let order = LinkOrder::new(Duration::ZERO, 0.0, CUBIC, plan.socket_bytes_max);
        let mut link = LongLink::start(plan.mtu)?;
        link.set(&order)?;
        let place = BrokerPlace { host: FAR, run_by: link.run_by() };
        let source = SourceCluster::start(&root.path, &place, &GROWING_SOCKETS)?;
        let mut followers = BTreeMap::new();
        for copier in Copier::ALL {
            if let Some(settings) = copier.settings(plan) {
                followers.insert(copier, Follower::start(&source, &root.path, settings)?);
            }
        }
        Ok(Self { plan, topics: BTreeMap::new(), followers, source, link, root })
    }

    /// Makes a topic with each of these numbers of partitions.
    fn fill(&mut self, partitions: impl Iterator<Item = u32>) -> Result<()> {
        for partitions in partitions {
            if !self.topics.contains_key(&partitions) {
                self.root.check_room(2 * TOPIC_BYTES)?;
                let content = TopicContent { partitions, ..BULK };
                let name = format!("partitions-{partitions}");
                let topic = self.source.produce(&name, &content, TOPIC_BYTES)?;
                self.topics.insert(partitions, topic);
            }
        }
        Ok(())
    }

    /// Who has to run while somebody copies.
    fn needed(&self) -> Vec<NeededProcess> {
        let mut needed = vec![self.source.process(), self.link.process()];
        needed.extend(self.followers.values().flat_map(Follower::processes));
        needed
    }

    /// Has every follower copy a topic whole, before there is any delay: virtual machines compile.
    /// What they copy is compared with the source byte for byte.
    fn warm_up(&mut self) -> Result<()> {
        let (address, directory) = (self.source.broker.address(), self.root.path.join("copy"));
        let spent = self.root.path.join("spent");
        let Some(topic) = self.topics.values().next() else { return Ok(()) };
        let compare_with = Some(self.source.directory.as_path());
        let needed = self.needed();
        let plan = topic.copy_plan(address, &directory, &spent)?;
        let copy = CopyPlan { needed: &needed, compare_with, ..plan };
        for (copier, follower) in &mut self.followers {
            let copied = follower.copy(&copy).map_err(|error| cause(error, &needed));
            copied.with_context(|| copier.name())?;
        }
        Ok(())
    }

    fn round(
        &mut self,
        number: u32,
        scenario: &Scenario,
        rounds: &mut DelayedPeersRounds,
    ) -> Result<()> {
        let (plan, followers, source) = (self.plan, &self.followers, &self.source);
        let order = plan.link_order(scenario);
        self.link.set(&order)?;
        let topic = self.topics.get(&scenario.partitions).context("a topic nobody filled")?;
        let directory = self.root.path.join("copy");
        let spent = self.root.path.join("spent");
        let needed = self.needed();
        let copied = topic.copy_plan(source.broker.address(), &directory, &spent)?;
        let copy = CopyPlan { needed: &needed, ..copied };
        let ours: Vec<u32> = needed.iter().map(NeededProcess::id).collect();
        // While a series runs, the rounds that it is of are borrowed.
        let mut memory = rounds.memory;
        for &copier in order_of_round(&Copier::ALL, number) {
            let settled = || settle(&copy, Some(&source.directory));
            let run = || match followers.get(&copier) {
                Some(follower) => follower.copy_for(plan.run_time, &copy),
                None => mirror_for(plan.run_time, &copy, &plan.ringmirror, &[], &mut memory),
            };
            let ran = rounds.series(copier).prepared_round(&ours, settled, run);
            let ran = ran.map_err(|error| cause(error, &needed));
            ran.with_context(|| format!("{}, {}", scenario.name, copier.name()))?;
        }
        rounds.memory = memory;
        rounds.packets.push(self.link.set(&order)?.homeward);
        Ok(())
    }
}

/// Of the source; as it is shipped they have 100 KiB.
const GROWING_SOCKETS: [(&str, &str); 2] =
    [("socket.send.buffer.bytes", "-1"), ("socket.receive.buffer.bytes", "-1")];
/// Bytes of every topic: more than most get through in a run.
const TOPIC_BYTES: u64 = 2 << 30;
