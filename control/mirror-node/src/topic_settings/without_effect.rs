//! Legal values that would do nothing on a topic made here. They are refused: who sets one relies
//! on what it does with a stock broker.
//!
//! Not here is what does nothing with a stock broker of one replica either, or only together with
//! a value that is refused.

use super::{SettingError, TopicSetting, list};
use crate::local_topics::keeper::FLUSH_EVERY_MS;

/// What of a setting means what this node does anyway.
struct Restriction {
    name: &'static str,
    taken: Taken,
    /// Why nothing else is.
    why: &'static str,
}

enum Taken {
    /// These values, or lists of these elements.
    Only(&'static [&'static str]),
    /// Numbers from this on.
    From(i64),
}

/// Refuses a legal value, given as tools show it, that would do nothing.
pub(super) fn check(setting: &TopicSetting, value: &str) -> Result<(), SettingError> {
    let restrictions = RESTRICTIONS.iter().filter(|restriction| restriction.name == setting.name);
    for restriction in restrictions {
        let is_taken = match restriction.taken {
            Taken::Only(values) => list(value).iter().all(|element| values.contains(element)),
            Taken::From(least) => value.parse::<i64>().is_ok_and(|number| number >= least),
        };
        if !is_taken {
            let (value, why) = (value.to_owned(), restriction.why);
            return Err(SettingError::WithoutEffect { name: setting.name, value, why });
        }
    }
    Ok(())
}

static RESTRICTIONS: [Restriction; 8] = [
    Restriction {
        name: "cleanup.policy",
        taken: Taken::Only(&["delete"]),
        why: "this node does not compact",
    },
    Restriction {
        name: "compression.type",
        taken: Taken::Only(&["producer"]),
        why: "this node keeps batches as producers send them",
    },
    Restriction {
        name: "file.delete.delay.ms",
        taken: Taken::Only(&["0", "60000"]),
        why: "this node deletes files at once",
    },
    Restriction {
        name: "flush.messages",
        taken: Taken::Only(&["9223372036854775807"]),
        why: "this node forces logs to disk by time, every five seconds",
    },
    Restriction {
        name: "flush.ms",
        taken: Taken::From(FLUSH_EVERY_MS),
        why: "this node forces logs to disk every five seconds",
    },
    Restriction {
        name: "min.insync.replicas",
        taken: Taken::Only(&["1"]),
        why: "this node is the only replica",
    },
    Restriction {
        name: "preallocate",
        taken: Taken::Only(&["false"]),
        why: "this node gives a segment its space as it grows",
    },
    Restriction {
        name: "segment.jitter.ms",
        taken: Taken::Only(&["0"]),
        why: "this node begins segments without jitter",
    },
];
