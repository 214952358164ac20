//! The rules that are kept, each with where it came from.

use std::collections::{BTreeMap, BTreeSet};

use super::acl_filter::AclFilter;
use super::{ACLS_MAX, AclBinding, AclRefusal};
use crate::mirror_name::MirrorName;

/// Rules by what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclTable {
    pub(super) origins: BTreeMap<AclBinding, AclOrigin>,
}

/// Who has a rule be here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AclOrigin {
    /// Somebody who asked this node for it. No mirror removes it.
    Local,
    /// Mirrors, whose sources have it: it goes when the last of them lets go of it. Never empty.
    Mirrors(BTreeSet<MirrorName>),
}

impl AclTable {
    /// All rules, in order.
    pub fn acls(&self) -> impl ExactSizeIterator<Item = &AclBinding> {
        self.origins.keys()
    }

    /// All rules with where they came from, in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&AclBinding, &AclOrigin)> {
        self.origins.iter()
    }

    /// The rules that are meant, in order.
    pub fn matching<'a>(&'a self, filter: &'a AclFilter) -> impl Iterator<Item = &'a AclBinding> {
        self.acls().filter(|acl| filter.matches(acl))
    }

    /// Where a rule came from, when there is such a rule.
    #[must_use]
    pub fn origin(&self, acl: &AclBinding) -> Option<&AclOrigin> {
        self.origins.get(acl)
    }

    /// Adds a rule as it is kept; says whether it is new.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn restore(&mut self, acl: AclBinding, origin: AclOrigin) -> Result<bool, AclRefusal> {
        if self.origins.contains_key(&acl) {
            return Ok(false);
        }
        let count = self.origins.len();
        if count >= ACLS_MAX {
            return Err(AclRefusal::TooMany { count });
        }
        self.origins.insert(acl, origin);
        Ok(true)
    }

    /// Adds a rule that somebody asked this node for; says whether it is new. One that a mirror
    /// brought stays the mirror's, as a rule that exists is left as it is by Kafka.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn create(&mut self, acl: AclBinding) -> Result<bool, AclRefusal> {
        self.restore(acl, AclOrigin::Local)
    }

    /// Removes the rules that are meant, whoever had them be here.
    pub fn delete(&mut self, filter: &AclFilter) -> Vec<AclBinding> {
        let gone: Vec<_> = self.matching(filter).cloned().collect();
        for acl in &gone {
            self.origins.remove(acl);
        }
        gone
    }
}

#[cfg(test)]
mod tests;
