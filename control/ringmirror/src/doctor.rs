//! `ringmirror doctor`: not there yet.

use crate::cli::DoctorArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;

pub(crate) fn run(_args: &DoctorArgs, _output: &mut Output) -> Result<ExitCode, CommandError> {
    Err(CommandError::usage("not there yet"))
}
