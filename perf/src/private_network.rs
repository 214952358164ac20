//! A loopback of our own, on which both servers send unpaced.
//!
//! Where BBR is the system's choice, loopback is paced to a rate made of scheduling accidents (see
//! `send_unpaced` of the source): what is measured then is the pacing, not the server. Its sockets
//! are not ours to set, but the route they use is, in a network namespace that nobody else sees.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Runs this program again, from the start, in a network namespace where loopback uses cubic;
/// returns only there, or where there is no such namespace to be had.
///
/// # Errors
/// When the program cannot be run again.
pub fn enter() -> Result<()> {
    if env::var_os(MARK).is_some() {
        eprintln!("loopback of our own, with cubic");
        return Ok(());
    }
    let probe = Command::new("unshare")
        .args(NAMESPACE)
        .args(["sh", "-c", &format!("{SET_UP}; true")])
        .stdin(Stdio::null())
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        let choice = fs::read_to_string(CONGESTION_CONTROL).unwrap_or_default();
        eprintln!("the machine's own loopback, with {}", choice.trim());
        return Ok(());
    }
    let error = Command::new("unshare")
        .args(NAMESPACE)
        .args(["sh", "-c", &format!("{SET_UP}; exec \"$0\" \"$@\"")])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(MARK, "1")
        .exec();
    Err(error).context("running unshare")
}

/// Set when we are inside.
const MARK: &str = "RINGMIRROR_PERF_NETWORK";
const NAMESPACE: [&str; 3] = ["--user", "--map-root-user", "--net"];
/// Both routes of loopback; sockets that are connected and those that are accepted go by them.
const SET_UP: &str = "set -e; ip link set lo up; \
    for to in 127.0.0.0/8 127.0.0.1; do ip route replace local $to dev lo table local \
    proto kernel scope host src 127.0.0.1 congctl cubic; done";
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
