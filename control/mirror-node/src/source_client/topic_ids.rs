//! Whether a source still has the topics that we know under their names. Names are used again, so
//! that what was answered about a name may be about another topic; ids are not.

use std::collections::BTreeMap;

use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::partition::{TopicId, TopicName};

use super::{CONFIGS_PER_REQUEST, METADATA_NEWEST, SourceClient, wire_name};
use crate::source_connection::{SourceError, error_name};

impl SourceClient {
    /// Those of `topics` that are not at the source as the topics of these ids, with the reason.
    /// To be asked after what was asked by name, and only about topics that have ids there.
    ///
    /// # Errors
    /// When no broker answers.
    pub(crate) async fn other_topics(
        &mut self,
        topics: &BTreeMap<TopicName, TopicId>,
    ) -> Result<BTreeMap<TopicName, String>, SourceError> {
        let mut others: BTreeMap<TopicName, String> = topics
            .keys()
            .map(|name| (name.clone(), format!("the source says nothing of topic {name}")))
            .collect();
        let names: Vec<&TopicName> = topics.keys().collect();
        for some in names.chunks(CONFIGS_PER_REQUEST) {
            let at_source = some.iter().filter_map(|name| self.prefix().name_at_source(name));
            let asked = at_source
                .map(|name| MetadataRequestTopic::default().with_name(Some(wire_name(&name))));
            let request = MetadataRequest::default()
                .with_topics(Some(asked.collect()))
                .with_allow_auto_topic_creation(false);
            for told in self.call_any(&request, METADATA_NEWEST).await?.topics {
                let here = told.name.and_then(|name| self.prefix().name_here(&name).ok());
                let Some((name, ours)) = here.and_then(|name| topics.get_key_value(&name)) else {
                    continue;
                };
                match TopicId::from_wire(told.topic_id.into_bytes()) {
                    Some(theirs) if theirs == *ours => {
                        others.remove(name);
                    }
                    Some(theirs) => {
                        let reason = format!(
                            "the source has topic {name} under id {theirs}, ours is {ours}: it was \
                             deleted and recreated there"
                        );
                        others.insert(name.clone(), reason);
                    }
                    None => {
                        let error = error_name(told.error_code);
                        let reason = format!("the source tells no id of topic {name}: {error}");
                        others.insert(name.clone(), reason);
                    }
                }
            }
        }
        Ok(others)
    }
}
