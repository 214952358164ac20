//! `ringmirror node`: Kafka clients served from a directory that is mirrored into.

use std::io::{self, IsTerminal as _};

use mirror_node::mirror_news::{MirrorNews, MirrorOutcome};
use mirror_node::node_run::{self, NodeError};

use crate::cli::NodeArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::mirror::words_of_open_logs;
use crate::node_config::{EXAMPLE, Resolved, resolve};
use crate::output::Output;
use crate::progress::ProgressView;
use crate::stop_signal::stop_signal;

pub(crate) fn run(args: &NodeArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    if args.example_config {
        output.line(EXAMPLE.trim_end())?;
        return Ok(ExitCode::Done);
    }
    let Resolved { config, effective, topics } = resolve(args)?;
    if args.check_config {
        effective.print(output)?;
        return Ok(ExitCode::Done);
    }
    let on_terminal = io::stderr().is_terminal() && !output.json;
    let mut view = ProgressView::new(on_terminal, false).of_topics(topics);
    let mut observe = |news: MirrorNews| {
        if output.json {
            // Data nobody reads must not stop the node.
            let _ = output.event(&news);
        } else {
            view.show(&news);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let stop = stop_signal()?;
        Ok::<_, CommandError>(node_run::run(config, stop, &mut observe).await?)
    });
    // A name that is being looked up would keep us waiting.
    runtime.shutdown_background();
    view.finish();
    let outcome = outcome?;
    if output.json {
        output.event(&serde_json::json!({ "event": "ended", "outcome": outcome }))?;
    } else {
        print_outcome(&outcome, output)?;
    }
    Ok(if outcome.closed { ExitCode::Done } else { ExitCode::Failed })
}

fn print_outcome(outcome: &MirrorOutcome, output: &mut Output) -> io::Result<()> {
    output.line("stopped")?;
    if let Some(words) = words_of_open_logs(outcome) {
        output.line(words)?;
    }
    for part in &outcome.failed {
        output.line(format_args!("not mirrored: {}: {}", part.name, part.reason))?;
    }
    Ok(())
}

impl From<NodeError> for CommandError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Mirror(error) => error.into(),
            error @ NodeError::Memory(_) => Self::usage(error),
            error @ NodeError::Listen { .. } => Self::new(ExitCode::Failed, error),
            error @ NodeError::Server(_) => Self::new(ExitCode::Failed, error),
        }
    }
}
