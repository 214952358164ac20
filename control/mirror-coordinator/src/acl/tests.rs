use proptest::prelude::*;

use super::acl_filter::{AclFilter, PatternFilter, RawAclFilter};
use super::*;

/// `ALLOW User:ada READ on TOPIC orders`, with parts of it changed.
pub(super) fn acl(change: impl FnOnce(&mut AclBinding)) -> AclBinding {
    let mut acl = AclBinding {
        resource: AclResource::Topic,
        name: "orders".to_owned(),
        pattern: AclPattern::Literal,
        principal: "User:ada".to_owned(),
        host: WILDCARD.to_owned(),
        operation: AclOperation::Read,
        permission: AclPermission::Allow,
    };
    change(&mut acl);
    acl
}

const RAW: RawAcl<'_> = RawAcl {
    resource: 2,
    name: "orders",
    pattern: 3,
    principal: "User:ada",
    host: "*",
    operation: 3,
    permission: 3,
};

#[test]
fn a_rule_is_what_its_numbers_say() {
    assert_eq!(AclBinding::parse(&RAW), Ok(acl(|_| {})));
    let mirror = RawAcl { resource: 8, name: "from-a", pattern: 4, permission: 2, ..RAW };
    let mirror = AclBinding::parse(&mirror).unwrap();
    assert_eq!(mirror.to_string(), "DENY User:ada READ on CLUSTER_MIRROR from-a*");
}

#[test]
fn what_is_no_rule_is_refused_with_the_part_that_is_wrong() {
    let check = |raw: RawAcl<'_>, told: &str| {
        let refusal = AclBinding::parse(&raw).unwrap_err();
        assert!(refusal.to_string().starts_with(told), "{refusal}");
    };
    // Unknown, any, and what nobody has ever heard of.
    for number in [0, 1, 9, -1, i8::MIN, i8::MAX] {
        check(RawAcl { resource: number, ..RAW }, "Invalid resourceType");
    }
    for number in [0, 1, 2, 5, -3] {
        check(RawAcl { pattern: number, ..RAW }, "Invalid patternType");
    }
    for number in [0, 1, 16, -3] {
        check(RawAcl { operation: number, ..RAW }, "Invalid operation");
    }
    for number in [0, 1, 4, -3] {
        check(RawAcl { permission: number, ..RAW }, "Invalid permissionType");
    }
    check(RawAcl { name: "", ..RAW }, "Resource name should not be empty");
    check(RawAcl { resource: 4, ..RAW }, "The only valid name for the CLUSTER resource is");
    check(RawAcl { principal: "ada", ..RAW }, "Could not parse principal from `ada`");
    let long = "x".repeat(ACL_TEXT_BYTES_MAX + 1);
    check(RawAcl { name: &long, ..RAW }, "the resource name has 1025 bytes");
    check(RawAcl { host: &long, ..RAW }, "the host has 1025 bytes");
}

#[test]
fn names_and_numbers_lead_back() {
    for resource in AclResource::ALL {
        assert_eq!(AclResource::from_number(resource.number()), Some(*resource));
        assert_eq!(AclResource::from_name(resource.name()), Some(*resource));
    }
    for operation in AclOperation::ALL {
        assert_eq!(AclOperation::from_number(operation.number()), Some(*operation));
        assert_eq!(AclOperation::from_name(operation.name()), Some(*operation));
    }
}

#[test]
fn a_choice_compares_names_as_its_pattern_says() {
    let rules = [("orders", true), ("*", true), ("ord", false), ("orders", false), ("", false)];
    let check = |pattern, name: &str, expected: [bool; 5]| {
        let filter = AclFilter { name: Some(name.to_owned()), pattern, ..AclFilter::default() };
        let found = rules.map(|(name, is_literal)| {
            let pattern = if is_literal { AclPattern::Literal } else { AclPattern::Prefixed };
            filter.matches(&acl(|acl| (acl.name, acl.pattern) = (name.to_owned(), pattern)))
        });
        assert_eq!(found, expected, "{pattern:?} {name}");
    };
    check(PatternFilter::Any, "orders", [true, false, false, true, false]);
    check(PatternFilter::Match, "orders", [true, true, true, true, true]);
    check(PatternFilter::Match, "order", [false, true, true, false, true]);
    check(PatternFilter::Match, "*", [false, true, false, false, true]);
    check(PatternFilter::Only(AclPattern::Literal), "*", [false, true, false, false, false]);
    check(PatternFilter::Only(AclPattern::Prefixed), "orders", [false, false, false, true, false]);
}

#[test]
fn a_choice_compares_every_other_part() {
    let rule = acl(|_| {});
    let matches = |change: fn(&mut AclFilter)| {
        let mut filter = AclFilter::default();
        change(&mut filter);
        filter.matches(&rule)
    };
    assert!(matches(|_| {}));
    assert!(matches(|filter| filter.resource = Some(AclResource::Topic)));
    assert!(!matches(|filter| filter.resource = Some(AclResource::Group)));
    assert!(!matches(|filter| filter.principal = Some("User:*".to_owned())));
    assert!(!matches(|filter| filter.host = Some("10.0.0.1".to_owned())));
    assert!(!matches(|filter| filter.operation = Some(AclOperation::Describe)));
    assert!(!matches(|filter| filter.permission = Some(AclPermission::Deny)));
}

proptest! {
    /// Whatever numbers come, nothing panics, and what is taken is known.
    #[test]
    fn any_numbers_are_a_rule_or_a_refusal(
        (resource, pattern, operation, permission) in any::<(i8, i8, i8, i8)>(),
        name in ".{0,3}",
    ) {
        let raw = RawAcl { resource, pattern, operation, permission, name: &name, ..RAW };
        if let Ok(acl) = AclBinding::parse(&raw) {
            prop_assert_eq!(acl.resource.number(), resource);
            prop_assert!(!acl.name.is_empty());
        }
        let raw = RawAclFilter {
            resource, pattern, operation, permission,
            name: Some(&name), principal: None, host: None,
        };
        if let Ok(filter) = AclFilter::parse(&raw) {
            let _ = filter.matches(&acl(|_| {}));
        }
    }
}
