//! What the MTA-STS record and the policy host told (RFC 8461).

use serde::Deserialize;
use serde::Serialize;

use crate::closed_set::closed_set;
use crate::evidence::dns::Lookup;
use crate::evidence::tls::Chain;
use crate::protocol::txt::TxtRecord;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Record and policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MtaStsEvidence {
    /// TXT at `_mta-sts.<domain>`, as found: which of them are MTA-STS records is for `protocol` to say.
    pub record: Lookup<TxtRecord>,
    /// The policy.
    pub policy: PolicyEvidence,
    /// What the policy host told although nothing asks for it, since somebody asked what would be if a record did
    /// (`check --assume mta-sts-record=…`). Nothing is judged by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed_policy: Option<PolicyEvidence>,
}

/// Fetched, or why it was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyEvidence {
    /// No form of a record is there.
    NotAsked,
    /// The record was not known in time, so nothing was asked.
    RecordUnknown,
    /// Asked.
    Asked(Box<PolicyFetch>),
}

/// One fetch of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFetch {
    /// Addresses of `mta-sts.<domain>`.
    pub a: Lookup<Ipv4Addr>,
    /// Addresses of `mta-sts.<domain>`.
    pub aaaa: Lookup<Ipv6Addr>,
    /// The chain of the policy host, also when it was refused.
    pub chain: Chain,
    /// The answer, or what stood in its way.
    pub outcome: Result<PolicyResponse, PolicyFetchFailure>,
    /// How long each phase took, in seconds.
    pub phases: FetchSeconds,
    /// How many seconds the policy host was allowed to take.
    pub allowed_seconds: u64,
}

/// A 200 answer over a valid certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyResponse {
    /// The header's value as sent; none when there was none.
    pub content_type: Option<String>,
    /// The body as sent, at most 64 KiB.
    #[serde(with = "serde_with::As::<serde_with::base64::Base64>")]
    pub body: Vec<u8>,
}

/// What stood in the way of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyFetchFailure {
    /// Neither A nor AAAA could be looked up; the look-ups say why.
    HostLookup,
    /// The host has no address.
    NoAddress,
    /// Only special-use addresses, which are refused before connecting.
    SpecialUseAddress(String),
    /// Refused, reset, no route from others to it.
    Connect(String),
    /// Only addresses that this monitor itself has no route to.
    NoRoute(String),
    /// Not done in `allowed_seconds`.
    Timeout(FetchPhase),
    /// The handshake failed.
    Tls(String),
    /// The certificate was refused by the policy host check, so nothing was asked (RFC 8461 §3.3); assess says why from the chain.
    Certificate,
    /// 3xx, never followed (RFC 8461 §3.3).
    Redirect {
        /// The status code.
        code: u16,
        /// Where to, as sent.
        location: Option<String>,
    },
    /// Not 200.
    Status {
        /// The status code.
        code: u16,
    },
    /// Over 64 KiB.
    TooLarge,
    /// The body ended before its length.
    Truncated,
    /// Anything else that HTTP can do wrong.
    Http(String),
}

closed_set! {
    /// Label `phase` of `mailtls_mta_sts_policy_fetch_phase_duration_seconds`.
    pub enum FetchPhase {
        /// DNS.
        Resolve = "resolve",
        /// TCP and TLS.
        Connect = "connect",
        /// Request to end of body.
        Transfer = "transfer",
    }
}

/// How long each phase took, in seconds; none for those that did not end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FetchSeconds {
    /// DNS.
    pub resolve: Option<f64>,
    /// TCP and TLS.
    pub connect: Option<f64>,
    /// Request to end of body.
    pub transfer: Option<f64>,
}

impl Eq for FetchSeconds {}
