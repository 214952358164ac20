//! The protocol server: Kafka clients and tools over this node's logs.
//!
//! ```text
//!  listener -> connection.rs: frame.rs -> request.rs -> dispatch.rs -> reads, writes, ...
//!                                         sending.rs <- answer.rs <--------'
//! ```
//! A connection is a task; its requests are answered one at a time, in order. Records go from
//! segment file to socket without passing through here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::node::Node;
use crate::server::connection::Incoming;
use crate::server::frame::FrameReader;
use crate::server::limits::BLOCKING_THREADS_MAX;
use crate::server::malformed_warnings::MalformedWarnings;
use crate::server::rooms::Rooms;

mod admin;
pub mod answer;
mod answer_room;
mod api;
mod api_versions;
pub(crate) mod authorization;
mod connection;
mod decoding_room;
mod describe_topic_partitions;
mod dispatch;
pub mod exchange;
mod fetch;
mod fetch_look;
pub(crate) mod fetch_session;
mod frame;
mod group_requests;
mod leader_epochs;
pub mod limits;
mod list_offsets;
mod malformed_warnings;
mod metadata;
mod mirror_requests;
pub(crate) mod open_files_limit;
mod reads;
mod refusal;
mod request;
mod request_room;
mod rooms;
pub(crate) mod sending;
mod work_slots;
mod writes;

/// A running server; ends by [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    address: SocketAddr,
}

impl Server {
    /// Serves `node` on a socket that is bound already, with `threads` threads of its own.
    ///
    /// # Errors
    /// When the system gives no threads, or the socket cannot be listened on.
    pub fn start(
        node: Arc<Node>,
        listener: std::net::TcpListener,
        threads: usize,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("server")
            .enable_all()
            .build()?;
        let (stop, stopping) = watch::channel(false);
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(accept(node, listener, stopping));
        Ok(Self { runtime, stop, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener and every connection; requests being answered are cut short. Blocks
    /// until the threads have ended, or `patience` is over.
    pub fn stop(self, patience: Duration) {
        // Nobody listens any more when the accepting task has ended.
        let _ = self.stop.send(true);
        self.runtime.shutdown_timeout(patience);
    }
}

async fn accept(node: Arc<Node>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let rooms = Rooms::new(&node.limits);
    let warnings = Arc::new(MalformedWarnings::default());
    let connections_max = open_files_limit::connections(&node.limits);
    let slots = Arc::new(Semaphore::new(connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stopping| *stopping) => return,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: those who leave make room.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(%peer, "connection refused: {connections_max} are open");
            continue;
        };
        if let Err(error) = prepare(&socket) {
            tracing::debug!(%peer, "connection lost at once: {error}");
            continue;
        }
        let frames = FrameReader::new(node.limits, Arc::clone(&rooms.requests));
        let (rooms, warnings) = (rooms.clone(), Arc::clone(&warnings));
        let incoming = Incoming { frames, rooms, warnings };
        let (node, stop) = (Arc::clone(&node), stop.clone());
        tokio::spawn(async move {
            connection::serve(node, socket, peer, incoming, stop).await;
            drop(slot);
        });
    }
}

fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(socket, true)?;
    Ok(())
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod test_node;
#[cfg(test)]
mod tests;
