//! How many connections there are at one time, and how many of them one address may have: half, so that a single host
//! that opens connections and says nothing leaves room for others. A proxy is one address too, and half is plenty.

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    each: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place that is not yet anybody's.
#[derive(Debug)]
pub(super) struct FreePlace(OwnedSemaphorePermit);

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// That many.
    pub(super) fn new(count: usize) -> Arc<Self> {
        let count = count.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(count)),
            each: count.div_ceil(2),
            taken: Mutex::default(),
        })
    }

    /// Waits for a place.
    pub(super) async fn wait(&self) -> FreePlace {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        FreePlace(permit.expect("this semaphore is never closed"))
    }

    /// Gives a place to somebody; none when they have enough.
    pub(super) fn give(self: &Arc<Self>, free: FreePlace, address: IpAddr) -> Option<Place> {
        let address = host_of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place {
            places: Arc::clone(self),
            address,
            _permit: free.0,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = self.places.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// Whose address it is: a host has a whole /64 of IPv6 (RFC 4291 §2.5.4), and an IPv4 address inside IPv6 is one of IPv4.
fn host_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) >> 64 << 64;
            Ipv6Addr::from(network).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_host_has_half() {
        let places = Places::new(4);
        let mut taken = Vec::new();
        for (address, is_given) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.1", false),
            ("2001:db8::1", true),
            ("2001:db8::2", true),
        ] {
            let free = places.wait().await;
            let place = places.give(free, address.parse().unwrap());
            assert_eq!(place.is_some(), is_given, "{address}");
            taken.extend(place);
        }
        assert_eq!(places.free.available_permits(), 0);
        taken.clear();
        assert_eq!(places.free.available_permits(), 4);
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
