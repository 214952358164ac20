//! The same logs for both servers: mirrored once, and a copy of them handed over to Kafka.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{Advice, fadvise};

use crate::kafka_client::LogEdge;
use crate::log_fetcher::{FetchSettings, LogFetcher};
use crate::machine::CorePair;
use crate::server_process::{ServerKind, ServerProcess, run_ringmirror};
use crate::source_child::{SourceChild, SourceChildSpec, TOPIC};
use crate::stock_broker;
use crate::sweeper::Sweeper;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct LogsPlan<'a> {
    /// An empty directory for both copies is made and removed in here.
    pub directory: &'a Path,
    /// The program under measurement.
    pub ringmirror: &'a Path,
    /// Partitions of the one topic.
    pub partitions: u32,
    /// Bytes of each.
    pub partition_bytes: u64,
}

/// Mirrored logs and their copy; removed when dropped.
#[derive(Debug)]
pub struct ServedLogs {
    root: WorkDirectory,
    mirrored: PathBuf,
    handed_over: PathBuf,
    server_properties: String,
    /// Every partition's start and end.
    pub bounds: Vec<LogBounds>,
    /// Bytes of all partitions.
    pub bytes: u64,
    // The node goes on mirroring from it, although nothing is added.
    source: SourceChild,
}

/// Where a partition's log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// Its number.
    pub partition: i32,
    /// Offset of the first record.
    pub start: i64,
    /// Offset behind the last one.
    pub end: i64,
}

impl ServedLogs {
    /// Mirrors the synthetic source, copies what came of it, and hands the copy over.
    ///
    /// # Errors
    /// When ringmirror fails or the disk has no room.
    pub fn prepare(plan: &LogsPlan<'_>) -> Result<Self> {
        let root = WorkDirectory::create(plan.directory, "perf-consume")?;
        let needed = 2 * u64::from(plan.partitions) * plan.partition_bytes;
        root.check_room(needed + needed / 8)?;
        let source = SourceChild::start(&SourceChildSpec {
            core: CorePair::choose()?.sender,
            partitions: plan.partitions,
            partition_bytes: plan.partition_bytes,
            batch_bytes: BATCH_BYTES,
            record_bytes: 1024,
        })?;
        let mirrored = root.path.join("mirrored");
        let bootstrap = source.description().address.to_string();
        let data_dir = mirrored.display().to_string();
        let mirror = ["mirror", "--bootstrap-server", &bootstrap, "--topics", ".*"];
        let until = ["--data-dir", &data_dir, "--until-caught-up"];
        run_ringmirror(plan.ringmirror, &[mirror.as_slice(), &until].concat())?;
        let handed_over = root.path.join("handed-over");
        copy_directory(&mirrored, &handed_over)?;
        let data_dir = handed_over.display().to_string();
        let handover = ["handover", "--node-id", "1", "--kafka-version", HANDOVER_RELEASE];
        let of = ["--data-dir", &data_dir];
        let server_properties = run_ringmirror(plan.ringmirror, &[&handover[..], &of].concat())?;
        // What is dirty cannot be evicted, and would be written during the first rounds.
        rustix::fs::sync();
        let described = source.description();
        let bounds = described.partitions.iter().map(|part| LogBounds {
            partition: part.partition,
            start: 0,
            end: part.end_offset,
        });
        let (bounds, bytes) = (bounds.collect(), described.bytes());
        Ok(Self { root, mirrored, handed_over, server_properties, bounds, bytes, source })
    }

    /// Starts a server on its copy and waits until it serves every log whole.
    ///
    /// # Errors
    /// When it does not.
    pub fn serve(&self, kind: ServerKind, ringmirror: &Path) -> Result<ServerProcess> {
        let mut server = match kind {
            ServerKind::Node => {
                let source = self.source.description().address;
                ServerProcess::start_node(ringmirror, &self.mirrored, Some(source))?
            }
            ServerKind::Stock => {
                stock_broker::start_on(&self.server_properties, &self.handed_over)?
            }
        };
        let expected: Vec<i64> = self.bounds.iter().map(|log| log.end).collect();
        server.wait_until("serving every log whole", |client| {
            let count = client.partitions(TOPIC)?.filter(|count| *count > 0);
            let Some(count) = count else { return Ok(None) };
            let ends = client.offsets(TOPIC, count, LogEdge::End)?;
            Ok(ends.filter(|ends| *ends == expected))
        })?;
        Ok(server)
    }

