//! Every socket in the program but the listener: fills evidence, judges nothing.

pub mod dns;
pub mod limits;
pub mod policy_host;
pub mod smtp;
#[cfg(test)]
mod testing;
pub mod tls;
