//! Stands in for `mirror_shard::shard` until it is there.

use mirror_shard::bridge::{EngineCommand, EngineReport};
use mirror_shard::buffer_pool::ShardBuffers;
use mirror_shard::limits::ShardLimits;
use mirror_shard::op::{Completion, Op, Tick};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardCounters {
    pub fetch_requests: u64,
}

pub(crate) struct Shard {
    buffers: ShardBuffers,
    index: u32,
    stopped: bool,
    counters: ShardCounters,
}

impl Shard {
    pub(crate) fn new(index: u32, _: ShardLimits, _: u64, buffers: ShardBuffers) -> Self {
        Self { buffers, index, stopped: false, counters: ShardCounters::default() }
    }
    pub(crate) fn step(
        &mut self,
        _now: Tick,
        commands: &mut Vec<EngineCommand>,
        completions: &mut Vec<Completion>,
        _ops: &mut Vec<Op>,
        reports: &mut Vec<EngineReport>,
    ) {
        completions.clear();
        for command in commands.drain(..) {
            if matches!(command, EngineCommand::Stop) && !self.stopped {
                self.stopped = true;
                reports.push(EngineReport::Stopped { shard: self.index, clean: true });
            }
        }
    }
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        None
    }
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }
    pub(crate) fn into_buffers(self) -> ShardBuffers {
        self.buffers
    }
    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.counters
    }
}
