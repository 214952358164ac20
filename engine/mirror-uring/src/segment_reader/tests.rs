use std::io::Write as _;

use super::*;
use crate::test_directory::TestDirectory;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// A file whose every 8 bytes say where they lie.
fn numbered(directory: &TestDirectory, bytes: u64) -> Arc<File> {
    let path = directory.path().join("numbered");
    let mut file = File::create(&path).unwrap();
    let contents: Vec<u8> = (0..bytes / 8).flat_map(u64::to_be_bytes).collect();
    file.write_all(&contents).unwrap();
    Arc::new(File::open(path).unwrap())
}

#[test]
fn any_range_is_read_as_it_lies_in_the_file() {
    let directory = TestDirectory::new();
    let file = numbered(&directory, 3 << 20);
    let reader = SegmentReader::start().unwrap();
    runtime().block_on(async {
        for position in [0, 8, 4096, 4104, (1 << 20) - 8, (3 << 20) - 16] {
            let read = reader.read(&file, position, 16).await.unwrap();
            let expected: Vec<u8> =
                (position / 8..position / 8 + 2).flat_map(u64::to_be_bytes).collect();
            assert_eq!(&read[..], &expected[..], "at {position}");
        }
    });
}

#[test]
fn a_read_is_cut_at_the_buffer_and_at_the_end_of_the_file() {
    let directory = TestDirectory::new();
    let file = numbered(&directory, (2 << 20) + 24);
    let reader = SegmentReader::start().unwrap();
    runtime().block_on(async {
        let read = reader.read(&file, 8, 2 << 20).await.unwrap();
        assert_eq!(read.len(), (1 << 20) - 8);
        let read = reader.read(&file, 2 << 20, 4096).await.unwrap();
        assert_eq!(read.len(), 24);
        let error = reader.read(&file, 3 << 20, 8).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn who_finds_no_buffer_waits_until_one_is_given_back() {
    let directory = TestDirectory::new();
    let file = numbered(&directory, 1 << 20);
    let reader = SegmentReader::start().unwrap();
    runtime().block_on(async {
        let mut held = Vec::new();
        for _ in 0..READ_BUFFERS {
            held.push(reader.read(&file, 0, 8).await.unwrap());
        }
        let mut waiting = std::pin::pin!(reader.read(&file, 64, 8));
        let first = poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
        assert!(first.await.is_pending());
        held.pop();
        assert_eq!(&waiting.await.unwrap()[..], 8_u64.to_be_bytes());
    });
}
