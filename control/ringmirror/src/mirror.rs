//! `ringmirror mirror`: the main job.

use std::io::{self, IsTerminal as _};

use mirror_coordinator::lifecycle::UncleanElection as Policy;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::retry::RetryPolicy;
use mirror_node::control_loop::{
    self, ConfiguredMirror, EngineSettings, MirrorConfig, MirrorError,
};
use mirror_node::mirror_news::{MirrorEnd, MirrorNews, MirrorOutcome};
use mirror_node::topic_filter::TopicFilter;
use mirror_uring::EngineError;
use mirror_uring::{RECORD_BUFFER_BYTES, ShardLimits};

use crate::cli::{MirrorArgs, TuningArgs, UncleanElection};
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;
use crate::progress::ProgressView;
use crate::source_options::client_properties;
use crate::stop_signal::stop_signal;

pub(crate) fn run(args: MirrorArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let config = MirrorConfig {
        data_dir: args.data_dir,
        mirror: ConfiguredMirror {
            name: mirror_name(),
            properties: client_properties(&args.source)?,
            filter: TopicFilter::new(&args.topics, args.exclude.as_deref())?,
            unclean_election: args.on_unclean_election.into(),
        },
        engine: EngineSettings {
            cores: args.cores.map(|cores| cores.0).unwrap_or_default(),
            limits: limits(&args.tuning, args.buffered, SLAB_HINT)?,
            recent_bytes: 0,
        },
        retry: RetryPolicy::default(),
        until_caught_up: args.until_caught_up,
        seed: u64::from(std::process::id()),
    };
    let on_terminal = io::stderr().is_terminal() && !output.json;
    let mut view = ProgressView::new(on_terminal, args.until_caught_up);
    let outcome = mirror(config, &mut |news| {
        if output.json {
            // Data nobody reads must not stop the mirroring.
            let _ = output.event(&news);
        } else {
            view.show(&news);
        }
    });
    view.finish();
    let outcome = outcome?;
    if output.json {
        output.event(&serde_json::json!({ "event": "ended", "outcome": outcome }))?;
    } else {
        print_outcome(&outcome, output)?;
    }
    Ok(exit_code(&outcome, args.until_caught_up))
}

/// Name of the one mirror of a run that serves nobody.
pub(crate) fn mirror_name() -> MirrorName {
    MirrorName::parse("mirror").expect("a legal name")
}

/// Sizes as asked for; what does not fit together is refused with the reason and `hint`.
pub(crate) fn limits(
    tuning: &TuningArgs,
    buffered: bool,
    hint: &str,
) -> Result<ShardLimits, CommandError> {
    let mut limits = ShardLimits {
        batch_bytes_max: tuning.batch_bytes_max,
        connections_per_broker: tuning.connections_per_broker,
        fetches_per_connection: tuning.fetches_per_connection,
        sync_bytes: tuning.sync_bytes,
        sync_interval_ms: tuning.sync_interval_ms,
        direct_writes: !buffered,
        ..ShardLimits::default()
    };
    limits.record_buffer_count = match tuning.slab_bytes {
        Some(bytes) => u32::try_from(bytes / u64::from(RECORD_BUFFER_BYTES)).unwrap_or(u32::MAX),
        // As much room beside the largest batch as the standard slab leaves.
        None => {
            let standard = ShardLimits::STANDARD;
            let grown = limits.largest_batch_count().saturating_sub(standard.largest_batch_count());
            standard.record_buffer_count + grown
        }
    };
    limits.check().map_err(|reason| CommandError::usage(format_args!("{reason}: {hint}")))?;
    Ok(limits)
}

/// Mirrors until done or until SIGINT or SIGTERM.
pub(crate) fn mirror(
    config: MirrorConfig,
    observe: &mut dyn FnMut(MirrorNews),
) -> Result<MirrorOutcome, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        Ok(control_loop::run(config, stop, observe).await?)
    })
}

