//! To be written.

/// Trust anchors: to be written.
#[derive(Debug, Clone)]
pub struct TrustAnchors;
