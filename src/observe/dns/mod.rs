//! DNS look-ups that say how far DNSSEC vouches for them.
//!
//! A question goes through these layers: [`resolver`] follows aliases; [`hop`] reads and remembers the answer for one name; [`verdict`] judges it;
//! [`chain`] walks from the root down to the zone that must have signed it, in steps of [`cut`]; [`upstream`] asks a recursive resolver, with
//! its own validation switched off (CD), so that a forged answer and a failure stay apart. Two outcomes never turn into each
//! other: *bogus* (there is an answer, and it is wrong) and *indeterminate* (something could not be learned).

mod asking;
mod chain;
mod cut;
mod denials;
mod handed_on;
mod hop;
mod memory;
mod resolver;
mod upstream;
mod verdict;
mod zone;

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub use asking::ProbeQueries;
pub use handed_on::DnssecData;
pub use resolver::Resolver;
pub use resolver::ResolverError;
