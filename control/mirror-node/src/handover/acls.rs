//! Access control lists as a stock broker is given them.

use kafka_wire::metadata_record::AccessControlEntryRecord;
use mirror_coordinator::acl::acl_table::AclTable;
use mirror_coordinator::acl::{AclBinding, AclOperation, AclResource};

use super::KafkaRelease;

/// The rules that the release knows; the others are noted.
///
/// One with an unknown number would be taken, and no list of rules answered any more.
pub(super) fn handed_over(
    acls: &AclTable,
    release: &KafkaRelease,
    notes: &mut Vec<String>,
) -> Vec<AccessControlEntryRecord> {
    let (known, unknown): (Vec<_>, Vec<_>) = acls.acls().partition(|acl| is_known(acl, release));
    notes.extend(unknown.iter().map(|acl| {
        format!(
            "access control: Kafka {} does not know this and is not given it: {acl}",
            release.name
        )
    }));
    if !known.is_empty() {
        notes.push(format!(
            "access control: {} rules are handed over; the broker enforces them with \
             authorizer.class.name={AUTHORIZER_CLASS} and super.users in server.properties",
            known.len()
        ));
    }
    (1..).zip(known).map(|(number, acl)| record(number, acl)).collect()
}

fn is_known(acl: &AclBinding, release: &KafkaRelease) -> bool {
    let knows_two_phase_commit = !matches!(release.name, "3.9" | "4.0");
    acl.resource != AclResource::ClusterMirror
        && (acl.operation != AclOperation::TwoPhaseCommit || knows_two_phase_commit)
}

fn record(number: u64, acl: &AclBinding) -> AccessControlEntryRecord {
    // The first rules of their cluster: what differs is enough.
    let mut id = *b"ringmirr\0\0\0\0\0\0\0\0";
    id[8..].copy_from_slice(&number.to_be_bytes());
    AccessControlEntryRecord {
        id,
        resource_type: acl.resource.number(),
        resource_name: acl.name.clone(),
        pattern_type: acl.pattern.number(),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: acl.operation.number(),
        permission_type: acl.permission.number(),
    }
}

const AUTHORIZER_CLASS: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

#[cfg(test)]
mod tests {
    use mirror_coordinator::acl::{AclPattern, AclPermission, WILDCARD};

    use super::*;

    #[test]
    fn rules_that_the_release_does_not_know_are_left_out_and_told() {
        let mut acls = AclTable::default();
        for (resource, operation) in [
            (AclResource::Topic, AclOperation::Read),
            (AclResource::ClusterMirror, AclOperation::Alter),
            (AclResource::TransactionalId, AclOperation::TwoPhaseCommit),
        ] {
            let acl = AclBinding {
                resource,
                name: "orders".to_owned(),
                pattern: AclPattern::Literal,
                principal: "User:ada".to_owned(),
                host: WILDCARD.to_owned(),
                operation,
                permission: AclPermission::Allow,
            };
            acls.create(acl).unwrap();
        }
        let handed = |release: &str| {
            let mut notes = Vec::new();
            let release = KafkaRelease::parse(release).unwrap();
            (handed_over(&acls, release, &mut notes), notes)
        };
        let (old, notes) = handed("4.0");
        assert_eq!(old.iter().map(|acl| acl.resource_type).collect::<Vec<_>>(), [2]);
        assert_eq!(notes.len(), 3);
        assert!(notes.iter().any(|note| note.contains("on CLUSTER_MIRROR orders")), "{notes:?}");
        assert!(notes.iter().any(|note| note.contains("1 rules are handed over")), "{notes:?}");
        let (new, _) = handed("4.2");
        assert_eq!(new.iter().map(|acl| acl.resource_type).collect::<Vec<_>>(), [2, 5]);
        assert_ne!(new[0].id, new[1].id);
    }
}
