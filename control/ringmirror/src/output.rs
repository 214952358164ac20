//! Standard output: data only, one writer, and a reader that went away is no error.

use std::io::{self, BufWriter, Stdout, Write as _};

use serde::Serialize;

/// Writes a command's data.
#[derive(Debug)]
pub(crate) struct Output {
    /// True when the data is wanted as JSON.
    pub(crate) json: bool,
    stdout: BufWriter<Stdout>,
    reader_left: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, stdout: BufWriter::new(io::stdout()), reader_left: false }
    }

    /// Prints one line of text.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        let written = writeln!(self.stdout, "{text}");
        self.settle(written)
    }

    /// Prints `value` as indented JSON.
    pub(crate) fn document(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.line(text)
    }

    /// Prints `value` as one line of JSON and flushes it.
    pub(crate) fn event(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        self.line(text)?;
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stdout.flush();
        self.settle(flushed)
    }

    /// `ringmirror inspect ... | head` is no failure.
    fn settle(&mut self, outcome: io::Result<()>) -> io::Result<()> {
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_left = true;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// True when nobody reads any more, so that long output can end.
    pub(crate) fn reader_left(&self) -> bool {
        self.reader_left
    }
}
