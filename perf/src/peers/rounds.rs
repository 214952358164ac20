//! The rounds: one source for all, every contender in every round, another one first each time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;

use crate::disk_probe::{DISK_FILE_BYTES, DiskProbe};
use crate::fetch_client::{self, DiscardPlan};
use crate::limits::receive;
use crate::machine::{CorePair, ratio_f64, warm_up};
use crate::measurement::{CalmRound, Round, Sample, order_of_round};
use crate::memory_cap::memory_bytes_max;
use crate::needed_process::{NeededProcess, cause};
use crate::peers::contender::Contender;
use crate::peers::copied_logs::segments;
use crate::peers::follower::{Follower, FollowerSettings};
use crate::peers::librdkafka::LibrdkafkaPeer;
use crate::peers::mirror_maker::{MirrorMakerPeer, MirrorMakerSettings};
use crate::peers::node::NodePeer;
use crate::peers::produced_topic::{ProducedTopic, TopicContent};
use crate::peers::record::{LimitRecord, PeersRecord, RunRecord, ScenarioRecord, Sitting};
use crate::peers::scenario::{Scenario, Source};
use crate::peers::source_cluster::SourceCluster;
use crate::peers::{CopyPlan, CopyRun, discard};
use crate::process_watch::ProcessWatch;
use crate::served_logs::WorkDirectory;
use crate::source_child::{SourceChild, SourceChildSpec};
use crate::stock_broker::BrokerPlace;

/// How to measure.
#[derive(Clone, Debug)]
pub struct PeersPlan {
    /// Where source and contenders write; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// What is copied.
    pub scenarios: Vec<Scenario>,
    /// Who copies; whoever is usual in a scenario when nobody is named.
    pub contenders: Vec<Contender>,
    /// The program over librdkafka, if there is one.
    pub librdkafka: Option<LibrdkafkaPeer>,
    /// Rounds of every scenario, interleaved.
    pub rounds: u32,
    /// Rounds before them that do not count: virtual machines compile.
    pub warm_up_rounds: u32,
    /// Bytes of every topic instead of what its scenario says.
    pub bytes: Option<u64>,
    /// Tries at a round that other work disturbs, before it is taken after all.
    pub tries_max: u32,
    /// What the source broker is told beside what it is shipped with: names and values.
    pub source_settings: Vec<(String, String)>,
    /// When, where and with what.
    pub sitting: Sitting,
}

/// Measures; `tell` hears what was measured as it goes, `keep` gets all there is after every
/// scenario.
///
/// # Errors
/// When the source, a contender or the disk refuses, or a copy is not what the source has.
pub fn measure(
    plan: &PeersPlan,
    mut tell: impl FnMut(&str),
    mut keep: impl FnMut(&PeersRecord) -> Result<()>,
) -> Result<PeersRecord> {
    let mut bench = Bench::start(plan)?;
    let mut record = PeersRecord::default();
    for (number, scenario) in plan.scenarios.iter().enumerate() {
        // Virtual machines are warm after the first scenario but for what is new to them.
        let warm_up_rounds =
            if number == 0 { plan.warm_up_rounds } else { plan.warm_up_rounds.min(1) };
        let measured = bench.measure(scenario, warm_up_rounds, &mut tell);
        let measured = measured.map_err(|error| cause(error, &bench.needed(None)));
        let measured = measured.with_context(|| format!("scenario {}", scenario.name))?;
        record.scenarios.push(measured);
        keep(&record)?;
    }
    Ok(record)
}

/// Everything that is kept from round to round.
struct Bench<'a> {
    plan: &'a PeersPlan,
    cores: CorePair,
    memory_bytes_max: Option<u64>,
    disk: DiskProbe,
    // Order of drop: followers before their controller, and all before what they write to.
    followers: BTreeMap<FollowerSettings, Follower>,
    mirror_maker: Option<MirrorMakerPeer>,
    source: SourceCluster,
    root: WorkDirectory,
}

/// A topic to copy, and what it is copied from when that is not the real broker.
struct Prepared {
    topic: ProducedTopic,
    synthetic: Option<SourceChild>,
}

