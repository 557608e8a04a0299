//! mailtls-exporter: looks at the transport security of mail domains and says what each kind of sender can still do.
//!
//! Data flows one way, and this is the reading order:
//!
//! 1. The vocabulary: [`closed_set`], [`clock`], [`domain_name`]. Words shared by all. [`gate`] bounds what runs at once.
//! 2. [`protocol`]: what the RFCs say, as pure functions over bytes and text.
//! 3. [`evidence`]: plain data: what one probe learned, and what it could not learn and why.
//! 4. [`config`] and [`telemetry`]: what the operator asked for, and what the exporter counts of itself.
//! 5. [`observe`]: every socket in the program but the listener. Fills evidence, judges nothing.
//! 6. [`finding`] and [`assess`]: the catalogue of findings, and the rules from evidence to verdicts and findings.
//! 7. [`report`]: metrics, JSON and text of what was decided; decides nothing.
//! 8. [`probe`] joins the three, with [`memory`] between one probe and the next; [`draft`] joins those without a network;
//!    [`serve`] and [`cli`] are two doors to it.

pub mod assess;
pub mod cli;
pub mod clock;
pub mod closed_set;
pub mod config;
pub mod domain_name;
pub mod draft;
pub mod evidence;
pub mod finding;
pub mod gate;
pub mod memory;
pub mod observe;
pub mod probe;
pub mod protocol;
pub mod report;
pub mod serve;
pub mod telemetry;
