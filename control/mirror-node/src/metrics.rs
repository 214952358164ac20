//! Figures for those who watch a node: the smallest answer to HTTP that Prometheus reads.
//!
//! Off unless `metrics.listen` is set. What is told is asked of the control loop as any client asks
//! it, so that a scrape is no other way into it. Whoever is slow or says too much is left.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_wire::mirror_api::MirrorResponse;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribedMirror,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::mirror_news::{MirrorNews, MirrorProgress};
use crate::mirror_orders::MirrorOrders;

mod exposition;

/// What the control loop told last of its progress, for whoever asks later.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastProgress(Arc<Mutex<MirrorProgress>>);

/// The endpoint; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct MetricsEndpoint(JoinHandle<()>);

impl LastProgress {
    /// Takes in news.
    pub(crate) fn hear(&self, news: &MirrorNews) {
        if let MirrorNews::Progress(progress) = news {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress.clone();
        }
    }

    fn get(&self) -> MirrorProgress {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl MetricsEndpoint {
    /// Answers at a socket that is bound already.
    ///
    /// # Errors
    /// When the socket cannot be listened on.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        orders: MirrorOrders,
        progress: LastProgress,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self(tokio::spawn(serve(listener, orders, progress))))
    }
}

impl Drop for MetricsEndpoint {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(listener: TcpListener, orders: MirrorOrders, progress: LastProgress) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (orders, progress) = (orders.clone(), progress.clone());
                tokio::spawn(async move {
                    // Whoever does not get an answer comes again.
                    let _ = timeout(PATIENCE, answer(stream, &orders, &progress)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection for metrics");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(
    mut stream: TcpStream,
    orders: &MirrorOrders,
    progress: &LastProgress,
) -> io::Result<()> {
    let Some(head) = read_head(&mut stream).await? else { return Ok(()) };
    let (status, body) = match asked_for(&head) {
        Asked::Metrics => match described(orders).await {
            Ok(mirrors) => ("200 OK", exposition::text(&mirrors, &progress.get())),
            Err(reason) => ("503 Service Unavailable", format!("{reason}\n")),
        },
        Asked::Other => ("404 Not Found", "figures are at /metrics\n".to_owned()),
        Asked::Malformed => ("400 Bad Request", "GET /metrics\n".to_owned()),
    };
    let kind = if status == "200 OK" { exposition::CONTENT_TYPE } else { "text/plain" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// A request up to its empty line; `None` when it does not come or is too long.
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(REQUEST_BYTES_MAX);
    while !head.windows(END_OF_HEAD.len()).any(|window| window == END_OF_HEAD) {
        let room = REQUEST_BYTES_MAX - head.len();
        if room == 0
            || (&mut *stream)
                .take(u64::try_from(room).unwrap_or(u64::MAX))
                .read_buf(&mut head)
                .await?
                == 0
        {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Metrics,
    Other,
    Malformed,
}

fn asked_for(head: &[u8]) -> Asked {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    match (method, target, version) {
        (Some(b"GET"), Some(target), Some(version)) if version.starts_with(b"HTTP/1.") => {
            let path = target.split(|byte| *byte == b'?').next();
            if path == Some(b"/metrics") { Asked::Metrics } else { Asked::Other }
        }
        _ => Asked::Malformed,
    }
}

async fn described(orders: &MirrorOrders) -> Result<Vec<DescribedMirror>, String> {
    let request = DescribeClusterMirrorsRequest::everything();
    match orders.ask(request.into()).await {
        MirrorResponse::DescribeClusterMirrors(told) if told.error_code == 0 => Ok(told.mirrors),
        other => Err(other.outcome().1.unwrap_or("nothing is known now").to_owned()),
    }
}

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Longest request.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Connections at once; others wait.
const CONNECTIONS_MAX: usize = 4;
/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
