//! What chance does while faults are on.

use std::num::NonZeroU64;

use kafka_wire::fetch_request::VERSION_TOPIC_IDS;
use kafka_wire::partition::TopicIdPartition;
use mirror_shard::bridge::EngineCommand;

use crate::history::offset;
use crate::network::Ended;
use crate::world::{Event, World};

impl World {
    pub(crate) fn chance(&mut self) {
        if self.events_left == 0 {
            if self.host.stopping {
                return self.at(10_000, Event::Chance);
            }
            return self.heal();
        }
        self.events_left -= 1;
        match self.random.below(100) {
            0..45 => self.source_appends(),
            45..50 => self.source_replicates(),
            50..56 => self.source_deletes(),
            56..62 => self.leader_moves(),
            62..67 => self.leader_is_lost(),
            67..82 => self.network_fails(),
            82..86 => self.broker_forgets(),
            86..89 => self.disk_fills(),
            _ => self.host_interferes(),
        }
        if self.plan.recreations && self.random.percent(5) {
            self.topic_is_made_anew();
        }
        let pause = match self.random.below(10) {
            0..6 => self.random.range(100, 5_000),
            6..9 => self.random.range(5_000, 50_000),
            _ => self.random.range(50_000, 800_000),
        };
        self.at(pause, Event::Chance);
    }

    fn place(&mut self) -> usize {
        self.random.place(self.source.partitions.len())
    }

    fn broker(&mut self) -> i32 {
        let count = u64::try_from(self.plan.source.broker_count).expect("not negative");
        i32::try_from(self.random.below(count)).expect("small")
    }

    fn source_appends(&mut self) {
        let place = self.place();
        let partition = &mut self.source.partitions[place];
        for _ in 0..self.random.range(1, 10) {
            partition.append(&mut self.random);
        }
        if self.random.percent(80) {
            partition.high_watermark = partition.end();
        }
        let (end, mark) = (partition.end(), partition.high_watermark);
        self.note(&format!("source appends p{place} to {end}, mark {mark}"));
        self.wake_brokers();
    }

    fn source_replicates(&mut self) {
        for partition in &mut self.source.partitions {
            partition.high_watermark = partition.end();
        }
        self.wake_brokers();
    }

    fn source_deletes(&mut self) {
        let place = self.place();
        let partition = &mut self.source.partitions[place];
        let to = self.random.range_i64(partition.start, partition.high_watermark);
        partition.delete_below(to);
        self.note(&format!("source deletes p{place} below {to}"));
        self.wake_brokers();
    }

    fn leader_moves(&mut self) {
        let (place, broker) = (self.place(), self.broker());
        let partition = &mut self.source.partitions[place];
        partition.begin_epoch(broker);
        let epoch = partition.epoch;
        self.note(&format!("p{place} moves to broker {broker}, epoch {epoch}"));
        self.wake_brokers();
    }

    /// An unclean election. Below version 9 requests carry no epoch: only the lost connection
    /// tells that something happened, as it does when a broker dies.
    fn leader_is_lost(&mut self) {
        if !self.plan.unclean_elections {
            return self.source_appends();
        }
        let (place, broker) = (self.place(), self.broker());
        let partition = &mut self.source.partitions[place];
        let lost = self.random.place(partition.lineage().batches.len().min(12) + 1);
        let kept = partition.lineage().batches.len() - lost;
        let kept = kept.checked_sub(1).map_or(0, |last| partition.lineage().batches[last].next);
        partition.elect_unclean(broker, kept);
        let epoch = partition.epoch;
        for _ in 0..self.random.range(0, 12) {
            partition.append(&mut self.random);
        }
        if self.random.percent(60) {
            partition.high_watermark = partition.end();
        }
        self.note(&format!("p{place} unclean: broker {broker}, epoch {epoch}, kept to {kept}"));
        if self.plan.source.fetch_version_max < 9 {
            for link in self.links.values_mut() {
                link.reset();
            }
        }
        self.wake_brokers();
    }

