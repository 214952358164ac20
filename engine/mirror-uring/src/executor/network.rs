//! Hot path: no allocation, no lock, no clock, no log line; syscalls only to connect and shut down.
//!
//! The operations on connections.

use super::*;

impl Executor {
    pub(super) fn connect(&mut self, connection: ConnectionId, address: BrokerAddress) {
        self.connections.connecting(connection);
        let done = self.dials.0.clone();
        // Nobody listens when the shard has ended.
        let report = move |result| drop(done.send((connection, result)));
        if let Err(error) = socket::connect_in_background(address, report) {
            let _ = self.connections.connected(connection, Err(no_connection()));
            self.completions.push(Completion::Connected { connection, result: Err(error) });
        }
    }

    pub(super) fn receive(&mut self, connection: ConnectionId, buffer: BufferLease, range: Range) {
        match self.connections.socket_for_op(connection) {
            Some(socket) => {
                let op = InFlight::receive(&socket, buffer, range);
                self.table.insert(Purpose::Receive { connection }, op);
            }
            None => {
                let result = Err(no_connection());
                self.completions.push(Completion::Received { connection, buffer, result });
            }
        }
    }

    pub(super) fn received(&mut self, connection: ConnectionId, done: Done) {
        let (result, buffer) = lease_of(done);
        self.completions.push(Completion::Received { connection, buffer, result });
        self.op_done(connection);
    }

    pub(super) fn send(&mut self, connection: ConnectionId, buffer: BufferLease, range: Range) {
        match self.connections.socket_for_op(connection) {
            Some(socket) => {
                let op = InFlight::send(&socket, buffer, range);
                self.table.insert(Purpose::Send { connection, range }, op);
            }
            None => {
                let result = Err(no_connection());
                self.completions.push(Completion::Sent { connection, buffer, result });
            }
        }
    }

    pub(super) fn sent(&mut self, connection: ConnectionId, range: Range, done: Done) {
        let (result, buffer) = lease_of(done);
        let result = match result {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(count) if range.start + count < range.end => {
                let left = Range { start: range.start + count, ..range };
                let socket = self.connections.socket(connection);
                let socket = socket.expect("an operation keeps its connection known");
                let op = InFlight::send(socket, buffer, left);
                return self.table.insert(Purpose::Send { connection, range: left }, op);
            }
            result => result.map(drop),
        };
        self.completions.push(Completion::Sent { connection, buffer, result });
        self.op_done(connection);
    }

    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        match self.connections.disconnect(connection) {
            Disconnect::Draining => return,
            Disconnect::Over => {}
            Disconnect::WasConnecting => {
                let result = Err(no_connection());
                self.completions.push(Completion::Connected { connection, result });
            }
        }
        self.completions.push(Completion::Disconnected { connection });
    }

    fn op_done(&mut self, connection: ConnectionId) {
        if self.connections.op_done(connection) {
            self.completions.push(Completion::Disconnected { connection });
        }
    }
}

fn no_connection() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
