//! The servers of a world: SMTP on one address for each host, HTTPS for all policy hosts together.

pub(crate) mod https;
pub(crate) mod ledger;
pub(crate) mod legacy_tls;
pub(crate) mod script;
pub(crate) mod smtp;
pub(crate) mod tls;
