//! Child processes without which nothing goes on, and what to say when one of them has ended.
//!
//! Most of what a measurement waits for never comes when a server is gone: a follower asks for
//! ever, a node connects again and again. So whoever waits looks at the servers as well.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, waitid};

/// A child of ours that has to run while others wait for what it does.
#[derive(Clone, Debug)]
pub struct NeededProcess {
    name: String,
    id: u32,
    log: Option<PathBuf>,
}

/// That one of them ended: which, how, and where it tells why.
#[derive(Clone, Debug)]
pub struct ProcessEnded(String);

impl NeededProcess {
    /// `name` is what errors call it, `log` the file that its output goes to, if there is one.
    #[must_use]
    pub fn new(name: &str, id: u32, log: Option<&Path>) -> Self {
        Self { name: name.to_owned(), id, log: log.map(Path::to_owned) }
    }

    /// Its process id.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// How it ended, if it did. Whoever has started it can still wait for it.
    fn end(&self) -> Result<Option<String>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid()), options) {
            Ok(status) => Ok(status.as_ref().map(how_it_ended)),
            Err(Errno::CHILD) => Ok(Some("nobody knows how any more".to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// What to say of it when it ended so.
    fn ended(&self, how: &str) -> ProcessEnded {
        let Self { name, id, log } = self;
        let told = match log {
            Some(log) => kept_log(log),
            None => "what it said stands above".to_owned(),
        };
        ProcessEnded(format!("{name} (process {id}) ended: {how}; {told}"))
    }

    fn pid(&self) -> Pid {
        let id = i32::try_from(self.id).ok();
        id.and_then(Pid::from_raw).expect("the id of a child is a positive number")
    }
}

/// Refuses when one of them has ended.
///
/// # Errors
/// A [`ProcessEnded`], or that the system does not tell.
pub fn ensure_all_run(needed: &[NeededProcess]) -> Result<()> {
    for process in needed {
        if let Some(how) = process.end()? {
            return Err(process.ended(&how).into());
        }
    }
    Ok(())
}

/// What went wrong when `error` came: that a process ended, if one of these did; `error` otherwise.
///
/// The others are killed then: a broker does not end in order without its controller, and what they
/// would still write is removed.
#[must_use]
pub fn cause(error: anyhow::Error, needed: &[NeededProcess]) -> anyhow::Error {
    // Who ended first is known; the others may have been killed since.
    let mut told = error;
    if !told.is::<ProcessEnded>() {
        // A connection breaks a moment before its process counts as ended.
        let deadline = Instant::now() + END_WAIT_MAX;
        told = loop {
            match ensure_all_run(needed) {
                Err(ended) if ended.is::<ProcessEnded>() => {
                    break ended.context(format!("{told:#}"));
                }
                Err(_) => return told,
                Ok(()) if Instant::now() >= deadline => return told,
                Ok(()) => thread::sleep(END_PAUSE),
            }
        };
    }
    for process in needed {
        // Only of a child that was not waited for the id is not another's by now.
        if matches!(process.end(), Ok(None)) {
            // Whoever has ended meanwhile needs no killing.
            let _ = kill_process(process.pid(), Signal::KILL);
        }
    }
    told
}

fn how_it_ended(status: &WaitIdStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "nobody knows how".to_owned(),
    }
}

/// Where the log of an ended process is and how it ends. It is moved out of the working directory,
/// which is removed, and put beside it.
fn kept_log(log: &Path) -> String {
    let root = log.parent().unwrap_or(log);
    let names = [root, log].map(|path| path.file_name().unwrap_or_default().display().to_string());
    let beside = root.with_file_name(names.join("-"));
    // It may have been moved before; where it cannot be, it is told where it was.
    let _ = fs::rename(log, &beside);
    let path = if beside.exists() { beside } else { log.to_owned() };
    let text = fs::read_to_string(&path).unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = text.trim().lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    let ending = if tail.is_empty() { "; it is empty" } else { ", which ends with:\n" };
    format!("its log is {}{ending}{tail}", path.display())
}

impl fmt::Display for ProcessEnded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for ProcessEnded {}

/// From the first sign that a process ended to the system saying so.
const END_WAIT_MAX: Duration = Duration::from_secs(1);
const END_PAUSE: Duration = Duration::from_millis(20);
const TAIL_LINES: usize = 20;

#[cfg(test)]
mod tests;
