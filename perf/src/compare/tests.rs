use super::*;

#[test]
fn an_unknown_scenario_is_told_with_those_there_are() {
    assert_eq!(chosen(&[]).unwrap()[0].name, "8-partitions");
    assert_eq!(chosen(&["1-partition".to_owned()]).unwrap()[0].partitions, 1);
    let refused = chosen(&["9-partitions".to_owned()]).unwrap_err().to_string();
    assert!(refused.contains("9-partitions") && refused.contains("1000-partitions"), "{refused}");
}

#[test]
fn a_build_that_is_given_its_cores_keeps_them() {
    let options = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(with_core(Vec::new(), 3), ["--cores", "3"]);
    assert_eq!(with_core(options("--buffered"), 3), ["--buffered", "--cores", "3"]);
    assert_eq!(with_core(options("--cores 0-1"), 3), ["--cores", "0-1"]);
    assert_eq!(with_core(options("--cores=0-1"), 3), ["--cores=0-1"]);
}
