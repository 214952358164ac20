use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::AsyncFnOnce;

use kafka_wire::partition::TopicPartition;
use mirror_shard::buffer_pool::ShardBuffers;
use mirror_shard::limits::ShardLimits;
use mirror_shard::op::{FileOutcome, IndexKind};

use super::*;
use crate::slab::Slab;
use crate::test_directory::TestDirectory;

const SLOT: PartitionSlot = PartitionSlot(0);
const MIB: u32 = 1 << 20;
const SHARD_BUFFERS: usize = 4;

/// An executor on a ring, with buffers, in a directory of its own.
struct Bench {
    executor: Executor,
    record: Vec<BufferLease>,
    completions: VecDeque<Completion>,
    directory: PathBuf,
}

/// Runs `test` on a ring; all buffers must be home afterwards.
fn on_a_ring(test: impl AsyncFnOnce(&mut Bench)) {
    let directory = TestDirectory::new();
    let limits = ShardLimits {
        record_buffer_count: 4,
        recent_buffer_count: 2,
        connection_count_max: 1,
        ..ShardLimits::default()
    };
    let (slab, mut buffers) = Slab::new(&limits).unwrap();
    let config = ExecutorConfig {
        data_dir: directory.path().to_owned(),
        connection_count_max: 4,
        open_files_max: 8,
        reuse_files: true,
        recent: Arc::new(KeptBuffers::new(buffers.record.split_off(SHARD_BUFFERS))),
        helpers_mask: CpuMask::current().unwrap(),
    };
    let record = tokio_uring::start(async {
        let mut bench = Bench {
            executor: Executor::new(config),
            record: buffers.record,
            completions: VecDeque::new(),
            directory: directory.path().join("orders-0"),
        };
        std::fs::create_dir(&bench.directory).unwrap();
        bench.executor.files.bind(SLOT, bench.directory.clone());
        test(&mut bench).await;
        assert_eq!(bench.executor.in_flight(), 0);
        bench.record.append(&mut bench.executor.recent.take_back());
        bench.record
    });
    slab.release(ShardBuffers { record, frame: buffers.frame }).unwrap();
}

impl Bench {
    fn submit(&mut self, op: Op) {
        self.executor.submit(&mut vec![op]);
    }

    async fn next(&mut self) -> Completion {
        loop {
            let mut ready = Vec::new();
            self.executor.take_completions(&mut ready);
            self.completions.extend(ready);
            if let Some(completion) = self.completions.pop_front() {
                return completion;
            }
            let executor = &mut self.executor;
            std::future::poll_fn(|context| match executor.poll(context) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
    }

    /// A buffer whose bytes tell their place and `seed`.
    fn filled(&mut self, seed: u32) -> BufferLease {
        let mut lease = self.record.pop().unwrap();
        for (place, byte) in lease.bytes_mut().iter_mut().enumerate() {
            *byte = pattern(seed, place);
        }
        lease
    }

    fn write(&mut self, chunk: u64, position: u64, range: Range, mode: WriteMode) {
        let buffer = self.filled(u32::try_from(chunk).unwrap());
        let Range { start, end } = range;
        let segment = Offset::ZERO;
        let finishes_from = Some(start);
        self.submit(Op::Write {
            slot: SLOT,
            segment,
            chunk,
            position,
            buffer,
            start,
            end,
            mode,
            finishes_from,
        });
    }

    async fn written(&mut self) -> (u64, io::Result<()>) {
        let Completion::Written { slot, chunk, buffer, result } = self.next().await else {
            panic!("not the end of a write");
        };
        assert_eq!(slot, SLOT);
        self.record.push(buffer);
        (chunk, result)
    }

    fn log(&self) -> Vec<u8> {
        std::fs::read(self.directory.join("00000000000000000000.log")).unwrap()
    }

    /// A connection and the peer's end of it.
    async fn connected(&mut self, id: ConnectionId) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = BrokerAddress { host: "127.0.0.1".into(), port };
        self.submit(Op::Connect { connection: id, address });
        let end = self.next().await;
        assert!(matches!(end, Completion::Connected { result: Ok(()), .. }), "{end:?}");
        listener.accept().unwrap().0
    }

    async fn received(&mut self) -> io::Result<u32> {
        let Completion::Received { buffer, result, .. } = self.next().await else {
            panic!("not the end of a receive");
        };
        self.record.push(buffer);
        result
    }
}

fn pattern(seed: u32, place: usize) -> u8 {
    u8::try_from((usize::try_from(seed).unwrap() * 31 + place / 7) % 251).unwrap()
}

fn expected(seed: u32, range: Range) -> Vec<u8> {
    (range.start..range.end).map(|place| pattern(seed, usize::try_from(place).unwrap())).collect()
}

const CONNECTION: ConnectionId = ConnectionId { index: 0, generation: 1 };

mod connections;
mod files;
mod steady_state;
