//! The lab checked from outside: signatures and denials over the wire, SMTP sessions and policy
//! fetches by hand, and every fault.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod certificate;
mod dns;
mod https;
mod smtp;
mod tls;
mod world;
