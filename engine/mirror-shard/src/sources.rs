//! The source clusters a shard mirrors from: how each is asked, and when it is forgotten.

use kafka_wire::partition::{SourceBroker, SourceId};

use crate::limits::SourceLimits;
use crate::shard::Shard;

impl Shard {
    /// How the source is asked and waited for.
    pub(crate) fn source_limits(&self, source: SourceId) -> SourceLimits {
        self.sources.get(&source).copied().unwrap_or_else(|| self.limits.source())
    }

    pub(crate) fn set_source(&mut self, source: SourceId, limits: SourceLimits) {
        self.sources.insert(source, limits);
        for connection in &mut self.connections {
            if connection.broker.source == source {
                connection.limits = limits;
            }
        }
    }

    /// Ends the connections to the source that no partition needs, the others once none does.
    pub(crate) fn remove_source(&mut self, source: SourceId) {
        self.sources.remove(&source);
        let of_source = |broker: &SourceBroker| broker.source == source;
        let brokers: Vec<SourceBroker> = self.brokers.keys().copied().filter(of_source).collect();
        for broker in brokers {
            let Some(entry) = self.brokers.get_mut(&broker) else { continue };
            entry.is_gone = true;
            if entry.connections.is_empty() {
                self.brokers.remove(&broker);
                continue;
            }
            for place in entry.connections.clone() {
                self.end_if_gone(place);
            }
        }
    }
}

#[cfg(test)]
mod tests;
