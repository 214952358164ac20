//! A choice of rules, as DescribeAcls and DeleteAcls name them.

use super::{
    AclBinding, AclOperation, AclPattern, AclPermission, AclRefusal, AclResource, WILDCARD,
};

/// Rules that match in every part; `None` matches anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclFilter {
    /// What they are about.
    pub resource: Option<AclResource>,
    /// The resource's name; what it is compared with, `pattern` says.
    pub name: Option<String>,
    /// How their name is meant.
    pub pattern: PatternFilter,
    /// Who.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// What they do.
    pub operation: Option<AclOperation>,
    /// Whether they may.
    pub permission: Option<AclPermission>,
}

/// How the name of a choice is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatternFilter {
    /// With the rule's name, whatever that means.
    #[default]
    Any,
    /// As the name of a resource: rules that are about it match.
    Match,
    /// With the names of rules that mean them so.
    Only(AclPattern),
}

/// A choice as a message has it, nothing of it checked.
#[derive(Clone, Copy, Debug)]
pub struct RawAclFilter<'a> {
    /// Number of the kind of resource.
    pub resource: i8,
    /// The resource's name.
    pub name: Option<&'a str>,
    /// Number of how the name is compared.
    pub pattern: i8,
    /// Who.
    pub principal: Option<&'a str>,
    /// From where.
    pub host: Option<&'a str>,
    /// Number of the operation.
    pub operation: i8,
    /// Number of the permission.
    pub permission: i8,
}

impl AclFilter {
    /// Checks a choice as it came from somebody.
    ///
    /// # Errors
    /// When a number in it means nothing here.
    pub fn parse(raw: &RawAclFilter<'_>) -> Result<Self, AclRefusal> {
        let unknown = |field| AclRefusal::Filter { field };
        let text = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            resource: or_any(raw.resource, AclResource::from_number)
                .ok_or_else(|| unknown("patternFilter"))?,
            name: text(raw.name),
            pattern: match raw.pattern {
                ANY => PatternFilter::Any,
                MATCH => PatternFilter::Match,
                other => AclPattern::from_number(other)
                    .map(PatternFilter::Only)
                    .ok_or_else(|| unknown("patternFilter"))?,
            },
            principal: text(raw.principal),
            host: text(raw.host),
            operation: or_any(raw.operation, AclOperation::from_number)
                .ok_or_else(|| unknown("entryFilter"))?,
            permission: or_any(raw.permission, AclPermission::from_number)
                .ok_or_else(|| unknown("entryFilter"))?,
        })
    }

    /// True when a rule is meant (`AclBindingFilter.matches`).
    #[must_use]
    pub fn matches(&self, acl: &AclBinding) -> bool {
        is(&self.resource, &acl.resource)
            && self.matches_name(acl)
            && is(&self.principal, &acl.principal)
            && is(&self.host, &acl.host)
            && is(&self.operation, &acl.operation)
            && is(&self.permission, &acl.permission)
    }

    fn matches_name(&self, acl: &AclBinding) -> bool {
        if matches!(self.pattern, PatternFilter::Only(pattern) if pattern != acl.pattern) {
            return false;
        }
        let Some(name) = &self.name else { return true };
        match (self.pattern, acl.pattern) {
            (PatternFilter::Any | PatternFilter::Only(_), _) => *name == acl.name,
            (PatternFilter::Match, AclPattern::Literal) => {
                *name == acl.name || acl.name == WILDCARD
            }
            (PatternFilter::Match, AclPattern::Prefixed) => name.starts_with(&acl.name),
        }
    }
}

fn is<T: PartialEq>(wanted: &Option<T>, found: &T) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted == found)
}

/// `None` for a number that is not known.
fn or_any<T>(number: i8, known: impl Fn(i8) -> Option<T>) -> Option<Option<T>> {
    if number == ANY { Some(None) } else { known(number).map(Some) }
}

/// Number of any value, of every kind.
const ANY: i8 = 1;
/// Number of [`PatternFilter::Match`].
const MATCH: i8 = 2;
