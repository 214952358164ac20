//! Reads and writes the fields of records and messages, in Kafka's old and compact forms.
//!
//! Room for an array grows with the elements that were read, never with the count in front of it.

use crate::byte_cursor::{ByteCursor, CursorError, push_unsigned_varint};

/// Why fields cannot be read or written; reads on as "group record ..." and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Bytes missing, or a length that cannot be.
    #[error("is damaged: {0}")]
    Cursor(#[from] CursorError),
    /// A value newer than what we know.
    #[error("has a {what} of version {version}, known are 0 to {known_max}")]
    Version {
        /// Name of the value.
        what: &'static str,
        /// Version found.
        version: i16,
        /// Newest version known.
        known_max: i16,
    },
    /// A field with a value that cannot be.
    #[error("has an unexpected {field}")]
    Unexpected {
        /// Name of the field.
        field: &'static str,
    },
    /// Bytes behind the last field.
    #[error("has {bytes} bytes behind its {part}")]
    TrailingBytes {
        /// Key or value.
        part: &'static str,
        /// How many.
        bytes: usize,
    },
    /// Elements that are there, but more than are decoded; each takes memory.
    #[error("has more than {elements_max} elements in its arrays")]
    TooManyElements {
        /// Limit.
        elements_max: u32,
    },
    /// A text or array longer than its field can say.
    #[error("has a {field} that is too long")]
    TooLong {
        /// Name of the field.
        field: &'static str,
    },
}

/// A field whose value cannot be.
pub(crate) const fn unexpected(field: &'static str) -> FieldError {
    FieldError::Unexpected { field }
}

/// A place in a key or value.
#[derive(Clone, Debug)]
pub(crate) struct FieldReader<'a> {
    cursor: ByteCursor<'a>,
    flexible: bool,
    elements_max: u32,
    elements_left: u32,
}

