//! SMTP sessions with the hosts that receive mail: what one session shows, and how probes share them.
//!
//! [`session`] speaks with one address, `observation` knows which sessions an address needs, and [`sharing`] sees to it
//! that this happens rarely and one at a time (`slots`); who turns us away is left alone for a while (`backoff`). An
//! obsolete server gets one more session from `legacy`, which reads in clear what it would speak.

mod backoff;
mod legacy;
mod observation;
pub mod session;
pub mod sharing;
mod slots;
