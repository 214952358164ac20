//! A link as long as one between continents, to a far end on this machine.
//!
//! The far end is a network namespace that `perf link` makes and holds (see `link_process`): what
//! is to be far away is started by the words of [`LongLink::run_by`].

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::delay_line::{PacketCounts, Passage};
use crate::needed_process::NeededProcess;

/// Our end.
pub const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// The other end.
pub const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));

/// How the link is, and the sockets at both ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkOrder {
    /// What happens to packets, in each direction.
    pub passage: Passage,
    /// Congestion control of connections made from now on, whatever a program asks for.
    pub congestion_control: String,
    /// The most that a socket's buffers grow to, third figure of `tcp_rmem` and `tcp_wmem`.
    pub socket_bytes_max: u32,
}

/// What happened to packets since the last order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LinkAnswer {
    /// From us to the far end.
    pub outward: PacketCounts,
    /// From the far end to us: where a source's records go.
    pub homeward: PacketCounts,
}

/// Who holds the ends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LinkEnds {
    /// A process in the far namespace.
    pub far_process: u32,
}

/// A link; it ends when dropped, and what is at its far end cannot be reached any more.
#[derive(Debug)]
pub struct LongLink {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    far_process: u32,
}

impl LinkOrder {
    /// A link that loses this share of packets, with a round trip of so long.
    #[must_use]
    pub fn new(round_trip: Duration, loss: f64, congestion_control: &str, bytes: u32) -> Self {
        Self {
            passage: Passage { delay: round_trip / 2, loss },
            congestion_control: congestion_control.to_owned(),
            socket_bytes_max: bytes,
        }
    }

    /// What sets the sockets of one end up.
    pub(crate) fn script(&self, device: &str) -> String {
        let Self { congestion_control, socket_bytes_max, .. } = self;
        format!(
            "ip route replace {NETWORK} dev {device} congctl lock {congestion_control}; \
             echo 4096 131072 {socket_bytes_max} > /proc/sys/net/ipv4/tcp_rmem; \
             echo 4096 65536 {socket_bytes_max} > /proc/sys/net/ipv4/tcp_wmem; \
             echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save"
        )
    }
}

impl LongLink {
    /// Makes the far end and a link to it, without delay and loss at first.
    ///
    /// # Errors
    /// When the system has no TUN devices, or lets us have no namespaces.
    pub fn start(mtu: u16) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(["link", "--mtu", &mtu.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the link")?;
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().context("its output is piped")?);
        let LinkEnds { far_process } = read(&mut answers)?;
        Ok(Self { child, orders, answers, far_process })
    }

    /// Changes the link; tells what happened to packets since the last change.
    ///
    /// # Errors
    /// When the link has ended, or knows no such congestion control.
    pub fn set(&mut self, order: &LinkOrder) -> Result<LinkAnswer> {
        let orders = self.orders.as_mut().context("the link has no input")?;
        serde_json::to_writer(&mut *orders, order)?;
        writeln!(orders)?;
        orders.flush()?;
        read(&mut self.answers)
    }

    /// What the command line of a program at the far end begins with.
    #[must_use]
    pub fn run_by(&self) -> Vec<String> {
        enter(self.far_process)
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> NeededProcess {
        NeededProcess::new("the link", self.child.id(), None)
    }
}

impl Drop for LongLink {
    fn drop(&mut self) {
        // Its input ends, so it does; there is nobody to tell if it does not.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// Runs a program in the network namespace of a process.
pub(crate) fn enter(process: u32) -> Vec<String> {
    vec!["nsenter".to_owned(), format!("--net=/proc/{process}/ns/net")]
}

fn read<T: DeserializeOwned>(answers: &mut BufReader<ChildStdout>) -> Result<T> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    ensure!(!line.is_empty(), "the link ended");
    serde_json::from_str(&line).context("what the link says")
}

const NETWORK: &str = "10.77.0.0/24";
