//! One client connection: requests in, responses out, one at a time as a broker does.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, FetchRequest, RequestHeader};
use kafka_protocol::protocol::{Decodable, decode_request_header_from_buffer};

use super::answers::{announced, answer};
use super::cluster::{Cluster, Fault};
use super::fetch::{FetchCall, answer_fetch};
use super::fetch_frame::FetchFrame;
use super::unpaced::send_unpaced;

/// Largest request accepted, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Smallest request: key, version and correlation id.
const REQUEST_BYTES_MIN: usize = 8;

/// Serves `stream` until the client leaves, misbehaves, or the source stops.
pub(crate) fn serve(cluster: &Cluster, broker: i32, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    send_unpaced(&stream);
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut frame = FetchFrame::default();
    while let Some(mut body) = read_request(&mut reader)? {
        let header = decode_request_header_from_buffer(&mut body)?;
        if header.request_api_key == ApiKey::Fetch as i16 {
            if !serve_fetch(cluster, broker, &header, &mut body, &mut frame, &mut writer)? {
                break;
            }
        } else {
            writer.write_all(&answer(cluster, broker, &header, &mut body)?)?;
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl Read) -> Result<Option<Bytes>> {
    let mut prefix = [0; size_of::<i32>()];
    match reader.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let bytes = usize::try_from(i32::from_be_bytes(prefix)).context("negative request length")?;
    ensure!((REQUEST_BYTES_MIN..=REQUEST_BYTES_MAX).contains(&bytes), "request of {bytes} bytes");
    let mut body = BytesMut::zeroed(bytes);
    reader.read_exact(&mut body)?;
    Ok(Some(body.freeze()))
}

/// False when the connection must close.
fn serve_fetch(
    cluster: &Cluster,
    broker: i32,
    header: &RequestHeader,
    body: &mut Bytes,
    frame: &mut FetchFrame,
    writer: &mut TcpStream,
) -> Result<bool> {
    let version = header.request_api_version;
    let (min, max) = announced(cluster, ApiKey::Fetch).context("fetch is announced")?;
    ensure!((min..=max).contains(&version), "fetch version {version} is not announced");
    let request = FetchRequest::decode(body, version)?;
    let call = FetchCall { broker, correlation: header.correlation_id, version, request: &request };
    if !cluster.pace.response_delay.is_zero() {
        thread::sleep(cluster.pace.response_delay);
    }
    if !answer_fetch(cluster, call, frame) {
        return Ok(false);
    }
    let bytes = frame.bytes();
    let fault = next_fault(cluster, frame, header.correlation_id);
    let sent = match fault {
        Some(Fault::Drop) => 0,
        Some(Fault::CutHalf) => bytes / 2,
        _ => bytes,
    };
    frame.write_to(writer, sent)?;
    if let Some(rate) = cluster.pace.bytes_per_second {
        let nanos = u64::try_from(bytes)?.saturating_mul(NANOS_PER_SECOND) / rate.max(1);
        thread::sleep(Duration::from_nanos(nanos));
    }
    Ok(sent == bytes)
}

/// Takes the fault this response suffers and applies what belongs into the frame.
fn next_fault(cluster: &Cluster, frame: &mut FetchFrame, correlation: i32) -> Option<Fault> {
    let bytes = u64::try_from(frame.bytes()).unwrap_or(u64::MAX);
    let mut state = cluster.state();
    state.served.fetch_responses += 1;
    state.served.fetch_bytes += bytes;
    match state.faults.front()? {
        Fault::FlipBit if !frame.flip_record_bit() => return None,
        Fault::WrongCorrelation => frame.set_correlation(correlation.wrapping_add(1)),
        Fault::AbsurdLength => frame.seal(i32::MAX),
        Fault::FlipBit | Fault::CutHalf | Fault::Drop => {}
    }
    state.faults.pop_front()
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
