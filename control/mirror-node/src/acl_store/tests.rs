use std::fs;

use mirror_coordinator::acl::acl_filter::AclFilter;

use super::*;
use crate::test_directory::TestDirectory;

fn new_directory() -> TestDirectory {
    let directory = TestDirectory::new();
    fs::create_dir(&directory.0).unwrap();
    directory
}

fn acl(name: &str) -> AclBinding {
    AclBinding {
        resource: AclResource::Topic,
        name: name.to_owned(),
        pattern: AclPattern::Prefixed,
        principal: "User:a \"quoted\" name".to_owned(),
        host: "*".to_owned(),
        operation: AclOperation::DescribeConfigs,
        permission: AclPermission::Deny,
    }
}

fn origin(mirrors: &[&str]) -> AclOrigin {
    AclOrigin::Mirrors(mirrors.iter().map(|name| MirrorName::parse(name).unwrap()).collect())
}

#[test]
fn rules_outlive_the_process_with_where_they_came_from() {
    let directory = new_directory();
    let store = AclStore::open(&directory.0).unwrap();
    assert_eq!(store.current().table, AclTable::default());
    let written = store.change(|table| {
        table.create(acl("orders")).unwrap();
        table.restore(acl("notes"), origin(&["from-a", "from-b"])).unwrap()
    });
    assert!(written.unwrap());
    let again = AclStore::open(&directory.0).unwrap();
    assert_eq!(again.current().table, store.current().table);
    let entries: Vec<_> = again.current().table.entries().map(|(_, from)| from.clone()).collect();
    assert_eq!(entries, [origin(&["from-a", "from-b"]), AclOrigin::Local]);
}

#[test]
fn what_changes_nothing_is_not_written() {
    let directory = new_directory();
    let store = AclStore::open(&directory.0).unwrap();
    assert!(store.change(|table| table.delete(&AclFilter::default())).unwrap().is_empty());
    assert!(!directory.0.join(FILE_NAME).exists());
}

#[test]
fn a_change_that_cannot_be_written_is_not_made() {
    let directory = new_directory();
    let store = AclStore::open(&directory.0).unwrap();
    fs::remove_dir_all(&directory.0).unwrap();
    assert!(store.change(|table| table.create(acl("orders"))).is_err());
    fs::create_dir(&directory.0).unwrap();
    assert_eq!(store.current().table, AclTable::default());
}

#[test]
fn files_that_nobody_writes_are_refused() {
    let good = String::from_utf8(encode(&{
        let mut table = AclTable::default();
        table.create(acl("orders")).unwrap();
        table
    }))
    .unwrap();
    assert!(parse(good.as_bytes()).is_ok());
    for (from, to) in [
        ("\"format_version\": 1", "\"format_version\": 2"),
        ("TOPIC", "TROPIC"),
        ("PREFIXED", "MATCH"),
        ("DENY", "ANY"),
        ("\"User:", "\"User "),
        ("\"host\"", "\"hosts\""),
        ("{\n  ", "[\n  "),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(parse(bad.as_bytes()).is_err(), "{to}");
    }
    let (begin, end) = (good.find('[').unwrap(), good.rfind(']').unwrap());
    let entry = &good[begin + 1..end];
    let twice = format!("{}{entry},{entry}{}", &good[..=begin], &good[end..]);
    assert!(parse(twice.as_bytes()).unwrap_err().to_string().contains("twice"));
}
