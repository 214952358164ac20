//! What the fake kernel, network and disk do with operations.

use std::io;

use bytes::Bytes;
use kafka_log::partition_files::{FileName, PartitionFiles as _};
use kafka_log::recovery::LogCut;
use mirror_shard::limits::DIRECT_ALIGNMENT;
use mirror_shard::op::{
    Completion, ConnectionId, FileOutcome, FileTask, Op, PartitionSlot, WriteMode,
};

use crate::answers::{Reply, answer};
use crate::fetch_answers::Damage;
use crate::kernel::{InFlight, PendingIndexWrite, PendingWrite, index_file};
use crate::network::{Ended, Link, PendingReceive};
use crate::source::Broker;
use crate::world::{Event, World};

impl World {
    pub(crate) fn submit(&mut self, op: Op) {
        match op {
            Op::Connect { connection, address } => {
                let broker = Broker::from_host(&address.host);
                let link = Link::new(broker.expect("the host names brokers by number"));
                let before = self.links.insert(connection, link);
                assert!(before.is_none(), "{connection:?} is connected twice");
                self.begin(InFlight::Connect(connection));
            }
            Op::Send { connection, buffer, end } => self.submit_send(connection, buffer, end),
            Op::Receive { connection, buffer, start, end } => {
                assert!(start < end && end as usize <= buffer.bytes().len(), "room to receive");
                self.kernel.lend(&buffer);
                let link = self.link_in_use(connection);
                assert!(link.receive.is_none(), "{connection:?} receives twice at a time");
                link.receive = Some(PendingReceive { buffer, start, end });
                self.deliver_soon(connection);
            }
            Op::Disconnect { connection } => {
                let link = self.link_in_use(connection);
                link.disconnected = true;
                link.pending += 1;
                self.begin(InFlight::Disconnect(connection));
                self.deliver_soon(connection);
            }
            Op::File { slot, task } => self.submit_task(slot, task),
            other => self.submit_disk(other),
        }
    }

    fn begin(&mut self, op: InFlight) {
        let number = self.kernel.begin(op);
        let delay = self.random.delay_us();
        self.at(delay, Event::Complete(number));
    }

    fn link_in_use(&mut self, id: ConnectionId) -> &mut Link {
        let link = self.links.get_mut(&id);
        let link = link.unwrap_or_else(|| panic!("operation on unknown {id:?}"));
        assert!(!link.disconnected, "operation on {id:?} after its disconnect");
        link
    }

    fn submit_send(
        &mut self,
        connection: ConnectionId,
        buffer: mirror_shard::buffer_pool::BufferLease,
        end: u32,
    ) {
        self.kernel.lend(&buffer);
        let frame = Bytes::copy_from_slice(&buffer.bytes()[4..end as usize]);
        let link = self.link_in_use(connection);
        assert!(link.connected, "send on {connection:?} before it is connected");
        link.pending += 1;
        let arrives = link.is_up();
        let earliest = link.arrives_at;
        let arrives_at = earliest.max(self.now + self.random.delay_us());
        if arrives {
            self.link_in_use(connection).arrives_at = arrives_at;
            self.at(arrives_at - self.now, Event::Arrive(connection, frame));
        }
        self.begin(InFlight::Send { connection, buffer, arrived: arrives });
    }

    fn submit_disk(&mut self, op: Op) {
        match op {
            Op::Write {
                slot,
                segment,
                chunk,
                position,
                buffer,
                start,
                end,
                mode,
                finishes_from,
            } => {
                self.kernel.lend(&buffer);
                let partition = self.partition_of(slot);
                let (start, end) = (start as usize, end as usize);
                assert!(start < end, "a write has bytes");
                if mode == WriteMode::Direct {
                    let all = position | start as u64 | end as u64;
                    assert!(
                        all.is_multiple_of(u64::from(DIRECT_ALIGNMENT)),
                        "direct write at {position} of {start}..{end} is not aligned"
                    );
                }
                let bytes = &buffer.bytes()[start..end];
                let held = self.source_holds(partition, segment.get(), position, bytes);
                assert!(held, "write of bytes the source never had: p{partition} {segment}");
                if let Some(from) = finishes_from {
                    // Readers are given these bytes for those in the file.
                    let (from, before) = (from as usize, start as u64 - u64::from(from));
                    let all = &buffer.bytes()[from..end];
                    let held = self.source_holds(partition, segment.get(), position - before, all);
                    assert!(held, "kept bytes the source never had: p{partition} {segment}");
                }
                let write =
                    PendingWrite { slot, partition, segment, chunk, position, buffer, start, end };
                self.begin(InFlight::Write(write));
                let most = self.plan.limits.writes_in_flight_max as usize;
                assert!(self.kernel.writes_in_flight() <= most, "writes in flight above {most}");
            }
            Op::WriteIndex { slot, segment, kind, position, buffer, end } => {
                self.kernel.lend(&buffer);
                let partition = self.partition_of(slot);
                let (file, end) = (index_file(kind, segment), end as usize);
                let write = PendingIndexWrite { slot, partition, file, position, buffer, end };
                self.begin(InFlight::WriteIndex(write));
            }
            Op::Sync { slot, segment } => {
                let partition = self.partition_of(slot);
                let change_count = self.disk.files(partition).change_count(FileName::log(segment));
                self.begin(InFlight::Sync { slot, segment, partition, change_count });
            }
            Op::Allocate { slot, segment, position, bytes } => {
                let partition = self.partition_of(slot);
                let end = position + bytes;
                self.begin(InFlight::Allocate { slot, segment, partition, end });
            }
            _ => unreachable!("handled by the caller"),
        }
    }