impl<'a> Bench<'a> {
    fn start(plan: &'a PeersPlan) -> Result<Self> {
        let root = WorkDirectory::create(&plan.directory, "perf-peers")?;
        let largest = plan.scenarios.iter().map(|each| plan.bytes.unwrap_or(each.bytes)).max();
        root.check_room(2 * largest.unwrap_or(0) + 2 * DISK_FILE_BYTES)?;
        let settings = plan.source_settings.iter().map(|(key, value)| (&**key, &**value));
        let settings: Vec<_> = settings.collect();
        let mut source = SourceCluster::start(&root.path, &BrokerPlace::here(), &settings)?;
        source.produce(WARM_UP_TOPIC, &WARM_UP_CONTENT, WARM_UP_BYTES)?;
        let disk = DiskProbe::new(&root.path)?;
        let cores = CorePair::choose()?;
        let memory_bytes_max = memory_bytes_max(&plan.ringmirror)?;
        let (followers, mirror_maker) = (BTreeMap::new(), None);
        Ok(Self { plan, cores, memory_bytes_max, disk, followers, mirror_maker, source, root })
    }

    fn measure(
        &mut self,
        scenario: &Scenario,
        warm_up_rounds: u32,
        tell: &mut impl FnMut(&str),
    ) -> Result<ScenarioRecord> {
        let contenders = self.contenders(scenario);
        self.start_brokers(scenario, &contenders)?;
        let prepared = self.prepare(scenario)?;
        let mut record = self.empty_record(scenario, &prepared);
        let (name, records, bytes) = (scenario.name, record.records, record.bytes);
        tell(&format!("{name}: {records} records, {bytes} bytes"));
        for round in Round::all(warm_up_rounds, self.plan.rounds) {
            if round.counts {
                record.limits.push(self.limits(round.number, &prepared)?);
            }
            for &contender in order_of_round(&contenders, round.number) {
                if !round.counts && contender.warms_up_by_itself() {
                    continue;
                }
                let run = self.round(scenario, &prepared, contender, round);
                let run = run.with_context(|| format!("{name}, {}", contender.title()))?;
                tell(&run_line(name, &round.to_string(), &run));
                if round.counts {
                    record.runs.push(run);
                }
            }
        }
        if prepared.synthetic.is_none() {
            self.prove(scenario, &prepared, &contenders, tell)?;
            self.source.delete(&prepared.topic.name)?;
        }
        Ok(record)
    }

    /// One more round of those who keep the log, whose copies are compared with the source byte for
    /// byte: in a round that counts, reading them would change the page cache for the next one.
    fn prove(
        &mut self,
        scenario: &Scenario,
        prepared: &Prepared,
        contenders: &[Contender],
        tell: &mut impl FnMut(&str),
    ) -> Result<()> {
        let name = scenario.name;
        let after_all = Round { number: self.plan.rounds + 1, counts: false };
        for &contender in contenders.iter().filter(|contender| contender.keeps_logs()) {
            let run = self.round(scenario, prepared, contender, after_all);
            let run = run.with_context(|| format!("{name}, {}, proof", contender.title()))?;
            tell(&run_line(name, "proved", &run));
        }
        Ok(())
    }

    /// Those who can: the synthetic source is no member of a cluster.
    fn contenders(&self, scenario: &Scenario) -> Vec<Contender> {
        let is_able = |contender: &Contender| match scenario.source {
            Source::Broker(_) => !contender.is_librdkafka() || self.plan.librdkafka.is_some(),
            Source::Synthetic(_) => {
                matches!(contender, Contender::Ringmirror | Contender::RingmirrorBuffered)
            }
        };
        let is_asked = |contender: &Contender| match self.plan.contenders.as_slice() {
            [] => contender.is_usual_in(scenario.name),
            asked => asked.contains(contender),
        };
        let all = Contender::value_variants().iter().copied();
        all.filter(is_asked).filter(is_able).collect()
    }

    /// Who has to run while somebody copies.
    fn needed(&self, synthetic: Option<&SourceChild>) -> Vec<NeededProcess> {
        let synthetic =
            synthetic.map(|child| NeededProcess::new("the synthetic source", child.id(), None));
        let mut needed: Vec<_> = synthetic.into_iter().collect();
        needed.push(self.source.process());
        needed.extend(self.followers.values().flat_map(Follower::processes));
        needed.extend(self.mirror_maker.iter().flat_map(MirrorMakerPeer::processes));
        needed
    }

    /// Starts what lives from copy to copy, for those who need it.
    fn start_brokers(&mut self, scenario: &Scenario, contenders: &[Contender]) -> Result<()> {
        for contender in contenders {
            if contender.warms_up_by_itself() && self.mirror_maker.is_none() {
                self.mirror_maker = Some(MirrorMakerPeer::start(&self.root.path)?);
            }
            if let Some(settings) = follower_settings(*contender, scenario)
                && !self.followers.contains_key(&settings)
            {
                let follower = Follower::start(&self.source, &self.root.path, settings)?;
                self.followers.insert(settings, follower);
            }
        }
        Ok(())
    }

