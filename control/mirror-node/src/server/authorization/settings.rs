//! Requests for settings: of topics, groups, mirrors, and of the node, which are the cluster's.

use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as Replaced;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{RequestKind, ResponseKind};
use mirror_coordinator::acl::{AclResource, CLUSTER_NAME};

use super::{Completion, Gate, refusal_code, refusal_message, refuse, response};
use crate::server::admin::describe_configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use crate::server::admin::mirror_configs::CLUSTER_MIRROR;
use crate::server::answer::Answer;

pub(super) fn admit(gate: &Gate, body: &mut RequestKind) -> Result<Completion, Answer> {
    Ok(match body {
        RequestKind::DescribeConfigs(asked) => {
            let refused = refuse(&mut asked.resources, |resource| {
                may(gate, resource.resource_type, &resource.resource_name)
            });
            Completion::new(move |_, answer| {
                let Some(response) = response!(answer, DescribeConfigs) else { return };
                response.results.extend(refused.into_iter().map(|resource| {
                    let needed = needed(resource.resource_type);
                    DescribeConfigsResult::default()
                        .with_error_code(refusal_code(needed))
                        .with_error_message(refusal_message(needed))
                        .with_resource_type(resource.resource_type)
                        .with_resource_name(resource.resource_name)
                }));
            })
        }
        RequestKind::IncrementalAlterConfigs(asked) => {
            let refused = refuse(&mut asked.resources, |resource| {
                may(gate, resource.resource_type, &resource.resource_name)
            });
            Completion::new(move |_, answer| {
                let Some(response) = response!(answer, IncrementalAlterConfigs) else { return };
                response.responses.extend(refused.into_iter().map(|resource| {
                    let needed = needed(resource.resource_type);
                    AlterConfigsResourceResponse::default()
                        .with_error_code(refusal_code(needed))
                        .with_error_message(refusal_message(needed))
                        .with_resource_type(resource.resource_type)
                        .with_resource_name(resource.resource_name)
                }));
            })
        }
        RequestKind::AlterConfigs(asked) => {
            let refused = refuse(&mut asked.resources, |resource| {
                may(gate, resource.resource_type, &resource.resource_name)
            });
            Completion::new(move |_, answer| {
                let Some(response) = response!(answer, AlterConfigs) else { return };
                response.responses.extend(refused.into_iter().map(|resource| {
                    let needed = needed(resource.resource_type);
                    Replaced::default()
                        .with_error_code(refusal_code(needed))
                        .with_error_message(refusal_message(needed))
                        .with_resource_type(resource.resource_type)
                        .with_resource_name(resource.resource_name)
                }));
            })
        }
        _ => Completion::NONE,
    })
}

fn may(gate: &Gate, kind: i8, name: &str) -> bool {
    match needed(kind) {
        AclResource::Cluster => {
            // Kinds that nobody knows are refused as such.
            !matches!(kind, BROKER | BROKER_LOGGER | CLIENT_METRICS)
                || gate.may(AclResource::Cluster, CLUSTER_NAME)
        }
        resource => gate.may(resource, name),
    }
}

/// Whose right it takes.
const fn needed(kind: i8) -> AclResource {
    match kind {
        TOPIC => AclResource::Topic,
        GROUP => AclResource::Group,
        CLUSTER_MIRROR => AclResource::ClusterMirror,
        _ => AclResource::Cluster,
    }
}
