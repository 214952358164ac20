use super::{CpuSplit, parse};

#[test]
fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
    let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 1 0 100 0 0";
    assert_eq!(parse(line).unwrap(), ("a) b (c".to_owned(), 42));
    assert!(parse("7 (a) S 1").is_err());
    assert!(parse("").is_err());
}

#[test]
fn a_busy_thread_of_the_source_is_not_counted_as_the_mirrors() {
    let before = CpuSplit::now().unwrap();
    let (done, is_done) = std::sync::mpsc::channel();
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let thread =
        std::thread::Builder::new().name(crate::demo::SOURCE_THREAD.to_owned()).spawn(move || {
            let mut number = 1_u64;
            while CpuSplit::now().unwrap().source_seconds < before.source_seconds + 0.05 {
                for _ in 0..1_000_000 {
                    number = std::hint::black_box(number.wrapping_mul(31));
                }
            }
            done.send(()).unwrap();
            hold.recv().unwrap_err();
        });
    is_done.recv().unwrap();
    assert!(CpuSplit::now().unwrap().since(before).source_seconds >= 0.05);
    drop(release);
    thread.unwrap().join().unwrap();
}