impl<'a> FieldReader<'a> {
    /// Reads old forms, as keys have them.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self::within(bytes, false, ANY_ELEMENTS)
    }

    /// Reads compact forms, as messages have them, with so many elements in all their arrays.
    pub(crate) const fn message(bytes: &'a [u8], elements_max: u32) -> Self {
        Self::within(bytes, true, elements_max)
    }

    const fn within(bytes: &'a [u8], flexible: bool, elements_max: u32) -> Self {
        let cursor = ByteCursor::new(bytes);
        Self { cursor, flexible, elements_max, elements_left: elements_max }
    }

    /// Reads a value's version, which says how the rest is read.
    pub(crate) fn value(
        bytes: &'a [u8],
        what: &'static str,
        first_flexible: i16,
        known_max: i16,
    ) -> Result<(Self, i16), FieldError> {
        let mut reader = Self::new(bytes);
        let version = reader.i16()?;
        if !(0..=known_max).contains(&version) {
            return Err(FieldError::Version { what, version, known_max });
        }
        reader.flexible = version >= first_flexible;
        Ok((reader, version))
    }

    /// Any byte but 0 is true, as in Kafka.
    pub(crate) fn bool(&mut self) -> Result<bool, CursorError> {
        Ok(self.cursor.i8()? != 0)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, CursorError> {
        self.cursor.i8()
    }

    pub(crate) fn i16(&mut self) -> Result<i16, CursorError> {
        self.cursor.i16()
    }

    pub(crate) fn i32(&mut self) -> Result<i32, CursorError> {
        self.cursor.i32()
    }

    pub(crate) fn i64(&mut self) -> Result<i64, CursorError> {
        self.cursor.i64()
    }

    pub(crate) fn id(&mut self) -> Result<[u8; 16], CursorError> {
        self.cursor.array()
    }

    pub(crate) fn string(&mut self, name: &'static str) -> Result<String, FieldError> {
        self.nullable_string(name)?.ok_or_else(|| unexpected(name))
    }

    pub(crate) fn nullable_string(
        &mut self,
        name: &'static str,
    ) -> Result<Option<String>, FieldError> {
        let length = if self.flexible {
            self.compact_length()?
        } else {
            nullable(i32::from(self.cursor.i16()?), name)?
        };
        let Some(length) = length else { return Ok(None) };
        let text = str::from_utf8(self.cursor.take(length)?).map_err(|_| unexpected(name))?;
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn bytes(&mut self, name: &'static str) -> Result<Vec<u8>, FieldError> {
        let length = self.length(name)?.ok_or_else(|| unexpected(name))?;
        Ok(self.cursor.take(length)?.to_vec())
    }

    /// An array that is not null; its room grows with what was really read.
    pub(crate) fn array<T>(
        &mut self,
        name: &'static str,
        element: impl FnMut(&mut Self) -> Result<T, FieldError>,
    ) -> Result<Vec<T>, FieldError> {
        self.nullable_array(name, element)?.ok_or_else(|| unexpected(name))
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        name: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, FieldError>,
    ) -> Result<Option<Vec<T>>, FieldError> {
        let Some(count) = self.length(name)? else { return Ok(None) };
        let mut elements = Vec::new();
        for _ in 0..count {
            let elements_max = self.elements_max;
            let left = self.elements_left.checked_sub(1);
            self.elements_left = left.ok_or(FieldError::TooManyElements { elements_max })?;
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// Reads tagged fields; `tagged` reads those it knows, in a reader of just that field.
    pub(crate) fn tags(
        &mut self,
        mut tagged: impl FnMut(u32, &mut Self) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.cursor.unsigned_varint()? {
            let tag = self.cursor.unsigned_varint()?;
            let size = self.cursor.unsigned_varint()?;
            let bytes = self.cursor.take(size as usize)?;
            let mut field = Self { cursor: ByteCursor::new(bytes), ..*self };
            tagged(tag, &mut field)?;
            self.elements_left = field.elements_left;
        }
        Ok(())
    }

    pub(crate) fn no_tags(&mut self) -> Result<(), FieldError> {
        self.tags(|_, _| Ok(()))
    }

    pub(crate) fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.cursor.rest();
        self.cursor = ByteCursor::new(&[]);
        rest
    }

    /// Refuses bytes that were not read.
    pub(crate) fn end(&self, part: &'static str) -> Result<(), FieldError> {
        match self.cursor.rest().len() {
            0 => Ok(()),
            bytes => Err(FieldError::TrailingBytes { part, bytes }),
        }
    }

    fn length(&mut self, name: &'static str) -> Result<Option<usize>, FieldError> {
        if self.flexible {
            return Ok(self.compact_length()?);
        }
        nullable(self.cursor.i32()?, name)
    }

    fn compact_length(&mut self) -> Result<Option<usize>, CursorError> {
        let length = self.cursor.unsigned_varint()?.checked_sub(1);
        Ok(length.map(|length| length as usize))
    }
}

/// A length where -1 stands for null.
fn nullable(length: i32, name: &'static str) -> Result<Option<usize>, FieldError> {
    if length == -1 {
        return Ok(None);
    }
    usize::try_from(length).map(Some).map_err(|_| unexpected(name))
}

/// A key or value being written; a field that is too long is told at the end.
#[derive(Clone, Debug)]
pub(crate) struct FieldWriter {
    out: Vec<u8>,
    flexible: bool,
    elements: u64,
    too_long: Option<&'static str>,
}

impl FieldWriter {
    /// Starts a key with its kind, or a value of old forms with its version.
    pub(crate) fn new(first: i16) -> Self {
        Self { out: Vec::from(first.to_be_bytes()), flexible: false, elements: 0, too_long: None }
    }

    /// Starts a message of compact forms.
    pub(crate) const fn message() -> Self {
        Self { out: Vec::new(), flexible: true, elements: 0, too_long: None }
    }

    /// Starts a value of compact forms with its version.
    pub(crate) fn flexible(version: i16) -> Self {
        Self { flexible: true, ..Self::new(version) }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.out.extend(value.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.out.extend(value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.extend(value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.out.extend(value.to_be_bytes());
    }

    pub(crate) fn id(&mut self, id: [u8; 16]) {
        self.raw(&id);
    }

    pub(crate) fn text(&mut self, text: &str, name: &'static str) {
        self.nullable_text(Some(text), name);
    }

    pub(crate) fn nullable_text(&mut self, text: Option<&str>, name: &'static str) {
        if self.flexible {
            self.compact_length(text.map(str::len), name);
        } else {
            let length = text.map_or(Ok(-1), |text| i16::try_from(text.len()));
            match length {
                Ok(length) => self.out.extend(length.to_be_bytes()),
                Err(_) => self.too_long = Some(name),
            }
        }
        self.raw(text.unwrap_or_default().as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8], name: &'static str) {
        self.length(bytes.len(), name);
        self.raw(bytes);
    }

    pub(crate) fn array<T>(
        &mut self,
        elements: &[T],
        name: &'static str,
        mut element: impl FnMut(&mut Self, &T),
    ) {
        self.length(elements.len(), name);
        self.elements = self.elements.saturating_add(elements.len() as u64);
        for one in elements {
            element(self, one);
        }
    }

    /// A null array, in a message or value of compact forms.
    pub(crate) fn null(&mut self) {
        push_unsigned_varint(&mut self.out, 0);
    }

    /// Writes tagged fields, those that are there, in the order of their tags.
    pub(crate) fn tags(&mut self, tagged: &[(u32, Option<Self>)]) {
        let present = || tagged.iter().filter_map(|(tag, field)| Some((tag, field.as_ref()?)));
        let count = u32::try_from(present().count()).expect("a record has few tags");
        push_unsigned_varint(&mut self.out, count);
        for (tag, field) in present() {
            push_unsigned_varint(&mut self.out, *tag);
            match u32::try_from(field.out.len()) {
                Ok(size) => push_unsigned_varint(&mut self.out, size),
                Err(_) => self.too_long = Some("tagged field"),
            }
            self.raw(&field.out);
            self.too_long = self.too_long.or(field.too_long);
            self.elements = self.elements.saturating_add(field.elements);
        }
    }

    /// The content of a tagged field.
    pub(crate) fn tagged(write: impl FnOnce(&mut Self)) -> Self {
        let mut field = Self::message();
        write(&mut field);
        field
    }

    /// Finishes a message that is read with so many elements in all its arrays.
    pub(crate) fn finish_within(self, elements_max: u32) -> Result<Vec<u8>, FieldError> {
        if self.elements > u64::from(elements_max) {
            return Err(FieldError::TooManyElements { elements_max });
        }
        self.finish()
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, FieldError> {
        match self.too_long {
            None => Ok(self.out),
            Some(field) => Err(FieldError::TooLong { field }),
        }
    }

    fn length(&mut self, length: usize, name: &'static str) {
        if self.flexible {
            return self.compact_length(Some(length), name);
        }
        match i32::try_from(length) {
            Ok(length) => self.i32(length),
            Err(_) => self.too_long = Some(name),
        }
    }

    fn compact_length(&mut self, length: Option<usize>, name: &'static str) {
        match i32::try_from(length.map_or(0, |length| length + 1)) {
            Ok(length) => push_unsigned_varint(&mut self.out, length.cast_unsigned()),
            Err(_) => self.too_long = Some(name),
        }
    }
}

/// For records, whose bytes are few enough.
const ANY_ELEMENTS: u32 = u32::MAX;
