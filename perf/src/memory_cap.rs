//! The most memory that a node may take, as it says itself, and what it took at most.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use crate::process_watch::resident_bytes_max_of;
use crate::server_process::run_ringmirror;

/// The most memory that any of several nodes had in use, against what each may take.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct NodeMemory {
    /// Resident at most, bytes.
    pub resident_bytes_max: u64,
    /// The cap of each, bytes; `None` when the program knows none.
    pub memory_bytes_max: Option<u64>,
}

impl NodeMemory {
    /// Of nodes that are yet to run.
    ///
    /// # Errors
    /// The same as [`memory_bytes_max`].
    pub fn of(ringmirror: &Path) -> Result<Self> {
        Ok(Self { resident_bytes_max: 0, memory_bytes_max: memory_bytes_max(ringmirror)? })
    }

    /// Looks at what a node has had at most since it began.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn note(&mut self, process: u32) -> Result<()> {
        self.resident_bytes_max = self.resident_bytes_max.max(resident_bytes_max_of(process)?);
        Ok(())
    }

    /// Whether all stayed within their cap; `None` without one.
    #[must_use]
    pub fn is_within_cap(&self) -> Option<bool> {
        self.memory_bytes_max.map(|cap| self.resident_bytes_max <= cap)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let resident = self.resident_bytes_max >> 20;
        let Some(cap) = self.memory_bytes_max else { return format!("at most {resident} MiB") };
        let told = if self.is_within_cap() == Some(true) { "reached" } else { "missed" };
        format!("at most {resident} MiB, below the cap of {} {told}", cap >> 20)
    }
}

/// The cap that `ringmirror node` has by default on this machine; `None` when that program knows
/// none.
///
/// # Errors
/// When the program cannot be run, or tells no settings.
pub fn memory_bytes_max(ringmirror: &Path) -> Result<Option<u64>> {
    // Nothing is started, so the directory is not made.
    let asked = ["node", "--data-dir", "unused", "--check-config", "--json"];
    cap_in(&serde_json::from_str(&run_ringmirror(ringmirror, &asked)?)?)
}

fn cap_in(document: &Value) -> Result<Option<u64>> {
    let settings = document["settings"].as_array().context("no settings")?;
    let cap = settings.iter().find(|setting| setting["key"] == "memory_bytes_max");
    Ok(cap.and_then(|setting| setting["value"].as_u64()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{NodeMemory, cap_in};

    #[test]
    fn memory_is_held_against_the_cap() {
        let memory = |resident: u64, cap: Option<u64>| NodeMemory {
            resident_bytes_max: resident << 20,
            memory_bytes_max: cap.map(|cap| cap << 20),
        };
        assert_eq!(memory(400, Some(400)).is_within_cap(), Some(true));
        assert_eq!(memory(401, Some(400)).is_within_cap(), Some(false));
        assert_eq!(memory(401, None).is_within_cap(), None);
        assert_eq!(memory(401, Some(400)).text(), "at most 401 MiB, below the cap of 400 missed");
        let mut seen = memory(0, None);
        seen.note(std::process::id()).unwrap();
        assert!(seen.resident_bytes_max > 0);
        seen.note(u32::MAX).unwrap_err();
    }

    #[test]
    fn the_cap_is_found_among_the_settings_of_a_node_that_has_one() {
        let other = json!({"key": "node_id", "value": 1, "from": "default"});
        let cap = json!({"key": "memory_bytes_max", "value": 1_610_612_736_u64, "from": "default"});
        let found = cap_in(&json!({"settings": [other, cap]})).unwrap();
        assert_eq!(found, Some(1_610_612_736));
        assert_eq!(cap_in(&json!({"settings": [other]})).unwrap(), None);
        assert!(cap_in(&json!({})).is_err());
    }
}