    /// Another topic has the name from now on. Nothing keeps them apart for who fetches by name.
    fn topic_is_made_anew(&mut self) {
        let by_id = self.host.mirrors.iter().all(|mirror| mirror.source_has_topic_ids);
        if !by_id || self.plan.source.fetch_version_max < VERSION_TOPIC_IDS {
            return;
        }
        let place = self.place();
        let end = self.random.range_i64(0, 2 * self.source.partitions[place].end());
        let start = self.random.range_i64(0, end);
        self.source.partitions[place].replaced_by = Some((start, end));
        self.note(&format!("p{place} is made anew, {start} to {end}"));
        self.wake_brokers();
    }

    fn network_fails(&mut self) {
        let ids: Vec<_> = self.links.keys().copied().collect();
        let Some(id) = ids.get(self.random.place(ids.len())).copied() else { return };
        let kind = self.random.below(10);
        let link = self.links.get_mut(&id).expect("just listed");
        match kind {
            0..4 => link.reset(),
            4..6 => link.ended = if link.ended == Ended::No { Ended::Closed } else { link.ended },
            _ => {
                let stall = self.random.range(1_000, 2_000 * self.plan.limits.request_timeout_ms);
                link.stalled_until = self.now + stall;
            }
        }
        self.note(&format!("network fault {kind} on {id:?}"));
        self.deliver_soon(id);
    }

    fn broker_forgets(&mut self) {
        let broker = self.broker();
        for (asked, sessions) in &mut self.source.sessions {
            if asked.id == broker {
                sessions.evict();
            }
        }
        self.source.throttle_percent = self.random.pick(&[0, 0, 30]);
        self.note(&format!("broker {broker} forgets its sessions"));
    }

    fn disk_fills(&mut self) {
        if self.plan.disk.errors_permille > 0 {
            self.disk.faults.full = true;
            let pause = self.random.range(1_000, 400_000);
            self.note("disk is full");
            self.at(pause, Event::RoomAgain);
        }
    }

    fn host_interferes(&mut self) {
        if !self.plan.busy_host || self.host.stopping {
            return;
        }
        let place = self.place();
        let id = self.source.partitions[place].id;
        let mirror = &self.host.mirrors[place];
        if !mirror.known || mirror.remove_sent {
            return;
        }
        if self.plan.source.cluster_count > 1 && self.random.percent(20) {
            return self.throttle(id);
        }
        let mirror = &self.host.mirrors[place];
        let end_known = mirror.log_end.max(mirror.saved_point.unwrap_or(0));
        match self.random.below(10) {
            0..4 => self.commands.push(EngineCommand::Pause(id)),
            4..7 => {
                let to = offset(self.random.range_i64(0, end_known));
                self.commands.push(EngineCommand::Truncate { partition: id, to });
            }
            7..9 => {
                let delete = self.random.percent(50);
                let again = self.plan.source.cluster_count > 1 && self.random.percent(50);
                self.commands.push(EngineCommand::Remove { partition: id, delete });
                if again {
                    self.add_again(place, delete);
                }
            }
            _ => self.restart(),
        }
    }

    /// Bounds what some partitions bring in, to little, to much, or not at all.
    fn throttle(&mut self, partition: TopicIdPartition) {
        let command = if self.random.percent(50) {
            let rate = self.random.pick(&[0, 1_000, 100_000, u64::MAX]);
            EngineCommand::SetThrottle { bytes_per_second: NonZeroU64::new(rate) }
        } else {
            let throttled = self.random.percent(70);
            EngineCommand::SetThrottled { partition, throttled }
        };
        self.commands.push(command);
    }

    /// Does not wait for the removal's end.
    fn add_again(&mut self, place: usize, deleted: bool) {
        let partition = &self.source.partitions[place];
        let mut command = self.host.life(place, partition, false);
        if let EngineCommand::AddPartition(new) = &mut command
            && deleted
        {
            (new.recovery_point, new.log_start) = (None, None);
        }
        self.host.mirrors[place].again = true;
        self.commands.push(command);
    }

    /// Stops the engine in order and starts another one.
    fn restart(&mut self) {
        self.note("restart");
        self.stop_engine();
        self.host.clean = self.host.stopped == Some(true);
        let all_closed = self.host.mirrors.iter().all(|mirror| mirror.closed);
        assert!(!self.host.clean || all_closed, "a stop is clean and a log is not closed");
        self.start_engine();
    }
}
