//! The right to speak: so many sessions at one address, so many over all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::config;
use crate::gate::Gate;
use crate::gate::Inside;

/// Given out in the order of arrival.
pub(super) struct Slots {
    over_all: Arc<Gate>,
    addresses: Mutex<Addresses>,
}

/// The slots of each address.
struct Addresses {
    /// At each.
    most: usize,
    slots: HashMap<IpAddr, Arc<Gate>>,
    /// How many were left when those that nobody speaks to were last forgotten.
    kept: usize,
}

/// Both are given back when this is dropped.
pub(super) struct Slot {
    _address: Inside,
    _over_all: Inside,
}

/// From this many addresses on, those that nobody speaks to are looked for and forgotten.
const ADDRESSES_KEPT: usize = 1024;

impl Slots {
    pub(super) fn new(settings: &config::Smtp) -> Self {
        Self {
            over_all: Gate::new(settings.max_sessions),
            addresses: Mutex::new(Addresses {
                most: settings.max_sessions_per_address,
                slots: HashMap::new(),
                kept: 0,
            }),
        }
    }

    pub(super) fn resize(&self, settings: &config::Smtp) {
        self.over_all.resize(settings.max_sessions);
        let mut addresses = self.addresses();
        addresses.most = settings.max_sessions_per_address;
        #[expect(clippy::iter_over_hash_type, reason = "each alone, in any order")]
        for gate in addresses.slots.values() {
            gate.resize(addresses.most);
        }
    }

    /// First the address's own slot: waiting for it must not take one from the others.
    pub(super) async fn take(&self, address: IpAddr) -> Slot {
        let address = self.at(address);
        Slot {
            _address: address.enter().await,
            _over_all: self.over_all.enter().await,
        }
    }

    fn at(&self, address: IpAddr) -> Arc<Gate> {
        let mut addresses = self.addresses();
        let Addresses { most, slots, kept } = &mut *addresses;
        // Looking through all is worth it once they have doubled.
        if slots.len() >= ADDRESSES_KEPT.max(2 * *kept) {
            // Those inside and those who wait hold a clone.
            slots.retain(|_, gate| Arc::strong_count(gate) > 1);
            *kept = slots.len();
        }
        let gate = slots
            .entry(address.to_canonical())
            .or_insert_with(|| Gate::new(*most));
        Arc::clone(gate)
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
