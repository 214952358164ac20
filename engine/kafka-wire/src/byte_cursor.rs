//! Reading Kafka's primitive types from a slice; nothing here allocates.
//!
//! What reads a field is inlined: of a slice whose length is known no check is left then.
//!
//! Varints are those of Protocol Buffers; signed ones are zigzag coded (`ByteUtils` in Kafka).

/// Longest unsigned varint of 32 bits, in bytes.
pub const VARINT_BYTES_MAX: usize = 5;
/// Longest varint of 64 bits, in bytes.
pub const VARLONG_BYTES_MAX: usize = 10;

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// The slice ends inside the value.
    #[error("bytes end inside a value")]
    Incomplete,
    /// A varint does not end where its type says it must.
    #[error("varint is longer than its type")]
    Varint,
}

/// A place in a slice, moving forward as values are read.
#[derive(Clone, Debug)]
pub struct ByteCursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> ByteCursor<'a> {
    /// Starts at the first byte of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// [`CursorError::Incomplete`] when fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CursorError> {
        let taken = self.rest().get(..count).ok_or(CursorError::Incomplete)?;
        self.position += count;
        Ok(taken)
    }

    /// Takes the next `N` bytes.
    ///
    /// # Errors
    /// [`CursorError::Incomplete`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CursorError> {
        let taken = *self.rest().first_chunk::<N>().ok_or(CursorError::Incomplete)?;
        self.position += N;
        Ok(taken)
    }

    /// Reads an 8-bit integer.
    ///
    /// # Errors
    /// [`CursorError::Incomplete`] when the slice ends first; so do the other fixed sizes.
    #[inline]
    pub fn i8(&mut self) -> Result<i8, CursorError> {
        self.array().map(i8::from_be_bytes)
    }

    /// Reads a 16-bit integer.
    ///
    /// # Errors
    /// As [`Self::i8`].
    #[inline]
    pub fn i16(&mut self) -> Result<i16, CursorError> {
        self.array().map(i16::from_be_bytes)
    }

    /// Reads a 32-bit integer.
    ///
    /// # Errors
    /// As [`Self::i8`].
    #[inline]
    pub fn i32(&mut self) -> Result<i32, CursorError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Reads a 64-bit integer.
    ///
    /// # Errors
    /// As [`Self::i8`].
    #[inline]
    pub fn i64(&mut self) -> Result<i64, CursorError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads an unsigned varint of 32 bits; padded forms are legal, as in Kafka.
    ///
    /// # Errors
    /// [`CursorError::Varint`] when it needs more than 32 bits.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, CursorError> {
        if let Some(&byte) = self.bytes.get(self.position)
            && byte < 0x80
        {
            self.position += 1;
            return Ok(u32::from(byte));
        }
        let value = self.unsigned(VARINT_BYTES_MAX)?;
        u32::try_from(value).map_err(|_| CursorError::Varint)
    }

    /// Reads a zigzag varint of 32 bits.
    ///
    /// # Errors
    /// As [`Self::unsigned_varint`].
    pub fn varint(&mut self) -> Result<i32, CursorError> {
        let raw = self.unsigned_varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// Reads a zigzag varint of 64 bits.
    ///
    /// # Errors
    /// [`CursorError::Varint`] when it needs more than 64 bits.
    pub fn varlong(&mut self) -> Result<i64, CursorError> {
        let raw = self.unsigned(VARLONG_BYTES_MAX)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    fn unsigned(&mut self, bytes_max: usize) -> Result<u64, CursorError> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest().iter().take(bytes_max).enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * index;
            if (bits << shift) >> shift != bits {
                return Err(CursorError::Varint);
            }
            value |= bits << shift;
            if byte < 0x80 {
                self.position += index + 1;
                return Ok(value);
            }
        }
        let cut = self.rest().len() < bytes_max;
        Err(if cut { CursorError::Incomplete } else { CursorError::Varint })
    }
}

/// Appends an unsigned varint.
pub fn push_unsigned_varint(out: &mut Vec<u8>, value: u32) {
    push_unsigned(out, u64::from(value));
}

/// Appends a zigzag varint of 32 bits.
pub fn push_varint(out: &mut Vec<u8>, value: i32) {
    push_unsigned(out, u64::from(((value << 1) ^ (value >> 31)).cast_unsigned()));
}

/// Appends a zigzag varint of 64 bits.
pub fn push_varlong(out: &mut Vec<u8>, value: i64) {
    push_unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn push_unsigned(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests;
