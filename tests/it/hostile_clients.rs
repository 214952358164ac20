//! A real node against clients that want too much of it: its memory stays what it was, and others
//! are served meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::{Ringmirror, Running, TempDir};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::message::{RequestHead, decode_response, encode_request};

use crate::mirrored::SOON;
use crate::node::ends_in_time;
use crate::synthetic;

#[test]
fn idle_connections_cost_little_and_hold_back_nobody() -> Result<()> {
    let directory = TempDir::new("hostile")?;
    let data = directory.join("data");
    let mut node = Ringmirror::node(&data).spawn()?;
    let address = node.wait_serving(SOON)?;
    let mut bystander = Client::connect(&address)?;
    bystander.ask_versions()?;
    let before = resident_bytes(&node)?;
    let count = IDLE_MAX.min(files_max()?.saturating_sub(200));
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut client = Client::connect(&address)?;
        // Every one is known to the node, and has left its first request behind.
        client.ask_versions()?;
        idle.push(client);
    }
    bystander.ask_versions()?;
    let each = resident_bytes(&node)?.saturating_sub(before) / count;
    eprintln!("{count} idle connections: {each} bytes each");
    ensure!(each < IDLE_BYTES_MAX, "an idle connection takes {each} bytes of {count}");
    ends_in_time(node, &data)?;
    for client in &mut idle {
        ensure!(client.socket.read(&mut [0])? == 0, "a connection was not closed");
    }
    Ok(())
}

#[test]
fn clients_that_never_read_take_no_memory_and_hold_back_nobody() -> Result<()> {
    // One segment: an answer does not go beyond one.
    let source = synthetic::source_with(1, LOG_BYTES, |spec| spec.topics[0].configs.clear())?;
    let directory = TempDir::new("hostile")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    for is_cold in [false, true] {
        let mut node = Ringmirror::node(&mirror).spawn()?;
        let address = node.wait_serving(SOON)?;
        let mut bystander = Client::connect(&address)?;
        let whole = bystander.fetch_all()?;
        ensure!(whole as u64 > LOG_BYTES / 2, "the answer has {whole} bytes of records");
        let before = resident_bytes(&node)?;
        if is_cold {
            drop_from_memory(&mirror)?;
        }
        let mut silent = Vec::new();
        for _ in 0..SILENT {
            let mut client = Client::connect(&address)?;
            let fetches = encode_request(&head(FETCH), &fetch())?.repeat(FETCHES);
            client.socket.write_all(&fetches)?;
            silent.push(client);
        }
        for client in &mut silent {
            // The answer has begun; its rest is never read.
            client.socket.read_exact(&mut [0; 4])?;
        }
        ensure!(bystander.fetch_all()? == whole, "the bystander was given less");
        let grown = resident_bytes(&node)?.saturating_sub(before);
        let wanted = SILENT * FETCHES * whole;
        eprintln!("cold {is_cold}: {grown} bytes more, {wanted} were asked for");
        ensure!(grown < SILENT_BYTES_MAX, "cold {is_cold}: the node grew by {grown} bytes");
        ends_in_time(node, &mirror)?;
    }
    synthetic::expect_equal(&source, &mirror)
}

#[test]
fn descriptors_go_back_when_clients_leave() -> Result<()> {
    let source = synthetic::source_with(1, LOG_BYTES, |_| {})?;
    let directory = TempDir::new("hostile")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let mut node = Ringmirror::node(&mirror).spawn()?;
    let address = node.wait_serving(SOON)?;
    let mut bystander = Client::connect(&address)?;
    let whole = bystander.fetch_all()?;
    // The first round opens what is kept: segments, the ring that reads them.
    let mut kept = usize::MAX;
    for round in 0..2 {
        drop_from_memory(&mirror)?;
        let count = IDLE_MAX.min(files_max()?.saturating_sub(200));
        let mut idle = Vec::new();
        for _ in 0..count {
            let mut client = Client::connect(&address)?;
            client.ask_versions()?;
            idle.push(client);
        }
        let mut half_read = Vec::new();
        for number in 0..HALF_READ {
            let mut client = Client::connect(&address)?;
            client.socket.write_all(&encode_request(&head(FETCH), &fetch())?.repeat(FETCHES))?;
            // From a part of the size to a part of the records.
            client.socket.read_exact(&mut vec![0; 2 << number])?;
            half_read.push(client);
        }
        let most = descriptors(&node)?;
        ensure!(most > count + HALF_READ, "{most} descriptors for {count} connections");
        ensure!(bystander.fetch_all()? == whole, "the bystander was given less");
        drop((idle, half_read));
        let deadline = Instant::now() + SOON;
        let enough = kept.min(DESCRIPTORS_KEPT_MAX);
        while descriptors(&node)? > enough {
            let found = descriptors(&node)?;
            ensure!(Instant::now() < deadline, "round {round}: {found} descriptors are left");
            bystander.ask_versions()?;
        }
        kept = descriptors(&node)?;
        eprintln!("round {round}: {most} descriptors, {kept} after");
    }
    ends_in_time(node, &mirror)?;
    Ok(())
}

