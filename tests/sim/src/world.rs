//! One simulated history: the real shard between a fake kernel, network, disk, source and host.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;

use bytes::Bytes;
use mirror_shard::bridge::{EngineCommand, EngineReport};
use mirror_shard::buffer_pool::ShardBuffers;
use mirror_shard::op::{Completion, ConnectionId, Tick};
use mirror_shard::shard::Shard;

use crate::disk::{Disk, DiskFaults};
use crate::history::BatchMaker;
use crate::host::Host;
use crate::kernel::{InFlight, Kernel};
use crate::network::{Links, NetworkFaults};
use crate::plan::Plan;
use crate::random::Random;
use crate::source::{Broker, Source, SourcePartition};

/// What happens at some moment.
#[derive(Debug)]
pub(crate) enum Event {
    /// An operation completes.
    Complete(u64),
    /// Bytes may be delivered.
    Deliver(ConnectionId),
    /// A request reaches its broker.
    Arrive(ConnectionId, Bytes),
    /// A broker looks at what waits.
    Poll(ConnectionId),
    /// The host says something.
    Command(EngineCommand),
    /// Chance strikes.
    Chance,
    /// The disk has room again.
    RoomAgain,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    /// Microseconds since the beginning.
    pub(crate) now: u64,
    /// What is to come, by time and number; events of a crashed engine are gone with it.
    pub(crate) queue: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    pub(crate) shard: Option<Shard>,
    /// When this engine started.
    pub(crate) born: u64,
    pub(crate) kernel: Kernel,
    pub(crate) links: Links,
    pub(crate) disk: Disk,
    pub(crate) source: Source,
    pub(crate) host: Host,
    pub(crate) network_faults: NetworkFaults,
    pub(crate) commands: Vec<EngineCommand>,
    pub(crate) completions: Vec<Completion>,
    pub(crate) events_left: u64,
    /// All faults are over; only the end is waited for.
    pub(crate) healed: bool,
    pub(crate) steps: u64,
    pub(crate) crashes: u64,
    pub(crate) log: HistoryLog,
}

/// Every line of a history, hashed; the last ones kept for people.
#[derive(Debug)]
pub(crate) struct HistoryLog {
    pub(crate) hash: u64,
    recent: VecDeque<String>,
    pub(crate) aloud: bool,
}

