use proptest::prelude::*;

use super::*;
use crate::acl::tests::acl;

const ADA: Requester<'_> = Requester { principal: "User:ada", host: "10.0.0.1" };

fn allows(acls: &[AclBinding], operation: AclOperation, name: &str) -> bool {
    let rules = AclRules::new(acls);
    Authorizer::default().allows(&rules, &ADA, operation, (AclResource::Topic, name))
}

fn deny(change: impl FnOnce(&mut AclBinding)) -> AclBinding {
    let mut acl = acl(change);
    acl.permission = AclPermission::Deny;
    acl
}

#[test]
fn what_no_rule_allows_is_forbidden() {
    use AclOperation::{Read, Write};
    assert!(!allows(&[], Read, "orders"));
    assert!(allows(&[acl(|_| {})], Read, "orders"));
    assert!(!allows(&[acl(|_| {})], Write, "orders"));
    assert!(!allows(&[acl(|_| {})], Read, "order"));
    assert!(!allows(&[acl(|acl| acl.principal = "User:bob".to_owned())], Read, "orders"));
    assert!(!allows(&[acl(|acl| acl.host = "10.0.0.2".to_owned())], Read, "orders"));
    assert!(!allows(&[acl(|acl| acl.resource = AclResource::Group)], Read, "orders"));
    assert!(allows(&[acl(|acl| acl.host = "10.0.0.1".to_owned())], Read, "orders"));
    assert!(allows(&[acl(|acl| acl.principal = "User:*".to_owned())], Read, "orders"));
    assert!(allows(&[acl(|acl| acl.operation = AclOperation::All)], Write, "orders"));
    assert!(allows(&[acl(|acl| acl.name = "*".to_owned())], Read, "orders"));
}

#[test]
fn a_rule_for_the_beginning_of_names_is_about_all_of_them() {
    let prefixed =
        |name: &str| [acl(|acl| (acl.name, acl.pattern) = (name.to_owned(), AclPattern::Prefixed))];
    for (beginning, expected) in
        [("o", true), ("orders", true), ("orders-", false), ("*", false), ("ö", false)]
    {
        let found = allows(&prefixed(beginning), AclOperation::Read, "orders");
        assert_eq!(found, expected, "{beginning}");
    }
    assert!(allows(&prefixed("ö"), AclOperation::Read, "öl"));
    assert!(!allows(&prefixed("x"), AclOperation::Read, "ö"), "half a letter is no beginning");
}

#[test]
fn whoever_forbids_wins() {
    let all = acl(|acl| (acl.name, acl.operation) = ("*".to_owned(), AclOperation::All));
    for denied in [
        deny(|_| {}),
        deny(|acl| acl.operation = AclOperation::All),
        deny(|acl| acl.name = "*".to_owned()),
        deny(|acl| (acl.name, acl.pattern) = ("or".to_owned(), AclPattern::Prefixed)),
        deny(|acl| acl.principal = "User:*".to_owned()),
    ] {
        assert!(!allows(&[all.clone(), denied.clone()], AclOperation::Read, "orders"), "{denied}");
    }
    let elsewhere = deny(|acl| acl.host = "10.0.0.2".to_owned());
    assert!(allows(&[all, elsewhere], AclOperation::Read, "orders"));
}

#[test]
fn more_than_describing_implies_describing_but_is_not_forbidden_with_it() {
    use AclOperation::{
        Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, Read, Write,
    };
    for operation in [Read, Write, Delete, Alter] {
        let allowed = [acl(|acl| acl.operation = operation)];
        assert!(allows(&allowed, Describe, "orders"), "{operation}");
        let one_denied = [acl(|acl| acl.operation = Describe), deny(|_| {})];
        assert!(allows(&one_denied, Describe, "orders"), "{operation}");
    }
    assert!(!allows(&[acl(|acl| acl.operation = Create)], Describe, "orders"));
    let configs = [acl(|acl| acl.operation = AlterConfigs)];
    assert!(allows(&configs, DescribeConfigs, "orders"));
    assert!(!allows(&configs, Describe, "orders"));
}

#[test]
fn resources_without_rules_are_open_when_that_is_wanted() {
    let authorizer = Authorizer { allow_everyone_if_no_acl_found: true, ..Authorizer::default() };
    let rules = AclRules::new(&[acl(|acl| acl.principal = "User:bob".to_owned())]);
    let allows =
        |name| authorizer.allows(&rules, &ADA, AclOperation::Read, (AclResource::Topic, name));
    assert!(allows("payments"));
    assert!(!allows("orders"), "a rule for somebody else is a rule");
}

