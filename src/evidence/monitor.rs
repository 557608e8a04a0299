//! What is known of the monitor itself, so that our troubles are not taken for those of the domain (delivery.md).

use serde::Deserialize;
use serde::Serialize;

/// Our side of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Whether the DNS upstream answered anything during this probe: only then is a failed look-up a fact about the domain.
    pub resolver_answered: bool,
    /// Port 25 outwards; none while unknown.
    pub port25_egress: Option<bool>,
    /// A route for IPv6; none while unknown.
    pub ipv6_route: Option<bool>,
    /// Whether the upstream hands DNSSEC data on; none while unknown.
    pub dnssec_upstream: Option<bool>,
}
