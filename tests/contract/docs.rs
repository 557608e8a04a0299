//! The generated reference pages are those that the code would generate now; `UPDATE_DOCS=1` writes them anew.

use std::collections::BTreeSet;
use std::path::Path;

use mailtls_exporter::report::catalogue_docs;
use serde::Deserialize as _;
use serde_json::Value;

pub(crate) fn agrees(path: &str, generated: &str) {
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

/// Kind and version of a resource of the Prometheus Operator, and the fields that its definition has, of those in use here.
type Resource = (&'static str, &'static str, &'static [&'static str]);

const RESOURCES: [Resource; 2] = [
    (
        "Probe",
        "monitoring.coreos.com/v1",
        &[
            "interval",
            "scrapeTimeout",
            "prober.url",
            "prober.path",
            "targets.staticConfig.static[]",
        ],
    ),
    (
        "ScrapeConfig",
        "monitoring.coreos.com/v1alpha1",
        &[
            "metricsPath",
            "scrapeInterval",
            "scrapeTimeout",
            "httpSDConfigs[].url",
            "relabelings[].sourceLabels[]",
            "relabelings[].targetLabel",
            "relabelings[].replacement",
        ],
    ),
];

/// The operator drops fields that it does not know without a word.
#[test]
fn the_resources_for_the_operator_have_fields_that_it_knows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/prometheus.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples = page.split("```yaml\n").skip(1);
    let text: String = examples
        .filter_map(|rest| rest.split_once("```"))
        .filter(|(example, _)| example.starts_with("apiVersion"))
        .map(|(example, _)| example)
        .collect();
    let mut seen = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let resource = Value::deserialize(document).unwrap();
        let kind = resource["kind"].as_str().unwrap();
        let known = RESOURCES.iter().find(|(name, _, _)| *name == kind);
        let (_, version, fields) = known.unwrap_or_else(|| panic!("{kind}"));
        assert_eq!(resource["apiVersion"], *version, "{kind}");
        assert!(resource["metadata"]["name"].is_string(), "{kind}");
        let mut used = BTreeSet::new();
        collect(&resource["spec"], "", &mut used);
        let known: BTreeSet<String> = fields.iter().map(|&field| field.to_owned()).collect();
        assert_eq!(used, known, "{kind}");
        seen.insert(kind.to_owned());
    }
    assert_eq!(seen.len(), RESOURCES.len(), "{seen:?}");
}

/// `spec.targets.static[]`: the ways to everything that is no list and no map.
fn collect(value: &Value, way: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let dot = if way.is_empty() { "" } else { "." };
                collect(inner, &format!("{way}{dot}{key}"), found);
            }
        }
        Value::Array(list) => {
            for inner in list {
                collect(inner, &format!("{way}[]"), found);
            }
        }
        _ => {
            found.insert(way.to_owned());
        }
    }
}
