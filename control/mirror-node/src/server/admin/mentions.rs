//! How often a request names each of its things: what is named twice is refused, as by a stock
//! broker.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts how often each is named.
pub(in crate::server) fn mentions<K: Eq + Hash>(
    named: impl Iterator<Item = K>,
) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for key in named {
        *counts.entry(key).or_default() += 1;
    }
    counts
}
