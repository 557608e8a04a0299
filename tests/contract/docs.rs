//! The generated reference pages are those that the code would generate now; `UPDATE_DOCS=1` writes them anew.

use std::path::Path;

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

/// docs/security.md says how each defence is tested: what it names is there.
#[test]
fn the_tests_of_the_security_page_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let code = page.split('`').skip(1).step_by(2);
    let named: Vec<&str> = code
        .filter(|code| code.contains("::") && !code.ends_with("::"))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(is_there(root, name), "{name}");
    }
}

/// Whether there is a module of that name, or a function in one.
fn is_there(root: &Path, name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let is_test_program = ["contract", "end_to_end", "peers"].contains(&parts[0]);
    let root = root.join(if is_test_program { "tests" } else { "src" });
    let text_of = |module: &[&str]| {
        let path = root.join(module.join("/"));
        let files = [path.with_extension("rs"), path.join("mod.rs")];
        files
            .iter()
            .find_map(|file| std::fs::read_to_string(file).ok())
    };
    let (length, text) = (1..=parts.len())
        .rev()
        .find_map(|length| Some((length, text_of(&parts[..length])?)))
        .unwrap_or_default();
    let functions = parts[length..].iter().filter(|part| **part != "tests");
    length > 0
        && functions
            .map(|part| format!("fn {part}("))
            .all(|function| text.contains(&function))
}