impl HistoryLog {
    pub(crate) fn note(&mut self, now: u64, line: &str) {
        for byte in line.bytes().chain(now.to_be_bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.recent.len() == RECENT_LINES {
            self.recent.pop_front();
        }
        let line = format!("{:>12.3} ms  {line}", now as f64 / 1000.0);
        if self.aloud {
            writeln!(std::io::stderr(), "{line}").ok();
        }
        self.recent.push_back(line);
    }

    pub(crate) fn recent(&self) -> String {
        self.recent.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

impl World {
    pub(crate) fn new(seed: u64, aloud: bool) -> Self {
        let mut random = Random::new(seed);
        // Drawn apart, so that worlds of one cluster stay what they were without the others.
        let has_two = Random::new(!seed).percent(30);
        let mut plan = Plan::draw(&mut random, if has_two { 2 } else { 1 });
        plan.recreations = Random::new(!seed ^ RECREATIONS).percent(25);
        Self::of_plan(plan, random, aloud)
    }

    /// A world of this plan; `random` decides all else.
    pub(crate) fn of_plan(plan: Plan, mut random: Random, aloud: bool) -> Self {
        let log = HistoryLog { hash: FNV_START, recent: VecDeque::new(), aloud };
        let source = draw_source(&plan, &mut random);
        let host = Host::new(&plan, &source, &mut random);
        let mut world = Self {
            random,
            now: 0,
            queue: BTreeMap::new(),
            next_event: 0,
            shard: None,
            born: 0,
            kernel: Kernel::new(&plan.limits),
            links: BTreeMap::new(),
            disk: Disk { faults: plan.disk, ..Disk::default() },
            source,
            host,
            network_faults: plan.network,
            commands: Vec::new(),
            completions: Vec::new(),
            events_left: plan.event_count,
            healed: false,
            steps: 0,
            crashes: 0,
            log,
            plan,
        };
        world.note(&format!("{:?}", world.plan));
        world.at(1_000, Event::Chance);
        world.start_engine();
        world
    }

    pub(crate) fn note(&mut self, line: &str) {
        self.log.note(self.now, line);
    }

    /// Has `event` happen `delay_us` from now.
    pub(crate) fn at(&mut self, delay_us: u64, event: Event) {
        self.queue.insert((self.now + delay_us, self.next_event), event);
        self.next_event += 1;
    }

    pub(crate) fn start_engine(&mut self) {
        let buffers = self.kernel.take_buffers();
        let seed = self.random.next();
        self.shard = Some(Shard::new(0, self.plan.limits, seed, buffers));
        self.born = self.now;
        self.commands = self.host.greet(&self.source, &mut self.random);
        self.note("engine starts");
    }

    /// Runs to the end; every broken promise is a panic.
    pub(crate) fn run(&mut self) {
        while !self.is_over() {
            self.turn();
        }
        self.stop_engine();
        self.check_closed_logs();
    }

    fn is_over(&self) -> bool {
        self.healed && self.commands.is_empty() && self.has_caught_up()
    }

    /// Goes to the next moment something happens, and has the shard take it.
    pub(crate) fn turn(&mut self) {
        self.advance();
        self.step();
        if self.healed {
            assert!(
                self.now - self.host.healed_at < HEAL_TIME_MAX_US,
                "stuck: faults healed {} ms ago and the mirror does not catch up: {}\n{:#?}",
                HEAL_TIME_MAX_US / 1000,
                self.lag(),
                self.shard
            );
        } else if !self.host.stopping && self.random.below(10_000) < self.plan.crash_per_10k {
            self.crash();
        }
    }

    fn advance(&mut self) {
        let event = self.queue.first_key_value().map(|((at, _), _)| *at);
        let shard = self.shard.as_ref().expect("an engine runs");
        let deadline = shard.next_deadline().map(|tick| tick.0 + self.born);
        if self.commands.is_empty() && self.completions.is_empty() {
            let next = [event, deadline].into_iter().flatten().min();
            let Some(next) = next else {
                panic!("stuck: nothing is to come: {}\n{:#?}", self.lag(), self.shard)
            };
            self.kernel.idle_turns = if next > self.now { 0 } else { self.kernel.idle_turns + 1 };
            assert!(self.kernel.idle_turns < IDLE_TURNS_MAX, "the shard spins: {:#?}", self.shard);
            self.now = self.now.max(next);
        }
        let most = self.random.range(1, 6);
        for _ in 0..most {
            let Some(entry) = self.queue.first_entry() else { break };
            if entry.key().0 > self.now {
                break;
            }
            let event = entry.remove();
            self.kernel.idle_turns = 0;
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Complete(number) => self.complete(number),
            Event::Deliver(id) => self.deliver(id),
            Event::Arrive(id, frame) => self.arrive(id, frame),
            Event::Poll(id) => self.poll(id),
            Event::Command(command) => self.commands.push(command),
            Event::Chance => self.chance(),
            Event::RoomAgain => self.disk.faults.full = false,
        }
    }

    /// One step of the shard with everything ready.
    pub(crate) fn step(&mut self) {
        self.random.shuffle(&mut self.completions);
        for at in 0..self.commands.len() {
            let line = format!("command {:?}", self.commands[at]);
            self.note(&line);
            let command = self.commands[at].clone();
            self.host.on_sent(&command);
        }
        for at in 0..self.completions.len() {
            let line = crate::kernel::describe_completion(&self.completions[at]);
            self.note(&line);
        }
        let (mut ops, mut reports) = (Vec::new(), Vec::new());
        let now = Tick(self.now - self.born);
        let shard = self.shard.as_mut().expect("an engine runs");
        shard.step(now, &mut self.commands, &mut self.completions, &mut ops, &mut reports);
        self.steps += 1;
        assert!(ops.len() < OPS_PER_STEP_MAX, "a step asks for {} operations", ops.len());
        for op in ops {
            self.note(&crate::kernel::describe(&op));
            self.submit(op);
        }
        for report in reports {
            self.note(&format!("report {report:?}"));
            self.on_report(report);
        }
    }

    fn on_report(&mut self, report: EngineReport) {
        match report {
            EngineReport::Partition { partition, event } => {
                self.on_event(partition.partition.get(), event);
            }
            EngineReport::Stopped { clean, .. } => self.host.stopped = Some(clean),
            EngineReport::BrokerUnreachable { .. } | EngineReport::BrokerReachable { .. } => {}
        }
    }

    /// Stops the engine by order, checks that it closed everything, and takes its buffers back.
    pub(crate) fn stop_engine(&mut self) {
        self.host.begin_stop();
        self.commands.push(EngineCommand::Stop);
        let began = self.now;
        while !self.shard.as_ref().expect("an engine runs").is_stopped() {
            self.advance();
            self.step();
            let waited = self.now - began;
            assert!(waited < STOP_TIME_MAX_US, "the engine does not stop: {:#?}", self.shard);
        }
        assert!(self.host.stopped.is_some(), "a stopped engine says so");
        assert!(self.kernel.in_flight.is_empty(), "a stopped engine has nothing in flight");
        assert!(self.links.is_empty(), "a stopped engine has no connections");
        let shard = self.shard.take().expect("an engine runs");
        self.take_home(shard.into_buffers());
        self.forget_engine_events();
    }

    fn take_home(&mut self, buffers: ShardBuffers) {
        let limits = &self.plan.limits;
        assert_eq!(buffers.record.len(), limits.record_buffer_count as usize, "record buffers");
        assert_eq!(buffers.frame.len(), limits.frame_buffer_count() as usize, "frame buffers");
        self.kernel.give_buffers(buffers);
    }

    /// Events of an engine that is no more.
    fn forget_engine_events(&mut self) {
        self.queue.retain(|_, event| matches!(event, Event::Chance | Event::RoomAgain));
        self.links.clear();
        self.kernel.forget();
        self.commands.clear();
        self.completions.clear();
    }

    /// Power fails now; a new engine starts from what the disk kept.
    pub(crate) fn crash(&mut self) {
        self.note("crash");
        self.crashes += 1;
        for (_, op) in std::mem::take(&mut self.kernel.in_flight) {
            self.half_done(op);
        }
        self.disk.crash(&mut self.random);
        self.host.on_crash();
        self.bury();
        self.check_after_crash();
        self.start_engine();
    }

    /// The dead engine's buffers come back by stopping it in a world where everything fails.
    fn bury(&mut self) {
        let mut shard = self.shard.take().expect("an engine runs");
        let mut completions = std::mem::take(&mut self.completions);
        completions.extend(std::mem::take(&mut self.kernel.orphans));
        for (id, link) in std::mem::take(&mut self.links) {
            completions.extend(crate::kernel::fail_receive(id, link));
        }
        let mut commands = vec![EngineCommand::Stop];
        let mut now = Tick(self.now - self.born);
        let (mut ops, mut reports) = (Vec::new(), Vec::new());
        for _ in 0..BURIAL_STEPS_MAX {
            shard.step(now, &mut commands, &mut completions, &mut ops, &mut reports);
            completions.extend(ops.drain(..).filter_map(crate::kernel::fail));
            if completions.is_empty() {
                if shard.is_stopped() {
                    break;
                }
                now = shard.next_deadline().unwrap_or(now).max(now);
            }
        }
        assert!(shard.is_stopped(), "an engine whose world fails does not stop: {shard:#?}");
        self.take_home(shard.into_buffers());
        self.forget_engine_events();
    }

    /// An operation in flight when the power failed: done in part, or not at all.
    fn half_done(&mut self, op: InFlight) {
        let failed = self.kernel.half_done(op, &mut self.disk, &mut self.random);
        self.kernel.orphans.extend(failed);
    }

    /// All faults end; what is paused, failed or gone is wanted again.
    pub(crate) fn heal(&mut self) {
        self.note("heal");
        self.healed = true;
        self.disk.faults = DiskFaults::default();
        self.network_faults = NetworkFaults::default();
        self.source.throttle_percent = 0;
        for partition in &mut self.source.partitions {
            partition.high_watermark = partition.end();
        }
        for link in self.links.values_mut() {
            link.stalled_until = 0;
        }
        self.wake_brokers();
        self.commands.push(EngineCommand::SetThrottle { bytes_per_second: None });
        let wanted = self.host.heal(self.now, &self.source);
        self.commands.extend(wanted);
    }
}

fn draw_source(plan: &Plan, random: &mut Random) -> Source {
    let mut partitions = Vec::new();
    for index in 0..plan.partition_count {
        let leader =
            i32::try_from(random.below(u64::try_from(plan.source.broker_count).expect("")))
                .expect("small");
        let mut partition = {
            let clusters = i32::try_from(plan.source.cluster_count).expect("two at most");
            let source = u32::try_from(index % clusters).expect("not negative");
            SourcePartition::new(index, Broker { source, id: leader }, BatchMaker::new(plan.sizes))
        };
        for _ in 0..random.below(plan.backlog + 1) {
            partition.append(random);
            if random.percent(5) {
                partition.begin_epoch(leader);
            }
        }
        partition.high_watermark = partition.end();
        if random.percent(20) {
            let to = random.range_i64(0, partition.end());
            partition.delete_below(to);
        }
        partitions.push(partition);
    }
    Source { traits: plan.source, partitions, sessions: BTreeMap::new(), throttle_percent: 0 }
}

/// Sets the number that decides about recreations apart from the one that does about clusters.
const RECREATIONS: u64 = 0x7265_6372;
const RECENT_LINES: usize = 400;
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
/// Virtual time a mirror may need to catch up once everything works.
const HEAL_TIME_MAX_US: u64 = 60_000_000;
const STOP_TIME_MAX_US: u64 = 60_000_000;
const IDLE_TURNS_MAX: u64 = 200;
const OPS_PER_STEP_MAX: usize = 500;
const BURIAL_STEPS_MAX: usize = 20_000;