    fn prepare(&mut self, scenario: &Scenario) -> Result<Prepared> {
        let bytes = self.plan.bytes.unwrap_or(scenario.bytes);
        match &scenario.source {
            Source::Broker(content) => {
                let topic = self.source.produce(scenario.name, content, bytes)?;
                Ok(Prepared { topic, synthetic: None })
            }
            Source::Synthetic(partitions) => {
                let source = SourceChild::start(&SourceChildSpec {
                    core: self.cores.sender,
                    partitions: *partitions,
                    partition_bytes: bytes / u64::from(*partitions),
                    batch_bytes: SYNTHETIC_BATCH_BYTES,
                    record_bytes: SYNTHETIC_RECORD_BYTES,
                })?;
                let topic = ProducedTopic::synthetic(
                    source.description(),
                    SYNTHETIC_BATCH_BYTES,
                    SYNTHETIC_RECORD_BYTES,
                );
                Ok(Prepared { topic, synthetic: Some(source) })
            }
        }
    }

    fn empty_record(&self, scenario: &Scenario, prepared: &Prepared) -> ScenarioRecord {
        let topic = &prepared.topic;
        ScenarioRecord {
            name: self.name_of(scenario),
            what: scenario.what.to_owned(),
            sitting: self.plan.sitting.clone(),
            partitions: u32::try_from(topic.end_offsets.len()).unwrap_or(u32::MAX),
            records: topic.records,
            bytes: topic.bytes,
            value_bytes: topic.value_bytes,
            batches: topic.batches,
            memory_bytes_max: self.memory_bytes_max,
            limits: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// With settings of its own it is another scenario, which no goal is about and which no table
    /// of the broker as it is shipped gives way to.
    fn name_of(&self, scenario: &Scenario) -> String {
        let set = self.plan.source_settings.iter();
        let set = set.map(|(name, value)| format!(", {name}={value}"));
        iter::once(scenario.name.to_owned()).chain(set).collect()
    }

    /// What the machine does at most, now.
    fn limits(&mut self, round: u32, prepared: &Prepared) -> Result<LimitRecord> {
        let (cores, tries) = (self.cores, self.plan.tries_max);
        warm_up(SPIN)?;
        let receive = match &prepared.synthetic {
            None => CalmRound::run(tries, &[], || receive(cores, LIMIT_TIME))?,
            Some(source) => CalmRound::run(tries, &[source.id()], || receive_from(cores, source))?,
        };
        let disk = CalmRound::run(tries, &[], || self.disk.fill_reserved(LIMIT_TIME))?;
        Ok(LimitRecord {
            round,
            receive_mb_per_s: receive.value.mb_per_s(),
            disk_mb_per_s: disk.value.mb_per_s(),
            is_disturbed: !(receive.is_calm && disk.is_calm),
        })
    }

    /// One contender, again while other work disturbs it.
    fn round(
        &mut self,
        scenario: &Scenario,
        prepared: &Prepared,
        contender: Contender,
        round: Round,
    ) -> Result<RunRecord> {
        let directory = self.root.path.join("copy");
        let spent = self.root.path.join("spent");
        let synthetic = prepared.synthetic.as_ref();
        let (source, source_process) = match synthetic {
            Some(child) => (child.description().address, child.id()),
            None => (self.source.broker.address(), self.source.broker.id()),
        };
        let original = self.source.directory.clone();
        // Whether it is the same bytes, where time does not matter; how many they are, every time.
        let is_compared = !round.counts && synthetic.is_none();
        let needed = self.needed(synthetic);
        let plan = CopyPlan {
            needed: &needed,
            response_bytes_max: scenario.response_bytes_max,
            compare_with: is_compared.then_some(original.as_path()),
            ..prepared.topic.copy_plan(source, &directory, &spent)?
        };
        let ours: Vec<u32> = needed.iter().map(NeededProcess::id).collect();
        let tries_max = round.tries_max(self.plan.tries_max);
        let logs = synthetic.is_none().then_some(original.as_path());
        let settled = || settle(&plan, logs);
        let measured = CalmRound::run_prepared(tries_max, &ours, settled, || {
            let watch = ProcessWatch::begin(source_process)?;
            let run = self.copy(scenario, contender, &plan)?;
            Ok(RunRecord::new(round.number, contender, &run, watch.cpu()?.as_secs_f64()))
        });
        let measured = measured.map_err(|error| cause(error, &needed))?;
        let CalmRound { value, disturbed, is_calm } = measured;
        Ok(RunRecord { disturbed, is_calm, ..value })
    }

    fn copy(
        &mut self,
        scenario: &Scenario,
        contender: Contender,
        plan: &CopyPlan<'_>,
    ) -> Result<CopyRun> {
        if let Some(settings) = follower_settings(contender, scenario) {
            let follower = self.followers.get_mut(&settings).context("it was not started")?;
            return follower.copy(plan);
        }
        if contender == Contender::Discard {
            return discard::receive(plan);
        }
        if contender.warms_up_by_itself() {
            let settings = MirrorMakerSettings {
                is_tuned: contender == Contender::MirrorMakerTuned,
                compression: scenario.source.compression(),
                source_process: self.source.broker.id(),
            };
            let mirror_maker = self.mirror_maker.as_mut().context("it was not started")?;
            return mirror_maker.copy(plan, &settings);
        }
        if contender.is_librdkafka() {
            let mut librdkafka = self.plan.librdkafka.clone().context("it was not compiled")?;
            librdkafka.check_crcs = contender == Contender::LibrdkafkaCrc;
            return librdkafka.copy(plan);
        }
        let node = NodePeer {
            ringmirror: self.plan.ringmirror.clone(),
            buffered: contender == Contender::RingmirrorBuffered,
            warm_up: (self.source.broker.address(), WARM_UP_TOPIC.to_owned()),
        };
        node.copy(plan)
    }
}

/// The follower that a contender is, if it is one.
fn follower_settings(contender: Contender, scenario: &Scenario) -> Option<FollowerSettings> {
    let is_tuned = match contender {
        Contender::Follower => false,
        Contender::FollowerTuned => true,
        _ => return None,
    };
    let response_bytes_max = scenario.response_bytes_max;
    Some(FollowerSettings { is_tuned, response_bytes_max })
}

/// The same state of the machine before everybody: nothing to write, the source's logs in memory,
/// cores that are awake.
pub(crate) fn settle(plan: &CopyPlan<'_>, source_logs: Option<&Path>) -> Result<()> {
    rustix::fs::sync();
    if let Some(directory) = source_logs {
        let mut buffer = vec![0; 1 << 20];
        for partition in 0..plan.partitions {
            for path in segments(directory, plan.topic, partition)? {
                let mut file = File::open(path)?;
                while file.read(&mut buffer)? > 0 {}
            }
        }
    }
    warm_up(SPIN)
}

/// What the synthetic source gives to a blocking fetcher with requests sent ahead.
fn receive_from(cores: CorePair, source: &SourceChild) -> Result<Sample> {
    fetch_client::discard(&DiscardPlan {
        source: source.description(),
        core: cores.receiver,
        connections: source.description().partitions.len(),
        requests_in_flight: 2,
        response_bytes: 1 << 20,
        time: LIMIT_TIME,
    })
}

fn run_line(scenario: &str, round: &str, run: &RunRecord) -> String {
    let (title, rate, cpu) = (run.contender.title(), run.mb_per_s(), run.cpu_per_gb());
    let source = run.source_cpu_seconds / run.gigabytes();
    let first = run.first_byte_seconds.map(|time| format!(", first byte after {time:.3} s"));
    let resident = ratio_f64(run.resident_bytes_max >> 20);
    let disturbed = match (run.disturbed, run.is_calm) {
        (0, true) => String::new(),
        (tries, true) => format!(", {tries} disturbed tries before"),
        (tries, false) => format!(", DISTURBED, {tries} tries before as well"),
    };
    format!(
        "{scenario} {round} {title}: {rate:.0} MB/s, {:.2} s{}, CPU s/GB {cpu:.3}, source \
         {source:.3}, {resident:.0} MiB{disturbed}",
        run.seconds,
        first.unwrap_or_default(),
    )
}

/// What every node mirrors before the order comes.
const WARM_UP_TOPIC: &str = "warm-up";
const WARM_UP_BYTES: u64 = 8 << 20;
const WARM_UP_CONTENT: TopicContent = TopicContent {
    partitions: 1,
    value_bytes: 1024,
    batch_records: 15,
    codec: kafka_protocol::records::Compression::None,
};
/// How long every core spins before a measurement.
const SPIN: Duration = Duration::from_secs(2);
/// How long each of the machine's limits is measured.
const LIMIT_TIME: Duration = Duration::from_millis(1000);
const SYNTHETIC_BATCH_BYTES: u32 = 16 << 10;
const SYNTHETIC_RECORD_BYTES: u32 = 1024;
