//! What the process says by its exit code; the list users see is in `cli.rs`.

use std::fmt;
use std::process;

use mirror_node::client_properties::{AddressError, ClientPropertiesError};
use mirror_node::directory::DirectoryError;
use mirror_node::source_connection::SourceError;
use mirror_node::topic_filter::FilterError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done, nothing wrong.
    Done = 0,
    /// Failed, the check found a difference, or a log could not be closed.
    Failed = 1,
    /// The command line or a configuration file is wrong. The parser of arguments uses it too.
    Usage = 2,
    /// The source cannot be reached or is not what it should be.
    Source = 3,
    /// The data directory cannot be used.
    DataDirectory = 4,
    /// Interrupted before it was done.
    Interrupted = 5,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// An error with the exit code it leads to.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) code: ExitCode,
    pub(crate) error: anyhow::Error,
}

impl CommandError {
    pub(crate) fn new(code: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }

    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self::new(ExitCode::Usage, anyhow::anyhow!("{text}"))
    }
}

macro_rules! leads_to {
    ($($error:ty => $code:ident),* $(,)?) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::new(ExitCode::$code, error)
            }
        })*
    };
}

leads_to! {
    std::io::Error => Failed,
    anyhow::Error => Failed,
    serde_json::Error => Failed,
    AddressError => Usage,
    ClientPropertiesError => Usage,
    FilterError => Usage,
    SourceError => Source,
}

impl From<DirectoryError> for CommandError {
    fn from(error: DirectoryError) -> Self {
        let code = match error {
            DirectoryError::WrongSource { .. } => ExitCode::Source,
            _ => ExitCode::DataDirectory,
        };
        Self::new(code, error)
    }
}
