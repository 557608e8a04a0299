//! MTA-STS (RFC 8461): a TXT record that says that there is a policy, the policy that names the MX hosts and how strict
//! a sender must be, and the patterns it names them by.
//!
//! A sender looks at TXT `_mta-sts.<domain>`. If its `id` is new, it fetches
//! `https://mta-sts.<domain>/.well-known/mta-sts.txt` and keeps the policy for `max_age` seconds. In mode `enforce` it then
//! delivers only to MX hosts that a pattern of the policy matches and that show a valid certificate for their own name.

pub mod pattern;
pub mod policy;
pub mod record;

pub use self::pattern::Pattern;
pub use self::policy::Mode;
pub use self::policy::Policy;
pub use self::record::Record;

/// The first 32 bits of SHA-256, big-endian: a number that changes when the text does.
fn short_hash(text: &str) -> u32 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .first_chunk()
        .map_or(0, |start| u32::from_be_bytes(*start))
}
