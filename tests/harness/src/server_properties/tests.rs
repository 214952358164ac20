use std::collections::BTreeSet;
use std::fs;

use super::{ServerProperties, free_ports, random_id};
use crate::temp_dir::TempDir;

#[test]
fn properties_come_back_as_written_and_the_later_value_wins() {
    let temp_dir = TempDir::new("properties").unwrap();
    let path = temp_dir.join("server.properties");
    let mut properties = ServerProperties::default();
    properties.set("node.id", "1");
    properties.set("log.dirs", "/a=b");
    properties.set("node.id", "2");
    properties.write(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "node.id=2\nlog.dirs=/a=b\n");
    assert_eq!(ServerProperties::read(&path).unwrap(), properties);
}

#[test]
fn a_line_without_an_assignment_is_refused_with_its_text() {
    let temp_dir = TempDir::new("properties").unwrap();
    let path = temp_dir.join("server.properties");
    fs::write(&path, "# comment\n\nnode.id 1\n").unwrap();
    let error = ServerProperties::read(&path).unwrap_err().to_string();
    assert_eq!(error, format!("no assignment in {}: node.id 1", path.display()));
}

#[test]
fn ports_are_different_and_below_those_for_outgoing_connections() {
    let ports: BTreeSet<u16> = free_ports(8).unwrap().into_iter().collect();
    assert_eq!(ports.len(), 8);
    assert!(ports.iter().all(|port| (20_000..32_000).contains(port)), "{ports:?}");
}

#[test]
fn ids_have_the_form_that_kafka_accepts() {
    for _ in 0..100 {
        let id = random_id().unwrap();
        assert_eq!(id.len(), 22);
        assert!(!id.starts_with('-'), "{id}");
    }
}
