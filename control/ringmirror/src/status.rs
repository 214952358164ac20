//! `ringmirror status`: is it safe to fail over now, and if not, why.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use crate::cli::mirrors::StatusArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::node_client::NodeClient;
use crate::output::Output;
use crate::stop_signal::stop_signal;

pub(crate) mod report;

use self::report::{StatusReport, Thresholds};

pub(crate) fn run(args: &StatusArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(args, output))
}

async fn watch(args: &StatusArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let mut node = NodeClient::of(&args.cluster)?;
    let Some(seconds) = args.watch else { return show(&mut node, args, output).await };
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let is_screen = io::stdout().is_terminal() && !output.json;
    let mut last = ExitCode::Failed;
    loop {
        if is_screen {
            output.line(CLEARED_SCREEN)?;
        }
        let look = show(&mut node, args, output);
        // A node that does not answer may come back: that is what is watched for.
        match tokio::select! { seen = look => seen, () = &mut stop => return Ok(last) } {
            Ok(code) => last = code,
            Err(CommandError { code: ExitCode::Usage, error }) => {
                return Err(CommandError { code: ExitCode::Usage, error });
            }
            Err(CommandError { error, .. }) => {
                last = ExitCode::Failed;
                let text = format!("NOT SAFE to fail over now: nothing is known: {error:#}");
                if output.json {
                    output.event(&Unknown { safe: false, error: &text })?;
                } else {
                    output.line(text)?;
                }
            }
        }
        output.flush()?;
        if output.reader_left() {
            return Ok(last);
        }
        let pause = tokio::time::sleep(Duration::from_secs(seconds));
        tokio::select! { () = pause => {} () = &mut stop => return Ok(last) }
    }
}

/// What `--watch --json` tells while the node does not answer.
#[derive(Debug, serde::Serialize)]
struct Unknown<'a> {
    safe: bool,
    error: &'a str,
}

async fn show(
    node: &mut NodeClient,
    args: &StatusArgs,
    output: &mut Output,
) -> Result<ExitCode, CommandError> {
    let described = node.describe_partly(args.mirror.as_deref(), None).await?;
    let thresholds = Thresholds::new(args.max_lag);
    let unanswered = described.unanswered.iter().map(ToString::to_string).collect();
    let report = StatusReport::of(&described.mirrors, unanswered, &thresholds);
    if output.json && args.watch.is_some() {
        output.event(&report)?;
    } else if output.json {
        output.document(&report)?;
    } else {
        for line in report.lines() {
            output.line(line)?;
        }
    }
    Ok(if report.safe { ExitCode::Done } else { ExitCode::Failed })
}

/// Cursor to the upper left corner, everything away.
const CLEARED_SCREEN: &str = "\u{1b}[H\u{1b}[2J";
