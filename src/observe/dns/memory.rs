//! What was learned, for as long as it holds: bounded in bytes, each entry with its own end, and equal questions that come
//! in while one is being answered wait for that answer.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use hickory_proto::rr::RData;
use moka::Expiry;
use moka::future::Cache;

use crate::clock::UnixTime;
use crate::evidence::dns::ChainLink;
use crate::protocol::dnssec::canonical_rdata;

/// Roughly what any entry takes: its key, its place in the cache, what is around the data.
pub(super) const BYTES_AN_ENTRY: usize = 1024;

/// Roughly what a record's data takes: strings in it lie elsewhere, each with an allocation of its own.
pub(super) fn data_bytes(data: &RData) -> usize {
    let wire = canonical_rdata(data).map_or(0, |wire| wire.len());
    wire.saturating_mul(2).saturating_add(size_of::<RData>())
}

/// Roughly what the links of a chain take.
pub(super) fn links_bytes(links: &[Arc<ChainLink>]) -> usize {
    let texts = links
        .iter()
        .map(|link| link.zone.len().saturating_add(link.detail.len()));
    texts.fold(
        links.len().saturating_mul(size_of::<ChainLink>()),
        usize::saturating_add,
    )
}

/// A value with the end of its life. A value whose life ends at once is shared by those who wait for it and then gone.
#[derive(Debug, Clone)]
pub(super) struct Kept<V> {
    pub(super) value: V,
    /// From this second on it is asked for anew.
    pub(super) until: UnixTime,
    /// The same as a span, for the cache's own clock.
    life: Duration,
    /// Roughly what it takes in memory.
    bytes: usize,
}

impl<V> Kept<V> {
    pub(super) fn new(value: V, now: UnixTime, until: UnixTime, bytes: usize) -> Self {
        let seconds = u64::try_from(now.until(until)).unwrap_or(0);
        Self {
            value,
            until,
            life: Duration::from_secs(seconds),
            bytes,
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was there.
    Kept,
    /// Another caller was getting it.
    Joined,
    /// This caller got it.
    Made,
}

/// Values by key.
pub(super) struct Memory<K, V> {
    cache: Cache<K, Kept<V>>,
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Holds about `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            cache: Cache::builder()
                .max_capacity(capacity)
                .weigher(|_, kept: &Kept<V>| u32::try_from(kept.bytes).unwrap_or(u32::MAX))
                .expire_after(OwnLife)
                .build(),
        }
    }

    /// The value if it is there, else that of `make`. When the caller that runs `make` is dropped, one of those who wait
    /// runs its own.
    pub(super) async fn get(
        &self,
        key: K,
        now: UnixTime,
        make: impl Future<Output = Kept<V>> + Send,
    ) -> (Kept<V>, Origin) {
        if let Some(kept) = self.cache.get(&key).await
            && kept.until > now
        {
            return (kept, Origin::Kept);
        }
        let entry = self
            .cache
            .entry(key)
            .or_insert_with_if(Box::pin(make), |kept| kept.until <= now)
            .await;
        let origin = if entry.is_fresh() {
            Origin::Made
        } else {
            Origin::Joined
        };
        (entry.into_value(), origin)
    }

    /// Whether a value is there.
    pub(super) async fn knows(&self, key: &K, now: UnixTime) -> bool {
        self.cache
            .get(key)
            .await
            .is_some_and(|kept| kept.until > now)
    }
}

struct OwnLife;

impl<K, V> Expiry<K, Kept<V>> for OwnLife {
    fn expire_after_create(&self, _: &K, kept: &Kept<V>, _: Instant) -> Option<Duration> {
        Some(kept.life)
    }

    fn expire_after_update(
        &self,
        _: &K,
        kept: &Kept<V>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::panic::AssertUnwindSafe;

    /// A bug that one look-up hits is not everybody's.
    #[tokio::test]
    async fn who_waits_for_a_panic_asks_again() {
        let memory = Memory::new(1024);
        let now = UnixTime(0);
        let value = |value| Kept::new(value, now, now.plus(60), 1);
        let panics = memory.get("key", now, async {
            tokio::task::yield_now().await;
            panic!("as asked")
        });
        let waits = memory.get("key", now, async { value(1) });
        let (panicked, (kept, _)) = tokio::join!(AssertUnwindSafe(panics).catch_unwind(), waits);
        assert!(panicked.is_err());
        assert_eq!(kept.value, 1);
        let (kept, origin) = memory.get("key", now, async { value(2) }).await;
        assert_eq!((kept.value, origin), (1, Origin::Kept));
    }
}
