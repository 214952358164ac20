//! What the endpoint answers, over sockets.

use std::io::{Read as _, Write as _};

use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsResponse, DescribedPartition, DescribedSync, DescribedTopic,
};

use super::*;
use crate::mirror_orders::MirrorOrder;

fn partition(state: &str, source_offset: i64, lag_ms: i64) -> DescribedPartition {
    DescribedPartition {
        partition_index: 0,
        state_value: state.to_owned(),
        error_message: None,
        retry_attempt: 0,
        source_offset,
        destination_offset: 10,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        lag_ms,
        measured_age_ms: 500,
    }
}

fn mirror() -> DescribedMirror {
    let topic = |name: &str, partition| DescribedTopic {
        topic_name: name.to_owned(),
        partitions: vec![partition],
    };
    DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: "dc\"1".to_owned(),
        source_bootstrap: None,
        source_cluster_id: None,
        authorized_operations: i32::MIN,
        topics: vec![
            topic("behind", partition("MIRRORING", 25, 2_500)),
            topic("unknown", partition("FAILED", -1, -1)),
            topic("stopped", partition("STOPPED", 1_000, 1_000_000)),
        ],
        syncs: vec![DescribedSync {
            task: "consumer-groups".to_owned(),
            success_age_ms: 1_500,
            took_ms: 20,
            in_step: 7,
            written: 40,
            error_count: 3,
            last_error: None,
            last_error_age_ms: -1,
            skipped_count: 2,
            skipped: Vec::new(),
            changed: Vec::new(),
        }],
    }
}

/// Asks an endpoint whose node tells of [`mirror`]; returns all that it says.
fn ask(request: &[u8]) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asking = {
        let request = request.to_vec();
        std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            // The other end may have left by then.
            let _ = stream.write_all(&request);
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said);
            String::from_utf8(said).unwrap()
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (orders, mut asked) = MirrorOrders::new();
        let progress = LastProgress::default();
        let bytes_received = 77;
        let news = MirrorProgress { bytes_received, ..MirrorProgress::default() };
        progress.hear(&MirrorNews::Progress(news));
        let _endpoint = MetricsEndpoint::start(listener, orders, progress).unwrap();
        while !asking.is_finished() {
            let order = timeout(Duration::from_millis(20), asked.recv()).await;
            let Ok(Some(MirrorOrder::Api { reply, .. })) = order else { continue };
            let outcome = DescribeClusterMirrorsResponse::outcome(0, None);
            let told = DescribeClusterMirrorsResponse { mirrors: vec![mirror()], ..outcome };
            reply.send(told.into()).unwrap();
        }
    });
    asking.join().unwrap()
}

#[test]
fn figures_are_told_as_prometheus_reads_them() {
    let said = ask(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    let of = "mirror=\"dc\\\"1\"";
    for line in [
        "ringmirror_received_bytes_total 77".to_owned(),
        format!("ringmirror_topics{{{of}}} 3.0"),
        format!("ringmirror_partitions{{{of},state=\"FAILED\"}} 1.0"),
        format!("ringmirror_partitions{{{of},state=\"PAUSED\"}} 0.0"),
        format!("ringmirror_lag_records_max{{{of}}} 15.0"),
        format!("ringmirror_lag_seconds_max{{{of}}} 2.5"),
        format!("ringmirror_measured_age_seconds_max{{{of}}} 0.5"),
        format!("ringmirror_partition_lag_records{{{of},topic=\"behind\",partition=\"0\"}} 15.0"),
        format!("ringmirror_partition_lag_records{{{of},topic=\"unknown\",partition=\"0\"}} -1.0"),
        format!("ringmirror_sync_errors_total{{{of},task=\"consumer-groups\"}} 3"),
        format!("ringmirror_sync_written_total{{{of},task=\"consumer-groups\"}} 40"),
        format!("ringmirror_sync_success_age_seconds{{{of},task=\"consumer-groups\"}} 1.5"),
        format!("ringmirror_sync_left_out{{{of},task=\"consumer-groups\"}} 2.0"),
        "# EOF".to_owned(),
    ] {
        assert!(body.lines().any(|found| found == line), "no {line:?} in\n{body}");
    }
}

#[test]
fn what_is_no_request_for_figures_is_refused() {
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "HTTP/1.1 404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"GET /metrics\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"\r\n\r\n", "HTTP/1.1 400 Bad Request"),
    ] {
        let said = ask(request);
        assert!(said.starts_with(status), "{said}");
    }
    let endless = [&b"GET /metrics HTTP/1.1\r\n"[..], &vec![b'x'; 100_000]].concat();
    assert_eq!(ask(&endless), "");
    assert_eq!(asked_for(b"GET /metrics?name[]=a HTTP/1.0\r\n\r\n"), Asked::Metrics);
    assert_eq!(asked_for(b"GET /metricsx HTTP/1.0\r\n\r\n"), Asked::Other);
}
