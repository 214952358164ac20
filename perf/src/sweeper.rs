//! Removes what a measurement wrote, however the measurement ends.
//!
//! Signals end this program where it is, as they end any, and the kernel ends our servers with it;
//! nobody is left then to remove gigabytes. So a shell waits until its input ends, which it does
//! with us, interrupted or killed, and removes the directory. It is in a process group of its own:
//! Ctrl-C in a terminal is for us and our servers, not for it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// Waits for our end to remove a directory; when dropped it does so at once, if it is still there.
#[derive(Debug)]
pub struct Sweeper {
    shell: Child,
}

impl Sweeper {
    /// Begins to wait. The path is absolute.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn start(directory: &Path) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the shell that removes what an interrupted run leaves")?;
        Ok(Self { shell })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        // Its input ends, so it does; there is nobody to tell if it does not.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Those who write there are killed at the same time, but may need a moment to be gone.
const SCRIPT: &str = "cat; turns=100; \
    while [ -e \"$0\" ] && [ $turns -gt 0 ]; do \
    rm -rf -- \"$0\"; turns=$((turns - 1)); sleep 0.1; done";

#[cfg(test)]
mod tests;
