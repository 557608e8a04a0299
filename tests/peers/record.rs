//! The recorded evidence of every domain, which the golden and property tests of `tests/contract` judge beside that of the
//! demo: whether it still is what a probe sees. Where it is not, record anew, as root and with what `tests/run` installs:
//!
//! ```text
//! UPDATE_EVIDENCE=1 cargo test --features peers --test peers record
//! UPDATE_GOLDEN=1 cargo test --test contract golden
//! ```

use std::fs;
use std::process::Command;

use crate::domains::all;
use crate::recordings::Found;
use crate::recordings::Recordings;
use crate::recordings::assert_same;
use crate::world::World;

#[test]
fn the_recorded_evidence_is_what_a_probe_sees() {
    let world = World::get();
    // Of a domain that is not listed, `/probe` looks at five hosts: so shall this.
    let configuration = world.folder().join("record.yaml");
    let text = fs::read_to_string(world.configuration()).expect("the file is ours");
    let text = text.replace("limits:\n", "limits:\n  max_mx_hosts: 5\n");
    fs::write(&configuration, text).expect("the folder is ours");
    let program = env!("CARGO_BIN_EXE_mailtls-exporter");
    let mut probe = world.namespace().command(program);
    probe.args(["check", "--config.file"]);
    probe.arg(configuration);
    let found = Recordings {
        folder: "peers-evidence",
        roots: fs::read_to_string(world.root_certificate()).expect("the file is ours"),
        domains: all().iter().map(|domain| domain.name).collect(),
        probe,
        replay: Command::new(program),
    }
    .compare();
    let expected: Found = all()
        .iter()
        .map(|domain| {
            let findings = domain.findings.iter().map(|&finding| finding.to_owned());
            (domain.name.to_owned(), findings.collect())
        })
        .collect();
    assert_same(
        &found,
        &expected,
        "each shows the rule that it is there for",
    );
}
