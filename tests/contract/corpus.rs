//! The recorded evidence of every domain of the demo and of `tests/peers`, and how it is judged.

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

/// Domains that were recorded together.
pub(crate) struct Collection {
    /// Where the recordings are, below `tests/fixtures`.
    folder: &'static str,
    /// Where what is said of them is, below `tests/contract`.
    pub(crate) snapshots: &'static str,
    /// Which outputs those are, by the ending of their files.
    pub(crate) outputs: &'static [&'static str],
    /// Every recording, by name.
    pub(crate) evidence: Vec<Evidence>,
}

/// The demo, and what `tests/peers` sets up on real servers.
pub(crate) static COLLECTIONS: LazyLock<[Collection; 2]> =
    LazyLock::new(|| [Collection::demo(), Collection::peers()]);

/// All of them, those of the demo first: some names are in both.
pub(crate) static CORPUS: LazyLock<Vec<Evidence>> = LazyLock::new(|| {
    let collections = COLLECTIONS.iter();
    collections
        .flat_map(|collection| collection.evidence.clone())
        .collect()
});

static ROOTS: LazyLock<TrustRoots> = LazyLock::new(|| {
    let roots = COLLECTIONS
        .iter()
        .map(|collection| fs::read(fixtures(collection.folder).join("roots.pem")).unwrap());
    TrustRoots::from_pem(&roots.collect::<Vec<_>>().concat()).unwrap()
});

static MODULE: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let config = Config::load(None, &Overrides::default()).unwrap();
    Arc::clone(config.module("default").unwrap())
});

impl Collection {
    fn demo() -> Self {
        Self {
            folder: "evidence",
            snapshots: "snapshots",
            outputs: &["txt", "json", "prom", "openmetrics"],
            evidence: read("evidence", 41),
        }
    }

    /// Without OpenMetrics, to keep the repository small: it has the samples of the text format, and the demo shows its form.
    fn peers() -> Self {
        Self {
            folder: "peers-evidence",
            snapshots: "peers-snapshots",
            outputs: &["txt", "json", "prom"],
            evidence: read("peers-evidence", 123),
        }
    }
}

/// At least so many are there: a folder that got lost would otherwise pass.
fn read(folder: &str, at_least: usize) -> Vec<Evidence> {
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    assert!(files.len() >= at_least, "{folder} is there");
    files.iter().map(|file| one(file)).collect()
}

fn one(file: &Path) -> Evidence {
    let read = recording::read(&fs::read(file).unwrap());
    let read = read
        .unwrap_or_else(|error| panic!("{}: {error}: a new field needs a default", file.display()));
    let [evidence] = &read.evidence[..] else {
        panic!("{}: more than one domain", file.display());
    };
    evidence.clone()
}

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder)
}

/// Judged by the default module, with the roots of both.
pub(crate) fn report(evidence: Evidence) -> Report {
    judge(evidence, &MODULE, &ROOTS, &Expect::default())
}

/// The same, without what was seen.
pub(crate) fn assess(evidence: &Evidence) -> Assessment {
    report(evidence.clone()).assessment
}
