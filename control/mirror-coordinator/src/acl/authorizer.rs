//! Who may do what, as Kafka's `StandardAuthorizer` decides it.
//!
//! ```text
//!  a super user                                    may
//!  else a rule for it forbids it                   may not
//!  else a rule for it allows it                    may
//!  else there are rules for the resource           may not
//!  else                                            as allow.everyone.if.no.acl.found says
//! ```
//! A rule is for a resource by its name, by the beginning of its name, or by `*`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AclBinding, AclOperation, AclPattern, AclPermission, AclResource, EVERYBODY, WILDCARD,
};

/// What holds beside the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorizer {
    /// Those who may do everything (`super.users`).
    pub super_users: BTreeSet<String>,
    /// What may be done with a resource that no rule is about
    /// (`allow.everyone.if.no.acl.found`).
    pub allow_everyone_if_no_acl_found: bool,
}

/// Who asks, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// A type and a name, as `User:ada`.
    pub principal: &'a str,
    /// The address as Java writes it.
    pub host: &'a str,
}

/// Rules, to be found by what they are about.
#[derive(Clone, Debug, Default)]
pub struct AclRules {
    of_resources: BTreeMap<AclResource, RulesOfResource>,
}

#[derive(Clone, Debug, Default)]
struct RulesOfResource {
    literal: BTreeMap<String, Vec<Rule>>,
    prefixed: BTreeMap<String, Vec<Rule>>,
    /// Lengths of the beginnings, in bytes: few, so that few are looked up.
    prefix_lengths: BTreeSet<usize>,
}

/// What a rule says beside what it is about.
#[derive(Clone, Debug)]
struct Rule {
    principal: String,
    host: String,
    operation: AclOperation,
    permission: AclPermission,
}

impl AclRules {
    /// Sorts rules.
    pub fn new<'a>(acls: impl IntoIterator<Item = &'a AclBinding>) -> Self {
        let mut rules = Self::default();
        for acl in acls {
            let of_resource = rules.of_resources.entry(acl.resource).or_default();
            let by_name = match acl.pattern {
                AclPattern::Literal => &mut of_resource.literal,
                AclPattern::Prefixed => {
                    of_resource.prefix_lengths.insert(acl.name.len());
                    &mut of_resource.prefixed
                }
            };
            by_name.entry(acl.name.clone()).or_default().push(Rule {
                principal: acl.principal.clone(),
                host: acl.host.clone(),
                operation: acl.operation,
                permission: acl.permission,
            });
        }
        rules
    }

    /// All rules that are about one resource.
    fn about<'a>(&'a self, resource: AclResource, name: &'a str) -> impl Iterator<Item = &'a Rule> {
        let of_resource = self.of_resources.get(&resource);
        of_resource.into_iter().flat_map(move |rules| {
            let lengths = rules.prefix_lengths.range(..=name.len());
            let beginnings = lengths.filter_map(|length| name.get(..*length));
            let prefixed = beginnings.filter_map(|beginning| rules.prefixed.get(beginning));
            let of_all = (name != WILDCARD).then(|| rules.literal.get(WILDCARD)).flatten();
            rules.literal.get(name).into_iter().chain(prefixed).chain(of_all).flatten()
        })
    }
}

impl Rule {
    fn is_for(&self, who: &Requester<'_>) -> bool {
        (self.principal == who.principal || self.principal == EVERYBODY)
            && (self.host == who.host || self.host == WILDCARD)
    }

    /// True when the rule speaks of the operation. Whoever is allowed to do more may describe as
    /// well; whoever is forbidden to is not forbidden to describe.
    fn covers(&self, operation: AclOperation) -> bool {
        if self.operation == operation || self.operation == AclOperation::All {
            return true;
        }
        let implied = match operation {
            AclOperation::Describe => matches!(
                self.operation,
                AclOperation::Read
                    | AclOperation::Write
                    | AclOperation::Delete
                    | AclOperation::Alter
            ),
            AclOperation::DescribeConfigs => self.operation == AclOperation::AlterConfigs,
            _ => false,
        };
        implied && self.permission == AclPermission::Allow
    }
}

