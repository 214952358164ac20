//! Values of records: letters at random, or orders in JSON that compress as orders do.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Makes one value after the other, the same ones in every run.
#[derive(Debug)]
pub(crate) struct RecordValues {
    random: u64,
    kind: Kind,
    value_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Letters,
    Orders,
}

impl RecordValues {
    /// Letters and digits at random, which nothing makes much smaller.
    pub(crate) const fn letters(value_bytes: usize) -> Self {
        Self { random: SEED, kind: Kind::Letters, value_bytes }
    }

    /// Orders in JSON: names of fields again and again, and between them numbers at random.
    ///
    /// A few hundred of them in a batch become about 1.7 times smaller with LZ4 and 2.6 times
    /// with Zstandard.
    pub(crate) const fn orders(value_bytes: usize) -> Self {
        Self { random: SEED, kind: Kind::Orders, value_bytes }
    }

    /// The next value, of exactly the size asked for.
    pub(crate) fn next_value(&mut self) -> Bytes {
        let mut value = BytesMut::with_capacity(self.value_bytes + ITEM_BYTES_MAX);
        match self.kind {
            Kind::Letters => self.push_random(&mut value, LETTERS, self.value_bytes),
            Kind::Orders => self.push_order(&mut value),
        }
        value.truncate(self.value_bytes);
        value.freeze()
    }

    fn push_order(&mut self, value: &mut BytesMut) {
        value.put_slice(b"{\"order_id\":\"");
        self.push_random(value, CODES, 32);
        value.put_slice(b"\",\"customer\":{\"id\":\"");
        self.push_random(value, CODES, 16);
        value.put_slice(b"\",\"country\":\"DE\",\"currency\":\"EUR\"},\"items\":[");
        while value.len() < self.value_bytes {
            value.put_slice(b"{\"sku\":\"");
            self.push_random(value, CODES, 24);
            value.put_slice(b"\",\"quantity\":");
            self.push_random(value, DIGITS, 1);
            value.put_slice(b",\"price\":");
            self.push_random(value, DIGITS, 5);
            value.put_slice(b",\"token\":\"");
            self.push_random(value, CODES, 32);
            value.put_slice(b"\"},");
        }
    }

    fn push_random(&mut self, value: &mut BytesMut, alphabet: &[u8], count: usize) {
        value.extend((0..count).map(|_| alphabet[self.next_number() % alphabet.len()]));
    }

    /// xorshift64*.
    fn next_number(&mut self) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let number = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from(number >> 33).unwrap_or_default()
    }
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const CODES: &[u8] = b"0123456789bcdfghjkmnpqrs";
const DIGITS: &[u8] = b"0123456789";
/// More than the longest piece of an order.
const ITEM_BYTES_MAX: usize = 256;
