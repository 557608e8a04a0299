//! The recorded evidence of every domain of the demo, and how it is judged.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::LazyLock;

use mailtls_exporter::assess::Assessment;
use mailtls_exporter::config::Config;
use mailtls_exporter::config::Expect;
use mailtls_exporter::config::Module;
use mailtls_exporter::config::Overrides;
use mailtls_exporter::evidence::Evidence;
use mailtls_exporter::evidence::recording;
use mailtls_exporter::probe::judge;
use mailtls_exporter::protocol::pkix::TrustRoots;
use mailtls_exporter::report::Report;

/// Every recording, by name.
pub(crate) static CORPUS: LazyLock<Vec<Evidence>> = LazyLock::new(|| {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    let corpus: Vec<Evidence> = files
        .iter()
        .map(|file| {
            let read = recording::read(&fs::read(file).unwrap());
            let read = read.unwrap_or_else(|error| {
                panic!("{}: {error}: a new field needs a default", file.display())
            });
            let [evidence] = &read.evidence[..] else {
                panic!("{}: more than one domain", file.display());
            };
            evidence.clone()
        })
        .collect();
    assert!(corpus.len() > 40, "the corpus is there");
    corpus
});

static ROOTS: LazyLock<TrustRoots> =
    LazyLock::new(|| TrustRoots::from_pem(&fs::read(folder().join("roots.pem")).unwrap()).unwrap());

static MODULE: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let config = Config::load(None, &Overrides::default()).unwrap();
    Arc::clone(config.module("default").unwrap())
});

/// Where the recordings are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/evidence")
}

/// Judged by the default module, with the roots of the demo.
pub(crate) fn report(evidence: Evidence) -> Report {
    judge(evidence, &MODULE, &ROOTS, &Expect::default())
}

/// The same, without what was seen.
pub(crate) fn assess(evidence: &Evidence) -> Assessment {
    report(evidence.clone()).assessment
}
