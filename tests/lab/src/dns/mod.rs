//! The name service of a world: signed zones in memory, and one endpoint that answers as a
//! recursive resolver would.
//!
//! A zone is a map of `RRset`s ([`zone`]). Its signatures and its denial records are made when
//! somebody first asks ([`sign`], [`denial`]), so a world starts fast and may change while it runs.
//! [`internet`] joins the zones: it picks the zone for a question, follows aliases from one zone to
//! the next, and applies the faults ([`fault`]). [`server`] puts that on UDP and TCP.

pub(crate) mod denial;
pub(crate) mod fault;
pub(crate) mod internet;
pub(crate) mod server;
pub(crate) mod sign;
pub(crate) mod text;
pub(crate) mod zone;
