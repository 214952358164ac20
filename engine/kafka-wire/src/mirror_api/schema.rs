//! Turns a struct into a message: its fields are on the wire in the order they are written in.

use crate::fields::{FieldError, FieldReader, FieldWriter};

/// Something that stands on the wire; `name` is what errors call it.
pub(super) trait Field: Sized {
    /// Reads it.
    fn take_field(reader: &mut FieldReader<'_>, name: &'static str) -> Result<Self, FieldError>;

    /// Writes it.
    fn push_field(&self, writer: &mut FieldWriter, name: &'static str);
}

/// The value of a tagged field that is left out: the one written behind it, or its type's default.
macro_rules! tagged_default {
    ($kind:ty) => {
        <$kind>::default()
    };
    ($kind:ty, $default:expr) => {
        $default
    };
}

/// Declares a struct of a message; fields under `tagged` have the tag in front of them and are
/// left out while they have the value written behind them, or else the default of their type.
/// Unknown tagged fields are skipped.
macro_rules! fields {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            $($(#[$field_doc:meta])* pub $field:ident: $kind:ty,)*
        }
        $(tagged {
            $(
                $(#[$tagged_doc:meta])*
                $tag:literal => pub $tagged:ident: $tagged_kind:ty $(= $default:expr)?,
            )*
        })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
            $($($(#[$tagged_doc])* pub $tagged: $tagged_kind,)*)?
        }

        impl $crate::mirror_api::schema::Field for $name {
            fn take_field(
                reader: &mut $crate::fields::FieldReader<'_>,
                _name: &'static str,
            ) -> Result<Self, $crate::fields::FieldError> {
                use $crate::mirror_api::schema::Field;
                $(let $field = Field::take_field(reader, stringify!($field))?;)*
                $($(
                    let mut $tagged: $tagged_kind =
                        $crate::mirror_api::schema::tagged_default!($tagged_kind $(, $default)?);
                )*)?
                reader.tags(|_tag, _reader| {
                    $($(if _tag == $tag {
                        $tagged = Field::take_field(_reader, stringify!($tagged))?;
                    })*)?
                    Ok(())
                })?;
                Ok(Self { $($field,)* $($($tagged,)*)? })
            }

            fn push_field(&self, writer: &mut $crate::fields::FieldWriter, _name: &'static str) {
                use $crate::fields::FieldWriter;
                use $crate::mirror_api::schema::Field;
                $(Field::push_field(&self.$field, writer, stringify!($field));)*
                let tagged: &[(u32, Option<FieldWriter>)] = &[$($((
                    $tag,
                    (self.$tagged
                        != $crate::mirror_api::schema::tagged_default!(
                            $tagged_kind $(, $default)?
                        ))
                    .then(|| {
                        FieldWriter::tagged(|field| {
                            Field::push_field(&self.$tagged, field, stringify!($tagged));
                        })
                    }),
                ),)*)?];
                writer.tags(tagged);
            }
        }
    };
}

/// Declares a response: what every one of them starts with, and then its own fields.
macro_rules! response {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            $($(#[$field_doc:meta])* pub $field:ident: $kind:ty,)*
        }
        $(tagged {
            $($(#[$tagged_doc:meta])* $tag:literal => pub $tagged:ident: $tagged_kind:ty,)*
        })?
    ) => {
        $crate::mirror_api::schema::fields! {
            $(#[$doc])*
            pub struct $name {
                /// How long the client is held back, milliseconds.
                pub throttle_time_ms: i32,
                /// Protocol error code of the whole request, 0 for none.
                pub error_code: i16,
                /// The error for people.
                pub error_message: Option<String>,
                $($(#[$field_doc])* pub $field: $kind,)*
            }
            $(tagged {
                $($(#[$tagged_doc])* $tag => pub $tagged: $tagged_kind,)*
            })?
        }

        impl $name {
            /// The answer that says this error and nothing else; code 0 and no text for success
            /// with nothing to tell.
            #[must_use]
            pub fn outcome(error_code: i16, error_message: Option<String>) -> Self {
                Self {
                    throttle_time_ms: 0,
                    error_code,
                    error_message,
                    $($field: Default::default(),)*
                    $($($tagged: Default::default(),)*)?
                }
            }
        }
    };
}

pub(super) use {fields, response, tagged_default};

/// Numbers and other values of a fixed size.
macro_rules! fixed_field {
    ($($kind:ty: $take:ident, $push:ident;)*) => {$(
        impl Field for $kind {
            fn take_field(
                reader: &mut FieldReader<'_>,
                _name: &'static str,
            ) -> Result<Self, FieldError> {
                Ok(reader.$take()?)
            }

            fn push_field(&self, writer: &mut FieldWriter, _name: &'static str) {
                writer.$push(*self);
            }
        }
    )*};
}

fixed_field! {
    bool: bool, bool;
    i8: i8, i8;
    i16: i16, i16;
    i32: i32, i32;
    i64: i64, i64;
    [u8; 16]: id, id;
}

impl Field for String {
    fn take_field(reader: &mut FieldReader<'_>, name: &'static str) -> Result<Self, FieldError> {
        reader.string(name)
    }

    fn push_field(&self, writer: &mut FieldWriter, name: &'static str) {
        writer.text(self, name);
    }
}

impl Field for Option<String> {
    fn take_field(reader: &mut FieldReader<'_>, name: &'static str) -> Result<Self, FieldError> {
        reader.nullable_string(name)
    }

    fn push_field(&self, writer: &mut FieldWriter, name: &'static str) {
        writer.nullable_text(self.as_deref(), name);
    }
}

impl<T: Field> Field for Vec<T> {
    fn take_field(reader: &mut FieldReader<'_>, name: &'static str) -> Result<Self, FieldError> {
        reader.array(name, |reader| T::take_field(reader, name))
    }

    fn push_field(&self, writer: &mut FieldWriter, name: &'static str) {
        writer.array(self, name, |writer, element| element.push_field(writer, name));
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    fn take_field(reader: &mut FieldReader<'_>, name: &'static str) -> Result<Self, FieldError> {
        reader.nullable_array(name, |reader| T::take_field(reader, name))
    }

    fn push_field(&self, writer: &mut FieldWriter, name: &'static str) {
        match self {
            Some(elements) => elements.push_field(writer, name),
            None => writer.null(),
        }
    }
}
