//! `ringmirror import-mm2`: the mirrors that a file of MirrorMaker 2 stands for, as commands, and
//! every key of it that has no counterpart, with the reason.
//!
//! The file is somebody else's: it is read up to a size, nothing of it is run, and what is printed
//! of it is quoted for the shell. Values that may be secrets are not printed at all.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use mirror_node::properties::PROPERTIES_BYTES_MAX;

use crate::cli::ImportMm2Args;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;

mod counterparts;
mod imported;
mod mm2_file;
mod script;

use self::imported::Import;
use self::mm2_file::Mm2File;

pub(crate) fn run(args: &ImportMm2Args, output: &mut Output) -> Result<ExitCode, CommandError> {
    let at = args.file.display();
    let wrong = |error: String| CommandError::usage(format!("{at}: {error}"));
    let text = read(&args.file).map_err(wrong)?;
    let file = Mm2File::parse(&text).map_err(wrong)?;
    let import = Import::of(&file, args.target.as_deref()).map_err(wrong)?;
    if output.json {
        output.document(&import)?;
    } else {
        let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned());
        let node = args.bootstrap_server.as_deref().unwrap_or(NODE);
        for line in script::lines(&import, &name.unwrap_or_default(), node) {
            output.line(line)?;
        }
    }
    Ok(if import.refused.is_empty() { ExitCode::Done } else { ExitCode::Failed })
}

/// The text of a file that may be large or no text. Java reads such files as ISO 8859-1, in which
/// every byte is a letter.
fn read(path: &Path) -> Result<String, String> {
    let limit = u64::try_from(PROPERTIES_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    let opened = File::open(path);
    let read = opened.and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > PROPERTIES_BYTES_MAX {
        return Err(format!("is larger than {PROPERTIES_BYTES_MAX} bytes"));
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

/// Where a node listens unless it is told otherwise.
const NODE: &str = "localhost:9092";

#[cfg(test)]
mod tests;
