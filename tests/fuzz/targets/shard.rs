//! A shard between a kernel and a source that do what the input says: it never panics, asks
//! only for what can be done, and when it stops every buffer is home.

#![no_main]

use std::cell::RefCell;

use fuzz::batches::offset;
use fuzz::fake_kernel::{Ending, Kernel};
use fuzz::fake_source::{PARTITIONS, TOPIC};
use fuzz::input::Input;
use fuzz::seeds;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicIdPartition, TopicName, TopicPartition,
};
use libfuzzer_sys::fuzz_target;
use mirror_shard::bridge::{DivergencePolicy, EngineCommand, EngineReport, NewPartition};
use mirror_shard::buffer_pool::{BufferLease, ShardBuffers};
use mirror_shard::limits::{FRAME_BUFFER_BYTES, RECORD_BUFFER_BYTES, ShardLimits};
use mirror_shard::op::{BrokerAddress, Completion, Op, Tick};
use mirror_shard::shard::Shard;

thread_local! {
    /// The slab, while no shard has it.
    static BUFFERS: RefCell<Option<ShardBuffers>> = const { RefCell::new(None) };
}

fuzz_target!(init: seeds::write(seeds::shard()), |data: &[u8]| {
    let mut input = Input::new(data);
    let limits = limits(input.byte());
    let buffers = BUFFERS.take().unwrap_or_else(|| slab(&limits));
    let mut host = Host {
        shard: Shard::new(0, limits, 1, buffers),
        kernel: Kernel::default(),
        now: Tick(0),
        commands: Vec::new(),
        completions: Vec::new(),
        ops: Vec::new(),
        stopped: 0,
    };
    host.begin(input.byte());
    while !input.is_empty() {
        host.act(&mut input);
    }
    host.stop();
    BUFFERS.set(Some(host.shard.into_buffers()));
});

struct Host {
    shard: Shard,
    kernel: Kernel,
    now: Tick,
    commands: Vec<EngineCommand>,
    completions: Vec<Completion>,
    ops: Vec<Op>,
    stopped: u32,
}

impl Host {
    fn begin(&mut self, shape: u8) {
        for id in [1, 2] {
            self.commands
                .push(EngineCommand::SetBroker { broker: broker(id), address: address(id) });
        }
        for index in 0..PARTITIONS {
            let spec = new_partition(index, shape);
            self.commands.push(EngineCommand::AddPartition(Box::new(spec)));
        }
        self.step();
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0..=4 => self.complete(Ending::Success, 0, input),
            5..=7 => {
                let place = usize::from(input.byte());
                self.complete(Ending::Success, place, input);
            }
            8 => {
                let place = usize::from(input.byte());
                self.complete(Ending::Failure, place, input);
            }
            9 => {
                let place = usize::from(input.byte());
                self.complete(Ending::Garbage, place, input);
            }
            10..=12 => self.pass_time(),
            13 => self.now = self.now.after_ms(u64::from(input.byte())),
            14 => {
                let command = command(input);
                self.commands.push(command);
            }
            // Several completions in one step.
            _ => return,
        }
        self.step();
    }

    /// Ends the first operation from `place` on that can end.
    fn complete(&mut self, ending: Ending, place: usize, input: &mut Input<'_>) {
        let count = self.kernel.in_flight();
        for index in 0..count {
            let place = (place + index) % count;
            if let Some(completion) = self.kernel.complete(place, ending, input) {
                self.completions.push(completion);
                return;
            }
        }
    }

    fn pass_time(&mut self) {
        let later = self.now.after_ms(10);
        self.now = self.shard.next_deadline().map_or(later, |at| at.max(self.now));
    }

    fn step(&mut self) {
        let mut reports = Vec::new();
        let (commands, completions) = (&mut self.commands, &mut self.completions);
        self.shard.step(self.now, commands, completions, &mut self.ops, &mut reports);
        let stopped = |report: &&EngineReport| matches!(report, EngineReport::Stopped { .. });
        self.stopped += u32::try_from(reports.iter().filter(stopped).count()).expect("a few");
        self.kernel.submit(&mut self.ops);
    }

    /// From here on everything succeeds, so the shard must come to its end.
    fn stop(&mut self) {
        self.commands.push(EngineCommand::Stop);
        let mut input = Input::new(&[]);
        for _ in 0..STEPS_TO_STOP_MAX {
            self.step();
            if self.shard.is_stopped() && self.kernel.in_flight() == 0 {
                break;
            }
            for place in (0..self.kernel.in_flight()).rev() {
                let completion = self.kernel.complete(place, Ending::Success, &mut input);
                self.completions.extend(completion);
            }
            self.pass_time();
        }
        assert!(self.shard.is_stopped(), "does not stop: {:?}", self.shard);
        assert_eq!(self.stopped, 1, "reports its end once");
    }
}