    /// Reads every file of the server's copy, so that the page cache holds it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn warm(&self, kind: ServerKind) -> Result<()> {
        let mut buffer = vec![0; 1 << 20];
        self.each_log_file(kind, |mut file| {
            while file.read(&mut buffer)? > 0 {}
            Ok(())
        })
    }

    /// Drops every file of the server's copy from the page cache.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn evict(&self, kind: ServerKind) -> Result<()> {
        self.each_log_file(kind, |file| Ok(fadvise(&file, 0, None, Advice::DontNeed)?))
    }

    /// Where the copies lie.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root.path
    }

    fn each_log_file(
        &self,
        kind: ServerKind,
        mut apply: impl FnMut(File) -> Result<()>,
    ) -> Result<()> {
        let directory = match kind {
            ServerKind::Node => &self.mirrored,
            ServerKind::Stock => &self.handed_over,
        };
        let mut files = 0;
        for log in &self.bounds {
            let log = directory.join(format!("{TOPIC}-{}", log.partition));
            let entries =
                fs::read_dir(&log).with_context(|| format!("reading {}", log.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "log") {
                    apply(File::open(&path)?)?;
                    files += 1;
                }
            }
        }
        ensure!(files > 0, "no segment below {}", directory.display());
        Ok(())
    }
}

/// Reads every log from start to end over some connections at once; returns the batches' bytes.
///
/// Each connection has a thread and follows one partition after another.
///
/// # Errors
/// When the server refuses.
pub fn read_all(
    address: SocketAddr,
    topic: &str,
    logs: &[LogBounds],
    connections: usize,
    settings: FetchSettings,
) -> Result<u64> {
    let read = |first: usize| -> Result<u64> {
        let mut fetcher = LogFetcher::connect(address, settings)?;
        let mut bytes = 0;
        for log in logs.iter().skip(first).step_by(connections) {
            bytes += fetcher.follow(topic, log.partition, log.start, log.end)?;
        }
        Ok(bytes)
    };
    let read = &read;
    std::thread::scope(|scope| {
        let spawn = |first| scope.spawn(move || read(first));
        let clients: Vec<_> = (0..connections).map(spawn).collect();
        let join = |client: std::thread::ScopedJoinHandle<'_, Result<u64>>| {
            client.join().unwrap_or_else(|_| anyhow::bail!("a client panicked"))
        };
        clients.into_iter().map(join).sum()
    })
}

/// A directory of its own for each measurement; removed when dropped, and when this program is
/// interrupted or killed.
#[derive(Debug)]
pub struct WorkDirectory {
    /// Where it is, absolute.
    pub path: PathBuf,
    _sweeper: Sweeper,
}

impl WorkDirectory {
    /// Makes it inside `parent`, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(parent: &Path, label: &str) -> Result<Self> {
        remove_stale(parent, label);
        let path = parent.join(format!("{label}-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        let path = path.canonicalize()?;
        let sweeper = Sweeper::start(&path)?;
        Ok(Self { path, _sweeper: sweeper })
    }

    /// Refuses when fewer bytes are free.
    ///
    /// # Errors
    /// What is free and what is needed.
    pub fn check_room(&self, needed: u64) -> Result<()> {
        let stat = rustix::fs::statvfs(&self.path).context("asking for free disk space")?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        ensure!(free >= needed, "{free} bytes of disk space are free, {needed} are needed");
        Ok(())
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        // Nothing else can be done about a directory that does not go away.
        let _ = fs::remove_dir_all(&self.path);
        // What the disk still has to do must not slow down what is measured next.
        rustix::fs::sync();
    }
}

/// Removes what runs left behind whose sweeper was killed as well, as by a machine that stops.
fn remove_stale(parent: &Path, label: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(label)?.strip_prefix('-'));
        let process = process.and_then(|number| number.parse::<u32>().ok());
        let is_stale = |process| !Path::new(&format!("/proc/{process}")).exists();
        if process.is_some_and(is_stale) {
            // Whoever finds no room is told so.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_directory(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("copying {}", source.display()))?;
        }
    }
    Ok(())
}

/// Close to the 16 KiB of Kafka's producer.
const BATCH_BYTES: u32 = 16 << 10;
/// Newest release that `handover` knows.
const HANDOVER_RELEASE: &str = "4.2";
