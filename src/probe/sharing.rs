//! Equal work under way is done once: two Prometheus that scrape the same domain share one probe.
//!
//! The work belongs to those who wait for it, and to nobody else: it goes on as long as one of them does, whoever began
//! it, and is dropped with the last.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use futures_util::future::WeakShared;

/// Work under way, by what it is about.
pub(super) struct UnderWay<K, T>(Mutex<Vec<(K, WeakShared<Work<T>>)>>);

/// None when it panicked: everybody who waits hears of that.
type Work<T> = Pin<Box<dyn Future<Output = Option<Arc<T>>> + Send>>;

impl<K, T> Default for UnderWay<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, T> fmt::Debug for UnderWay<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").finish_non_exhaustive()
    }
}

impl<K: PartialEq, T: Clone> UnderWay<K, T> {
    /// The result of equal work under way, else of `work`.
    ///
    /// # Panics
    ///
    /// When the work panicked.
    pub(super) async fn join(&self, key: K, work: impl Future<Output = T> + Send + 'static) -> T {
        let result = self.shared(key, work).await;
        let result = result.expect("the probe that was joined did not panic");
        Arc::try_unwrap(result).unwrap_or_else(|shared| T::clone(&shared))
    }

    fn shared(&self, key: K, work: impl Future<Output = T> + Send + 'static) -> Shared<Work<T>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = |weak: &WeakShared<Work<T>>| {
            let work = weak.upgrade()?;
            // What is over is nobody's to join: a later question wants a later answer.
            work.peek().is_none().then_some(work)
        };
        all.retain(|(_, weak)| under_way(weak).is_some());
        let equal = all.iter().find(|(known, _)| *known == key);
        if let Some(work) = equal.and_then(|(_, weak)| under_way(weak)) {
            return work;
        }
        let work: Work<T> = Box::pin(
            AssertUnwindSafe(work)
                .catch_unwind()
                .map(|done| done.ok().map(Arc::new)),
        );
        let work = work.shared();
        all.extend(work.downgrade().map(|weak| (key, weak)));
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::time::Duration;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    /// Counts how often it began, waits at the gate, and says when it is dropped.
    struct Counted {
        begun: AtomicUsize,
        gate: Semaphore,
    }

    impl Counted {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                begun: AtomicUsize::new(0),
                gate: Semaphore::new(0),
            })
        }

        async fn work(self: Arc<Self>) -> usize {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            self.gate.acquire().await.unwrap().forget();
            number
        }
    }

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn equal_work_is_done_once() {
        let (all, counted) = (UnderWay::default(), Counted::new());
        let join = |key| all.join(key, Arc::clone(&counted).work());
        let open = async { counted.gate.add_permits(2) };
        let (a, b, c, ()) = tokio::join!(join("a"), join("a"), join("b"), open);
        assert_eq!((a, b, c), (0, 0, 1));
        counted.gate.add_permits(1);
        assert_eq!(join("a").await, 2, "what is over is not joined");
    }

    #[tokio::test]
    async fn it_goes_on_while_somebody_waits() {
        let (all, counted) = (UnderWay::default(), Counted::new());
        let join = || all.join("a", Arc::clone(&counted).work());
        let other = async {
            tokio::task::yield_now().await;
            join().await
        };
        // Who began it gives up.
        let (first, other) = tokio::join!(timeout(SOON, join()), async {
            let mut other = std::pin::pin!(other);
            assert!(timeout(2 * SOON, &mut other).await.is_err());
            counted.gate.add_permits(1);
            other.await
        });
        assert!(first.is_err());
        assert_eq!(other, 0);
        assert_eq!(counted.begun.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn it_ends_with_the_last_who_waits() {
        let (all, counted) = (UnderWay::default(), Counted::new());
        let join = || all.join("a", Arc::clone(&counted).work());
        let (one, other) = tokio::join!(timeout(SOON, join()), timeout(SOON, join()));
        assert!(one.is_err() && other.is_err());
        // The work holds a clone.
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[tokio::test]
    async fn a_panic_is_everybodys() {
        let all: UnderWay<&str, ()> = UnderWay::default();
        let join = || AssertUnwindSafe(all.join("a", async { panic!("as asked") })).catch_unwind();
        let (one, other) = tokio::join!(join(), join());
        assert!(one.is_err() && other.is_err());
        all.join("a", async {}).await;
    }
}
