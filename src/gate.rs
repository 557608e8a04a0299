//! A gate that so many may be inside of at one time: a semaphore whose size follows the configuration.
//!
//! When it becomes smaller than what is inside, nobody is sent out; nobody else comes in until enough have left.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::Semaphore;

/// The gate; entered through an `Arc`, because whoever is inside holds it.
pub struct Gate {
    /// One permit for each free place.
    free: Semaphore,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    most: usize,
    /// How many of those inside are too many since it became smaller: their places are not given on.
    surplus: usize,
}

/// Somebody inside, until it is dropped.
#[derive(Debug)]
pub struct Inside(Arc<Gate>);

impl Gate {
    /// For so many at one time.
    pub fn new(most: usize) -> Arc<Self> {
        let most = most.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            free: Semaphore::new(most),
            size: Mutex::new(Size { most, surplus: 0 }),
        })
    }

    /// Goes in as soon as there is room, in the order of arrival.
    pub async fn enter(self: &Arc<Self>) -> Inside {
        let place = self.free.acquire().await;
        place.expect("it is never closed").forget();
        Inside(Arc::clone(self))
    }

    /// Goes in if there is room now.
    pub fn try_enter(self: &Arc<Self>) -> Option<Inside> {
        self.free.try_acquire().ok()?.forget();
        Some(Inside(Arc::clone(self)))
    }

    /// Lets so many in from now on.
    pub fn resize(&self, most: usize) {
        let most = most.min(Semaphore::MAX_PERMITS);
        let mut size = self.size();
        let more = most.saturating_sub(size.most);
        let kept = more.min(size.surplus);
        self.free.add_permits(more - kept);
        size.surplus -= kept;
        let fewer = size.most.saturating_sub(most);
        size.surplus += fewer - self.free.forget_permits(fewer);
        size.most = most;
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut size = self.0.size();
        match size.surplus.checked_sub(1) {
            Some(left) => size.surplus = left,
            None => self.0.free.add_permits(1),
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("free", &self.free.available_permits())
            .field("size", &*self.size())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test]
    async fn waits_for_room() {
        let gate = Gate::new(1);
        let first = gate.enter().await;
        assert!(gate.try_enter().is_none());
        let mut second = std::pin::pin!(gate.enter());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        gate.resize(2);
        let second = second.await;
        gate.resize(1);
        drop(first);
        assert!(gate.try_enter().is_none(), "one is inside, and one may be");
        drop(second);
        assert!(gate.try_enter().is_some());
    }

    proptest! {
        /// Whatever is done in whatever order, somebody comes in exactly while fewer are inside than may be.
        #[test]
        fn follows_its_size(steps in prop::collection::vec((0..3_u8, 0..6_usize), 1..60)) {
            let gate = Gate::new(2);
            let mut most = 2;
            let mut inside = Vec::new();
            for (step, number) in steps {
                match step {
                    0 => {
                        gate.resize(number);
                        most = number;
                    }
                    1 if number < inside.len() => {
                        inside.swap_remove(number);
                    }
                    _ => {
                        let has_room = inside.len() < most;
                        let entered = gate.try_enter();
                        prop_assert_eq!(entered.is_some(), has_room, "{:?} of {}", inside.len(), most);
                        inside.extend(entered);
                    }
                }
            }
        }
    }
}
