use super::*;
use crate::acl::tests::acl;

fn named(name: &str) -> AclBinding {
    acl(|acl| acl.name = name.to_owned())
}

fn of_mirrors(names: &[&str]) -> AclOrigin {
    AclOrigin::Mirrors(names.iter().filter_map(|name| MirrorName::parse(name)).collect())
}

#[test]
fn a_rule_is_there_once_and_stays_whose_it_was() {
    let mut table = AclTable::default();
    assert_eq!(table.create(named("orders")), Ok(true));
    assert_eq!(table.create(named("orders")), Ok(false));
    assert_eq!(table.restore(named("notes"), of_mirrors(&["from-a"])), Ok(true));
    assert_eq!(table.create(named("notes")), Ok(false));
    assert_eq!(table.origin(&named("notes")), Some(&of_mirrors(&["from-a"])));
    assert_eq!(table.acls().len(), 2);
}

#[test]
fn what_is_meant_is_deleted_and_told() {
    let mut table = AclTable::default();
    for name in ["a", "b", "c"] {
        table.create(named(name)).unwrap();
    }
    let filter = AclFilter { name: Some("b".to_owned()), ..AclFilter::default() };
    assert_eq!(table.delete(&filter), [named("b")]);
    assert_eq!(table.delete(&filter), []);
    assert_eq!(table.delete(&AclFilter::default()), [named("a"), named("c")]);
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let mut table = AclTable::default();
    for index in 0..ACLS_MAX {
        table.create(named(&format!("topic-{index}"))).unwrap();
    }
    assert_eq!(table.create(named("topic-0")), Ok(false));
    assert_eq!(table.create(named("more")), Err(AclRefusal::TooMany { count: ACLS_MAX }));
}
