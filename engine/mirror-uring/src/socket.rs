//! Connections to source brokers: resolved and connected off the ring, used through it.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use mirror_shard::op::{BrokerAddress, ConnectionId};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Longest time for resolving and connecting to one broker, over all its addresses.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A silent peer is asked after this long, and then again every [`KEEPALIVE_INTERVAL`].
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The connections of one shard.
///
/// ```text
/// connect -> Connecting -> (connected) -> Up -> (disconnect) -> closing -> (last op done) gone
///                \-> (failed, or disconnect: the late socket is dropped) gone
/// ```
#[derive(Debug, Default)]
pub(crate) struct Connections {
    known: HashMap<ConnectionId, Connection>,
}

#[derive(Debug)]
struct Connection {
    /// `None` while connecting.
    socket: Option<Rc<OwnedFd>>,
    ops_in_flight: u32,
    is_closing: bool,
}

/// What became of a disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disconnect {
    /// Nothing was in flight: it is over.
    Over,
    /// The connection was still being made; its connect ends with an error first.
    WasConnecting,
    /// Ends with the last operation in flight.
    Draining,
}

impl Connections {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { known: HashMap::with_capacity(count) }
    }

    /// Notes that `id` is being connected.
    pub(crate) fn connecting(&mut self, id: ConnectionId) {
        let fresh = Connection { socket: None, ops_in_flight: 0, is_closing: false };
        let before = self.known.insert(id, fresh);
        assert!(before.is_none(), "connection {id:?} connects twice");
    }

    /// Takes the end of a connect in; `None` when the connection was given up meanwhile.
    pub(crate) fn connected(
        &mut self,
        id: ConnectionId,
        result: io::Result<OwnedFd>,
    ) -> Option<io::Result<()>> {
        let connection = self.known.get_mut(&id)?;
        match result {
            Ok(socket) => {
                connection.socket = Some(Rc::new(socket));
                Some(Ok(()))
            }
            Err(error) => {
                self.known.remove(&id);
                Some(Err(error))
            }
        }
    }

    /// The socket for one more operation; count it back with [`Self::op_done`].
    pub(crate) fn socket_for_op(&mut self, id: ConnectionId) -> Option<Rc<OwnedFd>> {
        let connection = self.known.get_mut(&id).filter(|connection| !connection.is_closing)?;
        let socket = Rc::clone(connection.socket.as_ref()?);
        connection.ops_in_flight += 1;
        Some(socket)
    }

    /// The socket of an operation that goes on.
    pub(crate) fn socket(&self, id: ConnectionId) -> Option<&Rc<OwnedFd>> {
        self.known.get(&id)?.socket.as_ref()
    }

    /// Counts an operation out; true when it was the last of a closing connection.
    pub(crate) fn op_done(&mut self, id: ConnectionId) -> bool {
        let connection = self.known.get_mut(&id).expect("an operation keeps its connection known");
        connection.ops_in_flight -= 1;
        let is_last = connection.is_closing && connection.ops_in_flight == 0;
        if is_last {
            self.known.remove(&id);
        }
        is_last
    }

    /// Shuts both directions down, which ends every operation in flight.
    pub(crate) fn disconnect(&mut self, id: ConnectionId) -> Disconnect {
        let Some(connection) = self.known.get_mut(&id) else { return Disconnect::Over };
        let Some(socket) = &connection.socket else {
            self.known.remove(&id);
            return Disconnect::WasConnecting;
        };
        // An error means that the peer has ended the connection already.
        let _ = SockRef::from(&**socket).shutdown(Shutdown::Both);
        if connection.ops_in_flight == 0 {
            self.known.remove(&id);
            return Disconnect::Over;
        }
        connection.is_closing = true;
        Disconnect::Draining
    }
}

/// Connects on a thread of its own and hands the result to `done` there.
///
/// Name lookup can block for half a minute; a thread that nobody joins cannot hold up a stop.
///
/// # Errors
///
/// When the system has no thread left; `done` is not called then.
pub(crate) fn connect_in_background(
    address: BrokerAddress,
    done: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
) -> io::Result<()> {
    let work = move || done(connect(&address, CONNECT_TIMEOUT));
    thread::Builder::new().name("ringmirror-dial".to_owned()).spawn(work).map(drop)
}

/// Tries every address of the host until one answers; blocks.
fn connect(address: &BrokerAddress, timeout: Duration) -> io::Result<OwnedFd> {
    let deadline = Instant::now() + timeout;
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "host has no address");
    for candidate in (&*address.host, address.port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "connecting timed out"));
        }
        match connect_to(candidate, left) {
            Ok(socket) => return Ok(socket.into()),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

fn connect_to(address: SocketAddr, timeout: Duration) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Ends in blocking mode: the ring waits by itself, but passes a non-blocking socket's
    // "would block" on to us.
    socket.connect_timeout(&address.into(), timeout)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    Ok(socket)
}
