use super::*;

#[test]
fn this_machine_can_run_the_engine_and_says_what_it_is() {
    let facts = machine();
    assert_eq!(facts.ring, RingFacts::Usable);
    assert!(facts.kernel_release.starts_with(|first: char| first.is_ascii_digit()));
    assert!(!facts.cpus.is_empty());
    assert!(facts.open_files_max.is_some());
    assert!(facts.locked_memory_bytes_max.is_some());
    assert!(facts.memory_available_bytes.is_some());
}

#[test]
fn limits_are_read_from_their_lines() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                  Max open files            20000                30000                files     \n\
                  Max locked memory         unlimited            unlimited            bytes     \n";
    assert_eq!(soft_limit(limits, "Max open files"), Some(20000));
    assert_eq!(soft_limit(limits, "Max locked memory"), Some(u64::MAX));
    assert_eq!(soft_limit(limits, "Max processes"), None);
}

#[test]
fn the_chosen_setting_is_the_one_in_brackets() {
    assert_eq!(chosen("always [madvise] never"), Some("madvise"));
    assert_eq!(chosen("always madvise never"), None);
}

#[test]
fn available_memory_is_read_in_bytes() {
    let meminfo = "MemTotal:       100 kB\nMemAvailable:    7 kB\n";
    assert_eq!(memory_available(meminfo), Some(7168));
}
