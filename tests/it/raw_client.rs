//! A client that sends just what it is told to, for tests of what no library would do.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use kafka_wire::message::{RequestHead, decode_response, encode_request};
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};
use rustix::net::{AddressFamily, SocketType};

use crate::mirrored::SOON;

/// One connection.
#[derive(Debug)]
pub(crate) struct RawClient {
    pub(crate) socket: TcpStream,
}

impl RawClient {
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SOON))?;
        Ok(Self { socket })
    }

    /// From one of this machine's addresses, which says who it is to rules about hosts.
    pub(crate) fn connect_from(host: &str, address: &str) -> Result<Self> {
        let fd = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        rustix::net::bind(&fd, &SocketAddrV4::new(host.parse()?, 0))?;
        rustix::net::connect(&fd, &address.parse::<SocketAddrV4>()?)?;
        let socket = TcpStream::from(fd);
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SOON))?;
        Ok(Self { socket })
    }

    /// Sends a request, and waits for the answer.
    pub(crate) fn ask<R>(&mut self, request: &R, version: i16) -> Result<R::Response>
    where
        R: Request,
        R::Response: Decodable + HeaderVersion,
    {
        self.send(request, version)?;
        self.receive::<R>(version).with_context(|| format!("api {} version {version}", R::KEY))
    }

    /// Sends a request about mirrors, and waits for the answer.
    pub(crate) fn ask_about_mirrors(&mut self, request: &MirrorRequest) -> Result<MirrorResponse> {
        self.socket.write_all(&request.encode_frame(CORRELATION_ID, "raw")?)?;
        let frame = self.receive_frame()?;
        Ok(MirrorResponse::decode_frame(request.key(), CORRELATION_ID, frame)?)
    }

    pub(crate) fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<()> {
        Ok(self.socket.write_all(&encode_request(&head(version), request)?)?)
    }

    /// Waits for the answer to the oldest request without one.
    pub(crate) fn receive<R>(&mut self, version: i16) -> Result<R::Response>
    where
        R: Request,
        R::Response: Decodable + HeaderVersion,
    {
        Ok(decode_response(version, CORRELATION_ID, self.receive_frame()?)?)
    }

    fn receive_frame(&mut self) -> Result<Bytes> {
        let mut size = [0; 4];
        self.socket.read_exact(&mut size)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size))?];
        self.socket.read_exact(&mut frame)?;
        Ok(frame.into())
    }
}

const fn head(version: i16) -> RequestHead<'static> {
    RequestHead { version, correlation_id: CORRELATION_ID, client_id: "raw" }
}

/// A topic's name as requests hold it.
pub(crate) fn topic_name(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

/// Answers come in order, one request at a time says which it is.
const CORRELATION_ID: i32 = 1;