    fn partition_of(&self, slot: PartitionSlot) -> i32 {
        *self.kernel.slots.get(&slot.0).expect("a partition is loaded before it is written")
    }

    fn submit_task(&mut self, slot: PartitionSlot, task: FileTask) {
        if let FileTask::Load { partition, request } = &task {
            let partition = partition.partition.get();
            self.kernel.slots.insert(slot.0, partition);
            self.host.mirror(partition).cutting |= request.cut != LogCut::Keep;
        }
        let queue = self.kernel.tasks.get_mut(&slot.0);
        match queue {
            Some(queue) => queue.push_back(task),
            None => {
                self.kernel.tasks.insert(slot.0, std::collections::VecDeque::new());
                let partition = self.partition_of(slot);
                self.begin(InFlight::File { slot, partition, task });
            }
        }
    }

    /// The operation ends now.
    pub(crate) fn complete(&mut self, number: u64) {
        let op = self.kernel.in_flight.remove(&number).expect("it completes once");
        let completion = match op {
            InFlight::Connect(connection) => self.complete_connect(connection),
            InFlight::Send { connection, buffer, arrived } => {
                self.kernel.unlend(&buffer);
                let link = self.links.get_mut(&connection).expect("links outlive operations");
                link.pending -= 1;
                let fine = arrived && link.ended != Ended::Reset;
                let result = if fine { Ok(()) } else { Err(reset()) };
                Completion::Sent { connection, buffer, result }
            }
            InFlight::Disconnect(connection) => {
                self.links.get_mut(&connection).expect("links outlive operations").pending -= 1;
                Completion::Disconnected { connection }
            }
            InFlight::File { slot, partition, task } => {
                let result = self.disk.run(partition, task, u64::MAX, &mut self.random);
                if let Ok(FileOutcome::LogClosed | FileOutcome::Removed) = result {
                    self.host.mirror(partition).closed = true;
                }
                let waiting = self.kernel.tasks.get_mut(&slot.0).expect("kept while one runs");
                match waiting.pop_front() {
                    Some(task) => self.begin(InFlight::File { slot, partition, task }),
                    None => drop(self.kernel.tasks.remove(&slot.0)),
                }
                Completion::File { slot, result }
            }
            other => self.complete_disk(other),
        };
        self.completions.push(completion);
        self.links
            .retain(|_, link| !(link.disconnected && link.pending == 0 && link.receive.is_none()));
    }

