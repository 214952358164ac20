//! What the engine reports: checked against source and disk, then answered as a host would.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use mirror_shard::bridge::{EngineCommand, PartitionEvent, PartitionFailure, Progress};

use crate::source::Broker;
use crate::world::{Event, World};

impl World {
    pub(crate) fn on_event(&mut self, partition: i32, event: PartitionEvent) {
        match event {
            PartitionEvent::Loaded { progress, findings, epochs } => {
                self.host.mirror(partition).epochs = *epochs;
                let closed = std::mem::take(&mut self.host.mirror(partition).closed);
                assert!(
                    !closed || findings.is_empty(),
                    "p{partition} was closed cleanly and recovery found {findings:?}"
                );
                self.on_loaded(partition, &progress);
            }
            PartitionEvent::Progress(progress) => self.on_progress(partition, &progress),
            PartitionEvent::EpochBegan { epoch, start } => {
                let mirror = self.host.mirror(partition);
                assert!(mirror.open && start.get() >= mirror.log_end, "p{partition} tells late");
                assert!(mirror.epochs.assign(epoch, start), "p{partition} {epoch} began before");
            }
            PartitionEvent::Reloading => {
                let mirror = self.host.mirror(partition);
                assert!(mirror.open, "p{partition} is not loaded yet and loaded again");
                mirror.open = false;
            }
            PartitionEvent::LeaderUnknown { .. } => self.tell_leader(partition),
            PartitionEvent::LeaderMoved { .. } => {}
            PartitionEvent::Fenced { batch_epoch, .. } => self.raise(partition, batch_epoch),
            PartitionEvent::Truncated { from, to, epochs } => {
                assert!(to <= from, "p{partition} truncated upwards");
                let latest = epochs.entries().last().map(|entry| entry.start);
                assert!(latest <= Some(to.offset()), "p{partition} has an epoch above {to}");
                let stopping = self.host.stopping;
                let mirror = self.host.mirror(partition);
                mirror.cut_at_stop |= stopping;
                let to = to.offset().get();
                // Without an order to cut, only what was told as written can be missed.
                let end = mirror.log_end;
                assert!(
                    mirror.cutting || to < end,
                    "p{partition} is truncated to {to} by a reload, told was {end}"
                );
                let cut_by_the_disk = mirror.faulted || self.plan.disk.errors_permille > 0;
                let mirror = self.host.mirror(partition);
                let lineages = &self.source.partitions[place_of(partition)].lineages;
                assert!(
                    mirror.cutting || cut_by_the_disk || lineages.len() > 1,
                    "p{partition} is truncated to {to}, and its source has one history"
                );
                mirror.durable = mirror.durable.min(to);
                mirror.start_seen = mirror.start_seen.min(to);
                mirror.log_end = mirror.log_end.min(to);
            }
            PartitionEvent::Gap { from, to } => {
                assert!(from < to, "p{partition} reports an empty gap");
                let start = self.source.partitions[place_of(partition)].start;
                assert!(to.get() <= start, "p{partition} skips to {to}, its source has {start}");
                self.host.mirror(partition).gap_to = to.get();
            }
            PartitionEvent::Corrupt { .. } => {
                let flips = self.plan.network.flip_permille > 0;
                assert!(flips, "p{partition}: nothing was damaged and yet it is corrupt");
            }
            PartitionEvent::DiskFault { .. } => self.host.mirror(partition).faulted = true,
            PartitionEvent::SourceError { .. } => {}
            PartitionEvent::Failed(failure) => self.on_failure(partition, failure),
            PartitionEvent::Paused(progress) => self.on_paused(partition, &progress),
            PartitionEvent::Removed(progress) => self.on_removed(partition, progress),
        }
    }

    fn on_loaded(&mut self, partition: i32, progress: &Progress) {
        // An order to cut that came while it was loaded is carried out in the same step.
        let cutting = self.kernel.is_cutting(partition);
        let mirror = self.host.mirror(partition);
        let end = progress.log_end.offset().get();
        assert!(
            end >= mirror.durable,
            "p{partition} was durable to {}, loaded to {end}, and nothing was said",
            mirror.durable
        );
        (mirror.loaded, mirror.faulted, mirror.cutting) = (true, false, cutting);
        (mirror.open, mirror.last_stable) = (true, 0);
        self.check_stored(partition, progress, true);
        self.remember(partition, progress);
        self.save(partition);
    }

    fn on_progress(&mut self, partition: i32, progress: &Progress) {
        let mirror = self.host.mirror(partition);
        assert!(mirror.loaded && mirror.open, "p{partition} moves before it is loaded");
        let (end, point) = (progress.log_end.offset().get(), progress.recovery_point.get());
        assert!(
            end >= mirror.log_end,
            "p{partition} log end falls from {} to {end}",
            mirror.log_end
        );
        assert!(
            point >= mirror.durable,
            "p{partition} recovery point falls from {} to {point}",
            mirror.durable
        );
        let stable = progress.last_stable_offset.offset().get();
        let stable_before = mirror.last_stable;
        assert!(
            stable >= stable_before,
            "p{partition} last stable offset falls from {stable_before} to {stable}"
        );
        let started = progress.log_start.offset().get() > mirror.log_start;
        let whole = self.random.percent(10);
        self.check_stored(partition, progress, whole);
        self.remember(partition, progress);
        // A start that moved is saved at once: segments below it are being deleted, and a crash may
        // bring some of them back.
        if started || self.random.percent(50) {
            self.save(partition);
        }
    }

