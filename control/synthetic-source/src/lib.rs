//! A Kafka source cluster inside this process: generated batches behind the real protocol.
//!
//! Batches are prebuilt and repeated; a log is arithmetic over them. So a source of any size
//! takes a few MiB, serves gigabytes per second, and knows every byte it would ever serve.
//!
//! **Invariants.** A log is a pure function of (seed, partition, offset); no byte of record memory
//! is copied on the way to a socket.
//!
//! **What it does not know.** Who reads it: tests, `perf` and `ringmirror bench`.
//!
//! **Reading order.** `SyntheticSource`, `spec`, `synthetic_log`.

mod answers;
mod batch_cycle;
mod cluster;
mod connection;
mod fetch;
mod fetch_frame;
mod fetch_response;
mod fetch_session;
pub mod spec;
pub mod synthetic_log;
pub mod unpaced;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail, ensure};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicId, TopicName, TopicPartition};

pub use self::cluster::{Fault, Served};

use self::cluster::{Broker, Cluster, Partition, State};
use self::connection::serve;
use self::spec::SyntheticSpec;
use self::synthetic_log::SyntheticLog;

/// A running source; stops when dropped.
#[derive(Debug)]
pub struct SyntheticSource {
    cluster: Arc<Cluster>,
    connections: Arc<Connections>,
    listeners: Vec<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
    seed: u64,
}

/// Open connections, so that they can be cut, and their threads.
#[derive(Debug, Default)]
struct Connections {
    open: Mutex<BTreeMap<u64, (i32, TcpStream)>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SyntheticSource {
    /// Builds the contents and starts to listen.
    ///
    /// # Errors
    /// When a port cannot be bound or the spec contradicts itself.
    pub fn start(spec: &SyntheticSpec) -> Result<Self> {
        ensure!(spec.broker_count > 0, "a source needs at least one broker");
        let mut listeners = Vec::new();
        let mut brokers = Vec::new();
        let mut addresses = Vec::new();
        for id in 1..=spec.broker_count {
            let mut address = spec.listen;
            if address.port() != 0 {
                address.set_port(address.port() + u16::try_from(id - 1)?);
            }
            let listener =
                TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
            let bound = listener.local_addr()?;
            brokers.push(Broker { id, host: bound.ip().to_string(), port: bound.port() });
            addresses.push(bound);
            listeners.push((id, listener));
        }
        let cluster = Arc::new(Cluster::new(spec, brokers)?);
        let connections = Arc::new(Connections::default());
        let listeners = listeners
            .into_iter()
            .map(|(id, listener)| {
                let (cluster, connections) = (Arc::clone(&cluster), Arc::clone(&connections));
                let limit = spec.connections_max;
                thread::Builder::new()
                    .name(format!("synthetic-{id}"))
                    .spawn(move || accept(&cluster, &connections, id, &listener, limit))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { cluster, connections, listeners, addresses, seed: spec.seed })
    }

    /// Address of the first broker as `host:port`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses[0].to_string()
    }

    /// Brokers and where they listen.
    #[must_use]
    pub fn brokers(&self) -> Vec<(BrokerId, SocketAddr)> {
        let ids = self.cluster.brokers.iter().filter_map(|broker| BrokerId::from_wire(broker.id));
        ids.zip(self.addresses.iter().copied()).collect()
    }

    /// Id of the cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster.cluster_id
    }

