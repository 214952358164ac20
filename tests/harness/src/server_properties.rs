//! Broker configuration as text, and free ports for it.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A set of keys and values in the order given; a later key overrides an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerProperties {
    entries: Vec<(String, String)>,
}

impl ServerProperties {
    /// Reads a properties file as far as server.properties needs it: no escapes, no continuation.
    ///
    /// # Errors
    /// When it cannot be read or a line is no assignment.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let mut properties = Self::default();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                bail!("no assignment in {}: {line}", path.display());
            };
            properties.set(key.trim(), value.trim());
        }
        Ok(properties)
    }

    /// Sets `key`.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        match self.entries.iter_mut().find(|(known, _)| known == key) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key.to_owned(), value)),
        }
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Writes it as a properties file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for (key, value) in &self.entries {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key}={value}");
        }
        fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }
}

/// Finds `count` different free TCP ports on loopback.
///
/// They lie below the range the kernel takes ports for outgoing connections from (32768 and up on
/// Linux): a broker that is down for a restart must find its port free when it comes back.
///
/// # Errors
/// When there are not so many.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let [low, high] = random_bytes::<2>()?;
    let start = u16::from_be_bytes([low, high]) % PORT_SPAN;
    let mut held = Vec::new();
    for step in 0..PORT_SPAN {
        if held.len() == count {
            break;
        }
        let port = FIRST_PORT + (start + step) % PORT_SPAN;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        bail!("only {} of {count} ports are free on loopback", held.len());
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// A random id as Kafka writes them: 16 bytes, base64 for URLs, no padding, no leading dash.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random_id() -> Result<String> {
    let mut bytes = random_bytes::<16>()?;
    // A leading dash would read as an option on a command line; bytes from 0xf8 up give one.
    bytes[0] &= 0x7f;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

const FIRST_PORT: u16 = 20_000;
const PORT_SPAN: u16 = 12_000;

#[cfg(test)]
mod tests;