    fn remember(&mut self, partition: i32, progress: &Progress) {
        let place = place_of(partition);
        let start = progress.log_start.offset().get();
        let passed = self.host.mirror(partition).log_end..start;
        let lineage = self.source.partitions[place].lineage();
        let first = lineage.batches.get(lineage.place_of(passed.start));
        let inside = |batch: &&std::rc::Rc<crate::history::SourceBatch>| {
            batch.base >= passed.start && batch.next <= passed.end
        };
        let end = progress.log_end.offset().get();
        let skipped = first
            .filter(inside)
            .is_some_and(|batch| !self.disk.holds_batch(partition, batch.base, end));
        let mirror = self.host.mirror(partition);
        assert!(start >= 0 && start <= progress.log_end.offset().get(), "start lies below the end");
        assert!(
            progress.recovery_point.get() <= progress.log_end.offset().get(),
            "point below end"
        );
        if skipped && mirror.log_end > 0 {
            assert_eq!(mirror.gap_to, start, "p{partition} lost records and did not say so");
        }
        mirror.log_start = start;
        mirror.start_seen = mirror.start_seen.max(start);
        mirror.log_end = progress.log_end.offset().get();
        mirror.last_stable = progress.last_stable_offset.offset().get();
        mirror.durable = progress.recovery_point.get();
    }

    fn save(&mut self, partition: i32) {
        let mirror = self.host.mirror(partition);
        if !mirror.loaded {
            return;
        }
        mirror.saved_point = Some(mirror.durable);
        mirror.saved_start = Some(mirror.log_start);
        mirror.forget_if_deleted();
    }

    fn tell_leader(&mut self, partition: i32) {
        let held = &self.source.partitions[place_of(partition)];
        let (id, source, mut leader, epoch) = (held.id, held.source, held.leader, held.epoch);
        if !self.healed && self.random.percent(10) {
            let count = u64::try_from(self.plan.source.broker_count).expect("not negative");
            leader = i32::try_from(self.random.below(count)).expect("small");
        }
        let leader = Broker { source, id: leader }.named();
        let epoch = SourceLeaderEpoch::from_wire(epoch).expect("not negative");
        let delay = self.random.range(0, 200_000);
        let command = EngineCommand::SetSourceLeader { partition: id, leader, epoch };
        self.at(delay, Event::Command(command));
    }

    fn raise(&mut self, partition: i32, batch_epoch: SourceLeaderEpoch) {
        let id = self.source.partitions[place_of(partition)].id;
        let raised = batch_epoch.get() + i32::from(self.random.percent(50));
        let mirror = self.host.mirror(partition);
        mirror.leader_epoch = mirror.leader_epoch.max(raised);
        let epoch = LeaderEpoch::from_wire(raised).expect("not negative");
        let delay = self.random.range(0, 100_000);
        self.at(delay, Event::Command(EngineCommand::SetLeaderEpoch { partition: id, epoch }));
    }

    fn on_failure(&mut self, partition: i32, failure: PartitionFailure) {
        if self.host.stopping {
            return;
        }
        let PartitionFailure::Diverged { source_end, .. } = failure else {
            panic!("p{partition} failed: {failure}");
        };
        assert!(self.plan.fails_on_divergence, "the policy is to truncate");
        let lineages = &self.source.partitions[place_of(partition)].lineages;
        assert!(lineages.len() > 1, "p{partition} failed: {failure}, its source has one history");
        let mirror = self.host.mirror(partition);
        mirror.failed = true;
        let id = self.source.partitions[place_of(partition)].id;
        let delay = self.random.range(0, 50_000);
        let to = source_end;
        self.at(delay, Event::Command(EngineCommand::Truncate { partition: id, to }));
        let delay = delay + self.random.range(0, 50_000);
        self.at(delay, Event::Command(EngineCommand::Resume(id)));
    }

    fn on_paused(&mut self, partition: i32, progress: &Progress) {
        let mirror = self.host.mirror(partition);
        assert!(mirror.pause_sent || self.healed, "p{partition} paused without an order");
        assert_eq!(
            progress.recovery_point,
            progress.log_end.offset(),
            "p{partition} is paused and not durable"
        );
        let known = match mirror.loaded {
            true => mirror.saved_point,
            false => mirror.saved_point.min(mirror.added_point),
        };
        assert!(
            progress.recovery_point.get() >= known.unwrap_or(0),
            "p{partition} is paused at {}, below what was saved: {known:?}",
            progress.recovery_point
        );
        mirror.saved_point = Some(progress.recovery_point.get());
        mirror.saved_start = Some(progress.log_start.offset().get());
        if mirror.open {
            self.check_readable(partition, progress, true);
        }
        let id = self.source.partitions[place_of(partition)].id;
        let delay = self.random.range(0, 100_000);
        self.at(delay, Event::Command(EngineCommand::Resume(id)));
    }

    fn on_removed(&mut self, partition: i32, progress: Option<Progress>) {
        let stopping = self.host.stopping;
        if let Some(progress) = progress {
            self.check_handed_over(partition, &progress);
            self.host.mirror(partition).closed = true;
        }
        if stopping {
            self.save(partition);
        }
        let mirror = self.host.mirror(partition);
        assert!(mirror.remove_sent || stopping, "p{partition} is gone and nobody asked");
        if mirror.delete_sent {
            mirror.start_seen = 0;
        }
        mirror.added = false;
        (mirror.loaded, mirror.open) = (false, false);
        (mirror.durable, mirror.log_end, mirror.gap_to) = (0, 0, 0);
        let place = place_of(partition);
        if mirror.again {
            self.host.begin_life(place);
        } else if !stopping {
            let command = self.host.add(place, &self.source.partitions[place], false);
            let delay = self.random.range(0, 50_000);
            self.at(delay, Event::Command(command));
        }
    }
}

fn place_of(partition: i32) -> usize {
    usize::try_from(partition).expect("an index")
}
