//! Access control lists: the words, one rule, and why one is refused.
//!
//! A rule says who may, or may not, do what with which resource, from where. [`acl_filter`] picks
//! rules, [`acl_table`] holds them with where they came from, [`authorizer`] decides by them;
//! [`include_rules`] and [`mirrored_acls`] are about rules of a mirror's source.
//! Numbers and names are those of `AclOperation`, `AclPermissionType`, `PatternType` and
//! `ResourceType` in Apache Kafka; `CLUSTER_MIRROR` is KIP-1279's.

use std::fmt;

pub mod acl_filter;
pub mod acl_table;
pub mod authorizer;
pub mod include_rules;
pub mod mirrored_acls;

/// Declares words that have a number on the wire and a name in files.
macro_rules! numbered_words {
    ($(#[$of_all:meta])* $name:ident {
        $($(#[$of_one:meta])* $word:ident = $number:literal $text:literal,)*
    }) => {
        $(#[$of_all])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$of_one])* $word,)* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$word,)*];

            /// The one with that number on the wire; `None` for one that is not known.
            #[must_use]
            pub const fn from_number(number: i8) -> Option<Self> {
                match number { $($number => Some(Self::$word),)* _ => None }
            }

            /// Its number on the wire.
            #[must_use]
            pub const fn number(self) -> i8 {
                match self { $(Self::$word => $number,)* }
            }

            /// The one with that name; `None` for one that is not known.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$word),)* _ => None }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.name())
            }
        }
    };
}

numbered_words! {
    /// What rules are about.
    AclResource {
        /// A topic.
        Topic = 2 "TOPIC",
        /// A group of any kind.
        Group = 3 "GROUP",
        /// The cluster, called [`CLUSTER_NAME`].
        Cluster = 4 "CLUSTER",
        /// A transactional producer.
        TransactionalId = 5 "TRANSACTIONAL_ID",
        /// A delegation token.
        DelegationToken = 6 "DELEGATION_TOKEN",
        /// A user, whose tokens are made and described.
        User = 7 "USER",
        /// A mirror of KIP-1279.
        ClusterMirror = 8 "CLUSTER_MIRROR",
    }
}

numbered_words! {
    /// How a rule means its name.
    AclPattern {
        /// The resource of that name; all of them when the name is [`WILDCARD`].
        Literal = 3 "LITERAL",
        /// All resources whose names begin so.
        Prefixed = 4 "PREFIXED",
    }
}

numbered_words! {
    /// What somebody does.
    AclOperation {
        /// Everything.
        All = 2 "ALL",
        /// Read.
        Read = 3 "READ",
        /// Write.
        Write = 4 "WRITE",
        /// Create.
        Create = 5 "CREATE",
        /// Delete.
        Delete = 6 "DELETE",
        /// Alter.
        Alter = 7 "ALTER",
        /// Describe.
        Describe = 8 "DESCRIBE",
        /// What brokers do among themselves.
        ClusterAction = 9 "CLUSTER_ACTION",
        /// Describe settings.
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        /// Alter settings.
        AlterConfigs = 11 "ALTER_CONFIGS",
        /// Write as an idempotent producer.
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        /// Make delegation tokens.
        CreateTokens = 13 "CREATE_TOKENS",
        /// Describe delegation tokens.
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        /// Take part in a two-phase commit (KIP-939).
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
}

numbered_words! {
    /// What a rule does to those it is for.
    AclPermission {
        /// They may not.
        Deny = 2 "DENY",
        /// They may, unless another rule forbids it.
        Allow = 3 "ALLOW",
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclBinding {
    /// What it is about.
    pub resource: AclResource,
    /// The resource's name, or the beginning of names.
    pub name: String,
    /// Which of the two.
    pub pattern: AclPattern,
    /// Who: a type and a name, as `User:ada`; [`EVERYBODY`] is everybody.
    pub principal: String,
    /// From which address; [`WILDCARD`] is any.
    pub host: String,
    /// What they do.
    pub operation: AclOperation,
    /// Whether they may.
    pub permission: AclPermission,
}

/// A rule as a message has it, nothing of it checked.
#[derive(Clone, Copy, Debug)]
pub struct RawAcl<'a> {
    /// Number of the kind of resource.
    pub resource: i8,
    /// The resource's name.
    pub name: &'a str,
    /// Number of how the name is meant.
    pub pattern: i8,
    /// Who.
    pub principal: &'a str,
    /// From where.
    pub host: &'a str,
    /// Number of the operation.
    pub operation: i8,
    /// Number of the permission.
    pub permission: i8,
}

/// Why a rule, or a choice of rules, is refused; in the words of a stock controller where it has
/// some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AclRefusal {
    /// A number that means nothing here.
    #[error("Invalid {field} {number}")]
    Number {
        /// What it should say.
        field: &'static str,
        /// The number.
        number: i8,
    },
    /// A choice of rules with a number that means nothing here.
    #[error("Unknown {field}.")]
    Filter {
        /// What it should say.
        field: &'static str,
    },
    /// A resource without a name.
    #[error("Resource name should not be empty")]
    NoName,
    /// A cluster has one name.
    #[error("The only valid name for the CLUSTER resource is {CLUSTER_NAME}")]
    ClusterName,
    /// Not `Type:name`.
    #[error(
        "Could not parse principal from `{principal}` (no colon is present separating the \
         principal type from the principal name)"
    )]
    Principal {
        /// What it is, or its beginning.
        principal: String,
    },
    /// A name, principal or host that is too long.
    #[error("the {field} has {bytes} bytes, at most {ACL_TEXT_BYTES_MAX} are taken")]
    TooLong {
        /// Which one.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// No room for another rule.
    #[error("there are {count} rules already, at most {ACLS_MAX} are kept")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl AclBinding {
    /// Checks a rule as it came from somebody.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(raw: &RawAcl<'_>) -> Result<Self, AclRefusal> {
        let invalid = |field, number| AclRefusal::Number { field, number };
        let binding = Self {
            resource: AclResource::from_number(raw.resource)
                .ok_or_else(|| invalid("resourceType", raw.resource))?,
            pattern: AclPattern::from_number(raw.pattern)
                .ok_or_else(|| invalid("patternType", raw.pattern))?,
            operation: AclOperation::from_number(raw.operation)
                .ok_or_else(|| invalid("operation", raw.operation))?,
            permission: AclPermission::from_number(raw.permission)
                .ok_or_else(|| invalid("permissionType", raw.permission))?,
            name: checked("resource name", raw.name)?,
            principal: checked("principal", raw.principal)?,
            host: checked("host", raw.host)?,
        };
        if binding.name.is_empty() {
            return Err(AclRefusal::NoName);
        }
        if binding.resource == AclResource::Cluster && binding.name != CLUSTER_NAME {
            return Err(AclRefusal::ClusterName);
        }
        if !binding.principal.contains(':') {
            return Err(AclRefusal::Principal { principal: binding.principal });
        }
        Ok(binding)
    }
}

fn checked(field: &'static str, text: &str) -> Result<String, AclRefusal> {
    match text.len() {
        0..=ACL_TEXT_BYTES_MAX => Ok(text.to_owned()),
        bytes => Err(AclRefusal::TooLong { field, bytes }),
    }
}

impl fmt::Display for AclBinding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, name, pattern, principal, host, operation, permission } = self;
        let star = if *pattern == AclPattern::Prefixed { "*" } else { "" };
        write!(out, "{permission} {principal} {operation} on {resource} {name}{star}")?;
        if host == WILDCARD { Ok(()) } else { write!(out, " from {host}") }
    }
}

/// What every cluster is called in rules.
pub const CLUSTER_NAME: &str = "kafka-cluster";
/// Any resource, and any host.
pub const WILDCARD: &str = "*";
/// Any user.
pub const EVERYBODY: &str = "User:*";

/// Most rules that are kept.
pub const ACLS_MAX: usize = 20_000;
/// Longest name, principal or host, in bytes.
pub const ACL_TEXT_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests;
