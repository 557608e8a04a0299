//! Faults that tests plant here, to see that the mutation tests of `observe/dns` would notice them. A build that is not
//! for unit tests has no way to plant one.

/// A rule that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Every signature with the right key tag counts as good.
    Signature,
    /// Any zone that a chain leads to may sign anything.
    Signer,
    /// What was made from a wildcard needs no proof that nothing closer exists.
    Expansion,
    /// Every gap that is signed denies every name.
    Gap,
}

/// Whether the fault is there; only in the thread of the test that plants it.
#[cfg(test)]
pub(crate) fn is_planted(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// Never.
#[cfg(not(test))]
pub(crate) const fn is_planted(_: Planted) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault for this thread, until the next call.
#[cfg(test)]
pub(crate) fn plant(fault: Option<Planted>) {
    PLANTED.set(fault);
}
