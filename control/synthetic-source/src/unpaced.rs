//! Sending as fast as the reader takes.

use std::net::TcpStream;

/// Lets `stream` send as fast as its reader takes, where the system can.
///
/// BBR, the default of some systems, paces a sender to the rate it measured. Over loopback that
/// rate is made of scheduling accidents: a third less than the machine can do, and now and then
/// a hundredth for many seconds.
pub fn send_unpaced(stream: &TcpStream) {
    // Without cubic the system's own choice has to do.
    let _ = rustix::net::sockopt::set_tcp_congestion(stream, "cubic");
}
