//! What a mirror does to the rules here so that those of its source are among them.
//!
//! | a rule that the mirror copies | not here | asked for here | brought by others | by this one |
//! |---|---|---|---|---|
//! | is at the source | added | left alone | kept for both | nothing |
//! | is not at the source | nothing | left alone | left alone | let go of |
//!
//! A rule goes when the last mirror that brought it lets go of it (KIP-1279, Q7): one mirror never
//! removes what another one needs, and none removes what was asked for here.

use std::collections::BTreeSet;

use super::acl_table::{AclOrigin, AclTable};
use super::{AclBinding, AclPattern, AclRefusal, AclResource, WILDCARD};
use crate::mirror_name::MirrorName;

/// What is to be done, each in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclChanges {
    /// Rules that are not here.
    pub added: Vec<AclBinding>,
    /// Rules that other mirrors brought, and that this one needs as well.
    pub shared: Vec<AclBinding>,
    /// Rules that this mirror brought and needs no more, and no other mirror needs.
    pub removed: Vec<AclBinding>,
    /// Rules that this mirror brought and needs no more, and another mirror needs.
    pub left_to_others: Vec<AclBinding>,
}

impl AclChanges {
    /// True when everything is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A rule of a source whose topics have a prefix here: what it is about there, under the names of
/// here. One for all topics is one for those of this source.
#[must_use]
pub fn named_here(acl: AclBinding, prefix: &str) -> AclBinding {
    if prefix.is_empty() || acl.resource != AclResource::Topic {
        return acl;
    }
    match acl.pattern {
        AclPattern::Literal if acl.name == WILDCARD => {
            AclBinding { name: prefix.to_owned(), pattern: AclPattern::Prefixed, ..acl }
        }
        AclPattern::Literal | AclPattern::Prefixed => {
            AclBinding { name: format!("{prefix}{}", acl.name), ..acl }
        }
    }
}

impl AclTable {
    /// Compares the rules with those of a mirror's source. Nothing is done about rules that the
    /// mirror does not copy.
    #[must_use]
    pub fn plan_mirrored(
        &self,
        mirror: &MirrorName,
        at_source: &BTreeSet<AclBinding>,
        is_copied: impl Fn(&AclBinding) -> bool,
    ) -> AclChanges {
        let mut changes = AclChanges::default();
        for acl in at_source.iter().filter(|acl| is_copied(acl)) {
            match self.origin(acl) {
                None => changes.added.push(acl.clone()),
                Some(AclOrigin::Mirrors(names)) if !names.contains(mirror) => {
                    changes.shared.push(acl.clone());
                }
                Some(AclOrigin::Local | AclOrigin::Mirrors(_)) => {}
            }
        }
        for (acl, origin) in self.entries() {
            let AclOrigin::Mirrors(names) = origin else { continue };
            if names.contains(mirror) && !at_source.contains(acl) && is_copied(acl) {
                let gone = if names.len() == 1 {
                    &mut changes.removed
                } else {
                    &mut changes.left_to_others
                };
                gone.push(acl.clone());
            }
        }
        changes
    }

    /// Makes the changes that were planned on these rules; tells which there was no room for.
    pub fn make_changes(
        &mut self,
        mirror: &MirrorName,
        changes: &AclChanges,
    ) -> Vec<(AclBinding, AclRefusal)> {
        for acl in changes.removed.iter().chain(&changes.left_to_others) {
            self.let_go(mirror, acl);
        }
        for acl in &changes.shared {
            if let Some(AclOrigin::Mirrors(names)) = self.origins.get_mut(acl) {
                names.insert(mirror.clone());
            }
        }
        let mut refused = Vec::new();
        for acl in &changes.added {
            let origin = AclOrigin::Mirrors(BTreeSet::from([mirror.clone()]));
            if let Err(refusal) = self.restore(acl.clone(), origin) {
                refused.push((acl.clone(), refusal));
            }
        }
        refused
    }

    /// Forgets mirrors that are not there any more. The rules that they brought stay, since
    /// applications that moved over need them: those that no other mirror brought are this node's
    /// own from then on.
    pub fn forget_mirrors(&mut self, is_there: impl Fn(&MirrorName) -> bool) {
        for origin in self.origins.values_mut() {
            if let AclOrigin::Mirrors(names) = origin {
                names.retain(&is_there);
                if names.is_empty() {
                    *origin = AclOrigin::Local;
                }
            }
        }
    }