    /// Every partition, topics in the order of the spec.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        let state = self.cluster.state();
        let of_topic = |topic: &cluster::Topic| {
            let name = topic.spec.name.clone();
            (0..topic.spec.partition_count).filter_map(move |index| {
                let partition = PartitionIndex::from_wire(index)?;
                Some(TopicPartition { topic: name.clone(), partition })
            })
        };
        state.topics.iter().flat_map(of_topic).collect()
    }

    /// Id of a topic, or `None` when there is no such topic.
    #[must_use]
    pub fn topic_id(&self, topic: &TopicName) -> Option<TopicId> {
        TopicId::from_wire(*self.cluster.state().topic(topic.as_str())?.id.as_bytes())
    }

    /// The partition's log as it is now: its bounds and every byte of it.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn log(&self, partition: &TopicPartition) -> Result<SyntheticLog> {
        self.change(partition, |each| Ok(each.log.clone()))
    }

    /// Broker that leads the partition.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn leader(&self, partition: &TopicPartition) -> Result<BrokerId> {
        self.change(partition, |each| {
            BrokerId::from_wire(each.leader).context("every partition has a leader")
        })
    }

    /// What has been answered so far.
    #[must_use]
    pub fn served(&self) -> Served {
        self.cluster.state().served
    }

    /// Makes `leader` lead the partition, in the next epoch, which is returned.
    ///
    /// # Errors
    /// When there is no such partition or broker.
    pub fn move_leader(
        &self,
        partition: &TopicPartition,
        leader: BrokerId,
    ) -> Result<SourceLeaderEpoch> {
        ensure!(self.cluster.broker(leader.get()).is_some(), "the source has no broker {leader}");
        self.change(partition, |each| {
            each.leader = leader.get();
            each.log.raise_epoch(each.log.epoch() + 1)?;
            Ok(each.log.leader_epoch())
        })
    }

    /// Starts a new epoch at the log end; the leader stays.
    ///
    /// # Errors
    /// When there is no such partition or `epoch` is not above the current one.
    pub fn raise_epoch(&self, partition: &TopicPartition, epoch: SourceLeaderEpoch) -> Result<()> {
        self.change(partition, |each| each.log.raise_epoch(epoch.get()))
    }

    /// Appends batches in the current epoch.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn append(&self, partition: &TopicPartition, batches: u32) -> Result<()> {
        self.change(partition, |each| {
            each.log.append(batches);
            Ok(())
        })
    }

    /// Raises the log start, as retention or `DeleteRecords` does; bounded by the log end.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn set_log_start(&self, partition: &TopicPartition, start: Offset) -> Result<()> {
        self.change(partition, |each| {
            each.log.set_start(start.get());
            Ok(())
        })
    }

    /// Loses the batches that end at or above `end` and starts the next epoch there.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn unclean_election(
        &self,
        partition: &TopicPartition,
        end: Offset,
    ) -> Result<SourceLeaderEpoch> {
        self.change(partition, |each| {
            let next = each.log.epoch() + 1;
            each.log.truncate(end.get());
            each.log.raise_epoch(next)?;
            Ok(each.log.leader_epoch())
        })
    }

    /// Makes the next `count` fetches of the partition fail with Kafka's error `code`.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn refuse(&self, partition: &TopicPartition, code: i16, count: usize) -> Result<()> {
        self.change(partition, |each| {
            each.refusals.extend(std::iter::repeat_n(code, count));
            Ok(())
        })
    }

    /// Deletes the topic and creates it again: same name and size, another id, other bytes.
    ///
    /// # Errors
    /// When there is no such topic.
    pub fn recreate_topic(&self, topic: &TopicName) -> Result<TopicId> {
        let mut state = self.cluster.state();
        let known = state.topics.iter_mut().find(|each| each.spec.name == *topic);
        let Some(known) = known else { bail!("the source has no topic {topic}") };
        // The old id is as good a count of generations as any: it never repeats.
        let generation = known.id.as_u64_pair().0;
        *known = known.recreated(self.seed, generation)?;
        let id = *known.id.as_bytes();
        drop(state);
        self.cluster.changed.notify_all();
        TopicId::from_wire(id).context("generated topic ids are not zero")
    }

    /// Deletes the topic.
    pub fn delete_topic(&self, topic: &TopicName) {
        self.cluster.state().topics.retain(|each| each.spec.name != *topic);
        self.cluster.changed.notify_all();
    }

    /// Spoils the next `count` Fetch responses.
    pub fn inject(&self, fault: Fault, count: usize) {
        self.cluster.state().faults.extend(std::iter::repeat_n(fault, count));
    }

    /// Holds all Fetch responses back from now on.
    pub fn stall(&self) {
        self.cluster.state().stalled = true;
    }

    /// Lets Fetch responses go again.
    pub fn resume(&self) {
        self.cluster.state().stalled = false;
        self.cluster.changed.notify_all();
    }

    /// Cuts every open connection; new ones are welcome.
    pub fn drop_connections(&self) {
        self.connections.cut(|_| true);
    }

    /// Cuts the broker's connections and forgets its fetch sessions, as a restart does.
    pub fn restart_broker(&self, broker: BrokerId) {
        if let Some(sessions) = self.cluster.state().sessions.get_mut(&broker.get()) {
            sessions.clear();
        }
        self.connections.cut(|id| id == broker.get());
    }

    /// Stops listening, cuts every connection and waits for all threads.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn change<T>(
        &self,
        partition: &TopicPartition,
        apply: impl FnOnce(&mut Partition) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.cluster.state();
        let index = partition.partition.get();
        let found = State::partition_mut(&mut state, partition.topic.as_str(), index);
        let result = apply(found.with_context(|| format!("the source has no {partition}"))?);
        drop(state);
        self.cluster.changed.notify_all();
        result
    }

    fn shut_down(&mut self) {
        self.cluster.state().stopping = true;
        self.cluster.changed.notify_all();
        for address in &self.addresses {
            // The connection only wakes the listener; whether it succeeds does not matter.
            drop(TcpStream::connect(address));
        }
        for listener in self.listeners.drain(..) {
            // A listener that panicked has nothing left to stop.
            let _ = listener.join();
        }
        self.connections.cut(|_| true);
        let threads = std::mem::take(&mut *lock(&self.connections.threads));
        for thread in threads {
            // A connection that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Drop for SyntheticSource {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Connections {
    fn cut(&self, is_meant: impl Fn(i32) -> bool) {
        for (broker, stream) in lock(&self.open).values() {
            if is_meant(*broker) {
                // The peer may have closed it already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

fn accept(
    cluster: &Arc<Cluster>,
    connections: &Arc<Connections>,
    broker: i32,
    listener: &TcpListener,
    limit: usize,
) {
    for stream in listener.incoming() {
        let number = {
            let mut state = cluster.state();
            if state.stopping {
                return;
            }
            state.served.connections += 1;
            state.served.connections
        };
        let Ok(stream) = stream else { continue };
        let Ok(handle) = stream.try_clone() else { continue };
        let is_full = lock(&connections.open).len() >= limit;
        if is_full {
            continue;
        }
        lock(&connections.open).insert(number, (broker, handle));
        let (cluster, shared) = (Arc::clone(cluster), Arc::clone(connections));
        let thread = thread::Builder::new().name(format!("synthetic-{broker}-{number}"));
        let spawned = thread.spawn(move || {
            // A client that misbehaves loses its connection, nothing else.
            let _ = serve(&cluster, broker, stream);
            if let Some((_, stream)) = lock(&shared.open).remove(&number) {
                // The peer may have closed it already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        match spawned {
            Ok(thread) => {
                let mut threads = lock(&connections.threads);
                threads.retain(|each| !each.is_finished());
                threads.push(thread);
            }
            Err(_) => drop(lock(&connections.open).remove(&number)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
