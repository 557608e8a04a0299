//! The generated reference pages are those that the code would generate now; `UPDATE_DOCS=1` writes them anew.

use mailtls_exporter::report::catalogue_docs;

fn agrees(path: &str, generated: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{path} is stale: UPDATE_DOCS=1 cargo test --test contract"
    );
}

#[test]
fn findings_page() {
    agrees("docs/findings.md", &catalogue_docs::findings());
}

#[test]
fn metrics_page() {
    agrees("docs/metrics.md", &catalogue_docs::metrics());
}
