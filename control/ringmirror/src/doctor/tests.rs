use mirror_uring::probe::{DirectoryFacts, MachineFacts, RingFacts};

use super::{Level, file_system, kernel, machine_findings, ring};

fn good() -> MachineFacts {
    MachineFacts {
        kernel_release: "6.8.0-49-generic".to_owned(),
        ring: RingFacts::Usable,
        ring_disabled: Some(0),
        locked_memory_bytes_max: Some(u64::MAX),
        open_files_max: Some(65_536),
        huge_pages: Some("madvise".to_owned()),
        cpus: vec![0, 1],
        memory_available_bytes: Some(8 << 30),
    }
}

#[test]
fn a_good_machine_has_nothing_to_fix() {
    let findings = machine_findings(&good());
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
    assert!(findings.iter().all(|finding| finding.fix.is_empty()));
}

#[test]
fn less_memory_than_a_node_may_take_is_a_warning_that_names_the_setting() {
    let short = MachineFacts { memory_available_bytes: Some(1 << 30), ..good() };
    let findings = machine_findings(&short);
    let warnings: Vec<_> = findings.iter().filter(|one| one.level == Level::Warning).collect();
    let [memory] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(memory.found.contains("1.00 GiB available"), "{memory:?}");
    assert!(memory.found.contains("up to 1.50 GiB"), "{memory:?}");
    assert!(memory.fix.contains("memory_bytes_max"), "{memory:?}");
}

#[test]
fn everything_wrong_comes_with_its_fix() {
    let bad = MachineFacts {
        kernel_release: "5.15.0".to_owned(),
        ring: RingFacts::Refused { error_code: Some(1), reason: "not permitted".to_owned() },
        ring_disabled: Some(2),
        locked_memory_bytes_max: Some(65_536),
        open_files_max: Some(256),
        huge_pages: Some("never".to_owned()),
        cpus: Vec::new(),
        memory_available_bytes: Some(1 << 20),
    };
    for finding in machine_findings(&bad) {
        assert_ne!(finding.level, Level::Ok, "{finding:?}");
        assert!(!finding.fix.is_empty(), "{finding:?}");
    }
    assert!(ring(&bad.ring, Some(2)).fix.contains("io_uring_disabled=0"));
    assert!(ring(&bad.ring, Some(0)).fix.contains("seccomp"));
}

#[test]
fn a_refused_ring_is_told_by_its_code_and_the_fix_is_not_in_the_finding() {
    let refused = |code| {
        let reason = "reason: set sysctl kernel.io_uring_disabled=0, seccomp".to_owned();
        ring(&RingFacts::Refused { error_code: Some(code), reason }, Some(0))
    };
    let memory = refused(rustix::io::Errno::NOMEM.raw_os_error());
    assert!(memory.fix.contains("ulimit -l unlimited"), "{memory:?}");
    assert!(memory.fix.contains("LimitMEMLOCK=infinity"), "{memory:?}");
    assert!(!memory.fix.contains("seccomp"), "{memory:?}");
    let forbidden = refused(rustix::io::Errno::PERM.raw_os_error());
    assert!(forbidden.fix.contains("seccomp"), "{forbidden:?}");
    assert!(!forbidden.found.contains("seccomp"), "{forbidden:?}");
    assert!(!forbidden.found.contains("sysctl"), "{forbidden:?}");
}

#[test]
fn kernels_are_compared_by_number() {
    assert_eq!(kernel("10.0").level, Level::Ok);
    assert_eq!(kernel("5.19.0").level, Level::Problem);
    assert_eq!(kernel("strange").level, Level::Warning);
}

#[test]
fn memory_is_not_taken_for_a_disk() {
    let facts = |file_system: &str, direct_write_bytes_min| DirectoryFacts {
        file_system: Some(file_system.to_owned()),
        direct_write_bytes_min,
        can_replace_durably: true,
    };
    let levels = |facts| file_system(&facts).iter().map(|f| f.level).collect::<Vec<_>>();
    assert_eq!(levels(facts("ext4", Some(512))), [Level::Ok, Level::Ok, Level::Ok]);
    assert_eq!(levels(facts("tmpfs", None)), [Level::Warning, Level::Warning, Level::Ok]);
}
