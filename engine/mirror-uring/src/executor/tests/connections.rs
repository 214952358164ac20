use super::*;

#[test]
fn bytes_go_both_ways_through_leased_buffers() {
    on_a_ring(async |bench| {
        let mut peer = bench.connected(CONNECTION).await;
        let buffer = bench.filled(5);
        bench.submit(Op::Send { connection: CONNECTION, buffer, end: MIB });
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; usize::try_from(MIB).unwrap()];
            peer.read_exact(&mut all).unwrap();
            peer.write_all(b"ans").unwrap();
            peer.write_all(b"wer").unwrap();
            (peer, all)
        });
        let Completion::Sent { buffer, result, .. } = bench.next().await else {
            panic!("not the end of a send");
        };
        result.unwrap();
        bench.submit(Op::Receive { connection: CONNECTION, buffer, start: 100, end: 106 });
        let Completion::Received { buffer, result, .. } = bench.next().await else {
            panic!("not the end of a receive");
        };
        assert_eq!(result.unwrap(), 6, "records are received until the range is full");
        assert_eq!(&buffer.bytes()[100..106], b"answer");
        assert_eq!(buffer.bytes()[99], pattern(5, 99), "bytes before the range are untouched");
        assert_eq!(buffer.bytes()[106], pattern(5, 106), "bytes behind it too");
        bench.record.push(buffer);
        let (_peer, all) = reader.join().unwrap();
        assert!(all == expected(5, Range { start: 0, end: MIB }));
        bench.submit(Op::Disconnect { connection: CONNECTION });
        assert!(matches!(bench.next().await, Completion::Disconnected { .. }));
    });
}

#[test]
fn a_disconnect_ends_a_receive_in_flight_first() {
    on_a_ring(async |bench| {
        let _peer = bench.connected(CONNECTION).await;
        let buffer = bench.record.pop().unwrap();
        bench.submit(Op::Receive { connection: CONNECTION, buffer, start: 0, end: 9 });
        // Once around: the kernel has the receive before the connection goes down.
        bench.executor.turn();
        let executor = &mut bench.executor;
        std::future::poll_fn(|context| {
            if executor.poll(context) && !executor.is_turning() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        assert_eq!(bench.executor.in_flight(), 1);
        bench.submit(Op::Disconnect { connection: CONNECTION });
        assert_eq!(bench.received().await.unwrap(), 0);
        assert!(matches!(bench.next().await, Completion::Disconnected { .. }));
    });
}

#[test]
fn a_closed_peer_is_a_receive_of_nothing_and_a_send_that_fails() {
    on_a_ring(async |bench| {
        let peer = bench.connected(CONNECTION).await;
        peer.shutdown(Shutdown::Both).unwrap();
        drop(peer);
        let buffer = bench.record.pop().unwrap();
        bench.submit(Op::Receive { connection: CONNECTION, buffer, start: 0, end: 9 });
        assert_eq!(bench.received().await.unwrap(), 0);
        let mut failed = false;
        for _ in 0..64 {
            let buffer = bench.record.pop().unwrap();
            bench.submit(Op::Send { connection: CONNECTION, buffer, end: MIB });
            let Completion::Sent { buffer, result, .. } = bench.next().await else {
                panic!("not the end of a send");
            };
            bench.record.push(buffer);
            failed |= result.is_err();
        }
        assert!(failed);
        bench.submit(Op::Disconnect { connection: CONNECTION });
        assert!(matches!(bench.next().await, Completion::Disconnected { .. }));
    });
}

#[test]
fn a_refused_connect_says_so() {
    on_a_ring(async |bench| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = BrokerAddress { host: "127.0.0.1".into(), port };
        bench.submit(Op::Connect { connection: CONNECTION, address });
        let Completion::Connected { result, .. } = bench.next().await else {
            panic!("not the end of a connect");
        };
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        bench.submit(Op::Disconnect { connection: CONNECTION });
        assert!(matches!(bench.next().await, Completion::Disconnected { .. }));
    });
}

#[test]
fn a_disconnect_ends_a_connect_at_once_and_its_late_socket_is_dropped() {
    on_a_ring(async |bench| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = BrokerAddress { host: "127.0.0.1".into(), port };
        bench.submit(Op::Connect { connection: CONNECTION, address });
        bench.submit(Op::Disconnect { connection: CONNECTION });
        let end = bench.next().await;
        assert!(matches!(end, Completion::Connected { result: Err(_), .. }), "{end:?}");
        assert!(matches!(bench.next().await, Completion::Disconnected { .. }));
        let (mut peer, _) = listener.accept().unwrap();
        let executor = &mut bench.executor;
        std::future::poll_fn(|context| match executor.poll(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        assert_eq!(peer.read(&mut [0; 4]).unwrap(), 0, "the late socket is closed");
        assert!(bench.executor.completions.is_empty());
    });
}

#[test]
fn operations_on_a_connection_that_is_not_there_give_their_buffers_back() {
    on_a_ring(async |bench| {
        let buffer = bench.record.pop().unwrap();
        bench.submit(Op::Receive { connection: CONNECTION, buffer, start: 0, end: 9 });
        assert_eq!(bench.received().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
        let buffer = bench.record.pop().unwrap();
        bench.submit(Op::Send { connection: CONNECTION, buffer, end: 9 });
        let Completion::Sent { buffer, result, .. } = bench.next().await else {
            panic!("not the end of a send");
        };
        bench.record.push(buffer);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn an_unknown_host_fails_the_connect() {
    on_a_ring(async |bench| {
        let address = BrokerAddress { host: "no-such-host.invalid".into(), port: 9092 };
        bench.submit(Op::Connect { connection: CONNECTION, address });
        let end = bench.next().await;
        assert!(matches!(end, Completion::Connected { result: Err(_), .. }), "{end:?}");
    });
}
