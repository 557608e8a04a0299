//! How many connections there are at one time, and how many of them one address may have: half, so that a single host
//! that opens connections and says nothing leaves room for others. A proxy is one address too, and half is plenty.
//! Answers that wait to be taken have places besides (`unsent`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::config::Config;
use crate::gate::Gate;
use crate::gate::Inside;

/// Connections beside those that probe: scrapes of `/metrics`, health checks, and those that are told to come back later.
const OTHER_CONNECTIONS: usize = 384;

/// All places, over all listeners.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Gate>,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    /// How many one address may have.
    each: usize,
    by: HashMap<IpAddr, usize>,
}

/// A place that is not yet anybody's.
#[derive(Debug)]
pub(super) struct FreePlace(Inside);

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    _inside: Inside,
}

impl Places {
    /// Room for every probe that is allowed and for others beside them.
    pub(super) fn of(config: &Config) -> Arc<Self> {
        let places = Self::new(0);
        places.follow(config);
        places
    }

    /// That many.
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            all: Gate::new(count),
            taken: Mutex::new(Taken {
                each: count.div_ceil(2),
                by: HashMap::new(),
            }),
        })
    }

    /// As many as this configuration allows from now on; whoever has one keeps it.
    pub(super) fn follow(&self, config: &Config) {
        let probes = config.limits.max_concurrent_probes;
        self.resize(probes.saturating_add(OTHER_CONNECTIONS));
    }

    fn resize(&self, count: usize) {
        self.taken().each = count.div_ceil(2);
        self.all.resize(count);
    }

    /// Waits for a place.
    pub(super) async fn wait(&self) -> FreePlace {
        FreePlace(self.all.enter().await)
    }

    /// Gives a place to somebody; none when they have enough.
    pub(super) fn give(self: &Arc<Self>, free: FreePlace, address: IpAddr) -> Option<Place> {
        let address = host_of(address);
        let mut taken = self.taken();
        let each = taken.each;
        let count = taken.by.entry(address).or_default();
        if *count >= each {
            return None;
        }
        *count += 1;
        Some(Place {
            places: Arc::clone(self),
            address,
            _inside: free.0,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// So many more for the same address, or half of what it may have if that is less; none when there are not enough now.
    pub(super) fn more(&self, count: usize) -> Option<Vec<Self>> {
        let most = self.places.taken().each / 2;
        let one_more = |_| {
            let free = FreePlace(self.places.all.try_enter()?);
            self.places.give(free, self.address)
        };
        (0..count.min(most)).map(one_more).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.by.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by.remove(&self.address);
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
        assert!(places.all.try_enter().is_none(), "all four are taken");
        taken.clear();
        let free: Vec<_> = std::iter::from_fn(|| places.all.try_enter()).collect();
        assert_eq!(free.len(), 4);
        assert!(places.taken().by.is_empty());
    }
    #[tokio::test]
    async fn half_is_half_of_what_there_is_now() {
        let places = Places::new(2);
        let host = "192.0.2.1".parse().unwrap();
        let first = places.give(places.wait().await, host);
        assert!(first.is_some());
        assert!(places.give(places.wait().await, host).is_none());
        places.resize(4);
        let second = places.give(places.wait().await, host);
        assert!(second.is_some());
        places.resize(2);
        assert!(places.all.try_enter().is_none(), "two are taken of two");
        drop(second);
        assert!(places.give(places.wait().await, host).is_none());
    }
}