#[test]
fn super_users_may_do_what_is_forbidden_to_all() {
    let super_users = BTreeSet::from(["User:ada".to_owned()]);
    let authorizer = Authorizer { super_users, ..Authorizer::default() };
    let rules = AclRules::new(&[deny(|acl| acl.principal = "User:*".to_owned())]);
    let topic = (AclResource::Topic, "orders");
    assert!(authorizer.allows(&rules, &ADA, AclOperation::Read, topic));
    let bob = Requester { principal: "User:bob", ..ADA };
    assert!(!authorizer.allows(&rules, &bob, AclOperation::Read, topic));
    assert!(authorizer.allows_any(&rules, &ADA, AclOperation::Write, AclResource::Topic));
}

#[test]
fn some_resource_may_be_written_unless_all_that_is_allowed_is_forbidden() {
    let may = |acls: &[AclBinding]| {
        let rules = AclRules::new(acls);
        let authorizer = Authorizer::default();
        authorizer.allows_any(&rules, &ADA, AclOperation::Read, AclResource::Topic)
    };
    let prefixed = |name: &'static str| {
        move |acl: &mut AclBinding| {
            (acl.name, acl.pattern) = (name.to_owned(), AclPattern::Prefixed);
        }
    };
    assert!(!may(&[]));
    assert!(may(&[acl(|_| {})]));
    assert!(may(&[acl(prefixed("or"))]));
    assert!(may(&[acl(|acl| acl.name = "*".to_owned())]));
    assert!(!may(&[acl(|_| {}), deny(|_| {})]));
    assert!(!may(&[acl(|_| {}), deny(prefixed("ord"))]));
    assert!(!may(&[acl(prefixed("ord")), deny(prefixed("or"))]));
    assert!(may(&[acl(prefixed("or")), deny(prefixed("ord"))]));
    assert!(!may(&[acl(|_| {}), deny(|acl| acl.name = "*".to_owned())]));
    assert!(!may(&[acl(|acl| acl.operation = AclOperation::Describe)]));
}

#[test]
fn operations_are_told_as_bits() {
    let rules = AclRules::new(&[acl(|_| {})]);
    let topic = (AclResource::Topic, "orders");
    let bits = Authorizer::default().allowed_operations(&rules, &ADA, topic);
    assert_eq!(bits, 1 << 3 | 1 << 8);
}

fn any_acl() -> impl Strategy<Value = AclBinding> {
    let name = prop::sample::select(vec!["a", "ab", "abc", "b", "*"]);
    let operation = prop::sample::select(AclOperation::ALL.to_vec());
    let principal = prop::sample::select(vec!["User:ada", "User:bob", "User:*", "Group:ada"]);
    let host = prop::sample::select(vec!["*", "10.0.0.1", "10.0.0.2"]);
    let flags = any::<(bool, bool)>();
    (name, operation, principal, host, flags).prop_map(
        |(name, operation, principal, host, (is_literal, is_allowed))| AclBinding {
            resource: AclResource::Topic,
            name: name.to_owned(),
            pattern: if is_literal { AclPattern::Literal } else { AclPattern::Prefixed },
            principal: principal.to_owned(),
            host: host.to_owned(),
            operation,
            permission: if is_allowed { AclPermission::Allow } else { AclPermission::Deny },
        },
    )
}

/// Looks at every rule, one after the other.
fn allows_slowly(acls: &[AclBinding], operation: AclOperation, name: &str) -> bool {
    let about = acls.iter().filter(|acl| match acl.pattern {
        AclPattern::Literal => acl.name == name || acl.name == WILDCARD,
        AclPattern::Prefixed => name.starts_with(&acl.name),
    });
    let ours = about.filter(|acl| {
        ["User:ada", "User:*"].contains(&&*acl.principal) && ["*", "10.0.0.1"].contains(&&*acl.host)
    });
    let (allowing, denying): (Vec<_>, Vec<_>) =
        ours.partition(|acl| acl.permission == AclPermission::Allow);
    let same = |acl: &&AclBinding| [AclOperation::All, operation].contains(&acl.operation);
    let implying = |acl: &&AclBinding| match operation {
        AclOperation::Describe => [3, 4, 6, 7].contains(&acl.operation.number()),
        AclOperation::DescribeConfigs => acl.operation == AclOperation::AlterConfigs,
        _ => false,
    };
    !denying.iter().any(same) && allowing.iter().any(|acl| same(acl) || implying(acl))
}

proptest! {
    #[test]
    fn looking_rules_up_finds_what_looking_at_all_of_them_finds(
        acls in prop::collection::vec(any_acl(), 0..12),
        operation in prop::sample::select(AclOperation::ALL.to_vec()),
        name in prop::sample::select(vec!["a", "ab", "abcd", "b", "c", "*"]),
    ) {
        let slowly = allows_slowly(&acls, operation, name);
        prop_assert_eq!(allows(&acls, operation, name), slowly);
    }
}
