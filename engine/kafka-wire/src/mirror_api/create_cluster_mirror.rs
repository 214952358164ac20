//! Creates a mirror: a name and a configuration (KIP-1279, API 94).

use std::fmt;

use crate::fields::{FieldError, FieldReader, FieldWriter};
use crate::mirror_api::schema::{Field, fields, response};

fields! {
    /// Asks for a new mirror.
    pub struct CreateClusterMirrorRequest {
        /// Its name.
        pub mirror_name: String,
        /// Its configuration, `bootstrap.servers` at least.
        pub configs: Vec<MirrorConfig>,
    }
}

fields! {
    /// A configuration value of a mirror.
    pub struct MirrorConfig {
        /// Key.
        pub name: String,
        /// Value, or null for the default.
        pub value: ConfigValue,
    }
}

/// A value that may be a password: `Debug` says only whether it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigValue(pub Option<String>);

impl fmt::Debug for ConfigValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "(hidden)" } else { "(null)" })
    }
}

impl Field for ConfigValue {
    fn take_field(reader: &mut FieldReader<'_>, name: &'static str) -> Result<Self, FieldError> {
        Field::take_field(reader, name).map(Self)
    }

    fn push_field(&self, writer: &mut FieldWriter, name: &'static str) {
        self.0.push_field(writer, name);
    }
}

response! {
    /// Whether the mirror was created.
    pub struct CreateClusterMirrorResponse {}
}
