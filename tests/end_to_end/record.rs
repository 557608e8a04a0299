//! The recorded evidence of every domain of the demo, which the golden and property tests of `tests/contract` judge: whether
//! it still is what a probe sees. Where it is not, record anew:
//!
//! ```text
//! UPDATE_EVIDENCE=1 cargo test --test end_to_end record
//! UPDATE_GOLDEN=1 cargo test --test contract golden
//! ```
//!
//! Each recording has new keys, certificates and dates, so that every golden file changes with it.

use mailtls_lab::demo;

use crate::exporter::configuration;
use crate::exporter::program;
use crate::recordings::Recordings;

#[test]
fn the_recorded_evidence_is_what_a_probe_sees() {
    let world = demo::world().start_blocking();
    let mut probe = program();
    probe.args(["check", "--config.file"]);
    probe.arg(configuration(&world, ""));
    let exhibits = demo::domains();
    Recordings {
        folder: "evidence",
        roots: world.ca_pem(),
        domains: exhibits.iter().map(|exhibit| exhibit.name).collect(),
        probe,
        replay: program(),
    }
    .compare();
}
