//! `ringmirror inspect`: not there yet.

use crate::cli::InspectArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;

pub(crate) fn run(_args: &InspectArgs, _output: &mut Output) -> Result<ExitCode, CommandError> {
    Err(CommandError::usage("not there yet"))
}
