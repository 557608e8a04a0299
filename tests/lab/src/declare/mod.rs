//! What a test writes down: domains, MX hosts, SMTP servers, certificates and policies. Nothing
//! here does anything yet.

pub(crate) mod certificate;
pub(crate) mod domain;
pub(crate) mod mx;
pub(crate) mod policy;
pub(crate) mod script;
pub(crate) mod smtp;
