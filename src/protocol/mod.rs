//! What the RFCs say, as pure functions over bytes and text: no I/O, no severity, no opinion of this program.
//!
//! Its input comes from strangers: nothing here may panic, overflow or index.
#![deny(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

pub mod dnssec;
pub mod mta_sts;
pub mod pem;
pub mod pkix;
pub mod public_suffix;
pub mod smtp;
pub mod tls;
pub mod tlsa;
pub mod tlsrpt;
pub mod txt;
pub mod x509;
pub mod zone_text;
