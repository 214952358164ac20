//! The most memory that a node may take, as it says itself.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::server_process::run_ringmirror;

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

    use super::cap_in;

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
