//! `perf link`: a second network namespace, and a long link to it.
//!
//! Two TUN devices, one on each side; what comes out of one goes into the other, through a
//! [`DelayLine`] for each direction. Kernels without netem have TUN, and a packet's fate is ours.
//! It ends with its input; everything at the far end should be gone by then.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::num::NonZeroU64;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::delay_line::{DelayLine, PacketCounts};
use crate::long_link::{FAR, LinkAnswer, LinkEnds, LinkOrder, NEAR, enter};

/// Serves a link until standard input ends.
///
/// The first line of output says who holds the far end. Every line of JSON on standard input is an
/// order, answered by a line with what happened since the one before.
///
/// # Errors
/// When there is no TUN device to be had, or no namespace of our own.
pub fn serve(mtu: u16) -> Result<()> {
    let mut far = far_namespace()?;
    let far_process = far.id();
    let (near_device, far_device) = (device(NEAR_DEVICE)?, device(FAR_DEVICE)?);
    let set_up = |device: &str, address| {
        format!(
            "ip addr add {address}/24 dev {device}; \
             ip link set {device} mtu {mtu} txqueuelen {QUEUE_PACKETS} up"
        )
    };
    shell(&[], &format!("ip link set {FAR_DEVICE} netns {far_process}"))?;
    shell(&[], &set_up(NEAR_DEVICE, NEAR))?;
    let at_far = enter(far_process);
    shell(&at_far, &format!("ip link set lo up; {}", set_up(FAR_DEVICE, FAR)))?;
    let line = |seed| Arc::new(Mutex::new(DelayLine::new(usize::from(mtu), seed)));
    let (outward, homeward) = (line(SEED), line(SEED + 1));
    let (near_device, far_device) = (Arc::new(near_device), Arc::new(far_device));
    for (from, to, line) in
        [(&near_device, &far_device, &outward), (&far_device, &near_device, &homeward)]
    {
        let (from, to, line) = (Arc::clone(from), Arc::clone(to), Arc::clone(line));
        // Ends with the process.
        thread::spawn(move || {
            if let Err(error) = carry(&from, &to, &line) {
                eprintln!("the link is cut: {error:#}");
            }
        });
    }
    tell(&LinkEnds { far_process })?;
    obey(&at_far, [&outward, &homeward])?;
    drop(far.stdin.take());
    far.wait()?;
    Ok(())
}

/// A process that does nothing in a network namespace of its own until its input ends.
fn far_namespace() -> Result<Child> {
    let piped = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo there; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = piped.context("running unshare")?;
    let output = child.stdout.as_mut().context("its output is piped")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    ensure!(!line.is_empty(), "no second network namespace is to be had");
    Ok(child)
}

fn device(name: &str) -> Result<SyncDevice> {
    let built = DeviceBuilder::new().name(name).enable(false).build_sync();
    let device = built.with_context(|| format!("making the TUN device {name}"))?;
    fcntl_setfl(&device, OFlags::RDWR | OFlags::NONBLOCK)?;
    Ok(device)
}

fn shell(run_by: &[String], script: &str) -> Result<()> {
    let mut words = run_by.to_vec();
    words.extend(["sh", "-ec", script].map(str::to_owned));
    let output = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{script}: {told}");
    Ok(())
}

/// Carries packets in one direction, for ever.
fn carry(from: &SyncDevice, to: &SyncDevice, line: &Mutex<DelayLine>) -> Result<()> {
    // The usual 50 us would be late for every packet.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    loop {
        let mut waiting = lock(line);
        let taken = take_ready(from, &mut waiting)?;
        let now = Instant::now();
        let mut given = 0;
        while let Some(packet) = waiting.arrived(now) {
            match rustix::io::write(to, packet.bytes()) {
                // A far end without memory for it has lost it, as on any link.
                Ok(_) | Err(Errno::NOBUFS | Errno::NOMEM) => {}
                other => drop(other.context("giving a packet to the other side")?),
            }
            waiting.give_back(packet);
            given += 1;
        }
        let next = waiting.next_arrival();
        drop(waiting);
        if taken + given == 0 {
            let left = next.map(|due| due.saturating_duration_since(Instant::now()));
            let left = left.map(Timespec::try_from).transpose()?;
            let mut polled = [PollFd::new(from, PollFlags::IN)];
            poll(&mut polled, left.as_ref())?;
        }
    }
}

/// Takes what has been sent, but not so much that what is due has to wait.
fn take_ready(from: &SyncDevice, line: &mut DelayLine) -> Result<usize> {
    let now = Instant::now();
    for taken in 0..TURN_PACKETS {
        let mut packet = line.packet();
        match rustix::io::read(from, packet.room()) {
            Ok(bytes) => {
                packet.set_bytes(bytes);
                line.take(packet, now);
            }
            Err(Errno::AGAIN) => {
                line.give_back(packet);
                return Ok(taken);
            }
            Err(error) => return Err(error).context("taking a packet"),
        }
    }
    Ok(TURN_PACKETS)
}

/// Does what standard input says until it ends.
fn obey(at_far: &[String], lines: [&Mutex<DelayLine>; 2]) -> Result<()> {
    let mut before = [PacketCounts::default(); 2];
    for line in io::stdin().lock().lines() {
        let order: LinkOrder = serde_json::from_str(&line?).context("an order")?;
        shell(&[], &order.script(NEAR_DEVICE))?;
        shell(at_far, &order.script(FAR_DEVICE))?;
        let counts = lines.map(|line| {
            let mut line = lock(line);
            line.set(order.passage);
            line.counts()
        });
        let [outward, homeward] = [0, 1].map(|at| counts[at].since(&before[at]));
        before = counts;
        tell(&LinkAnswer { outward, homeward })?;
    }
    Ok(())
}

fn tell(told: &impl serde::Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, told)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

fn lock(line: &Mutex<DelayLine>) -> MutexGuard<'_, DelayLine> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

const NEAR_DEVICE: &str = "longnear";
const FAR_DEVICE: &str = "longfar";
/// Packets that wait in a device until we take them: as many as 64 MiB have at an MTU of 9000, with
/// which a sender may begin.
const QUEUE_PACKETS: u32 = 8192;
/// Packets taken before those that are due are given.
const TURN_PACKETS: usize = 64;
const SEED: u64 = 1;
