//! The loop of one shard: take everything that is ready, step once, start what it asks for,
//! sleep until a completion, a command or the shard's deadline.
//!
//! ```text
//!   commands ----\                       /---> ops: ring, helper threads
//!   completions --> Shard::step (pure) --
//!   deadline ----/                       \---> reports
//! ```
//!
//! One task on the thread does all of it. tokio-uring gives new entries to the kernel only when
//! the thread is about to sleep, so a busy loop goes to sleep now and then, on an entry that does
//! nothing and wakes it at once.

use std::future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mirror_shard::bridge::{EngineCommand, EngineReport};
use mirror_shard::counters::ShardCounters;
use mirror_shard::op::{Completion, Op, Tick};
use mirror_shard::shard::Shard;
use tokio::sync::mpsc::Receiver;
use tokio::time::Sleep;

use crate::executor::Executor;
use crate::reports::ReportSender;

/// Commands taken per step.
const COMMANDS_PER_STEP_MAX: usize = 256;
/// Steps in a row without sleeping, while operations complete at once.
const ROUNDS_MAX: usize = 4;
/// Times in a row the loop may find work without having slept, before it lets the ring turn.
const BUSY_MAX: u32 = 16;
/// Reports that found no room are tried again after this long.
const REPORTS_RETRY_MS: u64 = 5;

/// What a driver works between.
#[derive(Debug)]
pub(crate) struct DriverEnds {
    /// Orders; when the other end is gone, that is an order to stop.
    pub(crate) commands: Receiver<EngineCommand>,
    /// News.
    pub(crate) reports: ReportSender,
    /// Where the shard's counters are published.
    pub(crate) counters: Arc<Mutex<ShardCounters>>,
    /// Zero of the shard's time.
    pub(crate) started: Instant,
}

/// Drives `shard` until it has stopped, and gives it back.
pub(crate) async fn drive(mut shard: Shard, executor: Executor, ends: DriverEnds) -> Shard {
    let mut commands = Vec::with_capacity(COMMANDS_PER_STEP_MAX);
    let mut completions: Vec<Completion> = Vec::new();
    let mut ops: Vec<Op> = Vec::new();
    let mut reports: Vec<EngineReport> = Vec::new();
    let mut driver = Driver::new(executor, ends);
    while !shard.is_stopped() {
        let deadline = driver.deadline(&shard, !reports.is_empty());
        future::poll_fn(|context| driver.poll_work(context, deadline, &mut commands)).await;
        driver.executor.take_completions(&mut completions);
        for _ in 0..ROUNDS_MAX {
            let now = driver.now();
            shard.step(now, &mut commands, &mut completions, &mut ops, &mut reports);
            driver.executor.submit(&mut ops);
            driver.executor.take_completions(&mut completions);
            if completions.is_empty() {
                break;
            }
        }
        if !completions.is_empty() || driver.busy_count >= BUSY_MAX {
            driver.executor.turn();
        }
        // First: who hears a report finds what it tells in the counters.
        driver.publish(shard.counters(), !reports.is_empty());
        driver.ends.reports.deliver(&mut reports);
    }
    reports.drain(..).for_each(|report| driver.ends.reports.send(report));
    *driver.ends.counters.lock().unwrap_or_else(PoisonError::into_inner) = *shard.counters();
    shard
}

struct Driver {
    executor: Executor,
    ends: DriverEnds,
    /// Times in a row that work was there without sleeping.
    busy_count: u32,
    /// True once the command channel has closed and the shard was told to stop.
    is_orphaned: bool,
    alarm: Pin<Box<Sleep>>,
    /// What the alarm is set to; it may ring early, never late.
    alarm_at: Option<Tick>,
}

impl Driver {
    fn new(executor: Executor, ends: DriverEnds) -> Self {
        let alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { executor, ends, busy_count: 0, is_orphaned: false, alarm, alarm_at: None }
    }

    fn now(&self) -> Tick {
        let elapsed = self.ends.started.elapsed().as_micros();
        Tick(u64::try_from(elapsed).expect("microseconds of half a million years fit"))
    }

    /// When to step again even if nothing happens.
    fn deadline(&self, shard: &Shard, has_reports_left: bool) -> Option<Tick> {
        let retry = has_reports_left.then(|| self.now().after_ms(REPORTS_RETRY_MS));
        [shard.next_deadline(), retry].into_iter().flatten().min()
    }

    /// Ready when there is something to step for; commands are taken, completions wait in the
    /// executor.
    fn poll_work(
        &mut self,
        context: &mut Context<'_>,
        deadline: Option<Tick>,
        commands: &mut Vec<EngineCommand>,
    ) -> Poll<()> {
        let is_done = self.executor.poll(context);
        if self.executor.is_turning() {
            self.busy_count = 0;
            return Poll::Pending;
        }
        let is_ordered = self.poll_commands(context, commands);
        let is_late = deadline.is_some_and(|at| self.poll_alarm(context, at));
        if is_done || is_ordered || is_late {
            self.busy_count += 1;
            return Poll::Ready(());
        }
        self.busy_count = 0;
        Poll::Pending
    }

    fn poll_commands(
        &mut self,
        context: &mut Context<'_>,
        commands: &mut Vec<EngineCommand>,
    ) -> bool {
        if self.is_orphaned {
            return false;
        }
        match self.ends.commands.poll_recv_many(context, commands, COMMANDS_PER_STEP_MAX) {
            Poll::Pending => false,
            Poll::Ready(0) => {
                self.is_orphaned = true;
                commands.push(EngineCommand::Stop);
                true
            }
            Poll::Ready(_) => true,
        }
    }

    /// True when `deadline` has come; sees to a wake-up then otherwise.
    fn poll_alarm(&mut self, context: &mut Context<'_>, deadline: Tick) -> bool {
        loop {
            if self.now() >= deadline {
                return true;
            }
            // Setting it costs a lock in the timer; deadlines mostly move back, so an alarm that
            // rings early and is set again is cheaper than one that is always exact.
            if self.alarm_at.is_none_or(|at| deadline < at) {
                let at = self.ends.started + Duration::from_micros(deadline.0);
                self.alarm.as_mut().reset(at.into());
                self.alarm_at = Some(deadline);
            }
            if self.alarm.as_mut().poll(context).is_pending() {
                return false;
            }
            self.alarm_at = None;
        }
    }

    /// Copies the counters out. When somebody reads them right now, the shard waits for the end of
    /// that copy only if it has something to report.
    fn publish(&self, counters: &ShardCounters, has_reports: bool) {
        let published = &self.ends.counters;
        let place = match has_reports {
            true => Some(published.lock().unwrap_or_else(PoisonError::into_inner)),
            false => published.try_lock().ok(),
        };
        if let Some(mut place) = place {
            *place = *counters;
        }
    }
}