fn command(input: &mut Input<'_>) -> EngineCommand {
    let kind = input.byte();
    let partition = identity(i32::from(kind >> 7));
    match kind % 8 {
        0 => EngineCommand::Pause(partition),
        1 => EngineCommand::Resume(partition),
        2 => EngineCommand::Truncate { partition, to: offset(i64::from(input.u16())) },
        3 => EngineCommand::Remove { partition, delete: kind & 0x40 != 0 },
        4 => {
            let spec = new_partition(i32::from(kind >> 7), input.byte());
            EngineCommand::AddPartition(Box::new(spec))
        }
        5 => EngineCommand::SetSourceLeader {
            partition,
            leader: broker(input.choose(&[1, 2, 3])),
            epoch: SourceLeaderEpoch::from_wire(i32::from(input.byte())).expect("not negative"),
        },
        6 => EngineCommand::SetLeaderEpoch {
            partition,
            epoch: LeaderEpoch::from_wire(i32::from(input.byte())).expect("not negative"),
        },
        _ => EngineCommand::SetBroker { broker: broker(1), address: address(input.byte().into()) },
    }
}

fn new_partition(index: i32, shape: u8) -> NewPartition {
    let id = identity(index);
    let topic = TopicName::parse(TOPIC).expect("a legal name");
    NewPartition {
        id,
        name: TopicPartition { topic, partition: id.partition },
        source_topic: None,
        source_has_topic_ids: shape & 1 == 0,
        leader: broker(if shape & 2 == 0 { 1 } else { 1 + index }),
        source_epoch: SourceLeaderEpoch::from_wire(if shape & 4 == 0 { 0 } else { -1 }),
        leader_epoch: LeaderEpoch::from_wire(if shape & 8 == 0 { 9 } else { 1 }).expect("legal"),
        log_config: if shape & 16 == 0 { seeds::SMALL } else { Default::default() },
        recovery_point: None,
        log_start: None,
        clean: false,
        on_divergence: if shape & 32 == 0 {
            DivergencePolicy::Truncate
        } else {
            DivergencePolicy::Fail
        },
    }
}

fn identity(index: i32) -> TopicIdPartition {
    let partition = PartitionIndex::from_wire(index).expect("counts from 0");
    TopicIdPartition { topic_id: seeds::topic_id(), partition }
}

fn broker(id: i32) -> SourceBroker {
    let broker = BrokerId::from_wire(id).expect("not negative");
    SourceBroker { source: SourceId::new(0), broker }
}

fn address(id: i32) -> BrokerAddress {
    BrokerAddress { host: "source".into(), port: 9000 + u16::try_from(id).expect("a small id") }
}

/// As small as limits can be, so that buffers run out.
fn limits(shape: u8) -> ShardLimits {
    ShardLimits {
        record_buffer_count: 8,
        connection_count_max: 2,
        connections_per_broker: 1 + u32::from(shape & 1),
        fetches_per_connection: 1 + u32::from(shape >> 1 & 1),
        writes_in_flight_max: 1 + u32::from(shape >> 2 & 3),
        sync_bytes: 1 << 16,
        batch_bytes_max: 64 << 10,
        direct_writes: shape & 0x10 == 0,
        ..ShardLimits::default()
    }
}

/// Buffers that live as long as the process.
fn slab(limits: &ShardLimits) -> ShardBuffers {
    let lease = |index, bytes: u32| {
        BufferLease::new(index, Box::leak(vec![0; bytes as usize].into_boxed_slice()))
    };
    ShardBuffers {
        record: (0..limits.record_buffer_count).map(|i| lease(i, RECORD_BUFFER_BYTES)).collect(),
        frame: (0..limits.frame_buffer_count()).map(|i| lease(i, FRAME_BUFFER_BYTES)).collect(),
    }
}

const STEPS_TO_STOP_MAX: usize = 10_000;
