//! Which clients the operator is warned of because they send what is no request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Allows a warning now and then: whoever sends garbage does so again and again, and must not fill
/// the disk with what is said of it.
#[derive(Debug, Default)]
pub(super) struct MalformedWarnings {
    last: Mutex<HashMap<IpAddr, Instant>>,
}

impl MalformedWarnings {
    /// True when it is time to warn of a client at that address; that is noted.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, warned| now.saturating_duration_since(*warned) < WARNING_EVERY);
        if last.len() >= WARNED_ADDRESSES_MAX || last.contains_key(&address) {
            return false;
        }
        last.insert(address, now);
        true
    }
}

/// How long nothing more is said of an address.
const WARNING_EVERY: Duration = Duration::from_secs(60);

/// Addresses warned of within that time.
const WARNED_ADDRESSES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: usize) -> IpAddr {
        Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into()
    }

    #[test]
    fn an_address_is_warned_of_once_in_a_minute() {
        let (warnings, begun) = (MalformedWarnings::default(), Instant::now());
        assert!(warnings.take(address(1), begun));
        assert!(!warnings.take(address(1), begun + WARNING_EVERY / 2));
        assert!(warnings.take(address(2), begun + WARNING_EVERY / 2));
        assert!(warnings.take(address(1), begun + WARNING_EVERY));
    }

    #[test]
    fn many_addresses_make_no_more_warnings_than_the_limit() {
        let (warnings, begun) = (MalformedWarnings::default(), Instant::now());
        let taken = (0..1000).filter(|number| warnings.take(address(*number), begun)).count();
        assert_eq!(taken, WARNED_ADDRESSES_MAX);
        assert!(warnings.take(address(999), begun + WARNING_EVERY));
    }
}
