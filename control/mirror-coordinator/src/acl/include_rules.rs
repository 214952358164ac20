//! `acls.include` of a mirror: which of the source's rules are copied.
//!
//! ```text
//!  resourceType;resourceName;operation;permissionType;principal      TOPIC;orders-.*;READ;ALLOW
//! ```
//! Each part is a value or `*`, for anything; those at the end may be left out. Name and principal
//! are expressions, for all of the text. A rule for a mirror is never copied.

use regex::{Regex, RegexBuilder};

use super::{AclBinding, AclOperation, AclPermission, AclResource, WILDCARD};
use crate::topic_patterns::beginning;

/// What is copied: whatever one of them matches.
#[derive(Clone, Debug, Default)]
pub struct IncludeRules {
    rules: Vec<IncludeRule>,
}

#[derive(Clone, Debug)]
struct IncludeRule {
    resource: Option<AclResource>,
    name: Option<Regex>,
    operation: Option<AclOperation>,
    permission: Option<AclPermission>,
    principal: Option<Regex>,
}

/// Why a list of such rules is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncludeRuleError {
    /// A part that is no word for what stands there.
    #[error("{rule:?}: {part:?} is no {what}; known are {known} and *")]
    Word {
        /// The rule, or its beginning.
        rule: String,
        /// The part, or its beginning.
        part: String,
        /// What it should be.
        what: &'static str,
        /// What it could be.
        known: String,
    },
    /// A part that is no expression.
    #[error("{rule:?}: {part:?} is no expression for the {what}, or one that is too large")]
    Expression {
        /// The rule, or its beginning.
        rule: String,
        /// The part, or its beginning.
        part: String,
        /// What it should match.
        what: &'static str,
    },
    /// More parts than a rule has.
    #[error(
        "{rule:?} has {count} parts; a rule is \
         resourceType;resourceName;operation;permissionType;principal"
    )]
    Parts {
        /// The rule, or its beginning.
        rule: String,
        /// How many there are.
        count: usize,
    },
    /// More rules than [`INCLUDE_RULES_MAX`].
    #[error("{count} rules, at most {INCLUDE_RULES_MAX} are taken")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl IncludeRules {
    /// Reads the entries of `acls.include`; without any nothing is copied.
    ///
    /// # Errors
    /// Names the rule and the part of it that is wrong.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, IncludeRuleError> {
        let count = entries.len();
        if count > INCLUDE_RULES_MAX {
            return Err(IncludeRuleError::TooMany { count });
        }
        let rules = entries.iter().map(|entry| IncludeRule::parse(entry.as_ref()));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// True when nothing is copied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// True when a rule of the source is copied.
    #[must_use]
    pub fn matches(&self, acl: &AclBinding) -> bool {
        acl.resource != AclResource::ClusterMirror
            && self.rules.iter().any(|rule| rule.matches(acl))
    }
}

impl IncludeRule {
    fn parse(rule: &str) -> Result<Self, IncludeRuleError> {
        let parts: Vec<&str> = rule.split(';').map(str::trim).collect();
        let count = parts.len();
        if count > PARTS_MAX {
            return Err(IncludeRuleError::Parts { rule: beginning(rule), count });
        }
        let part = |index: usize| parts.get(index).copied().filter(|part| *part != WILDCARD);
        let word = |what: &'static str, part: &str, known: &[&str]| IncludeRuleError::Word {
            rule: beginning(rule),
            part: beginning(part),
            what,
            known: known.join(", "),
        };
        let resources: Vec<_> =
            AclResource::ALL.iter().filter(|kind| **kind != AclResource::ClusterMirror).collect();
        let find = |part: &str| resources.iter().find(|kind| is_word(kind.name(), part));
        let resource = part(0).map(|part| {
            let known: Vec<_> = resources.iter().map(|kind| kind.name()).collect();
            find(part).map(|kind| **kind).ok_or_else(|| word("resource type", part, &known))
        });
        let operation = part(2).map(|part| {
            let found = AclOperation::ALL.iter().find(|one| is_word(one.name(), part)).copied();
            let known: Vec<_> = AclOperation::ALL.iter().map(|one| one.name()).collect();
            found.ok_or_else(|| word("operation", part, &known))
        });
        let permission = part(3).map(|part| {
            let found = AclPermission::ALL.iter().find(|one| is_word(one.name(), part)).copied();
            found.ok_or_else(|| word("permission type", part, &["ALLOW", "DENY"]))
        });
        let expression = |index: usize, what: &'static str| {
            part(index).map(|part| {
                let (rule, shown) = (beginning(rule), beginning(part));
                let refused = IncludeRuleError::Expression { rule, part: shown, what };
                whole(part).ok_or(refused)
            })
        };
        Ok(Self {
            resource: resource.transpose()?,
            name: expression(1, "resource name").transpose()?,
            operation: operation.transpose()?,
            permission: permission.transpose()?,
            principal: expression(4, "principal").transpose()?,
        })
    }

    fn matches(&self, acl: &AclBinding) -> bool {
        let text = |wanted: &Option<Regex>, text: &str| {
            wanted.as_ref().is_none_or(|expression| expression.is_match(text))
        };
        self.resource.is_none_or(|resource| resource == acl.resource)
            && self.operation.is_none_or(|operation| operation == acl.operation)
            && self.permission.is_none_or(|permission| permission == acl.permission)
            && text(&self.name, &acl.name)
            && text(&self.principal, &acl.principal)
    }
}

