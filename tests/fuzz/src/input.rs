//! Takes the bytes of a fuzz input apart; where they end, zeros follow.

/// The rest of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True when every byte was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// The next eight bytes.
    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.array())
    }

    /// One of `choices`.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// Up to `length` of the bytes left.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Everything left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// Lengths of pieces, to be used in turn, over and over: up to seven bytes, each a length.
    pub fn cuts(&mut self) -> Cuts {
        let count = usize::from(self.byte() % 8);
        let lengths: Vec<usize> = self.take(count).iter().map(|&byte| piece_bytes(byte)).collect();
        Cuts { lengths, next: 0 }
    }
}

/// Lengths of pieces.
#[derive(Clone, Debug)]
pub struct Cuts {
    lengths: Vec<usize>,
    next: usize,
}

impl Cuts {
    /// Bytes of the next piece, at least one and never more than `left`.
    pub fn next(&mut self, left: usize) -> usize {
        if self.lengths.is_empty() {
            return left;
        }
        let length = self.lengths[self.next % self.lengths.len()];
        self.next += 1;
        length.min(left)
    }
}

/// Short pieces matter most; the largest are larger than any header.
fn piece_bytes(byte: u8) -> usize {
    let byte = usize::from(byte);
    if byte < 128 { byte + 1 } else { (byte - 127) * 32 }
}