fn exit_code(outcome: &MirrorOutcome, until_caught_up: bool) -> ExitCode {
    match outcome.end {
        MirrorEnd::NothingSelected => ExitCode::Failed,
        MirrorEnd::Stopped if until_caught_up => ExitCode::Interrupted,
        _ if !outcome.failed.is_empty() || !outcome.closed => ExitCode::Failed,
        MirrorEnd::Stopped | MirrorEnd::CaughtUp => ExitCode::Done,
    }
}

fn print_outcome(outcome: &MirrorOutcome, output: &mut Output) -> io::Result<()> {
    let progress = &outcome.progress;
    output.line(headline(outcome))?;
    output.line(format_args!(
        "{} partitions, {} offsets, {} in {:.1} s",
        progress.partitions,
        progress.offsets_done,
        indicatif::BinaryBytes(progress.bytes_written),
        std::time::Duration::from_millis(progress.elapsed_ms).as_secs_f64(),
    ))?;
    if let Some(words) = words_of_open_logs(outcome) {
        output.line(words)?;
    }
    for part in outcome.failed.iter().chain(&outcome.left_out) {
        output.line(format_args!("not mirrored: {}: {}", part.name, part.reason))?;
    }
    Ok(())
}

const fn headline(outcome: &MirrorOutcome) -> &'static str {
    match outcome.end {
        MirrorEnd::CaughtUp if !outcome.failed.is_empty() => {
            "ended: all but the partitions named below have what the source had at the start"
        }
        MirrorEnd::CaughtUp if !outcome.left_out.is_empty() => {
            "caught up: what the source had at the start is here, but for what is named below"
        }
        MirrorEnd::CaughtUp => "caught up: everything the source had at the start is here",
        MirrorEnd::Stopped => "stopped",
        MirrorEnd::NothingSelected if !outcome.left_out.is_empty() => {
            "nothing to mirror: all that is selected is named below"
        }
        MirrorEnd::NothingSelected => "nothing to mirror: no topic of the source is selected",
    }
}

/// What to know about logs that are not closed.
pub(crate) fn words_of_open_logs(outcome: &MirrorOutcome) -> Option<&'static str> {
    match outcome {
        MirrorOutcome { closed: false, .. } => Some(
            "not every log could be closed, the messages above say why: put that right (a full \
             disk needs room) and start again; what was synced stays, the rest is recovered or \
             fetched again",
        ),
        MirrorOutcome { clean: false, .. } => Some(
            "logs that this run did not touch were not closed cleanly before: the next start that \
             mirrors them recovers them",
        ),
        _ => None,
    }
}

const MEMORY_HINT: &str = "--slab-bytes and --batch-bytes-max say how much; of a node, slab_bytes, \
                           recent_bytes and batch_bytes_max in the section [mirror]";
const SLAB_HINT: &str = "raise --slab-bytes (a buffer is 1 MiB) or lower --batch-bytes-max";

impl From<UncleanElection> for Policy {
    fn from(policy: UncleanElection) -> Self {
        match policy {
            UncleanElection::Truncate => Self::Truncate,
            UncleanElection::Fail => Self::Fail,
        }
    }
}

impl From<MirrorError> for CommandError {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::Directory(error) => error.into(),
            MirrorError::Source(error) => error.into(),
            error @ MirrorError::States(_) => Self::new(ExitCode::DataDirectory, error),
            MirrorError::Engine(error @ EngineError::CoreNotAllowed { .. }) => {
                Self::new(ExitCode::Usage, error)
            }
            // The text holds what the system said: the error behind it is not told again.
            MirrorError::Engine(error @ EngineError::Slab { .. }) => {
                Self::usage(format_args!("{error} ({MEMORY_HINT})"))
            }
            MirrorError::Engine(error) => Self::from(anyhow::anyhow!("{error}")),
        }
    }
}

#[cfg(test)]
mod tests;
