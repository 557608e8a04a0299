//! To be written.

/// Trust roots: to be written.
#[derive(Debug, Clone)]
pub struct TrustRoots;
