//! `ringmirror status`: is it safe to fail over now, and if not, why.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

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
    let Some(seconds) = args.watch else {
        let report = look(&mut node, args).await?;
        return Ok(show(&report, false, output)?);
    };
    let interval = Duration::from_secs(seconds);
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let is_screen = io::stdout().is_terminal() && !output.json;
    let mut last = ExitCode::Failed;
    loop {
        let looked = {
            let looking = look(&mut node, args);
            tokio::pin!(looking);
            let begun = Instant::now();
            loop {
                let late = tokio::time::sleep(interval);
                tokio::select! {
                    looked = &mut looking => break looked,
                    // What was told before is no news of now.
                    () = late => {
                        let waited = begun.elapsed().as_secs();
                        last = tell_unknown(
                            &format!("the node has not answered for {waited} s"),
                            is_screen,
                            output,
                        )?;
                    }
                    () = &mut stop => return Ok(last),
                }
                if output.reader_left() {
                    return Ok(last);
                }
            }
        };
        // A node that does not answer may come back: that is what is watched for.
        last = match looked {
            Ok(report) => {
                clear(is_screen, output)?;
                show(&report, true, output)?
            }
            Err(CommandError { code: ExitCode::Usage, error }) => {
                return Err(CommandError { code: ExitCode::Usage, error });
            }
            Err(CommandError { error, .. }) => {
                tell_unknown(&format!("{error:#}"), is_screen, output)?
            }
        };
        output.flush()?;
        if output.reader_left() {
            return Ok(last);
        }
        let pause = tokio::time::sleep(interval);
        tokio::select! { () = pause => {} () = &mut stop => return Ok(last) }
    }
}

/// Takes away what was told before.
fn clear(is_screen: bool, output: &mut Output) -> io::Result<()> {
    if is_screen { output.line(CLEARED_SCREEN) } else { Ok(()) }
}

/// Tells that nothing is known now, and why.
fn tell_unknown(why: &str, is_screen: bool, output: &mut Output) -> io::Result<ExitCode> {
    clear(is_screen, output)?;
    let text = format!("NOT SAFE to fail over now: nothing is known: {why}");
    if output.json {
        output.event(&Unknown { safe: false, error: &text })?;
    } else {
        output.line(text)?;
    }
    output.flush()?;
    Ok(ExitCode::Failed)
}

/// What `--watch --json` tells while the node does not answer.
#[derive(Debug, serde::Serialize)]
struct Unknown<'a> {
    safe: bool,
    error: &'a str,
}

async fn look(node: &mut NodeClient, args: &StatusArgs) -> Result<StatusReport, CommandError> {
    let described = node.describe_partly(args.mirror.as_deref(), None).await?;
    let thresholds = Thresholds::new(args.max_lag);
    let unanswered = described.unanswered.iter().map(ToString::to_string).collect();
    Ok(StatusReport::of(&described.mirrors, unanswered, &thresholds))
}

/// `is_one_of_many` when others follow.
fn show(report: &StatusReport, is_one_of_many: bool, output: &mut Output) -> io::Result<ExitCode> {
    if output.json && is_one_of_many {
        output.event(report)?;
    } else if output.json {
        output.document(report)?;
    } else {
        for line in report.lines() {
            output.line(line)?;
        }
    }
    Ok(if report.safe { ExitCode::Done } else { ExitCode::Failed })
}

/// Cursor to the upper left corner, everything away.
const CLEARED_SCREEN: &str = "\u{1b}[H\u{1b}[2J";
