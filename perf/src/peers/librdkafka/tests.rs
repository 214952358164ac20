use std::path::Path;

use super::*;

#[test]
fn the_last_line_of_the_program_counts() {
    let line = r#"{"records": 7, "cpu_seconds": 1.250000, "resident_kib_max": 2048}"#;
    let told = Told::parse(&format!("%3|warning|\n{line}\n")).unwrap();
    assert_eq!((told.records, told.resident_kib_max), (7, 2048));
    assert_eq!(told.cpu_seconds.to_string(), "1.25");
    assert!(Told::parse("").is_err());
    assert!(Told::parse("no records").unwrap_err().to_string().contains("no records"));
}

#[test]
fn the_library_of_a_wheel_is_known_by_its_name() {
    assert!(is_librdkafka(Path::new("libs/librdkafka-0cb94173.so.1")));
    assert!(!is_librdkafka(Path::new("libs/libsasl2-5e0.so.3")));
    assert!(!is_librdkafka(Path::new("libs/librdkafka.txt")));
}
