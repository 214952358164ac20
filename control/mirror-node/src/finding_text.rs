//! What recovery found, in words.

use kafka_log::recovery::LoadFinding;

/// One sentence for people: what was found and what was done.
#[must_use]
pub fn finding_text(finding: &LoadFinding) -> String {
    match finding {
        LoadFinding::TornTail { segment, kept_bytes, dropped_bytes, reason } => format!(
            "segment {segment}: cut behind byte {kept_bytes} ({dropped_bytes} bytes, reserved \
             space included; {reason}); what was lost is fetched again"
        ),
        LoadFinding::CorruptMiddle { segment, kept_bytes, dropped_bytes, reason } => format!(
            "segment {segment}: corrupt behind {kept_bytes} bytes ({reason}); {dropped_bytes} \
             bytes cut off, they and what followed are fetched again"
        ),
        LoadFinding::SegmentsDropped { first, count } => {
            format!("{count} segments from {first} on deleted; they are fetched again")
        }
        LoadFinding::IndexRebuilt { segment, reason } => {
            format!("segment {segment}: indexes rebuilt ({reason})")
        }
        LoadFinding::SnapshotDropped { offset, reason } => {
            format!("producer snapshot {offset} deleted ({reason})")
        }
        LoadFinding::ProducersRebuilt { log_end } => {
            format!("producer state rebuilt from the batches up to {log_end}")
        }
        LoadFinding::EpochsRebuilt { reason } => {
            format!("leader epochs rebuilt from the batches ({reason})")
        }
        LoadFinding::StartAboveEnd { log_start, log_end } => format!(
            "log ended at {log_end}, below its start {log_start}: emptied, it begins at {log_start}"
        ),
    }
}
