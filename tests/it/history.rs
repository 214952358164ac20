//! A source with everything a log can hold, for the tests that mirror it whole.

use std::collections::BTreeMap;

use anyhow::Result;
use harness::Driver;
use harness::driver::{Codec, CreateTopic, Outcome, Produce};

/// The partitions of [`fill`].
pub(crate) const PARTITIONS: [(&str, i32); 4] =
    [("orders", 0), ("orders", 1), ("orders", 2), ("plain", 0)];

/// Creates `orders` (partition 0: all codecs over several segments; 1: transactions that were
/// committed, aborted, left open; 2: nothing) and `plain`. Returns the topics' ids.
pub(crate) fn fill(driver: &Driver) -> Result<BTreeMap<&'static str, String>> {
    let orders = CreateTopic::new("orders", 3)
        .config("segment.bytes", "1048576")
        .config("index.interval.bytes", "1024");
    let ids = BTreeMap::from([
        ("orders", driver.create_topic(&orders)?),
        ("plain", driver.create_topic(&CreateTopic::new("plain", 1))?),
    ]);
    for codec in Codec::ALL {
        let records = Produce::new("orders", 0, 1500).value_bytes(1000).codec(codec);
        driver.produce(&records.clone().records_per_batch(250))?;
        driver.produce(&records.batch_bytes(4096).idempotent_as(codec.name()))?;
    }
    for (first, outcome) in [(0, Outcome::Commit), (1, Outcome::Abort)].repeat(3) {
        let big = Produce::new("orders", 1, 300).first(first).value_bytes(1000);
        driver.produce(&big.transaction("steady", outcome))?;
        driver.produce(&Produce::new("orders", 1, 2).transaction("other", outcome))?;
        driver.produce(&Produce::new("orders", 1, 3))?;
    }
    driver.produce(&Produce::new("orders", 1, 5).transaction("steady", Outcome::Open))?;
    driver.produce(&Produce::new("orders", 1, 4).idempotent_as("numbered"))?;
    driver.produce(&Produce::new("plain", 0, 40).records_per_batch(7))?;
    driver.await_high_watermark("orders", 1, ORDERS_1_END)?;
    Ok(ids)
}

/// Where `orders-1` ends: six rounds with two markers each, and the records behind them.
const ORDERS_1_END: i64 = 6 * (300 + 1 + 2 + 1 + 3) + 5 + 4;
