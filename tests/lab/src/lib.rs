//! A little mail internet inside one process, on loopback: for tests, benchmarks and the demo of
//! mailtls-exporter.
//!
//! A world is declared, a few lines for each domain, and started:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use mailtls_lab::{Domain, Mx, Policy, Smtp, World};
//!
//! let world = World::start([
//!     Domain::new("good.example").mx(Mx::new("mx1").tlsa("3 1 1")).policy(Policy::enforce()).tlsrpt_default(),
//!     Domain::new("plain.example").unsigned().mx(Mx::new("mx1").smtp(Smtp::no_starttls())),
//! ])
//! .await;
//! assert!(world.config_yaml().contains(&world.dns_server().to_string()));
//! # }
//! ```
//!
//! What then runs, on ports that the system chose and addresses in 127.0.0.0/8:
//!
//! - one DNS endpoint that answers as a recursive resolver does, over a root, the top-level domains
//!   that the declarations need and one zone for each domain, all really signed ([`Domain`] says
//!   what may be wrong with them);
//! - an SMTP server at each address of each mail host ([`Mx`], [`Smtp`]), all on one port;
//! - the policy hosts ([`Policy`]) on another;
//! - behind them certificate authorities ([`Cert`]), of which [`World::ca_file`] has the trusted
//!   root.
//!
//! [`World`] tells where everything is, what clients did, and changes things while it runs. In
//! reading order: `declare` is what a test writes, `plan` turns it into addresses, certificates and
//! records, `dns` and `serve` run it, `start` opens the sockets, `world` answers questions, and
//! `changes` is what may be changed later. [`demo`] is a world to look around in.

mod certificate;
mod changes;
mod declare;
pub mod demo;
mod dns;
mod lock;
mod plan;
mod serve;
mod start;
mod tlsa;
mod world;

pub use certificate::IssuedCert;
pub use declare::certificate::Cert;
pub use declare::domain::Domain;
pub use declare::mx::{Address, Mx};
pub use declare::policy::Policy;
pub use declare::script::Script;
pub use declare::smtp::Smtp;
pub use dns::fault::DnsFault;
pub use dns::sign::{Denial, KeyAlgorithm, SignatureFault};
pub use start::WorldBuilder;
pub use tlsa::association;
pub use world::World;
