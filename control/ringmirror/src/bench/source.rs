//! The source of a measurement: this program again, on a core of its own, so that its processor
//! time is nobody else's.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kafka_wire::partition::TopicName;
use synthetic_source::SyntheticSource;
use synthetic_source::spec::{BatchContent, Codec, LogSize, SyntheticSpec, TopicSpec};
use yardstick::machine::pin;
use yardstick::source_child::{SourceChild, TOPIC, serve_until_stdin_closes};

use super::scratch;
use crate::cli::bench::{BenchArgs, BenchSourceArgs, Compression};
use crate::exit_code::{CommandError, ExitCode};

/// Starts the source; it deletes `scratch` if we end without doing so.
pub(super) fn start(args: &BenchArgs, core: usize, scratch: &[&Path]) -> Result<SourceChild> {
    let partition_bytes = SOURCE_BYTES / u64::from(args.partitions);
    let options = [
        ("--core", core.to_string()),
        ("--partitions", args.partitions.to_string()),
        ("--partition-bytes", partition_bytes.to_string()),
        ("--record-bytes", args.record_bytes.to_string()),
        ("--batch-bytes", args.batch_bytes.to_string()),
        ("--compression", args.compression.name().to_owned()),
    ];
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bench-source");
    command.args(options.iter().flat_map(|(name, value)| [*name, value]));
    for path in scratch {
        command.arg("--delete").arg(path);
    }
    // Ctrl-C on a terminal is for us, who end it when everything else has ended.
    command.process_group(0);
    SourceChild::spawn(command)
}

/// `ringmirror bench-source`: serves until the parent has gone.
pub(crate) fn run(args: &BenchSourceArgs) -> Result<ExitCode, CommandError> {
    let served = serve(args);
    // Also when nobody heard what is served, because the parent was killed before.
    for path in &args.delete {
        delete_patiently(path)?;
    }
    served?;
    Ok(ExitCode::Done)
}

fn serve(args: &BenchSourceArgs) -> Result<()> {
    pin(args.core)?;
    let codec = match args.compression {
        Compression::None => Codec::None,
        Compression::Lz4 => Codec::Lz4,
        Compression::Zstd => Codec::Zstd,
    };
    let content = BatchContent {
        record_bytes: args.record_bytes,
        batch_bytes: args.batch_bytes,
        codecs: vec![codec],
        ..BatchContent::default()
    };
    let name = TopicName::parse(TOPIC).context("a legal name")?;
    let size = LogSize::Bytes(args.partition_bytes);
    let topic = TopicSpec { content, ..TopicSpec::new(name, args.partitions, size) };
    let spec = SyntheticSpec { topics: vec![topic], ..SyntheticSpec::default() };
    serve_until_stdin_closes(SyntheticSource::start(&spec)?)
}

/// A parent that was killed may still be making a file while its last operations end.
fn delete_patiently(path: &Path) -> std::io::Result<()> {
    for _ in 0..DELETE_TRIES {
        if scratch::delete(path).is_ok() {
            return Ok(());
        }
        std::thread::sleep(DELETE_PAUSE);
    }
    scratch::delete(path)
}

/// More than is ever copied: no partition ends while another goes on.
const SOURCE_BYTES: u64 = 1 << 44;
const DELETE_TRIES: u32 = 20;
const DELETE_PAUSE: Duration = Duration::from_millis(100);
