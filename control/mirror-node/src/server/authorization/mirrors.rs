//! Requests about mirrors (KIP-1279): mirrors are resources of their own.

use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribedMirror,
};
use kafka_wire::mirror_api::{MirrorApiKey, MirrorRequest, MirrorResponse};
use mirror_coordinator::acl::AclOperation::Read;
use mirror_coordinator::acl::AclResource::{self, Cluster, ClusterMirror};

use super::{Gate, refusal_code, refusal_text};

/// What is to be put into the answer.
#[derive(Debug, Default)]
pub(in crate::server) struct MirrorCompletion {
    refused: Vec<DescribedMirror>,
    wants_operations: bool,
    tells_positions: bool,
}

/// Takes out of a request what its client may not have done.
///
/// # Errors
/// The answer, when nothing is left to be done.
pub(in crate::server) fn admit(
    gate: &Gate,
    request: &mut MirrorRequest,
) -> Result<MirrorCompletion, Box<MirrorResponse>> {
    let key = request.key();
    let of_mirror = |name: &str| {
        if gate.may(ClusterMirror, name) { Ok(()) } else { Err(refused(key, ClusterMirror)) }
    };
    match request {
        MirrorRequest::CreateClusterMirror(asked) => of_mirror(&asked.mirror_name)?,
        MirrorRequest::DeleteClusterMirror(asked) => of_mirror(&asked.mirror_name)?,
        MirrorRequest::StartMirrorTopics(asked) => of_mirror(&asked.mirror_name)?,
        MirrorRequest::StopMirrorTopics(asked) => of_mirror(&asked.mirror_name)?,
        MirrorRequest::PauseMirrorTopics(asked) => of_mirror(&asked.mirror_name)?,
        MirrorRequest::ResumeMirrorTopics(asked) => of_mirror(&asked.mirror_name)?,
        MirrorRequest::RecoverMirrorTopics(asked) => of_mirror(&asked.mirror_name)?,
        MirrorRequest::ReadMirrorStates(_)
        | MirrorRequest::WriteMirrorStates(_)
        | MirrorRequest::BumpLeaderEpochs(_)
        | MirrorRequest::ReadMirrorOffsets(_) => {
            if !gate.may_on_cluster() {
                return Err(refused(key, Cluster));
            }
        }
        // What may not be seen is left out of the answer.
        MirrorRequest::ListClusterMirrors(_) => {}
        MirrorRequest::DescribeClusterMirrors(asked) => return describe(gate, asked),
    }
    Ok(MirrorCompletion::default())
}

fn describe(
    gate: &Gate,
    asked: &mut DescribeClusterMirrorsRequest,
) -> Result<MirrorCompletion, Box<MirrorResponse>> {
    let mut completion = MirrorCompletion {
        refused: Vec::new(),
        wants_operations: asked.include_authorized_operations,
        tells_positions: asked.cluster_id.is_some(),
    };
    if let Some(names) = asked.mirror_names.as_mut().filter(|names| !names.is_empty()) {
        let forbidden = super::refuse(names, |name| gate.may(ClusterMirror, name));
        completion.refused = forbidden.into_iter().map(unseen).collect();
        if names.is_empty() {
            // Asked for none, the node would tell of all.
            let mut response = MirrorResponse::refusal(MirrorApiKey::DescribeClusterMirrors, 0, "");
            if let MirrorResponse::DescribeClusterMirrors(described) = &mut response {
                described.error_message = None;
            }
            completion.complete(gate, &mut response);
            return Err(response.into());
        }
    }
    Ok(completion)
}

impl MirrorCompletion {
    /// Puts into the answer what is missing, takes out what the client may not see.
    pub(in crate::server) fn complete(self, gate: &Gate, response: &mut MirrorResponse) {
        match response {
            MirrorResponse::ListClusterMirrors(listed) => {
                listed.mirrors.retain(|mirror| gate.may(ClusterMirror, &mirror.mirror_name));
            }
            MirrorResponse::DescribeClusterMirrors(described) => {
                described.mirrors.retain(|mirror| gate.may(ClusterMirror, &mirror.mirror_name));
                for mirror in &mut described.mirrors {
                    let name = mirror.mirror_name.clone();
                    mirror.authorized_operations = match self.wants_operations {
                        true => gate.operations(ClusterMirror, &name),
                        false => NOT_ASKED,
                    };
                    // Without them the asker would take all of its log for its own.
                    if self.tells_positions && !gate.may_also(Read, ClusterMirror, &name) {
                        *mirror = unseen(name);
                    }
                }
                described.mirrors.extend(self.refused);
            }
            _ => {}
        }
    }
}

fn unseen(name: String) -> DescribedMirror {
    DescribedMirror {
        error_code: refusal_code(ClusterMirror),
        error_message: Some(refusal_text(ClusterMirror).to_owned()),
        mirror_name: name,
        source_bootstrap: None,
        source_cluster_id: None,
        authorized_operations: NOT_ASKED,
        topics: Vec::new(),
        syncs: Vec::new(),
    }
}

fn refused(key: MirrorApiKey, resource: AclResource) -> Box<MirrorResponse> {
    Box::new(MirrorResponse::refusal(key, refusal_code(resource), refusal_text(resource)))
}

const NOT_ASKED: i32 = i32::MIN;
