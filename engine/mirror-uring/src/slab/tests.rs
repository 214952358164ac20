use super::*;

fn small() -> ShardLimits {
    ShardLimits { record_buffer_count: 8, connection_count_max: 2, ..ShardLimits::default() }
}

#[test]
fn buffers_are_aligned_disjoint_zeroed_and_of_the_named_sizes() {
    let (slab, buffers) = Slab::new(&small()).unwrap();
    assert_eq!(buffers.record.len(), 8);
    assert_eq!(buffers.frame.len(), widen(small().frame_buffer_count()));
    assert_eq!(buffers.record[0].bytes().as_ptr().addr() % HUGE_PAGE_BYTES, 0);
    let mut end = 0;
    for (number, lease) in buffers.record.iter().chain(&buffers.frame).enumerate() {
        let start = lease.bytes().as_ptr().addr();
        assert_eq!(widen(lease.index()), number);
        assert_eq!(start % 4096, 0);
        assert!(start >= end, "buffer {number} overlaps the one before");
        assert!(lease.bytes().iter().all(|byte| *byte == 0));
        end = start + lease.bytes().len();
    }
    assert!(buffers.record.iter().all(|lease| lease.bytes().len() == 1 << 20));
    assert!(buffers.frame.iter().all(|lease| lease.bytes().len() == 64 << 10));
    assert_eq!(u64::try_from(slab.bytes()).unwrap(), small().slab_bytes());
    slab.release(buffers).unwrap();
}

#[test]
fn huge_pages_back_the_slab_where_the_system_grants_them() {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    let (slab, buffers) = Slab::new(&small()).unwrap();
    let huge_bytes = slab.huge_page_bytes().unwrap();
    if setting.is_ok_and(|text| text.contains("[madvise]") || text.contains("[always]")) {
        assert!(huge_bytes >= 2 << 20, "no huge page although the system grants them");
    } else {
        assert_eq!(huge_bytes, 0);
    }
    slab.release(buffers).unwrap();
}

#[test]
fn a_slab_that_misses_a_buffer_is_leaked_and_says_so() {
    let (slab, mut buffers) = Slab::new(&small()).unwrap();
    let mut kept = buffers.record.pop().unwrap();
    let expected = buffers.record.len() + buffers.frame.len() + 1;
    assert_eq!(slab.release(buffers), Err(BuffersMissing { missing: 1, expected }));
    kept.bytes_mut().fill(7);
    assert!(kept.bytes().iter().all(|byte| *byte == 7));
}

#[test]
fn huge_pages_are_counted_in_the_areas_that_overlap_only() {
    let smaps = "1000-3000 rw-p 00000000 00:00 0 \nAnonHugePages:      8 kB\n\
                 3000-5000 rw-p 00000000 00:00 0 \nAnonHugePages:     16 kB\nVmFlags: rd wr\n\
                 5000-6000 rw-p 00000000 00:00 0 \nAnonHugePages:     32 kB\n";
    assert_eq!(anon_huge_bytes(smaps, 0x3000, 0x5000), 16 << 10);
    assert_eq!(anon_huge_bytes(smaps, 0x2000, 0x5001), 56 << 10);
    assert_eq!(anon_huge_bytes(smaps, 0x6000, 0x7000), 0);
}
