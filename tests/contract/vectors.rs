//! `tests/vectors`: whatever a vector says is read by a test, or its README names it as a comment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::architecture::sources;

/// A file without its ending, and the path of a key in its rows: `tlsa`, `input.dns.mx`.
type Key = (String, String);

/// Each key of each file, but for those of objects whose keys are names.
fn keys(folder: &Path) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = file.file_stem().unwrap().to_str().unwrap();
        let rows: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        collect(&rows, "", &mut |path| {
            keys.insert((name.to_owned(), path));
        });
    }
    keys
}

fn collect(value: &Value, path: &str, found: &mut impl FnMut(String)) {
    match value {
        Value::Array(items) => {
            for item in items {
                collect(item, path, found);
            }
        }
        Value::Object(object) => {
            for (key, value) in object.iter().filter(|(key, _)| !key.contains('.')) {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                collect(value, &below, found);
                found(below);
            }
        }
        _ => {}
    }
}

/// The lines "- `FILE` `KEY`: why" of the README; `*` is every file.
fn comments(folder: &Path) -> BTreeSet<Key> {
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let comment = |line: &str| {
        let mut words = line.strip_prefix("- `")?.split('`');
        let (file, _, key) = (words.next()?, words.next()?, words.next()?);
        Some((file.to_owned(), key.to_owned()))
    };
    readme.lines().filter_map(comment).collect()
}

/// The words of the tests that read this file, and of the rows that they share; those of variants as labels spell them.
fn words(name: &str, sources: &[(String, String)]) -> BTreeSet<String> {
    let file = format!("{name}.json");
    let readers = sources
        .iter()
        .filter(|(_, text)| text.contains(&file) || text.contains("struct Vector"));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    readers
        .flat_map(|(_, text)| text.split(|c| !is_word(c)))
        .flat_map(|word| [word.to_owned(), label(word)])
        .collect()
}

/// `MtaSts` as `mta_sts`.
fn label(variant: &str) -> String {
    let mut label = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !label.is_empty() {
            label.push('_');
        }
        label.push(c.to_ascii_lowercase());
    }
    label
}

#[test]
fn what_a_vector_says_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/vectors");
    let sources = sources(&root.join("src"));
    let (keys, comments) = (keys(&folder), comments(&folder));
    assert!(keys.len() > 100, "the vectors are there: {keys:?}");
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (file, key) in &keys {
        let comment = [file, "*"]
            .map(|file| (file.to_owned(), key.clone()))
            .into_iter()
            .find(|comment| comments.contains(comment));
        if let Some(comment) = comment {
            used.insert(comment);
            continue;
        }
        let last = key.rsplit('.').next().unwrap();
        if !words(file, &sources).contains(last) {
            wrong.push(format!("{file}.json: no test reads {key}"));
        }
    }
    wrong.extend(
        comments
            .difference(&used)
            .map(|(file, key)| format!("README.md: no vector of {file} has {key}")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