    fn complete_connect(&mut self, connection: ConnectionId) -> Completion {
        let refused = self.random.percent(self.network_faults.refuse_percent);
        let link = self.links.get_mut(&connection).expect("links outlive operations");
        link.pending -= 1;
        let refused = refused || link.disconnected;
        link.connected = !refused;
        let result = if refused { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) };
        Completion::Connected { connection, result }
    }

    fn complete_disk(&mut self, op: InFlight) -> Completion {
        match op {
            InFlight::Write(write) => {
                self.kernel.unlend(&write.buffer);
                let error = self.disk.faults.strike(&mut self.random, true);
                let bytes = &write.buffer.bytes()[write.start..write.end];
                let done = match error {
                    None => bytes,
                    Some(_) => &bytes[..self.random.place(bytes.len() + 1)],
                };
                let log = FileName::log(write.segment);
                let files = self.disk.files(write.partition);
                files.write_at(log, write.position, done).expect("memory takes all bytes");
                let PendingWrite { slot, chunk, buffer, .. } = write;
                Completion::Written { slot, chunk, buffer, result: error.map_or(Ok(()), Err) }
            }
            InFlight::WriteIndex(write) => {
                self.kernel.unlend(&write.buffer);
                let error = self.disk.faults.strike(&mut self.random, true);
                if error.is_none() {
                    let bytes = &write.buffer.bytes()[..write.end];
                    let files = self.disk.files(write.partition);
                    files.write_at(write.file, write.position, bytes).expect("memory takes all");
                }
                let PendingIndexWrite { slot, buffer, .. } = write;
                Completion::IndexWritten { slot, buffer, result: error.map_or(Ok(()), Err) }
            }
            InFlight::Sync { slot, segment, partition, change_count } => {
                let error = self.disk.faults.strike(&mut self.random, false);
                if error.is_none() {
                    self.disk.files(partition).sync_up_to(FileName::log(segment), change_count);
                }
                Completion::Synced { slot, segment, result: error.map_or(Ok(()), Err) }
            }
            InFlight::Allocate { slot, segment, partition, end } => {
                let error = self.disk.faults.strike(&mut self.random, true);
                let log = FileName::log(segment);
                let files = self.disk.files(partition);
                let length = files.contents(log).map_or(0, <[u8]>::len) as u64;
                if error.is_none() && length < end {
                    files.write_at(log, 0, &[]).expect("memory takes all bytes");
                    files.truncate(log, end).expect("memory takes all lengths");
                }
                Completion::Allocated { slot, segment, result: error.map_or(Ok(()), Err) }
            }
            _ => unreachable!("handled by the caller"),
        }
    }

    pub(crate) fn deliver_soon(&mut self, id: ConnectionId) {
        let stalled = self.links.get(&id).map_or(0, |link| link.stalled_until);
        let delay = self.random.delay_us().max(stalled.saturating_sub(self.now));
        self.at(delay, Event::Deliver(id));
    }

    /// Hands arrived bytes, or the end, to the receive that waits.
    pub(crate) fn deliver(&mut self, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let available = link.inbound_bytes();
        let over = link.disconnected || link.ended == Ended::Reset;
        if link.stalled_until > self.now && !over {
            let left = link.stalled_until - self.now;
            return self.at(left, Event::Deliver(id));
        }
        let ready = over || available > 0 || link.ended == Ended::Closed;
        let Some(mut receive) = link.receive.take_if(|_| ready) else { return };
        let result = if over {
            Err(reset())
        } else {
            let room = (receive.end - receive.start) as usize;
            let most = available.min(room);
            let bytes = match self.random.below(10) {
                _ if most == 0 => 0,
                0 => 1,
                1..4 => 1 + self.random.place(most),
                _ => most,
            };
            let start = receive.start as usize;
            link.take(&mut receive.buffer.bytes_mut()[start..start + bytes]);
            Ok(u32::try_from(bytes).expect("a buffer's size"))
        };
        self.kernel.unlend(&receive.buffer);
        let buffer = receive.buffer;
        self.completions.push(Completion::Received { connection: id, buffer, result });
        self.links
            .retain(|_, link| !(link.disconnected && link.pending == 0 && link.receive.is_none()));
    }

    pub(crate) fn arrive(&mut self, id: ConnectionId, frame: Bytes) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.is_up()) else { return };
        link.requests.push_back(frame);
        self.poll(id);
    }

    /// The broker answers the oldest request if it can now.
    pub(crate) fn poll(&mut self, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.is_up()) else { return };
        let broker = link.broker;
        if link.waiting.is_none() {
            let Some(frame) = link.requests.pop_front() else { return };
            match answer(&mut self.source, broker, frame, &mut self.random) {
                Reply::Bytes(bytes) => return self.reply(id, bytes),
                Reply::Fetch(fetch) => {
                    let deadline = self.now + fetch.wait_ms * 1000;
                    let wait_us = fetch.wait_ms * 1000;
                    let link = self.links.get_mut(&id).expect("looked up above");
                    link.waiting = Some((fetch, deadline));
                    self.at(wait_us, Event::Poll(id));
                }
            }
        }
        let flip = self.random.permille(self.network_faults.flip_permille);
        let link = self.links.get_mut(&id).expect("looked up above");
        let Some((mut fetch, deadline)) = link.waiting.take() else { return };
        let due = deadline <= self.now;
        let damage = Damage { flip };
        match fetch.try_answer(&mut self.source, due, damage, &mut self.random) {
            Some(bytes) => {
                fetch.finish(&mut self.source);
                self.reply(id, bytes);
            }
            None => link.waiting = Some((fetch, deadline)),
        }
    }

    fn reply(&mut self, id: ConnectionId, mut bytes: Vec<u8>) {
        let faults = self.network_faults;
        let link = self.links.get_mut(&id).expect("looked up by the caller");
        if self.random.permille(faults.garbage_permille) {
            match self.random.below(4) {
                0 => bytes[4..8].copy_from_slice(&(-77_i32).to_be_bytes()),
                1 => bytes[..4].copy_from_slice(&i32::MAX.to_be_bytes()),
                2 => bytes[..4].copy_from_slice(&(-1_i32).to_be_bytes()),
                _ => bytes = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            }
        }
        if self.random.permille(faults.cut_permille) {
            bytes.truncate(self.random.place(bytes.len()));
            link.ended = Ended::Closed;
        }
        link.inbound.push_back(Bytes::from(bytes));
        self.deliver_soon(id);
        // The next request of this connection, if it is there already.
        let delay = self.random.delay_us();
        self.at(delay, Event::Poll(id));
    }

    /// Something changed at the source: waiting fetches are looked at again.
    pub(crate) fn wake_brokers(&mut self) {
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            let delay = self.random.delay_us();
            self.at(delay, Event::Poll(id));
            self.deliver_soon(id);
        }
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
