use super::*;
use crate::counting_allocator::allocation_count;

const RESPONSE_BYTES: u32 = 64 << 10;
const WARM_UP_COUNT: u64 = 50;
const RESPONSE_COUNT: u64 = 500;

/// Waits for completions without allocating.
async fn wait(executor: &mut Executor, into: &mut Vec<Completion>) {
    while into.is_empty() {
        std::future::poll_fn(|context| match executor.poll(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        executor.take_completions(into);
    }
}

/// Response number `chunk`, to its place behind the others.
fn write(chunk: u64, buffer: BufferLease) -> Op {
    Op::Write {
        slot: SLOT,
        segment: Offset::ZERO,
        chunk,
        position: chunk * u64::from(RESPONSE_BYTES),
        buffer,
        start: 0,
        end: RESPONSE_BYTES,
        mode: WriteMode::Direct,
        finishes_from: Some(0),
    }
}

#[test]
fn a_response_is_asked_for_received_and_written_without_allocating() {
    on_a_ring(async |bench| {
        let mut peer = bench.connected(CONNECTION).await;
        let server = std::thread::spawn(move || {
            let (mut request, response) = ([0; 100], vec![7; 64 << 10]);
            while peer.read_exact(&mut request).is_ok() {
                peer.write_all(&response).unwrap();
            }
        });
        let executor = &mut bench.executor;
        let (mut ops, mut ends) = (Vec::new(), Vec::new());
        let connection = CONNECTION;
        let mut home = bench.record.pop();
        let mut counted_from = 0;
        for chunk in 0..WARM_UP_COUNT + RESPONSE_COUNT {
            if chunk == WARM_UP_COUNT {
                counted_from = allocation_count();
            }
            let buffer = home.take().unwrap();
            ops.push(Op::Send { connection, buffer, end: 100 });
            let mut is_written = false;
            let mut received = 0;
            while !is_written {
                executor.submit(&mut ops);
                executor.take_completions(&mut ends);
                wait(executor, &mut ends).await;
                for end in ends.drain(..) {
                    let (next, buffer) = match end {
                        Completion::Sent { buffer, .. } => (0, buffer),
                        Completion::Received { buffer, result, .. } => {
                            (received + result.unwrap(), buffer)
                        }
                        Completion::Written { buffer, result, .. } => {
                            result.unwrap();
                            is_written = true;
                            home = Some(buffer);
                            continue;
                        }
                        other => panic!("unexpected {other:?}"),
                    };
                    received = next;
                    let (start, end) = (received, RESPONSE_BYTES);
                    ops.push(if received < RESPONSE_BYTES {
                        Op::Receive { connection, buffer, start, end }
                    } else {
                        write(chunk, buffer)
                    });
                }
            }
        }
        assert!(counted_from > 0, "the allocator counts nothing");
        assert_eq!(allocation_count() - counted_from, 0, "in {RESPONSE_COUNT} responses");
        bench.record.extend(home);
        bench.submit(Op::Disconnect { connection });
        assert!(matches!(bench.next().await, Completion::Disconnected { .. }));
        server.join().unwrap();
        let written = u64::try_from(bench.log().len()).unwrap();
        assert_eq!(written, (WARM_UP_COUNT + RESPONSE_COUNT) * u64::from(RESPONSE_BYTES));
    });
}