fn is_word(name: &str, part: &str) -> bool {
    name.eq_ignore_ascii_case(part)
}

/// An expression for all of a text; alone first, so that it cannot leave its frame.
fn whole(expression: &str) -> Option<Regex> {
    let compiled = |text: &str| RegexBuilder::new(text).size_limit(EXPRESSION_BYTES_MAX).build();
    if expression.is_empty() || compiled(expression).is_err() {
        return None;
    }
    compiled(&format!(r"\A(?:{expression})\z")).ok()
}

/// Most rules of one mirror.
pub const INCLUDE_RULES_MAX: usize = 100;
/// Most memory that one expression may take when compiled, in bytes.
const EXPRESSION_BYTES_MAX: usize = 256 << 10;
const PARTS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::acl::tests::acl;

    fn matches(rules: &[&str], acl: &AclBinding) -> bool {
        IncludeRules::parse(rules).unwrap().matches(acl)
    }

    #[test]
    fn a_rule_matches_in_every_part_that_it_names() {
        let rule = acl(|_| {});
        for (include, expected) in [
            ("*", true),
            ("TOPIC", true),
            ("topic", true),
            ("GROUP", false),
            ("TOPIC;orders", true),
            ("TOPIC;order", false),
            ("*;ord.*|notes", true),
            ("*;*;READ", true),
            ("*;*;write", false),
            ("*;*;*;ALLOW", true),
            ("*;*;*;DENY", false),
            ("*;*;*;*;User:ada", true),
            ("*;*;*;*;User:(ada|bob)", true),
            ("*;*;*;*;ada", false),
            ("TOPIC;orders;READ;ALLOW;User:.*", true),
        ] {
            assert_eq!(matches(&[include], &rule), expected, "{include}");
        }
        assert!(matches(&["GROUP", "TOPIC"], &rule));
        assert!(!matches(&[], &rule));
    }

    #[test]
    fn a_rule_for_all_resources_is_named_by_what_it_is_called() {
        let all = acl(|acl| acl.name = "*".to_owned());
        assert!(matches(&[r"TOPIC;\*"], &all));
        assert!(!matches(&["TOPIC;orders"], &all));
    }

    #[test]
    fn rules_for_mirrors_are_never_copied() {
        let mirror = acl(|acl| acl.resource = AclResource::ClusterMirror);
        assert!(!matches(&["*"], &mirror));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (rule, told) in [
            ("TROPIC;orders", "\"TROPIC;orders\": \"TROPIC\" is no resource type"),
            ("CLUSTER_MIRROR", "\"CLUSTER_MIRROR\" is no resource type"),
            ("TOPIC;(", "\"(\" is no expression for the resource name"),
            ("TOPIC;a)(b", "no expression"),
            ("TOPIC;;READ", "\"\" is no expression"),
            ("TOPIC;a;PEEK", "\"PEEK\" is no operation; known are ALL, READ"),
            ("TOPIC;a;READ;MAYBE", "is no permission type; known are ALLOW, DENY and *"),
            ("TOPIC;a;READ;ALLOW;[", "no expression for the principal"),
            ("TOPIC;a;READ;ALLOW;*;*", "has 6 parts"),
            ("TOPIC;(a{1000}){1000}", "too large"),
        ] {
            let error = IncludeRules::parse(&[rule]).unwrap_err().to_string();
            assert!(error.contains(told), "{rule}: {error}");
        }
        let many = vec!["TOPIC"; INCLUDE_RULES_MAX + 1];
        assert!(IncludeRules::parse(&many).unwrap_err().to_string().contains("101 rules"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_rule_or_a_refusal(rule in "(TOPIC|\\*)?;?.{0,20}") {
            if let Ok(rules) = IncludeRules::parse(&[rule]) {
                let _ = rules.matches(&acl(|_| {}));
            }
        }
    }
}
