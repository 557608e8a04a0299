//! What is known of the monitor itself, so that our troubles are not taken for those of the domain (delivery.md).

use serde::Deserialize;
use serde::Serialize;

/// Our side of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Whether the DNS upstream answered anything during this probe: only then is a failed look-up a fact about the domain.
    pub resolver_answered: bool,
    /// What the self-checks said at its end.
    #[serde(flatten)]
    pub surroundings: Surroundings,
}

/// What the self-checks say: whether it is fine, none while unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Port 25 outwards.
    pub port25_egress: Option<bool>,
    /// A route for IPv6.
    pub ipv6_route: Option<bool>,
    /// Whether the upstream hands DNSSEC data on.
    pub dnssec_upstream: Option<bool>,
    /// Whether the clock shows what others' do.
    pub clock: Option<bool>,
}