#[test]
fn what_is_no_request_is_told_by_default_but_not_again_and_again() -> Result<()> {
    let directory = TempDir::new("hostile")?;
    let data = directory.join("data");
    let mut node = Ringmirror::node(&data).spawn()?;
    let address = node.wait_serving(SOON)?;
    for _ in 0..GARBAGE {
        let mut client = Client::connect(&address)?;
        // What a browser sends: an absurd size.
        client.socket.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
        let end = client.socket.read(&mut [0]);
        ensure!(matches!(end, Ok(0) | Err(_)), "the connection was not closed");
    }
    Client::connect(&address)?.ask_versions()?;
    let ended = ends_in_time(node, &data)?;
    let told = ended.stderr.lines().filter(|line| line.contains("connection closed"));
    let told = told.collect::<Vec<_>>();
    ensure!(told.len() == 1 && told[0].contains("WARN"), "{told:?}");
    Ok(())
}

struct Client {
    socket: TcpStream,
}

impl Client {
    fn connect(address: &str) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(SOON))?;
        Ok(Self { socket })
    }

    fn ask_versions(&mut self) -> Result<()> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("test"))
            .with_client_software_version(StrBytes::from_static_str("1"));
        self.socket.write_all(&encode_request(&head(3), &request)?)?;
        let answer: ApiVersionsResponse = decode_response(3, 1, self.receive()?.into())?;
        ensure!(answer.error_code == 0, "{answer:?}");
        Ok(())
    }

    /// How many bytes of records one fetch of the whole log brings.
    fn fetch_all(&mut self) -> Result<usize> {
        self.socket.write_all(&encode_request(&head(FETCH), &fetch())?)?;
        let answer: FetchResponse = decode_response(FETCH, 1, self.receive()?.into())?;
        let partition = &answer.responses[0].partitions[0];
        ensure!(partition.error_code == 0, "error {}", partition.error_code);
        Ok(partition.records.as_ref().map_or(0, |records| records.len()))
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        let mut size = [0; 4];
        self.socket.read_exact(&mut size)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size))?];
        self.socket.read_exact(&mut frame)?;
        Ok(frame)
    }
}

const fn head(version: i16) -> RequestHead<'static> {
    RequestHead { version, correlation_id: 1, client_id: "hostile" }
}

/// The whole of `orders-0`, as much as fits.
fn fetch() -> FetchRequest {
    let partition =
        FetchPartition::default().with_current_leader_epoch(-1).with_partition_max_bytes(i32::MAX);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str(synthetic::TOPIC)))
        .with_partitions(vec![partition]);
    FetchRequest::default().with_max_wait_ms(0).with_max_bytes(i32::MAX).with_topics(vec![topic])
}

/// Memory of the node that is not the page cache's.
fn resident_bytes(node: &Running) -> Result<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kibibytes: usize = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes << 10)
}

/// How many files and sockets the node has open.
fn descriptors(node: &Running) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{}/fd", node.pid()))?.count())
}

/// How many files this process may have open.
fn files_max() -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).context("open files")?;
    Ok(if soft == "unlimited" { IDLE_MAX * 2 } else { soft.parse()? })
}

/// Asks the system to forget what it holds of the segments.
fn drop_from_memory(mirror: &Path) -> Result<()> {
    for entry in fs::read_dir(mirror.join("orders-0"))? {
        let path = entry?.path();
        let input = format!("if={}", path.display());
        let done = Command::new("dd").args([&input, "iflag=nocache", "count=0"]).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}

const IDLE_MAX: usize = 2_000;
const IDLE_BYTES_MAX: usize = 32 << 10;
const LOG_BYTES: u64 = 24 << 20;
const SILENT: usize = 32;
const HALF_READ: usize = 20;
/// What a node of one partition that serves one client has open, and more.
const DESCRIPTORS_KEPT_MAX: usize = 100;
const GARBAGE: usize = 10;
const FETCHES: usize = 20;
/// The buffers for what is not in memory, and little more.
const SILENT_BYTES_MAX: usize = 96 << 20;
const FETCH: i16 = 12;