    fn let_go(&mut self, mirror: &MirrorName, acl: &AclBinding) {
        if let Some(AclOrigin::Mirrors(names)) = self.origins.get_mut(acl) {
            names.remove(mirror);
            if names.is_empty() {
                self.origins.remove(acl);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::acl::tests::acl;

    fn named(name: &str) -> AclBinding {
        acl(|acl| acl.name = name.to_owned())
    }

    fn mirror(name: &str) -> MirrorName {
        MirrorName::parse(name).unwrap()
    }

    fn source(names: &[&str]) -> BTreeSet<AclBinding> {
        names.iter().map(|name| named(name)).collect()
    }

    /// Looks at the source, and does what is to be done.
    fn sync(table: &mut AclTable, by: &str, at_source: &[&str]) -> AclChanges {
        let by = mirror(by);
        let changes = table.plan_mirrored(&by, &source(at_source), |_| true);
        assert!(table.make_changes(&by, &changes).is_empty());
        let again = table.plan_mirrored(&by, &source(at_source), |_| true);
        assert_eq!(again, AclChanges::default(), "nothing is left to be done");
        changes
    }

    fn names(table: &AclTable) -> Vec<&str> {
        table.acls().map(|acl| acl.name.as_str()).collect()
    }

    #[test]
    fn rules_come_and_go_with_those_of_the_source() {
        let mut table = AclTable::default();
        assert_eq!(sync(&mut table, "a", &["x", "y"]).added.len(), 2);
        assert_eq!(sync(&mut table, "a", &["y", "z"]).removed, [named("x")]);
        assert_eq!(names(&table), ["y", "z"]);
    }

    /// RS16, case 1: the rule was at the source and is there no more.
    #[test]
    fn a_rule_that_the_mirror_brought_goes_though_somebody_made_it_again_here() {
        let mut table = AclTable::default();
        sync(&mut table, "a", &["x"]);
        assert_eq!(table.create(named("x")), Ok(false));
        sync(&mut table, "a", &[]);
        assert_eq!(names(&table), [] as [&str; 0]);
    }

    /// RS16, case 2: the rule never was at the source; and one that was here before it was there.
    #[test]
    fn a_rule_that_was_made_here_stays() {
        let mut table = AclTable::default();
        table.create(named("x")).unwrap();
        table.create(named("y")).unwrap();
        assert!(sync(&mut table, "a", &["x"]).is_empty());
        assert!(sync(&mut table, "a", &[]).is_empty());
        assert_eq!(names(&table), ["x", "y"]);
    }

    #[test]
    fn a_rule_that_two_mirrors_brought_goes_when_both_let_go() {
        let mut table = AclTable::default();
        sync(&mut table, "a", &["x"]);
        assert_eq!(sync(&mut table, "b", &["x"]).shared, [named("x")]);
        assert_eq!(sync(&mut table, "a", &[]).left_to_others, [named("x")]);
        assert_eq!(names(&table), ["x"]);
        assert_eq!(sync(&mut table, "b", &[]).removed, [named("x")]);
        assert_eq!(names(&table), [] as [&str; 0]);
    }

    #[test]
    fn rules_that_the_mirror_does_not_copy_are_left_as_they_are() {
        let mut table = AclTable::default();
        sync(&mut table, "a", &["x", "y"]);
        let changes = table.plan_mirrored(&mirror("a"), &source(&["z"]), |acl| acl.name == "x");
        assert_eq!(changes.removed, [named("x")]);
        assert_eq!(changes.added, []);
    }

    #[test]
    fn rules_for_topics_are_for_the_names_that_these_have_here() {
        for (there, here) in [
            ("TOPIC orders", "TOPIC a.orders"),
            ("TOPIC or*", "TOPIC a.or*"),
            ("TOPIC *", "TOPIC a.*"),
            ("GROUP *", "GROUP *"),
        ] {
            let (kind, name) = there.split_once(' ').unwrap();
            let acl = acl(|acl| {
                acl.resource = AclResource::from_name(kind).unwrap();
                name.strip_suffix('*').unwrap_or(name).clone_into(&mut acl.name);
                if name == WILDCARD {
                    acl.name = name.to_owned();
                } else if name.ends_with('*') {
                    acl.pattern = AclPattern::Prefixed;
                }
            });
            assert_eq!(named_here(acl.clone(), ""), acl);
            let told = named_here(acl, "a.").to_string();
            assert!(told.ends_with(&format!("on {here}")), "{told}");
        }
    }

    #[test]
    fn rules_of_a_mirror_that_is_gone_stay() {
        let mut table = AclTable::default();
        sync(&mut table, "a", &["x", "y"]);
        sync(&mut table, "b", &["y"]);
        table.forget_mirrors(|name| *name == mirror("b"));
        assert_eq!(table.origin(&named("x")), Some(&AclOrigin::Local));
        sync(&mut table, "b", &[]);
        assert_eq!(names(&table), ["x"]);
    }

    proptest! {
        /// Whatever mirrors see and operators make, mirrors never go on changing things for each
        /// other, and what was made here stays.
        #[test]
        fn mirrors_settle_and_leave_what_is_local(
            local in prop::collection::btree_set(0..6_u8, 0..4),
            first in prop::collection::btree_set(0..6_u8, 0..5),
            second in prop::collection::btree_set(0..6_u8, 0..5),
            later in prop::collection::btree_set(0..6_u8, 0..5),
        ) {
            let all = |set: &BTreeSet<u8>| -> BTreeSet<AclBinding> {
                set.iter().map(|number| named(&number.to_string())).collect()
            };
            let mut table = AclTable::default();
            for acl in all(&local) {
                table.create(acl).unwrap();
            }
            for (by, at_source) in [("a", &first), ("b", &second), ("a", &later), ("b", &second)] {
                let changes = table.plan_mirrored(&mirror(by), &all(at_source), |_| true);
                table.make_changes(&mirror(by), &changes);
            }
            for (by, at_source) in [("a", &later), ("b", &second)] {
                let left = table.plan_mirrored(&mirror(by), &all(at_source), |_| true);
                prop_assert!(left.is_empty());
            }
            let expected: BTreeSet<u8> =
                local.iter().chain(&later).chain(&second).copied().collect();
            prop_assert_eq!(table.acls().cloned().collect::<BTreeSet<_>>(), all(&expected));
        }
    }
}