impl Authorizer {
    /// Whether somebody may do something with a resource.
    #[must_use]
    pub fn allows(
        &self,
        rules: &AclRules,
        who: &Requester<'_>,
        operation: AclOperation,
        (resource, name): (AclResource, &str),
    ) -> bool {
        if self.super_users.contains(who.principal) {
            return true;
        }
        let (mut is_known, mut is_allowed) = (false, false);
        for rule in rules.about(resource, name) {
            is_known = true;
            if rule.is_for(who) && rule.covers(operation) {
                match rule.permission {
                    AclPermission::Deny => return false,
                    AclPermission::Allow => is_allowed = true,
                }
            }
        }
        is_allowed || (!is_known && self.allow_everyone_if_no_acl_found)
    }

    /// Whether there may be a resource of the kind with which somebody may do something
    /// (`Authorizer.authorizeByResourceType`): no rule that forbids it is about all that one
    /// allows.
    #[must_use]
    pub fn allows_any(
        &self,
        rules: &AclRules,
        who: &Requester<'_>,
        operation: AclOperation,
        resource: AclResource,
    ) -> bool {
        // A name that no rule has, as in Kafka: super users, and what nobody made rules for.
        if self.allows(rules, who, operation, (resource, "hardcode")) {
            return true;
        }
        let Some(rules) = rules.of_resources.get(&resource) else { return false };
        // Rules that only imply the operation do not count here.
        let has = |found: Option<&Vec<Rule>>, permission: AclPermission| {
            found.into_iter().flatten().any(|rule| {
                rule.permission == permission
                    && rule.is_for(who)
                    && (rule.operation == operation || rule.operation == AclOperation::All)
            })
        };
        let is_denied = |found| has(found, AclPermission::Deny);
        let is_allowed = |found| has(found, AclPermission::Allow);
        if is_denied(rules.literal.get(WILDCARD)) {
            return false;
        }
        if is_allowed(rules.literal.get(WILDCARD)) {
            return true;
        }
        let is_dominated = |name: &str| {
            let lengths = rules.prefix_lengths.range(..=name.len());
            let mut beginnings = lengths.filter_map(|length| name.get(..*length));
            beginnings.any(|beginning| is_denied(rules.prefixed.get(beginning)))
        };
        let literal = rules.literal.iter().any(|(name, found)| {
            is_allowed(Some(found)) && !is_denied(Some(found)) && !is_dominated(name)
        });
        literal
            || rules
                .prefixed
                .iter()
                .any(|(name, found)| is_allowed(Some(found)) && !is_dominated(name))
    }

    /// What somebody may do with a resource, one bit for each operation that its kind knows
    /// (`AuthHelper.authorizedOperations`).
    #[must_use]
    pub fn allowed_operations(
        &self,
        rules: &AclRules,
        who: &Requester<'_>,
        (resource, name): (AclResource, &str),
    ) -> i32 {
        let known = operations_of(resource).iter();
        let allowed =
            known.filter(|operation| self.allows(rules, who, **operation, (resource, name)));
        allowed.fold(0, |bits, operation| bits | 1 << operation.number())
    }
}

/// What can be done with a kind of resource (`AclEntry.supportedOperations`).
#[must_use]
pub const fn operations_of(resource: AclResource) -> &'static [AclOperation] {
    use AclOperation::{
        Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe,
        DescribeConfigs, DescribeTokens, IdempotentWrite, Read, TwoPhaseCommit, Write,
    };
    match resource {
        AclResource::Topic => {
            &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs]
        }
        AclResource::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs],
        AclResource::Cluster => &[
            Create,
            ClusterAction,
            DescribeConfigs,
            AlterConfigs,
            IdempotentWrite,
            Alter,
            Describe,
        ],
        AclResource::TransactionalId => &[Describe, Write, TwoPhaseCommit],
        AclResource::DelegationToken => &[Describe],
        AclResource::User => &[CreateTokens, DescribeTokens],
        AclResource::ClusterMirror => {
            &[Read, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs]
        }
    }
}

#[cfg(test)]
mod tests;
