//! A real node against clients that want too much of it: its memory stays what it was, and others
//! are served meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

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
const FETCHES: usize = 20;
/// The buffers for what is not in memory, and little more.
const SILENT_BYTES_MAX: usize = 96 << 20;
const FETCH: i16 = 12;
