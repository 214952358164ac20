//! The values a node runs with, and where each came from.

use std::fmt;
use std::io;
use std::path::PathBuf;

use mirror_coordinator::mirror_name::MirrorName;
use mirror_node::client_properties::DisplayAddress;
use mirror_uring::BrokerAddress;
use serde::Serialize;
use serde_json::{Value, json};

use super::raw::{AuthorizerKind, MirroredWriteError};
use crate::cli::{Cores, UncleanElection};
use crate::output::Output;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File,
    /// The command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::CommandLine => "command line",
        })
    }
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct EffectiveSetting {
    /// Its key in the file, behind its section and a dot.
    pub(crate) key: String,
    /// Its value; null when it has none.
    pub(crate) value: Value,
    /// Where that came from.
    pub(crate) from: Origin,
}

/// All settings, in the order of the file.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Effective {
    pub(crate) settings: Vec<EffectiveSetting>,
}

impl Effective {
    /// Takes the command line's value over the file's over the default, and notes which it was.
    pub(super) fn pick<T: Shown>(
        &mut self,
        key: &str,
        command_line: Option<T>,
        file: Option<T>,
        default: T,
    ) -> T {
        let (value, from) = match (command_line, file) {
            (Some(value), _) => (value, Origin::CommandLine),
            (None, Some(value)) => (value, Origin::File),
            (None, None) => (default, Origin::Default),
        };
        let (key, value_shown) = (key.to_owned(), value.shown());
        self.settings.push(EffectiveSetting { key, value: value_shown, from });
        value
    }

    /// Takes in the settings of a section.
    pub(super) fn add(&mut self, section: Self) {
        self.settings.extend(section.settings);
    }

    /// The same settings, of which one has another value where it is there.
    pub(super) fn with<T: Shown>(mut self, key: &str, value: T) -> Self {
        for setting in self.settings.iter_mut().filter(|setting| setting.key == key) {
            setting.value = value.shown();
        }
        self
    }

    /// Prints the settings: as text, a file that says the same.
    pub(crate) fn print(&self, output: &mut Output) -> io::Result<()> {
        if output.json {
            return output.document(self);
        }
        let mut section = "";
        for setting in &self.settings {
            let (of, key) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
            if of != section {
                section = of;
                output.line(format_args!("\n[{section}]"))?;
            }
            let EffectiveSetting { value, from, .. } = setting;
            if value.is_null() {
                output.line(format_args!("# {key} is not set"))?;
            } else {
                output.line(format_args!("{key} = {value}  # {from}"))?;
            }
        }
        Ok(())
    }
}

/// A value as it would stand in a file.
pub(super) trait Shown {
    /// Null when there is nothing to write.
    fn shown(&self) -> Value;
}

macro_rules! shown {
    ($($of:ty: |$value:ident| $shown:expr;)*) => {
        $(impl Shown for $of {
            fn shown(&self) -> Value {
                let $value = self;
                json!($shown)
            }
        })*
    };
}

shown! {
    u64: |number| number;
    usize: |number| number;
    i32: |number| number;
    bool: |flag| flag;
    String: |text| text;
    PathBuf: |path| path.display().to_string();
    BrokerAddress: |address| DisplayAddress(address).to_string();
    Vec<BrokerAddress>: |list| list.iter().map(Shown::shown).collect::<Vec<_>>();
    Cores: |cores| cores.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    UncleanElection: |policy| policy.name();
    MirroredWriteError: |error| error.name();
    AuthorizerKind: |kind| kind.name();
    Vec<String>: |list| list;
    MirrorName: |name| name.as_str();
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> Value {
        self.as_ref().map_or(Value::Null, Shown::shown)
    }
}
