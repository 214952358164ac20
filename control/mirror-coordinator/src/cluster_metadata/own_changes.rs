//! Changes that no request asks for: what the source says, what is deleted here, what an older
//! directory was mirrored for.

use std::collections::BTreeMap;

use kafka_wire::partition::{TopicId, TopicName};

use super::command_error::CommandError;
use super::{ClusterMetadata, MetadataChange, MetadataRecord, Mirror};
use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;

/// The source of a mirror is another cluster than it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "mirror {mirror}: source cluster id changed: it mirrors cluster {ours}, and cluster {theirs} \
     answers at its bootstrap.servers: correct the address, or delete the mirror and make another"
)]
pub struct SourceChanged {
    /// The mirror.
    pub mirror: MirrorName,
    /// The source it had.
    pub ours: String,
    /// The cluster that answered.
    pub theirs: String,
}

impl ClusterMetadata {
    /// Plans to remember which cluster a mirror's source is; empty when that is known, or the
    /// mirror is gone.
    ///
    /// # Errors
    /// When it was another one before: no topic of the mirror may be followed then.
    pub fn plan_source_cluster_id(
        &self,
        name: &MirrorName,
        theirs: &str,
    ) -> Result<MetadataChange, SourceChanged> {
        let Some(mirror) = self.mirrors.get(name) else { return Ok(self.change(Vec::new())) };
        match mirror.source_cluster_id.as_deref() {
            Some(ours) if ours == theirs => Ok(self.change(Vec::new())),
            Some(ours) => Err(SourceChanged {
                mirror: name.clone(),
                ours: ours.to_owned(),
                theirs: theirs.to_owned(),
            }),
            None => {
                let known = Mirror {
                    configs: mirror.configs.clone(),
                    source_cluster_id: Some(theirs.to_owned()),
                };
                Ok(self.change(vec![MetadataRecord::Mirror(name.clone(), known)]))
            }
        }
    }

    /// Plans to forget topics that are deleted here; those that belong to no mirror are no news.
    pub fn plan_topics_deleted(&self, topics: &[TopicName]) -> MetadataChange {
        let bound = topics.iter().filter(|topic| self.topics.contains_key(topic));
        self.change(bound.map(|topic| MetadataRecord::TopicUnbound(topic.clone())).collect())
    }

    /// Plans to take in the topics of a directory that was mirrored into before mirrors had names:
    /// those that belong to no mirror yet go to this one, which is made when it is missing.
    ///
    /// # Errors
    /// When the mirror cannot be made with these settings. Without `bootstrap.servers` it can be
    /// stopped, and not started.
    pub fn plan_adoption(
        &self,
        name: &MirrorName,
        mirror: &Mirror,
        topics: &BTreeMap<TopicName, TopicId>,
    ) -> Result<MetadataChange, CommandError> {
        super::filters::compiled(name, mirror)?;
        let mut records = Vec::new();
        if !self.mirrors.contains_key(name) {
            records.push(MetadataRecord::Mirror(name.clone(), mirror.clone()));
        }
        let unbound = topics.iter().filter(|(topic, _)| !self.topics.contains_key(topic));
        records.extend(unbound.map(|(topic, topic_id)| MetadataRecord::TopicBound {
            topic: topic.clone(),
            topic_id: *topic_id,
            mirror: name.clone(),
            desired: DesiredState::Mirroring,
        }));
        Ok(self.change(records))
    }
}
