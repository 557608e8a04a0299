//! A real Prometheus scrapes `/probe` of every domain, set up as the documentation says, and is asked what it found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::compared;
use crate::domains::all;
use crate::scrape::Format;
use crate::scrape::probe_path;
use crate::scrape::samples;
use crate::world::EXPORTER;
use crate::world::World;

/// Where it listens, inside the namespace.
const ADDRESS: &str = "127.0.0.1";
const PORT: u16 = 9090;

#[test]
fn prometheus_scrapes_every_domain() {
    let world = World::get();
    // Some servers are slow on purpose: by then the exporter has looked at all of them.
    compared();
    start(world);
    let mut found = BTreeMap::new();
    for _ in 0..60 {
        found = query(world, "probe_success");
        if all().iter().all(|domain| found.contains_key(domain.name)) {
            break;
        }
        thread::sleep(Duration::from_millis(500));
    }
    let scraped = query(world, "scrape_samples_scraped");
    for domain in all() {
        let own = samples(
            &world
                .exporter()
                .fetch(&probe_path(domain.name), Format::Text),
        );
        let success = own
            .iter()
            .find(|sample| sample.name == "probe_success")
            .map(|sample| sample.value.clone());
        assert_eq!(
            found.get(domain.name).cloned(),
            success,
            "probe_success of {} in Prometheus",
            domain.name
        );
        // None was dropped: two samples of one name and labels would be, without a word.
        let expected = own.len().to_string();
        assert_eq!(
            scraped.get(domain.name),
            Some(&expected),
            "samples of {} in Prometheus",
            domain.name
        );
        eprintln!(
            "{}: probe_success {success:?} and {expected} samples in Prometheus",
            domain.name
        );
    }
}

fn start(world: &World) {
    let servers = world.servers();
    let folder = servers.subfolder("prometheus");
    let mut text = "global:\n  scrape_interval: 10s\n  scrape_timeout: 10s\nscrape_configs:\n- job_name: mailtls\n  \
                    metrics_path: /probe\n  static_configs:\n  - targets:\n"
        .to_owned();
    for domain in all() {
        writeln!(text, "    - {}", domain.name).expect("a String takes everything");
    }
    write!(
        text,
        "  relabel_configs:\n  - source_labels: [__address__]\n    target_label: __param_target\n  \
         - source_labels: [__param_target]\n    target_label: instance\n  \
         - target_label: __address__\n    replacement: {EXPORTER}\n",
    )
    .expect("a String takes everything");
    let file = folder.join("prometheus.yml");
    fs::write(&file, text).expect("the folder is ours");
    let mut command = world.namespace().command("prometheus");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!(
        "--storage.tsdb.path={}",
        folder.join("data").display()
    ));
    command.arg(format!("--web.listen-address={ADDRESS}:{PORT}"));
    servers.start("prometheus", command, [ADDRESS], PORT);
}

/// An instant query: the value by `instance`, which is the domain.
fn query(world: &World, expression: &str) -> BTreeMap<String, String> {
    let url = format!("http://{ADDRESS}:{PORT}/api/v1/query?query={expression}");
    let printed = world
        .namespace()
        .run("curl", ["-sS", "--retry", "5", "--max-time", "10", &url])
        .expect("Prometheus answers");
    let answer: Value = serde_json::from_str(&printed).expect("the API speaks JSON");
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut values = BTreeMap::new();
    for result in answer
        .pointer("/data/result")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let (Some(domain), Some(value)) = (
            text(result.pointer("/metric/instance")),
            text(result.pointer("/value/1")),
        ) {
            values.insert(domain, value);
        }
    }
    values
}
