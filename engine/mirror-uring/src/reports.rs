//! The way of reports from the shards to the host: bounded, unless a shard is ending.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mirror_shard::bridge::{EngineReport, PartitionEvent};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::routes::Routes;

/// Reports that may wait for the host; above it shards keep theirs back and coalesce progress.
pub const REPORTS_WAITING_MAX: usize = 4096;

/// Reports sent at once, at least, while more are left than there is room for.
const REPORTS_AT_ONCE_MIN: usize = REPORTS_WAITING_MAX / 4;

/// What the shards tell the host, in order per shard; take them from one place only.
///
/// Dropping it is allowed: the shards go on and nobody hears of it.
#[derive(Debug)]
pub struct Reports {
    channel: UnboundedReceiver<EngineReport>,
    waiting_count: Arc<AtomicUsize>,
    routes: Routes,
}

/// A shard's end of [`Reports`].
#[derive(Clone, Debug)]
pub(crate) struct ReportSender {
    channel: UnboundedSender<EngineReport>,
    waiting_count: Arc<AtomicUsize>,
}

/// Makes the two ends; `routes` learns of removed partitions as the host does.
pub(crate) fn channel(routes: Routes) -> (ReportSender, Reports) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting_count = Arc::new(AtomicUsize::new(0));
    let sending = ReportSender { channel: sender, waiting_count: Arc::clone(&waiting_count) };
    (sending, Reports { channel: receiver, waiting_count, routes })
}

impl Reports {
    /// The next report; `None` when every shard has ended and nothing is left.
    ///
    /// May be cancelled without loss.
    pub async fn recv(&mut self) -> Option<EngineReport> {
        let report = self.channel.recv().await;
        self.taken(report)
    }

    /// The next report if one is there already.
    pub fn try_recv(&mut self) -> Option<EngineReport> {
        let report = self.channel.try_recv().ok();
        self.taken(report)
    }

    /// The next report, waited for with the calling thread; `None` after `timeout`, and when
    /// every shard has ended and nothing is left. Not for async code.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<EngineReport> {
        let deadline = Instant::now() + timeout;
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(report) = self.channel.poll_recv(&mut context) {
                return self.taken(report);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            thread::park_timeout(left);
        }
    }

    fn taken(&self, report: Option<EngineReport>) -> Option<EngineReport> {
        let report = report?;
        self.waiting_count.fetch_sub(1, Ordering::Relaxed);
        if let EngineReport::Partition { partition, event: PartitionEvent::Removed(_) } = &report {
            self.routes.removed(partition);
        }
        Some(report)
    }
}

impl ReportSender {
    /// Sends reports from the front while there is room; the rest stays.
    ///
    /// Many at a time: what stays is moved to the front, and a host that takes one report after
    /// the other would have all of it moved for each.
    pub(crate) fn deliver(&self, reports: &mut Vec<EngineReport>) {
        let room = REPORTS_WAITING_MAX.saturating_sub(self.waiting_count.load(Ordering::Relaxed));
        let count = reports.len().min(room);
        if count < reports.len() && count < REPORTS_AT_ONCE_MIN {
            return;
        }
        reports.drain(..count).for_each(|report| self.send(report));
    }

    /// Sends a report even if there is no room: for the last ones of a shard.
    pub(crate) fn send(&self, report: EngineReport) {
        self.waiting_count.fetch_add(1, Ordering::Relaxed);
        // A host that dropped its end does not want to know.
        if self.channel.send(report).is_err() {
            self.waiting_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests;
